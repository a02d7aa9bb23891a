//! `/live`, `/ready` and `/metrics` of the repairer.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};

/// Connections at a time; a kubelet and a scraper need two.
const CONNECTIONS: usize = 32;

/// What the repairer has done.
#[derive(Debug, Default)]
pub(super) struct Counters {
    watching: AtomicBool,
    repaired: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Counters {
    /// Whether the API server is being listened to.
    pub(super) fn watching(&self, watching: bool) {
        self.watching.store(watching, Relaxed);
    }

    /// A pod was redirected.
    pub(super) fn repaired(&self) {
        self.repaired.fetch_add(1, Relaxed);
    }

    /// A pod could not be redirected.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// A pod had no place in the queue.
    pub(super) fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    fn exposition(&self) -> String {
        let counters = [
            ("repaired", "Pods that were redirected where they run.", &self.repaired),
            ("failed", "Pods that could not be redirected.", &self.failed),
            ("dropped", "Pods that found the queue full and come back later.", &self.dropped),
        ];
        let lines = counters.map(|(name, help, value)| {
            let name = format!("linkerd_cni_repair_{name}_total");
            format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {}\n", value.load(Relaxed))
        });
        lines.concat()
    }
}

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener, counters: Arc<Counters>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let (Ok(place), Ok((stream, _))) = (Arc::clone(&free).acquire_owned().await, listener.accept().await)
        else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let counters = Arc::clone(&counters);
        tokio::spawn(async move {
            let service = service_fn(|request| std::future::ready(answer(&request, &counters)));
            let mut server = http1::Builder::new();
            server
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .max_buf_size(16 << 10);
            // A client that has gone is the client's affair.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

fn answer(
    request: &hyper::Request<Incoming>,
    counters: &Counters,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match request.uri().path() {
        "/live" => (StatusCode::OK, "live\n".to_owned()),
        "/ready" if counters.watching.load(Relaxed) => (StatusCode::OK, "ready\n".to_owned()),
        "/ready" => {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready: the API server is not reached\n".to_owned())
        }
        "/metrics" => (StatusCode::OK, counters.exposition()),
        _ => (StatusCode::NOT_FOUND, "not found\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    Ok(response)
}
