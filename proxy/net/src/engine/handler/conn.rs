//! What becomes of an accepted connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{ConnId, EndpointId};

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
    /// Serve HTTP/1; [`Handler::request`](crate::engine::Handler::request) follows.
    ServeHttp1(ServeHttp),
    /// Serve HTTP/2; [`Handler::request`](crate::engine::Handler::request) follows.
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
    /// Nothing until [`Control::resume_conn`](crate::engine::Control::resume_conn), or until the time is over: [`Progress::Resumed`] or [`Progress::TimedOut`].
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
    /// [`Config::max_unwritten`](crate::engine::Config::max_unwritten).
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
    /// After `Wait`: something called [`Control::resume_conn`](crate::engine::Control::resume_conn).
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
