//! A connection of the application: from its destination to what is spoken on it.

mod octets;

use std::rc::Rc;
use std::time::{Duration, Instant};

use proxy_net::engine::{Accepted, CloseReport, ConnId, Detected, Progress, ServeHttp, Step};

use super::Outbound;
use super::backend::Waiter;
use super::destination::DISCOVERY_TIMEOUT;
use super::hosts::Passing;
use super::plan::{Detect, Kind, Plan};
use super::refusal::Refusal;
use crate::discovery::Target;
use crate::metrics::{
    CloseError, DetectResult, Errno, ErrorLabels, Id, NoServerTls, Transport, TransportLabels, TransportRoute,
};
use crate::model::NameAddr;
use crate::worker::{Cx, Source, SourceTls};

/// A client that has been silent for so long may be waiting for the server to speak first.
const SILENCE: Duration = Duration::from_millis(100);
/// How long a client of a destination that is not served may take to show that it speaks HTTP, and so can be told why.
const REFUSED_DETECT: Duration = Duration::from_secs(1);
/// How long a ClientHello may take to be complete, where it is read for the name in it alone.
const NAME_DETECT: Duration = Duration::from_secs(1);

/// What is remembered of a connection.
pub struct Conn {
    pub(super) id: ConnId,
    client: std::net::SocketAddr,
    pub(super) original: std::net::SocketAddr,
    pub(super) target: Target,
    /// Where it is in the table of destinations, kept there by the second part; none before that is needed.
    pub(super) destination: Option<(usize, Rc<()>)>,
    /// The newest plan that it has used.
    pub(super) plan: Option<Rc<Plan>>,
    stage: Stage,
    /// Whether it is octets whatever they look like: a peer has said so.
    is_octets: bool,
    /// When its first octets began to be looked at.
    detecting: Instant,
    /// When it began to wait for an endpoint.
    since: Option<Instant>,
    /// The server name of its TLS.
    sni: Option<Box<str>>,
    pub(super) transport: Id<Transport>,
    /// The route of its octets, once they have one.
    pub(super) route: Option<Id<TransportRoute>>,
    /// What is seen of its TLS, where that is looked for.
    pub(super) passing: Option<Box<Passing>>,
    closed: CloseError,
    /// What was counted before the connection was over.
    pub(super) counted: (u64, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// For discovery.
    Waiting,
    /// For the first octets.
    Detecting,
    /// For a server name.
    Sniffing,
    /// For an endpoint of an opaque route.
    Queued,
    /// Requests.
    Serving,
    /// An endpoint was connected to since the client was silent.
    Silent,
    /// Octets.
    Tunnel,
}

// === impl Conn ===

impl Conn {
    /// Where its requests come from, for those who watch.
    pub(crate) fn source(&self) -> Source {
        Source {
            direction: crate::metrics::Direction::Outbound,
            client: self.client,
            tls: SourceTls::None(NoServerTls::Loopback),
            target: self.original,
        }
    }
}

// === impl Outbound ===

impl Outbound {
    /// The application has connected.
    pub(crate) fn accepted(
        &mut self,
        cx: &mut Cx<'_, '_>,
        accepted: &Accepted,
        target: Target,
    ) -> (Conn, Step) {
        let transport = cx
            .shared
            .metrics
            .transport
            .register(&TransportLabels::OutboundServer { target: accepted.original });
        let counts = &mut cx.shared.metrics.transport[transport];
        counts.opened += 1;
        counts.open.0 += 1;
        let mut conn = Conn {
            id: accepted.id,
            client: accepted.peer,
            original: accepted.original,
            target,
            destination: None,
            plan: None,
            stage: Stage::Waiting,
            is_octets: false,
            detecting: cx.now(),
            since: None,
            sni: None,
            transport,
            route: None,
            passing: None,
            closed: CloseError::None,
            counted: (0, 0),
        };
        // An ingress chooses by each request; the address says little.
        let step = if cx.shared.config.outbound.ingress {
            conn.stage = Stage::Detecting;
            Step::DetectHttp { timeout: cx.shared.config.outbound.detect_timeout, silence: None }
        } else {
            self.discover(cx, &mut conn)
        };
        (conn, step)
    }

    /// Octets that came in from another cluster go on by a name. Their transport is counted where they came in.
    pub(crate) fn octets_by_name(
        &mut self,
        cx: &mut Cx<'_, '_>,
        id: ConnId,
        original: std::net::SocketAddr,
        name: NameAddr,
    ) -> (Conn, Step) {
        let mut conn = Conn {
            id,
            client: original,
            original,
            target: Target::Name(name),
            destination: None,
            plan: None,
            stage: Stage::Waiting,
            is_octets: true,
            detecting: cx.now(),
            since: None,
            sni: None,
            transport: Id::default(),
            route: None,
            passing: None,
            closed: CloseError::None,
            counted: (0, 0),
        };
        let step = self.discover(cx, &mut conn);
        (conn, step)
    }

