//! HTTP and gRPC routes of a target.

use linkerd2_proxy_api::grpc_route::GrpcFailureInjector;
use linkerd2_proxy_api::http_route::{HttpFailureInjector, Ratio, Timeouts};
use linkerd2_proxy_api::outbound::{GrpcRoute, HttpRoute, grpc_route, http_route};

use super::backend;
use super::{Parent, default_name};
use crate::index::Reads;
use crate::policy::annotations::{self, Spoken};
use crate::policy::{convert, inbound};
use crate::record::{Backend, Filter, Labels, ParentKind, Route, Rule};

/// Answers of a rule that leads nowhere, and of an egress network that lets nothing out.
const INTERNAL: u32 = 500;
const FORBIDDEN: u32 = 403;
/// The same for gRPC: internal, permission denied.
const GRPC_INTERNAL: u32 = 13;

/// The routes in force, with the default one where it belongs.
pub(super) fn routes(parent: &Parent<'_>, routes: &[&Route], reads: &mut Reads) -> Vec<HttpRoute> {
    let mut found: Vec<HttpRoute> = routes.iter().map(|route| http_route(parent, route, reads)).collect();
    // What no route of an egress network covers is let through or refused by the network itself.
    if found.is_empty() || parent.kind == ParentKind::EgressNetwork {
        found.push(default_route(parent));
    }
    found
}

/// The gRPC routes in force.
pub(super) fn grpc_routes(parent: &Parent<'_>, routes: &[&Route], reads: &mut Reads) -> Vec<GrpcRoute> {
    routes.iter().map(|route| grpc_route(parent, route, reads)).collect()
}

fn default_route(parent: &Parent<'_>) -> HttpRoute {
    let none = Labels::default();
    let denied = http_route::Filter {
        kind: Some(http_route::filter::Kind::FailureInjector(HttpFailureInjector {
            status: FORBIDDEN,
            message: format!("traffic not allowed by EgressNetwork {}", parent.key),
            ratio: None,
        })),
    };
    let rule = http_route::Rule {
        matches: vec![convert::any_http()],
        filters: if parent.backend.is_allowed() { Vec::new() } else { vec![denied] },
        backends: Some(first_available(parent)),
        timeouts: Some(timeouts(parent, &none, None)),
        retry: retry(parent, &none, Spoken::Http).map(|retry| retry.http()),
        ..http_route::Rule::default()
    };
    HttpRoute { metadata: Some(default_name(parent, "http", "http")), hosts: Vec::new(), rules: vec![rule] }
}

fn first_available(parent: &Parent<'_>) -> http_route::Distribution {
    use http_route::distribution::{FirstAvailable, Kind};
    let backend = http_route::RouteBackend { backend: Some(parent.backend.get()), ..Default::default() };
    http_route::Distribution { kind: Some(Kind::FirstAvailable(FirstAvailable { backends: vec![backend] })) }
}

fn http_route(parent: &Parent<'_>, route: &Route, reads: &mut Reads) -> HttpRoute {
    let rules = route.rules.iter().map(|rule| http_route::Rule {
        matches: if rule.matches.is_empty() {
            vec![convert::any_http()]
        } else {
            rule.matches.iter().map(convert::http_match).collect()
        },
        filters: rule.filters.iter().filter_map(http_filter).collect(),
        backends: Some(http_backends(parent, rule, reads)),
        timeouts: Some(timeouts(parent, &route.annotations, Some(rule))),
        retry: retry(parent, &route.annotations, Spoken::Http).map(|retry| retry.http()),
        ..http_route::Rule::default()
    });
    HttpRoute {
        metadata: Some(inbound::metadata(route)),
        hosts: route.hosts.iter().map(convert::host).collect(),
        rules: rules.collect(),
    }
}

fn http_backends(parent: &Parent<'_>, rule: &Rule, reads: &mut Reads) -> http_route::Distribution {
    use http_route::distribution::{Kind, RandomAvailable};
    if rule.backends.is_empty() {
        return first_available(parent);
    }
    let backends = rule.backends.iter().map(|written| {
        let mut filters: Vec<http_route::Filter> = Vec::new();
        let backend = match backend::resolve(written, parent, reads) {
            Ok(backend) => backend,
            Err(message) => {
                let injector = HttpFailureInjector { status: INTERNAL, message, ratio: Some(always()) };
                filters.push(http_route::Filter {
                    kind: Some(http_route::filter::Kind::FailureInjector(injector)),
                });
                backend::invalid()
            }
        };
        filters.extend(written.filters.iter().filter_map(http_filter));
        http_route::WeightedRouteBackend {
            weight: written.weight,
            backend: Some(with_timeout(backend, filters, rule)),
        }
    });
    http_route::Distribution {
        kind: Some(Kind::RandomAvailable(RandomAvailable { backends: backends.collect() })),
    }
}

