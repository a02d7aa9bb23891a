//! The admin port: `/live`, `/ready`, `/metrics`.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::{StatusCode, header};
use tokio::net::TcpListener;

use super::metrics::Registry;
use super::readiness::Readiness;
use super::shutdown::Shutdown;

/// How long the admin port stays open after the end began, so that the last scrape and probe find it.
const LINGER: Duration = Duration::from_millis(500);

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
    let ended = shutdown.signaled();
    let router = Router::new()
        .route("/live", get(async || "live\n"))
        .route("/ping", get(async || "pong\n"))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Parts { registry, readiness, shutdown });
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
        ended.await;
        tokio::time::sleep(LINGER).await;
    });
    if let Err(error) = serving.await {
        tracing::warn!(%error, "the admin port ended");
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
