//! One socket of a worker, accepted or dialled, and what is spoken on it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::arena::Key;
use super::http1::{Http1Client, Http1Server};
use super::http2::Http2;
use super::timer::Timer;
use super::tls::Session;
use super::{Direction, EndpointSpec};

/// A connection.
pub(super) struct Conn {
    pub(super) socket: TcpStream,
    pub(super) origin: Origin,
    pub(super) stage: Stage,
    pub(super) tls: Option<Box<Session>>,
    /// A part of a TLS record.
    pub(super) sealed: Vec<u8>,
    /// Octets that were read and opened, and not taken yet.
    pub(super) input: Vec<u8>,
    /// Octets to be sealed, or written as they are.
    pub(super) out: Vec<u8>,
    /// How many of them have been sealed, within a flush.
    pub(super) sealing: usize,
    /// Octets as they go to the socket, and how many of them have gone.
    pub(super) wire: Vec<u8>,
    pub(super) wired: usize,
    pub(super) state: State,
    /// Octets of output beyond which those who feed it are held back.
    pub(super) max_unwritten: usize,
    /// Exchanges that wait until the output has been written.
    pub(super) waiters: Vec<Key>,
    pub(super) timer: Timer,
    pub(super) deadline: Option<Instant>,
    pub(super) opened: Instant,
    pub(super) heard: Instant,
    pub(super) read: u64,
    pub(super) written: u64,
    /// Why it ends, where that is said before it does.
    pub(super) reason: Option<&'static str>,
    pub(super) ending: Option<Ending>,
}

/// Small facts about a connection.
#[derive(Clone, Copy, Default)]
pub(super) struct State {
    /// It is in the list of connections to be flushed.
    pub(super) dirty: bool,
    /// The socket takes nothing at the moment.
    pub(super) stuck: bool,
    /// The peer sends nothing more.
    pub(super) read_ended: bool,
    /// Nothing more is put into the output; once it is written, the peer is told.
    pub(super) fin: Fin,
    /// What was read has to be looked at again although nothing new was read.
    pub(super) again: bool,
    /// Whoever feeds it has stopped reading until the output is written.
    pub(super) starving: bool,
}

/// The end of what we send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fin {
    #[default]
    No,
    Wanted,
    Sent,
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Accepted,
    Endpoint(Key),
}

/// What is going on on a connection.
pub(super) enum Stage {
    /// Accepted; a step of the handler waits for its outcome.
    Deciding(Deciding),
    Connecting(Purpose),
    Securing(Purpose),
    Http1Server(Box<Http1Server>),
    Http1Client(Box<Http1Client>),
    Http2(Box<Http2>),
    Tunnel(Tunnel),
    /// All is said; what the peer still sends is thrown away until it closes.
    Lingering,
}

/// What an accepted connection waits for.
pub(super) struct Deciding {
    pub(super) awaited: Awaited,
    pub(super) timeout_at: Instant,
    pub(super) silent_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    Hello,
    Handshake,
    TransportHeader,
    ProxyHeader,
    Http,
    Resume,
    /// Either side of a tunnel, whose dialled side this is, to talk.
    FirstOctet {
        upstream: Key,
        endpoint: Key,
        idle: Option<Duration>,
    },
}

/// What a dialled connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Http1,
    Http2,
    Tunnel { client: Key },
}

/// One side of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tunnel {
    /// The other side.
    pub(super) peer: Key,
    /// Whether the other side is there yet.
    pub(super) joined: bool,
    pub(super) idle: Option<Duration>,
    /// Which way octets go that are read here.
    pub(super) direction: Direction,
    /// The exchange that was upgraded to this.
    pub(super) exchange: Option<Key>,
    /// Whose requests include this tunnel; at the accepted side only.
    pub(super) endpoint: Option<Key>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) reason: Option<&'static str>,
    pub(super) errno: i32,
    pub(super) reset: bool,
}

// === impl Conn ===

impl Conn {
    pub(super) fn new(socket: TcpStream, origin: Origin, stage: Stage, now: Instant) -> Self {
        Self {
            socket,
            origin,
            stage,
            tls: None,
            sealed: Vec::new(),
            input: Vec::new(),
            out: Vec::new(),
            sealing: 0,
            wire: Vec::new(),
            wired: 0,
            state: State::default(),
            max_unwritten: super::worker::DEFAULT_UNWRITTEN,
            waiters: Vec::new(),
            timer: Timer::UNSET,
            deadline: None,
            opened: now,
            heard: now,
            read: 0,
            written: 0,
            reason: None,
            ending: None,
        }
    }

    /// Octets that wait to be written.
    pub(super) fn unwritten(&self) -> usize {
        self.out.len() + self.wire.len() - self.wired
    }

    /// Octets of content that its output still takes.
    pub(super) fn room(&self) -> usize {
        self.max_unwritten.saturating_sub(self.unwritten())
    }
}

/// The options of a dialled socket.
pub(super) fn socket_options(spec: &EndpointSpec) -> crate::transport::SocketOptions {
    crate::transport::SocketOptions { keep_alive: spec.keep_alive, user_timeout: spec.user_timeout }
}

/// Addresses of a connection that was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) listener: u8,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) original: SocketAddr,
}
