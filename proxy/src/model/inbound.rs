//! What an inbound port accepts, from whom, and by which routes.

mod authorization;
mod default;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linkerd2_proxy_api::inbound as api;
use proxy_net::rate_limit::{LimitConfig, Limits};

pub use authorization::{Authentication, Authorization, Network, Peer, Suffix};
pub use default::DefaultAllow;

use super::Meta;
use super::error::{InvalidMessage, Problem, Within, each, required};
use super::meta::Resource;
use super::route::{
    FailureInjector, Filter, GrpcMatch, HeaderModifier, HostMatch, HttpMatch, Redirect, Route, Rule,
};
use authorization::{bounded, name_of};

/// The most identities whose rate is counted at a time; those beyond share one limit.
const LIMITED_CLIENTS: usize = 16 * 1024;

/// The policy of a port.
#[derive(Clone, Debug)]
pub struct InboundPolicy {
    /// The server it comes from.
    pub meta: Meta,
    /// What is spoken.
    pub protocol: Protocol,
    /// Who may connect; the last lets the pod itself in. Routes add to it.
    pub authorizations: Arc<[Authorization]>,
    /// Addresses that connections may be made to; empty is any.
    pub server_ips: Box<[IpAddr]>,
}

/// What is spoken on a port.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// Whatever is found out.
    Detect {
        /// How long the client may take to show it.
        timeout: Duration,
        /// What holds where it is HTTP.
        http: Http,
    },
    /// HTTP/1; a meshed client may carry it in HTTP/2.
    Http1(Http),
    /// HTTP/2.
    Http2(Http),
    /// gRPC.
    Grpc(Routes<GrpcMatch>),
    /// Octets; not looked at.
    Opaque,
    /// TLS between client and application.
    Tls,
}

/// What holds for HTTP.
#[derive(Clone, Debug)]
pub struct Http {
    /// The routes.
    pub routes: Routes<HttpMatch>,
    /// How many requests a second are taken.
    pub limit: Option<RateLimit>,
}

/// Routes with those who may use them; at least one, the default where a server has none.
#[derive(Clone, Debug)]
pub struct Routes<M> {
    /// The routes, in the order of the message.
    pub routes: Vec<Route<M, Filters>>,
    /// Who may use each route, beside those who may connect.
    pub authorizations: Vec<Vec<Authorization>>,
}

/// What a rule does to requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filters {
    /// These, in order.
    Known(Vec<Filter>),
    /// Among them one that this version does not know: requests of the rule fail, others do not.
    Unknown,
}

/// How many requests a second are taken.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// What it is called.
    pub meta: Meta,
    /// The limits at work; shared by all workers.
    pub limits: Arc<Limits>,
}

// === impl InboundPolicy ===

impl InboundPolicy {
    /// The rate limit, if there is one.
    #[must_use]
    pub fn limit(&self) -> Option<&RateLimit> {
        match &self.protocol {
            Protocol::Detect { http, .. } | Protocol::Http1(http) | Protocol::Http2(http) => {
                http.limit.as_ref()
            }
            Protocol::Grpc(_) | Protocol::Opaque | Protocol::Tls => None,
        }
    }

    /// Keeps the counts of `before`, where the limits are the same: an update that changes something else must not give every
    /// client a second's worth of requests again.
    pub fn keep_limits_of(&mut self, before: &Self) {
        let Some(old) = before.limit() else { return };
        let http = match &mut self.protocol {
            Protocol::Detect { http, .. } | Protocol::Http1(http) | Protocol::Http2(http) => http,
            Protocol::Grpc(_) | Protocol::Opaque | Protocol::Tls => return,
        };
        if let Some(new) = http.limit.as_mut().filter(|new| new.limits.config() == old.limits.config()) {
            new.limits = old.limits.clone();
        }
    }

    /// Whether connections to this address are accepted at all. Within the pod nobody can come from elsewhere.
    #[must_use]
    pub fn is_served(&self, target: IpAddr) -> bool {
        self.server_ips.is_empty() || target.is_loopback() || self.server_ips.contains(&target)
    }

    /// The first authorization of the server that lets this client in.
    #[must_use]
    pub fn authorize(&self, ip: IpAddr, peer: &Peer) -> Option<&Authorization> {
        self.authorizations.iter().find(|authorization| authorization.allows(ip, peer))
    }

    /// The first authorization of one of its routes, or of the server, that lets this client in, and its place in both lists.
    #[must_use]
    pub fn authorize_route(&self, route: usize, ip: IpAddr, peer: &Peer) -> Option<(usize, &Authorization)> {
        let own = match &self.protocol {
            Protocol::Detect { http, .. } | Protocol::Http1(http) | Protocol::Http2(http) => {
                http.routes.authorizations.get(route)
            }
            Protocol::Grpc(routes) => routes.authorizations.get(route),
            Protocol::Opaque | Protocol::Tls => None,
        };
        let mut all = own.into_iter().flatten().chain(self.authorizations.iter()).enumerate();
        all.find(|(_, authorization)| authorization.allows(ip, peer))
    }
}

