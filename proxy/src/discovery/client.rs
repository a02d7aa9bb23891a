//! A client of one server of the control plane, for generated gRPC clients to call.
//!
//! There is one connection at a time. It is made when somebody wants it, to one of the server's addresses in random order, and
//! replaced after a while, so that replicas share their clients. Requests wait within a bound and a limit while there is none.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use parking_lot::Mutex;
use proxy_net::backoff::Backoff;
use rand::seq::SliceRandom as _;
use tokio::sync::{Notify, watch};
use tower::Service;

use super::connect::{ClientAuth, ConnectError, InvalidServer, Security, Sender, connect};
use crate::config::{self, HostPort};
use crate::dns::{ResolveError, Resolver};
use crate::identity::State;
use crate::metrics::{
    ClientTls, ControlBalancer, ControlClient, ControlCounts, ControlKind, ControlRequest, ControlRequests,
    NoClientTls,
};

/// Requests that may wait for a connection.
const MAX_WAITING: usize = 1_000;
/// How long they wait.
const FAILFAST: Duration = Duration::from_secs(30);
/// Streams that one connection carries; common servers allow a hundred. More would wait for each other without an end.
const MAX_STREAMS: usize = 90;
/// How long a connection is used for new streams, with up to a quarter more.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Where the server is.
    pub target: HostPort,
    /// How connections are protected.
    pub security: Security,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// Between failures.
    pub backoff: Backoff,
    /// Where requests are counted.
    pub requests: ControlRequests,
    /// Where connections, and those who wait for one, are.
    pub balancer: ControlBalancer,
}

impl ClientConfig {
    /// A client of a server that a configuration names.
    ///
    /// # Errors
    /// When the server's identity cannot be asked for in TLS.
    pub fn new(
        service: &config::Service,
        control: &config::Control,
        identity: &watch::Receiver<State>,
        client: ClientAuth,
        kind: ControlKind,
        counts: &ControlCounts,
    ) -> Result<Self, InvalidServer> {
        let addr = service.address.to_string();
        let labels = ControlClient {
            addr: &addr,
            tls: match &service.identity {
                Some(id) => ClientTls::Established(id.as_str()),
                None => ClientTls::None(NoClientTls::Loopback),
            },
        };
        Ok(Self {
            target: service.address.clone(),
            security: Security::of(service, identity, client)?,
            connect_timeout: control.connect_timeout,
            backoff: control.backoff,
            requests: ControlRequests::new(counts.metrics.clone(), labels),
            balancer: ControlBalancer::new(counts, kind, &addr, FAILFAST),
        })
    }
}

/// Sends requests to the server. Clones share the connection; it closes with the last of them.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// Why a request was not sent.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Too many wait already.
    #[error("{MAX_WAITING} requests to {target} wait already")]
    Full {
        /// The server.
        target: String,
    },
    /// There was no connection in time.
    #[error("no connection to {target} for {FAILFAST:?}: {cause}")]
    Unavailable {
        /// The server.
        target: String,
        /// What went wrong last.
        cause: String,
    },
    /// The connection ended under the request.
    #[error("request to {target}: {source}")]
    Request {
        /// The server.
        target: String,
        /// How.
        source: hyper::Error,
    },
}

/// What is known of a client's connection, for metrics and the state dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientState {
    /// Where it is connected to.
    pub connected: Option<SocketAddr>,
    /// Connections so far.
    pub connects: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// What went wrong last.
    pub last_error: Option<String>,
}

struct Shared {
    target: String,
    requests: ControlRequests,
    balancer: ControlBalancer,
    authority: Authority,
    connection: watch::Receiver<Option<Connection>>,
    control: Arc<Control>,
}

/// What the requests and the task that connects have in common.
#[derive(Default)]
struct Control {
    /// Somebody waits for a connection.
    wanted: Notify,
    /// The connection is to be replaced.
    retire: Notify,
    waiting: AtomicUsize,
    connects: AtomicU64,
    failures: AtomicU64,
    last: Mutex<(Option<SocketAddr>, Option<String>)>,
}

