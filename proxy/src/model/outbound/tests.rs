//! Outbound policies, converted, and what is refused.

use std::net::SocketAddr;

use linkerd2_proxy_api::outbound as api;
use linkerd2_proxy_api::outbound::proxy_protocol as api_protocol;
use linkerd2_proxy_api::{destination, http_route as api_route, net, opaque_route, tls_route};

use super::*;
use crate::model::error::{InvalidMessage, Problem};
use crate::model::meta::tests::resource;

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn backoff() -> Option<api::ExponentialBackoff> {
    Some(api::ExponentialBackoff {
        min_backoff: seconds(1),
        max_backoff: seconds(60),
        jitter_ratio: 0.5,
        respect_retry_after_hint: true,
    })
}

fn balancer(path: &str) -> api::Backend {
    use api::backend::{BalanceP2c, EndpointDiscovery, Kind, balance_p2c, endpoint_discovery};
    let dst = endpoint_discovery::DestinationGet { path: path.into() };
    api::Backend {
        metadata: Some(resource("Service", path.split('.').next().unwrap())),
        queue: Some(api::Queue { capacity: 100, failfast_timeout: seconds(3) }),
        kind: Some(Kind::Balancer(BalanceP2c {
            discovery: Some(EndpointDiscovery { kind: Some(endpoint_discovery::Kind::Dst(dst)) }),
            load: Some(balance_p2c::Load::PeakEwma(balance_p2c::PeakEwma {
                default_rtt: seconds(1),
                decay: seconds(10),
            })),
        })),
    }
}

fn http_rule(backends: Vec<(api::Backend, u32)>) -> api::http_route::Rule {
    use api::http_route::{Distribution, RouteBackend, WeightedRouteBackend, distribution};
    let weighted = |(backend, weight)| {
        let backend = Some(RouteBackend { backend: Some(backend), ..Default::default() });
        WeightedRouteBackend { backend, weight }
    };
    let random = distribution::RandomAvailable { backends: backends.into_iter().map(weighted).collect() };
    api::http_route::Rule {
        backends: Some(Distribution { kind: Some(distribution::Kind::RandomAvailable(random)) }),
        ..Default::default()
    }
}

fn http1(rules: Vec<api::http_route::Rule>) -> api::OutboundPolicy {
    let route = api::HttpRoute { metadata: Some(resource("HTTPRoute", "r")), hosts: Vec::new(), rules };
    policy(api_protocol::Kind::Http1(api_protocol::Http1 { routes: vec![route], failure_accrual: None }))
}

fn policy(kind: api_protocol::Kind) -> api::OutboundPolicy {
    api::OutboundPolicy {
        protocol: Some(api::ProxyProtocol { kind: Some(kind) }),
        metadata: Some(resource("Service", "web")),
    }
}

fn convert(message: api::OutboundPolicy) -> Result<OutboundPolicy, InvalidMessage> {
    OutboundPolicy::try_from(message)
}

fn opaque_rule(filter: Option<api::opaque_route::filter::Kind>) -> api::OpaqueRoute {
    use api::opaque_route::{Distribution, Filter, RouteBackend, Rule, distribution};
    let addr: SocketAddr = "10.0.0.1:80".parse().unwrap();
    let forward = destination::WeightedAddr {
        addr: Some(net::TcpAddress::from(addr)),
        weight: 1,
        ..Default::default()
    };
    let backend = api::Backend { kind: Some(api::backend::Kind::Forward(forward)), ..balancer("a:1") };
    let first = distribution::FirstAvailable {
        backends: vec![RouteBackend { backend: Some(backend), filters: Vec::new() }],
    };
    api::OpaqueRoute {
        metadata: Some(resource("TCPRoute", "r")),
        rules: vec![Rule {
            backends: Some(Distribution { kind: Some(distribution::Kind::FirstAvailable(first)) }),
            filters: filter.map(|kind| Filter { kind: Some(kind) }).into_iter().collect(),
        }],
    }
}

#[test]
fn backends_that_rules_share_are_one() {
    let rules = vec![
        http_rule(vec![(balancer("a.ns:80"), 1), (balancer("b.ns:80"), 3), (balancer("c.ns:80"), 0)]),
        http_rule(vec![(balancer("b.ns:80"), 1)]),
    ];
    let policy = convert(http1(rules)).unwrap();
    assert_eq!(policy.backends.len(), 2);
    let Protocol::Http1(http) = &policy.protocol else { panic!("not HTTP/1") };
    let shares = |rule: usize| -> Vec<_> {
        let backends = http.routes[0].rules[rule].policy.backends.backends();
        backends.iter().map(|it| (it.backend, it.weight)).collect()
    };
    assert_eq!((shares(0), shares(1)), (vec![(0, 1), (1, 3)], vec![(1, 1)]));
    assert_eq!(policy.backends[0].queue, Queue { capacity: 100, failfast: Duration::from_secs(3) });
}

