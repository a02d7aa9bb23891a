//! Routes of connections: opaque ones, and TLS that is passed through.

use linkerd2_proxy_api::meta::Metadata;
use linkerd2_proxy_api::opaque_route::Forbidden;
use linkerd2_proxy_api::outbound::proxy_protocol::{Kind, Opaque, Tls};
use linkerd2_proxy_api::outbound::{Backend, OpaqueRoute, TlsRoute, opaque_route, tls_route};
use linkerd2_proxy_api::tls_route::{SniMatch, sni_match};

use super::super::resource;

/// Backends of a connection's route.
#[derive(Clone, Debug)]
pub enum To<'a> {
    /// The first that has a ready endpoint.
    First(&'a [&'a Backend]),
    /// By their weights.
    Weighted(&'a [(&'a Backend, u32)]),
    /// None: it is forbidden.
    Nowhere(&'a Backend),
}

/// Routes in both types of messages differ in their modules alone.
macro_rules! rule {
    ($module:ident, $to:expr) => {{
        use $module::distribution::{FirstAvailable, Kind, RandomAvailable};
        let backend =
            |backend: &Backend| $module::RouteBackend { backend: Some(backend.clone()), filters: vec![] };
        let first = |list: &[&Backend]| {
            Kind::FirstAvailable(FirstAvailable { backends: list.iter().map(|it| backend(it)).collect() })
        };
        let (kind, filters) = match $to {
            To::First(list) => (first(list), Vec::new()),
            To::Weighted(list) => {
                let weighted = |&(it, weight): &(&Backend, u32)| $module::WeightedRouteBackend {
                    backend: Some(backend(it)),
                    weight,
                };
                let backends = list.iter().map(weighted).collect();
                (Kind::RandomAvailable(RandomAvailable { backends }), Vec::new())
            }
            To::Nowhere(formal) => {
                let kind = Some($module::filter::Kind::Forbidden(Forbidden {}));
                (first(&[formal]), vec![$module::Filter { kind }])
            }
        };
        $module::Rule { backends: Some($module::Distribution { kind: Some(kind) }), filters }
    }};
}

/// A destination of octets.
#[must_use]
pub fn opaque(name: &str, to: To<'_>) -> Kind {
    Kind::Opaque(octets(resource("gateway.networking.k8s.io", "TCPRoute", name, 0), to))
}

/// A route of octets, whoever made it.
pub(super) fn octets(metadata: Metadata, to: To<'_>) -> Opaque {
    let route = OpaqueRoute { metadata: Some(metadata), rules: vec![rule!(opaque_route, to)] };
    Opaque { routes: vec![route] }
}

/// A destination of TLS that is passed through.
#[must_use]
pub fn tls(routes: Vec<TlsRoute>) -> Kind {
    Kind::Tls(Tls { routes })
}

/// A route of TLS for these server names, which may begin with `*.`; for any when there are none.
#[must_use]
pub fn tls_route(name: &str, snis: &[&str], to: To<'_>) -> TlsRoute {
    let metadata = Some(resource("gateway.networking.k8s.io", "TLSRoute", name, 0));
    TlsRoute {
        metadata,
        snis: snis.iter().map(|name| sni(name)).collect(),
        rules: vec![rule!(tls_route, to)],
    }
}

fn sni(name: &str) -> SniMatch {
    let of = match name.strip_prefix("*.") {
        None => sni_match::Match::Exact(name.to_owned()),
        Some(suffix) => {
            let reverse_labels = suffix.split('.').rev().map(str::to_owned).collect();
            sni_match::Match::Suffix(sni_match::Suffix { reverse_labels })
        }
    };
    SniMatch { r#match: Some(of) }
}
