//! HTTP/1 by hand: one write a request, one read a response where possible.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Tally;
use crate::server::find;

/// A connection and what was read of it.
pub(super) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

// === impl Connection ===

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::with_capacity(16 << 10) })
    }

    /// Sends a request and reads the response.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        loop {
            if self.stream.read_buf(&mut self.input).await? == 0 {
                bail!("the connection ended");
            }
            if let Some(length) = whole(&self.input)? {
                self.input.drain(..length);
                return Ok(());
            }
        }
    }
}

/// The length of a whole response at the start of `input`.
fn whole(input: &[u8]) -> Result<Option<usize>> {
    let Some(end) = find(input, b"\r\n\r\n") else { return Ok(None) };
    let head = &input[..end];
    if !head.starts_with(b"HTTP/1.1 200") {
        bail!("not answered with 200: {}", String::from_utf8_lossy(head));
    }
    let text = std::str::from_utf8(head).context("a head that is no text")?;
    let length = text.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = end + 4 + length.context("no content-length")?;
    Ok((input.len() >= whole).then_some(whole))
}

/// A request for a path.
pub(super) fn request(path: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: web.test.svc.cluster.local\r\nuser-agent: bench\r\naccept: */*\r\n{more}\r\n")
        .into_bytes()
}

/// One request after the other on each connection.
pub(super) fn keep_alive(address: SocketAddr, path: &str, connections: usize, tally: &'static Tally) {
    for _ in 0..connections {
        let request = request(path, "");
        tokio::task::spawn_local(async move {
            loop {
                let Ok(mut connection) = Connection::open(address).await else {
                    tally.failed();
                    tokio::task::yield_now().await;
                    continue;
                };
                loop {
                    let start = Instant::now();
                    match connection.ask(&request).await {
                        Ok(()) => tally.answered(start),
                        Err(_) => {
                            tally.failed();
                            break;
                        }
                    }
                }
            }
        });
    }
}

/// A connection for each request.
pub(super) fn new_connections(address: SocketAddr, at_once: usize, tally: &'static Tally) {
    for _ in 0..at_once {
        let request = request("/small", "connection: close\r\n");
        tokio::task::spawn_local(async move {
            loop {
                let start = Instant::now();
                let answer = async {
                    let mut connection = Connection::open(address).await?;
                    connection.ask(&request).await
                };
                match answer.await {
                    Ok(()) => tally.answered(start),
                    Err(_) => {
                        tally.failed();
                        tokio::task::yield_now().await;
                    }
                }
            }
        });
    }
}

/// Connections that were used once.
pub(super) async fn idle(address: SocketAddr, count: usize) -> Result<Vec<Connection>> {
    let request = request("/small", "");
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = Connection::open(address).await?;
        connection.ask(&request).await?;
        connections.push(connection);
    }
    Ok(connections)
}
