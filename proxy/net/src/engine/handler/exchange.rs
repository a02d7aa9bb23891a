//! A request and its response, as the handler sees and decides them.

use std::time::{Duration, Instant};

use super::ConnectError;
use crate::engine::{ConnId, EndpointId, ExchangeId};
use crate::h2::error::ErrorCode;
use crate::h2::frame::End;
use crate::headers::HeaderList;

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The exchange.
    pub id: ExchangeId,
    /// The connection that it came on.
    pub conn: ConnId,
    /// The version that the client speaks.
    pub version: HttpVersion,
    /// Whether a body or trailers follow.
    pub end: End,
    /// Whether the client asks for another protocol (`Upgrade`) or a tunnel (`CONNECT`) on HTTP/1.
    pub upgrade: crate::http1::Upgrade,
    /// Whether an HTTP/1 target was absolute.
    pub absolute_form: bool,
    /// When the head was complete.
    pub at: Instant,
}

/// Versions of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// What happens to a request.
#[derive(Debug)]
pub enum RequestStep {
    /// Send it on.
    Forward(Forward),
    /// Answer it here.
    Reply(Box<Reply>),
    /// Hold it (its body stays with the client by flow control) until [`Control::resume_exchange`](crate::engine::Control::resume_exchange) or until the time is over.
    Wait {
        /// How long.
        timeout: Duration,
    },
    /// End the stream without an answer; on HTTP/1 the connection.
    Reset(ErrorCode),
}

/// How a request is sent on.
#[derive(Debug)]
pub struct Forward {
    /// Where to.
    pub endpoint: EndpointId,
    /// What to speak there. HTTP/1 messages in HTTP/2 and the reverse are translated.
    pub protocol: Upstream,
    /// Keep up to this many octets of the body so that it can be sent again; 0 keeps none.
    pub replay: usize,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Delay the response until its first frame or trailers are there, so that [`Handler::response`](crate::engine::Handler::response) sees the trailers of one
    /// without content and may still ask for another attempt; for gRPC status.
    pub hold_for_trailers: bool,
}

/// What is spoken to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Upstream {
    /// HTTP/1 on a pooled connection.
    Http1,
    /// HTTP/1 on a connection for this request alone.
    Http1Once,
    /// HTTP/2 on a shared connection.
    Http2,
}

/// Time limits of a request; none is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeouts {
    /// From its arrival to its end.
    pub request: Option<Duration>,
    /// From its being sent completely, or the response head if that is earlier, to the end.
    pub response: Option<Duration>,
    /// From the start of an attempt to its response head.
    pub response_headers: Option<Duration>,
    /// Without a frame either way.
    pub idle: Option<Duration>,
}

/// A response made by the proxy. It has no body.
#[derive(Debug, Default)]
pub struct Reply {
    /// The status, 200 to 599.
    pub status: u16,
    /// Further fields, names in lower case.
    pub headers: HeaderList,
    /// For a gRPC client: status and message, sent as a response that is trailers only.
    pub grpc: Option<(u8, String)>,
    /// Why, for those who watch; it is not sent.
    pub reason: Option<Box<str>>,
    /// Whether the client's connection ends after it (`connection: close`, or GOAWAY).
    pub close: bool,
}

/// Why a waiting request is asked about again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// By [`Control::resume_exchange`](crate::engine::Control::resume_exchange).
    Resumed,
    /// Its time is over.
    TimedOut,
}

/// One attempt of a request.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// The exchange.
    pub id: ExchangeId,
    /// The endpoint it went to.
    pub endpoint: EndpointId,
    /// 0 for the first.
    pub number: u32,
    /// When the attempt began.
    pub started: Instant,
    /// Whether the request could be sent again: everything sent so far is kept, and no response octet was passed on.
    pub replayable: bool,
    /// Whether the client has a response head already.
    pub answered: bool,
    /// The version that the upstream spoke.
    pub version: HttpVersion,
}

/// What happens to a response, or instead of one.
#[derive(Debug)]
pub enum ResponseStep {
    /// Pass it on; after [`Handler::failed`](crate::engine::Handler::failed), end the client's stream likewise.
    Pass,
    /// Try again after this long; [`Handler::resumed`](crate::engine::Handler::resumed) is asked with [`Woken::TimedOut`]. Only where the attempt is replayable.
    Retry {
        /// How long to wait first.
        after: Duration,
    },
    /// Answer this instead; where the client has a head already its stream is reset (gRPC: trailers with the status).
    Reply(Box<Reply>),
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection could be made.
    Connect(ConnectError),
    /// The upstream reset the stream, or refused it.
    Reset(ErrorCode),
    /// The upstream's connection ended (EOF, reset, GOAWAY with error).
    Closed,
    /// The upstream broke the protocol.
    Protocol,
    /// A limit of [`Timeouts`] was reached.
    Timeout(TimeoutKind),
    /// The client went away.
    ClientGone,
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutKind {
    /// `Timeouts::request`.
    Request,
    /// `Timeouts::response`.
    Response,
    /// `Timeouts::response_headers`.
    ResponseHeaders,
    /// `Timeouts::idle`.
    Idle,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Request,
    /// To the client.
    Response,
}

/// How an exchange went.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// When its head was complete.
    pub started: Instant,
    /// When the request was sent completely, if it was.
    pub request_sent: Option<Instant>,
    /// When the response head came.
    pub response_head: Option<Instant>,
    /// When the first octet of the response's body came, or its end.
    pub first_octet: Option<Instant>,
    /// When it ended.
    pub ended: Instant,
    /// Octets of bodies.
    pub request_octets: u64,
    /// Octets of bodies.
    pub response_octets: u64,
    /// How it ended; none is well.
    pub failure: Option<Failure>,
}
