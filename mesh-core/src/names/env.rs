//! Environment variables an injected proxy is given.

use super::ValueType;

/// Prefix of the proxy's variables.
pub const PREFIX: &str = "LINKERD2_PROXY_";

/// An environment variable of the proxy's container.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The whole name.
    pub name: &'static str,
    /// One line for the reference page, without a full stop.
    pub doc: &'static str,
    /// What the value looks like; durations here have one unit: `10000ms`, `5m`.
    pub value: ValueType,
}

const fn variable(name: &'static str, value: ValueType, doc: &'static str) -> Variable {
    Variable { name, doc, value }
}

/// Incoming ports that accept clients with an identity only, until the control plane answers.
pub const INBOUND_PORTS_REQUIRE_IDENTITY: &str = "LINKERD2_PROXY_INBOUND_PORTS_REQUIRE_IDENTITY";
/// Log level of the proxy.
pub const LOG: &str = "LINKERD2_PROXY_LOG";
/// Log format of the proxy.
pub const LOG_FORMAT: &str = "LINKERD2_PROXY_LOG_FORMAT";
/// Whether HTTP headers are logged at debug level; as the log level says unless `off`.
pub const LOG_HTTP_HEADERS: &str = "LINKERD2_PROXY_LOG_HTTP_HEADERS";
/// Format of the access log; none when unset.
pub const ACCESS_LOG: &str = "LINKERD2_PROXY_ACCESS_LOG";
/// Worker threads, when neither bound is given.
pub const CORES: &str = "LINKERD2_PROXY_CORES";
/// Fewest worker threads.
pub const CORES_MIN: &str = "LINKERD2_PROXY_CORES_MIN";
/// Most worker threads.
pub const CORES_MAX: &str = "LINKERD2_PROXY_CORES_MAX";
/// Most worker threads as a share of the node's CPUs.
pub const CORES_MAX_RATIO: &str = "LINKERD2_PROXY_CORES_MAX_RATIO";
/// The destination service.
pub const DESTINATION_SVC_ADDR: &str = "LINKERD2_PROXY_DESTINATION_SVC_ADDR";
/// Identity of the destination service.
pub const DESTINATION_SVC_NAME: &str = "LINKERD2_PROXY_DESTINATION_SVC_NAME";
/// Opaque text sent with every lookup: namespace, node and pod as JSON.
pub const DESTINATION_CONTEXT: &str = "LINKERD2_PROXY_DESTINATION_CONTEXT";
/// Names whose profile is looked up, comma separated.
pub const DESTINATION_PROFILE_SUFFIXES: &str = "LINKERD2_PROXY_DESTINATION_PROFILE_SUFFIXES";
/// Networks whose addresses have their profile looked up.
pub const DESTINATION_PROFILE_NETWORKS: &str = "LINKERD2_PROXY_DESTINATION_PROFILE_NETWORKS";
/// The networks of profiles by their older name.
pub const DESTINATION_GET_NETWORKS: &str = "LINKERD2_PROXY_DESTINATION_GET_NETWORKS";
/// Names whose endpoints are looked up, comma separated; all when unset.
pub const DESTINATION_GET_SUFFIXES: &str = "LINKERD2_PROXY_DESTINATION_GET_SUFFIXES";
/// How long a profile may take to arrive before it is done without.
pub const DESTINATION_PROFILE_INITIAL_TIMEOUT: &str = "LINKERD2_PROXY_DESTINATION_PROFILE_INITIAL_TIMEOUT";
/// The policy service.
pub const POLICY_SVC_ADDR: &str = "LINKERD2_PROXY_POLICY_SVC_ADDR";
/// Identity of the policy service.
pub const POLICY_SVC_NAME: &str = "LINKERD2_PROXY_POLICY_SVC_NAME";
/// Opaque text that names the workload: namespace and pod as JSON.
pub const POLICY_WORKLOAD: &str = "LINKERD2_PROXY_POLICY_WORKLOAD";
/// Networks that count as the cluster in policies.
pub const POLICY_CLUSTER_NETWORKS: &str = "LINKERD2_PROXY_POLICY_CLUSTER_NETWORKS";
/// How long the first message of a stream from the control plane may take.
pub const CONTROL_STREAM_INITIAL_TIMEOUT: &str = "LINKERD2_PROXY_CONTROL_STREAM_INITIAL_TIMEOUT";
/// How long a stream from the control plane may stay silent.
pub const CONTROL_STREAM_IDLE_TIMEOUT: &str = "LINKERD2_PROXY_CONTROL_STREAM_IDLE_TIMEOUT";
/// How long a stream from the control plane may live.
pub const CONTROL_STREAM_LIFETIME: &str = "LINKERD2_PROXY_CONTROL_STREAM_LIFETIME";
/// Where tap listens.
pub const CONTROL_LISTEN_ADDR: &str = "LINKERD2_PROXY_CONTROL_LISTEN_ADDR";
/// Where metrics and probes listen.
pub const ADMIN_LISTEN_ADDR: &str = "LINKERD2_PROXY_ADMIN_LISTEN_ADDR";
/// Where redirected outgoing connections arrive.
pub const OUTBOUND_LISTEN_ADDR: &str = "LINKERD2_PROXY_OUTBOUND_LISTEN_ADDR";
/// Where redirected outgoing connections arrive, one address per family.
pub const OUTBOUND_LISTEN_ADDRS: &str = "LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS";
/// Where redirected incoming connections arrive.
pub const INBOUND_LISTEN_ADDR: &str = "LINKERD2_PROXY_INBOUND_LISTEN_ADDR";
/// Addresses of the pod; connections to others are refused.
pub const INBOUND_IPS: &str = "LINKERD2_PROXY_INBOUND_IPS";
/// Ports the pod listens on; their policy is watched from the start.
pub const INBOUND_PORTS: &str = "LINKERD2_PROXY_INBOUND_PORTS";
/// Policy of ports until the control plane answers.
pub const INBOUND_DEFAULT_POLICY: &str = "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY";
/// Incoming ports that are opaque until the control plane answers.
pub const INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION: &str =
    "LINKERD2_PROXY_INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION";
