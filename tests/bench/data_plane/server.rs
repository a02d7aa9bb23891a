//! The server behind the proxies: as little as it takes to answer.

use std::rc::Rc;

use anyhow::{Context, Result};
use proxy_net::h2::{Config, Connection, End, Event, Part, Settings, StreamKey};
use proxy_net::headers::HeaderList;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// The word that makes this program a server.
pub(crate) const COMMAND: &str = "serve";

/// Where HTTP/1, HTTP/2 and gRPC are answered.
pub(crate) const HTTP_PORT: u16 = 8080;

/// Where octets come without end.
pub(crate) const TCP_PORT: u16 = 9000;

/// Octets of a small body.
pub(crate) const SMALL: usize = 128;

/// Octets of a large body.
pub(crate) const LARGE: usize = 10_240;

/// Answers until it is ended.
pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let http = listen(HTTP_PORT)?;
        let tcp = listen(TCP_PORT)?;
        let small = Rc::new(response(SMALL));
        let large = Rc::new(response(LARGE));
        println!("ready");
        loop {
            tokio::select! {
                accepted = http.accept() => {
                    let (stream, _) = accepted?;
                    let (small, large) = (small.clone(), large.clone());
                    tokio::task::spawn_local(async move {
                        // A client that leaves in the middle is the benchmark's affair.
                        let _ = answer(stream, &small, &large).await;
                    });
                }
                accepted = tcp.accept() => {
                    let (stream, _) = accepted?;
                    tokio::task::spawn_local(async move { let _ = pour(stream).await; });
                }
            }
        }
    })
}

fn listen(port: u16) -> Result<TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(std::net::SocketAddr::from(([0, 0, 0, 0], port)))?;
    socket.listen(4096).with_context(|| format!("cannot listen on {port}"))
}

fn response(size: usize) -> Vec<u8> {
    let mut response = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
    response.resize(response.len() + size, b'x');
    response
}

/// Octets without end, once the client has sent one.
async fn pour(mut stream: TcpStream) -> Result<()> {
    stream.read_u8().await?;
    let block = vec![b'x'; 1 << 18];
    loop {
        stream.write_all(&block).await?;
    }
}

async fn answer(mut stream: TcpStream, small: &[u8], large: &[u8]) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut input = Vec::with_capacity(4096);
    let mut out = Vec::new();
    loop {
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
        if input.starts_with(b"PRI ") {
            return answer_h2(stream, input).await;
        }
        let mut at = 0;
        let mut close = false;
        while let Some(end) = find(&input[at..], b"\r\n\r\n") {
            let head = &input[at..at + end];
            out.extend_from_slice(if head.starts_with(b"GET /large") { large } else { small });
            close = find(head, b"onnection: close").is_some();
            at += end + 4;
        }
        input.drain(..at);
        if !out.is_empty() {
            stream.write_all(&out).await?;
            out.clear();
        }
        if close {
            stream.shutdown().await?;
            return Ok(());
        }
    }
}

/// Where `needle` begins.
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

async fn answer_h2(mut stream: TcpStream, mut input: Vec<u8>) -> Result<()> {
    let mut out = Vec::new();
    let mut connection = Connection::server(h2_config(), &mut out);
    let plain = response_head(false);
    let grpc = response_head(true);
    let body = vec![b'x'; SMALL];
    let message = message();
    let trailers: HeaderList = [(&b"grpc-status"[..], &b"0"[..])].into_iter().collect();
    let mut ready: Vec<StreamKey> = Vec::new();
    let mut headers = HeaderList::new();
    loop {
        let mut at = 0;
        loop {
            let polled = connection.poll(&input[at..], &mut headers, &mut out)?;
            at += polled.consumed;
            match polled.event {
                None => break,
                Some(Event::Headers { stream, part: Part::Request, end, .. }) => {
                    let is_grpc =
                        headers.value(b"content-type").is_some_and(|v| v.starts_with(b"application/grpc"));
                    connection.set_token(stream, 1 + u32::from(is_grpc));
                    if end == End::Stream {
                        ready.push(stream);
                    }
                }
                Some(Event::Data { stream, data, end, .. }) => {
                    let octets = data.len();
                    if end == End::Stream {
                        ready.push(stream);
                    }
                    connection.release(stream, octets, &mut out);
                }
                Some(_) => {}
            }
        }
        input.drain(..at);
        for stream in ready.drain(..) {
            if connection.token(stream) == Some(2) {
                connection.send_headers(stream, grpc.iter(), End::More, &mut out)?;
                connection.send_data(stream, &message, End::More, &mut out)?;
                connection.send_headers(stream, trailers.iter(), End::Stream, &mut out)?;
            } else {
                connection.send_headers(stream, plain.iter(), End::More, &mut out)?;
                connection.send_data(stream, &body, End::Stream, &mut out)?;
            }
        }
        connection.refill();
        stream.write_all(&out).await?;
        out.clear();
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

/// Windows that never stand in the way of small messages.
pub(crate) fn h2_config() -> Config {
    Config {
        settings: Settings {
            max_concurrent_streams: 1000,
            initial_window_size: 1 << 20,
            ..Settings::default()
        },
        connection_window: 1 << 24,
        ..Config::default()
    }
}

/// A gRPC message of [`SMALL`] octets with its prefix.
pub(crate) fn message() -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0, SMALL as u8];
    message.resize(5 + SMALL, b'x');
    message
}

fn response_head(grpc: bool) -> HeaderList {
    let mut head = HeaderList::new();
    head.push(b":status", b"200");
    if grpc {
        head.push(b"content-type", b"application/grpc");
    } else {
        head.push(b"content-length", b"128");
    }
    head
}
