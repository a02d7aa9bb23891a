//! Requests that come in, from head to end.

use std::rc::Rc;
use std::time::Instant;

use proxy_net::engine::{
    Attempt, Direction, Failure, Forward, HttpVersion, Request, RequestStep, ResponseStep, Summary, Timeouts,
    Upstream,
};
use proxy_net::h2::End;
use proxy_net::headers::HeaderList;
use proxy_net::http1::Upgrade;
use proxy_net::rate_limit::{Bucket, Scope};

use super::conn::Way;
use super::headers::{self, OrigProto};
use super::judge::Matched;
use super::profiles::Watched;
use super::refusal::{Asker, Refusal};
use super::series::{Names, Series, SeriesKey, TlsKey};
use super::{Conn, Context, Engine, Inbound, server_of};
use crate::access_log;
use crate::identity::Id;
use crate::metrics::{
    AuthzLabels, Class, Decision, ErrorLabels, Id as SeriesId, InboundEndpoint, InboundStatus, Metrics,
    RequestLabels, Requests, Resource, RouteError, RouteKind, StatusCode,
};
use crate::model::inbound::Authorization;
use crate::model::{InboundPolicy, NameAddr};

/// What is remembered of a request.
pub struct Exchange {
    port: u16,
    target: std::net::SocketAddr,
    asker: Asker,
    version: HttpVersion,
    /// Whether HTTP/1 came in HTTP/2.
    carried: bool,
    /// Where it is counted; none where it was refused before that was known.
    series: Option<Rc<Series>>,
    kind: RouteKind,
    /// Where it is counted for a ServiceProfile.
    profile: Option<SeriesId<Requests>>,
    /// Where it is counted by authority, where that is asked for.
    by_authority: Option<SeriesId<Requests>>,
    status: u16,
    grpc_status: Option<u16>,
    response_bytes: Option<u64>,
    /// Whether it still counts as in flight.
    in_flight: bool,
    log: Option<Box<Logged>>,
}

/// Where a request goes.
#[derive(Debug)]
pub enum Routed {
    /// To the application, or nowhere.
    Here(RequestStep),
    /// On, by this name: this proxy is a gateway. It has been let in.
    On(NameAddr),
}

/// What the access log needs at the end.
struct Logged {
    entry: access_log::Entry,
    way: Rc<str>,
    client: std::net::SocketAddr,
}

/// What a connection remembers of routes that its client may use.
#[derive(Default)]
pub(crate) struct RouteCache {
    /// Of which policy.
    generation: Option<u32>,
    granted: Vec<Option<Granted>>,
    bucket: Bucket,
    /// The profile of the last authority.
    profile: Watched,
    /// The client's name, for the access log.
    client_id: Option<Rc<str>>,
}

#[derive(Clone)]
struct Granted {
    series: Rc<Series>,
    audit: bool,
}

// === impl Inbound ===

