//! Carrying out what the way of a connection asks for. Whatever would dial asks policy first.

use std::time::Instant;

use proxy_net::engine::{ConnId, Detected, Step};
use proxy_net::transport_header::{Header, Session};

use super::conn::{AfterSilence, Plan, Reached, Stage, Tls, reason};
use super::ports::Tunnel;
use super::routes::RouteCache;
use super::series::TlsKey;
use super::transport::{self, Counted};
use super::{Conn, Context, Engine, Inbound, server_of};
use crate::identity::Alpn;
use crate::metrics::Metrics;
use crate::model::NameAddr;

// === impl Inbound ===

impl Inbound {
    /// Turns a plan into a step. Whatever would dial asks policy first.
    pub(super) fn carry_out<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        id: ConnId,
        conn: &mut Conn,
        plan: Plan,
    ) -> Step {
        match plan {
            Plan::Step(step) => step,
            Plan::Terminate => self.terminate(id, conn),
            Plan::Tunnel if self.admit(cx, id, conn) => {
                conn.way.stage = Stage::Settled;
                let endpoint = self.apps.open(cx.ctl, &self.settings, conn.way.target);
                Step::Tunnel { endpoint, idle: None }
            }
            Plan::Tunnel => self.close(cx, conn, reason::UNAUTHORIZED),
            Plan::ServerFirst(after) => self.server_first(cx, id, conn, after),
            Plan::Serve(found) => self.serve(cx, conn, found),
            Plan::Header(header) => self.by_header(cx, id, conn, &header),
            Plan::Close(reason) => self.close(cx, conn, reason),
        }
    }

    fn terminate(&mut self, id: ConnId, conn: &mut Conn) -> Step {
        let Some(credentials) = &self.credentials else {
            conn.way.stage = Stage::Certificate;
            self.waiting.push(id);
            return Step::Wait { timeout: self.settings.certificate_wait };
        };
        conn.way.stage = Stage::Handshake;
        let alpn = match conn.way.reached {
            Reached::Direct => Alpn::Transport,
            Reached::Redirected => Alpn::None,
        };
        Step::TerminateTls { config: credentials.server_config(alpn), timeout: self.settings.detect_timeout }
    }

    /// The client is silent. Where policy lets it in, its server may talk first.
    fn server_first<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        id: ConnId,
        conn: &mut Conn,
        after: AfterSilence,
    ) -> Step {
        if after == AfterSilence::Tls && conn.way.client.ip().is_loopback() {
            conn.way.tls = Tls::Loopback;
        }
        let policy = self.policy(conn.port);
        if policy.authorize(conn.way.client.ip(), &conn.way.peer).is_none() {
            // It may still show who it is, or ask for a route that lets it in.
            let plan = conn.way.keep_waiting(&self.settings, &policy, after);
            return self.carry_out(cx, id, conn, plan);
        }
        self.remember_tunnel(id, conn);
        conn.way.stage = Stage::ServerFirst(after);
        let endpoint = self.apps.open(cx.ctl, &self.settings, conn.way.target);
        Step::TunnelServerFirst { endpoint, idle: None }
    }

    fn serve<E: Engine>(&mut self, cx: &mut Context<'_, '_, E>, conn: &mut Conn, found: Detected) -> Step {
        conn.way.stage = Stage::Settled;
        self.count_open(cx.metrics, conn);
        match found {
            Detected::Http2 => Step::ServeHttp2(self.settings.serve.clone()),
            _ => Step::ServeHttp1(self.settings.serve.clone()),
        }
    }

    /// A peer that dialled the proxy's own port says what for.
    fn by_header<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        id: ConnId,
        conn: &mut Conn,
        header: &Header,
    ) -> Step {
        transport::count_header(cx, &conn.way, header);
        match &header.name {
            None if header.port == self.settings.port => return self.close(cx, conn, reason::LOOP),
            None => {
                self.move_to_port(id, conn, header.port, cx.ctl.now());
                if !self.policy(header.port).is_served(conn.way.target.ip()) {
                    return self.close(cx, conn, reason::NOT_OURS);
                }
            }
            Some(name) => match format!("{}:{}", name.as_ref(), header.port).parse() {
                Ok(name) => conn.gateway = Some(name),
                Err(_) => return self.close(cx, conn, reason::GATEWAY_DOMAIN),
            },
        }
        match header.session {
            Some(Session::Http1) => self.serve(cx, conn, Detected::Http1),
            Some(Session::Http2) => self.serve(cx, conn, Detected::Http2),
            None => match conn.gateway.take() {
                Some(name) => self.octets_on(cx, id, conn, name),
                None => self.carry_out(cx, id, conn, Plan::Tunnel),
            },
        }
    }

    /// Octets of a peer go on by a name, if this is a gateway for it and policy lets the peer in.
    fn octets_on<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        id: ConnId,
        conn: &mut Conn,
        name: NameAddr,
    ) -> Step {
        if !self.settings.gateway.contains(name.name.as_str()) {
            return self.close(cx, conn, reason::GATEWAY_DOMAIN);
        }
        let own = self.credentials.as_ref().map(|credentials| credentials.id());
        if own.is_none() || conn.way.peer.id() == own {
            return self.close(cx, conn, reason::GATEWAY_LOOP);
        }
        if !self.admit(cx, id, conn) {
            return self.close(cx, conn, reason::UNAUTHORIZED);
        }
        conn.way.stage = Stage::Settled;
        conn.octets_to = Some(name);
        // What the outbound side says takes the place of this.
        Step::Wait { timeout: self.settings.detect_timeout }
    }

    /// The connection is for another port than the one it was made to.
    fn move_to_port(&mut self, id: ConnId, conn: &mut Conn, number: u16, now: Instant) {
        if let Some(port) = self.ports.get(conn.port) {
            port.leave(id, now);
        }
        self.enter_port(number, now);
        conn.port = number;
        conn.way.target.set_port(number);
        conn.routes = RouteCache::default();
    }

    /// Asks policy whether the client may have a connection to the application, and counts the answer.
    fn admit<E: Engine>(&mut self, cx: &mut Context<'_, '_, E>, id: ConnId, conn: &mut Conn) -> bool {
        self.count_open(cx.metrics, conn);
        let policy = self.policy(conn.port);
        let authorization = policy.authorize(conn.way.client.ip(), &conn.way.peer);
        let server = server_of(&policy, conn.port);
        transport::count_admission(cx.metrics, server, &conn.way, authorization, cx.ctl.now());
        if authorization.is_some() {
            self.remember_tunnel(id, conn);
        }
        authorization.is_some()
    }

    fn remember_tunnel(&mut self, id: ConnId, conn: &Conn) {
        let tls = TlsKey::new(&conn.way.tls, &conn.way.peer);
        let (client, target, peer) = (conn.way.client.ip(), conn.way.target, conn.way.peer.clone());
        if let Some(port) = self.ports.get(conn.port) {
            port.add_tunnel(id, Tunnel { client, peer, target, tls });
        }
    }

    fn close<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        conn: &mut Conn,
        reason: &'static str,
    ) -> Step {
        conn.way.stage = Stage::Settled;
        conn.refused = true;
        self.count_open(cx.metrics, conn);
        transport::count_error(cx.metrics, &conn.way, reason, cx.ctl.now());
        tracing::info!(client.addr = %conn.way.client, server.addr = %conn.way.target, reason, "connection closed");
        Step::Close { reason, reset: false }
    }

    pub(super) fn count_open(&mut self, metrics: &mut Metrics, conn: &mut Conn) {
        if conn.counted.is_none() {
            let policy = self.policy(conn.port);
            conn.counted = Some(Counted::open(metrics, &conn.way, server_of(&policy, conn.port)));
        }
    }
}
