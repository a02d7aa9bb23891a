//! A worker: the value that decides for one engine, and the messages that it is told.
//!
//! [`Mesh`] only tells the two sides apart: `outbound` and `inbound` do the work. What both need is in `Shared`.

mod heads;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use proxy_net::engine::{
    Accepted, Attempt, CloseReport, ConnId, Control, Direction, EndpointEvent, EndpointId, ExchangeId,
    Failure, Handler, Progress, Request, RequestStep, ResponseStep, Step, Summary, Woken,
};
use proxy_net::h2::error::ErrorCode;
use proxy_net::h2::frame::End;
use proxy_net::headers::HeaderList;
use tokio::sync::oneshot;

use crate::access_log::AccessLog;
use crate::config::Config;
use crate::discovery::{Answer, Discovery, Target, Update};
use crate::identity::Credentials;
use crate::inbound::{self, Advanced, App, Inbound, Routed};
use crate::metrics::{Metrics, Snapshot};
use crate::model::NameAddr;
use crate::outbound::{self, Outbound};
use crate::tap::{Tap, Taps};
use crate::trace::Tracer;
use heads::Heads;
use watch::{Watched, Watching};

pub(crate) use watch::{Place, Source, SourceTls};

/// Decides about everything on one worker.
pub struct Mesh {
    shared: Shared,
    outbound: Outbound,
    inbound: Inbound,
    watching: Watching,
    heads: Heads,
    is_started: bool,
}

/// What a worker is made of.
pub struct Settings {
    /// What the process was told.
    pub config: Arc<Config>,
    /// What each listener of the engine is for, by its number.
    pub listeners: Vec<Listener>,
    /// How many workers there are; limits of the process are shared among them.
    pub workers: usize,
    /// The time of day.
    pub time_of_day: fn() -> SystemTime,
    /// Where requests that come in are logged.
    pub access_log: Option<AccessLog>,
    /// What opens spans, where there is a collector.
    pub tracer: Option<Tracer>,
}

/// What a listener is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Connections of the application, which are redirected here.
    Outbound,
    /// Connections of the application to one destination; nothing is redirected.
    OutboundTarget(Target),
    /// Connections of others, to the proxy's port or to one of its fixed targets.
    Inbound,
}

/// What a worker is told by other threads.
pub enum Message {
    /// Discovery or identity has news.
    Update(Update),
    /// Stop accepting, and finish within this time.
    Drain(Duration),
    /// These watch from now on.
    Tap(Arc<[Arc<Tap>]>),
    /// Copy what was counted.
    Collect(oneshot::Sender<Snapshot>),
    /// Describe what is known, for people.
    Dump(oneshot::Sender<serde_json::Value>),
}

/// What both sides of a worker use.
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) discovery: Discovery,
    pub(crate) metrics: Metrics,
    pub(crate) credentials: Option<Arc<Credentials>>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) workers: usize,
    time_of_day: fn() -> SystemTime,
}

/// What a connection on a listener without a purpose gets.
const UNSERVED: Step = Step::Close { reason: "listener without a purpose", reset: true };

/// The engine as both sides see it.
pub(crate) type Ctl<'a> = Control<'a, Mesh>;

/// What is at hand during a call.
pub(crate) struct Cx<'a, 'b> {
    pub(crate) ctl: &'a mut Ctl<'b>,
    pub(crate) shared: &'a mut Shared,
}

/// What is remembered of an accepted connection.
pub enum Conn {
    /// Of the application.
    Outbound(Box<outbound::Conn>),
    /// Of somebody else, for the application.
    Inbound(Box<inbound::Conn>),
    /// Octets of another cluster: they come in, and go on by a name.
    Gateway(Box<(inbound::Conn, outbound::Conn)>),
    /// Of nobody: its listener has no purpose.
    Unserved,
}

/// What is remembered of a request.
pub struct Exchange {
    side: Side,
    watched: Watched,
}

