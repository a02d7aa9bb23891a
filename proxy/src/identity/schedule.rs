//! When to ask for the next certificate.

use std::time::{Duration, Instant, SystemTime};

use proxy_net::backoff::Backoff;

/// The share of what remains of a leaf after which the next is asked for.
const REFRESH_AT: f64 = 0.7;
/// The share of what remains that may pass between attempts that fail.
const RETRY_WITHIN: f64 = 0.1;
/// No two attempts are nearer to each other.
const SHORTEST: Duration = Duration::from_secs(1);
/// Without a usable leaf no attempt is later than this.
const LONGEST_WITHOUT: Duration = Duration::from_secs(10);

/// Bounds of the time between renewals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) min_refresh: Duration,
    pub(super) max_refresh: Duration,
    /// Between attempts that fail.
    pub(super) backoff: Backoff,
}

/// A moment by two clocks: reached when either says so. The clock of the wall jumps, and the other stands still in a machine
/// that sleeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    wall: SystemTime,
    steady: Instant,
}

// === impl Schedule ===

impl Schedule {
    /// How long a leaf is used that ends at `expires`.
    pub(super) fn refresh(&self, now: SystemTime, expires: SystemTime) -> Duration {
        remaining(now, expires).mul_f64(REFRESH_AT).clamp(self.min_refresh, self.max_refresh)
    }

    /// How long to wait after so many failures in a row (from 0), with a leaf that ends at `expires` or none.
    pub(super) fn retry(
        &self,
        now: SystemTime,
        expires: Option<SystemTime>,
        failures: u32,
        random: u64,
    ) -> Duration {
        let left = expires.map(|expires| remaining(now, expires)).unwrap_or_default();
        let most = if left.is_zero() { LONGEST_WITHOUT } else { left.mul_f64(RETRY_WITHIN) };
        self.backoff.delay(failures, random).min(most).max(SHORTEST)
    }
}

// === impl Moment ===

impl Moment {
    pub(super) fn after(wait: Duration, wall: SystemTime, steady: Instant) -> Self {
        Self { wall: wall + wait, steady: steady + wait }
    }

    /// How long until then; none when it is reached.
    pub(super) fn left(&self, wall: SystemTime, steady: Instant) -> Option<Duration> {
        let by_wall = self.wall.duration_since(wall).ok()?;
        let by_steady = self.steady.checked_duration_since(steady)?;
        Some(by_wall.min(by_steady)).filter(|left| !left.is_zero())
    }
}

fn remaining(now: SystemTime, expires: SystemTime) -> Duration {
    expires.duration_since(now).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn schedule() -> Schedule {
        Schedule {
            min_refresh: secs(10),
            max_refresh: secs(86_400),
            backoff: Backoff::new(secs(1), secs(300), 0.0).unwrap(),
        }
    }

    #[test]
    fn a_leaf_is_used_for_seven_tenths_of_what_remains() {
        assert_eq!(schedule().refresh(EPOCH, EPOCH + secs(1_000)), secs(700));
        assert_eq!(schedule().refresh(EPOCH, EPOCH + secs(10_000_000)), secs(86_400));
        assert_eq!(schedule().refresh(EPOCH + secs(5), EPOCH), secs(10), "expired is no busy loop");
    }

    #[test]
    fn failures_are_retried_while_there_is_time() {
        let retry = |left: u64, failures| schedule().retry(EPOCH, Some(EPOCH + secs(left)), failures, 0);
        assert_eq!(retry(10_000, 0), secs(1));
        assert_eq!(retry(10_000, 5), secs(32));
        assert_eq!(retry(10_000, 30), secs(300));
        assert_eq!(retry(500, 30), secs(50), "a tenth of what is left");
        assert_eq!(retry(3, 30), secs(1), "never a busy loop");
        assert_eq!(retry(0, 30), secs(10), "expired");
        assert_eq!(schedule().retry(EPOCH, None, 30, 0), secs(10), "never had one");
    }

    #[test]
    fn either_clock_is_enough() {
        let steady = Instant::now();
        let moment = Moment::after(secs(100), EPOCH, steady);
        assert_eq!(moment.left(EPOCH, steady), Some(secs(100)));
        assert_eq!(moment.left(EPOCH + secs(40), steady), Some(secs(60)), "the wall's clock went ahead");
        assert_eq!(moment.left(EPOCH, steady + secs(70)), Some(secs(30)), "it went back");
        assert_eq!(moment.left(EPOCH + secs(1_000), steady), None);
        assert_eq!(moment.left(EPOCH, steady + secs(100)), None);
    }
}
