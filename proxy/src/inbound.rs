//! What comes in for the application: who may, as what, and by which route.
//!
//! [`Inbound`] is the inbound half of a worker's handler. It knows nothing of the outbound half; the engine is seen through
//! [`Control`], and whoever holds both halves gives the endpoints of both one type ([`Engine`]).
//!
//! A client that policy refuses never causes a connection to the application: [`Conn`] decides what to do, and every decision that
//! would dial passes `Inbound::admit` first; every request passes `judge`.

mod answers;
mod apps;
mod conn;
mod exchange;
mod headers;
mod http;
pub(crate) mod judge;
mod ports;
mod profiles;
mod refusal;
mod routes;
mod series;
mod settings;
mod steps;
#[cfg(test)]
mod tests;
mod transport;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use proxy_net::engine::{
    Accepted, CloseReport, ConnId, Control, Direction, EndpointEvent, Handler, Progress, Step,
};
use rustls_pki_types::UnixTime;

pub use apps::App;
pub use exchange::Exchange;
pub use http::Routed;
pub use settings::Settings;

use crate::access_log::AccessLog;
use crate::discovery::{Answer, Discovery, Key, Target};
use crate::identity::{Credentials, Id, peer_id};
use crate::metrics::{Id as SeriesId, Metrics, Resource, ServerTls, Transport, TransportLabels};
use crate::model::{InboundPolicy, NameAddr, Profile};
use crate::worker::{Source, SourceTls};
use conn::{Way, reason};
use ports::{Port, Ports};
use routes::RouteCache;
use series::TlsKey;
use transport::Counted;

/// A handler that has endpoints of the inbound side among its own.
pub trait Engine: Handler<Endpoint: From<App>> {}

impl<H: Handler<Endpoint: From<App>>> Engine for H {}

/// What the inbound side asks discovery for. Calls never block; answers come as messages.
pub trait Lookups {
    /// The policy of a port, from now on.
    fn watch_port(&self, port: u16);
    /// No longer.
    fn forget_port(&self, port: u16);
    /// The profile of a name, from now on.
    fn watch_profile(&self, name: &NameAddr);
    /// No longer.
    fn forget_profile(&self, name: &NameAddr);
}

/// What a call may use besides the inbound side itself.
pub struct Context<'a, 'c, E: Engine> {
    /// The engine.
    pub ctl: &'a mut Control<'c, E>,
    /// What the worker counts.
    pub metrics: &'a mut Metrics,
}

/// What a connection does next.
#[derive(Debug)]
pub enum Advanced {
    /// This step.
    Step(Step),
    /// Its octets go on by this name: this proxy is a gateway. Policy has let it in.
    On(NameAddr),
}

/// The inbound half of a worker.
pub struct Inbound {
    settings: Settings,
    lookups: Box<dyn Lookups>,
    log: Option<AccessLog>,
    /// The time of day, for the access log and for certificates of clients.
    time_of_day: fn() -> SystemTime,
    credentials: Option<Arc<Credentials>>,
    /// Connections that wait for the first certificate.
    waiting: Vec<ConnId>,
    ports: Ports,
    apps: apps::Apps,
    profiles: profiles::Profiles,
    /// Requests without a response head.
    in_flight: usize,
    /// Where connections to the application are counted.
    to_app: Option<SeriesId<Transport>>,
    swept: Option<Instant>,
}

/// What is remembered of an accepted connection.
pub struct Conn {
    id: ConnId,
    way: Way,
    /// The application's port, whose policy holds.
    port: u16,
    /// The name in a peer's transport header, where it is to be routed on.
    gateway: Option<NameAddr>,
    /// The same for octets, once policy has let them in and until the outbound side takes them.
    octets_to: Option<NameAddr>,
    /// What its transport is counted as, once its TLS is known.
    counted: Option<Counted>,
    routes: RouteCache,
    /// Whether it is being closed for a reason that has been counted.
    refused: bool,
    since: Instant,
}

// === impl Conn ===

impl Conn {
    /// The address that the client wanted.
    pub(crate) fn target(&self) -> SocketAddr {
        self.way.target
    }

    /// Where its requests come from, for those who watch.
    pub(crate) fn source(&self) -> Source {
        let way = &self.way;
        Source {
            direction: crate::metrics::Direction::Inbound,
            client: way.client,
            tls: match TlsKey::new(&way.tls, &way.peer).labels() {
                ServerTls::None(reason) => SourceTls::None(reason),
                _ => SourceTls::Meshed(way.peer.id().cloned()),
            },
            target: way.target,
        }
    }
}

// === impl Inbound ===