/// Idle time before keep-alive of accepted incoming connections.
pub const INBOUND_ACCEPT_KEEPALIVE: &str = "LINKERD2_PROXY_INBOUND_ACCEPT_KEEPALIVE";
/// Idle time before keep-alive of connections to peers.
pub const OUTBOUND_CONNECT_KEEPALIVE: &str = "LINKERD2_PROXY_OUTBOUND_CONNECT_KEEPALIVE";
/// How long sent data of incoming connections may stay unacknowledged.
pub const INBOUND_ACCEPT_USER_TIMEOUT: &str = "LINKERD2_PROXY_INBOUND_ACCEPT_USER_TIMEOUT";
/// How long sent data of connections to peers may stay unacknowledged.
pub const OUTBOUND_CONNECT_USER_TIMEOUT: &str = "LINKERD2_PROXY_OUTBOUND_CONNECT_USER_TIMEOUT";
/// How long a connection to the application may take to open.
pub const INBOUND_CONNECT_TIMEOUT: &str = "LINKERD2_PROXY_INBOUND_CONNECT_TIMEOUT";
/// How long a connection to a peer may take to open.
pub const OUTBOUND_CONNECT_TIMEOUT: &str = "LINKERD2_PROXY_OUTBOUND_CONNECT_TIMEOUT";
/// How long the first bytes of an incoming connection are waited for.
pub const INBOUND_DETECT_TIMEOUT: &str = "LINKERD2_PROXY_INBOUND_DETECT_TIMEOUT";
/// How long the first bytes of an outgoing connection are waited for.
pub const OUTBOUND_DETECT_TIMEOUT: &str = "LINKERD2_PROXY_OUTBOUND_DETECT_TIMEOUT";
/// How long what was discovered about an incoming port is kept unused.
pub const INBOUND_DISCOVERY_IDLE_TIMEOUT: &str = "LINKERD2_PROXY_INBOUND_DISCOVERY_IDLE_TIMEOUT";
/// How long what was discovered about a destination is kept unused.
pub const OUTBOUND_DISCOVERY_IDLE_TIMEOUT: &str = "LINKERD2_PROXY_OUTBOUND_DISCOVERY_IDLE_TIMEOUT";
/// Interval of HTTP/2 pings on incoming connections.
pub const INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL: &str =
    "LINKERD2_PROXY_INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL";
