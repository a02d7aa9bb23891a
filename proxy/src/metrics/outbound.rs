//! Families of the outbound side: routes, backends, balancers, opaque and TLS routes.

use super::inbound::{CoarseSeconds, FineSeconds, FrameOctets, RouteKind};
use super::keys::{CloseError, EndpointState, RouteStatus, UpdateOp};
use super::labels::{LabelSet, LabelText, Prefix, Resource, Variant};
use super::table::group;
use super::value::{ByKey, Gauge, Histogram, Level, buckets};

/// Labels of [`OutboundRoute`].
#[derive(Clone, Copy, Debug)]
pub struct OutboundRouteLabels<'a> {
    /// Whether the route is one of HTTP or of gRPC.
    pub kind: RouteKind,
    /// The service or egress network.
    pub parent: Resource<'a>,
    /// The route.
    pub route: Resource<'a>,
    /// The host of the request; empty unless the configuration asks for it or the parent is an egress network.
    pub hostname: &'a str,
}

/// Labels of [`OutboundBackend`].
#[derive(Clone, Copy, Debug)]
pub struct OutboundBackendLabels<'a> {
    /// Whether the route is one of HTTP or of gRPC.
    pub kind: RouteKind,
    /// The service or egress network.
    pub parent: Resource<'a>,
    /// The route.
    pub route: Resource<'a>,
    /// The backend.
    pub backend: Resource<'a>,
}

/// Labels of [`Balancer`].
#[derive(Clone, Copy, Debug)]
pub enum BalancerLabels<'a> {
    /// Of HTTP and gRPC requests.
    Http(BalancerParent<'a>),
    /// Of opaque connections.
    Tcp(BalancerParent<'a>),
    /// Of TLS that is passed through.
    Tls(BalancerParent<'a>),
    /// Of the client of the identity service, at this address.
    ControlIdentity(&'a str),
    /// Of the client of the destination service.
    ControlDestination(&'a str),
    /// Of the client of the policy service.
    ControlPolicy(&'a str),
    /// Of the exporter of spans.
    OpenTelemetry(&'a str),
}

/// What a balancer of the data path belongs to.
#[derive(Clone, Copy, Debug)]
pub struct BalancerParent<'a> {
    /// The service or egress network.
    pub parent: Resource<'a>,
    /// The backend whose endpoints these are.
    pub backend: Resource<'a>,
}

/// Labels of [`Protocols`].
#[derive(Clone, Copy, Debug)]
pub struct ProtocolLabels<'a> {
    /// `http/1`, `http/2`, `detect`, `opaq` or `tls`.
    pub protocol: &'static str,
    /// The service or egress network.
    pub parent: Resource<'a>,
}

/// Labels of [`TransportRoute`].
#[derive(Clone, Copy, Debug)]
pub struct TransportRouteLabels<'a> {
    /// Opaque or TLS.
    pub kind: TransportRouteKind,
    /// The service or egress network.
    pub parent: Resource<'a>,
    /// The route.
    pub route: Resource<'a>,
}

/// Kinds of routes for connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportRouteKind {
    /// Opaque.
    Tcp,
    /// TLS that is passed through.
    Tls,
}

/// Labels of [`TlsHost`].
#[derive(Clone, Copy, Debug)]
pub struct TlsHostLabels<'a> {
    /// The service or egress network.
    pub parent: Resource<'a>,
    /// The route; empty where none is for this server name.
    pub route: Resource<'a>,
    /// The server name; empty unless the configuration asks for it or the parent is an egress network.
    pub hostname: &'a str,
}

/// Labels of [`TransferCost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransferCostLabels {
    /// Which way.
    pub op: TransferOp,
    /// Where the endpoint is.
    pub zone: ZoneLocality,
}

/// Which way octets went, seen from the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferOp {
    /// To the endpoint.
    Send,
    /// From it.
    Recv,
}

/// Where an endpoint is, seen from the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ZoneLocality {
    /// In the same zone.
    Local,
    /// In another.
    Remote,
    /// Nobody knows.
    Unknown,
}

buckets! {
    /// How long requests wait for a ready endpoint.
    pub QueueSeconds = seconds [0.0005, 0.005, 0.05, 0.5, 1.0, 3.0];
    /// Handshakes of TLS that is passed through, with hosts near and far.
    pub HandshakeSeconds = seconds [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0];
}

