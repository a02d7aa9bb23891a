//! A proxy with the inbound side alone, an application that says what it got, and clients.

use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy_net::engine::{
    self, Accepted, Attempt, CloseReport, ConnId, Control, Direction, EndpointEvent, EndpointId, Engine,
    ExchangeId, Failure, Handler, Mailbox, Progress, Request, RequestStep, ResponseStep, Step, Summary,
    Woken,
};
use proxy_net::h2::End;
use proxy_net::headers::HeaderList;
use proxy_net::transport::{ListenOptions, OriginalDst, SocketOptions, listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::super::{Advanced, App, Conn, Context, Exchange, Inbound, Lookups, Routed, Settings};
use crate::identity::Credentials;
use crate::metrics::{Aggregate, Format, Metrics, Snapshot};
use crate::model::inbound::{DefaultAllow, Protocol};
use crate::model::{InboundPolicy, NameAddr};

/// Nothing in a test may take longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A handler that has nothing but the inbound side.
struct Alone {
    inbound: Inbound,
    metrics: Metrics,
}

/// What the test tells it.
pub(super) enum Said {
    Policy(u16, Arc<InboundPolicy>),
    Credentials(Arc<Credentials>),
    Count(oneshot::Sender<Snapshot>),
}

/// Discovery that answers nothing; the test does.
struct Silent;

/// A running proxy.
pub(super) struct Proxy {
    /// Where clients connect.
    pub(super) addr: SocketAddr,
    mailbox: Mailbox<Said>,
    port: u16,
}

/// An application: what its clients sent, connection by connection.
#[derive(Clone)]
pub(super) struct Application {
    pub(super) addr: SocketAddr,
    got: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl Lookups for Silent {
    fn watch_port(&self, _: u16) {}
    fn forget_port(&self, _: u16) {}
    fn watch_profile(&self, _: &NameAddr) {}
    fn forget_profile(&self, _: &NameAddr) {}
}

macro_rules! cx {
    ($alone:ident, $ctl:ident) => {
        &mut Context { ctl: $ctl, metrics: &mut $alone.metrics }
    };
}

impl Handler for Alone {
    type Conn = Conn;
    type Exchange = Exchange;
    type Endpoint = App;
    type Message = Said;

    fn accepted(&mut self, ctl: &mut Control<'_, Self>, accepted: &Accepted) -> (Conn, Step) {
        self.inbound.accepted(cx!(self, ctl), accepted)
    }

    fn advance(
        &mut self,
        ctl: &mut Control<'_, Self>,
        id: ConnId,
        conn: &mut Conn,
        event: Progress<'_>,
    ) -> Step {
        match self.inbound.advance(cx!(self, ctl), id, conn, &event) {
            Advanced::Step(step) => step,
            Advanced::On(_) => Step::Close { reason: "there is no outbound side", reset: false },
        }
    }

    fn request(
        &mut self,
        ctl: &mut Control<'_, Self>,
        request: &Request,
        conn: &mut Conn,
        head: &mut HeaderList,
    ) -> (Exchange, RequestStep) {
        let (mut exchange, routed) = self.inbound.request(cx!(self, ctl), request, conn, head);
        let step = match routed {
            Routed::Here(step) => step,
            Routed::On(_) => self.inbound.unroutable(cx!(self, ctl), &mut exchange),
        };
        (exchange, step)
    }

    fn resumed(
        &mut self,
        _: &mut Control<'_, Self>,
        _: ExchangeId,
        exchange: &mut Exchange,
        _: &mut HeaderList,
        _: Woken,
    ) -> RequestStep {
        self.inbound.resumed(exchange)
    }

    fn response(
        &mut self,
        _: &mut Control<'_, Self>,
        attempt: &Attempt,
        exchange: &mut Exchange,
        _: Option<&mut App>,
        head: &mut HeaderList,
        end: End,
        _: Option<&HeaderList>,
    ) -> ResponseStep {
        self.inbound.response(attempt, exchange, head, end)
    }

    fn failed(
        &mut self,
        ctl: &mut Control<'_, Self>,
        attempt: &Attempt,
        exchange: &mut Exchange,
        _: Option<&mut App>,
        failure: Failure,
    ) -> ResponseStep {
        self.inbound.failed(cx!(self, ctl), attempt, exchange, failure)
    }

    fn data(&mut self, exchange: &mut Exchange, direction: Direction, octets: usize) {
        self.inbound.data(&mut self.metrics, exchange, direction, octets);
    }

    fn trailers(&mut self, exchange: &mut Exchange, direction: Direction, trailers: &mut HeaderList) {
        self.inbound.trailers(exchange, direction, trailers);
    }

    fn finished(
        &mut self,
        ctl: &mut Control<'_, Self>,
        exchange: Exchange,
        _: Option<(EndpointId, &mut App)>,
        summary: &Summary,
    ) {
        self.inbound.finished(cx!(self, ctl), exchange, summary);
    }

    fn closed(&mut self, ctl: &mut Control<'_, Self>, conn: Conn, report: &CloseReport) {
        self.inbound.closed(cx!(self, ctl), conn, report);
    }

    fn tunneled(&mut self, conn: &mut Conn, direction: Direction, octets: &[u8], _: Instant) {
        self.inbound.tunneled(&mut self.metrics, conn, direction, octets.len());
    }

    fn endpoint(&mut self, ctl: &mut Control<'_, Self>, _: EndpointId, app: &mut App, event: EndpointEvent) {
        self.inbound.endpoint(&mut self.metrics, app, ctl.now(), event);
    }

    fn message(&mut self, ctl: &mut Control<'_, Self>, said: Said) {
        match said {
            Said::Policy(port, policy) => self.inbound.set_policy(cx!(self, ctl), port, &policy),
            Said::Credentials(credentials) => self.inbound.set_credentials(cx!(self, ctl), credentials),
            Said::Count(reply) => drop(reply.send(self.metrics.snapshot(ctl.now(), PATIENCE))),
        }
    }

    fn tick(&mut self, ctl: &mut Control<'_, Self>) {
        self.inbound.tick(cx!(self, ctl));
    }
}

// === impl Proxy ===

impl Proxy {
    /// A proxy whose clients all want `target`, where the default policy lets everybody in.
    pub(super) async fn to(target: SocketAddr) -> Self {
        Self::with(target, |_| {}).await
    }

    /// The same with other settings.
    pub(super) async fn with(target: SocketAddr, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::of_test();
        change(&mut settings);
        let (mailbox, inbox) = engine::mailbox(64);
        let inbound = Inbound::new(settings, Box::new(Silent), None, crate::testing::now);
        let handler = Alone { inbound, metrics: Metrics::default() };
        let mut engine = Engine::new(engine::Config::default(), inbox, handler);
        let socket = listen("127.0.0.1:0".parse().unwrap(), ListenOptions::default()).unwrap();
        let addr = socket.local_addr().unwrap();
        let original = OriginalDst::Fixed(target);
        engine
            .listen(engine::Listener { id: 0, socket, options: SocketOptions::default(), original })
            .unwrap();
        tokio::task::spawn_local(engine.run());
        Self { addr, mailbox, port: target.port() }
    }

    /// Puts a policy in force for the application's port. Nobody asks for it before the first connection, so one is made.
    pub(super) async fn set_policy(&self, policy: InboundPolicy) {
        drop(TcpStream::connect(self.addr).await.unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.tell(Said::Policy(self.port, Arc::new(policy))).await;
    }

    pub(super) async fn tell(&self, said: Said) {
        assert!(self.mailbox.send(said).is_ok(), "the proxy is gone");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    /// What was counted, as text.
    pub(super) async fn metrics(&self) -> String {
        let (reply, answer) = oneshot::channel();
        self.tell(Said::Count(reply)).await;
        Aggregate::default().write(vec![answer.await.unwrap()], Format::Text)
    }

    /// Sends octets and reads until the proxy closes or has been silent for a while.
    pub(super) async fn raw(&self, octets: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(octets).await.unwrap();
        read_all(&mut stream).await
    }
}

// === impl Application ===

impl Application {
    /// Answers every connection's first octets with these, and closes.
    pub(super) async fn answering(answer: &'static [u8]) -> Self {
        Self::speaking(move |mut stream, got, index| async move {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                if read == 0 {
                    return;
                }
                got.borrow_mut()[index].extend_from_slice(&buffer[..read]);
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        })
        .await
    }

    /// Talks first, then echoes.
    pub(super) async fn greeting(greeting: &'static [u8]) -> Self {
        Self::speaking(move |mut stream, got, index| async move {
            let _ = stream.write_all(greeting).await;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
                got.borrow_mut()[index].extend_from_slice(&buffer[..read]);
            }
        })
        .await
    }

    async fn speaking<F>(serve: impl Fn(TcpStream, Rc<RefCell<Vec<Vec<u8>>>>, usize) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let application = Self { addr: listener.local_addr().unwrap(), got: Rc::default() };
        let got = application.got.clone();
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let index = got.borrow().len();
                got.borrow_mut().push(Vec::new());
                tokio::task::spawn_local(serve(stream, got.clone(), index));
            }
        });
        application
    }

    /// How many connections there were.
    pub(super) fn connections(&self) -> usize {
        self.got.borrow().len()
    }

    /// What came on all connections, one after the other.
    pub(super) fn got(&self) -> String {
        self.got.borrow().iter().map(|octets| String::from_utf8_lossy(octets).into_owned()).collect()
    }
}

// === helpers ===

/// Runs a test on one thread, within its time.
pub(super) fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    let outcome = local.block_on(&runtime, async { tokio::time::timeout(PATIENCE, test).await });
    assert!(outcome.is_ok(), "the test took longer than {PATIENCE:?}");
}

/// Reads until the end, or until nothing came for a while.
pub(super) async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match tokio::time::timeout(Duration::from_millis(400), stream.read(&mut buffer)).await {
            Ok(Ok(read)) if read > 0 => all.extend_from_slice(&buffer[..read]),
            _ => return all,
        }
    }
}

/// A policy that lets the whole loopback network in, or only who is nobody; both without the rule for the pod itself, from which
/// every client of a test comes.
pub(super) fn policy(allow: DefaultAllow, protocol: Protocol) -> InboundPolicy {
    let mut policy = InboundPolicy::new_default("test", allow, &[], protocol);
    let rules: Vec<_> =
        policy.authorizations.iter().filter(|rule| rule.meta.name() != "localhost").cloned().collect();
    policy.authorizations = rules.into();
    policy
}

/// Detection with a second's patience.
pub(super) fn detect() -> Protocol {
    Protocol::detect(Duration::from_secs(1))
}
