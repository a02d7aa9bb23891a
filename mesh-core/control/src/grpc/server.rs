//! Accepts connections and dispatches methods.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::{Body, status_headers};
use crate::index::Refusal;
use crate::runtime::spans;

/// What a method answers with.
pub type Method = Pin<Box<dyn Future<Output = Result<Body, Refusal>> + Send>>;

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// Methods by path: `/package.Service/Method`.
pub trait Serve: Send + Sync + 'static {
    /// The answer of a method; none when there is no such method.
    fn call(&self, path: &str, body: Incoming) -> Option<Method>;
}

/// Limits of a server. Each is stated, since defaults of libraries have cut off watches before.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; more wait in the kernel's queue.
    pub connections: usize,
    /// Streams of a connection. A proxy has one for each target and API.
    pub streams: u32,
    /// How long a request may take to arrive.
    pub request: Duration,
    /// After how long without a word a client is asked whether it is still there.
    pub keep_alive: Duration,
    /// How long streams may take to end at a shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 50_000,
            streams: 100_000,
            request: Duration::from_secs(10),
            keep_alive: Duration::from_secs(20),
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves until `shutdown` turns true, then lets streams end.
pub async fn serve(
    listener: TcpListener,
    methods: Arc<dyn Serve>,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = tokio::select! {
            () = down(&mut shutdown) => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else { continue };
        let (methods, shutdown) = (Arc::clone(&methods), shutdown.clone());
        tokio::spawn(async move {
            connection(stream, methods, limits, shutdown).await;
            drop(place);
        });
    }
    // Every connection holds a place; all are back when all have ended.
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(limits.drain, places.acquire_many(all)).await;
}

/// Resolves when the end begins, or nobody is left to begin it.
async fn down(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|down| *down).await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            // Out of descriptors, mostly: wait instead of spinning.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    methods: Arc<dyn Serve>,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let methods = Arc::clone(&methods);
        let span = spans::begin(&request);
        let answer = async move {
            let response = respond(methods.as_ref(), request, limits.request).await;
            spans::end(&span, &response);
            Ok(response)
        };
        // Boxed, so that a stream holds the body alone and not the room that finding the answer took.
        Box::pin(answer) as Answer
    });
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_send_buf_size(64 << 10)
        .max_header_list_size(16 << 10)
        .keep_alive_interval(limits.keep_alive)
        .keep_alive_timeout(limits.keep_alive);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = down(&mut shutdown) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

async fn respond(methods: &dyn Serve, request: Request<Incoming>, limit: Duration) -> Response<Body> {
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !content_type.is_some_and(|value| value.starts_with(b"application/grpc")) {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return response;
    }
    let (parts, body) = request.into_parts();
    let outcome = match methods.call(parts.uri.path(), body) {
        None => Err(Refusal::unimplemented(format!("no method {}", parts.uri.path()))),
        Some(method) => match tokio::time::timeout(limit, method).await {
            Ok(outcome) => outcome,
            Err(_) => {
                Err(Refusal::exhausted(format!("the request did not arrive within {} s", limit.as_secs())))
            }
        },
    };
    let mut response = match outcome {
        Ok(body) => Response::new(body),
        // Headers alone, which are trailers at the same time.
        Err(refusal) => {
            let mut response = Response::new(Body::Empty);
            *response.headers_mut() = status_headers(&refusal);
            response
        }
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
