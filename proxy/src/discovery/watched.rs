//! What is known of a key, and of the stream that tells it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::kept::Ticket;
use super::{Answer, Key, Update};
use crate::model::{Endpoint, EndpointsUpdate, FaultSet, InboundPolicy, OutboundPolicy, Profile};

/// Kinds of keys, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Profiles.
    Profile,
    /// Outbound policies.
    Outbound,
    /// Endpoints.
    Endpoints,
    /// Inbound policies.
    Inbound,
    /// Faults.
    Faults,
}

/// What is counted of all keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By kind.
    pub kinds: [KindCounts; 5],
    /// Messages that were not taken, by kind and reason.
    pub invalid: Vec<(Kind, &'static str, u64)>,
}

/// What is counted of one kind of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindCounts {
    /// Keys that are watched.
    pub watched: u64,
    /// Keys among them whose stream is down.
    pub stale: u64,
    /// The longest time that one of them has been down.
    pub stale_for: Duration,
    /// Messages that were taken.
    pub messages: u64,
    /// Streams that were opened.
    pub streams: u64,
}

/// One key as a state dump shows it.
#[derive(Clone, Debug)]
pub struct WatchState {
    /// The key.
    pub key: Key,
    /// How many workers watch it.
    pub watchers: usize,
    /// Whether its stream is up.
    pub connected: bool,
    /// How long ago the last answer came; none before the first.
    pub age: Option<Duration>,
    /// What is known, in a word.
    pub known: &'static str,
    /// What went wrong last, until something goes right.
    pub last_error: Option<String>,
}

/// What a stream says.
#[derive(Debug)]
pub(super) enum News {
    /// It is open.
    Opened,
    /// A message.
    Update(Update),
    /// A message that cannot be used: the reason as a label, and all of it for the log.
    Invalid(&'static str, String),
    /// It is down.
    Down(String),
}

/// What was said last.
#[derive(Debug, Default)]
pub(super) enum Known {
    #[default]
    Nothing,
    Profile(Answer<Profile>),
    Outbound(Answer<OutboundPolicy>),
    Inbound(Answer<InboundPolicy>),
    Faults(Answer<FaultSet>),
    Endpoints(HashMap<SocketAddr, Arc<Endpoint>>),
    NoEndpoints,
}

/// A key that is watched.
pub(super) struct Entry {
    pub(super) watchers: Vec<usize>,
    pub(super) known: Known,
    /// Which of the streams that there were for this key it listens to.
    pub(super) serial: u64,
    pub(super) task: tokio::task::AbortHandle,
    /// When the stream went down, or was first wanted; none while it is up.
    pub(super) down_since: Option<Instant>,
    /// Whether the stream has said something since it was down: then `known` can be learned again at any time.
    pub(super) is_current: bool,
    /// Its place among what is kept though nobody watches it.
    pub(super) kept: Option<Ticket>,
    pub(super) answered: Option<Instant>,
    pub(super) last_error: Option<String>,
}

// === impl Kind ===

impl Kind {
    /// All, in the order of [`Counts::kinds`].
    pub const ALL: [Self; 5] = [Self::Profile, Self::Outbound, Self::Endpoints, Self::Inbound, Self::Faults];

    /// The kind of a key.
    pub fn of(key: &Key) -> Self {
        match key {
            Key::Profile(_) => Self::Profile,
            Key::Outbound(_) => Self::Outbound,
            Key::Endpoints(_) => Self::Endpoints,
            Key::Inbound(_) => Self::Inbound,
            Key::Faults => Self::Faults,
        }
    }

    /// The kind as a label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Outbound => "outbound",
            Self::Endpoints => "endpoints",
            Self::Inbound => "inbound",
            Self::Faults => "faults",
        }
    }
}

// === impl Counts ===

impl Counts {
    pub(super) fn of(&mut self, kind: Kind) -> &mut KindCounts {
        &mut self.kinds[kind as usize]
    }

    pub(super) fn invalid(&mut self, kind: Kind, reason: &'static str) {
        let known = self.invalid.iter_mut().find(|(of, label, _)| (*of, *label) == (kind, reason));
        match known {
            Some((_, _, count)) => *count += 1,
            None => self.invalid.push((kind, reason, 1)),
        }
    }
}

