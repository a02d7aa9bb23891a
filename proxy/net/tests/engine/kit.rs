//! What the tests of the engine share: a handler by closures, engines on threads, and certificates.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proxy_net::backoff::Backoff;
use proxy_net::engine::{
    Accepted, Attempt, CloseReport, Config, ConnId, Control, Detected, Direction, EndpointEvent, EndpointId,
    EndpointQueue, EndpointSpec, EndpointTls, Engine, ExchangeId, Failure, Forward, H2Server, Handler,
    Listener, Mailbox, Prefaces, Progress, Reply, Request, RequestStep, ResponseStep, ServeHttp, Step,
    Summary, Timeouts, Upstream, Woken, mailbox,
};
use proxy_net::h2::End;
use proxy_net::headers::HeaderList;
use proxy_net::transport::{ListenOptions, OriginalDst, SocketOptions, listen};

/// What a test's engine does; every part can be replaced.
pub(crate) struct Script {
    pub(crate) config: Config,
    pub(crate) server: Option<Arc<rustls::ServerConfig>>,
    pub(crate) h2: H2Server,
    pub(crate) mode: Mode,
    pub(crate) target: Option<EndpointSpec>,
    /// Whether requests go to the port of this machine that their authority names instead.
    pub(crate) by_authority: bool,
    pub(crate) protocol: Upstream,
    pub(crate) timeouts: Timeouts,
    pub(crate) replay: usize,
    pub(crate) hold: bool,
    pub(crate) idle: Option<Duration>,
    #[allow(clippy::type_complexity, reason = "one closure of a test")]
    pub(crate) on_request:
        Option<Box<dyn FnMut(&Request, &mut HeaderList, EndpointId) -> Option<RequestStep> + Send>>,
    #[allow(clippy::type_complexity, reason = "one closure of a test")]
    pub(crate) on_response:
        Option<Box<dyn FnMut(&Attempt, &HeaderList, Option<&HeaderList>) -> ResponseStep + Send>>,
    #[allow(clippy::type_complexity, reason = "one closure of a test")]
    pub(crate) on_failed: Option<Box<dyn FnMut(&Attempt, Failure) -> ResponseStep + Send>>,
}

/// How accepted connections are treated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Look for TLS (terminated if there is a configuration, else passed through), then for HTTP.
    Detect,
    Http1,
    Http2,
    Tunnel,
    TransportHeader,
    ProxyHeader,
    Refuse,
}

/// What happened, as the handler was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Accepted(SocketAddr),
    Sni(Option<String>),
    Secured { alpn: Option<Vec<u8>>, client: bool },
    Header(u16),
    ProxyHeader(Option<SocketAddr>),
    Protocol(Detected),
    Silent,
    TimedOut,
    StepFailed(&'static str),
    Request(String),
    Response(u32, String),
    Failed(u32, Failure),
    Data(Direction, usize),
    Trailers(Direction, usize),
    Finished(Option<Failure>, u64, u64),
    Closed(Option<&'static str>, i32),
    Tunneled(Direction, usize),
    Endpoint(EndpointEvent),
}

/// What a test may tell its engine.
#[derive(Debug)]
pub(crate) enum Order {
    Drain(Duration),
    RemoveEndpoint,
    CloseConns,
}

/// An engine that runs.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) mailbox: Mailbox<Order>,
    notes: Receiver<Note>,
    seen: Vec<Note>,
    thread: Option<JoinHandle<()>>,
}

struct Scripted {
    script: Script,
    endpoint: Option<EndpointId>,
    conns: Vec<ConnId>,
    notes: Sender<Note>,
}

// === impl Script ===

impl Script {
    pub(crate) fn to(target: EndpointSpec, protocol: Upstream) -> Self {
        Self {
            config: Config::default(),
            server: None,
            h2: H2Server { config: proxy_net::h2::Config::default(), keep_alive: None, send_buffer: None },
            mode: Mode::Detect,
            target: Some(target),
            by_authority: false,
            protocol,
            timeouts: Timeouts::default(),
            replay: 0,
            hold: false,
            idle: None,
            on_request: None,
            on_response: None,
            on_failed: None,
        }
    }

