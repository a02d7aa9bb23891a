//! A breaker: it shuts an endpoint out after failures, and lets a single request try whether it is back.
//!
//! ```text
//!   open ── failures in a row, or too few successes ──> shut ── after a backoff ──> probation
//!    ^                                                   ^                              │
//!    │                                                   └── the one request failed ─────┤
//!    └────────────────────────────────────────── it succeeded ─────────────────────────┘
//! ```

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::window::Window;

/// When an endpoint is shut out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerConfig {
    /// After so many failures in a row; none does not count them.
    pub consecutive: Option<u32>,
    /// After too few successes; none does not count them.
    pub success_rate: Option<SuccessRate>,
    /// How long it is shut, longer each time a trial fails.
    pub backoff: Backoff,
    /// Whether a server's `Retry-After` takes the place of the first wait, within the bounds of the backoff.
    pub retry_after: RetryAfter,
}

/// The least share of successes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuccessRate {
    /// From 0 to 1.
    pub threshold: f64,
    /// Below so many requests within the window nothing is concluded.
    pub min_requests: u32,
    /// How far the window goes back; at least 10 ms.
    pub window: Duration,
}

/// Whether a server's word about the time to wait counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryAfter {
    /// It does.
    Respected,
    /// It does not.
    #[default]
    Ignored,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Success,
    /// Badly.
    Failure,
    /// Refused for there being too many (429, RESOURCE_EXHAUSTED): it counts against the share of successes and fails a
    /// trial, and neither adds to failures in a row nor ends them.
    Limited,
}

/// How a request was let through; to be handed back with its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// As any other.
    Ordinary,
    /// As the one that tries whether the endpoint is back.
    Trial,
}

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// How it was let through.
    pub pass: Pass,
    /// What became of it.
    pub outcome: Outcome,
    /// How long the server asked to be left alone.
    pub hint: Option<Duration>,
}

/// What an outcome changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// The endpoint is shut out until then.
    Shut(Instant),
    /// It is back.
    Opened,
}

/// What the breaker of one endpoint remembers.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: State,
    in_a_row: u32,
    /// Only where a share of successes is asked for.
    counts: Option<Box<Window<Counts>>>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    Shut {
        until: Instant,
        step: u32,
    },
    /// A trial runs; another may follow from `until` on, should this one never end.
    Probation {
        until: Instant,
        step: u32,
    },
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    successes: u32,
    others: u32,
}

// === impl Breaker ===

impl Breaker {
    /// The breaker of a new endpoint.
    #[must_use]
    pub fn new(config: &BreakerConfig, now: Instant) -> Self {
        let counts = config.success_rate.map(|rate| Box::new(Window::new(rate.window, now)));
        Self { state: State::Open, in_a_row: 0, counts }
    }

    /// Whether the endpoint may be chosen now.
    #[must_use]
    pub fn is_ready(&self, now: Instant) -> bool {
        match self.state {
            State::Open => true,
            State::Shut { until, .. } | State::Probation { until, .. } => now >= until,
        }
    }

    /// Whether the endpoint is shut out, a trial or not.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        !matches!(self.state, State::Open)
    }

    /// When it may be tried again, where it is shut.
    #[must_use]
    pub fn shut_until(&self) -> Option<Instant> {
        match self.state {
            State::Open => None,
            State::Shut { until, .. } | State::Probation { until, .. } => Some(until),
        }
    }

    /// The endpoint was chosen for a request.
    pub fn enter(&mut self, config: &BreakerConfig, now: Instant) -> Pass {
        match self.state {
            State::Shut { until, step } | State::Probation { until, step } if now >= until => {
                let until = now + config.backoff.delay(step, 0);
                self.state = State::Probation { until, step };
                Pass::Trial
            }
            _ => Pass::Ordinary,
        }
    }

    /// A request was not sent, or nobody waited for its outcome.
    pub fn abandon(&mut self, pass: Pass, now: Instant) {
        if let (Pass::Trial, State::Probation { step, .. }) = (pass, self.state) {
            self.state = State::Shut { until: now, step };
        }
    }

    /// Takes a request that is over into account. `may_shut` says whether enough others are ready for this one to be shut out.
    pub fn record(
        &mut self,
        config: &BreakerConfig,
        now: Instant,
        report: Report,
        random: u64,
        may_shut: impl FnOnce() -> bool,
    ) -> Change {
        match (self.state, report.pass) {
            (State::Open, _) => {
                self.count(config, now, report.outcome);
                let trips = report.outcome != Outcome::Success && self.trips(config, now);
                if trips && may_shut() {
                    self.shut(config, now, 0, report.hint, random)
                } else {
                    Change::None
                }
            }
            (State::Probation { .. }, Pass::Trial) if report.outcome == Outcome::Success => {
                self.open(now);
                Change::Opened
            }
            (State::Probation { step, .. }, Pass::Trial) => {
                self.shut(config, now, step.saturating_add(1), report.hint, random)
            }
            // The outcome of a request from before says nothing new.
            (State::Probation { .. }, Pass::Ordinary) | (State::Shut { .. }, _) => Change::None,
        }
    }

    fn count(&mut self, config: &BreakerConfig, now: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Success => self.in_a_row = 0,
            Outcome::Failure => self.in_a_row = self.in_a_row.saturating_add(1),
            Outcome::Limited => {}
        }
        if config.success_rate.is_some()
            && let Some(counts) = &mut self.counts
        {
            let counts = counts.current(now);
            match outcome {
                Outcome::Success => counts.successes = counts.successes.saturating_add(1),
                _ => counts.others = counts.others.saturating_add(1),
            }
        }
    }

    fn trips(&mut self, config: &BreakerConfig, now: Instant) -> bool {
        if config.consecutive.is_some_and(|most| self.in_a_row >= most) {
            return true;
        }
        let (Some(rate), Some(counts)) = (config.success_rate, &mut self.counts) else { return false };
        let (successes, others) = counts.parts(now).iter().fold((0u64, 0u64), |sums, counts| {
            (sums.0 + u64::from(counts.successes), sums.1 + u64::from(counts.others))
        });
        let all = successes + others;
        all >= u64::from(rate.min_requests.max(1)) && (successes as f64) < rate.threshold * all as f64
    }

    fn shut(
        &mut self,
        config: &BreakerConfig,
        now: Instant,
        step: u32,
        hint: Option<Duration>,
        random: u64,
    ) -> Change {
        let wait = match (hint, config.retry_after) {
            (Some(hint), RetryAfter::Respected) => hint.clamp(config.backoff.min(), config.backoff.max()),
            _ => config.backoff.delay(step, random),
        };
        let until = now + wait;
        self.state = State::Shut { until, step };
        Change::Shut(until)
    }

    fn open(&mut self, now: Instant) {
        self.state = State::Open;
        self.in_a_row = 0;
        if let Some(counts) = &mut self.counts {
            counts.clear(now);
        }
    }
}

#[cfg(test)]
mod tests;
