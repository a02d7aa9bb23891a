//! Where traffic to a target goes.
//!
//! A target is a Service (by virtual address or name), a destination outside the cluster that an egress network covers,
//! or one that none covers. Everything else is nobody's: the proxy then asks discovery for the workload itself.

mod backend;
mod http;
mod opaque;

use std::net::SocketAddr;

use linkerd2_proxy_api::meta;
use linkerd2_proxy_api::outbound::{self, FailureAccrual, OutboundPolicy, ProxyProtocol, proxy_protocol};
use mesh_core::names::annotations as names;

use super::{annotations, authorization};
use crate::config::Config;
use crate::destination::profile::reference;
use crate::destination::workload::lists_port;
use crate::index::snapshot::Content;
use crate::index::store::Holder;
use crate::index::topic::OutboundTarget;
use crate::index::{Interest, Outcome, Reads, Refusal, Store, Topic};
use crate::record::{EgressNetwork, Key, Labels, NetworkMatch, ParentKind, Route, RouteKind, Service, Text};
use backend::Default as DefaultBackend;

const GROUP: &str = "policy.linkerd.io";

/// What is behind a target.
enum Found<'a> {
    Service(&'a Service, u16),
    Egress(&'a EgressNetwork, SocketAddr),
    Outside(SocketAddr),
}

/// What routes are computed for.
pub(super) struct Parent<'a> {
    pub(super) kind: ParentKind,
    pub(super) key: &'a Key,
    pub(super) annotations: &'a Labels,
    pub(super) backend: DefaultBackend,
    pub(super) store: &'a Store,
    pub(super) config: &'a Config,
}

/// The topic of a client.
///
/// # Errors
/// When the target is nobody's, or a Service that does not exist.
pub fn resolve(
    store: &Store,
    config: &Config,
    target: &OutboundTarget,
    namespace: &Text,
) -> Result<Topic, Refusal> {
    let client = match find(target, namespace, store, config, &mut Reads::default())? {
        // Only namespaces with routes of their own for the Service get an answer of their own.
        Found::Service(service, _) => {
            consumers(service, store).contains(&namespace).then(|| namespace.clone())
        }
        Found::Egress(..) | Found::Outside(_) => Some(namespace.clone()),
    };
    Ok(Topic::Outbound { target: target.clone(), client })
}

/// The policy of a target for one class of clients.
pub fn compute(
    target: &OutboundTarget,
    client: Option<&Text>,
    store: &Store,
    config: &Config,
    reads: &mut Reads,
) -> Outcome {
    let nobody = Text::default();
    let found = match find(target, client.unwrap_or(&nobody), store, config, reads) {
        Ok(found) => found,
        Err(refusal) => return Outcome::Ended(refusal),
    };
    let policy = match found {
        Found::Service(service, port) => of_service(service, port, client, store, config, reads),
        Found::Egress(egress, address) => of_egress(egress, address, client, store, config, reads),
        Found::Outside(address) => outside(address, config),
    };
    Outcome::Content(Content::Outbound(Box::new(policy)))
}

/// Namespaces other than the Service's own that have routes for it, sorted.
fn consumers<'a>(service: &Service, store: &'a Store) -> Vec<&'a Text> {
    let routes = store.routes(ParentKind::Service, &service.key);
    let mut namespaces: Vec<&Text> = routes.into_iter().map(|route| &route.key.namespace).collect();
    namespaces.retain(|namespace| **namespace != service.key.namespace);
    namespaces.sort_unstable();
    namespaces.dedup();
    namespaces
}

fn find<'a>(
    target: &OutboundTarget,
    namespace: &Text,
    store: &'a Store,
    config: &Config,
    reads: &mut Reads,
) -> Result<Found<'a>, Refusal> {
    match target {
        OutboundTarget::Service(key, port) => {
            reads.note(Interest::Service(key.clone()));
            let service = store.service(key);
            let service = service.ok_or_else(|| Refusal::not_found(format!("no Service {key} is known")))?;
            reads.basis(consumers(service, store));
            Ok(Found::Service(service, *port))
        }
        OutboundTarget::Address(address) => {
            let ip = address.ip();
            reads.note(Interest::Address(ip));
            let service = store.holders(&ip).iter().find_map(|holder| match holder {
                Holder::Service(key) => store.service(key),
                _ => None,
            });
            if let Some(service) = service {
                reads.note(Interest::Service(service.key.clone()));
                reads.basis(consumers(service, store));
                return Ok(Found::Service(service, address.port()));
            }
            let global: Text = config.egress_namespace.as_str().into();
            reads.note(Interest::Egress(namespace.clone()));
            reads.note(Interest::Egress(global.clone()));
            let outside = !config.cluster_networks.iter().any(|net| net.contains(&ip));
            // The namespace's own networks count alone, if any covers the address.
            let egress =
                covering(namespace, ip, outside, store).or_else(|| covering(&global, ip, outside, store));
            reads.basis(egress.map(|egress| &egress.key));
            match egress {
                Some(egress) => Ok(Found::Egress(egress, *address)),
                None if outside => Ok(Found::Outside(*address)),
                None => Err(Refusal::not_found(format!("{ip} is neither a Service nor outside the cluster"))),
            }
        }
    }
}

