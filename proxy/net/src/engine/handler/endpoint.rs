//! Endpoints: where they are, how they are spoken to, and what happens to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Upstream;

/// An endpoint: an address, and how to speak to it.
#[derive(Clone, Debug)]
pub struct EndpointSpec {
    /// Where to connect.
    pub addr: SocketAddr,
    /// TLS, if any.
    pub tls: Option<EndpointTls>,
    /// What is written after the handshake and before anything else, by what follows it; empty is nothing.
    pub preface: Prefaces,
    /// How long connecting may take: TCP, TLS and preface.
    pub connect_timeout: Duration,
    /// Requests that wait for a connection with room.
    pub queue: EndpointQueue,
    /// Between attempts to connect.
    pub backoff: crate::backoff::Backoff,
    /// TCP keep-alive idle time.
    pub keep_alive: Option<Duration>,
    /// `TCP_USER_TIMEOUT`.
    pub user_timeout: Option<Duration>,
    /// HTTP/2 codec configuration.
    pub h2: crate::h2::connection::Config,
    /// HTTP/2 pings: interval, timeout, and whether also when no stream is open.
    pub h2_keep_alive: Option<(Duration, Duration, bool)>,
    /// How long an idle HTTP/1 connection is kept.
    pub http1_idle: Duration,
    /// How many idle HTTP/1 connections are kept.
    pub http1_max_idle: usize,
    /// Whether connections are opened before they are needed, as a balancer wants it.
    pub eager: Option<Upstream>,
}

/// How requests wait for a connection of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointQueue {
    /// How many may; the engine's own limit holds as well.
    pub capacity: usize,
    /// How long each may.
    pub wait: Duration,
}

/// What is written first on a new connection.
#[derive(Clone, Debug, Default)]
pub struct Prefaces {
    /// Before HTTP/1.
    pub http1: Bytes,
    /// Before HTTP/2.
    pub http2: Bytes,
    /// Before a tunnel.
    pub opaque: Bytes,
}

/// TLS to an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointTls {
    /// The client's configuration; its verifier checks the chain.
    pub config: Arc<rustls::ClientConfig>,
    /// The server name to send, which also tells the configuration's verifier whom to expect.
    pub server_name: rustls_pki_types::ServerName<'static>,
}

/// What happened to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointEvent {
    /// It can take requests now (first connection up, or back after a failure).
    Ready,
    /// It cannot: connecting failed; another attempt follows by its backoff.
    Unready(ConnectError),
    /// A connection was opened.
    Opened,
    /// A connection is gone.
    Closed {
        /// The error number, 0 for an ordinary end.
        errno: i32,
    },
    /// Octets were read from and written to its connections since the last such event; at most once a poll round.
    Octets {
        /// Read.
        read: u64,
        /// Written.
        written: u64,
    },
}

/// Why no connection could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The operating system said no: the error number, 0 where there is none.
    Io(i32),
    /// It took too long.
    TimedOut,
    /// Too many requests wait for a connection already.
    Full,
    /// There are connections, and none had room in time.
    Busy,
    /// The TLS handshake failed; whether because the peer's identity is not the expected one.
    Tls {
        /// The peer's certificate is valid but names somebody else.
        wrong_identity: bool,
    },
}
