//! The admin server: probes, metrics, the log's filter, the end of the process, and what the proxy knows.
//!
//! It runs on the control thread, in plaintext or with the mesh's TLS on one port, and serves until the process ends, so that
//! probes are answered through a whole drain. What it asks of the rest of the process is the trait [`Process`].

pub mod accept;
mod configuration;
mod environment;
mod pages;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use self::accept::{Acceptor, Client};
use crate::config::Http2Server;
use crate::logging::Levels;
use crate::metrics::{Aggregate, Snapshot};

pub use self::configuration::configuration;
pub use self::environment::visible as visible_environment;

/// What the admin server asks of the rest of the process.
pub trait Process: Send + Sync + 'static {
    /// Whether the proxy has its first certificate and listens.
    fn ready(&self) -> bool;

    /// Everything that is counted: of each worker and of the control thread.
    fn snapshots(&self) -> BoxFuture<'static, Vec<Snapshot>>;

    /// What the proxy knows, for `/state.json`.
    fn state(&self) -> BoxFuture<'static, serde_json::Value>;

    /// What inbound policy says about a request to this port.
    fn authorize(&self, client: &Client, request: &http::request::Parts) -> Verdict;

    /// Begins the end of the process. False where the configuration does not allow that.
    fn shutdown(&self) -> bool;
}

/// What policy says about a request.
pub enum Verdict {
    /// It is served; what is given is told the status and how long it took.
    Allow(Option<Done>),
    /// It is not, with this status and for this reason.
    Deny(StatusCode, String),
}

/// Is called when a request has been answered.
pub type Done = Box<dyn FnOnce(StatusCode, Duration) + Send>;

/// The server's own state.
pub struct Admin {
    process: Arc<dyn Process>,
    levels: Option<Levels>,
    environment: serde_json::Map<String, serde_json::Value>,
    config: serde_json::Value,
    sums: Mutex<Aggregate>,
}

/// How long a client may take for the head of a request, and a connection may be idle.
const IDLE: Duration = Duration::from_secs(60);
/// Octets of an HTTP/1 head.
const MAX_HEAD: usize = 16 * 1024;

// === impl Admin ===

impl Admin {
    /// A server for this process. `environment` is what [`visible_environment`] gives; `config` is served as it is.
    pub fn new(
        process: Arc<dyn Process>,
        levels: Option<Levels>,
        environment: serde_json::Map<String, serde_json::Value>,
        config: serde_json::Value,
    ) -> Arc<Self> {
        Arc::new(Self { process, levels, environment, config, sums: Mutex::default() })
    }

    /// Serves until it is dropped.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, acceptor: Acceptor, server: Http2Server) {
        let builder = Arc::new(http(&server));
        acceptor
            .run(listener, move |client, io| {
                let (admin, builder) = (self.clone(), builder.clone());
                async move {
                    let client = Arc::new(client);
                    let service = service_fn(|request| admin.clone().answer(client.clone(), request));
                    if let Err(error) = builder.serve_connection(TokioIo::new(io), service).await {
                        tracing::debug!(client.addr = %client.addr, %error, "Admin connection failed");
                    }
                }
            })
            .await;
    }

    async fn answer(
        self: Arc<Self>,
        client: Arc<Client>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
        let started = std::time::Instant::now();
        let (head, body) = request.into_parts();
        let done = match self.process.authorize(&client, &head) {
            Verdict::Allow(done) => done,
            Verdict::Deny(status, reason) => {
                tracing::info!(client.addr = %client.addr, path = head.uri.path(), %reason, "Admin request denied");
                return Ok(pages::denied(status, &reason));
            }
        };
        let response = self.page(&client, &head, body).await;
        if let Some(done) = done {
            done(response.status(), started.elapsed());
        }
        Ok(response)
    }
}

fn http(server: &Http2Server) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(MAX_HEAD)
        .half_close(true);
    let pings = server.keep_alive.map_or((IDLE / 2, IDLE / 2), |pings| (pings.interval, pings.timeout));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(server.max_concurrent_streams.unwrap_or(32).min(128))
        .max_header_list_size(MAX_HEAD as u32)
        .keep_alive_interval(pings.0)
        .keep_alive_timeout(pings.1);
    builder
}

#[cfg(test)]
mod tests;
