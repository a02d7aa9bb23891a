//! What the control plane says about destinations and ports, told to the workers that asked.
//!
//! The control thread keeps one stream per [`Key`] for the whole process ([`hub`]) and hands each answer to every worker that
//! watches the key. A worker holds a [`Discovery`]; its calls never block. When a stream breaks off, what it said last stays in
//! force, and its age is known; the stream is opened again with backoff. What is forgotten by the last worker while its stream is
//! down stays too, within a bound, until discovery is back (`kept`).

pub mod client;
pub mod connect;
pub mod hub;
mod kept;
mod stream;
mod watched;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use linkerd2_proxy_api::inbound::PortSpec;
use tokio::sync::{mpsc, oneshot};

use crate::config;
use crate::identity::Credentials;
use crate::model::{EndpointsUpdate, FaultSet, InboundPolicy, NameAddr, OutboundPolicy, Profile};

pub use self::hub::{Clients, Deliver, Hub};
pub use self::watched::{Counts, Kind, KindCounts, WatchState};

/// What is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// An address, as the application connected to it.
    Addr(SocketAddr),
    /// A name, as a request or a configuration has it.
    Name(NameAddr),
}

/// One thing to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// The profile of a destination.
    Profile(Target),
    /// The outbound policy of a destination.
    Outbound(Target),
    /// The endpoints of a name.
    Endpoints(NameAddr),
    /// Faults that somebody asked for, of all destinations.
    Faults,
    /// The policy of an inbound port.
    Inbound(u16),
}

/// What the control plane says about a key.
#[derive(Debug)]
pub enum Answer<T> {
    /// This.
    Found(Arc<T>),
    /// It knows nothing of it, or does not know of such questions.
    NotFound,
    /// It refuses the question, or its answer cannot be used and there was none before: why, as a label.
    Rejected(&'static str),
}

/// News for a worker.
#[derive(Clone, Debug)]
pub enum Update {
    /// About a profile.
    Profile(Target, Answer<Profile>),
    /// About an outbound policy.
    Outbound(Target, Answer<OutboundPolicy>),
    /// About faults; not found where there are none, or nobody says so any more.
    Faults(Answer<FaultSet>),
    /// About endpoints. The first for a worker is a `Reset` or `DoesNotExist`.
    Endpoints(NameAddr, EndpointsUpdate),
    /// About the policy of an inbound port.
    Inbound(u16, Answer<InboundPolicy>),
    /// A new generation of the proxy's own identity.
    Identity(Arc<Credentials>),
}

/// Asks for updates on behalf of one worker. Cheap to call; answers come as messages.
#[derive(Clone, Debug)]
pub struct Discovery {
    worker: usize,
    commands: mpsc::UnboundedSender<Command>,
}

/// Asks the hub how it is doing, from any task of the control thread.
#[derive(Clone, Debug)]
pub struct Inspector {
    commands: mpsc::UnboundedSender<Command>,
}

/// What the hub is told.
#[derive(Debug)]
pub(crate) enum Command {
    Watch(usize, Key),
    Forget(usize, Key),
    Inspect(oneshot::Sender<Vec<WatchState>>),
    Count(oneshot::Sender<Counts>),
}

// === impl Target ===

impl Target {
    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Addr(addr) => addr.port(),
            Self::Name(name) => name.port,
        }
    }

    /// Whether a profile of it is looked up.
    pub(crate) fn has_profile(&self, lookups: &config::Destination) -> bool {
        match self {
            Self::Addr(addr) => lookups.profile_networks.iter().any(|network| network.contains(&addr.ip())),
            Self::Name(name) => lookups.profile_suffixes.contains(name.name.as_str()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addr(addr) => addr.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

// === impl Key ===

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile(target) => write!(f, "profile of {target}"),
            Self::Outbound(target) => write!(f, "outbound policy of {target}"),
            Self::Endpoints(name) => write!(f, "endpoints of {name}"),
            Self::Faults => f.write_str("faults"),
            Self::Inbound(port) => write!(f, "inbound policy of port {port}"),
        }
    }
}

// === impl Answer ===

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Found(found) => Self::Found(found.clone()),
            Self::NotFound => Self::NotFound,
            Self::Rejected(reason) => Self::Rejected(reason),
        }
    }
}

// === impl Discovery ===

impl Discovery {
    /// Has the worker told what is known of a key, at once if something is, and whatever comes after.
    ///
    /// After the hub has ended, as in tests without one, nothing comes.
    pub fn watch(&self, key: Key) {
        let _ = self.commands.send(Command::Watch(self.worker, key));
    }

    /// Has the worker told no more. The stream ends with the last worker that watches.
    pub fn forget(&self, key: Key) {
        let _ = self.commands.send(Command::Forget(self.worker, key));
    }

    /// The hub's end of what a worker asks, for tests of workers.
    #[cfg(test)]
    #[allow(dead_code, reason = "for the tests of several modules, in the order they come")]
    pub(crate) fn pair(worker: usize) -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (commands, receiver) = mpsc::unbounded_channel();
        (Self { worker, commands }, receiver)
    }
}

// === impl Inspector ===

impl Inspector {
    /// What is watched, key by key; empty when the hub has ended.
    pub async fn watched(&self) -> Vec<WatchState> {
        let (answer, state) = oneshot::channel();
        let _ = self.commands.send(Command::Inspect(answer));
        state.await.unwrap_or_default()
    }

    /// What has been counted.
    pub async fn counts(&self) -> Counts {
        let (answer, counts) = oneshot::channel();
        let _ = self.commands.send(Command::Count(answer));
        counts.await.unwrap_or_default()
    }
}

/// The question about a port.
fn port_spec(workload: &str, port: u16) -> PortSpec {
    PortSpec { workload: workload.to_owned(), port: port.into() }
}

#[cfg(test)]
mod tests;
