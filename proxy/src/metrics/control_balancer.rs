//! What is counted of the proxy's own clients as balancers: they spread their connections over the addresses of a server.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use super::ControlMetrics;
use super::keys::{EndpointState, UpdateOp};
use super::outbound::{Balancer, BalancerLabels};
use super::table::Id;

/// Which of the proxy's own clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlKind {
    /// Of the identity service.
    Identity,
    /// Of the destination service.
    Destination,
    /// Of the policy service.
    Policy,
    /// Of the collector of spans.
    OpenTelemetry,
}

/// Where the proxy's own clients are counted, and by which clock.
#[derive(Clone, Debug)]
pub struct ControlCounts {
    /// The tables.
    pub metrics: ControlMetrics,
    /// The time of day.
    pub clock: fn() -> SystemTime,
}

/// Counts one client; cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlBalancer {
    counts: ControlCounts,
    id: Id<Balancer>,
    state: Arc<Mutex<State>>,
}

/// A request that waits for a connection; dropped when it waits no longer.
#[derive(Debug)]
pub struct ControlWait<'a> {
    of: &'a ControlBalancer,
    since: Instant,
}

/// A connection to one of the addresses, until it is dropped.
#[derive(Debug)]
pub struct ControlConnection {
    of: ControlBalancer,
}

#[derive(Debug, Default)]
struct State {
    addrs: BTreeSet<SocketAddr>,
    is_resolved: bool,
    /// A client may be made anew before the last has let go of its connection.
    connections: usize,
    is_shut: bool,
}

// === impl ControlKind ===

impl ControlKind {
    fn labels(self, addr: &str) -> BalancerLabels<'_> {
        match self {
            Self::Identity => BalancerLabels::ControlIdentity(addr),
            Self::Destination => BalancerLabels::ControlDestination(addr),
            Self::Policy => BalancerLabels::ControlPolicy(addr),
            Self::OpenTelemetry => BalancerLabels::OpenTelemetry(addr),
        }
    }
}

// === impl ControlBalancer ===

impl ControlBalancer {
    /// Counts the client of this server as long as the process runs. Its requests wait for `failfast` at most.
    pub fn new(counts: &ControlCounts, kind: ControlKind, addr: &str, failfast: Duration) -> Self {
        let mut tables = counts.metrics.lock();
        let id = tables.balancer.register(&kind.labels(addr));
        tables.balancer[id].gate_timeout.0 = failfast.as_secs_f64();
        drop(tables);
        Self { counts: counts.clone(), id, state: Arc::default() }
    }

    /// A request begins to wait.
    pub fn wait(&self, since: Instant) -> ControlWait<'_> {
        self.with(|series| series.queue_length.0 += 1);
        ControlWait { of: self, since }
    }

    /// Discovery has told the addresses of the server.
    pub fn resolved(&self, addrs: impl IntoIterator<Item = SocketAddr>) {
        let addrs: BTreeSet<SocketAddr> = addrs.into_iter().collect();
        let mut state = self.state.lock();
        let ops: &[(UpdateOp, bool)] = &[
            (UpdateOp::Reset, !state.is_resolved),
            (UpdateOp::Add, state.is_resolved && addrs.difference(&state.addrs).next().is_some()),
            (UpdateOp::Remove, state.is_resolved && state.addrs.difference(&addrs).next().is_some()),
        ];
        self.with(|series| {
            for (op, _) in ops.iter().filter(|(_, happened)| *happened) {
                *series.updates.at(*op) += 1;
            }
            series.p2c_endpoints.0 = addrs.len() as f64;
        });
        (state.addrs, state.is_resolved) = (addrs, true);
        self.count(&state);
    }

    /// There is a connection.
    pub fn connected(&self) -> ControlConnection {
        let mut state = self.state.lock();
        state.connections += 1;
        self.count(&state);
        if std::mem::take(&mut state.is_shut) {
            let now = self.unix();
            self.with(|series| {
                series.gate_open += 1;
                series.gate_open_time.0 = now;
            });
        }
        ControlConnection { of: self.clone() }
    }

    /// A request has waited in vain.
    pub fn gave_up(&self) {
        let mut state = self.state.lock();
        if !std::mem::replace(&mut state.is_shut, true) {
            let now = self.unix();
            self.with(|series| {
                series.gate_shut += 1;
                series.gate_shut_time.0 = now;
            });
        }
    }

    fn count(&self, state: &State) {
        let ready = state.connections.min(1);
        let pending = state.addrs.len().saturating_sub(ready);
        self.with(|series| {
            series.endpoints.at(EndpointState::Ready).0 = ready as f64;
            series.endpoints.at(EndpointState::Pending).0 = pending as f64;
        });
    }

    fn with(&self, change: impl FnOnce(&mut Balancer)) {
        change(&mut self.counts.metrics.lock().balancer[self.id]);
    }

    fn unix(&self) -> f64 {
        let now = (self.counts.clock)();
        now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }
}

