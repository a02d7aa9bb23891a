//! Routes of bytes: TCP and TLS.

use linkerd2_proxy_api::opaque_route::{Forbidden, Invalid};
use linkerd2_proxy_api::outbound::{OpaqueRoute, TlsRoute, opaque_route, tls_route};

use super::backend;
use super::{Parent, default_name};
use crate::index::Reads;
use crate::policy::{authorization, convert, inbound};
use crate::record::Route;

/// The route of bytes: the one that is attached, or the default.
pub(super) fn route(parent: &Parent<'_>, route: Option<&Route>, reads: &mut Reads) -> OpaqueRoute {
    use opaque_route::distribution::{FirstAvailable, Kind, RandomAvailable};
    let plain = |backend, filters| opaque_route::RouteBackend { backend: Some(backend), filters };
    let Some((route, rule)) = route.and_then(|route| Some((route, route.rules.first()?))) else {
        let denied = opaque_route::Filter { kind: Some(opaque_route::filter::Kind::Forbidden(Forbidden {})) };
        let backends = vec![plain(parent.backend.get(), Vec::new())];
        let rule = opaque_route::Rule {
            filters: if parent.backend.is_allowed() { Vec::new() } else { vec![denied] },
            backends: Some(opaque_route::Distribution {
                kind: Some(Kind::FirstAvailable(FirstAvailable { backends })),
            }),
        };
        return OpaqueRoute { metadata: Some(default_name(parent, "opaq", "tcp")), rules: vec![rule] };
    };
    let kind = if rule.backends.is_empty() {
        Kind::FirstAvailable(FirstAvailable { backends: vec![plain(parent.backend.get(), Vec::new())] })
    } else {
        let backends = rule.backends.iter().map(|written| {
            let backend = match backend::resolve(written, parent, reads) {
                Ok(backend) => plain(backend, Vec::new()),
                Err(message) => plain(
                    backend::invalid(),
                    vec![opaque_route::Filter {
                        kind: Some(opaque_route::filter::Kind::Invalid(Invalid { message })),
                    }],
                ),
            };
            opaque_route::WeightedRouteBackend { weight: written.weight, backend: Some(backend) }
        });
        Kind::RandomAvailable(RandomAvailable { backends: backends.collect() })
    };
    OpaqueRoute {
        metadata: Some(inbound::metadata(route)),
        rules: vec![opaque_route::Rule {
            backends: Some(opaque_route::Distribution { kind: Some(kind) }),
            filters: Vec::new(),
        }],
    }
}

/// A route that refuses every connection.
pub(super) fn forbidden(name: &str) -> OpaqueRoute {
    use opaque_route::distribution::{Empty, Kind};
    let filter = opaque_route::Filter { kind: Some(opaque_route::filter::Kind::Forbidden(Forbidden {})) };
    OpaqueRoute {
        metadata: Some(authorization::default(name)),
        rules: vec![opaque_route::Rule {
            backends: Some(opaque_route::Distribution { kind: Some(Kind::Empty(Empty {})) }),
            filters: vec![filter],
        }],
    }
}

/// Routes of TLS by SNI.
pub(super) fn tls(parent: &Parent<'_>, routes: &[&Route], reads: &mut Reads) -> Vec<TlsRoute> {
    use tls_route::distribution::{FirstAvailable, Kind, RandomAvailable};
    let plain = |backend, filters| tls_route::RouteBackend { backend: Some(backend), filters };
    let first =
        || Kind::FirstAvailable(FirstAvailable { backends: vec![plain(parent.backend.get(), Vec::new())] });
    let mut found = Vec::with_capacity(routes.len() + 1);
    for route in routes {
        let Some(rule) = route.rules.first() else { continue };
        let kind = if rule.backends.is_empty() {
            first()
        } else {
            let backends = rule.backends.iter().map(|written| {
                let backend = match backend::resolve(written, parent, reads) {
                    Ok(backend) => plain(backend, Vec::new()),
                    Err(message) => plain(
                        backend::invalid(),
                        vec![tls_route::Filter {
                            kind: Some(tls_route::filter::Kind::Invalid(Invalid { message })),
                        }],
                    ),
                };
                tls_route::WeightedRouteBackend { weight: written.weight, backend: Some(backend) }
            });
            Kind::RandomAvailable(RandomAvailable { backends: backends.collect() })
        };
        found.push(TlsRoute {
            metadata: Some(inbound::metadata(route)),
            snis: route.hosts.iter().map(convert::sni).collect(),
            rules: vec![tls_route::Rule {
                backends: Some(tls_route::Distribution { kind: Some(kind) }),
                filters: Vec::new(),
            }],
        });
    }
    if parent.kind == crate::record::ParentKind::EgressNetwork {
        let denied = tls_route::Filter { kind: Some(tls_route::filter::Kind::Forbidden(Forbidden {})) };
        found.push(TlsRoute {
            metadata: Some(default_name(parent, "tls", "tls")),
            snis: Vec::new(),
            rules: vec![tls_route::Rule {
                backends: Some(tls_route::Distribution { kind: Some(first()) }),
                filters: if parent.backend.is_allowed() { Vec::new() } else { vec![denied] },
            }],
        });
    }
    found
}
