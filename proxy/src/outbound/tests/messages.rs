//! Messages of the published API, as tests need them.

use std::net::SocketAddr;
use std::sync::Arc;

use linkerd2_proxy_api::outbound::{self as api, proxy_protocol};
use linkerd2_proxy_api::{destination, http_route as api_route, meta, net};

use crate::identity::Id;
use crate::model::endpoint::{Hint, PeerTls};
use crate::model::{Endpoint, EndpointsUpdate};

pub(super) fn seconds(seconds: f64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds: seconds.trunc() as i64, nanos: (seconds.fract() * 1e9) as i32 })
}

pub(super) fn resource(kind: &str, name: &str) -> Option<meta::Metadata> {
    let resource = meta::Resource {
        group: "core".into(),
        kind: kind.into(),
        name: name.into(),
        namespace: "ns".into(),
        section: String::new(),
        port: 80,
    };
    Some(meta::Metadata { kind: Some(meta::metadata::Kind::Resource(resource)) })
}

/// A balanced backend, by the name that is looked up.
pub(super) fn balancer(path: &str) -> api::Backend {
    use api::backend::{BalanceP2c, EndpointDiscovery, Kind, balance_p2c, endpoint_discovery};
    let dst = endpoint_discovery::DestinationGet { path: path.into() };
    api::Backend {
        metadata: resource("Service", path.split('.').next().unwrap()),
        queue: Some(api::Queue { capacity: 10, failfast_timeout: seconds(0.3) }),
        kind: Some(Kind::Balancer(BalanceP2c {
            discovery: Some(EndpointDiscovery { kind: Some(endpoint_discovery::Kind::Dst(dst)) }),
            load: Some(balance_p2c::Load::PeakEwma(balance_p2c::PeakEwma {
                default_rtt: seconds(0.03),
                decay: seconds(10.0),
            })),
        })),
    }
}

/// A backend of one endpoint.
pub(super) fn forward(addr: SocketAddr) -> api::Backend {
    let endpoint = destination::WeightedAddr {
        addr: Some(net::TcpAddress::from(addr)),
        weight: 1,
        ..Default::default()
    };
    api::Backend { kind: Some(api::backend::Kind::Forward(endpoint)), ..balancer("forward.ns:80") }
}

/// A rule that sends everything to these backends, by weight.
pub(super) fn rule(backends: Vec<(api::Backend, u32)>) -> api::http_route::Rule {
    use api::http_route::{Distribution, RouteBackend, WeightedRouteBackend, distribution};
    let weighted = |(backend, weight)| WeightedRouteBackend {
        backend: Some(RouteBackend { backend: Some(backend), ..Default::default() }),
        weight,
    };
    let random = distribution::RandomAvailable { backends: backends.into_iter().map(weighted).collect() };
    api::http_route::Rule {
        backends: Some(Distribution { kind: Some(distribution::Kind::RandomAvailable(random)) }),
        ..Default::default()
    }
}

/// A rule for paths below this one.
pub(super) fn below(prefix: &str, mut rule: api::http_route::Rule) -> api::http_route::Rule {
    let kind = Some(api_route::path_match::Kind::Prefix(prefix.into()));
    let path = Some(api_route::PathMatch { kind });
    rule.matches.push(api_route::HttpRouteMatch { path, ..Default::default() });
    rule
}

/// A rule with these filters.
pub(super) fn filtered(
    filters: Vec<api::http_route::filter::Kind>,
    mut rule: api::http_route::Rule,
) -> api::http_route::Rule {
    rule.filters = filters.into_iter().map(|kind| api::http_route::Filter { kind: Some(kind) }).collect();
    rule
}

/// A policy that detects, with these rules for both versions, and octets to the first backend.
pub(super) fn detect(rules: Vec<api::http_route::Rule>, opaque: api::Backend) -> api::OutboundPolicy {
    detect_with(rules, opaque, None)
}

pub(super) fn detect_with(
    rules: Vec<api::http_route::Rule>,
    opaque: api::Backend,
    failure_accrual: Option<api::FailureAccrual>,
) -> api::OutboundPolicy {
    let route = api::HttpRoute { metadata: resource("HTTPRoute", "route"), hosts: Vec::new(), rules };
    let routes = vec![route];
    policy(proxy_protocol::Kind::Detect(proxy_protocol::Detect {
        timeout: seconds(5.0),
        http1: Some(proxy_protocol::Http1 { routes: routes.clone(), failure_accrual }),
        http2: Some(proxy_protocol::Http2 { routes, failure_accrual }),
        opaque: Some(proxy_protocol::Opaque { routes: vec![opaque_route(opaque)] }),
    }))
}

pub(super) fn policy(kind: proxy_protocol::Kind) -> api::OutboundPolicy {
    api::OutboundPolicy {
        protocol: Some(api::ProxyProtocol { kind: Some(kind) }),
        metadata: resource("Service", "web"),
    }
}

pub(super) fn opaque_route(backend: api::Backend) -> api::OpaqueRoute {
    use api::opaque_route::{Distribution, RouteBackend, Rule, distribution};
    let first = distribution::FirstAvailable {
        backends: vec![RouteBackend { backend: Some(backend), filters: Vec::new() }],
    };
    let backends = Some(Distribution { kind: Some(distribution::Kind::FirstAvailable(first)) });
    api::OpaqueRoute {
        metadata: resource("TCPRoute", "opaque"),
        rules: vec![Rule { backends, filters: Vec::new() }],
    }
}

/// Retries after these statuses.
pub(super) fn retry(start: u32, end: u32, max_retries: u32) -> Option<api::http_route::Retry> {
    let range = api::http_route::retry::conditions::StatusRange { start, end };
    Some(api::http_route::Retry {
        max_retries,
        max_request_bytes: 1024,
        conditions: Some(api::http_route::retry::Conditions { status_ranges: vec![range] }),
        timeout: None,
        backoff: None,
    })
}

/// A breaker that opens after so many failures in a row.
pub(super) fn breaker(max_failures: u32, wait: f64) -> Option<api::FailureAccrual> {
    let backoff = api::ExponentialBackoff {
        min_backoff: seconds(wait),
        max_backoff: seconds(60.0),
        jitter_ratio: 0.0,
        respect_retry_after_hint: false,
    };
    let rule = api::failure_accrual::ConsecutiveFailures { max_failures, backoff: Some(backoff) };
    Some(api::FailureAccrual {
        kind: Some(api::failure_accrual::Kind::ConsecutiveFailures(rule)),
        ejection: None,
    })
}

/// These endpoints and no others.
pub(super) fn only(addrs: &[SocketAddr]) -> EndpointsUpdate {
    EndpointsUpdate::Reset(addrs.iter().map(|addr| Arc::new(Endpoint::plain(*addr))).collect())
}

/// A meshed endpoint that takes a transport header.
pub(super) fn meshed(addr: SocketAddr, port: u16, id: &str) -> Endpoint {
    Endpoint {
        tls: Some(PeerTls { id: Id::dns(id).unwrap(), server_name: id.parse().unwrap() }),
        hint: Hint::Http2,
        transport_port: Some(addr.port()),
        ..Endpoint::plain(SocketAddr::new(addr.ip(), port))
    }
}
