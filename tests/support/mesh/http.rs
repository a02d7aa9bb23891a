//! HTTP from inside a namespace.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::tcp;

/// A response with all of its body.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The version.
    pub version: Version,
    /// The fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The trailers, if any came.
    pub trailers: Option<HeaderMap>,
}

/// A body of a request.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// A connection that requests are sent on.
#[derive(Debug)]
pub enum Client {
    /// HTTP/1.
    Http1(conn::http1::SendRequest<Body>),
    /// HTTP/2 with prior knowledge.
    Http2(conn::http2::SendRequest<Body>),
}

/// How long a response may take.
const LIMIT: Duration = Duration::from_secs(10);

// === impl Reply ===

impl Reply {
    /// A field's first value, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A trailer's first value, as text.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.as_ref()?.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {self:?}"))
    }
}

// === impl Client ===

impl Client {
    /// Connects for HTTP/1.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn http1(address: SocketAddr) -> Result<Self> {
        let stream = TokioIo::new(tcp::connect(address).await?);
        let (sender, connection) = conn::http1::handshake(stream).await?;
        // Errors of the connection are errors of its requests, too.
        tokio::spawn(connection.with_upgrades());
        Ok(Self::Http1(sender))
    }

    /// Connects for HTTP/2.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn http2(address: SocketAddr) -> Result<Self> {
        let stream = TokioIo::new(tcp::connect(address).await?);
        let (sender, connection) = conn::http2::handshake(TokioExecutor::new(), stream).await?;
        tokio::spawn(connection);
        Ok(Self::Http2(sender))
    }

    /// Sends a request and returns the response as soon as its head is there.
    ///
    /// # Errors
    /// When the connection or the stream fails, or nothing comes in time.
    pub async fn start(&mut self, request: Request<Body>) -> Result<http::Response<hyper::body::Incoming>> {
        let response = async {
            match self {
                Self::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Self::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        Ok(tokio::time::timeout(LIMIT, response).await.context("no response in time")??)
    }

    /// Sends a request and returns the whole response.
    ///
    /// # Errors
    /// As [`start`](Self::start); also when the body fails.
    pub async fn send(&mut self, request: Request<Body>) -> Result<Reply> {
        let response = self.start(request).await?;
        let (head, body) = response.into_parts();
        let whole =
            tokio::time::timeout(LIMIT, body.collect()).await.context("no end of a body in time")??;
        Ok(Reply {
            status: head.status,
            version: head.version,
            headers: head.headers,
            trailers: whole.trailers().cloned(),
            body: whole.to_bytes(),
        })
    }
}

/// A body of octets.
#[must_use]
pub fn full(octets: impl Into<Bytes>) -> Body {
    Full::new(octets.into()).map_err(|never| match never {}).boxed()
}

/// A body whose frames are sent one by one; it ends when the sender is dropped.
#[must_use]
pub fn streaming() -> (mpsc::Sender<Result<Frame<Bytes>, std::io::Error>>, Body) {
    let (frames, stream) = mpsc::channel(16);
    (frames, StreamBody::new(ReceiverStream::new(stream)).boxed())
}

/// A request for a path without a body. HTTP/2 needs the authority in the target.
///
/// # Errors
/// When the path is none.
pub fn get(version: Version, authority: &str, path: &str) -> Result<Request<Body>> {
    request(version, "GET", authority, path, Bytes::new())
}

/// A request with a body.
///
/// # Errors
/// When the path is none.
pub fn request(
    version: Version,
    method: &str,
    authority: &str,
    path: &str,
    body: impl Into<Bytes>,
) -> Result<Request<Body>> {
    let builder = Request::builder().method(method);
    let builder = if version == Version::HTTP_2 {
        builder.version(version).uri(format!("http://{authority}{path}"))
    } else {
        builder.uri(path).header("host", authority)
    };
    builder.body(full(body)).with_context(|| format!("no request: {path}"))
}

/// One request on a connection of its own.
///
/// # Errors
/// When it fails.
pub async fn fetch(address: SocketAddr, version: Version, request: Request<Body>) -> Result<Reply> {
    let mut client = match version {
        Version::HTTP_2 => Client::http2(address).await?,
        _ => Client::http1(address).await?,
    };
    client.send(request).await
}
