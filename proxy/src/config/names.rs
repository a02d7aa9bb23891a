//! Names of variables that injection does not set but the proxy reads; the others are in [`mesh_core::names::env`].

macro_rules! names {
    ($($(#[doc = $doc:literal])+ $name:ident = $value:literal;)*) => {
        $($(#[doc = $doc])+ pub(crate) const $name: &str = concat!("LINKERD2_PROXY_", $value);)*
        /// All of them.
        pub(super) const ALL: &[&str] = &[$($name),*];
    };
}

names! {
    /// Backlog of the inbound listener.
    INBOUND_TCP_LISTEN_BACKLOG = "INBOUND_TCP_LISTEN_BACKLOG";
    /// Backlog of the outbound listeners.
    OUTBOUND_TCP_LISTEN_BACKLOG = "OUTBOUND_TCP_LISTEN_BACKLOG";
    /// Keep-alive of connections to the application.
    INBOUND_CONNECT_KEEPALIVE = "INBOUND_CONNECT_KEEPALIVE";
    /// Keep-alive of the application's connections.
    OUTBOUND_ACCEPT_KEEPALIVE = "OUTBOUND_ACCEPT_KEEPALIVE";
    /// Unacknowledged time of connections to the application.
    INBOUND_CONNECT_USER_TIMEOUT = "INBOUND_CONNECT_USER_TIMEOUT";
    /// Unacknowledged time of the application's connections.
    OUTBOUND_ACCEPT_USER_TIMEOUT = "OUTBOUND_ACCEPT_USER_TIMEOUT";
    /// First wait between attempts to connect to the application.
    INBOUND_CONNECT_EXP_BACKOFF_MIN = "INBOUND_CONNECT_EXP_BACKOFF_MIN";
    /// Longest wait between them.
    INBOUND_CONNECT_EXP_BACKOFF_MAX = "INBOUND_CONNECT_EXP_BACKOFF_MAX";
    /// Share of the wait that is random.
    INBOUND_CONNECT_EXP_BACKOFF_JITTER = "INBOUND_CONNECT_EXP_BACKOFF_JITTER";
    /// First wait between attempts to connect to a peer.
    OUTBOUND_CONNECT_EXP_BACKOFF_MIN = "OUTBOUND_CONNECT_EXP_BACKOFF_MIN";
    /// Longest wait between them.
    OUTBOUND_CONNECT_EXP_BACKOFF_MAX = "OUTBOUND_CONNECT_EXP_BACKOFF_MAX";
    /// Share of the wait that is random.
    OUTBOUND_CONNECT_EXP_BACKOFF_JITTER = "OUTBOUND_CONNECT_EXP_BACKOFF_JITTER";
    /// Requests that may wait for the application.
    INBOUND_HTTP_QUEUE_CAPACITY = "INBOUND_HTTP_QUEUE_CAPACITY";
    /// How long they wait.
    INBOUND_HTTP_FAILFAST_TIMEOUT = "INBOUND_HTTP_FAILFAST_TIMEOUT";
    /// Connections that may wait for a backend.
    OUTBOUND_TCP_QUEUE_CAPACITY = "OUTBOUND_TCP_QUEUE_CAPACITY";
    /// How long they wait.
    OUTBOUND_TCP_FAILFAST_TIMEOUT = "OUTBOUND_TCP_FAILFAST_TIMEOUT";
    /// Requests that may wait for a backend.
    OUTBOUND_HTTP_QUEUE_CAPACITY = "OUTBOUND_HTTP_QUEUE_CAPACITY";
    /// How long they wait.
    OUTBOUND_HTTP_FAILFAST_TIMEOUT = "OUTBOUND_HTTP_FAILFAST_TIMEOUT";
    /// Inbound requests without a response head at a time.
    INBOUND_MAX_IN_FLIGHT = "INBOUND_MAX_IN_FLIGHT";
    /// Outbound requests without a response head at a time.
    OUTBOUND_MAX_IN_FLIGHT = "OUTBOUND_MAX_IN_FLIGHT";
    /// Idle HTTP/1 connections to the application.
    MAX_IDLE_CONNS_PER_ENDPOINT = "MAX_IDLE_CONNS_PER_ENDPOINT";
    /// Idle HTTP/1 connections to a peer.
    OUTBOUND_MAX_IDLE_CONNS_PER_ENDPOINT = "OUTBOUND_MAX_IDLE_CONNS_PER_ENDPOINT";
    /// How long they are kept.
    INBOUND_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT = "INBOUND_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT";
    /// How long they are kept.
    OUTBOUND_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT = "OUTBOUND_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT";
    /// How long series are kept that nothing adds to.
    METRICS_RETAIN_IDLE = "METRICS_RETAIN_IDLE";
    /// Receive window of a stream, as a client.
    HTTP2_INITIAL_STREAM_WINDOW_SIZE = "HTTP2_INITIAL_STREAM_WINDOW_SIZE";
    /// Receive window of a connection, as a client.
    HTTP2_INITIAL_CONNECTION_WINDOW_SIZE = "HTTP2_INITIAL_CONNECTION_WINDOW_SIZE";
    /// Shortest time an answer of DNS is used.
    DNS_MIN_TTL = "DNS_MIN_TTL";
    /// Longest time an answer of DNS is used.
    DNS_MAX_TTL = "DNS_MAX_TTL";
    /// Whether inbound metrics name the authority.
    INBOUND_METRICS_AUTHORITY_LABELS = "INBOUND_METRICS_AUTHORITY_LABELS";
    /// Whether `l5d-proxy-error` and its like are kept from the application.
    OUTBOUND_DISABLE_INFORMATIONAL_HEADERS = "OUTBOUND_DISABLE_INFORMATIONAL_HEADERS";
    /// Shortest time between renewals.
    IDENTITY_MIN_REFRESH = "IDENTITY_MIN_REFRESH";
    /// Longest time between renewals.
    IDENTITY_MAX_REFRESH = "IDENTITY_MAX_REFRESH";
    /// Was a switch once.
    IDENTITY_DISABLED = "IDENTITY_DISABLED";
    /// Socket of a SPIFFE Workload API.
    IDENTITY_SPIRE_WORKLOAD_API_ADDRESS = "IDENTITY_SPIRE_WORKLOAD_API_ADDRESS";
    /// The same by its older name.
    IDENTITY_SPIRE_SOCKET = "IDENTITY_SPIRE_SOCKET";
    /// Resource attributes of spans.
    TRACE_ANNOTATIONS_PATH = "TRACE_ANNOTATIONS_PATH";

    /// Addresses to listen on, each with the fixed outbound destination of its connections: `LISTEN=HOST:PORT`.
    OUTBOUND_TARGETS = "OUTBOUND_TARGETS";
    /// Whether endpoints on loopback are connected to, which is a loop where traffic is redirected.
    OUTBOUND_ALLOW_LOOPBACK = "OUTBOUND_ALLOW_LOOPBACK";
    /// Addresses to listen on, each with the application's address: `LISTEN=ADDR:PORT`.
    INBOUND_TARGETS = "INBOUND_TARGETS";
    /// Networks whose connections begin with a PROXY protocol header.
    INBOUND_PROXY_PROTOCOL_NETWORKS = "INBOUND_PROXY_PROTOCOL_NETWORKS";
    /// Networks whose `forwarded` and `x-forwarded-for` are believed.
    INBOUND_TRUSTED_FORWARDERS = "INBOUND_TRUSTED_FORWARDERS";
    /// Lowest version of TLS between proxies: 1.3 or 1.2.
    TLS_MIN_VERSION = "TLS_MIN_VERSION";
    /// Whether the trust bundle is followed beside the identity service.
    IDENTITY_TRUST_BUNDLE_WATCH = "IDENTITY_TRUST_BUNDLE_WATCH";
    /// How long connections wait for the first certificate.
    IDENTITY_INITIAL_TIMEOUT = "IDENTITY_INITIAL_TIMEOUT";
    /// Whether the proxy leaves when it is alone in the pod's process namespace.
    SHUTDOWN_WHEN_ALONE = "SHUTDOWN_WHEN_ALONE";
}

/// Variables that are accepted for what else reads them, without effect here.
pub(super) const WITHOUT_EFFECT: &[&str] = &[
    "LINKERD2_PROXY_INBOUND_PORTS_REQUIRE_TLS",
    "LINKERD2_PROXY_TAP_DISABLED",
    "LINKERD2_PROXY_IDENTITY_SPIRE_LINKERD2_PROXY_IDENTITY_SPIRE_EXP_BACKOFF_MIN",
    "LINKERD2_PROXY_IDENTITY_SPIRE_LINKERD2_PROXY_IDENTITY_SPIRE_EXP_BACKOFF_MAX",
    "LINKERD2_PROXY_IDENTITY_SPIRE_LINKERD2_PROXY_IDENTITY_SPIRE_EXP_BACKOFF_JITTER",
    "LINKERD2_PROXY_VERSION",
];

/// What one direction's HTTP/2 server has, after the prefix of the direction.
pub(super) const SERVER_HTTP2: &[&str] = &[
    "MAX_CONCURRENT_STREAMS",
    "MAX_FRAME_SIZE",
    "MAX_HEADER_LIST_SIZE",
    "MAX_PENDING_ACCEPT_RESET_STREAMS",
    "MAX_SEND_BUF_SIZE",
    "KEEP_ALIVE_INTERVAL",
    "KEEP_ALIVE_TIMEOUT",
    "ADAPTIVE_FLOW_CONTROL",
    "INITIAL_STREAM_WINDOW_SIZE",
    "INITIAL_CONNECTION_WINDOW_SIZE",
];