#[test]
fn every_part_that_has_to_be_there_is_asked_for() {
    let mut cases: Vec<(api::OutboundPolicy, &str)> = Vec::new();
    let good = || http_rule(vec![(balancer("a.ns:80"), 1)]);
    cases.push((api::OutboundPolicy { protocol: None, ..http1(vec![good()]) }, "protocol: required"));
    cases.push((api::OutboundPolicy { metadata: None, ..http1(vec![good()]) }, "metadata: required"));
    cases.push((http1(Vec::new()), "protocol.http1.routes[0].rules: required"));
    let none = api::http_route::Rule { backends: None, ..good() };
    cases.push((http1(vec![none]), "protocol.http1.routes[0].rules[0].backends: required"));
    let rule = "protocol.http1.routes[0].rules[0].random_available[0].backend.";
    let queueless = api::Backend { queue: None, ..balancer("a.ns:80") };
    let text = format!("{rule}queue: required");
    cases.push((http1(vec![http_rule(vec![(queueless, 1)])]), &text));
    let nameless = api::Backend { metadata: None, ..balancer("a.ns:80") };
    let text2 = format!("{rule}metadata: required");
    cases.push((http1(vec![http_rule(vec![(nameless, 1)])]), &text2));
    let text3 = format!("{rule}balancer.discovery.dst.path: not a valid name");
    cases.push((http1(vec![http_rule(vec![(balancer("a.ns:0"), 1)])]), &text3));
    let filter = api::http_route::Rule { filters: vec![api::http_route::Filter { kind: None }], ..good() };
    cases.push((http1(vec![filter]), "protocol.http1.routes[0].rules[0].filters[0].kind: required"));
    let detect = api_protocol::Detect { timeout: seconds(1), ..Default::default() };
    cases.push((policy(api_protocol::Kind::Detect(detect)), "protocol.http1: required"));
    let opaque = api_protocol::Opaque { routes: Vec::new() };
    cases.push((policy(api_protocol::Kind::Opaque(opaque)), "protocol.opaque.routes: another number"));
    for (message, want) in cases {
        let error = convert(message).unwrap_err().to_string();
        assert!(error.starts_with(want), "{error} instead of {want}");
    }
}

#[test]
fn timeouts_and_retries_are_taken() {
    let mut rule = http_rule(vec![(balancer("a.ns:80"), 1)]);
    #[allow(deprecated, reason = "older control planes still send it")]
    {
        rule.request_timeout = seconds(7);
    }
    rule.timeouts = Some(api_route::Timeouts { response: seconds(5), request: None, idle: seconds(0) });
    let range = |start, end| api::http_route::retry::conditions::StatusRange { start, end };
    let retry = |ranges| api::http_route::Retry {
        max_retries: 3,
        max_request_bytes: u32::MAX,
        conditions: Some(api::http_route::retry::Conditions { status_ranges: ranges }),
        timeout: seconds(1),
        backoff: backoff(),
    };
    rule.retry = Some(retry(vec![range(500, 504)]));
    rule.allow_l5d_request_headers = true;
    let taken = convert(http1(vec![rule.clone()])).unwrap();
    let Protocol::Http1(http) = &taken.protocol else { panic!("not HTTP/1") };
    let policy = &http.routes[0].rules[0].policy;
    let of = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(policy.timeouts, RuleTimeouts { request: of(7), response: of(5), idle: None });
    let kept = policy.retry.as_ref().unwrap();
    assert!(kept.on.http(503) && !kept.on.http(505) && kept.backoff.unwrap().respect_hint);
    assert_eq!(kept.max_request_octets, 16 * 1024 * 1024);
    rule.retry = Some(retry(vec![range(504, 500)]));
    assert_eq!(convert(http1(vec![rule.clone()])).unwrap_err().problem(), Problem::Range);
    rule.retry = Some(api::http_route::Retry { conditions: None, ..retry(Vec::new()) });
    assert_eq!(convert(http1(vec![rule])).unwrap_err().problem(), Problem::Missing);
}

