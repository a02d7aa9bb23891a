//! Spans on a worker: opened with the request, sent with the response head.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use proxy_net::headers::HeaderList;
use tokio::sync::mpsc;

use super::context::{Context, SpanId, TraceId};
use crate::metrics::Direction;

/// Octets that are kept of a text.
const MAX_TEXT: usize = 1024;

/// Opens spans; one a worker.
#[derive(Clone, Debug)]
pub struct Tracer {
    sender: mpsc::Sender<Finished>,
    /// Requests whose spans found no room, of all workers.
    dropped: Arc<AtomicU64>,
}

/// Where a request is traced.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// Which side of the proxy.
    pub direction: Direction,
    /// Who sent it.
    pub client: SocketAddr,
    /// Where it goes: the endpoint, or what the client wanted where none is chosen yet.
    pub server: SocketAddr,
    /// The client's version of HTTP: `1.0`, `1.1` or `2`.
    pub version: &'static str,
    /// The client's identity, empty if it has none.
    pub client_id: &'a str,
}

/// A request whose spans are wanted.
#[derive(Debug)]
pub struct Traced {
    trace: TraceId,
    parent: SpanId,
    server_span: SpanId,
    client_span: SpanId,
    started: Instant,
    request: Request,
}

/// What spans say of a request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) direction: Direction,
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) version: &'static str,
    pub(super) client_id: Box<str>,
    pub(super) method: Box<str>,
    pub(super) scheme: Box<str>,
    pub(super) authority: Box<str>,
    pub(super) path: Box<str>,
    pub(super) query: Box<str>,
    pub(super) user_agent: Box<str>,
}

/// Both spans of a request.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) trace: TraceId,
    pub(super) parent: SpanId,
    pub(super) server_span: SpanId,
    pub(super) client_span: SpanId,
    pub(super) started: Instant,
    pub(super) ended: Instant,
    pub(super) outcome: Result<u16, &'static str>,
    pub(super) request: Request,
}

// === impl Tracer ===

impl Tracer {
    pub(super) fn new(sender: mpsc::Sender<Finished>, dropped: Arc<AtomicU64>) -> Self {
        Self { sender, dropped }
    }

    /// Gives the request a new context if it has one. None where its trace is not sampled, or it has none.
    pub fn request(
        &self,
        mut random: impl FnMut() -> u64,
        now: Instant,
        hop: &Hop<'_>,
        head: &mut HeaderList,
    ) -> Option<Box<Traced>> {
        let context = Context::parse(head)?;
        let (server_span, client_span) = (SpanId::new(random()), SpanId::new(random()));
        context.write(client_span, head);
        if !context.sampled {
            return None;
        }
        Some(Box::new(Traced {
            trace: context.trace,
            parent: context.parent,
            server_span,
            client_span,
            started: now,
            request: Request::new(hop, head),
        }))
    }

    /// A response head came, or was made here.
    pub fn response(&self, traced: Box<Traced>, now: Instant, status: u16) {
        self.finish(traced, now, Ok(status));
    }

    /// None will come: why, in words that never vary.
    pub fn failed(&self, traced: Box<Traced>, now: Instant, error: &'static str) {
        self.finish(traced, now, Err(error));
    }

    /// What finds no room is dropped, and counted.
    fn finish(&self, traced: Box<Traced>, now: Instant, outcome: Result<u16, &'static str>) {
        let Traced { trace, parent, server_span, client_span, started, request } = *traced;
        let finished =
            Finished { trace, parent, server_span, client_span, started, ended: now, outcome, request };
        if self.sender.try_send(finished).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// === impl Traced ===

impl Traced {
    /// The endpoint is chosen.
    pub fn sent_to(&mut self, server: SocketAddr) {
        self.request.server = server;
    }
}

// === impl Request ===

impl Request {
    fn new(hop: &Hop<'_>, head: &HeaderList) -> Self {
        let text = |name: &[u8]| -> Box<str> { lossy(head.value(name).unwrap_or_default()) };
        let target = text(b":path");
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let authority = head.value(b":authority").or_else(|| head.value(b"host")).unwrap_or_default();
        Self {
            direction: hop.direction,
            client: hop.client,
            server: hop.server,
            version: hop.version,
            client_id: hop.client_id.into(),
            method: text(b":method"),
            scheme: lossy(head.value(b":scheme").unwrap_or(b"http")),
            authority: lossy(authority),
            path: path.into(),
            query: query.into(),
            user_agent: text(b"user-agent"),
        }
    }
}

fn lossy(octets: &[u8]) -> Box<str> {
    String::from_utf8_lossy(&octets[..octets.len().min(MAX_TEXT)]).into()
}
