//! A worker in a thread of its own, told by a script what discovery says; servers and clients beside it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proxy_net::engine::{Config as EngineConfig, Engine, Listener as EngineListener, Mailbox, mailbox};
use proxy_net::transport::{ListenOptions, OriginalDst, SocketOptions, listen};
use tokio::sync::{mpsc, oneshot};

use crate::config::{Config, Environment};
use crate::discovery::{Answer, Command, Discovery, Key, Target, Update};
use crate::metrics::{Aggregate, Format};
use crate::model::{EndpointsUpdate, OutboundPolicy, Profile};
use crate::testing::{self, Ca};
use crate::worker::{Listener, Mesh, Message, Settings};

/// How long a test waits for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A worker, and the control plane that it has.
pub(super) struct World {
    pub(super) ca: Ca,
    mailbox: Mailbox<Message>,
    script: Arc<Mutex<Script>>,
    /// One listener a destination.
    listeners: HashMap<Target, SocketAddr>,
}

#[derive(Default)]
struct Script {
    says: HashMap<Key, Update>,
    asked: Vec<Key>,
    forgotten: Vec<Key>,
}

// === impl World ===

impl World {
    /// A worker with a listener for each of these destinations, and further variables.
    pub(super) fn new(destinations: &[Target], more: &[(&str, &str)]) -> Self {
        let ca = Ca::new("root");
        let config = Arc::new(config(&ca, more));
        let (mailbox, inbox) = mailbox(1024);
        let (discovery, mut commands) = Discovery::pair(0);
        let (ready, started) = std::sync::mpsc::channel();
        let targets = destinations.to_vec();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listeners = targets.iter().cloned().map(Listener::OutboundTarget).collect();
                let settings = Settings {
                    config,
                    listeners,
                    workers: 1,
                    time_of_day: testing::now,
                    access_log: None,
                    tracer: None,
                };
                let mesh = Mesh::new(settings, discovery, 7);
                let mut engine = Engine::new(EngineConfig::default(), inbox, mesh);
                let mut addrs = HashMap::new();
                for (id, target) in targets.into_iter().enumerate() {
                    let socket = listen("127.0.0.1:0".parse().unwrap(), ListenOptions::default()).unwrap();
                    addrs.insert(target.clone(), socket.local_addr().unwrap());
                    let original = match target {
                        Target::Addr(addr) => OriginalDst::Fixed(addr),
                        Target::Name(_) => OriginalDst::Local,
                    };
                    let options = SocketOptions::default();
                    engine.listen(EngineListener { id: id as u8, socket, options, original }).unwrap();
                }
                ready.send(addrs).unwrap();
                engine.run().await;
            });
        });
        let script = Arc::new(Mutex::new(Script::default()));
        let (says, mail) = (script.clone(), mailbox.clone());
        std::thread::spawn(move || {
            while let Some(command) = commands.blocking_recv() {
                let mut script = says.lock().unwrap();
                match command {
                    Command::Watch(_, key) => {
                        if let Some(update) = script.says.get(&key).cloned() {
                            let _ = mail.send(Message::Update(update));
                        }
                        script.asked.push(key);
                    }
                    Command::Forget(_, key) => script.forgotten.push(key),
                    _ => {}
                }
            }
        });
        Self { ca, mailbox, script, listeners: started.recv_timeout(PATIENCE).unwrap() }
    }

    /// A worker with one destination, of which there is neither profile nor policy.
    pub(super) fn plain(addr: SocketAddr) -> Self {
        let world = Self::new(&[Target::Addr(addr)], &[]);
        world.say(Update::Outbound(Target::Addr(addr), Answer::NotFound));
        world
    }

    /// From now on discovery says this; who asked already is told.
    pub(super) fn say(&self, update: Update) {
        let key = match &update {
            Update::Profile(target, _) => Key::Profile(target.clone()),
            Update::Outbound(target, _) => Key::Outbound(target.clone()),
            Update::Endpoints(name, _) => Key::Endpoints(name.clone()),
            Update::Faults(_) => Key::Faults,
            Update::Inbound(port, _) => Key::Inbound(*port),
            Update::Identity(_) => {
                return assert!(self.mailbox.send(Message::Update(update)).is_ok());
            }
        };
        let mut script = self.script.lock().unwrap();
        let is_asked = script.asked.contains(&key);
        script.says.insert(key, update.clone());
        if is_asked {
            assert!(self.mailbox.send(Message::Update(update)).is_ok());
        }
    }

    pub(super) fn policy(&self, target: &Target, policy: linkerd2_proxy_api::outbound::OutboundPolicy) {
        let policy = OutboundPolicy::try_from(policy).unwrap();
        self.say(Update::Outbound(target.clone(), Answer::Found(Arc::new(policy))));
    }

    pub(super) fn profile(
        &self,
        target: &Target,
        profile: linkerd2_proxy_api::destination::DestinationProfile,
    ) {
        let profile = Profile::try_from(profile).unwrap();
        self.say(Update::Profile(target.clone(), Answer::Found(Arc::new(profile))));
    }

    pub(super) fn endpoints(&self, name: &str, update: EndpointsUpdate) {
        self.say(Update::Endpoints(name.parse().unwrap(), update));
    }

    /// Where the application connects to.
    pub(super) fn listener(&self, target: &Target) -> SocketAddr {
        self.listeners[target]
    }

    /// Keys that were forgotten.
    pub(super) fn forgotten(&self) -> Vec<Key> {
        self.script.lock().unwrap().forgotten.clone()
    }

    /// The metrics as text.
    pub(super) fn metrics(&self) -> String {
        let (answer, snapshot) = oneshot::channel();
        assert!(self.mailbox.send(Message::Collect(answer)).is_ok());
        Aggregate::default().write(vec![snapshot.blocking_recv().unwrap()], Format::Text)
    }

    /// The state as JSON.
    pub(super) fn dump(&self) -> serde_json::Value {
        let (answer, state) = oneshot::channel();
        assert!(self.mailbox.send(Message::Dump(answer)).is_ok());
        state.blocking_recv().unwrap()["outbound"].clone()
    }

    /// The value of the series of a family whose labels contain all of these texts.
    pub(super) fn metric(&self, family: &str, labels: &[&str]) -> Option<f64> {
        let text = self.metrics();
        let line = text.lines().find(|line| {
            line.split(['{', ' ']).next() == Some(family) && labels.iter().all(|label| line.contains(label))
        })?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Waits until a metric has this value.
    pub(super) fn wait_for_metric(&self, family: &str, labels: &[&str], value: f64) {
        let end = Instant::now() + PATIENCE;
        while self.metric(family, labels) != Some(value) {
            assert!(Instant::now() < end, "{family} {labels:?} is not {value}:\n{}", self.metrics());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.mailbox.send(Message::Drain(Duration::ZERO));
    }
}

fn config(ca: &Ca, more: &[(&str, &str)]) -> Config {
    let base = [
        ("DESTINATION_SVC_ADDR", "localhost.:8086"),
        ("POLICY_SVC_ADDR", "localhost.:8090"),
        ("POLICY_WORKLOAD", "web-0"),
        ("IDENTITY_SVC_ADDR", "localhost.:8080"),
        ("IDENTITY_DIR", "/nowhere"),
        ("IDENTITY_TOKEN_FILE", "/nowhere"),
        ("IDENTITY_LOCAL_NAME", "client.ns.serviceaccount.identity.linkerd.cluster.local"),
        ("OUTBOUND_ALLOW_LOOPBACK", "true"),
        ("OUTBOUND_HTTP_FAILFAST_TIMEOUT", "300ms"),
        ("OUTBOUND_TCP_FAILFAST_TIMEOUT", "300ms"),
        ("OUTBOUND_DISCOVERY_IDLE_TIMEOUT", "1s"),
        ("DESTINATION_PROFILE_SUFFIXES", "svc.cluster.local"),
    ];
    let anchors = ca.bundle_pem();
    let environment: Environment = base
        .iter()
        .chain(more)
        .chain([&("IDENTITY_TRUST_ANCHORS", anchors.as_str())])
        .map(|(name, value)| (format!("LINKERD2_PROXY_{name}"), (*value).to_owned()))
        .collect();
    Config::read(&environment).unwrap()
}

/// An HTTP server of both versions on loopback. It lives as long as the test.
pub(super) fn serve<F, R>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<Answered>> + Send + 'static,
{
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    socket.set_nonblocking(true).unwrap();
    on_runtime(async move {
        let socket = tokio::net::TcpListener::from_std(socket).unwrap();
        loop {
            let Ok((stream, _)) = socket.accept().await else { return };
            let answer = answer.clone();
            let service = hyper::service::service_fn(move |request| {
                let response = answer(request);
                async move { Ok::<_, Infallible>(response.await) }
            });
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    addr
}

/// The body of an answer.
pub(super) type Answered = http_body_util::Either<Full<Bytes>, WithTrailers>;

/// A body that ends with trailers.
pub(super) struct WithTrailers {
    data: Option<Bytes>,
    trailers: Option<http::HeaderMap>,
}

impl hyper::body::Body for WithTrailers {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let frame = this.data.take().map(hyper::body::Frame::data);
        std::task::Poll::Ready(
            frame.or_else(|| this.trailers.take().map(hyper::body::Frame::trailers)).map(Ok),
        )
    }
}

/// An answer with a text.
pub(super) fn text(status: u16, text: &str) -> Response<Answered> {
    let body = http_body_util::Either::Left(Full::from(text.to_owned()));
    Response::builder().status(status).body(body).unwrap()
}

/// An answer of a gRPC server.
pub(super) fn grpc(status: &str) -> Response<Answered> {
    let trailers = http::HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        http::HeaderValue::from_str(status).unwrap(),
    )]);
    let data = (status == "0").then(|| Bytes::from_static(b"\0\0\0\0\0"));
    let body = http_body_util::Either::Right(WithTrailers { data, trailers: Some(trailers) });
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}