impl Inbound {
    /// A request's head is complete.
    pub fn request<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        request: &Request,
        conn: &mut Conn,
        head: &mut HeaderList,
    ) -> (Exchange, Routed) {
        let log = self.log.is_some().then(|| Logged::new(conn, head));
        let carried = if request.version == HttpVersion::Http2 { OrigProto::take(head) } else { None };
        let version = carried.map_or(request.version, |carried| carried.version);
        headers::normalise_authority(head);
        headers::set_client_id(&conn.way.peer, head);
        self.believe_forwarded(&conn.way, head);
        let meshed = conn.way.peer.id().is_some();
        let mut exchange = Exchange {
            port: conn.port,
            target: conn.way.target,
            asker: Asker { grpc: headers::is_grpc(version, head), meshed },
            version,
            carried: carried.is_some(),
            series: None,
            kind: RouteKind::Http,
            profile: None,
            by_authority: None,
            status: 0,
            grpc_status: None,
            response_bytes: None,
            in_flight: false,
            log,
        };
        let step = match self.judge(cx, conn, head, &mut exchange) {
            Ok(()) => {
                self.in_flight += 1;
                exchange.in_flight = true;
                if let Some(name) = &conn.gateway {
                    return (exchange, Routed::On(name.clone()));
                }
                let protocol = upstream(version, request.upgrade, head);
                let endpoint = self.apps.open(cx.ctl, &self.settings, conn.way.target);
                let timeouts = Timeouts::default();
                RequestStep::Forward(Forward {
                    endpoint,
                    protocol,
                    replay: 0,
                    timeouts,
                    hold_for_trailers: false,
                })
            }
            Err(refusal) => RequestStep::Reply(Box::new(self.refuse(cx, &mut exchange, &refusal))),
        };
        (exchange, Routed::Here(step))
    }

    /// The answer to a request that was to be routed on, and cannot be.
    pub fn unroutable<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        exchange: &mut Exchange,
    ) -> RequestStep {
        self.answered(exchange);
        RequestStep::Reply(Box::new(self.refuse(cx, exchange, &Refusal::GatewayDomain)))
    }

    /// Route, authorization, filters, rate limit: in this order, and before anything is dialled.
    fn judge<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        conn: &mut Conn,
        head: &mut HeaderList,
        exchange: &mut Exchange,
    ) -> Result<(), Refusal> {
        let now = cx.ctl.now();
        if let Some(name) = &conn.gateway {
            self.gateway_serves(name, &conn.way, head)?;
        }
        let policy = self.policy(conn.port);
        let server = server_of(&policy, conn.port);
        let Some(matched) = Matched::of(&policy, head) else {
            count_decision(cx, &conn.way, server, Decision::HttpRouteNotFound).http_route_not_found += 1;
            return Err(Refusal::RouteNotFound);
        };
        exchange.kind = matched.kind;
        let Some(granted) = self.grant(cx, conn, &policy, &matched) else {
            let route = Resource::from(matched.meta);
            count_decision(cx, &conn.way, server, Decision::HttpDeny { route }).http_deny += 1;
            return Err(Refusal::Unauthorized);
        };
        if granted.audit {
            tracing::info!(client.addr = %conn.way.client, server.addr = %conn.way.target, "request let in by audit policy");
        }
        let series = &granted.series;
        cx.metrics.authz[series.allow].http_allow += 1;
        cx.metrics.requests[series.requests].requests += 1;
        cx.metrics.inbound_route[series.route].requests += 1;
        exchange.series = Some(series.clone());
        self.count_names(cx, conn, &policy, &matched, head, exchange);
        matched.apply(head, || cx.ctl.random())?;
        if let Some(limit) = policy.limit()
            && let Err(limited) = limit.limits.take(&conn.routes.bucket, now)
        {
            let ratelimit = Resource::from(&limit.meta);
            let scope = match limited.scope {
                Scope::Total => "total",
                Scope::Client => "identity",
            };
            let decision = Decision::HttpRateLimit { ratelimit, scope };
            count_decision(cx, &conn.way, server, decision).http_ratelimit += 1;
            return Err(Refusal::RateLimited(limited.wait));
        }
        if self.in_flight >= self.settings.max_in_flight {
            return Err(Refusal::Overloaded);
        }
        if conn.gateway.is_some() {
            self.add_forwarded(&conn.way, head);
        }
        Ok(())
    }

    /// Whether a request may be routed on by name: the name is one of ours to serve, and the request has not been here before.
    fn gateway_serves(&self, name: &NameAddr, way: &Way, head: &HeaderList) -> Result<(), Refusal> {
        if !self.settings.gateway.contains(name.name.as_str()) {
            return Err(Refusal::GatewayDomain);
        }
        let Some(own) = self.own_id() else { return Err(Refusal::GatewayDomain) };
        if way.peer.id() == Some(own) || headers::was_forwarded_by(own.as_str(), head) {
            return Err(Refusal::GatewayLoop);
        }
        Ok(())
    }

    fn add_forwarded(&self, way: &Way, head: &mut HeaderList) {
        let by = self.own_id().map_or("", Id::as_str);
        let client = way.peer.id().map_or("unknown", Id::as_str);
        let mut value = format!("by={by};for={client};host=").into_bytes();
        value.extend_from_slice(head.value(b":authority").unwrap_or_default());
        value.extend_from_slice(b";proto=https");
        head.push(b"forwarded", &value);
    }

    fn own_id(&self) -> Option<&Id> {
        self.credentials.as_ref().map(|credentials| credentials.id())
    }

    /// Whether the client may use a route, and where its requests are counted. Asked once for a connection, route and policy.
    fn grant<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        conn: &mut Conn,
        policy: &InboundPolicy,
        matched: &Matched<'_>,
    ) -> Option<Granted> {
        let port = self.ports.get(conn.port)?;
        let routes = &mut conn.routes;
        if routes.generation != Some(port.generation) {
            routes.renew(port.generation, policy, &conn.way, cx.ctl.now());
        }
        if let Some(Some(granted)) = routes.granted.get(matched.route) {
            return Some(granted.clone());
        }
        let way = &conn.way;
        let (place, authorization) = policy.authorize_route(matched.route, way.client.ip(), &way.peer)?;
        let key = SeriesKey {
            target: way.target,
            tls: TlsKey::new(&way.tls, &way.peer),
            route: matched.route,
            authorization: place,
        };
        let names = Names {
            server: server_of(policy, conn.port),
            kind: matched.kind,
            route: matched.meta,
            authorization: &authorization.meta,
        };
        let granted =
            Granted { series: port.series.find(cx.metrics, key, names), audit: authorization.is_audit() };
        routes.remember(matched.route, granted.clone());
        Some(granted)
    }

    /// What is counted by names that a request brings along.
    fn count_names<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        conn: &mut Conn,
        policy: &InboundPolicy,
        matched: &Matched<'_>,
        head: &HeaderList,
        exchange: &mut Exchange,
    ) {
        let now = cx.ctl.now();
        let (port, suffixes) = (conn.way.target.port(), &self.settings.profiles);
        let watched = &mut conn.routes.profile;
        if let Some(name) = self.profiles.watch(watched, head, port, suffixes, now) {
            self.lookups.watch_profile(&name);
        }
        exchange.profile = self.profiles.count(cx.metrics, &conn.routes.profile, head);
        if self.settings.authority_labels {
            let authority = head.value(b":authority").and_then(|text| std::str::from_utf8(text).ok());
            let way = &conn.way;
            let tls = TlsKey::new(&way.tls, &way.peer);
            let authz = policy.authorize_route(matched.route, way.client.ip(), &way.peer);
            let endpoint = InboundEndpoint {
                authority,
                target: way.target,
                tls: tls.labels(),
                server: server_of(policy, conn.port),
                route: Resource::from(matched.meta),
                authz: authz
                    .map_or_else(Resource::default, |(_, it): (_, &Authorization)| Resource::from(&it.meta)),
            };
            let id = cx.metrics.requests.register(&RequestLabels::Inbound(endpoint));
            cx.metrics.requests[id].requests += 1;
            exchange.by_authority = Some(id);
        }
    }

    /// Answers a request here, and counts why.
    fn refuse<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        exchange: &mut Exchange,
        refusal: &Refusal,
    ) -> proxy_net::engine::Reply {
        self.count_refusal(cx, exchange, refusal);
        let mut reply = refusal.reply(exchange.asker);
        exchange.status = reply.status;
        exchange.grpc_status = reply.grpc.as_ref().map(|(code, _)| u16::from(*code));
        if exchange.carried {
            OrigProto::answer(exchange.version, &mut reply.headers);
        }
        reply
    }

    /// Addresses of clients that others name are kept from networks that are believed, where any are configured.
    fn believe_forwarded(&self, way: &Way, head: &mut HeaderList) {
        let forwarders = &self.settings.forwarders;
        if !forwarders.is_empty() && !forwarders.iter().any(|network| network.contains(&way.from.ip())) {
            head.remove(b"forwarded");
            head.remove(b"x-forwarded-for");
        }
        if way.client != way.from {
            head.push(b"x-forwarded-for", way.client.ip().to_string().as_bytes());
        }
    }

    /// A request that was told to wait is asked about again. The inbound side lets none wait.
    pub fn resumed(&mut self, exchange: &mut Exchange) -> RequestStep {
        RequestStep::Reply(Box::new(
            Refusal::Unexpected("a request waited for nothing").reply(exchange.asker),
        ))
    }

    /// The application has answered.
    pub fn response(
        &mut self,
        attempt: &Attempt,
        exchange: &mut Exchange,
        head: &mut HeaderList,
        end: End,
    ) -> ResponseStep {
        self.answered(exchange);
        exchange.status = headers::status(head);
        if exchange.log.is_some() {
            let length = head.value(b"content-length").and_then(|text| std::str::from_utf8(text).ok());
            exchange.response_bytes = length.and_then(|text| text.parse().ok());
        }
        if end == End::Stream {
            exchange.grpc_status = headers::grpc_status(head);
        }
        headers::strip_proxy_words(head);
        if exchange.carried {
            OrigProto::answer(attempt.version, head);
        }
        ResponseStep::Pass
    }

    /// An attempt failed.
    pub fn failed<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        attempt: &Attempt,
        exchange: &mut Exchange,
        failure: Failure,
    ) -> ResponseStep {
        self.answered(exchange);
        let Some(refusal) = Refusal::of_failure(failure) else {
            // What is carried is HTTP/1 to its client, which knows no resets of streams.
            if exchange.carried && !attempt.answered && failure != Failure::ClientGone {
                return self.fail(cx, exchange, &Refusal::Io);
            }
            return ResponseStep::Pass;
        };
        if attempt.answered && !exchange.asker.grpc {
            self.count_refusal(cx, exchange, &refusal);
            return ResponseStep::Pass;
        }
        self.fail(cx, exchange, &refusal)
    }

    fn fail<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        exchange: &mut Exchange,
        refusal: &Refusal,
    ) -> ResponseStep {
        ResponseStep::Reply(Box::new(self.refuse(cx, exchange, refusal)))
    }

    fn count_refusal<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        exchange: &Exchange,
        refusal: &Refusal,
    ) {
        let policy = self.policy(exchange.port);
        let (error, target) = (refusal.label(), exchange.target);
        let labels = ErrorLabels::InboundHttp { error, target, server: server_of(&policy, exchange.port) };
        cx.metrics.errors.once(&labels, cx.ctl.now()).errors += 1;
        tracing::debug!(server.addr = %target, reason = error, "request refused");
    }

    fn answered(&mut self, exchange: &mut Exchange) {
        if std::mem::take(&mut exchange.in_flight) {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
    }

    /// Octets of a body pass.
    pub fn data(
        &mut self,
        metrics: &mut Metrics,
        exchange: &mut Exchange,
        direction: Direction,
        octets: usize,
    ) {
        if let Some(series) = &exchange.series {
            let series = &mut metrics.inbound_route[series.route];
            match direction {
                Direction::Request => series.request_frames.observe_octets(octets as u64),
                Direction::Response => series.response_frames.observe_octets(octets as u64),
            }
        }
    }

    /// Trailers pass.
    pub fn trailers(&mut self, exchange: &mut Exchange, direction: Direction, trailers: &HeaderList) {
        if direction == Direction::Response {
            exchange.grpc_status = headers::grpc_status(trailers).or(exchange.grpc_status);
        }
    }

    /// A request is over.
    pub fn finished<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        mut exchange: Exchange,
        summary: &Summary,
    ) {
        self.answered(&mut exchange);
        let (now, metrics) = (cx.ctl.now(), &mut *cx.metrics);
        let total = summary.ended.saturating_duration_since(summary.started);
        if let Some(series) = &exchange.series {
            let route = &mut metrics.inbound_route[series.route];
            *route.statuses.at(exchange.inbound_status(summary)) += 1;
            route.request_duration.observe(total);
            let sent = summary.request_sent.unwrap_or(summary.started);
            route.response_duration.observe(summary.ended.saturating_duration_since(sent));
            let by_authority = exchange.by_authority;
            for id in [Some(series.requests), exchange.profile, by_authority].into_iter().flatten() {
                exchange.count(&mut metrics.requests[id], summary);
            }
            if let Some(id) = by_authority {
                metrics.requests.release(id, now);
            }
        }
        if let Some(logged) = exchange.log.take() {
            self.write_log(&exchange, &logged, summary);
        }
    }

    fn write_log(&mut self, exchange: &Exchange, logged: &Logged, summary: &Summary) {
        let at = (self.time_of_day)() - summary.ended.saturating_duration_since(summary.started);
        let Some(log) = &mut self.log else { return };
        let head = summary.response_head.unwrap_or(summary.ended);
        log.write(
            &logged.entry,
            &access_log::Outcome {
                client: logged.client,
                client_id: &logged.way,
                at,
                version: match exchange.version {
                    HttpVersion::Http10 => "HTTP/1.0",
                    HttpVersion::Http11 => "HTTP/1.1",
                    HttpVersion::Http2 => "HTTP/2.0",
                },
                status: exchange.status,
                response_bytes: exchange.response_bytes,
                total: summary.ended.saturating_duration_since(summary.started),
                processing: head.saturating_duration_since(summary.started),
            },
        );
    }
}

