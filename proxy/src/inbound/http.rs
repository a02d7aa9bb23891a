//! Requests that come in: judged, and sent on or answered.

use proxy_net::engine::{Forward, HttpVersion, Request, RequestStep, Timeouts, Upstream};
use proxy_net::headers::HeaderList;
use proxy_net::http1::Upgrade;
use proxy_net::rate_limit::Scope;

use super::conn::Way;
use super::exchange::{Exchange, Logged};
use super::headers::{self, OrigProto};
use super::judge::Matched;
use super::refusal::{Asker, Refusal};
use super::routes::Granted;
use super::series::{Names, SeriesKey, TlsKey};
use super::{Conn, Context, Engine, Inbound, server_of};
use crate::identity::Id;
use crate::metrics::{AuthzLabels, Decision, InboundEndpoint, RequestLabels, Resource, RouteKind};
use crate::model::inbound::Authorization;
use crate::model::{InboundPolicy, NameAddr};

/// Where a request goes.
#[derive(Debug)]
pub enum Routed {
    /// To the application, or nowhere.
    Here(RequestStep),
    /// On, by this name: this proxy is a gateway. It has been let in.
    On(NameAddr),
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
        if carried.is_some_and(|carried| !carried.absolute_form) {
            // HTTP/2 names a scheme always; the request that it carries did not.
            head.remove(b":scheme");
        }
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
        } else if self.apps.is_away(conn.way.target, now, self.settings.failfast()) {
            return Err(Refusal::FailFast);
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
    pub(super) fn refuse<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        exchange: &mut Exchange,
        refusal: &Refusal,
    ) -> proxy_net::engine::Reply {
        self.count_refusal(cx, exchange, refusal);
        let mut reply = refusal.reply(exchange.asker);
        let policy = self.policy(exchange.port);
        reply.reason = refusal.reason(server_of(&policy, exchange.port));
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
