//! What an endpoint is remembered by: the latency of its answers, of which the worst counts most.

use std::time::{Duration, Instant};

/// Added to every estimate, so that an endpoint that was not asked for long still counts what is pending on it.
const FLOOR: f64 = 100e-6;
/// The same for connections, where what is measured is connecting, and how many are open says more.
const CONNECT_FLOOR: f64 = 1e-3;

/// How latency is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EwmaConfig {
    /// The estimate before the first answer.
    pub default_rtt: Duration,
    /// How long the past matters: after this time it weighs 1/e.
    pub decay: Duration,
    /// Whether failures weigh like slow answers.
    pub penalty: Option<PenaltyConfig>,
}

/// How failures weigh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PenaltyConfig {
    /// The latency that a failure stands for.
    pub penalty: Duration,
    /// How long a failure matters.
    pub decay: Duration,
    /// The most that a server's own word (`Retry-After`) may ask for instead.
    pub max_retry_after: Duration,
}

/// The peak-sensitive moving average of one endpoint, and its last penalty.
///
/// A sample above the estimate replaces it at once; a lower one moves it by as much as time has passed. So a slow endpoint is
/// avoided after one answer and trusted again slowly.
#[derive(Clone, Copy, Debug)]
pub struct PeakEwma {
    /// Seconds.
    rtt: f64,
    rtt_at: Instant,
    /// Seconds.
    penalty: f64,
    penalty_at: Instant,
}

// === impl EwmaConfig ===

impl Default for EwmaConfig {
    /// 30 ms, remembered for 10 s, failures do not weigh: what profiles and control-plane clients use.
    fn default() -> Self {
        Self { default_rtt: Duration::from_millis(30), decay: Duration::from_secs(10), penalty: None }
    }
}

impl Default for PenaltyConfig {
    /// 5 s, remembered for 10 s; at most 300 s by a server's word.
    fn default() -> Self {
        Self {
            penalty: Duration::from_secs(5),
            decay: Duration::from_secs(10),
            max_retry_after: Duration::from_secs(300),
        }
    }
}

// === impl PeakEwma ===

impl PeakEwma {
    /// An endpoint that nothing is known of.
    #[must_use]
    pub fn new(config: &EwmaConfig, now: Instant) -> Self {
        Self { rtt: config.default_rtt.as_secs_f64(), rtt_at: now, penalty: 0.0, penalty_at: now }
    }

    /// An answer, or a connection, took this long.
    pub fn observe(&mut self, config: &EwmaConfig, now: Instant, took: Duration) {
        let took = took.as_secs_f64();
        let past = remains(self.rtt_at, now, config.decay);
        let decayed = self.rtt * past;
        self.rtt = if took > decayed { took } else { self.rtt * past + took * (1.0 - past) };
        self.rtt_at = now;
    }

    /// An answer was a failure that weighs; `hint` is how long the server asked to be left alone. Without a penalty in the
    /// configuration nothing changes.
    pub fn penalise(&mut self, config: &EwmaConfig, now: Instant, hint: Option<Duration>) {
        let Some(penalty) = config.penalty else { return };
        let asked = hint.unwrap_or_default().min(penalty.max_retry_after);
        let decayed = self.penalty * remains(self.penalty_at, now, penalty.decay);
        self.penalty = penalty.penalty.max(asked).as_secs_f64().max(decayed);
        self.penalty_at = now;
    }

    /// The latency to expect, in seconds.
    #[must_use]
    pub fn estimate(&self, config: &EwmaConfig, now: Instant) -> f64 {
        let rtt = self.rtt * remains(self.rtt_at, now, config.decay);
        match config.penalty {
            Some(penalty) if self.penalty > 0.0 => {
                rtt.max(self.penalty * remains(self.penalty_at, now, penalty.decay))
            }
            _ => rtt,
        }
    }

    /// The load of an endpoint for requests: latency times what would be pending with one more. `share` is its weight relative to
    /// the mean: what is heavier may carry more.
    #[must_use]
    pub fn load(&self, config: &EwmaConfig, now: Instant, pending: u32, share: f32) -> f64 {
        (self.estimate(config, now) + FLOOR) * (f64::from(pending) / f64::from(share) + 1.0)
    }