#[test]
fn breakers_have_bounds() {
    use api::failure_accrual::{ConsecutiveFailures, Kind, Unified};
    let accrual = |kind| {
        let ejection = Some(api::EjectionConfig { min_ready_endpoints: 2 });
        FailureAccrual::convert(Some(api::FailureAccrual { kind, ejection }))
    };
    let consecutive = |max_failures, backoff| {
        Some(Kind::ConsecutiveFailures(ConsecutiveFailures { max_failures, backoff }))
    };
    let taken = accrual(consecutive(7, backoff())).unwrap().unwrap();
    assert_eq!((taken.consecutive.map(u32::from), taken.min_ready), (Some(7), 2));
    assert_eq!(accrual(consecutive(0, backoff())).unwrap(), None);
    assert!(accrual(consecutive(7, None)).is_err() && accrual(None).is_err());
    let unified = |success_rate_threshold, decay, min_requests| {
        let rule = Unified {
            success_rate_threshold,
            decay,
            min_requests,
            max_consecutive_failures: 0,
            backoff: backoff(),
        };
        accrual(Some(Kind::Unified(rule)))
    };
    let rate = unified(0.9, None, 10).unwrap().unwrap().success_rate.unwrap();
    assert_eq!((rate.decay, rate.min_requests), (Duration::from_secs(10), 10));
    assert_eq!(unified(0.0, None, 10).unwrap(), None);
    for threshold in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(unified(threshold, None, 1).unwrap_err().problem(), Problem::Range);
    }
    let millisecond = Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 });
    assert!(unified(0.5, millisecond, 1).is_err() && unified(0.5, None, 1_000_001).is_err());
    let base = backoff().unwrap();
    for wrong in [
        api::ExponentialBackoff { min_backoff: seconds(0), ..base },
        api::ExponentialBackoff { max_backoff: seconds(0), ..base },
        api::ExponentialBackoff { max_backoff: None, ..base },
        api::ExponentialBackoff { jitter_ratio: -1.0, ..base },
        api::ExponentialBackoff { jitter_ratio: f32::NAN, ..base },
    ] {
        assert!(accrual(consecutive(1, Some(wrong))).is_err());
    }
}

#[test]
fn a_penalty_has_defaults() {
    use api::backend::{Kind, balance_p2c};
    let mut backend = balancer("a.ns:80");
    let Some(Kind::Balancer(balance)) = &mut backend.kind else { panic!("not balanced") };
    let load = balance_p2c::PenaltyPeakEwma { penalty_decay: seconds(7), ..Default::default() };
    balance.load = Some(balance_p2c::Load::PenaltyPeakEwma(load));
    let taken = Backend::try_from(backend).unwrap();
    let BackendKind::Balance { load, .. } = taken.kind else { panic!("not balanced") };
    let penalty = load.penalty.unwrap();
    assert_eq!((load.default_rtt, load.decay), (Load::DEFAULT.default_rtt, Load::DEFAULT.decay));
    assert_eq!(
        (penalty.penalty.as_secs(), penalty.decay.as_secs(), penalty.max_retry_after.as_secs()),
        (5, 7, 300)
    );
}

#[test]
fn a_stream_rule_may_forbid() {
    let forbidden = api::opaque_route::filter::Kind::Forbidden(opaque_route::Forbidden {});
    let opaque = |filter| {
        policy(api_protocol::Kind::Opaque(api_protocol::Opaque { routes: vec![opaque_rule(filter)] }))
    };
    let Protocol::Opaque(rule) = convert(opaque(Some(forbidden))).unwrap().protocol else {
        panic!("not opaque")
    };
    assert_eq!(rule.filters, [StreamFilter::Forbidden]);
    let taken = convert(opaque(None)).unwrap();
    assert!(matches!(&taken.backends[0].kind, BackendKind::Forward(it) if it.addr.port() == 80));
    let mut two = opaque(None);
    if let Some(api_protocol::Kind::Opaque(it)) = two.protocol.as_mut().and_then(|it| it.kind.as_mut()) {
        let rule = it.routes[0].rules[0].clone();
        it.routes[0].rules.push(rule);
    }
    assert_eq!(convert(two).unwrap_err().problem(), Problem::Count);
}

#[test]
fn tls_routes_are_chosen_by_server_name() {
    use tls_route::{SniMatch, sni_match};
    let exact = |name: &str| SniMatch { r#match: Some(sni_match::Match::Exact(name.into())) };
    let suffix = |labels: &[&str]| SniMatch {
        r#match: Some(sni_match::Match::Suffix(sni_match::Suffix {
            reverse_labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        })),
    };
    let route = |snis| {
        use api::tls_route::{Distribution, Rule, distribution};
        let empty = Distribution { kind: Some(distribution::Kind::Empty(distribution::Empty {})) };
        let rules = vec![Rule { backends: Some(empty), filters: Vec::new() }];
        api::TlsRoute { metadata: Some(resource("TLSRoute", "r")), snis, rules }
    };
    let routes = vec![
        route(Vec::new()),
        route(vec![suffix(&["com", "example"])]),
        route(vec![exact("www.example.com"), exact("other")]),
    ];
    let message = policy(api_protocol::Kind::Tls(api_protocol::Tls { routes }));
    let Protocol::Tls(routes) = convert(message).unwrap().protocol else { panic!("not TLS") };
    assert_eq!(find_tls(&routes, b"www.example.com"), Some(2));
    assert_eq!(find_tls(&routes, b"a.example.com"), Some(1));
    assert_eq!(find_tls(&routes, b"example.org"), Some(0));
    assert_eq!(find_tls(&routes[1..], b"example.org"), None);
}