#[derive(Clone)]
struct Connection {
    sender: Sender,
    number: u64,
    /// Streams that are open on it.
    streams: Arc<AtomicUsize>,
}

/// The body of a response: its stream counts until it is dropped.
pub struct Body {
    inner: Incoming,
    counted: ControlRequest,
    _stream: Stream,
}

/// Counts one stream of a connection.
struct Stream(Arc<AtomicUsize>);

/// Counts one who waits.
struct Waiting<'a>(&'a AtomicUsize);

// === impl Client ===

impl Client {
    /// A client with a task of its own that connects when there is something to send.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn spawn(config: ClientConfig, resolver: Arc<Resolver>) -> Self {
        let (publish, connection) = watch::channel(None);
        let control = Arc::new(Control::default());
        let (requests, balancer) = (config.requests.clone(), config.balancer.clone());
        let target = config.target.to_string();
        // A host and a port as they were parsed are an authority; the fallback is never sent anywhere.
        let authority = target.parse().unwrap_or_else(|_| Authority::from_static("control-plane"));
        tokio::spawn(maintain(config, resolver, publish, control.clone()));
        Self { shared: Arc::new(Shared { target, requests, balancer, authority, connection, control }) }
    }

    /// The server does not do what it should on the present connection: the next request goes by another.
    pub fn suspect(&self) {
        self.shared.control.retire.notify_one();
    }

    /// How the connection is doing.
    pub fn state(&self) -> ClientState {
        let control = &self.shared.control;
        let (connected, last_error) = control.last.lock().clone();
        ClientState {
            connected,
            connects: control.connects.load(Ordering::Relaxed),
            failures: control.failures.load(Ordering::Relaxed),
            last_error,
        }
    }
}

impl Service<Request<tonic::body::Body>> for Client {
    type Response = Response<Body>;
    type Error = ClientError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ClientError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<tonic::body::Body>) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move {
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            (parts.scheme, parts.authority) = (Some(Scheme::HTTP), Some(shared.authority.clone()));
            *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
            let (mut sender, stream) = shared.sender().await?;
            let mut counted = shared.requests.begin(Instant::now());
            match sender.send_request(request).await {
                Ok(response) => {
                    counted.head(response.status(), response.headers());
                    Ok(response.map(|inner| Body { inner, counted, _stream: stream }))
                }
                Err(source) => {
                    counted.failed();
                    Err(ClientError::Request { target: shared.target.clone(), source })
                }
            }
        })
    }
}

// === impl Shared ===

impl Shared {
    /// The present connection, or the next.
    async fn sender(&self) -> Result<(Sender, Stream), ClientError> {
        let _waiting = Waiting::new(&self.control.waiting)
            .ok_or_else(|| ClientError::Full { target: self.target.clone() })?;
        let waiting = self.balancer.wait(Instant::now());
        let ready = async {
            let mut connection = self.connection.clone();
            loop {
                let present = connection.borrow_and_update().clone();
                if let Some(Connection { mut sender, number, streams }) = present {
                    match Stream::new(&streams) {
                        None => self.control.retire.notify_one(),
                        Some(stream) if sender.ready().await.is_ok() => {
                            tracing::trace!(server = self.target, number, "sending on connection");
                            return Some((sender, stream));
                        }
                        Some(_) => {}
                    }
                }
                self.control.wanted.notify_one();
                connection.changed().await.ok()?;
            }
        };
        let cause = match tokio::time::timeout(FAILFAST, ready).await {
            Ok(Some(sender)) => {
                waiting.pass(Instant::now());
                return Ok(sender);
            }
            Ok(None) => "the client has ended".to_owned(),
            Err(_) => {
                self.balancer.gave_up();
                self.control.last.lock().1.clone().unwrap_or_else(|| "still connecting".to_owned())
            }
        };
        Err(ClientError::Unavailable { target: self.target.clone(), cause })
    }
}

// === impl Stream ===

