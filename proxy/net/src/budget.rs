//! How many retries there may be: a share of the requests, and a few always.

use std::time::{Duration, Instant};

use crate::window::Window;

/// A budget of retries: over a window, as many as `ratio` times the requests, and `min_per_second` a second on top.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    window: Window<Counts>,
    ratio: f64,
    /// What the window gives without a request.
    reserve: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    requests: u32,
    retries: u32,
}

// === impl RetryBudget ===

impl RetryBudget {
    /// A budget over a window of length `ttl`.
    #[must_use]
    pub fn new(ttl: Duration, min_per_second: u32, ratio: f32, now: Instant) -> Self {
        let reserve = f64::from(min_per_second) * ttl.as_secs_f64();
        Self { window: Window::new(ttl, now), ratio: f64::from(ratio.max(0.0)), reserve }
    }

    /// A request came, not a retry.
    pub fn deposit(&mut self, now: Instant) {
        let counts = self.window.current(now);
        counts.requests = counts.requests.saturating_add(1);
    }

    /// Takes one retry from the budget; whether there was one.
    pub fn withdraw(&mut self, now: Instant) -> bool {
        let (requests, retries) = self.window.parts(now).iter().fold((0u64, 0u64), |sums, counts| {
            (sums.0 + u64::from(counts.requests), sums.1 + u64::from(counts.retries))
        });
        // A whole retry has to be left; the millionth is for rounding.
        let left = self.reserve + self.ratio * requests as f64 - retries as f64;
        if left < 1.0 - 1e-6 {
            return false;
        }
        let counts = self.window.current(now);
        counts.retries = counts.retries.saturating_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn withdrawn(budget: &mut RetryBudget, now: Instant) -> usize {
        (0..1000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn retries_are_a_share_of_requests() {
        let t0 = Instant::now();
        let mut budget = RetryBudget::new(10 * SECOND, 0, 0.2, t0);
        assert!(!budget.withdraw(t0), "nothing was deposited");
        (0..50).for_each(|_| budget.deposit(t0));
        assert_eq!(withdrawn(&mut budget, t0), 10);
        (0..4).for_each(|_| budget.deposit(t0 + SECOND));
        assert!(!budget.withdraw(t0 + SECOND), "four fifths of a retry");
        budget.deposit(t0 + SECOND);
        assert!(budget.withdraw(t0 + SECOND));
    }

    #[test]
    fn a_few_are_there_without_requests_and_come_back_with_time() {
        let t0 = Instant::now();
        let mut budget = RetryBudget::new(10 * SECOND, 3, 0.0, t0);
        assert_eq!(withdrawn(&mut budget, t0), 30);
        assert_eq!(withdrawn(&mut budget, t0 + 9 * SECOND), 0);
        assert_eq!(withdrawn(&mut budget, t0 + 10 * SECOND), 30);
    }

    #[test]
    fn old_requests_give_nothing() {
        let t0 = Instant::now();
        let mut budget = RetryBudget::new(SECOND, 0, 1.0, t0);
        (0..5).for_each(|_| budget.deposit(t0));
        assert_eq!(withdrawn(&mut budget, t0 + 2 * SECOND), 0);
    }

    proptest::proptest! {
        #[test]
        fn within_a_window_retries_never_exceed_the_budget(
            steps in proptest::collection::vec((0u64..2000, proptest::prelude::any::<bool>()), 0..300), min in 0u32..3, ratio in 0.0f32..2.0,
        ) {
            let t0 = Instant::now();
            let mut budget = RetryBudget::new(5 * SECOND, min, ratio, t0);
            let (mut now, mut requests, mut retries) = (t0, Vec::new(), Vec::new());
            for (pause, retry) in steps {
                now += Duration::from_millis(pause);
                if retry {
                    if budget.withdraw(now) { retries.push(now); }
                } else {
                    budget.deposit(now);
                    requests.push(now);
                }
                let recent = |times: &[Instant], back| times.iter().filter(|at| now - **at < back).count() as f64;
                // The window ends at the border of a part, so it is between nine and ten tenths long.
                let most = f64::from(min) * 5.0 + f64::from(ratio) * recent(&requests, 10 * SECOND);
                proptest::prop_assert!(recent(&retries, Duration::from_millis(4500)) <= most + 1e-3);
            }
        }
    }
}
