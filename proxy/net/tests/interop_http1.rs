//! HTTP/1 against hyper, as server and as client, over a pipe in memory.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use proxy_net::h2::End;
use proxy_net::headers::HeaderList;
use proxy_net::http1::{
    Body, BodyDecoder, HeadLimits, Http1Error, Method, Parsed, Reuse, Version, parse_request, parse_response,
    write_chunk, write_last_chunk, write_request, write_response,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// A connection and what was read from it but not used.
struct Wire {
    io: DuplexStream,
    input: Vec<u8>,
}

impl Wire {
    fn new(io: DuplexStream) -> Self {
        Self { io, input: Vec::new() }
    }

    /// Parses a head, reading as long as it is not whole; nothing when the peer has left.
    async fn head<T>(&mut self, mut parse: impl FnMut(&[u8]) -> Result<Parsed<T>, Http1Error>) -> Option<T> {
        loop {
            if let Parsed::Whole(head, taken) = parse(&self.input).unwrap() {
                self.input.drain(..taken);
                return Some(head);
            }
            if self.io.read_buf(&mut self.input).await.unwrap() == 0 {
                return None;
            }
        }
    }

    async fn body(&mut self, body: Body) -> (Vec<u8>, HeaderList) {
        let mut decoder = BodyDecoder::new(body);
        let (mut content, mut trailers) = (Vec::new(), HeaderList::new());
        loop {
            let step = decoder.decode(&self.input, &mut trailers).unwrap();
            content.extend_from_slice(step.data);
            let (consumed, end) = (step.consumed, step.end);
            self.input.drain(..consumed);
            if end == End::Stream {
                return (content, trailers);
            }
            if consumed == 0 {
                assert!(self.io.read_buf(&mut self.input).await.unwrap() > 0, "the peer left within a body");
            }
        }
    }
}

fn content(seed: usize) -> Vec<u8> {
    (0..seed * 997 % 40_000).map(|at| (at * 7 + seed) as u8).collect()
}

/// Sends bodies back: in chunks with a trailer for odd lengths, with a length for even ones.
async fn serve(io: DuplexStream) {
    let mut wire = Wire::new(io);
    let mut list = HeaderList::new();
    while let Some(head) = wire.head(|input| parse_request(input, HeadLimits::default(), &mut list)).await {
        let (body, _) = wire.body(head.body).await;
        let mut out = Vec::new();
        let mut answer = HeaderList::new();
        answer.push(b":status", b"200");
        answer.push(b"x-path", list.value(b":path").unwrap());
        if body.len() % 2 == 1 {
            write_response(&answer, Body::Chunked, Reuse::KeepAlive, Version::Http11, &mut out);
            body.chunks(1000).for_each(|piece| write_chunk(piece, &mut out));
            let trailers: HeaderList = [(&b"x-sum"[..], &b"odd"[..])].into_iter().collect();
            write_last_chunk(&trailers, &mut out);
        } else {
            answer.push(b"content-length", body.len().to_string().as_bytes());
            write_response(
                &answer,
                Body::Length(body.len() as u64),
                Reuse::KeepAlive,
                Version::Http11,
                &mut out,
            );
            out.extend_from_slice(&body);
        }
        wire.io.write_all(&out).await.unwrap();
    }
}

#[tokio::test]
async fn the_hyper_client_is_answered() {
    let (near, far) = tokio::io::duplex(3000);
    tokio::spawn(serve(far));
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(near)).await.unwrap();
    tokio::spawn(connection);
    for seed in 0..60 {
        let body = content(seed);
        // A stream of unknown length makes hyper send chunks.
        let frame = Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(body.clone())));
        let boxed = if seed % 3 == 0 {
            StreamBody::new(futures::stream::iter([frame])).boxed()
        } else {
            Full::new(Bytes::from(body.clone())).boxed()
        };
        let request = Request::post(format!("/{seed}")).header("host", "a.test").body(boxed).unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.headers()["x-path"], format!("/{seed}"));
        let whole = answer.into_body().collect().await.unwrap();
        let sum = whole.trailers().map(|trailers| trailers["x-sum"].clone());
        assert_eq!(sum.is_some(), body.len() % 2 == 1, "trailers of {seed}");
        assert!(whole.to_bytes() == body, "body {seed} differs");
    }
}

#[tokio::test]
async fn the_hyper_server_is_asked() {
    let (near, far) = tokio::io::duplex(100_000);
    let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
        let method = request.method().clone();
        let echo = request.headers().get("x-echo").cloned();
        let body = request.into_body();
        let mut answer = Response::new(body);
        if let Some(value) = echo {
            answer.headers_mut().insert("x-echo", value);
        }
        assert!(method == http::Method::POST || method == http::Method::HEAD);
        Ok::<_, std::convert::Infallible>(answer)
    });
    tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service));
    let mut wire = Wire::new(near);
    for seed in 0..60 {
        let body = content(seed);
        let method = if body.is_empty() { Method::Head } else { Method::Other };
        let mut request = HeaderList::new();
        request.push(b":method", if method == Method::Head { b"HEAD" } else { b"POST" });
        request.push(b":authority", b"a.test");
        request.push(b":path", b"/");
        request.push(b"x-echo", seed.to_string().as_bytes());
        let mut out = Vec::new();
        if seed % 2 == 0 && !body.is_empty() {
            write_request(&request, Body::Chunked, Reuse::KeepAlive, &mut out);
            body.chunks(777).for_each(|piece| write_chunk(piece, &mut out));
            write_last_chunk(&HeaderList::new(), &mut out);
        } else {
            request.push(b"content-length", body.len().to_string().as_bytes());
            write_request(&request, Body::Empty, Reuse::KeepAlive, &mut out);
            out.extend_from_slice(&body);
        }
        wire.io.write_all(&out).await.unwrap();
        let mut list = HeaderList::new();
        let head =
            wire.head(|input| parse_response(input, method, HeadLimits::default(), &mut list)).await.unwrap();
        assert_eq!((head.status, list.value(b"x-echo")), (200, Some(seed.to_string().as_bytes())));
        assert_eq!(head.reuse, Reuse::KeepAlive);
        assert!(wire.body(head.body).await.0 == body, "body {seed} differs");
    }
}