impl Inbound {
    /// The inbound side of one worker.
    pub fn new(
        settings: Settings,
        lookups: Box<dyn Lookups>,
        log: Option<AccessLog>,
        time_of_day: fn() -> SystemTime,
    ) -> Self {
        Self {
            settings,
            lookups,
            log,
            time_of_day,
            credentials: None,
            waiting: Vec::new(),
            ports: Ports::default(),
            apps: apps::Apps::default(),
            profiles: profiles::Profiles::default(),
            in_flight: 0,
            to_app: None,
            swept: None,
        }
    }

    /// Begins to watch the ports that are known from the start.
    pub fn start(&mut self, now: Instant) {
        let pinned: Vec<u16> =
            self.settings.pinned.as_slice().iter().flat_map(|range| range.low()..=range.high()).collect();
        for port in pinned {
            self.open_port(port, now);
        }
    }

    /// Takes a generation of the proxy's own identity.
    pub fn set_credentials<E: Engine>(&mut self, cx: &mut Context<'_, '_, E>, credentials: Arc<Credentials>) {
        self.credentials = Some(credentials);
        for id in self.waiting.drain(..) {
            cx.ctl.resume_conn(id);
        }
    }

    /// Takes what discovery says of the policy of a port. Where it says nothing of use, what was in force stays so.
    pub fn set_answer<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        number: u16,
        answer: &Answer<InboundPolicy>,
    ) {
        match answer {
            Answer::Found(policy) => self.set_policy(cx, number, policy),
            Answer::NotFound => tracing::info!(port = number, "the control plane has no policy for the port"),
            Answer::Rejected(reason) => {
                tracing::warn!(port = number, reason, "the policy of the port cannot be looked up");
            }
        }
    }

    /// Takes the policy of a port. Tunnels that it does not let through are closed.
    pub fn set_policy<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        number: u16,
        policy: &Arc<InboundPolicy>,
    ) {
        let revoked = self.ports.update(number, policy);
        let server = server_of(policy, number);
        for (id, tunnel) in revoked {
            transport::count_terminated(cx.metrics, server, &tunnel, cx.ctl.now());
            tracing::info!(client.ip = %tunnel.client, port = number, reason = reason::REVOKED, "connection closed");
            cx.ctl.close_conn(id, reason::REVOKED);
        }
    }

    /// Takes the profile of a name; none where there is none.
    pub fn set_profile(
        &mut self,
        metrics: &mut Metrics,
        name: &NameAddr,
        profile: Option<Arc<Profile>>,
        now: Instant,
    ) {
        self.profiles.set(metrics, name, profile, now);
    }

    /// A connection was accepted.
    pub fn accepted<E: Engine>(&mut self, cx: &mut Context<'_, '_, E>, accepted: &Accepted) -> (Conn, Step) {
        let now = cx.ctl.now();
        let mut way = Way::new(&self.settings, accepted.peer, accepted.original);
        let port = way.target.port();
        let policy = self.enter_port(port, now);
        let plan = way.begin(&self.settings, &policy);
        let mut conn = Conn {
            id: accepted.id,
            way,
            port,
            gateway: None,
            octets_to: None,
            counted: None,
            routes: RouteCache::default(),
            refused: false,
            since: now,
        };
        let step = self.carry_out(cx, accepted.id, &mut conn, plan);
        (conn, step)
    }

    /// The last step of a connection has an outcome.
    pub fn advance<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        id: ConnId,
        conn: &mut Conn,
        progress: &Progress<'_>,
    ) -> Advanced {
        let policy = self.policy(conn.port);
        transport::count_detection(cx, &policy, conn, progress);
        if matches!(progress, Progress::FirstOctet)
            && let Some(port) = self.ports.get(conn.port)
        {
            port.remove_tunnel(id);
        }
        let time = self.time_of_day;
        let plan = conn.way.next(&self.settings, &policy, progress, |leaf| client_id(leaf, time()));
        let step = self.carry_out(cx, id, conn, plan);
        match conn.octets_to.take() {
            Some(name) => Advanced::On(name),
            None => Advanced::Step(step),
        }
    }

    /// An accepted connection is gone.
    pub fn closed<E: Engine>(&mut self, cx: &mut Context<'_, '_, E>, mut conn: Conn, report: &CloseReport) {
        let id = conn.id;
        let now = cx.ctl.now();
        self.waiting.retain(|waiting| *waiting != id);
        let policy = self.policy(conn.port);
        if let Some(reason) = report.reason.filter(|_| !conn.refused) {
            transport::count_error(cx.metrics, &conn.way, reason, now);
        }
        let counted = match conn.counted.take() {
            Some(counted) => counted,
            None => Counted::open(cx.metrics, &conn.way, server_of(&policy, conn.port)),
        };
        counted.close(cx.metrics, report, now);
        conn.routes.clear();
        if let Some(port) = self.ports.get(conn.port) {
            port.leave(id, now);
        }
    }

    /// Octets of a tunnel pass.
    pub fn tunneled(&mut self, metrics: &mut Metrics, conn: &mut Conn, direction: Direction, octets: usize) {
        if conn.counted.is_none() {
            // The server was first to talk, so nothing was asked about the connection after it was dialled.
            self.count_open(metrics, conn);
            let policy = self.policy(conn.port);
            let authorization = policy.authorize(conn.way.client.ip(), &conn.way.peer);
            let server = server_of(&policy, conn.port);
            transport::count_admission(metrics, server, &conn.way, authorization, conn.since);
        }
        if let Some(counted) = &mut conn.counted {
            counted.octets(metrics, direction, octets);
        }
    }

    /// Something happened to a connection to the application.
    pub fn endpoint(&mut self, metrics: &mut Metrics, app: &App, now: Instant, event: EndpointEvent) {
        self.apps.event(app.addr(), now, event);
        let id =
            *self.to_app.get_or_insert_with(|| metrics.transport.register(&TransportLabels::InboundClient));
        transport::count_endpoint(&mut metrics.transport[id], event);
    }

    /// About once a second.
    pub fn tick<E: Engine>(&mut self, cx: &mut Context<'_, '_, E>) {
        let (now, idle) = (cx.ctl.now(), self.settings.idle);
        for (number, mut port) in self.ports.evict(now, idle) {
            self.lookups.forget_port(number);
            port.series.retire();
            port.series.sweep(cx.metrics, now);
        }
        self.apps.evict(cx.ctl, idle);
        for name in self.profiles.evict(cx.metrics, now, idle) {
            self.lookups.forget_profile(&name);
        }
        let due = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= idle);
        if due {
            self.swept = Some(now);
            for port in self.ports.iter_mut() {
                port.series.sweep(cx.metrics, now);
            }
        }
    }

    /// What is known, for a person to read.
    #[must_use]
    pub fn dump<E: Engine>(&self, ctl: &Control<'_, E>) -> serde_json::Value {
        let ports = self.ports.iter().map(|(number, port)| {
            serde_json::json!({
                "port": number,
                "policy": port.policy.meta.to_string(),
                "generation": port.generation,
                "connections": port.users(),
            })
        });
        let apps = self.apps.iter().map(|(addr, id)| {
            let load = ctl.load(id);
            serde_json::json!({
                "addr": addr.to_string(),
                "ready": load.ready,
                "requests": load.requests,
                "connections": load.connections,
            })
        });
        serde_json::json!({
            "ports": ports.collect::<Vec<_>>(),
            "application": apps.collect::<Vec<_>>(),
            "in_flight": self.in_flight,
            "certificate_generation": self.credentials.as_ref().map(|credentials| credentials.generation()),
        })
    }

    /// A connection looks at a port from now on; its policy.
    fn enter_port(&mut self, number: u16, now: Instant) -> Arc<InboundPolicy> {
        let port = self.open_port(number, now);
        port.enter();
        port.policy.clone()
    }

    fn open_port(&mut self, number: u16, now: Instant) -> &mut Port {
        let (port, is_new) = self.ports.open(&self.settings, number, now);
        if is_new {
            self.lookups.watch_port(number);
        }
        port
    }

    fn policy(&mut self, number: u16) -> Arc<InboundPolicy> {
        match self.ports.get(number) {
            Some(port) => port.policy.clone(),
            None => self.settings.default_policy(number),
        }
    }
}

// === impl Discovery ===

impl Lookups for Discovery {
    fn watch_port(&self, port: u16) {
        self.watch(Key::Inbound(port));
    }

    fn forget_port(&self, port: u16) {
        self.forget(Key::Inbound(port));
    }

    fn watch_profile(&self, name: &NameAddr) {
        self.watch(Key::Profile(Target::Name(name.clone())));
    }

    fn forget_profile(&self, name: &NameAddr) {
        self.forget(Key::Profile(Target::Name(name.clone())));
    }
}

// === helpers ===

/// The server policy of a port as metrics name it.
fn server_of(policy: &InboundPolicy, port: u16) -> Resource<'_> {
    Resource { port: Some(port), ..Resource::from(&policy.meta) }
}

fn client_id(leaf: &[u8], time: SystemTime) -> Option<Id> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    match peer_id(leaf, UnixTime::since_unix_epoch(since)) {
        Ok(id) => Some(id),
        Err(error) => {
            tracing::info!(%error, "client certificate cannot be used");
            None
        }
    }
}
