//! Policies of outbound destinations.

pub mod grpc;
pub mod matches;
pub mod streams;

use std::time::Duration;

use linkerd2_proxy_api::destination::WeightedAddr;
use linkerd2_proxy_api::http_route::{HttpFailureInjector, HttpRouteMatch, Ratio};
use linkerd2_proxy_api::meta::Metadata;
use linkerd2_proxy_api::outbound::backend::balance_p2c::{Load, PeakEwma};
use linkerd2_proxy_api::outbound::backend::endpoint_discovery::{DestinationGet, Kind as DiscoveryKind};
use linkerd2_proxy_api::outbound::backend::{BalanceP2c, EndpointDiscovery, Kind as BackendKind};
use linkerd2_proxy_api::outbound::failure_accrual::{ConsecutiveFailures, Kind as AccrualKind};
use linkerd2_proxy_api::outbound::http_route::{
    Distribution, Filter, Retry, RouteBackend, Rule, WeightedRouteBackend, distribution, filter, retry,
};
use linkerd2_proxy_api::outbound::proxy_protocol::{Detect, Http1, Http2, Kind};
use linkerd2_proxy_api::outbound::{
    Backend, ExponentialBackoff, FailureAccrual, HttpRoute, OutboundPolicy, ProxyProtocol, Queue,
};

use super::{duration, made_up, resource};

pub use matches::prefix;

use streams::To;

/// The policy of a service without routes of its own: everything goes to its endpoints.
#[must_use]
pub fn service(name: &str, port: u16) -> OutboundPolicy {
    let backend = balancer(name, port);
    routed(name, port, vec![route("default", vec![rule(vec![], first(&backend))])], &backend)
}

/// The policy of a service with HTTP routes.
#[must_use]
pub fn routed(name: &str, port: u16, routes: Vec<HttpRoute>, opaque: &Backend) -> OutboundPolicy {
    with(name, port, detect(routes, opaque, None))
}

/// The policy of a service whose endpoints have breakers.
#[must_use]
pub fn breaking(name: &str, port: u16, accrual: FailureAccrual) -> OutboundPolicy {
    let backend = balancer(name, port);
    let routes = vec![route("default", vec![rule(vec![], first(&backend))])];
    with(name, port, detect(routes, &backend, Some(accrual)))
}

/// The policy of a service that is opaque.
#[must_use]
pub fn opaque_service(name: &str, port: u16) -> OutboundPolicy {
    with(name, port, Kind::Opaque(streams::octets(made_up("default"), To::First(&[&balancer(name, port)]))))
}

/// The policy of a service that speaks gRPC.
#[must_use]
pub fn grpc_service(name: &str, port: u16) -> OutboundPolicy {
    let rule = grpc::rule(vec![], grpc::first(&balancer(name, port)));
    with(name, port, grpc::protocol(vec![grpc::route("grpc", vec![rule])]))
}

/// The policy of a service whose TLS is passed on.
#[must_use]
pub fn tls_service(name: &str, port: u16) -> OutboundPolicy {
    let route = streams::tls_route("tls", &[], To::First(&[&balancer(name, port)]));
    with(name, port, streams::tls(vec![route]))
}

/// The policy of a service whose connections are refused.
#[must_use]
pub fn forbidden(name: &str, port: u16) -> OutboundPolicy {
    with(name, port, Kind::Opaque(streams::octets(made_up("default"), To::Nowhere(&balancer(name, port)))))
}

/// The policy of a single endpoint.
#[must_use]
pub fn single(name: &str, port: u16, endpoint: WeightedAddr) -> OutboundPolicy {
    let backend = forward(name, port, endpoint);
    routed(name, port, vec![route("default", vec![rule(vec![], first(&backend))])], &backend)
}

/// A policy of any protocol for a service.
#[must_use]
pub fn with(name: &str, port: u16, kind: Kind) -> OutboundPolicy {
    OutboundPolicy {
        protocol: Some(ProxyProtocol { kind: Some(kind) }),
        metadata: Some(service_ref(name, port)),
    }
}

/// A policy of any protocol for an egress network.
#[must_use]
pub fn egress(name: &str, port: u16, kind: Kind) -> OutboundPolicy {
    let metadata = Some(resource("policy.linkerd.io", "EgressNetwork", name, port));
    OutboundPolicy { protocol: Some(ProxyProtocol { kind: Some(kind) }), metadata }
}

/// Protocol detection with these routes for HTTP, and this backend for all else.
#[must_use]
pub fn detect(routes: Vec<HttpRoute>, backend: &Backend, accrual: Option<FailureAccrual>) -> Kind {
    Kind::Detect(Detect {
        timeout: duration(Duration::from_secs(10)),
        opaque: Some(streams::octets(made_up("default"), To::First(&[backend]))),
        http1: Some(Http1 { routes: routes.clone(), failure_accrual: accrual }),
        http2: Some(Http2 { routes, failure_accrual: accrual }),
    })
}