/// Runs something in the background for as long as the test.
pub(super) fn on_runtime(work: impl Future<Output = ()> + Send + 'static) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work);
    });
}

/// A connection to a destination.
pub(super) struct Client(pub(super) TcpStream);

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Client {
    pub(super) fn new(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub(super) fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.send("GET", path, fields, "")
    }

    pub(super) fn send(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Reply {
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        if !fields.iter().any(|(name, _)| *name == "host") {
            request.push_str("host: web.ns\r\n");
        }
        for (name, value) in fields {
            request.extend([name, ": ", value, "\r\n"]);
        }
        if !body.is_empty() {
            request.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.0.write_all(request.as_bytes()).unwrap();
        self.read()
    }

    fn read(&mut self) -> Reply {
        let mut seen = Vec::new();
        let mut chunk = [0; 4096];
        let head_end = loop {
            if let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let count = self.0.read(&mut chunk).expect("a response within the patience of the test");
            assert!(count > 0, "connection ended after {:?}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&chunk[..count]);
        };
        let head = String::from_utf8(seen[..head_end].to_vec()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
        let mut body = seen[head_end..].to_vec();
        while body.len() < length {
            let count = self.0.read(&mut chunk).unwrap();
            assert!(count > 0, "connection ended within a body");
            body.extend_from_slice(&chunk[..count]);
        }
        Reply { status, head, body: String::from_utf8(body).unwrap() }
    }
}

impl Reply {
    /// The value of a field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Requests of HTTP/2 over one connection.
pub(super) struct Http2 {
    requests: mpsc::UnboundedSender<Asked>,
}

type Asked = (Request<Full<Bytes>>, std::sync::mpsc::Sender<Result<Gathered, hyper::Error>>);

/// A whole response of HTTP/2.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) head: http::response::Parts,
    pub(super) body: Bytes,
    pub(super) trailers: Option<http::HeaderMap>,
}

impl Http2 {
    pub(super) fn new(addr: SocketAddr) -> Self {
        let (requests, mut queue) = mpsc::unbounded_channel::<Asked>();
        on_runtime(async move {
            let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
            let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
            let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            while let Some((request, answer)) = queue.recv().await {
                let response = sender.send_request(request);
                tokio::spawn(async move {
                    let _ = answer.send(gather(response).await);
                });
            }
        });
        Self { requests }
    }

    pub(super) fn send(&self, request: Request<Full<Bytes>>) -> Result<Gathered, hyper::Error> {
        let (answer, gathered) = std::sync::mpsc::channel();
        self.requests.send((request, answer)).unwrap();
        gathered.recv_timeout(PATIENCE).expect("a response within the patience of the test")
    }

    /// A call of gRPC.
    pub(super) fn call(&self, path: &str) -> Gathered {
        let request = Request::post(format!("http://web.ns{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::from(Bytes::from_static(b"\0\0\0\0\0")))
            .unwrap();
        self.send(request).unwrap()
    }
}

async fn gather(
    response: impl Future<Output = Result<Response<Incoming>, hyper::Error>>,
) -> Result<Gathered, hyper::Error> {
    use http_body_util::BodyExt as _;
    let (head, body) = response.await?.into_parts();
    let collected = body.collect().await?;
    let trailers = collected.trailers().cloned();
    Ok(Gathered { head, body: collected.to_bytes(), trailers })
}

impl Gathered {
    /// The status of gRPC, from wherever it came.
    pub(super) fn grpc_status(&self) -> Option<&str> {
        let of =
            |headers: &http::HeaderMap| headers.get("grpc-status").map(|it| it.to_str().unwrap().to_owned());
        let status = self.trailers.as_ref().and_then(of).or_else(|| of(&self.head.headers))?;
        // The statuses of the tests are few.
        ["0", "4", "7", "13", "14"].into_iter().find(|known| *known == status)
    }
}