/// Whose request it is.
enum Side {
    /// Of the application.
    Outbound(Box<outbound::Exchange>),
    /// For the application.
    Inbound(Box<inbound::Exchange>),
    /// Of another cluster: it comes in, and goes on by its name.
    Gateway(Box<(inbound::Exchange, outbound::Exchange)>),
    /// Of nobody.
    Unserved,
}

/// What is remembered of an endpoint.
pub enum Endpoint {
    /// Of a backend.
    Outbound(outbound::EndpointRef),
    /// The application.
    Inbound(App),
}

/// What the outbound side may use during a call.
macro_rules! cx {
    ($mesh:ident, $ctl:ident) => {
        &mut Cx { ctl: $ctl, shared: &mut $mesh.shared }
    };
}

/// What the inbound side may use during a call.
macro_rules! incoming {
    ($mesh:ident, $ctl:ident) => {
        &mut inbound::Context { ctl: $ctl, metrics: &mut $mesh.shared.metrics }
    };
}

// === impl Mesh ===

impl Mesh {
    /// A worker that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings, discovery: Discovery, tap_base: u32) -> Self {
        let inbound = Inbound::new(
            inbound::Settings::new(&settings.config, settings.workers),
            Box::new(discovery.clone()),
            settings.access_log,
            settings.time_of_day,
        );
        let shared = Shared {
            config: settings.config,
            discovery,
            metrics: Metrics::default(),
            credentials: None,
            listeners: settings.listeners,
            workers: settings.workers.max(1),
            time_of_day: settings.time_of_day,
        };
        let watching = Watching::new(Taps::new(tap_base), settings.tracer);
        let heads = Heads::new(shared.config.log.headers);
        Self { outbound: Outbound::new(&shared), inbound, shared, watching, heads, is_started: false }
    }

    /// Asks for what is known to be needed, so that it is there before the first connection.
    pub fn start(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.is_started, true) {
            self.inbound.start(now);
        }
    }

    /// Discovery or identity has news.
    fn update(&mut self, ctl: &mut Ctl<'_>, update: Update) {
        match update {
            Update::Identity(credentials) => {
                self.shared.credentials = Some(Arc::clone(&credentials));
                self.outbound.identity(cx!(self, ctl));
                self.inbound.set_credentials(incoming!(self, ctl), credentials);
            }
            Update::Inbound(port, answer) => self.inbound.set_answer(incoming!(self, ctl), port, &answer),
            Update::Profile(target, answer) => {
                if let Target::Name(name) = &target {
                    let found = match &answer {
                        Answer::Found(profile) => Some(Arc::clone(profile)),
                        Answer::NotFound | Answer::Rejected(_) => None,
                    };
                    self.inbound.set_profile(&mut self.shared.metrics, name, found, ctl.now());
                }
                self.outbound.update(cx!(self, ctl), Update::Profile(target, answer));
            }
            update => self.outbound.update(cx!(self, ctl), update),
        }
    }

    /// A request of somebody else, for the application or to be routed on.
    fn incoming(
        &mut self,
        ctl: &mut Ctl<'_>,
        request: &Request,
        conn: &mut inbound::Conn,
        head: &mut HeaderList,
    ) -> (Side, RequestStep) {
        match self.inbound.request(incoming!(self, ctl), request, conn, head) {
            (exchange, Routed::Here(step)) => (Side::Inbound(Box::new(exchange)), step),
            (exchange, Routed::On(name)) => {
                let version = exchange.version();
                let (onward, step) =
                    self.outbound.request_by_name(cx!(self, ctl), request, version, name, head);
                (Side::Gateway(Box::new((exchange, onward))), step)
            }
        }
    }

    /// Octets that came in go on by a name.
    fn onward(&mut self, ctl: &mut Ctl<'_>, id: ConnId, conn: &mut Conn, name: NameAddr) -> Step {
        let Conn::Inbound(incoming) = std::mem::replace(conn, Conn::Unserved) else { return UNSERVED };
        let (onward, step) = self.outbound.octets_by_name(cx!(self, ctl), id, incoming.target(), name);
        *conn = Conn::Gateway(Box::new((*incoming, onward)));
        step
    }

    /// The state of this worker for people.
    fn dump(&mut self, ctl: &mut Ctl<'_>) -> serde_json::Value {
        serde_json::json!({
            "outbound": self.outbound.dump(cx!(self, ctl)),
            "inbound": self.inbound.dump(ctl),
        })
    }
}

