//! Questions about numbers, whoever keeps them: what is summed, which series count, and what they are told apart by.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;

/// A metric of proxies that is asked about. The names are the contract with the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Responses.
    Responses,
    /// Responses by route.
    RouteResponses,
    /// Responses by route, each attempt counted.
    RouteActualResponses,
    /// Open connections.
    OpenConnections,
    /// Bytes read.
    ReadBytes,
    /// Bytes written.
    WriteBytes,
    /// Latencies of responses.
    Latency,
    /// Latencies of responses by route.
    RouteLatency,
    /// Requests that policy denied.
    Denied,
}

/// What a label has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Is {
    /// Exactly this.
    Equal(String),
    /// There, and not empty.
    Present,
    /// One of these, with or without `:port` behind it.
    HostOf(Vec<String>),
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What is asked about.
    pub metric: Metric,
    /// Which series count.
    pub labels: Vec<(&'static str, Is)>,
    /// What the answers are told apart by.
    pub by: Vec<&'static str>,
    /// How far back.
    pub window: Duration,
}

/// Values of the labels in [`Query::by`]; those that are not there are empty.
pub type Group = BTreeMap<&'static str, String>;

/// An answer.
pub type Answer = Vec<(Group, f64)>;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

/// Who keeps the numbers.
pub trait Source: Send + Sync + 'static {
    /// What it is called in answers.
    fn name(&self) -> &'static str;
    /// How far back it can look now, at most `window`.
    fn covers(&self, window: Duration) -> Duration;
    /// By how much counters grew, summed.
    fn increase<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Answer, Unanswered>>;
    /// What gauges say now, summed.
    fn level<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Answer, Unanswered>>;
    /// How many series there are now.
    fn count<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Answer, Unanswered>>;
    /// A quantile of latencies in milliseconds, of what came last.
    fn quantile<'a>(&'a self, query: &'a Query, quantile: f64) -> BoxFuture<'a, Result<Answer, Unanswered>>;
    /// Whether it can answer at all.
    fn probe(&self) -> BoxFuture<'_, Result<(), Unanswered>>;
}

// === impl Metric ===

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 9] = [
        Self::Responses,
        Self::RouteResponses,
        Self::RouteActualResponses,
        Self::OpenConnections,
        Self::ReadBytes,
        Self::WriteBytes,
        Self::Latency,
        Self::RouteLatency,
        Self::Denied,
    ];

    /// Its name in the exposition.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Responses => "response_total",
            Self::RouteResponses => "route_response_total",
            Self::RouteActualResponses => "route_actual_response_total",
            Self::OpenConnections => "tcp_open_connections",
            Self::ReadBytes => "tcp_read_bytes_total",
            Self::WriteBytes => "tcp_write_bytes_total",
            Self::Latency => "response_latency_ms_bucket",
            Self::RouteLatency => "route_response_latency_ms_bucket",
            Self::Denied => "inbound_http_authz_deny_total",
        }
    }

    /// The metric of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }
}

// === impl Query ===

impl Query {
    /// The same question of a metric that lacks this label.
    pub fn without(mut self, label: &str) -> Self {
        self.labels.retain(|(name, _)| *name != label);
        self
    }
}

// === impl Is ===

impl Is {
    /// Whether a value, empty where there is none, is so.
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Self::Equal(wanted) => value == wanted,
            Self::Present => !value.is_empty(),
            Self::HostOf(hosts) => {
                let host = match value.rsplit_once(':') {
                    Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
                    _ => value,
                };
                hosts.iter().any(|wanted| wanted == host)
            }
        }
    }
}

/// A quantile of a histogram by linear interpolation, as Prometheus does it. `bounds` ascend and end with infinity,
/// `counts` are cumulative.
pub fn histogram_quantile(bounds: &[f64], counts: &[f64], quantile: f64) -> Option<f64> {
    let total = *counts.last()?;
    if total <= 0.0 || bounds.len() != counts.len() || bounds.len() < 2 {
        return None;
    }
    let rank = quantile * total;
    let index = counts.iter().position(|count| *count >= rank)?;
    if index == bounds.len() - 1 {
        return Some(bounds[index - 1]);
    }
    let (low, below) = if index == 0 { (0.0, 0.0) } else { (bounds[index - 1], counts[index - 1]) };
    let inside = counts[index] - below;
    if inside <= 0.0 {
        return Some(low);
    }
    Some(low + (bounds[index] - low) * (rank - below) / inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        let bounds = [1.0, 10.0, 100.0, f64::INFINITY];
        let quantile = |counts: &[f64], q| histogram_quantile(&bounds, counts, q);
        assert_eq!(quantile(&[0.0, 10.0, 10.0, 10.0], 0.5), Some(5.5));
        assert_eq!(quantile(&[0.0, 0.0, 0.0, 10.0], 0.5), Some(100.0));
        assert_eq!(quantile(&[10.0, 10.0, 10.0, 10.0], 0.5), Some(0.5));
        assert_eq!(quantile(&[0.0, 0.0, 0.0, 0.0], 0.5), None);
        assert_eq!(histogram_quantile(&[], &[], 0.5), None);
    }

    #[test]
    fn hosts_match_with_and_without_a_port() {
        let is = Is::HostOf(vec!["web.ns.svc.cluster.local".into()]);
        assert!(is.holds("web.ns.svc.cluster.local") && is.holds("web.ns.svc.cluster.local:80"));
        assert!(!is.holds("web.ns.svc.cluster.local.evil") && !is.holds("web.ns.svc.cluster.local:80x"));
    }
}
