//! Policies of inbound ports.

use std::collections::HashMap;
use std::time::Duration;

use linkerd2_proxy_api::inbound::authn::permit_mesh_tls::{Clients, PermitClientIdentities};
use linkerd2_proxy_api::inbound::authn::{Permit, PermitMeshTls, PermitUnauthenticated};
use linkerd2_proxy_api::inbound::http_local_rate_limit::Limit;
use linkerd2_proxy_api::inbound::proxy_protocol::{Detect, Grpc, Http1, Http2, Kind, Opaque};
use linkerd2_proxy_api::inbound::{
    Authn, Authz, HttpLocalRateLimit, HttpRoute, Identity, Network, ProxyProtocol, Server,
};
use linkerd2_proxy_api::net::IpNetwork;

use super::{duration, made_up, resource};

/// Who may connect.
#[derive(Clone, Debug)]
pub enum Who {
    /// Anybody.
    Everybody,
    /// Anybody with an identity of the mesh.
    Meshed,
    /// These identities.
    Only(Vec<String>),
}

/// A port whose protocol is detected and that anybody may use.
#[must_use]
pub fn everybody() -> Server {
    server("all-unauthenticated", detect(), vec![authorization("all", Who::Everybody)])
}

/// A port of a `Server` resource.
#[must_use]
pub fn server(name: &str, protocol: Kind, authorizations: Vec<Authz>) -> Server {
    Server {
        protocol: Some(ProxyProtocol { kind: Some(protocol) }),
        server_ips: Vec::new(),
        authorizations,
        labels: labels("policy.linkerd.io", "server", name),
    }
}

/// Protocol detection, without routes.
#[must_use]
pub fn detect() -> Kind {
    detect_with(Vec::new(), None)
}

/// Protocol detection with HTTP routes and a rate limit.
#[must_use]
pub fn detect_with(http_routes: Vec<HttpRoute>, limit: Option<HttpLocalRateLimit>) -> Kind {
    Kind::Detect(Detect {
        timeout: duration(Duration::from_secs(10)),
        http_routes,
        http_local_rate_limit: limit,
    })
}

/// A port that is known to speak HTTP/1.
#[must_use]
pub fn http1(routes: Vec<HttpRoute>) -> Kind {
    Kind::Http1(Http1 { routes, local_rate_limit: None })
}

/// A port that is known to speak HTTP/2.
#[must_use]
pub fn http2(routes: Vec<HttpRoute>) -> Kind {
    Kind::Http2(Http2 { routes, local_rate_limit: None })
}

/// A port that is known to speak gRPC.
#[must_use]
pub fn grpc() -> Kind {
    Kind::Grpc(Grpc { routes: Vec::new() })
}

/// An opaque port.
#[must_use]
pub fn opaque() -> Kind {
    Kind::Opaque(Opaque {})
}

/// An authorization from all networks.
#[must_use]
pub fn authorization(name: &str, who: Who) -> Authz {
    authorization_from(name, who, &["0.0.0.0/0", "::/0"])
}

/// An authorization from some networks.
#[must_use]
pub fn authorization_from(name: &str, who: Who, networks: &[&str]) -> Authz {
    let networks = networks
        .iter()
        .filter_map(|network| network.split_once('/'))
        .filter_map(|(ip, length)| Some((ip.parse::<std::net::IpAddr>().ok()?, length.parse().ok()?)))
        .map(|(ip, prefix_len)| Network {
            net: Some(IpNetwork { ip: Some(ip.into()), prefix_len }),
            except: Vec::new(),
        });
    let permit = match who {
        Who::Everybody => Permit::Unauthenticated(PermitUnauthenticated {}),
        Who::Meshed => mesh(Clients::Unauthenticated(PermitUnauthenticated {})),
        Who::Only(names) => mesh(Clients::Identities(PermitClientIdentities {
            identities: names.into_iter().map(|name| Identity { name }).collect(),
            suffixes: Vec::new(),
        })),
    };
    Authz {
        networks: networks.collect(),
        authentication: Some(Authn { permit: Some(permit) }),
        labels: labels("policy.linkerd.io", "authorizationpolicy", name),
        metadata: Some(resource("policy.linkerd.io", "authorizationpolicy", name, 0)),
    }
}

/// The authorization of the access policy `audit`: everybody, for the record.
#[must_use]
pub fn audit() -> Authz {
    Authz {
        labels: labels("", "default", "audit"),
        metadata: Some(made_up("audit")),
        ..authorization("audit", Who::Everybody)
    }
}

/// A rate limit for all together and for each identity.
#[must_use]
pub fn rate_limit(total: Option<u32>, identity: Option<u32>) -> HttpLocalRateLimit {
    let limit = |requests_per_second| Limit { requests_per_second };
    HttpLocalRateLimit {
        metadata: Some(resource("policy.linkerd.io", "httplocalratelimitpolicy", "limit", 0)),
        total: total.map(limit),
        identity: identity.map(limit),
        overrides: Vec::new(),
    }
}

fn labels(group: &str, kind: &str, name: &str) -> HashMap<String, String> {
    [("group", group), ("kind", kind), ("name", name)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn mesh(clients: Clients) -> Permit {
    Permit::MeshTls(PermitMeshTls { clients: Some(clients) })
}
