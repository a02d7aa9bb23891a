//! A coarse timer wheel: setting and cancelling cost a few stores, firing is late by a few milliseconds and never early.

use std::time::{Duration, Instant};

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Conn(super::Key),
    Exchange(super::Key),
    Endpoint(super::Key),
    Second,
    Drain,
    Accept,
}

/// A timer that may be set; it is of no use to any other wheel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timer(Option<u32>);

/// All timers of a worker.
pub(super) struct Wheel {
    origin: Instant,
    /// Ticks that are done with.
    done: u64,
    entries: Vec<Entry>,
    free: Option<u32>,
    /// First entry by level and slot.
    slots: [[Option<u32>; SLOTS]; LEVELS],
    /// Slots with entries.
    filled: [u64; LEVELS],
}

struct Entry {
    tick: u64,
    target: Target,
    place: Place,
    next: Option<u32>,
    previous: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Free,
    Slot { level: u8, slot: u8 },
}

const TICK: Duration = Duration::from_millis(4);
const LEVELS: usize = 5;
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// Beyond this, about 49 days, a timer is cut short; whoever set it looks at the clock when it fires.
const HORIZON: u64 = (1 << (BITS * LEVELS as u32)) - 1;

// === impl Timer ===

impl Timer {
    pub(super) const UNSET: Self = Self(None);
}

// === impl Wheel ===

impl Wheel {
    pub(super) fn new(origin: Instant) -> Self {
        Self {
            origin,
            done: 0,
            entries: Vec::new(),
            free: None,
            slots: [[None; SLOTS]; LEVELS],
            filled: [0; LEVELS],
        }
    }

