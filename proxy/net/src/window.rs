//! Counts of the recent past, in ten parts.

use std::time::{Duration, Instant};

const PARTS: usize = 10;

/// Sums over a window that moves with time by a tenth of its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<T> {
    parts: [T; PARTS],
    part: Duration,
    newest: usize,
    /// When the newest part began.
    since: Instant,
}

// === impl Window ===

impl<T: Copy + Default> Window<T> {
    /// An empty window of this length, which is at least 10 ms.
    pub(crate) fn new(length: Duration, now: Instant) -> Self {
        let part = (length / PARTS as u32).max(Duration::from_millis(1));
        Self { parts: [T::default(); PARTS], part, newest: 0, since: now }
    }

    /// The part that is counted in now.
    pub(crate) fn current(&mut self, now: Instant) -> &mut T {
        self.advance(now);
        &mut self.parts[self.newest]
    }

    /// All parts that are not too old.
    pub(crate) fn parts(&mut self, now: Instant) -> &[T] {
        self.advance(now);
        &self.parts
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self, now: Instant) {
        self.parts = [T::default(); PARTS];
        self.since = now;
    }

    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed < self.part {
            return;
        }
        let steps = passed.as_nanos() / self.part.as_nanos();
        if steps >= PARTS as u128 {
            return self.clear(now);
        }
        for _ in 0..steps {
            self.newest = (self.newest + 1) % PARTS;
            self.parts[self.newest] = T::default();
        }
        self.since += self.part * steps as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let (second, t0) = (Duration::from_secs(1), Instant::now());
        let mut window = Window::<u32>::new(10 * second, t0);
        *window.current(t0) += 5;
        *window.current(t0 + 4 * second) += 7;
        let mut sum = |at: u32| window.parts(t0 + at * second).iter().sum::<u32>();
        assert_eq!([sum(9), sum(10), sum(13), sum(14)], [12, 7, 7, 0]);
        assert_eq!(sum(1000), 0);
    }
}