    /// The same for connections: the latency of connecting, times the connections that would be open with one more.
    #[must_use]
    pub fn connect_load(&self, config: &EwmaConfig, now: Instant, open: u32, share: f32) -> f64 {
        (self.estimate(config, now) + CONNECT_FLOOR) * (f64::from(open) / f64::from(share) + 1.0)
    }
}

/// What remains of something that was 1 at `then`.
fn remains(then: Instant, now: Instant, decay: Duration) -> f64 {
    let passed = now.saturating_duration_since(then);
    if passed.is_zero() {
        return 1.0;
    }
    // A decay of zero forgets at once.
    (-passed.as_secs_f64() / decay.as_secs_f64().max(1e-9)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    fn start() -> (EwmaConfig, Instant) {
        (EwmaConfig { default_rtt: 30 * MS, decay: 10 * SECOND, penalty: None }, Instant::now())
    }

    #[test]
    fn a_peak_counts_at_once_and_fades_slowly() {
        let (config, t0) = start();
        let mut ewma = PeakEwma::new(&config, t0);
        ewma.observe(&config, t0, 500 * MS);
        assert_eq!(ewma.estimate(&config, t0), 0.5);
        ewma.observe(&config, t0, 10 * MS);
        assert_eq!(ewma.estimate(&config, t0), 0.5, "no time has passed");
        let t1 = t0 + 10 * SECOND;
        let faded = ewma.estimate(&config, t1);
        assert!((faded - 0.5 / std::f64::consts::E).abs() < 1e-9, "{faded}");
        ewma.observe(&config, t1, 10 * MS);
        let moved = ewma.estimate(&config, t1);
        assert!(
            (moved - (0.5 + 0.01 * (std::f64::consts::E - 1.0)) / std::f64::consts::E).abs() < 1e-9,
            "{moved}"
        );
    }

    #[test]
    fn load_counts_what_is_pending_even_after_a_long_silence() {
        let (config, t0) = start();
        let ewma = PeakEwma::new(&config, t0);
        let later = t0 + 1000 * SECOND;
        assert!(ewma.load(&config, later, 5, 1.0) > 5.0 * ewma.load(&config, later, 0, 1.0));
    }

    #[test]
    fn what_is_heavier_may_carry_more() {
        let (config, t0) = start();
        let ewma = PeakEwma::new(&config, t0);
        assert_eq!(ewma.load(&config, t0, 0, 3.0), ewma.load(&config, t0, 0, 1.0));
        assert_eq!(ewma.load(&config, t0, 6, 3.0), ewma.load(&config, t0, 2, 1.0));
    }

    #[test]
    fn open_connections_count_where_connecting_is_quick() {
        let (config, t0) = start();
        let (mut few, mut many) = (PeakEwma::new(&config, t0), PeakEwma::new(&config, t0));
        let later = t0 + 100 * SECOND;
        few.observe(&config, later, MS / 2);
        many.observe(&config, later, MS / 5);
        assert!(few.connect_load(&config, later, 1, 1.0) < many.connect_load(&config, later, 9, 1.0));
    }

    #[test]
    fn a_failure_weighs_as_long_as_the_server_asks_within_the_bound() {
        let (mut config, t0) = start();
        let mut ewma = PeakEwma::new(&config, t0);
        ewma.penalise(&config, t0, None);
        assert_eq!(ewma.estimate(&config, t0), 0.03, "no penalty was configured");
        config.penalty =
            Some(PenaltyConfig { penalty: 5 * SECOND, decay: 2 * SECOND, max_retry_after: 60 * SECOND });
        ewma.penalise(&config, t0, None);
        assert_eq!(ewma.estimate(&config, t0), 5.0);
        ewma.penalise(&config, t0, Some(3600 * SECOND));
        assert_eq!(ewma.estimate(&config, t0), 60.0);
        ewma.penalise(&config, t0, Some(SECOND));
        assert_eq!(ewma.estimate(&config, t0), 60.0, "a later failure does not shorten it");
        // It fades by its own decay, while the latency stays what it is.
        let later = t0 + 2 * SECOND;
        assert!((ewma.estimate(&config, later) - 60.0 / std::f64::consts::E).abs() < 1e-9);
    }

    #[test]
    fn a_clock_that_seems_to_go_back_changes_nothing() {
        let (config, t0) = start();
        let mut ewma = PeakEwma::new(&config, t0 + SECOND);
        ewma.observe(&config, t0, MS);
        assert_eq!(ewma.estimate(&config, t0), 0.03);
    }
}
