//! The application of a server pod: HTTP/1 and HTTP/2, with an answer for every question of the tests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

use super::namespace::Namespace;

/// An application.
///
/// | path | answer |
/// |---|---|
/// | `/name` | its name |
/// | `/inspect` | the request as JSON: method, target, version, headers, body |
/// | `/echo` | the request's body, frame by frame, and its trailers |
/// | `/trailers` | a body with trailers |
/// | `/bytes/N` | N octets |
/// | `/status/N` | that status |
/// | `/slow/N` | its name after N ms |
/// | `/grpc/N` | a gRPC response with status N in trailers |
/// | `/forged` | fields that only an application may set |
///
/// Any other call of gRPC ends with status 0. `Upgrade` and `CONNECT` are accepted; what comes after is echoed.
#[derive(Clone, Debug)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    requests: AtomicUsize,
    connections: AtomicUsize,
    /// What every answer has as status instead; 0 for none.
    status: AtomicU16,
    /// How many of the next requests fail with 503, or with UNAVAILABLE.
    failures: AtomicUsize,
    /// Seconds in `retry-after` of failures and of the status for everything; 0 for none.
    retry_after: AtomicUsize,
}

type Body = BoxBody<Bytes, hyper::Error>;

// === impl App ===

impl App {
    /// Starts it.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start(namespace: &Namespace, address: SocketAddr, name: &str) -> Result<Self> {
        Self::with_streams(namespace, address, name, 200)
    }

    /// Starts one that takes so many streams at a time on one connection of HTTP/2.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn with_streams(
        namespace: &Namespace,
        address: SocketAddr,
        name: &str,
        streams: u32,
    ) -> Result<Self> {
        let inner = Arc::new(Inner {
            name: name.to_owned(),
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            status: AtomicU16::new(0),
            failures: AtomicUsize::new(0),
            retry_after: AtomicUsize::new(0),
        });
        let listener = namespace
            .run(async move { TcpListener::bind(address).await })
            .with_context(|| format!("cannot listen on {address}"))?;
        namespace.spawn(serve(inner.clone(), listener, streams));
        Ok(Self { inner })
    }

    /// Requests so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.inner.requests.load(Ordering::Relaxed)
    }

    /// Connections so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::Relaxed)
    }

    /// Answers everything with a status from now on; 0 ends that.
    pub fn set_status(&self, status: u16) {
        self.inner.status.store(status, Ordering::Relaxed);
    }

    /// Sends failures with `retry-after`; 0 ends that.
    pub fn set_retry_after(&self, seconds: usize) {
        self.inner.retry_after.store(seconds, Ordering::Relaxed);
    }

    /// Fails the next requests with 503, those of gRPC with UNAVAILABLE.
    pub fn fail_next(&self, count: usize) {
        self.inner.failures.store(count, Ordering::Relaxed);
    }
}

async fn serve(inner: Arc<Inner>, listener: TcpListener, streams: u32) {
    while let Ok((stream, _)) = listener.accept().await {
        inner.connections.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
        let inner = inner.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let inner = inner.clone();
                async move { Ok::<_, Infallible>(inner.answer(request).await) }
            });
            let mut http = auto::Builder::new(TokioExecutor::new());
            http.http2().max_concurrent_streams(streams);
            // A client that leaves in the middle is a test's affair.
            let _ = http.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

// === impl Inner ===