impl TryFrom<api::Server> for InboundPolicy {
    type Error = InvalidMessage;

    fn try_from(message: api::Server) -> Result<Self, InvalidMessage> {
        let meta = meta_of_labels(message.labels, "server").within("labels")?;
        let protocol = required(required(message.protocol, "protocol")?.kind, "protocol.kind")?;
        let mut authorizations = Authorization::convert_all(message.authorizations)?;
        authorizations.push(Authorization::localhost());
        Ok(Self {
            meta,
            protocol: Protocol::try_from(protocol).within("protocol")?,
            authorizations: authorizations.into(),
            server_ips: server_ips(message.server_ips)?,
        })
    }
}

// === impl Protocol ===

impl Protocol {
    /// Detection without routes of its own.
    #[must_use]
    pub fn detect(timeout: Duration) -> Self {
        Self::Detect { timeout, http: Http { routes: Routes::default(), limit: None } }
    }
}

impl TryFrom<api::proxy_protocol::Kind> for Protocol {
    type Error = InvalidMessage;

    fn try_from(kind: api::proxy_protocol::Kind) -> Result<Self, InvalidMessage> {
        use api::proxy_protocol::Kind;
        Ok(match kind {
            Kind::Detect(detect) => Self::Detect {
                timeout: super::required_duration(detect.timeout, "detect.timeout")?,
                http: Http::new(detect.http_routes, detect.http_local_rate_limit).within("detect")?,
            },
            Kind::Http1(http) => Self::Http1(Http::new(http.routes, http.local_rate_limit).within("http1")?),
            Kind::Http2(http) => Self::Http2(Http::new(http.routes, http.local_rate_limit).within("http2")?),
            Kind::Grpc(grpc) => Self::Grpc(grpc_routes(grpc.routes).within("grpc")?),
            Kind::Opaque(_) => Self::Opaque,
            Kind::Tls(_) => Self::Tls,
        })
    }
}

// === impl Http ===

impl Http {
    fn new(
        routes: Vec<api::HttpRoute>,
        limit: Option<api::HttpLocalRateLimit>,
    ) -> Result<Self, InvalidMessage> {
        bounded(routes.len(), "routes")?;
        let routes = each(routes, "routes", |route| {
            let rules = each(route.rules, "rules", |rule| {
                let matches = each(rule.matches, "matches", HttpMatch::try_from)?;
                Ok(Rule { matches, policy: Filters::new(rule.filters, |filter| http_filter(filter.kind))? })
            });
            route_of(route.metadata, route.hosts, rules?, route.authorizations)
        })?;
        let limit = limit.map(RateLimit::try_from).transpose().within("local_rate_limit")?;
        Ok(Self { routes: Routes::new(routes), limit })
    }
}

// === impl Routes ===

impl<M> Routes<M> {
    fn new(routes: Vec<(Route<M, Filters>, Vec<Authorization>)>) -> Self {
        if routes.is_empty() {
            return Self::default();
        }
        let (routes, authorizations) = routes.into_iter().unzip();
        Self { routes, authorizations }
    }
}

impl<M> Default for Routes<M> {
    /// One route that every request matches.
    fn default() -> Self {
        let rule = Rule { matches: Vec::new(), policy: Filters::Known(Vec::new()) };
        let route = Route { meta: Meta::new_default("default"), hosts: Vec::new(), rules: vec![rule] };
        Self { routes: vec![route], authorizations: vec![Vec::new()] }
    }
}

// === impl Filters ===

impl Filters {
    fn new<F>(
        messages: Vec<F>,
        convert: impl Fn(F) -> Result<Option<Filter>, InvalidMessage>,
    ) -> Result<Self, InvalidMessage> {
        bounded(messages.len(), "filters")?;
        let filters: Option<Vec<Filter>> = each(messages, "filters", convert)?.into_iter().collect();
        Ok(filters.map_or(Self::Unknown, Self::Known))
    }
}

// === impl RateLimit ===

impl TryFrom<api::HttpLocalRateLimit> for RateLimit {
    type Error = InvalidMessage;