group! {
    /// Requests of a route, retries counted once.
    OutboundRoute(OutboundRouteLabels<'a>): "parent_group, parent_kind, parent_namespace, parent_name, parent_port, \
        parent_section_name, route_group, route_kind, route_namespace, route_name, hostname";
    /// The time between request initialization and response completion.
    request_duration: Histogram<CoarseSeconds> = "request_duration_seconds",
    /// Completed request-response streams.
    request_statuses: ByKey<RouteStatus, u64> = "request_statuses_total",
    /// Sizes of frames of request bodies.
    request_frames: Histogram<FrameOctets> = "request_frame_size_bytes",
    /// Retryable requests not sent due to retry limits.
    retry_limit_exceeded: u64 = "retry_limit_exceeded_total",
    /// Retryable requests not sent because no endpoint is ready or the body is beyond the bound.
    retry_overflow: u64 = "retry_overflow_total",
    /// Retry requests emitted.
    retry_requests: u64 = "retry_requests_total",
    /// Successful responses to retry requests.
    retry_successes: u64 = "retry_successes_total",
}

group! {
    /// Attempts of a route at one of its backends.
    OutboundBackend(OutboundBackendLabels<'a>): "parent_group, parent_kind, parent_namespace, parent_name, parent_port, \
        parent_section_name, route_group, route_kind, route_namespace, route_name, backend_group, backend_kind, \
        backend_namespace, backend_name, backend_port, backend_section_name";
    /// The total number of requests dispatched.
    requests: u64 = "backend_requests_total",
    /// Completed responses.
    response_statuses: ByKey<RouteStatus, u64> = "backend_response_statuses_total",
    /// The time between request completion and response completion.
    response_duration: Histogram<FineSeconds> = "backend_response_duration_seconds",
    /// Sizes of frames of response bodies.
    response_frames: Histogram<FrameOctets> = "backend_response_frame_size_bytes",
}

group! {
    /// A balancer and its queue.
    Balancer(BalancerLabels<'a>): "parent_group, parent_kind, parent_namespace, parent_name, parent_port, parent_section_name, \
        backend_group, backend_kind, backend_namespace, backend_name, backend_port, backend_section_name; control plane: addr";
    /// The number of endpoints in a balancer; of several workers the largest.
    endpoints: ByKey<EndpointState, Level> = "endpoints",
    /// The number of endpoints to choose from; of several workers the largest.
    p2c_endpoints: Level = "p2c_endpoints",
    /// The total number of service discovery updates received by a balancer.
    updates: ByKey<UpdateOp, u64> = "p2c_updates_total",
    /// The current number of items waiting for a ready endpoint.
    queue_length: Gauge = "queue_length",
    /// The total number of requests that passed the balancer.
    queue_requests: u64 = "queue_requests_total",
    /// The time requests spent waiting for a ready endpoint.
    queue_latency: Histogram<QueueSeconds> = "queue_latency_seconds",
    /// How often the balancer has come back from failing fast.
    gate_open: u64 = "queue_gate_open_total",
    /// How often the balancer has begun to fail fast.
    gate_shut: u64 = "queue_gate_shut_total",
    /// When the balancer last came back, in seconds since 1970.
    gate_open_time: Level = "queue_gate_open_time_seconds",
    /// When the balancer last began to fail fast, in seconds since 1970.
    gate_shut_time: Level = "queue_gate_shut_time_seconds",
    /// How long a request waits before the balancer fails fast.
    gate_timeout: Level = "queue_gate_timeout_seconds",
}

group! {
    /// Connections of the application by what they speak.
    Protocols(ProtocolLabels<'a>): "protocol, parent_group, parent_kind, parent_namespace, parent_name, parent_port, parent_section_name";
    /// Outbound TCP connections by protocol configuration.
    connections: u64 = "connections_total",
}

group! {
    /// Connections of an opaque or TLS route.
    TransportRoute(TransportRouteLabels<'a>): "parent_group, parent_kind, parent_namespace, parent_name, parent_port, \
        parent_section_name, route_group, route_kind, route_namespace, route_name";
    /// Connections opened.
    opened: u64 = "open_total",
    /// Connections closed.
    closed: ByKey<CloseError, u64> = "close_total",
    /// Octets from the application.
    read: u64 = "read_bytes_total",
    /// Octets to the application.
    written: u64 = "write_bytes_total",
}

group! {
    /// TLS that is passed through, by the name that its client asks for. Nothing of it is decrypted.
    TlsHost(TlsHostLabels<'a>): "parent_group, parent_kind, parent_namespace, parent_name, parent_port, parent_section_name, \
        route_group, route_kind, route_namespace, route_name, hostname";
    /// Connections, those that are refused too.
    connections: u64 = "connections_total",
    /// Octets from the application.
    read: u64 = "read_bytes_total",
    /// Octets to the application.
    written: u64 = "write_bytes_total",
    /// The time from the client's first message to its answer to the server's.
    handshake: Histogram<HandshakeSeconds> = "handshake_duration_seconds",
}

group! {
    /// Octets between zones.
    TransferCost(TransferCostLabels): "op, zone_locality";
    /// Octets to and from endpoints, by where they are.
    octets: u64 = "bytes_total",
}

// === impl OutboundRouteLabels ===

impl LabelSet for OutboundRouteLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["outbound_http_route_", "outbound_grpc_route_"];

    fn variant(&self) -> Variant {
        self.kind.variant()
    }

    fn write(&self, labels: &mut LabelText) {
        self.parent.write_outbound_port(Prefix::Parent, labels);
        self.route.write_outbound(Prefix::Route, labels);
        labels.add("hostname", self.hostname);
    }
}

// === impl OutboundBackendLabels ===

impl LabelSet for OutboundBackendLabels<'_> {
    const PREFIXES: &'static [&'static str] = OutboundRouteLabels::PREFIXES;

    fn variant(&self) -> Variant {
        self.kind.variant()
    }

    fn write(&self, labels: &mut LabelText) {
        self.parent.write_outbound_port(Prefix::Parent, labels);
        self.route.write_outbound(Prefix::Route, labels);
        self.backend.write_outbound_port(Prefix::Backend, labels);
    }
}

// === impl BalancerLabels ===

impl LabelSet for BalancerLabels<'_> {
    const PREFIXES: &'static [&'static str] = &[
        "outbound_http_balancer_",
        "outbound_tcp_balancer_",
        "outbound_tls_balancer_",
        "control_identity_balancer_",
        "control_destination_balancer_",
        "control_policy_balancer_",
        "opentelemetry_balancer_",
    ];

    fn variant(&self) -> Variant {
        Variant(match self {
            Self::Http(_) => 0,
            Self::Tcp(_) => 1,
            Self::Tls(_) => 2,
            Self::ControlIdentity(_) => 3,
            Self::ControlDestination(_) => 4,
            Self::ControlPolicy(_) => 5,
            Self::OpenTelemetry(_) => 6,
        })
    }

    fn write(&self, labels: &mut LabelText) {
        match self {
            Self::Http(of) | Self::Tcp(of) | Self::Tls(of) => {
                of.parent.write_outbound_port(Prefix::Parent, labels);
                of.backend.write_outbound_port(Prefix::Backend, labels);
            }
            Self::ControlIdentity(addr)
            | Self::ControlDestination(addr)
            | Self::ControlPolicy(addr)
            | Self::OpenTelemetry(addr) => labels.add("addr", addr),
        }
    }
}

// === impl ProtocolLabels ===

impl LabelSet for ProtocolLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["outbound_tcp_protocol_"];

    fn write(&self, labels: &mut LabelText) {
        labels.add("protocol", self.protocol);
        self.parent.write_outbound_port(Prefix::Parent, labels);
    }
}