    /// Looks the destination up, and goes on if it is known.
    fn discover(&mut self, cx: &mut Cx<'_, '_>, conn: &mut Conn) -> Step {
        let index = self.attach(cx, conn);
        let destination = &mut self.destinations[index];
        match destination.plan.clone() {
            Some(plan) => self.start(cx, conn, plan),
            None => {
                conn.stage = Stage::Waiting;
                destination.waiting.push(Waiter::Conn(conn.id));
                Step::Wait { timeout: DISCOVERY_TIMEOUT }
            }
        }
    }

    /// Ties the connection to its destination.
    pub(super) fn attach(&mut self, cx: &mut Cx<'_, '_>, conn: &mut Conn) -> usize {
        if let Some((index, _)) = &conn.destination {
            return *index;
        }
        let index = self.destination(cx, conn.target.clone());
        let destination = &mut self.destinations[index];
        // Connections that come and go between two looks use it, too.
        destination.idle_since = None;
        conn.destination = Some((index, Rc::clone(&destination.users)));
        index
    }

    /// Begins what the plan says.
    fn start(&mut self, cx: &mut Cx<'_, '_>, conn: &mut Conn, plan: Rc<Plan>) -> Step {
        conn.plan = Some(Rc::clone(&plan));
        cx.shared.metrics.protocols[plan.protocol].connections += 1;
        if conn.is_octets {
            return self.not_http(cx, conn);
        }
        match &plan.kind {
            Kind::Http(http) => match http.detect {
                Detect::Http1 => self.serve(cx, conn, Detected::Http1),
                Detect::Http2 => self.serve(cx, conn, Detected::Http2),
                Detect::Within(timeout) => {
                    conn.stage = Stage::Detecting;
                    conn.detecting = cx.now();
                    let silence = http.opaque.as_ref().map(|_| SILENCE);
                    Step::DetectHttp { timeout, silence }
                }
            },
            Kind::Opaque(stream) => self.stream(cx, conn, stream),
            Kind::Tls(_) => {
                conn.stage = Stage::Sniffing;
                Step::SniffTls { timeout: cx.shared.config.outbound.detect_timeout, silence: None }
            }
            Kind::Refuse(_) => {
                conn.stage = Stage::Detecting;
                Step::DetectHttp { timeout: REFUSED_DETECT, silence: None }
            }
        }
    }

    /// The last step has an outcome.
    pub(crate) fn advance(&mut self, cx: &mut Cx<'_, '_>, conn: &mut Conn, event: Progress<'_>) -> Step {
        if conn.stage == Stage::Detecting {
            count_detection(cx, conn, &event);
        }
        match (conn.stage, event) {
            (_, Progress::Failed(why)) => {
                conn.closed = CloseError::Io;
                Step::Close { reason: why, reset: true }
            }
            (Stage::Waiting, Progress::Resumed) => self.discover(cx, conn),
            (Stage::Waiting, Progress::TimedOut) => {
                tracing::warn!(destination = %conn.target, "discovery has not answered; the connection is refused");
                let plan = Rc::new(Plan::refuse(Refusal::DiscoveryTimeout));
                self.start(cx, conn, plan)
            }
            (Stage::Detecting, Progress::Protocol(Detected::Opaque)) => self.not_http(cx, conn),
            (Stage::Detecting, Progress::Protocol(version)) => self.serve(cx, conn, version),
            (Stage::Detecting, Progress::TimedOut) => self.not_http(cx, conn),
            (Stage::Detecting, Progress::Silent) => self.silent(cx, conn),
            (Stage::Silent, Progress::FirstOctet) => {
                // The client was only slow. The connection that was made ahead serves it if it is not HTTP.
                conn.stage = Stage::Detecting;
                Step::DetectHttp { timeout: cx.shared.config.outbound.detect_timeout, silence: None }
            }
            (Stage::Sniffing, event) => self.sniffed(cx, conn, &event),
            (Stage::Queued, _) => self.again(cx, conn),
            (stage, event) => {
                tracing::error!(?stage, ?event, "unexpected step of an outbound connection");
                self.refuse(cx, conn, "unexpected", CloseError::Unknown)
            }
        }
    }

    /// Serves requests.
    fn serve(&mut self, cx: &mut Cx<'_, '_>, conn: &mut Conn, version: Detected) -> Step {
        conn.stage = Stage::Serving;
        let serve = ServeHttp { h2: cx.shared.config.outbound.server.engine() };
        match version {
            Detected::Http2 => Step::ServeHttp2(serve),
            Detected::Http1 | Detected::Opaque => Step::ServeHttp1(serve),
        }
    }

    /// It is not HTTP, or nobody can tell in time.
    fn not_http(&mut self, cx: &mut Cx<'_, '_>, conn: &mut Conn) -> Step {
        let Some(plan) = conn.plan.clone() else {
            // Ingress: only now is the address asked about.
            return self.discover_opaque(cx, conn);
        };
        match (&plan.kind, plan.stream()) {
            (Kind::Refuse(refusal), _) => {
                let label = refusal.label();
                self.refuse(cx, conn, label, CloseError::Unknown)
            }
            (_, Some(_)) if plan.names_hosts && !conn.is_octets => {
                // It goes the same way whatever it is; if it is TLS, the name is worth knowing.
                conn.stage = Stage::Sniffing;
                Step::SniffTls { timeout: NAME_DETECT, silence: None }
            }
            (_, Some(stream)) => self.stream(cx, conn, stream),
            (_, None) => self.refuse(cx, conn, "not http", CloseError::Unknown),
        }
    }

