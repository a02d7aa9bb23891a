//! Sockets, waiting times, pools and HTTP/2 settings: what both directions have alike.

use std::net::SocketAddr;
use std::time::Duration;

use proxy_net::backoff::Backoff;
use proxy_net::engine::H2Server;

use super::env::{Form, Reader};
use super::parse;

/// Which way; the prefix of variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Inbound,
    Outbound,
}

/// A place to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// One address, or one of each family.
    pub addrs: Vec<SocketAddr>,
    /// Connections that the kernel holds ready; none is the kernel's own default.
    pub backlog: Option<u32>,
}

/// Options of TCP sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Idle time before the first probe; none leaves it to the kernel.
    pub keep_alive: Option<Duration>,
    /// `TCP_USER_TIMEOUT`: how long sent data may stay unacknowledged.
    pub user_timeout: Option<Duration>,
}

/// Work that waits for somebody to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How many may wait.
    pub capacity: usize,
    /// How long before waiting is given up.
    pub failfast: Duration,
}

/// Pools of HTTP/1 connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http1Pool {
    /// Idle connections kept per endpoint.
    pub max_idle: usize,
    /// How long.
    pub idle_timeout: Duration,
}

/// Pings on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// How long nothing may come before a ping.
    pub interval: Duration,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// Receive windows as a client, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Client {
    /// Of a stream.
    pub stream_window: u32,
    /// Of a connection.
    pub connection_window: u32,
}

/// Settings as a server; none is the codec's own default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http2Server {
    /// Streams that a peer may have open.
    pub max_concurrent_streams: Option<u32>,
    /// Octets of a frame, 16,384 to 16,777,215.
    pub max_frame_size: Option<u32>,
    /// Octets of a decoded header list.
    pub max_header_list_size: Option<u32>,
    /// Streams that a peer may reset before they were looked at.
    pub max_pending_accept_reset_streams: Option<u32>,
    /// Octets that are held for a connection on their way out before its servers are held back; less than a frame counts as one.
    pub max_send_buf_size: Option<u32>,
    /// Pings.
    pub keep_alive: Option<KeepAlive>,
    /// Whether windows grow with what arrives in them.
    pub adaptive_flow_control: bool,
    /// Receive windows of a stream and of a connection, in octets.
    pub windows: Option<(u32, u32)>,
}

/// A largest window of HTTP/2.
const MAX_WINDOW: u32 = (1 << 31) - 1;
/// Octets that the window of a stream may grow to with adaptive flow control: 330 Mbit/s over a round trip of 100 ms.
pub(crate) const ADAPTIVE_WINDOW: u32 = 4 << 20;
const WINDOW: Form = Form("a whole number of octets from 1 to 2147483647, such as 1048576");
const FRAME: Form = Form("a whole number of octets from 16384 to 16777215");
const JITTER: Form = Form("a number from 0 to 1, such as 0.1");
const BOUND: Form = Form("a time that is at most the one in MAX, which is above 0");

// === impl Direction ===

impl Direction {
    pub(super) fn name(self, part: &str) -> String {
        match self {
            Self::Inbound => format!("LINKERD2_PROXY_INBOUND_{part}"),
            Self::Outbound => format!("LINKERD2_PROXY_OUTBOUND_{part}"),
        }
    }

    pub(super) fn duration(self, reader: &Reader<'_>, part: &str, default: Duration) -> Duration {
        duration(reader, &self.name(part)).unwrap_or(default)
    }

    pub(super) fn count(self, reader: &Reader<'_>, part: &str, default: usize) -> usize {
        reader.parsed(&self.name(part), parse::COUNT, parse::count).unwrap_or(default)
    }

    pub(super) fn tcp(self, reader: &Reader<'_>, side: &str) -> TcpOptions {
        let option = |part: &str| {
            duration(reader, &self.name(&format!("{side}_{part}"))).filter(|time| !time.is_zero())
        };
        TcpOptions { keep_alive: option("KEEPALIVE"), user_timeout: option("USER_TIMEOUT") }
    }

    pub(super) fn backlog(self, reader: &Reader<'_>) -> Option<u32> {
        reader.parsed(&self.name("TCP_LISTEN_BACKLOG"), parse::POSITIVE, parse::positive)
    }

    pub(super) fn backoff(self, reader: &Reader<'_>, most: Duration) -> Backoff {
        backoff(reader, |part| self.name(&format!("CONNECT_EXP_BACKOFF_{part}")), most)
    }

    pub(super) fn pool(self, reader: &Reader<'_>, max_idle: &str) -> Http1Pool {
        Http1Pool {
            max_idle: reader.parsed(max_idle, parse::COUNT, parse::count).unwrap_or(10_000),
            idle_timeout: self.duration(reader, "HTTP1_CONNECTION_POOL_IDLE_TIMEOUT", Duration::from_secs(3)),
        }
    }

