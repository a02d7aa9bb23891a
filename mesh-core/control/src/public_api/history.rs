//! What one counter grew by, as far back as the window reaches.
//!
//! The last minutes are kept as they were scraped; what is older falls together minute by minute, so an hour takes
//! some eighty entries and not three hundred and sixty. A question whose window begins within an entry counts the part
//! that lies in it, as if the growth had been even.

use std::collections::VecDeque;
use std::mem::size_of;

/// Time since the store was made, in tenths of a second: thirteen years fit.
pub(super) type Tenths = u32;

/// How long entries stay as they were scraped.
const FINE: Tenths = 1_800;
/// How much time an older entry covers at most.
const COARSE: Tenths = 600;
/// Entries that room is made for at once: what doubles has half of its memory to spare.
const STEP: usize = 8;

/// Growth between two moments.
struct Entry {
    from: Tenths,
    to: Tenths,
    grown: f64,
}

/// The growth of a counter, oldest first.
#[derive(Default)]
pub(super) struct History {
    entries: VecDeque<Entry>,
    /// How many of the first entries have fallen together already.
    coarse: usize,
}

// === impl History ===

impl History {
    /// The most bytes that one more entry takes.
    pub(super) const MORE: usize = STEP * size_of::<Entry>();

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes it takes, those for entries to come included.
    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    /// Adds what came between two moments.
    pub(super) fn push(&mut self, from: Tenths, to: Tenths, grown: f64) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(STEP);
        }
        self.entries.push_back(Entry { from, to, grown });
        self.roll_up(to);
    }

    /// Lets older entries fall together.
    fn roll_up(&mut self, now: Tenths) {
        while let Some(entry) = self.entries.get(self.coarse) {
            if entry.to.saturating_add(FINE) > now {
                return;
            }
            let before = self.coarse.checked_sub(1).and_then(|at| self.entries.get(at));
            let joins = before.is_some_and(|before| entry.to.saturating_sub(before.from) <= COARSE);
            if !joins {
                self.coarse += 1;
                continue;
            }
            if let Some(entry) = self.entries.remove(self.coarse)
                && let Some(before) = self.entries.get_mut(self.coarse - 1)
            {
                before.to = entry.to;
                before.grown += entry.grown;
            }
        }
    }

    /// Lets go of what ended before a moment.
    pub(super) fn drop_before(&mut self, oldest: Tenths) {
        while self.entries.front().is_some_and(|entry| entry.to < oldest) {
            self.entries.pop_front();
            self.coarse = self.coarse.saturating_sub(1);
        }
        if self.entries.is_empty() || self.entries.capacity() - self.entries.len() > 2 * STEP {
            self.entries.shrink_to_fit();
        }
    }

    /// By how much it grew since a moment.
    pub(super) fn since(&self, oldest: Tenths) -> f64 {
        let recent = self.entries.iter().rev().take_while(|entry| entry.to > oldest);
        let part = |entry: &Entry| {
            if entry.from >= oldest || entry.to <= entry.from {
                entry.grown
            } else {
                entry.grown * f64::from(entry.to - oldest) / f64::from(entry.to - entry.from)
            }
        };
        recent.map(part).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_takes_little_and_no_request_is_lost() {
        let mut history = History::default();
        for scrape in 1..=360 {
            history.push((scrape - 1) * 100, scrape * 100, 10.0);
        }
        assert!(history.entries.len() < 80, "{}", history.entries.len());
        assert!(history.bytes() <= 96 * size_of::<Entry>(), "{} bytes", history.bytes());
        for (minutes, grown) in [(1, 60.0), (3, 180.0), (10, 600.0), (30, 1_800.0), (60, 3_600.0)] {
            let answer = history.since(36_000 - minutes * 600);
            assert!((answer - grown).abs() < 0.001, "{minutes} min: {answer} instead of {grown}");
        }
        // A window that begins within an entry has its part of it.
        let answer = history.since(36_000 - 12_345);
        assert!((answer - 1_234.5).abs() < 0.001, "{answer}");
        history.drop_before(18_000);
        assert!((history.since(18_000) - 1_800.0).abs() < 0.001);
        history.drop_before(40_000);
        assert!(history.is_empty() && history.bytes() == 0 && history.coarse == 0);
    }

    #[test]
    fn a_pause_does_not_stretch_an_entry() {
        let mut history = History::default();
        for at in [100, 200, 9_000, 9_100, 90_000] {
            history.push(at - 100, at, 1.0);
        }
        let shape: Vec<_> = history.entries.iter().map(|entry| (entry.from, entry.to)).collect();
        assert_eq!(shape, [(0, 200), (8_900, 9_100), (89_900, 90_000)]);
    }
}
