//! A destination: what discovery has said of it, and who waits for that.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::backend::Waiter;
use super::plan::Plan;
use crate::discovery::{Answer, Target};
use crate::model::{OutboundPolicy, Profile};

/// How long connections and requests wait for the first answer of discovery.
pub(super) const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// A destination that somebody speaks to, or spoke to a moment ago.
pub(super) struct Destination {
    pub(super) target: Target,
    pub(super) profile: State<Profile>,
    pub(super) policy: State<OutboundPolicy>,
    pub(super) plan: Option<Rc<Plan>>,
    pub(super) waiting: Vec<Waiter>,
    /// Held by connections.
    pub(super) users: Rc<()>,
    pub(super) idle_since: Option<Instant>,
    /// When discovery was asked, and when it last said something.
    pub(super) asked: Instant,
    pub(super) answered: Option<Instant>,
}

/// What is known of one part.
pub(super) enum State<T> {
    /// Nobody asks: there cannot be one.
    Unasked,
    /// Nothing yet.
    Waiting,
    /// This.
    Known(Answer<T>),
}

// === impl Destination ===

impl Destination {
    pub(super) fn new(target: Target, has_profile: bool, now: Instant) -> Self {
        Self {
            target,
            profile: if has_profile { State::Waiting } else { State::Unasked },
            policy: State::Waiting,
            plan: None,
            waiting: Vec::new(),
            users: Rc::new(()),
            idle_since: None,
            asked: now,
            answered: None,
        }
    }

    /// Whether a connection or request has it, or waits for it.
    pub(super) fn is_used(&self) -> bool {
        Rc::strong_count(&self.users) > 1 || !self.waiting.is_empty()
    }

    /// Whether all that was asked has been answered.
    pub(super) fn is_complete(&self) -> bool {
        !matches!(self.profile, State::Waiting) && !matches!(self.policy, State::Waiting)
    }
}

// === impl State ===

impl<T> State<T> {
    /// What was found.
    pub(super) fn found(&self) -> Option<&std::sync::Arc<T>> {
        match self {
            Self::Known(Answer::Found(found)) => Some(found),
            _ => None,
        }
    }
}