/// How long the answer to such a ping may take.
pub const INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT: &str =
    "LINKERD2_PROXY_INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT";
/// Interval of HTTP/2 pings on the application's connections.
pub const OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL: &str =
    "LINKERD2_PROXY_OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL";
/// How long the answer to such a ping may take.
pub const OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT: &str =
    "LINKERD2_PROXY_OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT";
/// Names the proxy forwards to for linked clusters.
pub const INBOUND_GATEWAY_SUFFIXES: &str = "LINKERD2_PROXY_INBOUND_GATEWAY_SUFFIXES";
/// Whether outgoing requests are routed by their name.
pub const INGRESS_MODE: &str = "LINKERD2_PROXY_INGRESS_MODE";
/// Whether metrics carry the name the application asked for.
pub const OUTBOUND_METRICS_HOSTNAME_LABELS: &str = "LINKERD2_PROXY_OUTBOUND_METRICS_HOSTNAME_LABELS";
/// Destinations held at a time.
pub const OUTBOUND_ROUTER_CAPACITY: &str = "LINKERD2_PROXY_OUTBOUND_ROUTER_CAPACITY";
/// How long open connections may take to end.
pub const SHUTDOWN_GRACE_PERIOD: &str = "LINKERD2_PROXY_SHUTDOWN_GRACE_PERIOD";
/// Whether POST /shutdown is served on the admin port.
pub const SHUTDOWN_ENDPOINT_ENABLED: &str = "LINKERD2_PROXY_SHUTDOWN_ENDPOINT_ENABLED";
/// Where the proxy keeps its key and certificate request.
pub const IDENTITY_DIR: &str = "LINKERD2_PROXY_IDENTITY_DIR";
/// Trust anchors (PEM).
pub const IDENTITY_TRUST_ANCHORS: &str = "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS";
/// File with the token shown to the identity service.
pub const IDENTITY_TOKEN_FILE: &str = "LINKERD2_PROXY_IDENTITY_TOKEN_FILE";
/// The identity service.
pub const IDENTITY_SVC_ADDR: &str = "LINKERD2_PROXY_IDENTITY_SVC_ADDR";
/// Identity of the identity service.
pub const IDENTITY_SVC_NAME: &str = "LINKERD2_PROXY_IDENTITY_SVC_NAME";
/// The proxy's own identity.
pub const IDENTITY_LOCAL_NAME: &str = "LINKERD2_PROXY_IDENTITY_LOCAL_NAME";
/// The proxy's own identity as verified by clients.
pub const IDENTITY_SERVER_ID: &str = "LINKERD2_PROXY_IDENTITY_SERVER_ID";
/// The name clients ask for in TLS.
pub const IDENTITY_SERVER_NAME: &str = "LINKERD2_PROXY_IDENTITY_SERVER_NAME";
/// Identity that may tap; tap is refused when unset.
pub const TAP_SVC_NAME: &str = "LINKERD2_PROXY_TAP_SVC_NAME";
/// Whether tap is refused.
pub const TAP_DISABLED: &str = "LINKERD2_PROXY_TAP_DISABLED";
/// Collector that spans are sent to.
pub const TRACE_COLLECTOR_SVC_ADDR: &str = "LINKERD2_PROXY_TRACE_COLLECTOR_SVC_ADDR";
/// Identity of that collector.
pub const TRACE_COLLECTOR_SVC_NAME: &str = "LINKERD2_PROXY_TRACE_COLLECTOR_SVC_NAME";
/// Protocol of the collector: OTLP over gRPC, whatever is named here.
pub const TRACE_PROTOCOL: &str = "LINKERD2_PROXY_TRACE_PROTOCOL";
/// Name of the service in spans.
pub const TRACE_SERVICE_NAME: &str = "LINKERD2_PROXY_TRACE_SERVICE_NAME";
/// File with attributes added to each span.
pub const TRACE_ATTRIBUTES_PATH: &str = "LINKERD2_PROXY_TRACE_ATTRIBUTES_PATH";
/// Attributes added to each span, one key=value a line.
pub const TRACE_EXTRA_ATTRIBUTES: &str = "LINKERD2_PROXY_TRACE_EXTRA_ATTRIBUTES";
/// Namespace of the pod, for other variables to refer to.
pub const POD_NS: &str = "_pod_ns";
/// ServiceAccount of the pod, for other variables to refer to.
pub const POD_SA: &str = "_pod_sa";
/// Name of the pod, for other variables to refer to.
pub const POD_NAME: &str = "_pod_name";
/// Unique id of the pod, for other variables to refer to.
pub const POD_UID: &str = "_pod_uid";
/// Node of the pod, for other variables to refer to.
pub const POD_NODE_NAME: &str = "_pod_nodeName";
/// Name of the container, for other variables to refer to.
pub const POD_CONTAINER_NAME: &str = "_pod_containerName";
/// Namespace of the control plane, for other variables to refer to.
pub const L5D_NS: &str = "_l5d_ns";
/// Trust domain of the mesh, for other variables to refer to.
pub const L5D_TRUST_DOMAIN: &str = "_l5d_trustdomain";

