//! Traces of outcomes under a clock of the test's own.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Trace {
    config: BreakerConfig,
    breaker: Breaker,
    now: Instant,
}

impl Trace {
    fn new(consecutive: Option<u32>, success_rate: Option<SuccessRate>) -> Self {
        let backoff = Backoff::new(SECOND, 4 * SECOND, 0.0).unwrap();
        let config = BreakerConfig { consecutive, success_rate, backoff, retry_after: RetryAfter::Ignored };
        let now = Instant::now();
        Self { breaker: Breaker::new(&config, now), config, now }
    }

    fn after(&mut self, seconds: u32) -> &mut Self {
        self.now += seconds * SECOND;
        self
    }

    fn ready(&self) -> bool {
        self.breaker.is_ready(self.now)
    }

    fn enter(&mut self) -> Pass {
        self.breaker.enter(&self.config, self.now)
    }

    /// For how many seconds the endpoint is shut by this outcome.
    fn record(&mut self, pass: Pass, outcome: Outcome) -> Option<u64> {
        self.record_with(pass, outcome, None, true)
    }

    fn record_with(
        &mut self,
        pass: Pass,
        outcome: Outcome,
        hint: Option<Duration>,
        room: bool,
    ) -> Option<u64> {
        match self.breaker.record(&self.config, self.now, Report { pass, outcome, hint }, 0, || room) {
            Change::Shut(until) => Some((until - self.now).as_secs()),
            _ => None,
        }
    }

    fn request(&mut self, outcome: Outcome) -> Option<u64> {
        let pass = self.enter();
        self.record(pass, outcome)
    }
}

#[test]
fn failures_in_a_row_shut_and_a_success_between_them_does_not() {
    let mut trace = Trace::new(Some(3), None);
    for outcome in [Outcome::Failure, Outcome::Failure, Outcome::Success, Outcome::Failure, Outcome::Failure]
    {
        assert_eq!(trace.request(outcome), None);
    }
    assert_eq!(trace.request(Outcome::Failure), Some(1));
    assert!(!trace.ready() && trace.after(1).ready());
}

#[test]
fn exactly_one_request_tries_whether_the_endpoint_is_back() {
    let mut trace = Trace::new(Some(1), None);
    trace.request(Outcome::Failure);
    trace.after(1);
    let trial = trace.enter();
    assert_eq!(trial, Pass::Trial);
    assert!(!trace.ready(), "a second request was let through");
    assert_eq!(trace.record(trial, Outcome::Success), None);
    assert!(trace.ready() && !trace.breaker.is_shut());
}

#[test]
fn a_failed_trial_waits_twice_as_long() {
    let mut trace = Trace::new(Some(1), None);
    let mut waits = vec![trace.request(Outcome::Failure).unwrap()];
    for _ in 0..3 {
        let wait = *waits.last().unwrap() as u32;
        waits.push(trace.after(wait).request(Outcome::Failure).unwrap());
    }
    assert_eq!(waits, [1, 2, 4, 4]);
    trace.after(4).request(Outcome::Success);
    assert_eq!(trace.request(Outcome::Failure), Some(1), "a success starts over");
}

#[test]
fn outcomes_from_before_do_not_count_while_shut() {
    let mut trace = Trace::new(Some(1), None);
    let (first, second) = (trace.enter(), trace.enter());
    assert_eq!(trace.record(first, Outcome::Failure), Some(1));
    assert_eq!(trace.record(second, Outcome::Success), None);
    assert!(!trace.ready());
    trace.after(1);
    let trial = trace.enter();
    assert_eq!(trace.record(Pass::Ordinary, Outcome::Success), None);
    assert!(trace.breaker.is_shut());
    assert_eq!(trace.record(trial, Outcome::Failure), Some(2));
}

#[test]
fn a_trial_that_is_abandoned_or_never_ends_makes_room_for_another() {
    let mut trace = Trace::new(Some(1), None);
    trace.request(Outcome::Failure);
    let trial = trace.after(1).enter();
    let now = trace.now;
    trace.breaker.abandon(trial, now);
    assert!(trace.ready());
    assert_eq!(trace.enter(), Pass::Trial);
    assert!(!trace.ready() && trace.after(1).ready(), "the wait of the step is over");
    assert_eq!(trace.enter(), Pass::Trial);
}

#[test]
fn too_few_successes_shut_once_there_are_enough_requests() {
    let rate = SuccessRate { threshold: 0.5, min_requests: 10, window: 10 * SECOND };
    let mut trace = Trace::new(None, Some(rate));
    for _ in 0..4 {
        assert_eq!(trace.request(Outcome::Success), None);
        assert_eq!(trace.request(Outcome::Failure), None);
    }
    assert_eq!(trace.request(Outcome::Failure), None, "nine requests are too few");
    assert_eq!(trace.request(Outcome::Limited), Some(1), "four of ten are below the threshold");
}

#[test]
fn the_window_forgets() {
    let rate = SuccessRate { threshold: 0.9, min_requests: 2, window: 10 * SECOND };
    let mut trace = Trace::new(None, Some(rate));
    assert!((0..20).all(|_| trace.request(Outcome::Success).is_none()));
    assert_eq!(trace.request(Outcome::Failure), None);
    trace.after(11);
    assert_eq!(trace.request(Outcome::Failure), None, "one request is too few");
    assert_eq!(trace.request(Outcome::Failure), Some(1));
}

#[test]
fn a_refusal_for_load_does_not_add_to_failures_in_a_row_but_fails_a_trial() {
    let mut trace = Trace::new(Some(2), None);
    for outcome in [Outcome::Failure, Outcome::Limited, Outcome::Limited] {
        assert_eq!(trace.request(outcome), None);
    }
    assert_eq!(trace.request(Outcome::Failure), Some(1));
    assert_eq!(trace.after(1).request(Outcome::Limited), Some(2));
}

#[test]
fn the_last_endpoints_are_not_shut() {
    let mut trace = Trace::new(Some(1), None);
    assert_eq!(trace.record_with(Pass::Ordinary, Outcome::Failure, None, false), None);
    assert!(trace.ready());
    assert_eq!(trace.record_with(Pass::Ordinary, Outcome::Failure, None, true), Some(1));
}

#[test]
fn a_servers_word_counts_within_the_bounds_where_it_is_respected() {
    let mut trace = Trace::new(Some(1), None);
    let fail =
        |trace: &mut Trace, hint| trace.record_with(Pass::Ordinary, Outcome::Failure, Some(hint), true);
    assert_eq!(fail(&mut trace.clone_open(), 3 * SECOND), Some(1));
    trace.config.retry_after = RetryAfter::Respected;
    assert_eq!(fail(&mut trace.clone_open(), 3 * SECOND), Some(3));
    assert_eq!(fail(&mut trace.clone_open(), 3600 * SECOND), Some(4));
    assert_eq!(fail(&mut trace.clone_open(), Duration::ZERO), Some(1));
}

impl Trace {
    fn clone_open(&self) -> Self {
        Self { config: self.config, breaker: Breaker::new(&self.config, self.now), now: self.now }
    }
}
