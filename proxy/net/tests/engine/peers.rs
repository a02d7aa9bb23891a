//! Clients and servers of the tests, from other libraries than ours.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// A body in one piece.
pub(crate) fn full(data: impl Into<Bytes>) -> Body {
    Full::new(data.into()).boxed()
}

/// A body in pieces, with trailers.
pub(crate) fn pieces(pieces: Vec<Bytes>, trailers: Option<HeaderMap>) -> Body {
    let frames =
        pieces.into_iter().map(Frame::data).chain(trailers.map(Frame::trailers)).map(Ok::<_, Infallible>);
    BodyExt::boxed(StreamBody::new(futures::stream::iter(frames.collect::<Vec<_>>())))
}

/// What was received of a message's body.
pub(crate) async fn collect(body: Incoming) -> Result<(Bytes, Option<HeaderMap>), hyper::Error> {
    let collected = body.collect().await?;
    let trailers = collected.trailers().cloned();
    Ok((collected.to_bytes(), trailers))
}

/// Answers by path: `/echo` gives the body back with trailers, `/status/N` that status, `/big/N` so many octets.
pub(crate) async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let method = request.method().to_string();
    let host =
        request.uri().authority().map(ToString::to_string).or_else(|| {
            request.headers().get("host").map(|host| host.to_str().unwrap_or_default().to_owned())
        });
    let mut response = if path == "/echo" {
        let Ok((data, trailers)) = collect(request.into_body()).await else {
            return Ok(Response::new(full("")));
        };
        let mut ours = trailers.unwrap_or_default();
        ours.insert("x-seen", HeaderValue::from(data.len()));
        Response::new(pieces(vec![data], Some(ours)))
    } else if let Some(status) = path.strip_prefix("/status/") {
        let mut response = Response::new(full(""));
        *response.status_mut() = status.parse().unwrap_or(StatusCode::OK);
        response
    } else if let Some(octets) = path.strip_prefix("/big/") {
        let octets: usize = octets.parse().unwrap_or_default();
        if method == "HEAD" {
            let mut response = Response::new(full(""));
            response.headers_mut().insert("content-length", HeaderValue::from(octets));
            response
        } else {
            Response::new(full(vec![b'x'; octets]))
        }
    } else if path == "/never" {
        std::future::pending().await
    } else {
        // It answers what it has read: who answers earlier ends a stream before anybody can see that its length is wrong.
        if collect(request.into_body()).await.is_err() {
            return Ok(Response::new(full("")));
        }
        Response::new(full(format!("{method} {path}")))
    };
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(&host).ok()) {
        response.headers_mut().insert("x-host", host);
    }
    Ok(response)
}

/// A server of both HTTP versions with [`answer`]; it ends with the runtime.
pub(crate) async fn serve() -> SocketAddr {
    serve_with(answer).await
}

/// The same with other answers.
pub(crate) async fn serve_with<F, R, E>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Result<Response<Body>, E>> + Send + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service_fn(answer.clone());
            tokio::spawn(async move {
                let http = auto::Builder::new(TokioExecutor::new());
                // A client that leaves in the middle is a test's affair.
                let _ = http.serve_connection_with_upgrades(TokioIo::new(socket), service).await;
            });
        }
    });
    addr
}

/// A client's connection with HTTP/1.
pub(crate) async fn http1(addr: SocketAddr) -> hyper::client::conn::http1::SendRequest<Body> {
    let socket = TcpStream::connect(addr).await.unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.with_upgrades().await;
    });
    sender
}

/// A client's connection with HTTP/2.
pub(crate) async fn http2(addr: SocketAddr) -> hyper::client::conn::http2::SendRequest<Body> {
    let socket = TcpStream::connect(addr).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender
}

/// A way to an address on which everything arrives later, in both directions.
pub(crate) async fn distant(addr: SocketAddr, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(addr).await else { continue };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(carry(from_client, to_server, delay));
            tokio::spawn(carry(from_server, to_client, delay));
        }
    });
    near
}

/// Passes octets on, each so long after it came.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Bytes)>();
    let reader = async move {
        let mut buffer = BytesMut::new();
        while from.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
            if sender.send((Instant::now() + delay, buffer.split().freeze())).is_err() {
                break;
            }
        }
    };
    let writer = async move {
        while let Some((due, data)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&data).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(reader, writer);
}