/// Every variable an injected proxy may be given.
pub const ALL: &[Variable] = &[
    variable(
        INBOUND_PORTS_REQUIRE_IDENTITY,
        ValueType::PortRanges,
        "Incoming ports that accept clients with an identity only, until the control plane answers",
    ),
    variable(LOG, ValueType::LogLevel, "Log level of the proxy"),
    variable(LOG_FORMAT, ValueType::OneOf(&["plain", "json"]), "Log format of the proxy"),
    variable(
        LOG_HTTP_HEADERS,
        ValueType::OneOf(&["off", "insecure"]),
        "Whether HTTP headers are logged at debug level; as the log level says unless `off`",
    ),
    variable(ACCESS_LOG, ValueType::OneOf(&["apache", "json"]), "Format of the access log; none when unset"),
    variable(CORES, ValueType::Integer, "Worker threads, when neither bound is given"),
    variable(CORES_MIN, ValueType::Integer, "Fewest worker threads"),
    variable(CORES_MAX, ValueType::Integer, "Most worker threads"),
    variable(CORES_MAX_RATIO, ValueType::Ratio, "Most worker threads as a share of the node's CPUs"),
    variable(DESTINATION_SVC_ADDR, ValueType::Address, "The destination service"),
    variable(DESTINATION_SVC_NAME, ValueType::Text, "Identity of the destination service"),
    variable(
        DESTINATION_CONTEXT,
        ValueType::Text,
        "Opaque text sent with every lookup: namespace, node and pod as JSON",
    ),
    variable(
        DESTINATION_PROFILE_SUFFIXES,
        ValueType::Text,
        "Names whose profile is looked up, comma separated",
    ),
    variable(
        DESTINATION_PROFILE_NETWORKS,
        ValueType::Networks,
        "Networks whose addresses have their profile looked up",
    ),
    variable(
        DESTINATION_GET_NETWORKS,
        ValueType::Networks,
        "Networks whose addresses have their profile looked up, where those of profiles are not given",
    ),
    variable(
        DESTINATION_GET_SUFFIXES,
        ValueType::Text,
        "Names whose endpoints are looked up, comma separated; all unless set",
    ),
    variable(
        DESTINATION_PROFILE_INITIAL_TIMEOUT,
        ValueType::Duration,
        "How long a profile may take to arrive before it is done without",
    ),
    variable(POLICY_SVC_ADDR, ValueType::Address, "The policy service"),
    variable(POLICY_SVC_NAME, ValueType::Text, "Identity of the policy service"),
    variable(
        POLICY_WORKLOAD,
        ValueType::Text,
        "Opaque text that names the workload: namespace and pod as JSON",
    ),
    variable(POLICY_CLUSTER_NETWORKS, ValueType::Networks, "Networks that count as the cluster in policies"),
    variable(
        CONTROL_STREAM_INITIAL_TIMEOUT,
        ValueType::Duration,
        "How long the first message of a stream from the control plane may take",
    ),
    variable(
        CONTROL_STREAM_IDLE_TIMEOUT,
        ValueType::Duration,
        "How long a stream from the control plane may stay silent",
    ),
    variable(
        CONTROL_STREAM_LIFETIME,
        ValueType::Duration,
        "How long a stream from the control plane may live",
    ),
    variable(CONTROL_LISTEN_ADDR, ValueType::Address, "Where tap listens"),
    variable(ADMIN_LISTEN_ADDR, ValueType::Address, "Where metrics and probes listen"),
    variable(OUTBOUND_LISTEN_ADDR, ValueType::Address, "Where redirected outgoing connections arrive"),
    variable(
        OUTBOUND_LISTEN_ADDRS,
        ValueType::Text,
        "Where redirected outgoing connections arrive, one address per family",
    ),
    variable(INBOUND_LISTEN_ADDR, ValueType::Address, "Where redirected incoming connections arrive"),
    variable(INBOUND_IPS, ValueType::Text, "Addresses of the pod; connections to others are refused"),
    variable(
        INBOUND_PORTS,
        ValueType::PortRanges,
        "Ports the pod listens on; their policy is watched from the start",
    ),
    variable(
        INBOUND_DEFAULT_POLICY,
        ValueType::OneOf(&[
            "all-unauthenticated",
            "all-authenticated",
            "cluster-unauthenticated",
            "cluster-authenticated",
            "deny",
            "audit",
        ]),
        "Policy of ports until the control plane answers",
    ),
    variable(
        INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION,
        ValueType::PortRanges,
        "Incoming ports that are opaque until the control plane answers",
    ),
    variable(
        INBOUND_ACCEPT_KEEPALIVE,
        ValueType::Duration,
        "Idle time before keep-alive of accepted incoming connections",
    ),
    variable(
        OUTBOUND_CONNECT_KEEPALIVE,
        ValueType::Duration,
        "Idle time before keep-alive of connections to peers",
    ),
    variable(
        INBOUND_ACCEPT_USER_TIMEOUT,
        ValueType::Duration,
        "How long sent data of incoming connections may stay unacknowledged",
    ),
    variable(
        OUTBOUND_CONNECT_USER_TIMEOUT,
        ValueType::Duration,
        "How long sent data of connections to peers may stay unacknowledged",
    ),
    variable(
        INBOUND_CONNECT_TIMEOUT,
        ValueType::Duration,
        "How long a connection to the application may take to open",
    ),
    variable(
        OUTBOUND_CONNECT_TIMEOUT,
        ValueType::Duration,
        "How long a connection to a peer may take to open",
    ),
    variable(
        INBOUND_DETECT_TIMEOUT,
        ValueType::Duration,
        "How long the first bytes of an incoming connection are waited for",
    ),
    variable(
        OUTBOUND_DETECT_TIMEOUT,
        ValueType::Duration,
        "How long the first bytes of an outgoing connection are waited for",
    ),
    variable(
        INBOUND_DISCOVERY_IDLE_TIMEOUT,
        ValueType::Duration,
        "How long what was discovered about an incoming port is kept unused",
    ),
    variable(
        OUTBOUND_DISCOVERY_IDLE_TIMEOUT,
        ValueType::Duration,
        "How long what was discovered about a destination is kept unused",
    ),
    variable(
        INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL,
        ValueType::Duration,
        "Interval of HTTP/2 pings on incoming connections",
    ),
    variable(
        INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT,
        ValueType::Duration,
        "How long the answer to such a ping may take",
    ),
    variable(
        OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL,
        ValueType::Duration,
        "Interval of HTTP/2 pings on the application's connections",
    ),
    variable(
        OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT,
        ValueType::Duration,
        "How long the answer to such a ping may take",
    ),
    variable(INBOUND_GATEWAY_SUFFIXES, ValueType::Text, "Names the proxy forwards to for linked clusters"),
    variable(INGRESS_MODE, ValueType::Boolean, "Whether outgoing requests are routed by their name"),
    variable(
        OUTBOUND_METRICS_HOSTNAME_LABELS,
        ValueType::Boolean,
        "Whether metrics carry the name the application asked for",
    ),
    variable(
        OUTBOUND_ROUTER_CAPACITY,
        ValueType::Integer,
        "Destinations that a worker holds at a time, and that stay known while discovery is down; 10000 unless set. Beyond it those go that have been idle the longest, never one in use",
    ),
    variable(SHUTDOWN_GRACE_PERIOD, ValueType::Duration, "How long open connections may take to end"),
    variable(
        SHUTDOWN_ENDPOINT_ENABLED,
        ValueType::Boolean,
        "Whether POST /shutdown is served on the admin port",
    ),
    variable(IDENTITY_DIR, ValueType::Text, "Where the proxy keeps its key and certificate request"),
    variable(IDENTITY_TRUST_ANCHORS, ValueType::Text, "Trust anchors (PEM)"),
    variable(IDENTITY_TOKEN_FILE, ValueType::Text, "File with the token shown to the identity service"),
    variable(IDENTITY_SVC_ADDR, ValueType::Address, "The identity service"),
    variable(IDENTITY_SVC_NAME, ValueType::Text, "Identity of the identity service"),
    variable(IDENTITY_LOCAL_NAME, ValueType::Text, "The proxy's own identity"),
    variable(IDENTITY_SERVER_ID, ValueType::Text, "The proxy's own identity as verified by clients"),
    variable(IDENTITY_SERVER_NAME, ValueType::Text, "The name clients ask for in TLS"),
    variable(TAP_SVC_NAME, ValueType::Text, "Identity that may tap; tap is refused when unset"),
    variable(TAP_DISABLED, ValueType::Boolean, "Whether tap is refused"),
    variable(TRACE_COLLECTOR_SVC_ADDR, ValueType::Address, "Collector that spans are sent to"),
    variable(TRACE_COLLECTOR_SVC_NAME, ValueType::Text, "Identity of that collector"),
    variable(
        TRACE_PROTOCOL,
        ValueType::Text,
        "Protocol of the collector: OTLP over gRPC, whatever is named here",
    ),
    variable(TRACE_SERVICE_NAME, ValueType::Text, "Name of the service in spans"),
    variable(TRACE_ATTRIBUTES_PATH, ValueType::Text, "File with attributes added to each span"),
    variable(TRACE_EXTRA_ATTRIBUTES, ValueType::Text, "Attributes added to each span, one key=value a line"),
    variable(POD_NS, ValueType::Text, "Namespace of the pod, for other variables to refer to"),
    variable(POD_SA, ValueType::Text, "ServiceAccount of the pod, for other variables to refer to"),
    variable(POD_NAME, ValueType::Text, "Name of the pod, for other variables to refer to"),
    variable(POD_UID, ValueType::Text, "Unique id of the pod, for other variables to refer to"),
    variable(POD_NODE_NAME, ValueType::Text, "Node of the pod, for other variables to refer to"),
    variable(POD_CONTAINER_NAME, ValueType::Text, "Name of the container, for other variables to refer to"),
    variable(L5D_NS, ValueType::Text, "Namespace of the control plane, for other variables to refer to"),
    variable(L5D_TRUST_DOMAIN, ValueType::Text, "Trust domain of the mesh, for other variables to refer to"),
];
