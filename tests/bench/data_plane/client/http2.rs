//! HTTP/2 and gRPC on the project's own codec: as many streams as asked for at any time, one write for what a read brought.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Result, bail};
use proxy_net::h2::{Connection, End, Event, StreamKey};
use proxy_net::headers::HeaderList;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Tally;
use crate::server::{h2_config, message};

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// GET.
    Plain,
    /// A unary call.
    Grpc,
}

const CONNECTIONS: usize = 8;
const STREAMS: usize = 32;

/// One request after the other on each stream of each connection.
pub(super) fn closed(address: SocketAddr, kind: Kind, tally: &'static Tally) {
    for _ in 0..CONNECTIONS {
        tokio::task::spawn_local(async move {
            loop {
                if drive(address, kind, tally).await.is_err() {
                    tally.failed();
                    tokio::task::yield_now().await;
                }
            }
        });
    }
}

async fn drive(address: SocketAddr, kind: Kind, tally: &Tally) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut out = Vec::new();
    let mut connection = Connection::client(h2_config(), &mut out);
    let head = head(kind);
    let message = message();
    // When each stream's request began.
    let mut starts: HashMap<StreamKey, Instant> = HashMap::with_capacity(STREAMS);
    let mut input = Vec::with_capacity(64 << 10);
    loop {
        while starts.len() < STREAMS && connection.open_capacity() > 0 {
            let end = if kind == Kind::Plain { End::Stream } else { End::More };
            let key = connection.open(head.iter(), end, &mut out)?;
            starts.insert(key, Instant::now());
            if kind == Kind::Grpc
                && connection.send_data(key, &message, End::Stream, &mut out)? < message.len()
            {
                bail!("a window that is smaller than a message");
            }
        }
        stream.write_all(&out).await?;
        out.clear();
        if stream.read_buf(&mut input).await? == 0 {
            bail!("the connection ended");
        }
        let at = receive(&mut connection, &input, &mut out, &mut starts, tally)?;
        connection.refill();
        input.drain(..at);
    }
}

/// Takes whole frames; returns how many octets they were.
fn receive(
    connection: &mut Connection,
    input: &[u8],
    out: &mut Vec<u8>,
    starts: &mut HashMap<StreamKey, Instant>,
    tally: &Tally,
) -> Result<usize> {
    let mut at = 0;
    let mut headers = HeaderList::new();
    loop {
        let polled = connection.poll(&input[at..], &mut headers, out)?;
        at += polled.consumed;
        let (stream, end, octets) = match polled.event {
            None => return Ok(at),
            Some(Event::Headers { stream, end, .. }) => {
                if headers.value(b":status").is_some_and(|status| status != b"200") {
                    bail!("not answered with 200");
                }
                (stream, end, 0)
            }
            Some(Event::Data { stream, data, end, .. }) => (stream, end, data.len()),
            Some(Event::Reset { .. } | Event::GoAway { .. }) => bail!("reset"),
            Some(_) => continue,
        };
        if octets > 0 {
            connection.release(stream, octets, out);
        }
        if end == End::Stream
            && let Some(start) = starts.remove(&stream)
        {
            tally.answered(start);
        }
    }
}

fn head(kind: Kind) -> HeaderList {
    let mut head = HeaderList::new();
    head.push(b":method", if kind == Kind::Plain { b"GET" } else { b"POST" });
    head.push(b":scheme", b"http");
    head.push(b":path", if kind == Kind::Plain { b"/small" } else { b"/bench.Bench/Unary" });
    head.push(b":authority", b"web.test.svc.cluster.local");
    if kind == Kind::Grpc {
        head.push(b"content-type", b"application/grpc");
        head.push(b"te", b"trailers");
    }
    head.push(b"user-agent", b"bench");
    head
}
