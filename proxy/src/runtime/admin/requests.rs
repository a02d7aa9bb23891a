//! Requests to the admin port are requests that come in, and are counted as such.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::admin::accept::{Client, Shown};
use crate::identity::Id;
use crate::inbound::judge::Matched;
use crate::metrics::{
    AuthzLabels, Class, ControlMetrics, Decision, InboundEndpoint, InboundRouteLabels, InboundStatus,
    NoServerTls, RequestLabels, Resource, RouteKind, ServerTls, StatusCode as Status,
};
use crate::model::{InboundPolicy, Meta};

/// A request that policy has let in.
pub(super) struct Counted {
    metrics: ControlMetrics,
    target: SocketAddr,
    tls: Tls,
    server: Meta,
    kind: RouteKind,
    route: Meta,
    authorization: Meta,
}

/// What is known of a client's TLS.
enum Tls {
    Established(Option<Id>),
    None(NoServerTls),
}

// === impl Counted ===

impl Counted {
    /// Counts a request that is let in.
    pub(super) fn begin(
        metrics: &ControlMetrics,
        client: &Client,
        policy: &InboundPolicy,
        matched: &Matched<'_>,
        authorization: &Meta,
    ) -> Self {
        let counted = Self {
            metrics: metrics.clone(),
            target: client.local,
            tls: Tls::of(client),
            server: policy.meta.clone(),
            kind: matched.kind,
            route: matched.meta.clone(),
            authorization: authorization.clone(),
        };
        let now = Instant::now();
        let endpoint = counted.endpoint();
        let InboundEndpoint { target, server, tls, route, authz, .. } = endpoint;
        let allow = AuthzLabels { decision: Decision::HttpAllow { route, authz }, target, server, tls };
        let mut tables = counted.metrics.lock();
        tables.authz.once(&allow, now).http_allow += 1;
        tables.requests.once(&RequestLabels::Inbound(endpoint), now).requests += 1;
        tables.inbound_route.once(&counted.of_route(), now).requests += 1;
        drop(tables);
        counted
    }

    /// It has been answered.
    pub(super) fn end(&self, status: StatusCode, took: Duration) {
        let status = status.as_u16();
        let now = Instant::now();
        let mut tables = self.metrics.lock();
        let requests = tables.requests.once(&RequestLabels::Inbound(self.endpoint()), now);
        let class = Class { status, success: status < 500, grpc: None, error: None };
        *requests.responses.at(class) += 1;
        requests.latency.at(Status(status)).observe(took);
        let route = tables.inbound_route.once(&self.of_route(), now);
        *route.statuses.at(InboundStatus::Http(status)) += 1;
        route.request_duration.observe(took);
        route.response_duration.observe(took);
    }

    fn endpoint(&self) -> InboundEndpoint<'_> {
        InboundEndpoint {
            authority: None,
            target: self.target,
            tls: self.tls.labels(),
            server: server(&self.server, self.target),
            route: Resource::from(&self.route),
            authz: Resource::from(&self.authorization),
        }
    }

    fn of_route(&self) -> InboundRouteLabels<'_> {
        let parent = server(&self.server, self.target);
        InboundRouteLabels { kind: self.kind, parent, route: Resource::from(&self.route) }
    }
}

/// Counts a request that is not let in: by its route, or because it has none.
pub(super) fn refused(
    metrics: &ControlMetrics,
    client: &Client,
    policy: &InboundPolicy,
    matched: Option<&Matched<'_>>,
) {
    let tls = Tls::of(client);
    let target = client.local;
    let decision = match matched {
        Some(matched) => Decision::HttpDeny { route: Resource::from(matched.meta) },
        None => Decision::HttpRouteNotFound,
    };
    let labels = AuthzLabels { decision, target, server: server(&policy.meta, target), tls: tls.labels() };
    let mut tables = metrics.lock();
    let series = tables.authz.once(&labels, Instant::now());
    match matched {
        Some(_) => series.http_deny += 1,
        None => series.http_route_not_found += 1,
    }
}

fn server(meta: &Meta, target: SocketAddr) -> Resource<'_> {
    Resource { port: Some(target.port()), ..Resource::from(meta) }
}

// === impl Tls ===

impl Tls {
    fn of(client: &Client) -> Self {
        match &client.identity {
            Shown::Identity(id) => Self::Established(Some(id.clone())),
            Shown::Nothing => Self::Established(None),
            Shown::Plaintext if client.is_local() => Self::None(NoServerTls::Loopback),
            Shown::Plaintext => Self::None(NoServerTls::NoTlsFromRemote),
        }
    }

    fn labels(&self) -> ServerTls<'_> {
        match self {
            Self::Established(id) => ServerTls::Established(id.as_ref().map_or("", Id::as_str)),
            Self::None(reason) => ServerTls::None(*reason),
        }
    }
}
