//! What a port of a workload allows.

use linkerd2_proxy_api::inbound::{
    self, Authz, GrpcRoute, HttpLocalRateLimit, HttpRoute, ProxyProtocol, grpc_route, http_local_rate_limit,
    http_route, proxy_protocol,
};
use mesh_core::names::annotations;

use super::{authorization, convert};
use crate::config::{Config, DefaultPolicy};
use crate::destination::profile::reference;
use crate::destination::workload::{Workload, lists_port};
use crate::index::snapshot::Content;
use crate::index::{Interest, Outcome, Reads, Refusal, Store, Topic};
use crate::record::{Filter, Key, ParentKind, Protocol, Route, RouteKind, Server, Target, TargetKind};

const GROUP: &str = "policy.linkerd.io";

/// The topic of a workload's port.
///
/// # Errors
/// When there is no such workload.
pub fn resolve(store: &Store, kind: TargetKind, workload: &Key, port: u16) -> Result<Topic, Refusal> {
    match find(store, kind, workload) {
        Some(_) => Ok(Topic::Inbound { kind, workload: workload.clone(), port }),
        None => Err(unknown(workload)),
    }
}

/// The policy of a workload's port.
pub fn compute(
    kind: TargetKind,
    key: &Key,
    port: u16,
    store: &Store,
    config: &Config,
    reads: &mut Reads,
) -> Outcome {
    reads.note(Interest::Workload(kind, key.clone()));
    reads.note(Interest::Policy(key.namespace.clone()));
    let Some(workload) = find(store, kind, key) else { return Outcome::Ended(unknown(key)) };
    // The first of the Servers that claim the port wins; they come oldest first.
    let claims = |server: &&std::sync::Arc<Server>| {
        workload.selected_by(&server.selector) && workload.port_of(&server.port) == Some(port)
    };
    let mut message = match store.servers(&key.namespace).into_iter().find(claims) {
        Some(server) => of_server(server, &workload, port, store, config, reads),
        None => of_default(&workload, port, store, config),
    };
    if let Workload::Pod(pod) = workload {
        message.server_ips = pod.ips.iter().map(|ip| (*ip).into()).collect();
    }
    Outcome::Content(Content::Inbound(Box::new(message)))
}

fn find<'a>(store: &'a Store, kind: TargetKind, key: &Key) -> Option<Workload<'a>> {
    match kind {
        TargetKind::Pod => store.pod(key).map(|pod| Workload::Pod(pod)),
        TargetKind::ExternalWorkload => store.external(key).map(|external| Workload::External(external)),
    }
}

fn unknown(workload: &Key) -> Refusal {
    Refusal::not_found(format!("no workload {workload} is known"))
}

/// A port that no Server claims.
fn of_default(workload: &Workload<'_>, port: u16, store: &Store, config: &Config) -> inbound::Server {
    let mut policy = default_policy(workload, store, config);
    let named = |name: &str| workload.port_of(&crate::record::PortTarget::Name(name.into()));
    let listed =
        |annotation: &str| workload.annotation(annotation).is_some_and(|list| lists_port(list, port, named));
    if listed(annotations::PROXY_REQUIRE_IDENTITY_INBOUND_PORTS) {
        policy = match policy {
            DefaultPolicy::AllUnauthenticated | DefaultPolicy::Audit => DefaultPolicy::AllAuthenticated,
            DefaultPolicy::ClusterUnauthenticated => DefaultPolicy::ClusterAuthenticated,
            other => other,
        };
    }
    // On this side only the pod's own list counts, not the cluster's default one.
    let kind = if listed(annotations::OPAQUE_PORTS) {
        proxy_protocol::Kind::Opaque(proxy_protocol::Opaque {})
    } else {
        detect(default_routes(workload, port, config), None, config)
    };
    inbound::Server {
        protocol: Some(ProxyProtocol { kind: Some(kind) }),
        authorizations: authorization::of_default(policy, config).into_iter().collect(),
        labels: authorization::labels("", "default", policy.as_str()),
        ..inbound::Server::default()
    }
}