impl Handler for Mesh {
    type Conn = Conn;
    type Exchange = Exchange;
    type Endpoint = Endpoint;
    type Message = Message;

    fn accepted(&mut self, ctl: &mut Ctl<'_>, accepted: &Accepted) -> (Conn, Step) {
        let target = match self.shared.listeners.get(usize::from(accepted.listener)) {
            Some(Listener::Outbound) => Target::Addr(accepted.original),
            Some(Listener::OutboundTarget(target)) => target.clone(),
            Some(Listener::Inbound) => {
                let (conn, step) = self.inbound.accepted(incoming!(self, ctl), accepted);
                return (Conn::Inbound(Box::new(conn)), step);
            }
            None => return (Conn::Unserved, UNSERVED),
        };
        let (conn, step) = self.outbound.accepted(cx!(self, ctl), accepted, target);
        (Conn::Outbound(Box::new(conn)), step)
    }

    fn advance(&mut self, ctl: &mut Ctl<'_>, id: ConnId, conn: &mut Conn, event: Progress<'_>) -> Step {
        match conn {
            Conn::Outbound(conn) => self.outbound.advance(cx!(self, ctl), conn, event),
            Conn::Inbound(incoming) => match self.inbound.advance(incoming!(self, ctl), id, incoming, &event)
            {
                Advanced::Step(step) => step,
                Advanced::On(name) => self.onward(ctl, id, conn, name),
            },
            Conn::Gateway(both) => self.outbound.advance(cx!(self, ctl), &mut both.1, event),
            Conn::Unserved => UNSERVED,
        }
    }

    fn request(
        &mut self,
        ctl: &mut Ctl<'_>,
        request: &Request,
        conn: &mut Conn,
        head: &mut HeaderList,
    ) -> (Exchange, RequestStep) {
        let now = ctl.now();
        let (side, mut watched, step) = match conn {
            Conn::Outbound(conn) => {
                let random = || ctl.random();
                let watched = self.watching.begin(now, request.version, random, || conn.source(), head);
                let (exchange, step) = self.outbound.request(cx!(self, ctl), request, conn, head);
                (Side::Outbound(Box::new(exchange)), watched, step)
            }
            Conn::Inbound(conn) => {
                let random = || ctl.random();
                let watched = self.watching.begin(now, request.version, random, || conn.source(), head);
                let (side, step) = self.incoming(ctl, request, conn, head);
                (side, watched, step)
            }
            Conn::Gateway(_) | Conn::Unserved => {
                let step = RequestStep::Reset(ErrorCode::REFUSED_STREAM);
                return (Exchange { side: Side::Unserved, watched: Watched::default() }, step);
            }
        };
        self.heads.request(&side, head);
        self.watching.decided(&mut watched, now, &step, head, || side.place(&self.outbound));
        (Exchange { side, watched }, step)
    }

    fn resumed(
        &mut self,
        ctl: &mut Ctl<'_>,
        _id: ExchangeId,
        exchange: &mut Exchange,
        head: &mut HeaderList,
        why: Woken,
    ) -> RequestStep {
        let Exchange { side, watched } = exchange;
        let step = match side {
            Side::Outbound(exchange) => self.outbound.resumed(cx!(self, ctl), exchange, head, why),
            Side::Gateway(both) => self.outbound.resumed(cx!(self, ctl), &mut both.1, head, why),
            Side::Inbound(exchange) => self.inbound.resumed(exchange),
            Side::Unserved => RequestStep::Reset(ErrorCode::REFUSED_STREAM),
        };
        self.watching.decided(watched, ctl.now(), &step, head, || side.place(&self.outbound));
        step
    }

