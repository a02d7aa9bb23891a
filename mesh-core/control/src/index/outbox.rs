//! Which streams of a connection have news, and the task that serves them.
//!
//! A waker for each stream would be an allocation and a wake-up each; a connection has one outbox, and its streams are
//! numbers in it.

use std::sync::Arc;
use std::task::Waker;

use parking_lot::Mutex;

/// The streams of a connection that have news.
#[derive(Default)]
pub struct Outbox {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    told: Vec<u32>,
    waker: Option<Waker>,
}

/// A stream of a connection.
#[derive(Clone)]
pub struct Listener {
    outbox: Arc<Outbox>,
    token: u32,
}

// === impl Outbox ===

impl Outbox {
    /// Moves the streams that have news behind `ready`; when there are none, the task is woken once there are.
    pub fn take(&self, ready: &mut impl Extend<u32>, waker: &Waker) {
        let mut state = self.state.lock();
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        ready.extend(state.told.drain(..));
        // A change that all streams saw must not keep its room for ever.
        state.told.shrink_to(16);
    }
}

// === impl Listener ===

impl Listener {
    /// The stream `token` of the connection behind an outbox.
    pub fn new(outbox: &Arc<Outbox>, token: u32) -> Self {
        Self { outbox: Arc::clone(outbox), token }
    }

    /// Tells the stream that there is news.
    pub fn tell(self) {
        let waker = {
            let mut state = self.outbox.state.lock();
            state.told.push(self.token);
            // Whoever takes what is told leaves its waker again.
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
