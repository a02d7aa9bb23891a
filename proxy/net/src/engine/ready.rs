//! Which sockets became ready: one waker a connection, one queue a worker, one task to wake.

use std::sync::Arc;
use std::task::{Wake, Waker};

use parking_lot::Mutex;

/// What wakers of sockets push to.
pub(super) struct Ready {
    state: Arc<Mutex<State>>,
    /// By place of the connection; made once and used again by whoever comes to that place.
    wakers: Vec<Waker>,
}

#[derive(Default)]
struct State {
    queue: Vec<u32>,
    /// Of the worker's task; none while it has been woken.
    task: Option<Waker>,
}

struct Bell {
    index: u32,
    state: Arc<Mutex<State>>,
}

// === impl Ready ===

impl Ready {
    pub(super) fn new() -> Self {
        Self { state: Arc::default(), wakers: Vec::new() }
    }

    /// Takes what became ready since the last call, and has `task` woken by what becomes ready from now on.
    pub(super) fn take(&self, into: &mut Vec<u32>, task: &Waker) {
        into.clear();
        let mut state = self.state.lock();
        std::mem::swap(&mut state.queue, into);
        if state.task.is_none() {
            state.task = Some(task.clone());
        }
    }

    /// The waker of the place `index`.
    pub(super) fn waker(&mut self, index: u32) -> &Waker {
        let index = index as usize;
        while self.wakers.len() <= index {
            let bell = Bell { index: self.wakers.len() as u32, state: Arc::clone(&self.state) };
            self.wakers.push(Waker::from(Arc::new(bell)));
        }
        &self.wakers[index]
    }

    /// Has a connection looked at in the next round.
    pub(super) fn push(&self, index: u32) {
        ring(&self.state, index);
    }
}

// === impl Bell ===

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        ring(&self.state, self.index);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        ring(&self.state, self.index);
    }
}

fn ring(state: &Mutex<State>, index: u32) {
    let mut state = state.lock();
    state.queue.push(index);
    let task = state.task.take();
    drop(state);
    if let Some(task) = task {
        task.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rings_between_two_rounds_is_taken_in_the_next() {
        let mut ready = Ready::new();
        let waker = ready.waker(3).clone();
        let mut queue = Vec::new();
        ready.take(&mut queue, Waker::noop());
        assert!(queue.is_empty());
        waker.wake_by_ref();
        ready.push(1);
        ready.take(&mut queue, Waker::noop());
        assert_eq!(queue, [3, 1]);
    }
}
