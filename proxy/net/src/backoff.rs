//! How long to wait between attempts: twice as long each time, with a random share on top.

use std::time::Duration;

/// The least wait; doubling zero would never wait, and a busy loop is no backoff.
const FLOOR: Duration = Duration::from_millis(1);
/// The most that jitter may be, as a multiple of the wait.
const MAX_JITTER: f64 = 100.0;

/// Waits that double from `min` to `max`, with a random addition of up to `jitter` times the wait; never above `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    jitter: f64,
}

/// Three numbers that are no backoff.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum InvalidBackoff {
    /// The first wait is longer than the longest.
    #[error("minimum {min:?} is longer than the maximum {max:?}")]
    Order {
        /// The first wait.
        min: Duration,
        /// The longest wait.
        max: Duration,
    },
    /// The longest wait is zero.
    #[error("maximum must be longer than zero")]
    Zero,
    /// Negative, not a number, or beyond 100.
    #[error("jitter {0} is not between 0 and 100")]
    Jitter(f64),
}

// === impl Backoff ===

impl Backoff {
    /// Waits from `min` to `max`; a minimum of zero is raised to a millisecond.
    ///
    /// # Errors
    /// When `min` is above `max`, `max` is zero, or `jitter` is not within 0 and 100.
    pub fn new(min: Duration, max: Duration, jitter: f64) -> Result<Self, InvalidBackoff> {
        if max.is_zero() {
            return Err(InvalidBackoff::Zero);
        }
        if min > max {
            return Err(InvalidBackoff::Order { min, max });
        }
        if !(0.0..=MAX_JITTER).contains(&jitter) {
            return Err(InvalidBackoff::Jitter(jitter));
        }
        let min = min.max(FLOOR);
        Ok(Self { min, max: max.max(min), jitter })
    }

    /// The first wait.
    #[must_use]
    pub const fn min(&self) -> Duration {
        self.min
    }

    /// The longest wait.
    #[must_use]
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// The wait before attempt `step + 1`, where the failed ones are counted from 0; `random` decides the addition.
    #[must_use]
    pub fn delay(&self, step: u32, random: u64) -> Duration {
        let doubled = 1u32.checked_shl(step).and_then(|factor| self.min.checked_mul(factor));
        let base = doubled.unwrap_or(self.max).min(self.max);
        if self.jitter == 0.0 {
            return base;
        }
        // 53 bits are what an f64 holds exactly; the product is below 2^64 seconds by the bounds of `new`.
        let share = (random >> 11) as f64 / (1u64 << 53) as f64;
        let extra = base.as_secs_f64() * self.jitter * share;
        let room = (self.max - base).as_secs_f64();
        if extra >= room { self.max } else { base + Duration::from_secs_f64(extra) }
    }
}

impl Default for Backoff {
    /// 100 ms to 60 s with a tenth on top: what connections of a proxy use unless told otherwise.
    fn default() -> Self {
        Self { min: Duration::from_millis(100), max: Duration::from_secs(60), jitter: 0.1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn waits_double_up_to_the_maximum() {
        let backoff = Backoff::new(100 * MS, 1000 * MS, 0.0).unwrap();
        let waits: Vec<_> = (0..6).map(|step| backoff.delay(step, 7).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.delay(u32::MAX, u64::MAX), 1000 * MS);
    }

    #[test]
    fn jitter_is_added_and_never_passes_the_maximum() {
        let backoff = Backoff::new(100 * MS, 1000 * MS, 0.5).unwrap();
        assert_eq!(backoff.delay(0, 0), 100 * MS);
        assert_eq!(backoff.delay(0, 1 << 63), 125 * MS);
        assert!(backoff.delay(0, u64::MAX) <= 150 * MS);
        assert_eq!(backoff.delay(3, u64::MAX), 1000 * MS);
    }

    #[test]
    fn what_is_no_backoff_says_why() {
        let new = |min, max, jitter| Backoff::new(min, max, jitter).unwrap_err();
        assert_eq!(new(MS, Duration::ZERO, 0.0), InvalidBackoff::Zero);
        assert_eq!(new(2 * MS, MS, 0.0), InvalidBackoff::Order { min: 2 * MS, max: MS });
        assert_eq!(new(MS, MS, -0.1), InvalidBackoff::Jitter(-0.1));
        assert!(matches!(new(MS, MS, f64::NAN), InvalidBackoff::Jitter(_)));
    }

    #[test]
    fn a_minimum_of_zero_still_waits() {
        let backoff = Backoff::new(Duration::ZERO, 8 * MS, 0.0).unwrap();
        assert_eq!(backoff.delay(0, 0), MS);
        assert_eq!(backoff.delay(2, 0), 4 * MS);
    }

    proptest::proptest! {
        #[test]
        fn a_wait_is_within_its_bounds(
            min in 0u64..100_000, more in 0u64..1_000_000_000, jitter in 0.0f64..100.0, step: u32, random: u64,
        ) {
            let (min, max) = (Duration::from_millis(min), Duration::from_millis(min + more + 1));
            let wait = Backoff::new(min, max, jitter).unwrap().delay(step, random);
            proptest::prop_assert!(wait >= min && wait <= max);
        }
    }
}