/// An HTTP route of a resource, for all hosts.
#[must_use]
pub fn route(name: &str, rules: Vec<Rule>) -> HttpRoute {
    HttpRoute {
        metadata: Some(resource("gateway.networking.k8s.io", "HTTPRoute", name, 0)),
        hosts: Vec::new(),
        rules,
    }
}

/// A rule without filters, limits and retries.
#[must_use]
pub fn rule(matches: Vec<HttpRouteMatch>, backends: Distribution) -> Rule {
    Rule { matches, backends: Some(backends), ..Default::default() }
}

/// A filter of a rule.
#[must_use]
pub fn filter(kind: filter::Kind) -> Filter {
    Filter { kind: Some(kind) }
}

/// A filter that answers this share of the requests itself, as `(numerator, denominator)`; all without one.
#[must_use]
pub fn failing(status: u32, message: &str, share: Option<(u32, u32)>) -> Filter {
    let ratio = share.map(|(numerator, denominator)| Ratio { numerator, denominator });
    filter(filter::Kind::FailureInjector(HttpFailureInjector { status, message: message.to_owned(), ratio }))
}

/// Retries of responses with a status from 500 on, with waits of some milliseconds.
#[must_use]
pub fn retry(max_retries: u32, max_request_bytes: u32) -> Retry {
    let status_ranges = vec![retry::conditions::StatusRange { start: 500, end: 599 }];
    Retry {
        max_retries,
        max_request_bytes,
        conditions: Some(retry::Conditions { status_ranges }),
        timeout: None,
        backoff: Some(backoff(Duration::from_millis(5), Duration::from_millis(20))),
    }
}

/// One backend.
#[must_use]
pub fn first(backend: &Backend) -> Distribution {
    in_order(&[backend])
}

/// The first of these backends that has a ready endpoint.
#[must_use]
pub fn in_order(backends: &[&Backend]) -> Distribution {
    let backends = backends.iter().map(|backend| route_backend(backend)).collect();
    let kind = distribution::Kind::FirstAvailable(distribution::FirstAvailable { backends });
    Distribution { kind: Some(kind) }
}

/// Backends with weights.
#[must_use]
pub fn weighted(backends: &[(&Backend, u32)]) -> Distribution {
    let backends = backends
        .iter()
        .map(|(backend, weight)| WeightedRouteBackend {
            backend: Some(route_backend(backend)),
            weight: *weight,
        })
        .collect();
    let kind = distribution::Kind::RandomAvailable(distribution::RandomAvailable { backends });
    Distribution { kind: Some(kind) }
}

/// A backend that balances over the endpoints of a name.
#[must_use]
pub fn balancer(name: &str, port: u16) -> Backend {
    let path = format!("{name}:{port}");
    let kind = BackendKind::Balancer(BalanceP2c {
        discovery: Some(EndpointDiscovery { kind: Some(DiscoveryKind::Dst(DestinationGet { path })) }),
        load: Some(Load::PeakEwma(PeakEwma {
            default_rtt: duration(Duration::from_millis(30)),
            decay: duration(Duration::from_secs(10)),
        })),
    });
    backend(service_ref(name, port), kind)
}

/// A backend of one endpoint.
#[must_use]
pub fn forward(name: &str, port: u16, endpoint: WeightedAddr) -> Backend {
    backend(service_ref(name, port), BackendKind::Forward(endpoint))
}

/// A breaker that opens after so many failures in a row.
#[must_use]
pub fn consecutive_failures(max_failures: u32, min: Duration, max: Duration) -> FailureAccrual {
    let backoff = Some(backoff(min, max));
    let kind = AccrualKind::ConsecutiveFailures(ConsecutiveFailures { max_failures, backoff });
    FailureAccrual { kind: Some(kind), ejection: None }
}

/// A backoff without jitter.
#[must_use]
pub fn backoff(min: Duration, max: Duration) -> ExponentialBackoff {
    ExponentialBackoff {
        min_backoff: duration(min),
        max_backoff: duration(max),
        jitter_ratio: 0.0,
        respect_retry_after_hint: false,
    }
}

fn backend(metadata: Metadata, kind: BackendKind) -> Backend {
    Backend {
        metadata: Some(metadata),
        queue: Some(Queue { capacity: 100, failfast_timeout: duration(Duration::from_secs(3)) }),
        kind: Some(kind),
    }
}

fn route_backend(backend: &Backend) -> RouteBackend {
    RouteBackend { backend: Some(backend.clone()), ..Default::default() }
}

fn service_ref(name: &str, port: u16) -> Metadata {
    let short = name.split('.').next().unwrap_or(name);
    resource("core", "Service", short, port)
}