/// The workload's own word, else its namespace's, else the cluster's. A word nobody knows is passed over.
fn default_policy(workload: &Workload<'_>, store: &Store, config: &Config) -> DefaultPolicy {
    let own = workload.annotation(annotations::DEFAULT_INBOUND_POLICY);
    let namespace = store.default_policy(&workload.key().namespace);
    own.into_iter()
        .chain(namespace)
        .find_map(|word| word.parse().ok())
        .unwrap_or(config.default_inbound_policy)
}

fn of_server(
    server: &Server,
    workload: &Workload<'_>,
    port: u16,
    store: &Store,
    config: &Config,
    reads: &mut Reads,
) -> inbound::Server {
    // Routes attach within the namespace only; nobody routes his neighbour's traffic.
    let mut routes = store.routes(ParentKind::Server, &server.key);
    routes.retain(|route| route.key.namespace == server.key.namespace);
    let http: Vec<HttpRoute> = routes
        .iter()
        .filter(|route| route.is_http())
        .map(|route| http_route(route, store, config, reads))
        .collect();
    let limit = rate_limit(server, store, config);
    // Any route that is attached takes the place of the default route and of that for probes.
    let http =
        |workload: &Workload<'_>| if http.is_empty() { default_routes(workload, port, config) } else { http };
    let kind = match server.protocol {
        Protocol::Unknown => detect(http(workload), limit, config),
        Protocol::Http1 => proxy_protocol::Kind::Http1(proxy_protocol::Http1 {
            routes: http(workload),
            local_rate_limit: limit,
        }),
        Protocol::Http2 => proxy_protocol::Kind::Http2(proxy_protocol::Http2 {
            routes: http(workload),
            local_rate_limit: limit,
        }),
        Protocol::Grpc => {
            let mut grpc: Vec<GrpcRoute> = routes
                .iter()
                .filter(|route| route.kind == RouteKind::Grpc)
                .map(|route| grpc_route(route, store, config, reads))
                .collect();
            if grpc.is_empty() {
                grpc.push(default_grpc_route());
            }
            proxy_protocol::Kind::Grpc(proxy_protocol::Grpc { routes: grpc })
        }
        Protocol::Opaque => proxy_protocol::Kind::Opaque(proxy_protocol::Opaque {}),
        Protocol::Tls => proxy_protocol::Kind::Tls(proxy_protocol::Tls {}),
    };
    inbound::Server {
        protocol: Some(ProxyProtocol { kind: Some(kind) }),
        authorizations: authorization::of_server(server, store, config, reads),
        labels: authorization::labels(GROUP, "server", &server.key.name),
        ..inbound::Server::default()
    }
}

fn detect(
    routes: Vec<HttpRoute>,
    limit: Option<HttpLocalRateLimit>,
    config: &Config,
) -> proxy_protocol::Kind {
    proxy_protocol::Kind::Detect(proxy_protocol::Detect {
        timeout: prost_types::Duration::try_from(config.detect_timeout).ok(),
        http_routes: routes,
        http_local_rate_limit: limit,
    })
}

/// Everything, and what is probed from where probes come.
fn default_routes(workload: &Workload<'_>, port: u16, config: &Config) -> Vec<HttpRoute> {
    let rule = |matches| http_route::Rule { matches, filters: Vec::new() };
    let mut routes = vec![HttpRoute {
        metadata: Some(authorization::default("default")),
        rules: vec![rule(vec![convert::any_http()])],
        ..HttpRoute::default()
    }];
    let Workload::Pod(pod) = workload else { return routes };
    let paths: Vec<_> =
        pod.probes.iter().filter(|(probed, _)| *probed == port).map(|(_, path)| convert::get(path)).collect();
    if !paths.is_empty() {
        routes.push(HttpRoute {
            metadata: Some(authorization::default("probe")),
            authorizations: vec![authorization::of_probes(config)],
            rules: vec![rule(paths)],
            ..HttpRoute::default()
        });
    }
    routes
}

fn default_grpc_route() -> GrpcRoute {
    GrpcRoute {
        metadata: Some(authorization::default("default")),
        rules: vec![grpc_route::Rule { matches: vec![Default::default()], filters: Vec::new() }],
        ..GrpcRoute::default()
    }
}

