//! What clients do.

use std::str::FromStr;

use anyhow::{Result, bail};

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Workload {
    /// HTTP/1 keep-alive on 64 connections, 128 B.
    Http1,
    /// The same with 10 kB.
    Http1Large,
    /// HTTP/1, a new connection for each request, 16 at a time.
    NewConnections,
    /// HTTP/2, 8 connections with 32 streams each, 128 B.
    Http2,
    /// gRPC unary, 8 connections with 32 streams each, 128 B both ways.
    Grpc,
    /// HTTP/1 at 1,000 requests/s, 64 connections.
    Rate1000,
    /// HTTP/1 at 2,000 requests/s, 64 connections.
    Rate2000,
    /// Four opaque streams towards the client.
    Tcp,
    /// 1,000 connections that were used once, for memory.
    Idle,
}

/// What a proxy has to be set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Http1,
    Http2,
    Tcp,
}

/// Connections of [`Workload::Idle`].
pub(crate) const IDLE_CONNECTIONS: usize = 1000;

// === impl Workload ===

impl Workload {
    pub(crate) const ALL: [Self; 9] = [
        Self::Http1,
        Self::Http1Large,
        Self::NewConnections,
        Self::Http2,
        Self::Grpc,
        Self::Rate1000,
        Self::Rate2000,
        Self::Tcp,
        Self::Idle,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http1Large => "http1-10k",
            Self::NewConnections => "http1-new",
            Self::Http2 => "http2",
            Self::Grpc => "grpc",
            Self::Rate1000 => "rate-1000",
            Self::Rate2000 => "rate-2000",
            Self::Tcp => "tcp",
            Self::Idle => "idle",
        }
    }

    pub(crate) fn mode(self) -> Mode {
        match self {
            Self::Http2 | Self::Grpc => Mode::Http2,
            Self::Tcp => Mode::Tcp,
            _ => Mode::Http1,
        }
    }

    /// Whether clients ask again as soon as they have an answer.
    pub(crate) fn is_closed(self) -> bool {
        !matches!(self, Self::Rate1000 | Self::Rate2000 | Self::Tcp | Self::Idle)
    }

    /// Requests per second of an open loop.
    pub(crate) fn rate(self) -> Option<u32> {
        match self {
            Self::Rate1000 => Some(1000),
            Self::Rate2000 => Some(2000),
            _ => None,
        }
    }

    /// What CPU per request may be at most, as a ratio to HAProxy's.
    pub(crate) fn bar(self) -> Option<f64> {
        match self {
            Self::Http1 | Self::NewConnections => Some(1.0),
            Self::Http1Large => Some(0.8),
            Self::Http2 | Self::Grpc => Some(0.7),
            Self::Rate1000 => Some(0.75),
            _ => None,
        }
    }
}

impl FromStr for Workload {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|workload| workload.name() == name) {
            Some(workload) => Ok(workload),
            None => bail!("no workload {name}; there are {}", Self::ALL.map(Self::name).join(", ")),
        }
    }
}