// === impl Exchange ===

impl Exchange {
    /// The outbound side has answered in the place of an application: what this side counts.
    pub(crate) fn replied(&mut self, step: &ResponseStep) {
        if let ResponseStep::Reply(reply) = step {
            self.status = reply.status;
            self.grpc_status = reply.grpc.as_ref().map(|(code, _)| u16::from(*code));
        }
    }

    /// The version that the client spoke, before HTTP/1 was carried in HTTP/2.
    #[must_use]
    pub fn version(&self) -> HttpVersion {
        self.version
    }

    fn inbound_status(&self, summary: &Summary) -> InboundStatus {
        match (self.kind, self.grpc_status) {
            _ if summary.failure.is_some() || self.status == 0 => InboundStatus::Error,
            (RouteKind::Grpc, Some(code)) => InboundStatus::Grpc(code),
            // A stream that ends without a status is UNKNOWN to every client.
            (RouteKind::Grpc, None) => InboundStatus::Grpc(2),
            (RouteKind::Http, _) => InboundStatus::Http(self.status),
        }
    }

    fn count(&self, requests: &mut Requests, summary: &Summary) {
        *requests.responses.at(self.class(summary)) += 1;
        let first = summary.first_octet.unwrap_or(summary.ended);
        requests
            .latency
            .at(StatusCode(self.status))
            .observe(first.saturating_duration_since(summary.started));
    }