// === impl TransportRouteLabels ===

impl LabelSet for TransportRouteLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["outbound_tcp_route_", "outbound_tls_route_"];

    fn variant(&self) -> Variant {
        Variant(match self.kind {
            TransportRouteKind::Tcp => 0,
            TransportRouteKind::Tls => 1,
        })
    }

    fn write(&self, labels: &mut LabelText) {
        self.parent.write_outbound_port(Prefix::Parent, labels);
        self.route.write_outbound(Prefix::Route, labels);
    }
}

// === impl TlsHostLabels ===

impl LabelSet for TlsHostLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["outbound_tls_host_"];

    fn write(&self, labels: &mut LabelText) {
        self.parent.write_outbound_port(Prefix::Parent, labels);
        self.route.write_outbound(Prefix::Route, labels);
        labels.add("hostname", self.hostname);
    }
}

// === impl TransferCostLabels ===

impl LabelSet for TransferCostLabels {
    const PREFIXES: &'static [&'static str] = &["outbound_tcp_transfer_cost_"];

    fn write(&self, labels: &mut LabelText) {
        labels.add("op", if self.op == TransferOp::Send { "Send" } else { "Recv" });
        let zone = match self.zone {
            ZoneLocality::Local => "Local",
            ZoneLocality::Remote => "Remote",
            ZoneLocality::Unknown => "Unknown",
        };
        labels.add("zone_locality", zone);
    }
}