/// The egress network with the smallest network around an address; then the oldest, then by name.
fn covering<'a>(
    namespace: &Text,
    ip: std::net::IpAddr,
    outside: bool,
    store: &'a Store,
) -> Option<&'a EgressNetwork> {
    let length = |egress: &EgressNetwork| match &egress.networks {
        None => outside.then_some(0),
        Some(networks) => {
            let around = networks.iter().filter(|network: &&NetworkMatch| network.contains(ip));
            around.map(|network| network.net.prefix_len()).max()
        }
    };
    let found = store.egress_networks(namespace).filter_map(|egress| Some((length(egress)?, egress)));
    let best = found
        .min_by_key(|(length, egress)| (std::cmp::Reverse(*length), egress.created, egress.key.name.clone()));
    best.map(|(_, egress)| egress.as_ref())
}

fn of_service(
    service: &Service,
    port: u16,
    client: Option<&Text>,
    store: &Store,
    config: &Config,
    reads: &mut Reads,
) -> OutboundPolicy {
    let metadata = reference("core", "Service", &service.key, port);
    let Some(record) = service.port(port) else {
        return OutboundPolicy { metadata: Some(metadata), protocol: protocol(undefined_port()) };
    };
    let parent = Parent {
        kind: ParentKind::Service,
        key: &service.key,
        annotations: &service.annotations,
        backend: DefaultBackend::service(service, port, config),
        store,
        config,
    };
    // Producer routes are for everybody, consumer routes for the clients of their namespace.
    let mut routes = store.routes_at(ParentKind::Service, &service.key, port);
    routes
        .retain(|route| route.key.namespace == service.key.namespace || Some(&route.key.namespace) == client);
    let routes = Routes::of(&routes);
    let opaque = match service.annotation(names::OPAQUE_PORTS) {
        Some(list) => lists_port(list, port, |name| {
            service.ports.iter().find(|known| known.name == *name).map(|known| known.port)
        }),
        None => config.opaque_ports.contains(port),
    };
    let kind = match record.app_protocol.as_deref() {
        Some("http") => proxy_protocol::Kind::Http1(proxy_protocol::Http1 {
            routes: http::routes(&parent, &routes.http, reads),
            failure_accrual: accrual(&parent),
        }),
        Some("kubernetes.io/h2c") if !routes.grpc.is_empty() => grpc(&parent, &routes, reads),
        Some("kubernetes.io/h2c") => proxy_protocol::Kind::Http2(proxy_protocol::Http2 {
            routes: http::routes(&parent, &routes.http, reads),
            failure_accrual: accrual(&parent),
        }),
        // A protocol that is declared and not HTTP is not looked into.
        Some(_) => opaque_kind(&parent, &routes, reads),
        None if opaque => opaque_kind(&parent, &routes, reads),
        None => detected(&parent, &routes, reads),
    };
    OutboundPolicy { metadata: Some(metadata), protocol: protocol(kind) }
}

fn of_egress(
    egress: &EgressNetwork,
    address: SocketAddr,
    client: Option<&Text>,
    store: &Store,
    config: &Config,
    reads: &mut Reads,
) -> OutboundPolicy {
    let metadata = reference(GROUP, "EgressNetwork", &egress.key, address.port());
    let parent = Parent {
        kind: ParentKind::EgressNetwork,
        key: &egress.key,
        annotations: &egress.annotations,
        backend: DefaultBackend::forward(address, metadata.clone(), egress.allow),
        store,
        config,
    };
    reads.note(Interest::Routes(ParentKind::EgressNetwork, egress.key.clone()));
    let mut routes = store.routes_at(ParentKind::EgressNetwork, &egress.key, address.port());
    routes
        .retain(|route| route.key.namespace == egress.key.namespace || Some(&route.key.namespace) == client);
    let kind = detected(&parent, &Routes::of(&routes), reads);
    OutboundPolicy { metadata: Some(metadata), protocol: protocol(kind) }
}