    pub(crate) fn run(self) -> Running {
        let (sender, notes) = channel();
        let (mailbox, inbox) = mailbox(64);
        let socket = listen("127.0.0.1:0".parse().unwrap(), ListenOptions::default()).unwrap();
        let addr = socket.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let config = self.config;
                let scripted = Scripted { script: self, endpoint: None, conns: Vec::new(), notes: sender };
                let mut engine = Engine::new(config, inbox, scripted);
                let options = SocketOptions::default();
                engine.listen(Listener { id: 1, socket, options, original: OriginalDst::Local }).unwrap();
                let (handler, mut control) = engine.handler();
                if let Some(spec) = handler.script.target.clone() {
                    handler.endpoint = Some(control.add_endpoint(spec, 0));
                }
                tokio::task::unconstrained(engine.run()).await;
            });
        });
        Running { addr, mailbox, notes, seen: Vec::new(), thread: Some(thread) }
    }
}

// === impl Running ===

impl Running {
    /// Waits until something was noted, at most ten seconds.
    pub(crate) fn wait_for(&mut self, what: impl Fn(&Note) -> bool) -> Note {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(at) = self.seen.iter().position(&what) {
                return self.seen.remove(at);
            }
            match self.notes.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(note) => self.seen.push(note),
                Err(_) => panic!("not noted within ten seconds; noted: {:?}", self.seen),
            }
        }
    }

    /// Whether something has been noted by now.
    pub(crate) fn has(&mut self, what: impl Fn(&Note) -> bool) -> bool {
        self.seen.extend(self.notes.try_iter());
        self.seen.iter().any(what)
    }

    /// Octets of a direction that have come since this was asked last.
    pub(crate) fn taken(&mut self, direction: Direction) -> usize {
        self.seen.extend(self.notes.try_iter());
        let mut sum = 0;
        self.seen.retain(|note| match note {
            Note::Data(way, octets) if *way == direction => {
                sum += octets;
                false
            }
            _ => true,
        });
        sum
    }

    /// Octets of a direction that have come once nothing more comes.
    pub(crate) async fn settled(&mut self, direction: Direction) -> usize {
        let mut sum = 0;
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < until, "it goes on or never began: {sum} octets");
            tokio::time::sleep(Duration::from_millis(700)).await;
            let more = self.taken(direction);
            sum += more;
            if more == 0 && sum > 0 {
                return sum;
            }
        }
    }

    /// Has the engine end and waits for that.
    pub(crate) fn stop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let _ = self.mailbox.send(Order::Drain(Duration::ZERO));
        if thread.join().is_err() && !std::thread::panicking() {
            panic!("the engine's thread panicked");
        }
    }

    /// Whether the engine has ended of itself within so long.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

// === impl Scripted ===

impl Scripted {
    fn note(&self, note: Note) {
        let _ = self.notes.send(note);
    }

    fn serve(&self, http2: bool) -> Step {
        let serve = ServeHttp { h2: self.script.h2 };
        if http2 { Step::ServeHttp2(serve) } else { Step::ServeHttp1(serve) }
    }

