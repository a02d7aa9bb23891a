//! Outbound policies: for a destination, its protocol, its routes, and the backends behind them.

mod backend;
mod convert;
mod retry;

use std::sync::Arc;
use std::time::Duration;

pub use backend::{Backend, BackendKind, Backoff, FailureAccrual, Load, Penalty, Queue, SuccessRate};
pub use retry::{Retry, RetryOn, StatusRanges, parse_grpc};

use super::meta::Meta;
use super::route::{Filter, GrpcMatch, HostMatch, HostScore, HttpMatch, Route};

/// What the control plane says of a destination.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboundPolicy {
    /// The object that the policy is of.
    pub parent: Meta,
    /// What is spoken there, and how it is routed.
    pub protocol: Protocol,
    /// All backends that rules name, each once. Rules hold indices into this list.
    pub backends: Vec<Arc<Backend>>,
}

/// What is spoken, and its routes.
#[derive(Clone, Debug, PartialEq)]
pub enum Protocol {
    /// It has to be found out.
    Detect {
        /// How long a client may take to say something.
        timeout: Duration,
        /// Where it is HTTP/1.
        http1: HttpRoutes,
        /// Where it is HTTP/2.
        http2: HttpRoutes,
        /// Where it is neither.
        opaque: StreamRule,
    },
    /// HTTP/1 without detection.
    Http1(HttpRoutes),
    /// HTTP/2 without detection.
    Http2(HttpRoutes),
    /// gRPC.
    Grpc(GrpcRoutes),
    /// Octets.
    Opaque(StreamRule),
    /// TLS that is passed on by its server name.
    Tls(Vec<TlsRoute>),
}

/// HTTP routes and what they share.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRoutes {
    /// The routes.
    pub routes: Vec<Route<HttpMatch, RulePolicy>>,
    /// When an endpoint is left alone for a while.
    pub accrual: Option<FailureAccrual>,
}

/// gRPC routes and what they share.
#[derive(Clone, Debug, PartialEq)]
pub struct GrpcRoutes {
    /// The routes.
    pub routes: Vec<Route<GrpcMatch, RulePolicy>>,
    /// When an endpoint is left alone for a while.
    pub accrual: Option<FailureAccrual>,
}

/// What a rule does with a request.
#[derive(Clone, Debug, PartialEq)]
pub struct RulePolicy {
    /// Filters, before those of the backend.
    pub filters: Vec<Filter>,
    /// Where requests go.
    pub backends: Distribution<Filter>,
    /// Time limits.
    pub timeouts: RuleTimeouts,
    /// Retries.
    pub retry: Option<Retry>,
    /// Whether `l5d-retry-*` and `l5d-timeout` headers of the client count.
    pub allow_headers: bool,
}

/// Time limits of a rule; none is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleTimeouts {
    /// For everything, from the arrival of the request.
    pub request: Option<Duration>,
    /// From the request's being sent to the response's end.
    pub response: Option<Duration>,
    /// Between frames.
    pub idle: Option<Duration>,
}

/// Where the requests or connections of a rule go.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution<F> {
    /// Nowhere.
    Empty,
    /// To the first that is ready.
    First(Vec<RuleBackend<F>>),
    /// By weight, among those that are ready.
    Random(Vec<RuleBackend<F>>),
}

/// A backend as a rule names it.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleBackend<F> {
    /// Index into [`OutboundPolicy::backends`].
    pub backend: usize,
    /// Its share, for [`Distribution::Random`]; not 0.
    pub weight: u32,
    /// Filters, after those of the rule.
    pub filters: Vec<F>,
}

/// What happens to connections of octets.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamRule {
    /// Where the user wrote it.
    pub meta: Meta,
    /// The first that forbids counts.
    pub filters: Vec<StreamFilter>,
    /// Where connections go.
    pub backends: Distribution<StreamFilter>,
}

/// A filter of connections; both close them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamFilter {
    /// By policy.
    Forbidden,
    /// Because what the user wrote is wrong.
    Invalid,
}

/// A route of TLS connections.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsRoute {
    /// Server names; none is any.
    pub snis: Vec<HostMatch>,
    /// What happens to them.
    pub rule: StreamRule,
}

// === impl OutboundPolicy ===

/// The route whose server name is closest; of equal ones the first.
#[must_use]
pub fn find_tls(routes: &[TlsRoute], sni: &[u8]) -> Option<usize> {
    let mut best: Option<(Option<HostScore>, usize)> = None;
    for (index, route) in routes.iter().enumerate() {
        let score = route.snis.iter().filter_map(|name| name.score(sni)).max();
        if (score.is_some() || route.snis.is_empty()) && best.is_none_or(|(other, _)| score > other) {
            best = Some((score, index));
        }
    }
    best.map(|(_, index)| index)
}

// === impl Distribution ===

impl<F> Distribution<F> {
    /// All backends.
    #[must_use]
    pub fn backends(&self) -> &[RuleBackend<F>] {
        match self {
            Self::Empty => &[],
            Self::First(backends) | Self::Random(backends) => backends,
        }
    }
}

#[cfg(test)]
mod tests;
