//! Names of variables that injection does not set but the proxy reads; the others are in [`mesh_core::names::env`].

/// A variable and what it says, without a full stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
}

macro_rules! names {
    ($(#[doc = $doc:literal] $name:ident = $value:literal;)*) => {
        $(#[doc = $doc] pub(crate) const $name: &str = concat!("LINKERD2_PROXY_", $value);)*
        /// All of them.
        pub(super) const ALL: &[Variable] = &[$(Variable { name: $name, doc: $doc }),*];
    };
}

names! {
    /// Backlog of the inbound listener; 4096 unless set
    INBOUND_TCP_LISTEN_BACKLOG = "INBOUND_TCP_LISTEN_BACKLOG";
    /// Backlog of the outbound listeners; 4096 unless set
    OUTBOUND_TCP_LISTEN_BACKLOG = "OUTBOUND_TCP_LISTEN_BACKLOG";
    /// Idle time before keep-alive of connections to the application
    INBOUND_CONNECT_KEEPALIVE = "INBOUND_CONNECT_KEEPALIVE";
    /// Idle time before keep-alive of the application's connections
    OUTBOUND_ACCEPT_KEEPALIVE = "OUTBOUND_ACCEPT_KEEPALIVE";
    /// How long sent data of connections to the application may stay unacknowledged
    INBOUND_CONNECT_USER_TIMEOUT = "INBOUND_CONNECT_USER_TIMEOUT";
    /// How long sent data of the application's connections may stay unacknowledged
    OUTBOUND_ACCEPT_USER_TIMEOUT = "OUTBOUND_ACCEPT_USER_TIMEOUT";
    /// First wait between attempts to connect to the application; 100ms unless set, together with the longest
    INBOUND_CONNECT_EXP_BACKOFF_MIN = "INBOUND_CONNECT_EXP_BACKOFF_MIN";
    /// Longest wait between them; 10s unless set
    INBOUND_CONNECT_EXP_BACKOFF_MAX = "INBOUND_CONNECT_EXP_BACKOFF_MAX";
    /// Share of the wait that is random; 0.1 unless set, 0 where the bounds are
    INBOUND_CONNECT_EXP_BACKOFF_JITTER = "INBOUND_CONNECT_EXP_BACKOFF_JITTER";
    /// First wait between attempts to connect to a peer or the control plane; 100ms unless set, together with the longest
    OUTBOUND_CONNECT_EXP_BACKOFF_MIN = "OUTBOUND_CONNECT_EXP_BACKOFF_MIN";
    /// Longest wait between them; 60s unless set
    OUTBOUND_CONNECT_EXP_BACKOFF_MAX = "OUTBOUND_CONNECT_EXP_BACKOFF_MAX";
    /// Share of the wait that is random; 0.1 unless set, 0 where the bounds are
    OUTBOUND_CONNECT_EXP_BACKOFF_JITTER = "OUTBOUND_CONNECT_EXP_BACKOFF_JITTER";
    /// Requests that may wait for the application; 10000 unless set
    INBOUND_HTTP_QUEUE_CAPACITY = "INBOUND_HTTP_QUEUE_CAPACITY";
    /// How long they wait; 1s unless set
    INBOUND_HTTP_FAILFAST_TIMEOUT = "INBOUND_HTTP_FAILFAST_TIMEOUT";
    /// Connections that may wait for a backend; 10000 unless set
    OUTBOUND_TCP_QUEUE_CAPACITY = "OUTBOUND_TCP_QUEUE_CAPACITY";
    /// How long they wait; 3s unless set
    OUTBOUND_TCP_FAILFAST_TIMEOUT = "OUTBOUND_TCP_FAILFAST_TIMEOUT";
    /// Requests that may wait for a backend; 10000 unless set
    OUTBOUND_HTTP_QUEUE_CAPACITY = "OUTBOUND_HTTP_QUEUE_CAPACITY";
    /// How long they wait; 3s unless set
    OUTBOUND_HTTP_FAILFAST_TIMEOUT = "OUTBOUND_HTTP_FAILFAST_TIMEOUT";
    /// Inbound requests without a response head at a time; 100000 unless set
    INBOUND_MAX_IN_FLIGHT = "INBOUND_MAX_IN_FLIGHT";
    /// Outbound requests without a response head at a time; 100000 unless set
    OUTBOUND_MAX_IN_FLIGHT = "OUTBOUND_MAX_IN_FLIGHT";
    /// Idle HTTP/1 connections to the application; 10000 unless set
    MAX_IDLE_CONNS_PER_ENDPOINT = "MAX_IDLE_CONNS_PER_ENDPOINT";
    /// Idle HTTP/1 connections to a peer; 10000 unless set
    OUTBOUND_MAX_IDLE_CONNS_PER_ENDPOINT = "OUTBOUND_MAX_IDLE_CONNS_PER_ENDPOINT";
    /// How long idle HTTP/1 connections to the application are kept; 3s unless set
    INBOUND_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT = "INBOUND_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT";
    /// How long idle HTTP/1 connections to a peer are kept; 3s unless set
    OUTBOUND_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT = "OUTBOUND_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT";
    /// How long series are kept that nothing adds to; 10m unless set
    METRICS_RETAIN_IDLE = "METRICS_RETAIN_IDLE";
    /// Receive window of a stream, as a client; 65535 octets unless set
    HTTP2_INITIAL_STREAM_WINDOW_SIZE = "HTTP2_INITIAL_STREAM_WINDOW_SIZE";
    /// Receive window of a connection, as a client; 1048576 octets unless set
    HTTP2_INITIAL_CONNECTION_WINDOW_SIZE = "HTTP2_INITIAL_CONNECTION_WINDOW_SIZE";
    /// Shortest time an answer of DNS is used; never below 5s
    DNS_MIN_TTL = "DNS_MIN_TTL";
    /// Longest time an answer of DNS is used; 1h unless set
    DNS_MAX_TTL = "DNS_MAX_TTL";
    /// Whether inbound metrics name the authority, which clients choose: `unsafe` or nothing
    INBOUND_METRICS_AUTHORITY_LABELS = "INBOUND_METRICS_AUTHORITY_LABELS";
    /// Whether `l5d-proxy-error` and its like are kept from the application; as in ingress mode unless set
    OUTBOUND_DISABLE_INFORMATIONAL_HEADERS = "OUTBOUND_DISABLE_INFORMATIONAL_HEADERS";
    /// Shortest time between renewals of the certificate; 10s unless set
    IDENTITY_MIN_REFRESH = "IDENTITY_MIN_REFRESH";
    /// Longest time between renewals of the certificate; 24h unless set
    IDENTITY_MAX_REFRESH = "IDENTITY_MAX_REFRESH";
    /// Must not be set: there is no mesh without identity
    IDENTITY_DISABLED = "IDENTITY_DISABLED";
    /// Socket of a SPIFFE Workload API, which then gives the certificates
    IDENTITY_SPIRE_WORKLOAD_API_ADDRESS = "IDENTITY_SPIRE_WORKLOAD_API_ADDRESS";
    /// The same by its older name
    IDENTITY_SPIRE_SOCKET = "IDENTITY_SPIRE_SOCKET";
    /// `LINKERD2_PROXY_TRACE_ATTRIBUTES_PATH` by its older name
    TRACE_ANNOTATIONS_PATH = "TRACE_ANNOTATIONS_PATH";

    /// Addresses to listen on, each with one destination: `LISTEN=HOST:PORT` with commas between; nothing has to be redirected for them
    OUTBOUND_TARGETS = "OUTBOUND_TARGETS";
    /// Whether endpoints on loopback are connected to, which is a loop where traffic is redirected
    OUTBOUND_ALLOW_LOOPBACK = "OUTBOUND_ALLOW_LOOPBACK";
    /// Addresses to listen on, each with the application's: `LISTEN=ADDR:PORT` with commas between; nothing has to be redirected for them
    INBOUND_TARGETS = "INBOUND_TARGETS";
    /// Incoming ports as `LINKERD2_PROXY_INBOUND_PORTS_REQUIRE_IDENTITY`, by another name
    INBOUND_PORTS_REQUIRE_TLS = "INBOUND_PORTS_REQUIRE_TLS";
    /// Networks whose connections begin with a PROXY protocol header
    INBOUND_PROXY_PROTOCOL_NETWORKS = "INBOUND_PROXY_PROTOCOL_NETWORKS";
    /// Networks whose `forwarded` and `x-forwarded-for` are believed; all unless set
    INBOUND_TRUSTED_FORWARDERS = "INBOUND_TRUSTED_FORWARDERS";
    /// Lowest version of TLS between proxies: 1.3, or 1.2 for older peers
    TLS_MIN_VERSION = "TLS_MIN_VERSION";
    /// Whether changes of the trust anchors are followed beside the identity service, and anchors of a SPIFFE Workload API trusted as well; true unless set
    IDENTITY_TRUST_BUNDLE_WATCH = "IDENTITY_TRUST_BUNDLE_WATCH";
    /// How long connections wait for the first certificate; 10s unless set
    IDENTITY_INITIAL_TIMEOUT = "IDENTITY_INITIAL_TIMEOUT";
    /// Whether the proxy leaves once the other containers have, for Jobs without native sidecars; needs `shareProcessNamespace: true`
    SHUTDOWN_WHEN_ALONE = "SHUTDOWN_WHEN_ALONE";
}

/// Variables that are accepted for what else reads them, without effect here.
pub(super) const WITHOUT_EFFECT: &[&str] = &[
    "LINKERD2_PROXY_IDENTITY_SPIRE_LINKERD2_PROXY_IDENTITY_SPIRE_EXP_BACKOFF_MIN",
    "LINKERD2_PROXY_IDENTITY_SPIRE_LINKERD2_PROXY_IDENTITY_SPIRE_EXP_BACKOFF_MAX",
    "LINKERD2_PROXY_IDENTITY_SPIRE_LINKERD2_PROXY_IDENTITY_SPIRE_EXP_BACKOFF_JITTER",
    "LINKERD2_PROXY_VERSION",
];

/// What one direction's HTTP/2 server has, after the prefix of the direction.
pub(super) const SERVER_HTTP2: &[Variable] = &[
    Variable { name: "MAX_CONCURRENT_STREAMS", doc: "Streams that a client may have open" },
    Variable { name: "MAX_FRAME_SIZE", doc: "Octets of a frame, 16384 to 16777215" },
    Variable { name: "MAX_HEADER_LIST_SIZE", doc: "Octets of a decoded header list" },
    Variable {
        name: "MAX_PENDING_ACCEPT_RESET_STREAMS",
        doc: "Streams that a client may reset in quick succession",
    },
    Variable {
        name: "MAX_SEND_BUF_SIZE",
        doc: "Octets that are held for a connection on their way out before its servers are held back, 262144 unless given",
    },
    Variable { name: "KEEP_ALIVE_INTERVAL", doc: "Time without a frame before a ping" },
    Variable { name: "KEEP_ALIVE_TIMEOUT", doc: "How long the answer to a ping may take" },
    Variable {
        name: "ADAPTIVE_FLOW_CONTROL",
        doc: "Whether receive windows grow with what the path can carry, to 4 MiB a stream",
    },
    Variable {
        name: "INITIAL_STREAM_WINDOW_SIZE",
        doc: "Receive window of a stream, together with that of a connection",
    },
    Variable { name: "INITIAL_CONNECTION_WINDOW_SIZE", doc: "Receive window of a connection" },
];