#[expect(deprecated, reason = "proxies that know no other field still read it")]
fn with_timeout(
    backend: linkerd2_proxy_api::outbound::Backend,
    filters: Vec<http_route::Filter>,
    rule: &Rule,
) -> http_route::RouteBackend {
    http_route::RouteBackend {
        backend: Some(backend),
        filters,
        request_timeout: rule.backend_timeout.and_then(|it| prost_types::Duration::try_from(it).ok()),
    }
}

fn http_filter(filter: &Filter) -> Option<http_route::Filter> {
    use http_route::filter::Kind;
    let kind = match filter {
        Filter::RequestHeaders(modifier) => Kind::RequestHeaderModifier(convert::request_headers(modifier)),
        Filter::ResponseHeaders(modifier) => {
            Kind::ResponseHeaderModifier(convert::response_headers(modifier))
        }
        Filter::Redirect(redirect) => Kind::Redirect(convert::redirect(redirect)),
        Filter::Unsupported(_) => return None,
    };
    Some(http_route::Filter { kind: Some(kind) })
}

fn grpc_route(parent: &Parent<'_>, route: &Route, reads: &mut Reads) -> GrpcRoute {
    let rules = route.rules.iter().map(|rule| grpc_route::Rule {
        matches: if rule.matches.is_empty() {
            vec![Default::default()]
        } else {
            rule.matches.iter().map(convert::grpc_match).collect()
        },
        filters: rule.filters.iter().filter_map(grpc_filter).collect(),
        backends: Some(grpc_backends(parent, rule, reads)),
        timeouts: Some(timeouts(parent, &route.annotations, Some(rule))),
        retry: retry(parent, &route.annotations, Spoken::Grpc).map(|retry| retry.grpc()),
        ..grpc_route::Rule::default()
    });
    GrpcRoute {
        metadata: Some(inbound::metadata(route)),
        hosts: route.hosts.iter().map(convert::host).collect(),
        rules: rules.collect(),
    }
}

fn grpc_backends(parent: &Parent<'_>, rule: &Rule, reads: &mut Reads) -> grpc_route::Distribution {
    use grpc_route::distribution::{FirstAvailable, Kind, RandomAvailable};
    let plain = |backend, filters| grpc_route::RouteBackend {
        backend: Some(backend),
        filters,
        ..grpc_route::RouteBackend::default()
    };
    if rule.backends.is_empty() {
        let backends = vec![plain(parent.backend.get(), Vec::new())];
        return grpc_route::Distribution { kind: Some(Kind::FirstAvailable(FirstAvailable { backends })) };
    }
    let backends = rule.backends.iter().map(|written: &Backend| {
        let mut filters: Vec<grpc_route::Filter> = Vec::new();
        let backend = match backend::resolve(written, parent, reads) {
            Ok(backend) => backend,
            Err(message) => {
                let injector = GrpcFailureInjector { code: GRPC_INTERNAL, message, ratio: Some(always()) };
                filters.push(grpc_route::Filter {
                    kind: Some(grpc_route::filter::Kind::FailureInjector(injector)),
                });
                backend::invalid()
            }
        };
        filters.extend(written.filters.iter().filter_map(grpc_filter));
        grpc_route::WeightedRouteBackend { weight: written.weight, backend: Some(plain(backend, filters)) }
    });
    grpc_route::Distribution {
        kind: Some(Kind::RandomAvailable(RandomAvailable { backends: backends.collect() })),
    }
}

fn grpc_filter(filter: &Filter) -> Option<grpc_route::Filter> {
    match filter {
        Filter::RequestHeaders(modifier) => Some(grpc_route::Filter {
            kind: Some(grpc_route::filter::Kind::RequestHeaderModifier(convert::request_headers(modifier))),
        }),
        _ => None,
    }
}

fn always() -> Ratio {
    Ratio { numerator: 1, denominator: 1 }
}

/// What the route says; the parent's word counts only where it says nothing.
fn timeouts(parent: &Parent<'_>, route: &Labels, rule: Option<&Rule>) -> Timeouts {
    let written = |annotations: &Labels| {
        annotations::timeouts(annotations).unwrap_or_else(|problem| {
            tracing::warn!(parent = %parent.key, %problem, "passed over");
            Timeouts::default()
        })
    };
    let mut timeouts = written(route);
    if let Some(request) = rule.and_then(|rule| rule.request_timeout) {
        timeouts.request = prost_types::Duration::try_from(request).ok();
    }
    if timeouts == Timeouts::default() { written(parent.annotations) } else { timeouts }
}

fn retry(parent: &Parent<'_>, route: &Labels, spoken: Spoken) -> Option<annotations::Retry> {
    let read = |annotations: &Labels| {
        annotations::retry(annotations, spoken).unwrap_or_else(|problem| {
            tracing::warn!(parent = %parent.key, %problem, "passed over");
            None
        })
    };
    read(route).or_else(|| read(parent.annotations))
}