    fn class(&self, summary: &Summary) -> Class {
        let error = summary.failure.map(route_error);
        let grpc = if self.asker.grpc { self.grpc_status } else { None };
        // UNKNOWN, DEADLINE_EXCEEDED, PERMISSION_DENIED, INTERNAL, UNAVAILABLE, DATA_LOSS; a missing status counts as success,
        // as dashboards have always had it.
        let fails = matches!(grpc, Some(2 | 4 | 7 | 13 | 14 | 15)) || self.status >= 500 || error.is_some();
        Class { status: self.status, success: !fails, grpc, error }
    }
}

fn route_error(failure: Failure) -> RouteError {
    use proxy_net::engine::TimeoutKind;
    match failure {
        Failure::Connect(_) | Failure::Closed => RouteError::Io,
        Failure::Reset(_) => RouteError::Reset,
        Failure::Protocol => RouteError::Unknown,
        Failure::Timeout(TimeoutKind::ResponseHeaders) => RouteError::ResponseHeadersTimeout,
        Failure::Timeout(TimeoutKind::Response) => RouteError::ResponseStreamTimeout,
        Failure::Timeout(TimeoutKind::Request) => RouteError::RequestTimeout,
        Failure::Timeout(TimeoutKind::Idle) => RouteError::IdleTimeout,
        Failure::ClientGone => RouteError::Cancel,
    }
}

