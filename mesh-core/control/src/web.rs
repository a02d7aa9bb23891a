//! The address of the dashboard. This version has none: the page says so, and what to use instead.
//!
//! The manifests run this component, and its Service is what bookmarks and ingresses point to, so it answers.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use regex::Regex;

use crate::args::WebArgs;
use crate::runtime::spans::TraceLayer;
use crate::runtime::{address, listen};
use crate::{RunError, Runtime};

/// What a browser gets.
const PAGE: &str = "<!doctype html><html lang=\"en\"><title>Linkerd</title>\
    <h1>No dashboard in this version</h1><p>Use the command: <code>linkerd check</code>, <code>linkerd stat deploy -A</code>, \
    <code>linkerd tap deploy/NAME</code>.</p></html>\n";

/// Serves until the end begins.
///
/// # Errors
/// When the address is taken.
pub async fn run(args: &WebArgs, runtime: &Runtime) -> Result<(), RunError> {
    let listener = listen(args.http_addr).await?;
    tracing::info!(addr = %address(&listener), "serving the page");
    runtime.readiness.gate("start").open();
    let router = Router::new().fallback(page).layer(TraceLayer).with_state(args.enforced_host.clone());
    let shutdown = runtime.shutdown.clone();
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(async move { shutdown.signaled().await });
    runtime.drained("the page", serving.into_future()).await
}

/// Answers a request whose host is one of ours: a name that somebody else's DNS points here could read the page otherwise.
async fn page(State(hosts): State<Option<Regex>>, request: Request) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if hosts.is_some_and(|hosts| !hosts.is_match(host)) {
        let text = "this host name is not one that the dashboard answers to; see enforcedHostRegexp\n";
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    let policy = (header::CONTENT_SECURITY_POLICY, "default-src 'none'");
    ([policy], Html(PAGE)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn status(hosts: &str, host: &str) -> StatusCode {
        let request = Request::builder().header(header::HOST, host).body(Body::empty()).unwrap();
        page(State(Some(Regex::new(hosts).unwrap())), request).await.status()
    }

    #[tokio::test]
    async fn only_known_hosts_are_answered() {
        assert_eq!(status("^(localhost)(:\\d+)?$", "localhost:8084").await, StatusCode::OK);
        assert_eq!(status("^(localhost)(:\\d+)?$", "evil.example").await, StatusCode::BAD_REQUEST);
    }
}