    /// Sets a timer, or moves it.
    pub(super) fn set(&mut self, timer: &mut Timer, at: Instant, target: Target) {
        let tick = self.tick_of(at);
        if let Some(index) = timer.0 {
            if self.entries[index as usize].tick == tick {
                return;
            }
            self.unlink(index);
            self.entries[index as usize].tick = tick;
            self.link(index);
            return;
        }
        let entry = Entry { tick, target, place: Place::Free, next: None, previous: None };
        let index = match self.free {
            Some(index) => {
                self.free = self.entries[index as usize].next;
                self.entries[index as usize] = entry;
                index
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        self.link(index);
        timer.0 = Some(index);
    }

    /// Whether the timer is set to fire at `at` or before.
    pub(super) fn covers(&self, timer: Timer, at: Instant) -> bool {
        timer.0.is_some_and(|index| self.entries[index as usize].tick <= self.tick_of(at))
    }

    pub(super) fn cancel(&mut self, timer: &mut Timer) {
        if let Some(index) = timer.0.take() {
            self.unlink(index);
            self.release(index);
        }
    }

    /// When the next timer may be due.
    pub(super) fn next(&self) -> Option<Instant> {
        let mut earliest = None;
        for level in 0..LEVELS {
            let shift = BITS * level as u32;
            if self.filled[level] == 0 {
                continue;
            }
            let now = (self.done >> shift) % SLOTS as u64;
            // The slot of this moment was done, or at higher levels spread, when it began.
            let ahead = self.filled[level].rotate_right((now as u32 + 1) % 64).trailing_zeros() + 1;
            let tick = ((self.done >> shift) + u64::from(ahead)) << shift;
            earliest = Some(earliest.map_or(tick, |known: u64| known.min(tick)));
        }
        earliest.map(|tick| self.origin + TICK * u32::try_from(tick).unwrap_or(u32::MAX))
    }

    /// Appends what is due; their timers are unset by that, so owners have to forget them.
    pub(super) fn expire(&mut self, now: Instant, due: &mut Vec<Target>) {
        let until = now.saturating_duration_since(self.origin).as_millis() as u64 / TICK.as_millis() as u64;
        while self.done < until {
            if self.filled == [0; LEVELS] {
                self.done = until;
                return;
            }
            // Empty stretches of the lowest level are skipped.
            if self.filled[0] == 0 {
                let boundary = (self.done | (SLOTS as u64 - 1)).min(until.saturating_sub(1));
                self.done = self.done.max(boundary);
            }
            self.done += 1;
            for level in (1..LEVELS).rev() {
                let shift = BITS * level as u32;
                if self.done.is_multiple_of(1 << shift) {
                    self.spread(level, ((self.done >> shift) % SLOTS as u64) as usize);
                }
            }
            let slot = (self.done % SLOTS as u64) as usize;
            while let Some(index) = self.slots[0][slot] {
                due.push(self.entries[index as usize].target);
                self.unlink(index);
                self.release(index);
            }
        }
    }

    /// Moves the timers of a slot to lower levels, now that it begins.
    fn spread(&mut self, level: usize, slot: usize) {
        let mut next = self.slots[level][slot].take();
        self.filled[level] &= !(1 << slot);
        while let Some(index) = next {
            next = self.entries[index as usize].next;
            self.link(index);
        }
    }

    fn tick_of(&self, at: Instant) -> u64 {
        let millis = at.saturating_duration_since(self.origin).as_micros() as u64;
        millis.div_ceil(TICK.as_micros() as u64)
    }

    fn link(&mut self, index: u32) {
        let entry = &self.entries[index as usize];
        // While `spread` runs, `done` is the tick whose slot is emptied right after it.
        let tick = entry.tick.clamp(self.done, self.done + HORIZON);
        let tick = if tick == self.done && entry.place == Place::Free { tick + 1 } else { tick };
        let differ = 63 - ((tick ^ self.done) | 1).leading_zeros();
        let level = ((differ / BITS) as usize).min(LEVELS - 1);
        let slot = ((tick >> (BITS * level as u32)) % SLOTS as u64) as usize;
        let head = self.slots[level][slot].replace(index);
        if let Some(head) = head {
            self.entries[head as usize].previous = Some(index);
        }
        let entry = &mut self.entries[index as usize];
        entry.next = head;
        entry.previous = None;
        entry.place = Place::Slot { level: level as u8, slot: slot as u8 };
        self.filled[level] |= 1 << slot;
    }

    fn unlink(&mut self, index: u32) {
        let Entry { place, next, previous, .. } = self.entries[index as usize];
        let Place::Slot { level, slot } = place else { return };
        match previous {
            Some(previous) => self.entries[previous as usize].next = next,
            None => self.slots[usize::from(level)][usize::from(slot)] = next,
        }
        if let Some(next) = next {
            self.entries[next as usize].previous = previous;
        }
        if self.slots[usize::from(level)][usize::from(slot)].is_none() {
            self.filled[usize::from(level)] &= !(1 << slot);
        }
        self.entries[index as usize].place = Place::Free;
    }

    fn release(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.next = self.free;
        entry.previous = None;
        self.free = Some(index);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arena::Key;
    use super::*;

    fn key(index: usize) -> Target {
        Target::Conn(Key { index: index as u32, generation: 0 })
    }

    proptest! {
        #[test]
        fn every_timer_fires_once_in_time_unless_cancelled(
            delays in proptest::collection::vec(0u64..400_000, 1..60),
            steps in proptest::collection::vec(1u64..30_000, 1..60),
        ) {
            let origin = Instant::now();
            let mut wheel = Wheel::new(origin);
            let mut timers = vec![Timer::UNSET; delays.len()];
            for (index, delay) in delays.iter().enumerate() {
                wheel.set(&mut timers[index], origin + Duration::from_millis(*delay), key(index));
            }
            for timer in timers.iter_mut().step_by(3) {
                wheel.cancel(timer);
            }
            let mut now = 0;
            let mut fired = vec![0; delays.len()];
            for step in steps.into_iter().chain([500_000]) {
                let announced = wheel.next();
                now += step;
                let mut due = Vec::new();
                wheel.expire(origin + Duration::from_millis(now), &mut due);
                if !due.is_empty() {
                    prop_assert!(announced.is_some_and(|at| at <= origin + Duration::from_millis(now)));
                }
                for target in due {
                    let Target::Conn(key) = target else { unreachable!() };
                    let index = key.index as usize;
                    fired[index] += 1;
                    prop_assert!(delays[index] <= now, "{} fired at {}", delays[index], now);
                    prop_assert!(delays[index] + step + 8 >= now, "{} fired at {}", delays[index], now);
                }
            }
            for (index, count) in fired.iter().enumerate() {
                prop_assert_eq!(*count, i32::from(index % 3 != 0), "timer {} of {} ms", index, delays[index]);
            }
            prop_assert_eq!(wheel.next(), None);
        }
    }

    #[test]
    fn a_moved_timer_fires_at_its_new_time() {
        let origin = Instant::now();
        let mut wheel = Wheel::new(origin);
        let mut timer = Timer::UNSET;
        wheel.set(&mut timer, origin + Duration::from_secs(1), key(0));
        wheel.set(&mut timer, origin + Duration::from_millis(40), key(0));
        assert!(wheel.covers(timer, origin + Duration::from_millis(40)));
        let mut due = Vec::new();
        wheel.expire(origin + Duration::from_millis(36), &mut due);
        assert!(due.is_empty());
        wheel.expire(origin + Duration::from_millis(44), &mut due);
        assert_eq!(due, [key(0)]);
    }
}
