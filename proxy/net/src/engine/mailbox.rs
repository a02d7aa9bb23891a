//! Messages from other threads to a worker: a bounded queue and a waker.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use parking_lot::Mutex;

/// Sends messages to one worker; cheap to clone, never blocks.
pub struct Mailbox<M>(Arc<Shared<M>>);

/// The receiving end, for the engine.
pub struct Inbox<M>(Arc<Shared<M>>);

/// The queue of a worker is full, or the worker is gone; the message comes back.
#[derive(Debug, thiserror::Error)]
#[error("the worker's queue of {limit} messages is full or closed")]
pub struct Undelivered<M> {
    /// The message.
    pub message: M,
    /// How many the queue holds.
    pub limit: usize,
}

struct Shared<M> {
    state: Mutex<State<M>>,
    limit: usize,
}

struct State<M> {
    messages: VecDeque<M>,
    waker: Option<Waker>,
    open: bool,
}

/// A queue of at most `limit` messages.
#[must_use]
pub fn mailbox<M>(limit: usize) -> (Mailbox<M>, Inbox<M>) {
    let state = State { messages: VecDeque::new(), waker: None, open: true };
    let shared = Arc::new(Shared { state: Mutex::new(state), limit });
    (Mailbox(Arc::clone(&shared)), Inbox(shared))
}

// === impl Mailbox ===

impl<M> Clone for Mailbox<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M> Mailbox<M> {
    /// Queues a message.
    ///
    /// # Errors
    /// When the queue is full or its worker has ended; the message is in the error.
    pub fn send(&self, message: M) -> Result<(), Undelivered<M>> {
        let mut state = self.0.state.lock();
        if !state.open || state.messages.len() >= self.0.limit {
            return Err(Undelivered { message, limit: self.0.limit });
        }
        state.messages.push_back(message);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}

// === impl Inbox ===

impl<M> Inbox<M> {
    /// Takes all messages and leaves `into` for the next ones; `waker` is called when one comes.
    pub(super) fn take(&self, into: &mut VecDeque<M>, waker: &Waker) {
        let mut state = self.0.state.lock();
        std::mem::swap(&mut state.messages, into);
        if state.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
    }
}

impl<M> Drop for Inbox<M> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.open = false;
        state.messages.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_or_closed_queue_gives_the_message_back() {
        let (mailbox, inbox) = mailbox(1);
        mailbox.send(1).unwrap();
        assert_eq!(mailbox.send(2).unwrap_err().message, 2);
        let mut messages = VecDeque::new();
        inbox.take(&mut messages, Waker::noop());
        assert_eq!(messages, [1]);
        drop(inbox);
        assert_eq!(mailbox.send(3).unwrap_err().message, 3);
    }
}
