//! The seam between the engine, which moves octets, and its [`Handler`], which decides where they go.
//!
//! The engine calls; the handler answers with a value and keeps nothing of the engine. What a handler has to remember of a
//! connection, an exchange or an endpoint is kept by the engine in slots of the handler's own types, so that no call
//! looks anything up in a map. A call must not block and should take well under a microsecond.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{ConnId, Control, EndpointId, ExchangeId};
use crate::h2::error::ErrorCode;
use crate::h2::frame::End;
use crate::headers::HeaderList;

/// Decides about connections and requests. One value per worker; nothing here crosses threads but [`Handler::Message`].
pub trait Handler: Sized + 'static {
    /// What is remembered of an accepted connection.
    type Conn;
    /// What is remembered of one request and its response.
    type Exchange;
    /// What is remembered of an endpoint.
    type Endpoint;
    /// What other threads may tell this worker.
    type Message: Send + 'static;

    /// A connection was accepted. The step says what to do first.
    fn accepted(&mut self, ctl: &mut Control<'_, Self>, accepted: &Accepted) -> (Self::Conn, Step);

    /// The last step of a connection has an outcome; the answer is the next step.
    fn advance(
        &mut self,
        ctl: &mut Control<'_, Self>,
        id: ConnId,
        conn: &mut Self::Conn,
        event: Progress<'_>,
    ) -> Step;

    /// A request's head is complete. The handler may change `head`, which is then what the upstream gets.
    fn request(
        &mut self,
        ctl: &mut Control<'_, Self>,
        request: &Request,
        conn: &mut Self::Conn,
        head: &mut HeaderList,
    ) -> (Self::Exchange, RequestStep);

    /// A request that was told to wait was resumed, or its wait has run out. `head` is as `request` left it.
    fn resumed(
        &mut self,
        ctl: &mut Control<'_, Self>,
        id: ExchangeId,
        exchange: &mut Self::Exchange,
        head: &mut HeaderList,
        why: Woken,
    ) -> RequestStep;

    /// An attempt has its response head (final, not informational). The handler may change `head`, which the client then gets.
    ///
    /// `trailers` are there where the response was held for them ([`Forward::hold_for_trailers`]) and has no content.
    #[allow(clippy::too_many_arguments, reason = "each is borrowed from another place")]
    fn response(
        &mut self,
        ctl: &mut Control<'_, Self>,
        attempt: &Attempt,
        exchange: &mut Self::Exchange,
        endpoint: Option<&mut Self::Endpoint>,
        head: &mut HeaderList,
        end: End,
        trailers: Option<&HeaderList>,
    ) -> ResponseStep;

    /// An attempt failed before a response head, or ended after one without being complete.
    fn failed(
        &mut self,
        ctl: &mut Control<'_, Self>,
        attempt: &Attempt,
        exchange: &mut Self::Exchange,
        endpoint: Option<&mut Self::Endpoint>,
        failure: Failure,
    ) -> ResponseStep;

    /// Octets of a body pass. Called once a frame or read.
    fn data(&mut self, exchange: &mut Self::Exchange, direction: Direction, octets: usize);

    /// Trailers pass; the handler may change them.
    fn trailers(&mut self, exchange: &mut Self::Exchange, direction: Direction, trailers: &mut HeaderList);

    /// The exchange is over; nothing is called for it any more.
    fn finished(
        &mut self,
        ctl: &mut Control<'_, Self>,
        exchange: Self::Exchange,
        endpoint: Option<(EndpointId, &mut Self::Endpoint)>,
        summary: &Summary,
    );

    /// An accepted connection is gone.
    fn closed(&mut self, ctl: &mut Control<'_, Self>, conn: Self::Conn, report: &CloseReport);

    /// Octets of a tunnel (opaque connection or upgrade) pass, once per write. `Direction::Request` is from the accepted side, `now` the
    /// time of this round.
    fn tunneled(&mut self, conn: &mut Self::Conn, direction: Direction, octets: &[u8], now: Instant);

    /// Something happened to a connection of an endpoint, or to its state.
    fn endpoint(
        &mut self,
        ctl: &mut Control<'_, Self>,
        id: EndpointId,
        endpoint: &mut Self::Endpoint,
        event: EndpointEvent,
    );

    /// A message of another thread.
    fn message(&mut self, ctl: &mut Control<'_, Self>, message: Self::Message);

    /// About once a second: evict what is idle, publish what others read.
    fn tick(&mut self, ctl: &mut Control<'_, Self>);
}

/// A connection as it was accepted.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// Its identifier.
    pub id: ConnId,
    /// Which listener: the number that was given when it was added.
    pub listener: u8,
    /// The peer; IPv4-mapped addresses are written as IPv4.
    pub peer: SocketAddr,
    /// The local address of the socket.
    pub local: SocketAddr,
    /// Where the client wanted to go, before redirection; equals `local` where nothing was redirected.
    pub original: SocketAddr,
}

/// What an accepted connection does next.
#[derive(Debug)]
pub enum Step {
    /// Look for a TLS ClientHello: answered by [`Progress::Hello`] or [`Progress::NotTls`].
    SniffTls {
        /// How long the client may take; then [`Progress::TimedOut`].
        timeout: Duration,
        /// Whether a silent client is reported early, so that a server-speaks-first protocol need not wait:
        /// after this long without any octet the answer is [`Progress::Silent`].
        silence: Option<Duration>,
    },
    /// Terminate TLS with this configuration: answered by [`Progress::Secured`].
    TerminateTls {
        /// The server's configuration.
        config: Arc<rustls::ServerConfig>,
        /// How long the handshake may take.
        timeout: Duration,
    },
    /// Read a transport header: answered by [`Progress::Header`].
    ReadTransportHeader {
        /// How long it may take.
        timeout: Duration,
    },
    /// Read a PROXY protocol header (v1 or v2): answered by [`Progress::ProxyHeader`].
    ReadProxyHeader {
        /// How long it may take.
        timeout: Duration,
    },
    /// Tell HTTP/1, HTTP/2 and anything else apart: answered by [`Progress::Protocol`].
    DetectHttp {
        /// How long the client may take; then [`Progress::TimedOut`].
        timeout: Duration,
        /// As for `SniffTls`.
        silence: Option<Duration>,
    },
    /// Serve HTTP/1; [`Handler::request`] follows.
    ServeHttp1(ServeHttp),
    /// Serve HTTP/2; [`Handler::request`] follows.
    ServeHttp2(ServeHttp),
    /// Copy octets to and from this endpoint, beginning with what was read for detection.
    Tunnel {
        /// The target.
        endpoint: EndpointId,
        /// Close after this long without an octet either way; none is no limit.
        idle: Option<Duration>,
    },
    /// Dial this endpoint, and serve the client by the first side that talks: answered by [`Progress::FirstOctet`] if the client
    /// was first, else the connection is a tunnel.
    TunnelServerFirst {
        /// The target.
        endpoint: EndpointId,
        /// As for `Tunnel`.
        idle: Option<Duration>,
    },
    /// Nothing until [`Control::resume_conn`], or until the time is over: [`Progress::Resumed`] or [`Progress::TimedOut`].
    Wait {
        /// How long.
        timeout: Duration,
    },
    /// Close it. `reset` sends RST rather than FIN.
    Close {
        /// Why, for the report.
        reason: &'static str,
        /// Whether the peer gets a reset.
        reset: bool,
    },
}

/// How HTTP is served on one connection.
#[derive(Clone, Debug)]
pub struct ServeHttp {
    /// HTTP/2 limits and keep-alive; ignored for HTTP/1.
    pub h2: H2Server,
}

/// A server's HTTP/2 settings.
#[derive(Clone, Copy, Debug)]
pub struct H2Server {
    /// Codec configuration: windows, frame and header limits, concurrent streams.
    pub config: crate::h2::connection::Config,
    /// Ping the peer when nothing came for this long, and close after the second duration without an answer.
    pub keep_alive: Option<(Duration, Duration)>,
    /// Octets of output of a connection beyond which those who feed it are held back, at least 16,384; none is
    /// [`Config::max_unwritten`](super::Config::max_unwritten).
    pub send_buffer: Option<usize>,
}

/// The outcome of a [`Step`].
#[derive(Debug)]
pub enum Progress<'a> {
    /// A ClientHello, with its server name. Next: `TerminateTls`, or anything else to pass it through untouched.
    Hello {
        /// The server name in lower case, when it is one.
        sni: Option<&'a str>,
    },
    /// The first octets are not TLS.
    NotTls,
    /// The client has sent nothing within the silence.
    Silent,
    /// After `TunnelServerFirst`: the client was first to talk. Next: `SniffTls`, `DetectHttp` or `Tunnel`.
    FirstOctet,
    /// The TLS handshake is done.
    Secured {
        /// The negotiated protocol.
        alpn: Option<&'a [u8]>,
        /// The client's leaf certificate in DER, if it sent one; its chain has been verified.
        client: Option<&'a [u8]>,
    },
    /// A transport header.
    Header(&'a crate::transport_header::Header),
    /// A PROXY protocol header: the address of the real client, none for LOCAL and UNKNOWN.
    ProxyHeader(Option<SocketAddr>),
    /// What the client speaks.
    Protocol(Detected),
    /// After `Wait`: something called [`Control::resume_conn`].
    Resumed,
    /// The step took too long.
    TimedOut,
    /// The step cannot succeed: handshake failed, header malformed, peer gone. The connection is closed whatever is returned.
    Failed(&'static str),
}

/// What detection found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detected {
    /// A request line of HTTP/1.
    Http1,
    /// The preface of HTTP/2.
    Http2,
    /// Neither.
    Opaque,
}

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
    /// Hold it (its body stays with the client by flow control) until [`Control::resume_exchange`] or until the time is over.
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
    /// Delay the response until its first frame or trailers are there, so that [`Handler::response`] sees the trailers of one
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
    /// By [`Control::resume_exchange`].
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
    /// Pass it on; after [`Handler::failed`], end the client's stream likewise.
    Pass,
    /// Try again after this long; [`Handler::resumed`] is asked with [`Woken::TimedOut`]. Only where the attempt is replayable.
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

/// What is said of a connection that is gone.
#[derive(Clone, Copy, Debug)]
pub struct CloseReport {
    /// Why, in words that never vary; none for an ordinary end.
    pub reason: Option<&'static str>,
    /// The error number of the operating system, 0 for none.
    pub errno: i32,
    /// Octets read from the client's socket.
    pub read: u64,
    /// Octets written to it.
    pub written: u64,
    /// When it was accepted.
    pub opened: Instant,
}

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