    fn response(
        &mut self,
        ctl: &mut Ctl<'_>,
        attempt: &Attempt,
        exchange: &mut Exchange,
        _endpoint: Option<&mut Endpoint>,
        head: &mut HeaderList,
        end: End,
        trailers: Option<&HeaderList>,
    ) -> ResponseStep {
        let Exchange { side, watched } = exchange;
        let step = match side {
            Side::Outbound(exchange) => {
                self.outbound.response(cx!(self, ctl), attempt, exchange, head, end, trailers)
            }
            Side::Inbound(exchange) => self.inbound.response(attempt, exchange, head, end),
            Side::Gateway(both) => {
                let (incoming, onward) = &mut **both;
                match self.outbound.response(cx!(self, ctl), attempt, onward, head, end, trailers) {
                    ResponseStep::Pass => self.inbound.response(attempt, incoming, head, end),
                    step => {
                        incoming.replied(&step);
                        step
                    }
                }
            }
            Side::Unserved => ResponseStep::Pass,
        };
        match &step {
            ResponseStep::Pass => {
                self.heads.response(side, head);
                self.watching.response(watched, ctl.now(), head, trailers);
            }
            ResponseStep::Reply(reply) => self.watching.reply(watched, ctl.now(), reply),
            ResponseStep::Retry { .. } => {}
        }
        step
    }

    fn failed(
        &mut self,
        ctl: &mut Ctl<'_>,
        attempt: &Attempt,
        exchange: &mut Exchange,
        _endpoint: Option<&mut Endpoint>,
        failure: Failure,
    ) -> ResponseStep {
        let Exchange { side, watched } = exchange;
        let step = match side {
            Side::Outbound(exchange) => self.outbound.failed(cx!(self, ctl), attempt, exchange, failure),
            Side::Gateway(both) => {
                let step = self.outbound.failed(cx!(self, ctl), attempt, &mut both.1, failure);
                both.0.replied(&step);
                step
            }
            Side::Inbound(exchange) => self.inbound.failed(incoming!(self, ctl), attempt, exchange, failure),
            Side::Unserved => ResponseStep::Pass,
        };
        if let ResponseStep::Reply(reply) = &step
            && !attempt.answered
        {
            self.watching.reply(watched, ctl.now(), reply);
        }
        step
    }

    fn data(&mut self, exchange: &mut Exchange, direction: Direction, octets: usize) {
        let metrics = &mut self.shared.metrics;
        match &mut exchange.side {
            Side::Outbound(exchange) => outbound::data(metrics, exchange, direction, octets),
            Side::Inbound(exchange) => self.inbound.data(metrics, exchange, direction, octets),
            Side::Gateway(both) => {
                outbound::data(metrics, &both.1, direction, octets);
                self.inbound.data(metrics, &mut both.0, direction, octets);
            }
            Side::Unserved => {}
        }
    }

    fn trailers(&mut self, exchange: &mut Exchange, direction: Direction, trailers: &mut HeaderList) {
        if direction == Direction::Response {
            exchange.watched.trailers(trailers);
        }
        match &mut exchange.side {
            Side::Outbound(exchange) => outbound::trailers(exchange, direction, trailers),
            Side::Inbound(exchange) => self.inbound.trailers(exchange, direction, trailers),
            Side::Gateway(both) => {
                outbound::trailers(&mut both.1, direction, trailers);
                self.inbound.trailers(&mut both.0, direction, trailers);
            }
            Side::Unserved => {}
        }
    }

    fn finished(
        &mut self,
        ctl: &mut Ctl<'_>,
        exchange: Exchange,
        _endpoint: Option<(EndpointId, &mut Endpoint)>,
        summary: &Summary,
    ) {
        self.watching.finished(exchange.watched, summary);
        match exchange.side {
            Side::Outbound(exchange) => self.outbound.finished(cx!(self, ctl), *exchange, summary),
            Side::Inbound(exchange) => {
                self.inbound.finished(incoming!(self, ctl), *exchange, summary);
            }
            Side::Gateway(both) => {
                let (incoming, onward) = *both;
                self.outbound.finished(cx!(self, ctl), onward, summary);
                self.inbound.finished(incoming!(self, ctl), incoming, summary);
            }
            Side::Unserved => {}
        }
    }

