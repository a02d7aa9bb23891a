//! The engine: one object per worker thread that owns every connection of that worker and moves octets between them.
//!
//! A worker is one task on a single-threaded runtime. In each poll round it takes the connections whose sockets became ready,
//! reads each until a short read, runs codec and [`Handler`] on what was read, which appends to the output of the
//! connections that it concerns, and at the end of the round seals and writes each of those once. There is no task, channel or
//! allocation per request.

mod accept;
mod arena;
mod conn;
mod core;
mod detect;
mod dial;
mod drive;
mod endpoint;
mod exchange;
mod finish;
mod forward;
pub mod handler;
mod hello;
mod http1;
mod http2;
mod io;
mod mailbox;
mod pipe;
mod pool;
mod ready;
mod records;
mod reply;
mod response;
mod timer;
mod tls;
mod tunnel;
mod worker;

use std::time::{Duration, Instant};

pub use handler::*;
pub use mailbox::{Inbox, Mailbox, Undelivered, mailbox};

pub use worker::Engine;

use core::{Action, Core};

use arena::Key;

use crate::http1::HeadLimits;
use crate::transport::{OriginalDst, SocketOptions};

/// Names a connection; one of a connection that is gone names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(Key);

/// Names an exchange: a request and its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(Key);

/// Names an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(Key);

/// What an endpoint has to do at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Whether a request sent there would be on its way at once: a connection is up, or has never been needed so far and none failed.
    pub ready: bool,
    /// Requests and tunnels that are assigned to it and not over, those that wait for a connection included.
    pub requests: u32,
    /// Connections that are open or being opened.
    pub connections: u32,
}

/// What a handler may ask of the engine during a call.
pub struct Control<'a, H: Handler> {
    core: &'a mut Core,
    endpoints: &'a mut Vec<Option<Box<H::Endpoint>>>,
}

/// How an engine works, whatever its handler decides.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Bounds on a head of HTTP/1.
    pub head: HeadLimits,
    /// How long a head of HTTP/1 may take from its first octet, and the first head of a connection from its beginning. A header block of
    /// HTTP/2 has as much from its first frame, and a frame for each 16 KiB that it has.
    pub head_timeout: Duration,
    /// How long a connection of an HTTP/1 client may be idle; none is no limit.
    pub http1_idle: Option<Duration>,
    /// Octets of output of a connection beyond which those who feed it are held back.
    pub max_unwritten: usize,
    /// Requests that may wait for a connection of one endpoint.
    pub max_waiting: usize,
    /// HTTP/2 connections to one endpoint, of which the second is opened when the first is saturated.
    pub max_http2_connections: usize,
    /// How often a request is sent again that an HTTP/2 server has refused without processing it.
    pub refused_retries: u32,
    /// How long a server may leave a client's `Expect: 100-continue` unanswered before the client is told to go on.
    pub continue_after: Duration,
    /// How long a peer of HTTP/2 may take to acknowledge settings.
    pub settings_timeout: Duration,
}

/// A listening socket, and what is done with what it accepts.
#[derive(Debug)]
pub struct Listener {
    /// A number for [`Accepted::listener`].
    pub id: u8,
    /// The socket, from [`crate::transport::listen`].
    pub socket: std::net::TcpListener,
    /// Options of accepted connections.
    pub options: SocketOptions,
    /// Where their original destinations come from.
    pub original: OriginalDst,
}

// === impl Control ===

impl<H: Handler> Control<'_, H> {
    /// The time of this round.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.core.now
    }

    /// Adds an endpoint. Nothing is dialled before a request needs it, unless the specification is eager.
    pub fn add_endpoint(&mut self, spec: EndpointSpec, data: H::Endpoint) -> EndpointId {
        let key = self.core.endpoints.insert(endpoint::Endpoint::new(spec));
        let index = key.index as usize;
        if self.endpoints.len() <= index {
            self.endpoints.resize_with(index + 1, || None);
        }
        self.endpoints[index] = Some(Box::new(data));
        self.core.actions.push(Action::AddedEndpoint(key));
        EndpointId(key)
    }

    /// Changes how new connections of an endpoint are secured; those that are open stay.
    pub fn update_endpoint_tls(&mut self, id: EndpointId, tls: Option<EndpointTls>) {
        if let Some(endpoint) = self.core.endpoints.get_mut(id.0) {
            endpoint.spec.tls = tls;
        }
    }

    /// Takes an endpoint away: it gets no new requests, streams in flight finish, and its data is dropped at once.
    pub fn remove_endpoint(&mut self, id: EndpointId) {
        if let Some(endpoint) = self.core.endpoints.get_mut(id.0) {
            endpoint.removed = true;
            self.endpoints[id.0.index as usize] = None;
            self.core.actions.push(Action::RemovedEndpoint(id.0));
        }
    }

    /// What the handler remembers of an endpoint; nothing for one that was removed, and for the one that a call was given.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> Option<&H::Endpoint> {
        self.core.endpoints.get(id.0)?;
        self.endpoints.get(id.0.index as usize)?.as_deref()
    }

    /// As [`endpoint`](Self::endpoint).
    #[must_use]
    pub fn endpoint_mut(&mut self, id: EndpointId) -> Option<&mut H::Endpoint> {
        self.core.endpoints.get(id.0)?;
        self.endpoints.get_mut(id.0.index as usize)?.as_deref_mut()
    }

    /// What an endpoint has to do at this moment; nothing and not ready for one that is gone.
    #[must_use]
    pub fn load(&self, id: EndpointId) -> Load {
        self.core
            .endpoints
            .get(id.0)
            .filter(|endpoint| !endpoint.removed)
            .map_or_else(Load::default, |endpoint| endpoint.load())
    }

    /// Ends the wait of a connection that was told [`Step::Wait`].
    pub fn resume_conn(&mut self, id: ConnId) {
        self.core.actions.push(Action::ResumeConn(id.0));
    }

    /// Ends the wait of a request that was told [`RequestStep::Wait`].
    pub fn resume_exchange(&mut self, id: ExchangeId) {
        self.core.actions.push(Action::ResumeExchange(id.0));
    }

    /// Closes an accepted connection: HTTP/2 by GOAWAY, HTTP/1 after its response, anything else at once.
    pub fn close_conn(&mut self, id: ConnId, reason: &'static str) {
        self.core.actions.push(Action::CloseConn(id.0, reason));
    }

    /// Begins the end of this worker: nothing is accepted any more, what is in flight may finish within `grace`, then all is closed
    /// and [`Engine::run`] returns.
    pub fn drain(&mut self, grace: Duration) {
        self.core.actions.push(Action::Drain(grace));
    }

    /// A random number; cheap, and not for secrets.
    pub fn random(&mut self) -> u64 {
        self.core.random()
    }
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            head_timeout: Duration::from_secs(30),
            http1_idle: None,
            max_unwritten: worker::DEFAULT_UNWRITTEN,
            max_waiting: 10_000,
            max_http2_connections: 8,
            refused_retries: 3,
            continue_after: Duration::from_secs(1),
            settings_timeout: Duration::from_secs(30),
        }
    }
}
