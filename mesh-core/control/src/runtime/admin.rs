//! The admin port: `/live`, `/ready`, `/metrics`.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use http::{Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::accept::Places;
use super::metrics::Registry;
use super::readiness::Readiness;
use super::shutdown::Shutdown;

/// How long the admin port stays open after the end began, so that the last scrape and probe find it.
const LINGER: Duration = Duration::from_millis(500);
/// How long a connection may be without the head of a request. Far from the 10, 15 and 30 s at which probes and scrapes
/// come: a limit equal to such an interval closes the connection at the moment of the next request.
const IDLE: Duration = Duration::from_secs(50);
/// Connections at once: probes, scrapers, and somebody who looks.
const CONNECTIONS: usize = 128;

#[derive(Clone)]
struct Parts {
    registry: Registry,
    readiness: Readiness,
    shutdown: Shutdown,
}

/// Serves the admin port until the end.
pub(super) async fn serve(
    listener: TcpListener,
    registry: Registry,
    readiness: Readiness,
    shutdown: Shutdown,
) {
    serve_with(listener, Parts { registry, readiness, shutdown }, IDLE).await;
}

async fn serve_with(listener: TcpListener, parts: Parts, idle: Duration) {
    let ended = parts.shutdown.signaled();
    let router = Router::new()
        .route("/live", get(async || "live\n"))
        .route("/ping", get(async || "pong\n"))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(parts);
    let mut stop = std::pin::pin!(async move {
        ended.await;
        tokio::time::sleep(LINGER).await;
    });
    let places = Places::new(CONNECTIONS);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, _, place) = tokio::select! {
            () = stop.as_mut() => return,
            accepted = places.accept(&listener) => accepted,
        };
        let router = router.clone();
        connections.spawn(async move {
            connection(stream, router, idle).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, router: Router, idle: Duration) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = router.clone().oneshot(request.map(Body::new));
        async move { answer.await.map_err(|never: Infallible| never) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = serving.await {
        tracing::debug!(%error, "a connection to the admin port ended");
    }
}

async fn ready(State(parts): State<Parts>) -> (StatusCode, String) {
    if parts.shutdown.has_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    let missing = parts.readiness.missing();
    match missing.is_empty() {
        true => (StatusCode::OK, "ready\n".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n"),
    }
}

async fn metrics(State(parts): State<Parts>) -> ([(header::HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], parts.registry.text())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(stream: &mut TcpStream) -> String {
        stream.write_all(b"GET /live HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut buffer = vec![0; 1024];
        let read = stream.read(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    }

    #[tokio::test]
    async fn a_connection_that_probes_use_is_kept_and_idle_ones_have_an_end() {
        // Flaw it answers: a limit on reading equal to the interval of probes made every other probe fail.
        for interval in [10, 15, 30] {
            assert!(IDLE.as_secs().abs_diff(interval) > 10, "probes and scrapes come every {interval} s");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (readiness, shutdown) = (Readiness::default(), Shutdown::new());
        let parts = Parts { registry: Registry::default(), readiness, shutdown: shutdown.clone() };
        let serving = tokio::spawn(serve_with(listener, parts, Duration::from_secs(1)));
        let mut asked = TcpStream::connect(address).await.unwrap();
        // Whoever says nothing holds a place for so long and no longer.
        let mut crowd = Vec::new();
        for _ in 1..CONNECTIONS {
            crowd.push(TcpStream::connect(address).await.unwrap());
        }
        let mut late = TcpStream::connect(address).await.unwrap();
        let late = tokio::spawn(async move { ask(&mut late).await });
        for _ in 0..6 {
            assert!(ask(&mut asked).await.contains("live"));
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let late = tokio::time::timeout(Duration::from_secs(10), late).await.expect("places become free");
        assert!(late.unwrap().contains("live"));
        shutdown.begin();
        tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
    }
}
