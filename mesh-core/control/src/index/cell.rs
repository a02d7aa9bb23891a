//! A conflating cell: the newest snapshot of a topic, and who waits for a newer one.
//!
//! It is a `tokio::sync::watch` channel that is asked instead of awaited, so that a stream needs no boxed future: a
//! subscriber is two words and a slot. Whoever is slow finds the newest state and misses those between.

use std::sync::Arc;

use parking_lot::Mutex;
use slab::Slab;

use super::outbox::{Listener, Outbox};
use super::snapshot::Snapshot;
use super::topic::Refusal;

/// The newest snapshot of a topic.
pub struct Cell {
    state: Mutex<State>,
}

struct State {
    newest: Arc<Snapshot>,
    ending: Option<Change>,
    waiting: Slab<Option<Listener>>,
}

/// What a subscriber learns.
#[derive(Clone)]
pub enum Change {
    /// There is a newer snapshot.
    Newer(Arc<Snapshot>),
    /// The request has to be resolved again: it belongs to another topic now.
    Moved,
    /// There is nothing more to come.
    Ended(Refusal),
}

/// One listener of a cell.
pub struct Subscription {
    cell: Arc<Cell>,
    slot: usize,
}

// === impl Cell ===

impl Cell {
    /// A cell that holds its first snapshot.
    pub fn new(newest: Arc<Snapshot>) -> Self {
        Self { state: Mutex::new(State { newest, ending: None, waiting: Slab::new() }) }
    }

    /// The newest snapshot.
    pub fn newest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.state.lock().newest)
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Replaces the snapshot and tells who waits.
    pub fn publish(&self, newest: Arc<Snapshot>) {
        self.change(|state| state.newest = newest);
    }

    /// Sends listeners to find their topic again.
    pub fn move_on(&self) {
        self.change(|state| state.ending = Some(Change::Moved));
    }

    /// Ends every stream.
    pub fn end(&self, refusal: Refusal) {
        self.change(|state| state.ending = Some(Change::Ended(refusal)));
    }

    /// Listeners are told outside the lock: a woken task may ask at once.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let listeners: Vec<Listener> = {
            let mut state = self.state.lock();
            change(&mut state);
            state.waiting.iter_mut().filter_map(|(_, listener)| listener.take()).collect()
        };
        listeners.into_iter().for_each(Listener::tell);
    }
}

// === impl Subscription ===

impl Subscription {
    /// Begins to listen.
    pub fn new(cell: Arc<Cell>) -> Self {
        let slot = cell.state.lock().waiting.insert(None);
        Self { cell, slot }
    }

    /// The newest snapshot, for those who want one answer.
    pub fn newest(&self) -> Arc<Snapshot> {
        self.cell.newest()
    }

    /// The newest snapshot if it is not the one with the number `known`; else the stream `token` of the outbox is told
    /// when there is one.
    pub fn changed(&mut self, known: Option<u64>, outbox: &Arc<Outbox>, token: u32) -> Option<Change> {
        let mut state = self.cell.state.lock();
        // What is newest is told before the end: a first message is owed in every case.
        if known != Some(state.newest.number()) && !matches!(state.ending, Some(Change::Moved)) {
            return Some(Change::Newer(Arc::clone(&state.newest)));
        }
        if let Some(ending) = &state.ending {
            return Some(ending.clone());
        }
        if let Some(listener @ None) = state.waiting.get_mut(self.slot) {
            *listener = Some(Listener::new(outbox, token));
        }
        None
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.cell.state.lock().waiting.try_remove(self.slot);
    }
}