    fn try_from(message: api::HttpLocalRateLimit) -> Result<Self, InvalidMessage> {
        use api::http_local_rate_limit::{Limit, Override};
        let rate = |limit: Option<Limit>| limit.and_then(|limit| NonZeroU32::new(limit.requests_per_second));
        let meta = Meta::try_from(required(message.metadata, "metadata")?)?;
        bounded(message.overrides.len(), "overrides")?;
        let overrides = each(message.overrides, "overrides", |it: Override| {
            let own = rate(it.limit);
            let clients = required(it.clients, "clients")?.identities;
            bounded(clients.len(), "clients")?;
            each(clients, "identities", |client| Ok((name_of(&client.name)?.as_str().into(), own)))
        })?;
        let config = LimitConfig {
            total: rate(message.total),
            client: rate(message.identity),
            overrides: overrides.into_iter().flatten().collect(),
        };
        Ok(Self { meta, limits: Arc::new(Limits::new(config, LIMITED_CLIENTS, Instant::now())) })
    }
}

// === helpers ===

fn grpc_routes(routes: Vec<api::GrpcRoute>) -> Result<Routes<GrpcMatch>, InvalidMessage> {
    bounded(routes.len(), "routes")?;
    let routes = each(routes, "routes", |route| {
        let rules = each(route.rules, "rules", |rule| {
            let matches = each(rule.matches, "matches", GrpcMatch::try_from)?;
            Ok(Rule { matches, policy: Filters::new(rule.filters, |filter| grpc_filter(filter.kind))? })
        });
        route_of(route.metadata, route.hosts, rules?, route.authorizations)
    })?;
    Ok(Routes::new(routes))
}

fn route_of<M>(
    meta: Option<linkerd2_proxy_api::meta::Metadata>,
    hosts: Vec<linkerd2_proxy_api::http_route::HostMatch>,
    rules: Vec<Rule<M, Filters>>,
    authorizations: Vec<api::Authz>,
) -> Result<(Route<M, Filters>, Vec<Authorization>), InvalidMessage> {
    bounded(hosts.len(), "hosts")?;
    let route = Route {
        meta: Meta::try_from(required(meta, "metadata")?)?,
        hosts: each(hosts, "hosts", HostMatch::try_from)?,
        rules,
    };
    Ok((route, Authorization::convert_all(authorizations)?))
}

fn http_filter(kind: Option<api::http_route::filter::Kind>) -> Result<Option<Filter>, InvalidMessage> {
    use api::http_route::filter::Kind;
    Ok(match kind {
        Some(Kind::FailureInjector(filter)) => Some(Filter::Fail(FailureInjector::try_from(filter)?)),
        Some(Kind::RequestHeaderModifier(filter)) => Some(Filter::Request(HeaderModifier::try_from(filter)?)),
        Some(Kind::Redirect(filter)) => Some(Filter::Redirect(Redirect::try_from(filter)?)),
        None => None,
    })
}

fn grpc_filter(kind: Option<api::grpc_route::filter::Kind>) -> Result<Option<Filter>, InvalidMessage> {
    use api::grpc_route::filter::Kind;
    Ok(match kind {
        Some(Kind::FailureInjector(filter)) => Some(Filter::Fail(FailureInjector::try_from(filter)?)),
        Some(Kind::RequestHeaderModifier(filter)) => Some(Filter::Request(HeaderModifier::try_from(filter)?)),
        None => None,
    })
}

/// What labels call a server or an authorization: a `name`, with `group` and `kind`, or in the old form `kind:name`.
pub(super) fn meta_of_labels(
    mut labels: HashMap<String, String>,
    kind: &str,
) -> Result<Meta, InvalidMessage> {
    let name = required(labels.remove("name"), "name")?;
    let group = || "policy.linkerd.io".to_owned();
    let (kind, name) = match name.split_once(':') {
        Some(("default", name)) => return Ok(Meta::new_default(name)),
        Some((kind, name)) => (kind.to_owned(), name.to_owned()),
        None => (labels.remove("kind").unwrap_or_else(|| kind.to_owned()), name),
    };
    if kind == "default" {
        return Ok(Meta::new_default(name));
    }
    if name.is_empty() || name.len() > 253 || kind.len() > 253 {
        return Err(InvalidMessage::with_value("name", Problem::Name, name));
    }
    Ok(Meta::Resource(Arc::new(Resource {
        group: labels.remove("group").unwrap_or_else(group),
        kind,
        name,
        namespace: String::new(),
        section: String::new(),
        port: 0,
    })))
}

/// Addresses that a server is at.
fn server_ips(messages: Vec<linkerd2_proxy_api::net::IpAddress>) -> Result<Box<[IpAddr]>, InvalidMessage> {
    bounded(messages.len(), "server_ips")?;
    let ips = each(messages, "server_ips", |message| {
        let ip = IpAddr::try_from(message).map_err(|_| InvalidMessage::new("ip", Problem::Address))?;
        Ok(ip.to_canonical())
    })?;
    Ok(ips.into())
}

#[cfg(test)]
mod tests;
