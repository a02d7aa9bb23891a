//! Keys that nobody watches, but whose answers could not be learned again because their stream is down.

use std::collections::BTreeMap;

use super::Key;

/// The keys, oldest first, within a bound.
pub(super) struct Kept {
    keys: BTreeMap<Ticket, Key>,
    next: u64,
    capacity: usize,
}

/// The place of a key; later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

// === impl Kept ===

impl Kept {
    pub(super) fn new(capacity: usize) -> Self {
        Self { keys: BTreeMap::new(), next: 0, capacity: capacity.max(1) }
    }

    /// Keeps a key, which is in no other place. The second part is the one that has to go for it.
    pub(super) fn keep(&mut self, key: Key) -> (Ticket, Option<Key>) {
        let over = if self.keys.len() >= self.capacity { self.pop() } else { None };
        let ticket = Ticket(self.next);
        self.next += 1;
        self.keys.insert(ticket, key);
        (ticket, over)
    }

    /// Somebody wants the key, or it is gone.
    pub(super) fn take(&mut self, ticket: Ticket) {
        self.keys.remove(&ticket);
    }

    /// The key that has been kept the longest.
    pub(super) fn pop(&mut self) -> Option<Key> {
        self.keys.pop_first().map(|(_, key)| key)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_for_the_newest() {
        let mut kept = Kept::new(2);
        let (first, over) = kept.keep(Key::Inbound(1));
        assert_eq!(over, None);
        assert_eq!(kept.keep(Key::Inbound(2)).1, None);
        kept.take(first);
        assert_eq!(kept.keep(Key::Inbound(1)).1, None, "there is room again");
        assert_eq!(kept.keep(Key::Inbound(3)).1, Some(Key::Inbound(2)), "what came back is newer");
        assert_eq!(kept.len(), 2);
    }
}