/// Outside the cluster, and no egress network says anything.
fn outside(address: SocketAddr, config: &Config) -> OutboundPolicy {
    let metadata = authorization::default("egress-fallback");
    let (store, annotations) = (Store::default(), Labels::default());
    let key = Key::new("", "egress-fallback");
    let parent = Parent {
        kind: ParentKind::Other,
        key: &key,
        annotations: &annotations,
        backend: DefaultBackend::forward(address, metadata.clone(), true),
        store: &store,
        config,
    };
    let kind = detected(&parent, &Routes::default(), &mut Reads::default());
    OutboundPolicy { metadata: Some(metadata), protocol: protocol(kind) }
}

/// Routes by what they route; gRPC beats HTTP beats TLS beats TCP.
#[derive(Default)]
pub(super) struct Routes<'a> {
    pub(super) http: Vec<&'a Route>,
    pub(super) grpc: Vec<&'a Route>,
    pub(super) tls: Vec<&'a Route>,
    pub(super) tcp: Option<&'a Route>,
}

impl<'a> Routes<'a> {
    fn of(routes: &[&'a std::sync::Arc<Route>]) -> Self {
        let mut found = Self::default();
        for route in routes {
            match route.kind {
                RouteKind::PolicyHttp | RouteKind::Http => found.http.push(route),
                RouteKind::Grpc => found.grpc.push(route),
                RouteKind::Tls => found.tls.push(route),
                RouteKind::Tcp => found.tcp = found.tcp.or(Some(route)),
            }
        }
        found
    }
}

fn detected(parent: &Parent<'_>, routes: &Routes<'_>, reads: &mut Reads) -> proxy_protocol::Kind {
    if !routes.grpc.is_empty() {
        return grpc(parent, routes, reads);
    }
    if routes.http.is_empty() && !routes.tls.is_empty() {
        return proxy_protocol::Kind::Tls(proxy_protocol::Tls {
            routes: opaque::tls(parent, &routes.tls, reads),
        });
    }
    if routes.http.is_empty() && routes.tcp.is_some() {
        return opaque_kind(parent, routes, reads);
    }
    let http = http::routes(parent, &routes.http, reads);
    proxy_protocol::Kind::Detect(proxy_protocol::Detect {
        timeout: prost_types::Duration::try_from(parent.config.detect_timeout).ok(),
        opaque: Some(proxy_protocol::Opaque { routes: vec![opaque::route(parent, None, reads)] }),
        http1: Some(proxy_protocol::Http1 { routes: http.clone(), failure_accrual: accrual(parent) }),
        http2: Some(proxy_protocol::Http2 { routes: http, failure_accrual: accrual(parent) }),
    })
}

fn grpc(parent: &Parent<'_>, routes: &Routes<'_>, reads: &mut Reads) -> proxy_protocol::Kind {
    proxy_protocol::Kind::Grpc(proxy_protocol::Grpc {
        routes: http::grpc_routes(parent, &routes.grpc, reads),
        failure_accrual: accrual(parent),
    })
}

fn opaque_kind(parent: &Parent<'_>, routes: &Routes<'_>, reads: &mut Reads) -> proxy_protocol::Kind {
    proxy_protocol::Kind::Opaque(proxy_protocol::Opaque {
        routes: vec![opaque::route(parent, routes.tcp, reads)],
    })
}

/// A port that the Service does not have: refused, and not led to whatever listens there.
fn undefined_port() -> proxy_protocol::Kind {
    proxy_protocol::Kind::Opaque(proxy_protocol::Opaque { routes: vec![opaque::forbidden("undefined-port")] })
}

fn accrual(parent: &Parent<'_>) -> Option<FailureAccrual> {
    match annotations::accrual(parent.annotations) {
        Ok(accrual) => accrual,
        Err(problem) => {
            tracing::warn!(parent = %parent.key, %problem, "passed over");
            None
        }
    }
}

fn protocol(kind: proxy_protocol::Kind) -> Option<ProxyProtocol> {
    Some(ProxyProtocol { kind: Some(kind) })
}

/// A backend's queue: how many wait, and for how long while nobody is there.
pub(super) fn queue() -> outbound::Queue {
    outbound::Queue { capacity: 100, failfast_timeout: Some(prost_types::Duration { seconds: 3, nanos: 0 }) }
}

/// The names of default routes.
pub(super) fn default_name(parent: &Parent<'_>, service: &str, egress: &str) -> meta::Metadata {
    let name = match (parent.kind, parent.backend.is_allowed()) {
        (ParentKind::EgressNetwork, true) => format!("{egress}-egress-allow"),
        (ParentKind::EgressNetwork, false) => format!("{egress}-egress-deny"),
        (ParentKind::Other, _) => "egress-fallback".to_owned(),
        _ => service.to_owned(),
    };
    authorization::default(&name)
}
