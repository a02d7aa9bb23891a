//! The server: who may watch, and the list of watchers.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::Stream;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use linkerd2_proxy_api::tap::tap_server::{Tap as TapService, TapServer};
use linkerd2_proxy_api::tap::{ObserveRequest, TapEvent};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use super::filter::Filter;
use super::watch::{Counters, Tap};
use crate::admin::accept::{Acceptor, Client, Shown};
use crate::identity::Id;
use crate::metrics::{Level, Metrics, TapLabels};

/// Events that wait for a watcher.
const MAX_EVENTS: usize = 400;
/// Watchers at a time.
const MAX_TAPS: usize = 32;
/// Octets of a request.
const MAX_REQUEST: usize = 64 * 1024;

/// The watchers of a process; cheap to clone.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    taps: Mutex<Vec<Arc<Tap>>>,
    next: AtomicU64,
    counters: Arc<Counters>,
    publish: Box<Publish>,
}

/// Takes the list of watchers to the workers.
type Publish = dyn Fn(Arc<[Arc<Tap>]>) + Send + Sync;

/// Serves one connection.
struct Service {
    registry: Registry,
    client: Client,
    allowed: Arc<Id>,
}

/// The events of a watcher.
#[derive(Debug)]
pub(super) struct Events {
    receiver: mpsc::Receiver<TapEvent>,
}

/// Serves until it is dropped. Only `allowed` may watch, and whoever is in the same pod.
pub async fn serve(registry: Registry, listener: TcpListener, acceptor: Acceptor, allowed: Id) {
    let allowed = Arc::new(allowed);
    acceptor
        .run(listener, move |client, io| {
            let service = Service { registry: registry.clone(), client, allowed: allowed.clone() };
            async move {
                let addr = service.client.addr;
                let service = TapServer::new(service).max_decoding_message_size(MAX_REQUEST);
                let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                http.timer(TokioTimer::new())
                    .max_concurrent_streams(MAX_TAPS as u32)
                    .max_header_list_size(16 * 1024)
                    .keep_alive_interval(Duration::from_secs(30))
                    .keep_alive_timeout(Duration::from_secs(10));
                let served = http.serve_connection(TokioIo::new(io), TowerToHyperService::new(service));
                if let Err(error) = served.await {
                    tracing::debug!(client.addr = %addr, %error, "Tap connection failed");
                }
            }
        })
        .await;
}

// === impl Registry ===

impl Registry {
    /// No watchers yet; `publish` takes every change of the list to the workers.
    pub fn new(publish: impl Fn(Arc<[Arc<Tap>]>) + Send + Sync + 'static) -> Self {
        let inner = Inner {
            taps: Mutex::default(),
            next: AtomicU64::new(1),
            counters: Arc::default(),
            publish: Box::new(publish),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Puts the state of taps into the metrics of the control thread.
    pub fn sample(&self, metrics: &mut Metrics) {
        let id = metrics.tap.register(&TapLabels);
        let tap = &mut metrics.tap[id];
        tap.active = Level(self.inner.taps.lock().len() as f64);
        tap.events = self.inner.counters.events.load(Ordering::Relaxed);
        tap.dropped = self.inner.counters.dropped.load(Ordering::Relaxed);
    }

    /// Begins to watch. The watcher is removed when its stream is dropped, or has shown all it was to show.
    fn observe(&self, filter: Filter, limit: u32, extract: bool, now: Instant) -> Result<Events, Status> {
        let (sender, receiver) = mpsc::channel(MAX_EVENTS);
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let tap = Arc::new(Tap::new(id, filter, limit, extract, sender, self.inner.counters.clone(), now));
        self.change(|taps| {
            if taps.len() >= MAX_TAPS {
                return Err(Status::resource_exhausted(format!(
                    "{MAX_TAPS} taps are being served; try again later"
                )));
            }
            taps.push(tap.clone());
            Ok(())
        })?;
        let registry = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = tap.exhausted.notified() => {}
                () = tap.gone() => {}
            }
            let _ = registry.change(|taps| {
                taps.retain(|other| other.id != tap.id);
                Ok(())
            });
        });
        Ok(Events { receiver })
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Tap>>) -> Result<(), Status>) -> Result<(), Status> {
        let mut taps = self.inner.taps.lock();
        change(&mut taps)?;
        // Within the lock, so that workers see changes in their order.
        (self.inner.publish)(taps.as_slice().into());
        Ok(())
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Registry").field(&self.inner.taps.lock().len()).finish()
    }
}

// === impl Service ===

impl Service {
    fn authorize(&self) -> Result<(), Status> {
        match &self.client.identity {
            Shown::Identity(id) if id == &*self.allowed => Ok(()),
            Shown::Plaintext if self.client.is_local() => Ok(()),
            Shown::Identity(id) => {
                Err(Status::unauthenticated(format!("{id} may not tap; only {} may", self.allowed)))
            }
            Shown::Nothing | Shown::Plaintext => {
                Err(Status::unauthenticated(format!("client has no identity; only {} may tap", self.allowed)))
            }
        }
    }
}

#[tonic::async_trait]
impl TapService for Service {
    type ObserveStream = Events;

    async fn observe(&self, request: Request<ObserveRequest>) -> Result<Response<Events>, Status> {
        self.authorize().inspect_err(|status| {
            tracing::info!(client.addr = %self.client.addr, reason = status.message(), "Tap refused");
        })?;
        let request = request.into_inner();
        if request.limit == 0 {
            return Err(Status::invalid_argument("limit: must be above 0"));
        }
        let filter =
            Filter::try_from(request.r#match).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let extract = request.extract.is_some_and(|extract| {
            use linkerd2_proxy_api::tap::observe_request::extract::{Extract, http};
            matches!(
                extract.extract,
                Some(Extract::Http(http)) if matches!(http.extract, Some(http::Extract::Headers(_)))
            )
        });
        tracing::debug!(client.addr = %self.client.addr, limit = request.limit, extract, "Tap begins");
        self.registry.observe(filter, request.limit, extract, Instant::now()).map(Response::new)
    }
}

// === impl Events ===

impl Stream for Events {
    type Item = Result<TapEvent, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx).map(|event| event.map(Ok))
    }
}