// === impl ControlWait ===

impl ControlWait<'_> {
    /// It goes on its way.
    pub fn pass(self, now: Instant) {
        let waited = now.saturating_duration_since(self.since);
        self.of.with(|series| {
            series.queue_requests += 1;
            series.queue_latency.observe(waited);
        });
    }
}

impl Drop for ControlWait<'_> {
    fn drop(&mut self) {
        self.of.with(|series| series.queue_length.0 -= 1);
    }
}

// === impl ControlConnection ===

impl Drop for ControlConnection {
    fn drop(&mut self) {
        let mut state = self.of.state.lock();
        state.connections = state.connections.saturating_sub(1);
        self.of.count(&state);
    }
}

// === impl ControlCounts ===

impl ControlCounts {
    /// Those of a test, where nobody looks.
    #[cfg(test)]
    pub(crate) fn of_test(clock: fn() -> SystemTime) -> Self {
        Self { metrics: ControlMetrics::default(), clock }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Aggregate, Format};

    #[test]
    fn a_client_is_counted_as_a_balancer() {
        let clock = || SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let counts = ControlCounts::of_test(clock);
        let balancer =
            ControlBalancer::new(&counts, ControlKind::Policy, "policy:8090", Duration::from_secs(30));
        let now = Instant::now();
        let text = || {
            let snapshot = counts.metrics.lock().snapshot(now, Duration::from_secs(600));
            Aggregate::default().write(vec![snapshot], Format::Text)
        };
        let has = |family: &str, labels: &str, value: &str| {
            let line = format!("control_policy_balancer_{family}{{addr=\"policy:8090\"{labels}}} {value}\n");
            assert!(text().contains(&line), "{line}\n{}", text());
        };
        let addr = |last: u8| SocketAddr::from(([10, 0, 0, last], 8090));
        balancer.resolved([addr(1), addr(2)]);
        has("endpoints", ",endpoint_state=\"pending\"", "2");
        let waiting = balancer.wait(now);
        has("queue_length", "", "1");
        balancer.gave_up();
        balancer.gave_up();
        has("queue_gate_shut_total", "", "1");
        balancer.resolved([addr(2), addr(3)]);
        let connection = balancer.connected();
        waiting.pass(now + Duration::from_millis(1));
        for (family, labels, value) in [
            ("endpoints", ",endpoint_state=\"ready\"", "1"),
            ("endpoints", ",endpoint_state=\"pending\"", "1"),
            ("p2c_endpoints", "", "2"),
            ("p2c_updates_total", ",op=\"Reset\"", "1"),
            ("p2c_updates_total", ",op=\"Add\"", "1"),
            ("p2c_updates_total", ",op=\"Remove\"", "1"),
            ("queue_length", "", "0"),
            ("queue_requests_total", "", "1"),
            ("queue_latency_seconds_bucket", ",le=\"0.005\"", "1"),
            ("queue_gate_open_total", "", "1"),
            ("queue_gate_open_time_seconds", "", "1700000000"),
            ("queue_gate_timeout_seconds", "", "30"),
        ] {
            has(family, labels, value);
        }
        drop(connection);
        has("endpoints", ",endpoint_state=\"ready\"", "0");
    }
}