// === impl Known ===

impl Known {
    /// Keeps what an update says; tells whether that is anything new.
    pub(super) fn keep(&mut self, update: &Update) -> bool {
        match update {
            Update::Profile(_, answer) => *self = Self::Profile(answer.clone()),
            Update::Outbound(_, answer) => *self = Self::Outbound(answer.clone()),
            Update::Inbound(_, answer) => *self = Self::Inbound(answer.clone()),
            Update::Faults(answer) => *self = Self::Faults(answer.clone()),
            Update::Endpoints(_, update) => return self.keep_endpoints(update),
            Update::Identity(_) => return false,
        }
        true
    }

    fn keep_endpoints(&mut self, update: &EndpointsUpdate) -> bool {
        let by_address = |endpoints: &[Arc<Endpoint>]| -> HashMap<SocketAddr, Arc<Endpoint>> {
            endpoints.iter().map(|endpoint| (endpoint.addr, endpoint.clone())).collect()
        };
        match (&mut *self, update) {
            (_, EndpointsUpdate::DoesNotExist) => *self = Self::NoEndpoints,
            // After a stream broke off the whole set comes again, mostly the same.
            (Self::Endpoints(known), EndpointsUpdate::Reset(all)) => {
                let all = by_address(all);
                if *known == all {
                    return false;
                }
                *known = all;
            }
            (Self::Endpoints(known), EndpointsUpdate::Add(more)) => known.extend(by_address(more)),
            (Self::Endpoints(known), EndpointsUpdate::Remove(gone)) => {
                known.retain(|addr, _| !gone.contains(addr));
            }
            (_, EndpointsUpdate::Reset(all) | EndpointsUpdate::Add(all)) => {
                *self = Self::Endpoints(by_address(all))
            }
            (_, EndpointsUpdate::Remove(_)) => *self = Self::Endpoints(HashMap::new()),
        }
        true
    }

    /// All of it, for a worker that knows nothing.
    pub(super) fn whole(&self, key: &Key) -> Option<Update> {
        Some(match (self, key) {
            (Self::Profile(answer), Key::Profile(target)) => Update::Profile(target.clone(), answer.clone()),
            (Self::Outbound(answer), Key::Outbound(target)) => {
                Update::Outbound(target.clone(), answer.clone())
            }
            (Self::Faults(answer), Key::Faults) => Update::Faults(answer.clone()),
            (Self::Inbound(answer), Key::Inbound(port)) => Update::Inbound(*port, answer.clone()),
            (Self::Endpoints(known), Key::Endpoints(name)) => {
                Update::Endpoints(name.clone(), EndpointsUpdate::Reset(known.values().cloned().collect()))
            }
            (Self::NoEndpoints, Key::Endpoints(name)) => {
                Update::Endpoints(name.clone(), EndpointsUpdate::DoesNotExist)
            }
            _ => return None,
        })
    }

    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    fn word(&self) -> &'static str {
        fn answer<T>(answer: &Answer<T>) -> &'static str {
            match answer {
                Answer::Found(_) => "found",
                Answer::NotFound => "not_found",
                Answer::Rejected(reason) => reason,
            }
        }
        match self {
            Self::Nothing => "nothing",
            Self::Profile(profile) => answer(profile),
            Self::Outbound(policy) => answer(policy),
            Self::Inbound(policy) => answer(policy),
            Self::Faults(faults) => answer(faults),
            Self::Endpoints(known) if known.is_empty() => "no_endpoints",
            Self::Endpoints(_) => "found",
            Self::NoEndpoints => "not_found",
        }
    }
}

// === impl Entry ===

impl Entry {
    pub(super) fn state(&self, key: &Key, now: Instant) -> WatchState {
        WatchState {
            key: key.clone(),
            watchers: self.watchers.len(),
            connected: self.down_since.is_none(),
            age: self.answered.map(|at| now.duration_since(at)),
            known: self.known.word(),
            last_error: self.last_error.clone(),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}