    pub(super) fn http2(self, reader: &Reader<'_>) -> Http2Server {
        let name = |part: &str| self.name(&format!("SERVER_HTTP2_{part}"));
        let number = |part: &str| reader.parsed(&name(part), parse::POSITIVE, parse::positive::<u32>);
        let interval = duration(reader, &name("KEEP_ALIVE_INTERVAL")).filter(|time| !time.is_zero());
        let timeout = duration(reader, &name("KEEP_ALIVE_TIMEOUT")).filter(|time| !time.is_zero());
        let stream = window(reader, &name("INITIAL_STREAM_WINDOW_SIZE"));
        let connection = window(reader, &name("INITIAL_CONNECTION_WINDOW_SIZE"));
        Http2Server {
            max_concurrent_streams: number("MAX_CONCURRENT_STREAMS"),
            max_frame_size: reader.parsed(&name("MAX_FRAME_SIZE"), FRAME, |text| {
                parse::count::<u32>(text).and_then(|size| {
                    if (16_384..1 << 24).contains(&size) { Ok(size) } else { Err("is out of range") }
                })
            }),
            max_header_list_size: number("MAX_HEADER_LIST_SIZE"),
            max_pending_accept_reset_streams: number("MAX_PENDING_ACCEPT_RESET_STREAMS"),
            max_send_buf_size: number("MAX_SEND_BUF_SIZE"),
            keep_alive: interval.zip(timeout).map(|(interval, timeout)| KeepAlive { interval, timeout }),
            adaptive_flow_control: flag(reader, &name("ADAPTIVE_FLOW_CONTROL")).unwrap_or(false),
            windows: stream.zip(connection),
        }
    }
}

// === impl Http2Server ===

impl Http2Server {
    /// What the engine is told of it.
    pub(crate) fn engine(&self) -> H2Server {
        let mut config = proxy_net::h2::connection::Config::default();
        let settings = &mut config.settings;
        settings.max_concurrent_streams =
            self.max_concurrent_streams.unwrap_or(settings.max_concurrent_streams);
        settings.max_frame_size = self.max_frame_size.unwrap_or(settings.max_frame_size);
        if let Some((stream, connection)) = self.windows {
            settings.initial_window_size = stream;
            config.connection_window = connection.max(65_535);
        }
        if let Some(size) = self.max_header_list_size {
            config.headers.list_size = size as usize;
        }
        if let Some(resets) = self.max_pending_accept_reset_streams {
            config.floods.resets = resets;
        }
        config.adaptive = self.adaptive_flow_control.then_some(ADAPTIVE_WINDOW);
        H2Server {
            config,
            keep_alive: self.keep_alive.map(|pings| (pings.interval, pings.timeout)),
            send_buffer: self.max_send_buf_size.map(|octets| octets as usize),
        }
    }
}

// === impl Http2Client ===

impl Http2Client {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        let names = super::names::HTTP2_INITIAL_CONNECTION_WINDOW_SIZE;
        Self {
            stream_window: window(reader, super::names::HTTP2_INITIAL_STREAM_WINDOW_SIZE).unwrap_or(65_535),
            connection_window: window(reader, names).unwrap_or(1 << 20),
        }
    }
}

pub(super) fn duration(reader: &Reader<'_>, name: &str) -> Option<Duration> {
    reader.parsed(name, parse::DURATION, parse::duration)
}

pub(super) fn flag(reader: &Reader<'_>, name: &str) -> Option<bool> {
    reader.parsed(name, parse::BOOLEAN, parse::boolean)
}

fn window(reader: &Reader<'_>, name: &str) -> Option<u32> {
    reader.parsed(name, WINDOW, |text| match parse::positive::<u32>(text) {
        Ok(size) if size > MAX_WINDOW => Err("is too large"),
        other => other,
    })
}

/// Both bounds or none; without them the jitter alone may be given.
pub(super) fn backoff(reader: &Reader<'_>, name: impl Fn(&str) -> String, most: Duration) -> Backoff {
    let bounds = (duration(reader, &name("MIN")), duration(reader, &name("MAX")));
    let jitter = reader.parsed(&name("JITTER"), JITTER, parse::share);
    let (min, max, jitter) = match bounds {
        (Some(min), Some(max)) => (min, max, jitter.unwrap_or(0.0)),
        (None, None) => (Duration::from_millis(100), most, jitter.unwrap_or(0.1)),
        (min, _) => {
            let (given, missing) = if min.is_some() { ("MIN", "MAX") } else { ("MAX", "MIN") };
            if reader.raw(&name(missing)).is_none() {
                let cause = format!("is not set, but {} is", name(given));
                reader.refuse(&name(missing), None, cause, parse::DURATION);
            }
            return Backoff::default();
        }
    };
    Backoff::new(min, max, jitter).unwrap_or_else(|error| {
        reader.refuse(&name("MIN"), reader.raw(&name("MIN")), format!("is no lower bound: {error}"), BOUND);
        Backoff::default()
    })
}