    fn tunnel(&self) -> Step {
        match self.endpoint {
            Some(endpoint) => Step::Tunnel { endpoint, idle: self.script.idle },
            None => Step::Close { reason: "no target", reset: true },
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

impl Handler for Scripted {
    type Conn = ();
    type Exchange = ();
    type Endpoint = u32;
    type Message = Order;

    fn accepted(&mut self, _: &mut Control<'_, Self>, accepted: &Accepted) -> ((), Step) {
        self.note(Note::Accepted(accepted.peer));
        self.conns.push(accepted.id);
        let step = match self.script.mode {
            Mode::Detect => Step::SniffTls { timeout: PATIENCE, silence: Some(Duration::from_millis(300)) },
            Mode::Http1 => self.serve(false),
            Mode::Http2 => self.serve(true),
            Mode::Tunnel => self.tunnel(),
            Mode::TransportHeader => Step::ReadTransportHeader { timeout: PATIENCE },
            Mode::ProxyHeader => Step::ReadProxyHeader { timeout: PATIENCE },
            Mode::Refuse => Step::Close { reason: "refused", reset: true },
        };
        ((), step)
    }

    fn advance(&mut self, _: &mut Control<'_, Self>, _: ConnId, (): &mut (), event: Progress<'_>) -> Step {
        let detect = Step::DetectHttp { timeout: PATIENCE, silence: Some(Duration::from_millis(300)) };
        match event {
            Progress::Hello { sni } => {
                self.note(Note::Sni(sni.map(str::to_owned)));
                match &self.script.server {
                    Some(config) => Step::TerminateTls { config: Arc::clone(config), timeout: PATIENCE },
                    None => self.tunnel(),
                }
            }
            Progress::NotTls | Progress::FirstOctet => detect,
            Progress::Silent => {
                self.note(Note::Silent);
                match self.endpoint {
                    Some(endpoint) => Step::TunnelServerFirst { endpoint, idle: self.script.idle },
                    None => Step::Close { reason: "silent", reset: false },
                }
            }
            Progress::Secured { alpn, client } => {
                self.note(Note::Secured { alpn: alpn.map(<[u8]>::to_vec), client: client.is_some() });
                detect
            }
            Progress::Header(header) => {
                self.note(Note::Header(header.port));
                detect
            }
            Progress::ProxyHeader(peer) => {
                self.note(Note::ProxyHeader(peer));
                detect
            }
            Progress::Protocol(found) => {
                self.note(Note::Protocol(found));
                match found {
                    Detected::Http1 => self.serve(false),
                    Detected::Http2 => self.serve(true),
                    Detected::Opaque => self.tunnel(),
                }
            }
            Progress::Resumed => detect,
            Progress::TimedOut => {
                self.note(Note::TimedOut);
                Step::Close { reason: "timed out", reset: false }
            }
            Progress::Failed(reason) => {
                self.note(Note::StepFailed(reason));
                Step::Close { reason, reset: false }
            }
        }
    }

    fn request(
        &mut self,
        ctl: &mut Control<'_, Self>,
        request: &Request,
        (): &mut (),
        head: &mut HeaderList,
    ) -> ((), RequestStep) {
        self.note(Note::Request(text(head.value(b":path"))));
        if self.script.by_authority {
            let authority = text(head.value(b":authority"));
            let port = authority.rsplit(':').next().unwrap().parse().unwrap();
            let target = SocketAddr::from(([127, 0, 0, 1], port));
            self.endpoint = Some(ctl.add_endpoint(endpoint(target), 0));
        }
        let Some(endpoint) = self.endpoint else {
            return ((), RequestStep::Reply(Box::new(Reply { status: 503, ..Reply::default() })));
        };
        if let Some(step) = self.script.on_request.as_mut().and_then(|call| call(request, head, endpoint)) {
            return ((), step);
        }
        ((), RequestStep::Forward(self.script.forward(endpoint)))
    }

    fn resumed(
        &mut self,
        _: &mut Control<'_, Self>,
        _: ExchangeId,
        (): &mut (),
        _: &mut HeaderList,
        _: Woken,
    ) -> RequestStep {
        match self.endpoint {
            Some(endpoint) => RequestStep::Forward(self.script.forward(endpoint)),
            None => RequestStep::Reply(Box::new(Reply { status: 503, ..Reply::default() })),
        }
    }

    fn response(
        &mut self,
        _: &mut Control<'_, Self>,
        attempt: &Attempt,
        (): &mut (),
        endpoint: Option<&mut u32>,
        head: &mut HeaderList,
        _: End,
        trailers: Option<&HeaderList>,
    ) -> ResponseStep {
        if let Some(count) = endpoint {
            *count += 1;
        }
        self.note(Note::Response(attempt.number, text(head.value(b":status"))));
        match &mut self.script.on_response {
            Some(call) => call(attempt, head, trailers),
            None => ResponseStep::Pass,
        }
    }

    fn failed(
        &mut self,
        _: &mut Control<'_, Self>,
        attempt: &Attempt,
        (): &mut (),
        _: Option<&mut u32>,
        failure: Failure,
    ) -> ResponseStep {
        self.note(Note::Failed(attempt.number, failure));
        match &mut self.script.on_failed {
            Some(call) => call(attempt, failure),
            None => ResponseStep::Reply(Box::new(Reply { status: 502, ..Reply::default() })),
        }
    }

    fn data(&mut self, (): &mut (), direction: Direction, octets: usize) {
        self.note(Note::Data(direction, octets));
    }

    fn trailers(&mut self, (): &mut (), direction: Direction, trailers: &mut HeaderList) {
        self.note(Note::Trailers(direction, trailers.len()));
    }

    fn finished(
        &mut self,
        _: &mut Control<'_, Self>,
        (): (),
        _: Option<(EndpointId, &mut u32)>,
        summary: &Summary,
    ) {
        self.note(Note::Finished(summary.failure, summary.request_octets, summary.response_octets));
    }

    fn closed(&mut self, _: &mut Control<'_, Self>, (): (), report: &CloseReport) {
        self.note(Note::Closed(report.reason, report.errno));
    }

    fn tunneled(&mut self, (): &mut (), direction: Direction, octets: &[u8], _: Instant) {
        self.note(Note::Tunneled(direction, octets.len()));
    }

    fn endpoint(&mut self, _: &mut Control<'_, Self>, _: EndpointId, _: &mut u32, event: EndpointEvent) {
        if !matches!(event, EndpointEvent::Octets { .. }) {
            self.note(Note::Endpoint(event));
        }
    }

    fn message(&mut self, ctl: &mut Control<'_, Self>, order: Order) {
        match order {
            Order::Drain(grace) => ctl.drain(grace),
            Order::RemoveEndpoint => {
                if let Some(endpoint) = self.endpoint.take() {
                    ctl.remove_endpoint(endpoint);
                }
            }
            Order::CloseConns => {
                for conn in self.conns.drain(..) {
                    ctl.close_conn(conn, "told to");
                }
            }
        }
    }

    fn tick(&mut self, _: &mut Control<'_, Self>) {}
}

impl Script {
    pub(crate) fn forward(&self, endpoint: EndpointId) -> Forward {
        Forward {
            endpoint,
            protocol: self.protocol,
            replay: self.replay,
            timeouts: self.timeouts,
            hold_for_trailers: self.hold,
        }
    }
}

fn text(value: Option<&[u8]>) -> String {
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

/// An endpoint with limits that suit tests.
pub(crate) fn endpoint(addr: SocketAddr) -> EndpointSpec {
    EndpointSpec {
        addr,
        tls: None,
        preface: Prefaces::default(),
        connect_timeout: Duration::from_secs(2),
        queue: EndpointQueue { capacity: 10_000, wait: Duration::from_secs(2) },
        backoff: Backoff::new(Duration::from_millis(20), Duration::from_millis(200), 0.0).unwrap(),
        keep_alive: None,
        user_timeout: None,
        h2: proxy_net::h2::Config::default(),
        h2_keep_alive: None,
        http1_idle: Duration::from_secs(5),
        http1_max_idle: 100,
        eager: None,
    }
}

/// A certificate authority and one leaf that both sides use.
pub(crate) struct Pki {
    roots: Arc<rustls::RootCertStore>,
    chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    key: Vec<u8>,
}

pub(crate) const NAME: &str = "peer.test";

impl Pki {
    pub(crate) fn new() -> Self {
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = rcgen::Issuer::from_params(&ca, &ca_key);
        let leaf_key = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca.self_signed(&ca_key).unwrap().der().clone()).unwrap();
        Self { roots: Arc::new(roots), chain: vec![leaf.der().clone()], key: leaf_key.serialize_der() }
    }

    pub(crate) fn server(&self, alpn: &[&[u8]]) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&self.roots),
            Arc::clone(&provider),
        );
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(self.chain.clone(), self.private_key())
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config.enable_secret_extraction = true;
        Arc::new(config)
    }

    pub(crate) fn client(&self, name: &str, alpn: &[&[u8]]) -> EndpointTls {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(self.chain.clone(), self.private_key())
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config.enable_secret_extraction = true;
        let server_name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
        EndpointTls { config: Arc::new(config), server_name }
    }

    fn private_key(&self) -> rustls_pki_types::PrivateKeyDer<'static> {
        rustls_pki_types::PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}