impl Stream {
    fn new(count: &Arc<AtomicUsize>) -> Option<Self> {
        let stream = Self(count.clone());
        (count.fetch_add(1, Ordering::Relaxed) < MAX_STREAMS).then_some(stream)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Body ===

impl http_body::Body for Body {
    type Data = bytes::Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, hyper::Error>>> {
        let Self { inner, counted, .. } = self.get_mut();
        let frame = ready!(Pin::new(inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => match frame.trailers_ref() {
                Some(trailers) => counted.trailers(trailers),
                None => counted.frame(Instant::now()),
            },
            Some(Err(_)) => counted.failed(),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Keeps a connection while somebody wants it, until the last client is gone.
async fn maintain(
    config: ClientConfig,
    resolver: Arc<Resolver>,
    publish: watch::Sender<Option<Connection>>,
    control: Arc<Control>,
) {
    tokio::select! {
        () = keep_connected(&config, &resolver, &publish, &control) => {}
        () = publish.closed() => {}
    }
}

async fn keep_connected(
    config: &ClientConfig,
    resolver: &Resolver,
    publish: &watch::Sender<Option<Connection>>,
    control: &Control,
) {
    let target = config.target.to_string();
    let mut failures = 0;
    loop {
        control.wanted.notified().await;
        // A suspicion that came late is of the connection that is gone.
        let _ = futures::FutureExt::now_or_never(control.retire.notified());
        match one_of(config, resolver).await {
            Ok((addr, sender, driver)) => {
                failures = 0;
                let number = control.connects.fetch_add(1, Ordering::Relaxed) + 1;
                control.last.lock().0 = Some(addr);
                let counted = config.balancer.connected();
                tracing::debug!(%target, %addr, "connected");
                publish.send_replace(Some(Connection { sender, number, streams: Arc::default() }));
                hold(driver, control).await;
                publish.send_replace(None);
                control.last.lock().0 = None;
                drop(counted);
            }
            Err((error, retry_after)) => {
                control.failures.fetch_add(1, Ordering::Relaxed);
                let wait = config.backoff.delay(failures, rand::random());
                let wait = retry_after.map_or(wait, |least| wait.max(least).min(config.backoff.max()));
                failures = failures.saturating_add(1);
                tracing::warn!(%target, %error, ?wait, "cannot connect to the control plane");
                control.last.lock().1 = Some(error);
                tokio::time::sleep(wait).await;
                // Whoever waited waits still, and has asked once only.
                control.wanted.notify_one();
            }
        }
    }
}

/// Returns when the connection should no longer be given out. Its streams go on for as long as they last.
async fn hold(driver: impl Future<Output = ()> + Send + 'static, control: &Control) {
    let lifetime = LIFETIME + LIFETIME.mul_f64(rand::random_range(0.0..0.25));
    tokio::select! {
        _ = tokio::spawn(driver) => {}
        () = tokio::time::sleep(lifetime) => {}
        () = control.retire.notified() => {}
    }
}

type Connected<D> = (SocketAddr, Sender, D);

/// Connects to one of the server's addresses: the first in a random order that takes us.
async fn one_of(
    config: &ClientConfig,
    resolver: &Resolver,
) -> Result<Connected<impl Future<Output = ()> + Send + 'static>, (String, Option<Duration>)> {
    let mut addrs = match resolver.resolve(&config.target).await {
        Ok(resolved) => resolved.addrs,
        Err(error) => {
            let retry_after = match &error {
                ResolveError::NotFound { ttl, .. } => Some(*ttl),
                ResolveError::Failed { .. } => None,
            };
            return Err((error.to_string(), retry_after));
        }
    };
    config.balancer.resolved(addrs.iter().copied());
    addrs.shuffle(&mut rand::rng());
    let mut last: Option<ConnectError> = None;
    for addr in addrs {
        match connect(addr, &config.security, config.connect_timeout).await {
            Ok((sender, driver)) => return Ok((addr, sender, driver)),
            Err(error) => last = Some(error),
        }
    }
    let error = last.map_or_else(|| "no address".to_owned(), |error| error.to_string());
    Err((error, None))
}