    /// In ingress mode: octets go by the address that they were sent to.
    fn discover_opaque(&mut self, cx: &mut Cx<'_, '_>, conn: &mut Conn) -> Step {
        let index = self.attach(cx, conn);
        let destination = &mut self.destinations[index];
        match destination.plan.clone() {
            Some(plan) => {
                conn.plan = Some(plan);
                self.not_http(cx, conn)
            }
            None => {
                // The plan decides again when it is there: what has been read is kept.
                conn.stage = Stage::Waiting;
                destination.waiting.push(Waiter::Conn(conn.id));
                Step::Wait { timeout: DISCOVERY_TIMEOUT }
            }
        }
    }

    /// The client says nothing: perhaps the server speaks first. The endpoint is connected to if one is ready at once.
    fn silent(&mut self, cx: &mut Cx<'_, '_>, conn: &mut Conn) -> Step {
        let Some(plan) = conn.plan.clone() else { return self.detect_on(cx, conn) };
        let Some(stream) = plan.stream().filter(|stream| stream.closed.is_none()) else {
            return self.detect_on(cx, conn);
        };
        let chosen = self.choose(cx, &stream.uses);
        let open = chosen.filter(|chosen| stream.uses.items[chosen.item].closed.is_none());
        match open.and_then(|chosen| Some((chosen.at, self.dial(cx, chosen.at)?))) {
            Some((at, endpoint)) => {
                conn.stage = Stage::Silent;
                self.opened(cx, conn, stream, at);
                Step::TunnelServerFirst { endpoint, idle: None }
            }
            None => self.detect_on(cx, conn),
        }
    }

    fn detect_on(&self, cx: &Cx<'_, '_>, conn: &Conn) -> Step {
        let timeout = match conn.plan.as_ref().map(|plan| &plan.kind) {
            Some(Kind::Http(http)) => match http.detect {
                Detect::Within(timeout) => timeout,
                Detect::Http1 | Detect::Http2 => cx.shared.config.outbound.detect_timeout,
            },
            _ => cx.shared.config.outbound.detect_timeout,
        };
        Step::DetectHttp { timeout, silence: None }
    }

    fn refuse(
        &mut self,
        cx: &mut Cx<'_, '_>,
        conn: &mut Conn,
        error: &'static str,
        closed: CloseError,
    ) -> Step {
        conn.closed = closed;
        let now = cx.now();
        let labels = ErrorLabels::OutboundTcp { target: conn.original, error };
        cx.shared.metrics.errors.once(&labels, now).errors += 1;
        Step::Close { reason: error, reset: true }
    }

    /// The connection is gone.
    pub(crate) fn closed(&mut self, cx: &mut Cx<'_, '_>, conn: Conn, report: &CloseReport) {
        let now = cx.now();
        let metrics = &mut cx.shared.metrics;
        let counts = &mut metrics.transport[conn.transport];
        counts.open.0 -= 1;
        counts.read += report.read.saturating_sub(conn.counted.0);
        counts.written += report.written.saturating_sub(conn.counted.1);
        *counts.closed.at(Errno(report.errno)) += 1;
        metrics.transport.release(conn.transport, now);
        if let Some(passing) = conn.passing {
            passing.end(metrics, now);
        }
        if let Some(route) = conn.route {
            let error = match conn.closed {
                CloseError::None if report.errno != 0 => CloseError::Io,
                other => other,
            };
            *metrics.transport_route[route].closed.at(error) += 1;
        }
        if conn.stage == Stage::Queued
            && let Some(plan) = &conn.plan
        {
            let tls = match &plan.kind {
                Kind::Tls(tls) => conn.sni.as_deref().and_then(|sni| tls.find(sni)),
                _ => None,
            };
            if let Some(stream) = tls.or_else(|| plan.stream()) {
                self.leave(&stream.uses, Waiter::Conn(conn.id));
            }
        }
    }
}

// === helpers ===

/// Counts what detection of HTTP found.
fn count_detection(cx: &mut Cx<'_, '_>, conn: &Conn, event: &Progress<'_>) {
    let result = match event {
        Progress::Protocol(Detected::Http1) => DetectResult::Http1,
        Progress::Protocol(Detected::Http2) => DetectResult::Http2,
        Progress::Protocol(Detected::Opaque) => DetectResult::NotHttp,
        Progress::TimedOut => DetectResult::ReadTimeout,
        Progress::Failed(_) => DetectResult::Error,
        _ => return,
    };
    let Some(plan) = &conn.plan else { return };
    let took = cx.now().saturating_duration_since(conn.detecting);
    let series = &mut cx.shared.metrics.detect[plan.detection];
    *series.results.at(result) += 1;
    series.duration.observe(took);
}