fn http_route(route: &Route, store: &Store, config: &Config, reads: &mut Reads) -> HttpRoute {
    let rules = route.rules.iter().map(|rule| http_route::Rule {
        matches: if rule.matches.is_empty() {
            vec![convert::any_http()]
        } else {
            rule.matches.iter().map(convert::http_match).collect()
        },
        filters: rule.filters.iter().filter_map(http_filter).collect(),
    });
    HttpRoute {
        metadata: Some(metadata(route)),
        hosts: route.hosts.iter().map(convert::host).collect(),
        authorizations: of_route(route, store, config, reads),
        rules: rules.collect(),
    }
}

fn grpc_route(route: &Route, store: &Store, config: &Config, reads: &mut Reads) -> GrpcRoute {
    let filter = |filter: &Filter| match filter {
        Filter::RequestHeaders(modifier) => Some(grpc_route::Filter {
            kind: Some(grpc_route::filter::Kind::RequestHeaderModifier(convert::request_headers(modifier))),
        }),
        _ => None,
    };
    let rules = route.rules.iter().map(|rule| grpc_route::Rule {
        matches: if rule.matches.is_empty() {
            vec![Default::default()]
        } else {
            rule.matches.iter().map(convert::grpc_match).collect()
        },
        filters: rule.filters.iter().filter_map(filter).collect(),
    });
    GrpcRoute {
        metadata: Some(metadata(route)),
        hosts: route.hosts.iter().map(convert::host).collect(),
        authorizations: of_route(route, store, config, reads),
        rules: rules.collect(),
    }
}

/// Filters of responses have no place in the inbound API; the webhook warns of them.
fn http_filter(filter: &Filter) -> Option<http_route::Filter> {
    use http_route::filter::Kind;
    let kind = match filter {
        Filter::RequestHeaders(modifier) => Kind::RequestHeaderModifier(convert::request_headers(modifier)),
        Filter::Redirect(redirect) => Kind::Redirect(convert::redirect(redirect)),
        Filter::ResponseHeaders(_) | Filter::Unsupported(_) => return None,
    };
    Some(http_route::Filter { kind: Some(kind) })
}

fn of_route(route: &Route, store: &Store, config: &Config, reads: &mut Reads) -> Vec<Authz> {
    let name = route.key.name.clone();
    let target = match route.kind {
        RouteKind::PolicyHttp => Target::PolicyHttpRoute(name),
        RouteKind::Http => Target::HttpRoute(name),
        RouteKind::Grpc => Target::GrpcRoute(name),
        RouteKind::Tls | RouteKind::Tcp => return Vec::new(),
    };
    authorization::of_targets(&route.key.namespace, &[target], store, config, reads)
}

/// Names a route.
pub fn metadata(route: &Route) -> linkerd2_proxy_api::meta::Metadata {
    let (group, kind) = match route.kind {
        RouteKind::PolicyHttp => (GROUP, "HTTPRoute"),
        RouteKind::Http => ("gateway.networking.k8s.io", "HTTPRoute"),
        RouteKind::Grpc => ("gateway.networking.k8s.io", "GRPCRoute"),
        RouteKind::Tls => ("gateway.networking.k8s.io", "TLSRoute"),
        RouteKind::Tcp => ("gateway.networking.k8s.io", "TCPRoute"),
    };
    reference(group, kind, &route.key, 0)
}

/// The oldest limit of the Server.
fn rate_limit(server: &Server, store: &Store, config: &Config) -> Option<HttpLocalRateLimit> {
    let limits = store.rate_limits(&server.key.namespace);
    let limit = limits.into_iter().find(|limit| limit.server == server.key.name)?;
    let rate = |rate: u32| http_local_rate_limit::Limit { requests_per_second: rate };
    let client = |account: &Key| inbound::Identity { name: authorization::account_name(account, config) };
    let overrides = limit.overrides.iter().map(|it| http_local_rate_limit::Override {
        limit: Some(rate(it.rate)),
        clients: Some(http_local_rate_limit::r#override::ClientIdentities {
            identities: it.clients.iter().map(client).collect(),
        }),
    });
    Some(HttpLocalRateLimit {
        metadata: Some(reference(GROUP, "httplocalratelimitpolicy", &limit.key, 0)),
        total: limit.total.map(rate),
        identity: limit.identity.map(rate),
        overrides: overrides.collect(),
    })
}