    fn closed(&mut self, ctl: &mut Ctl<'_>, conn: Conn, report: &CloseReport) {
        match conn {
            Conn::Outbound(conn) => self.outbound.closed(cx!(self, ctl), *conn, report),
            Conn::Inbound(conn) => self.inbound.closed(incoming!(self, ctl), *conn, report),
            Conn::Gateway(both) => {
                let (incoming, onward) = *both;
                self.outbound.closed(cx!(self, ctl), onward, report);
                self.inbound.closed(incoming!(self, ctl), incoming, report);
            }
            Conn::Unserved => {}
        }
    }

    fn tunneled(&mut self, conn: &mut Conn, direction: Direction, octets: &[u8], now: Instant) {
        match conn {
            Conn::Outbound(conn) => {
                outbound::tunneled(&mut self.shared.metrics, conn, direction, octets, now);
            }
            Conn::Inbound(conn) => {
                self.inbound.tunneled(&mut self.shared.metrics, conn, direction, octets.len());
            }
            Conn::Gateway(both) => {
                self.inbound.tunneled(&mut self.shared.metrics, &mut both.0, direction, octets.len());
            }
            Conn::Unserved => {}
        }
    }

    fn endpoint(
        &mut self,
        ctl: &mut Ctl<'_>,
        _id: EndpointId,
        endpoint: &mut Endpoint,
        event: EndpointEvent,
    ) {
        match endpoint {
            Endpoint::Outbound(at) => self.outbound.endpoint(cx!(self, ctl), *at, event),
            Endpoint::Inbound(app) => {
                self.inbound.endpoint(&mut self.shared.metrics, app, ctl.now(), event);
            }
        }
    }

    fn message(&mut self, ctl: &mut Ctl<'_>, message: Message) {
        match message {
            Message::Update(update) => self.update(ctl, update),
            Message::Drain(grace) => ctl.drain(grace),
            Message::Tap(taps) => self.watching.taps.replace(taps),
            Message::Collect(reply) => {
                let retain = self.shared.config.process.metrics_retain_idle;
                // Whoever asked may have given up.
                let _ = reply.send(self.shared.metrics.snapshot(ctl.now(), retain));
            }
            Message::Dump(reply) => {
                let _ = reply.send(self.dump(ctl));
            }
        }
    }

    fn tick(&mut self, ctl: &mut Ctl<'_>) {
        self.start(ctl.now());
        self.outbound.tick(cx!(self, ctl));
        self.inbound.tick(incoming!(self, ctl));
    }
}

// === impl Side ===

impl Side {
    /// What it is called in the log.
    fn name(&self) -> &'static str {
        match self {
            Self::Outbound(_) => "outbound",
            Self::Inbound(_) => "inbound",
            Self::Gateway(_) => "gateway",
            Self::Unserved => "none",
        }
    }

    /// Where the request goes, as far as it is known.
    fn place(&self, outbound: &Outbound) -> Option<Place> {
        match self {
            Self::Outbound(exchange) => outbound.place(exchange),
            Self::Gateway(both) => outbound.place(&both.1),
            Self::Inbound(_) | Self::Unserved => None,
        }
    }
}

// === impl Shared ===

impl Shared {
    /// The time of day in seconds since 1970. Not for what every request needs.
    pub(crate) fn unix_seconds(&self) -> f64 {
        let now = (self.time_of_day)();
        now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }
}

// === impl Cx ===

impl Cx<'_, '_> {
    /// The time of this round.
    pub(crate) fn now(&self) -> Instant {
        self.ctl.now()
    }
}

// === impl Endpoint ===

impl From<App> for Endpoint {
    fn from(app: App) -> Self {
        Self::Inbound(app)
    }
}