// === impl RouteCache ===

impl RouteCache {
    /// Forgets what former policies granted.
    fn renew(&mut self, generation: u32, policy: &InboundPolicy, way: &Way, now: Instant) {
        self.generation = Some(generation);
        self.granted.clear();
        self.bucket = match policy.limit() {
            Some(limit) => limit.limits.bucket(way.peer.id().map(Id::as_str), now),
            None => Bucket::default(),
        };
    }

    fn remember(&mut self, route: usize, granted: Granted) {
        if self.granted.len() <= route {
            self.granted.resize(route + 1, None);
        }
        self.granted[route] = Some(granted);
    }

    /// The connection is gone.
    pub(crate) fn clear(&mut self) {
        self.granted.clear();
        self.bucket = Bucket::default();
    }
}

// === impl Logged ===

impl Logged {
    fn new(conn: &mut Conn, head: &HeaderList) -> Box<Self> {
        let id =
            conn.routes.client_id.get_or_insert_with(|| conn.way.peer.id().map_or("", Id::as_str).into());
        Box::new(Self { entry: access_log::Entry::of(head), way: id.clone(), client: conn.way.client })
    }
}

// === helpers ===

/// What is spoken to the application: what the client speaks.
fn upstream(version: HttpVersion, upgrade: Upgrade, head: &HeaderList) -> Upstream {
    match version {
        HttpVersion::Http2 => Upstream::Http2,
        // A connection that becomes another protocol, or on which a host cannot be told from another, is not used again.
        _ if upgrade != Upgrade::None => Upstream::Http1Once,
        HttpVersion::Http10 => Upstream::Http1Once,
        HttpVersion::Http11 if head.value(b":authority").is_none_or(<[u8]>::is_empty) => Upstream::Http1Once,
        HttpVersion::Http11 => Upstream::Http1,
    }
}

/// Where a decision that is not remembered is counted.
fn count_decision<'m, E: Engine>(
    cx: &'m mut Context<'_, '_, E>,
    way: &Way,
    server: Resource<'_>,
    decision: Decision<'_>,
) -> &'m mut crate::metrics::Authz {
    let tls = TlsKey::new(&way.tls, &way.peer);
    let labels = AuthzLabels { decision, target: way.target, server, tls: tls.labels() };
    cx.metrics.authz.once(&labels, cx.ctl.now())
}