impl Inner {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let failing = self
            .failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1))
            .is_ok();
        let mut response = if failing && is_grpc(&request) {
            grpc(Vec::new(), 14)
        } else if failing {
            with_status(StatusCode::SERVICE_UNAVAILABLE)
        } else if request.method() == Method::CONNECT || request.headers().contains_key("upgrade") {
            upgrade(request)
        } else {
            self.route(request).await
        };
        if let Ok(status) = StatusCode::from_u16(self.status.load(Ordering::Relaxed)) {
            *response.status_mut() = status;
        }
        let wait = self.retry_after.load(Ordering::Relaxed);
        if wait > 0 && response.status().is_server_error() {
            response.headers_mut().insert("retry-after", wait.into());
        }
        if let Ok(name) = HeaderValue::from_str(&self.name) {
            response.headers_mut().insert("x-server", name);
        }
        response
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let (first, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
        let number: u64 = rest.parse().unwrap_or_default();
        match first {
            "inspect" => inspect(request).await,
            "echo" => Response::new(request.into_body().boxed()),
            "trailers" => trailing(vec![Bytes::from_static(b"part")], &[("x-trailer", "yes")]),
            "grpc" => grpc(vec![grpc_message()], number),
            "bytes" => Response::new(full(vec![b'x'; usize::try_from(number).unwrap_or_default()])),
            "status" => with_status(
                u16::try_from(number)
                    .ok()
                    .and_then(|code| StatusCode::from_u16(code).ok())
                    .unwrap_or(StatusCode::BAD_REQUEST),
            ),
            "slow" => {
                tokio::time::sleep(Duration::from_millis(number)).await;
                Response::new(full(self.name.clone()))
            }
            "forged" => {
                let mut response = Response::new(full("forged"));
                for name in ["l5d-proxy-error", "l5d-proxy-connection", "l5d-orig-proto"] {
                    response.headers_mut().insert(name, HeaderValue::from_static("forged"));
                }
                response
            }
            _ if is_grpc(&request) => grpc(vec![grpc_message()], 0),
            _ => Response::new(full(self.name.clone())),
        }
    }
}

fn upgrade(request: Request<Incoming>) -> Response<Body> {
    let status =
        if request.method() == Method::CONNECT { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS };
    let wanted = request.headers().get("upgrade").cloned();
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
            let _ = tokio::io::copy(&mut read, &mut write).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut write).await;
        }
    });
    let mut response = with_status(status);
    if let Some(wanted) = wanted {
        response.headers_mut().insert("upgrade", wanted);
        response.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
    }
    response
}

async fn inspect(request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|whole| (whole.trailers().cloned(), whole.to_bytes()));
    let (trailers, body) = body.unwrap_or_default();
    let fields = |map: &HeaderMap| {
        let pair = |(name, value): (&http::HeaderName, &HeaderValue)| {
            serde_json::json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
        };
        serde_json::Value::from(map.iter().map(pair).collect::<Vec<_>>())
    };
    let seen = serde_json::json!({
        "method": head.method.as_str(),
        "uri": head.uri.to_string(),
        "version": format!("{:?}", head.version),
        "headers": fields(&head.headers),
        "trailers": trailers.as_ref().map(fields),
        "body": String::from_utf8_lossy(&body),
    });
    Response::new(full(seen.to_string()))
}

fn with_status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(""));
    *response.status_mut() = status;
    response
}

/// A response with a body in parts and trailers after it.
fn trailing(parts: Vec<Bytes>, trailers: &[(&'static str, &str)]) -> Response<Body> {
    let mut map = HeaderMap::new();
    for (name, value) in trailers {
        if let Ok(value) = HeaderValue::from_str(value) {
            map.insert(*name, value);
        }
    }
    let frames = parts.into_iter().map(Frame::data).chain([Frame::trailers(map)]).map(Ok);
    let mut response = Response::new(StreamBody::new(stream::iter(frames)).boxed());
    response.headers_mut().insert("trailer", HeaderValue::from_static("x-trailer, grpc-status"));
    response
}

fn is_grpc(request: &Request<Incoming>) -> bool {
    request.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// A response of gRPC.
fn grpc(messages: Vec<Bytes>, status: u64) -> Response<Body> {
    let mut response = trailing(messages, &[("grpc-status", &status.to_string())]);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// An empty message with its prefix.
fn grpc_message() -> Bytes {
    Bytes::from_static(&[0, 0, 0, 0, 0])
}

fn full(octets: impl Into<Bytes>) -> Body {
    Full::new(octets.into()).map_err(|never| match never {}).boxed()
}
