//! Families of the inbound side: authorization, routes, detection.

use std::net::SocketAddr;

use super::keys::{DetectResult, InboundStatus};
use super::labels::{LabelSet, LabelText, Prefix, Resource, ServerTls, Variant, write_target};
use super::table::group;
use super::value::{ByKey, Histogram, Rare, buckets};

/// Labels of what policy decides about a request or connection. Resources that do not apply are not written.
#[derive(Clone, Copy, Debug)]
pub struct AuthzLabels<'a> {
    /// Which decision, and with it which labels.
    pub decision: Decision<'a>,
    /// The address that the client wanted.
    pub target: SocketAddr,
    /// The server policy.
    pub server: Resource<'a>,
    /// The client's TLS.
    pub tls: ServerTls<'a>,
}

/// A decision of policy.
#[derive(Clone, Copy, Debug)]
pub enum Decision<'a> {
    /// A request passes.
    HttpAllow {
        /// Its route.
        route: Resource<'a>,
        /// What authorized it.
        authz: Resource<'a>,
    },
    /// A request is refused.
    HttpDeny {
        /// Its route.
        route: Resource<'a>,
    },
    /// A request has no route.
    HttpRouteNotFound,
    /// A request exceeds a rate.
    HttpRateLimit {
        /// The rate limit policy.
        ratelimit: Resource<'a>,
        /// `total` or `identity`.
        scope: &'static str,
    },
    /// A connection passes.
    TcpAllow {
        /// What authorized it.
        authz: Resource<'a>,
    },
    /// A connection is refused.
    TcpDeny,
    /// A connection has lost its authorization.
    TcpTerminate,
}

/// Labels of [`InboundRoute`].
#[derive(Clone, Copy, Debug)]
pub struct InboundRouteLabels<'a> {
    /// Whether the route is one of HTTP or of gRPC.
    pub kind: RouteKind,
    /// The server policy.
    pub parent: Resource<'a>,
    /// The route.
    pub route: Resource<'a>,
}

/// Kinds of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteKind {
    /// HTTP.
    Http,
    /// gRPC.
    Grpc,
}

/// Labels of [`Detect`].
#[derive(Clone, Copy, Debug)]
pub enum DetectLabels<'a> {
    /// On accepted connections of this server policy.
    Inbound(Resource<'a>),
    /// On connections of the application to this parent.
    Outbound(Resource<'a>),
}

/// Labels of [`TransportHeaders`].
#[derive(Clone, Copy, Debug)]
pub struct TransportHeaderLabels<'a> {
    /// `http/1`, `http/2`, or empty for opaque.
    pub session_protocol: &'static str,
    /// The port that the header names.
    pub target_port: u16,
    /// The name that the header carries.
    pub target_name: &'a str,
    /// The client's identity.
    pub client_id: &'a str,
}

buckets! {
    /// Durations, finely: inbound requests, attempts at a backend.
    pub FineSeconds = seconds [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0];
    /// Durations, coarsely: inbound responses, requests of an outbound route.
    pub CoarseSeconds = seconds [0.05, 0.5, 1.0, 10.0];
    /// Frames of bodies.
    pub FrameOctets = octets [128.0, 1024.0, 10240.0];
    /// Detection.
    pub DetectSeconds = seconds [0.001, 0.1];
}

group! {
    /// What policy has decided; a series belongs to one decision, so only one field of it counts.
    Authz(AuthzLabels<'a>): "target_addr, target_ip, target_port, srv_group, srv_kind, srv_name, srv_port, [route_group, \
        route_kind, route_name, [authz_group, authz_kind, authz_name]], [ratelimit_group, ratelimit_kind, ratelimit_name, \
        ratelimit_scope], tls, (client_id | no_tls_reason | sni)";
    /// The total number of inbound HTTP requests that were authorized.
    http_allow: Rare = "http_authz_allow_total",
    /// The total number of inbound HTTP requests that were refused by policy.
    http_deny: Rare = "http_authz_deny_total",
    /// The total number of inbound HTTP requests that could not be associated with a route.
    http_route_not_found: Rare = "http_route_not_found_total",
    /// The total number of inbound HTTP requests that exceeded a local rate limit.
    http_ratelimit: Rare = "http_local_ratelimit_total",
    /// The total number of inbound TCP connections that were authorized.
    tcp_allow: Rare = "tcp_authz_allow_total",
    /// The total number of inbound TCP connections that were denied.
    tcp_deny: Rare = "tcp_authz_deny_total",
    /// The total number of inbound TCP connections that were terminated due to an authorization change.
    tcp_terminate: Rare = "tcp_authz_terminate_total",
}

group! {
    /// Requests of a route.
    InboundRoute(InboundRouteLabels<'a>): "parent_group, parent_kind, parent_name, parent_port, route_group, route_kind, route_name";
    /// The total number of requests received.
    requests: u64 = "requests_total",
    /// Completed responses by status.
    statuses: ByKey<InboundStatus, u64> = "statuses_total",
    /// The time between request initialization and response completion.
    request_duration: Histogram<FineSeconds> = "request_duration_seconds",
    /// The time between request completion and response completion.
    response_duration: Histogram<CoarseSeconds> = "response_duration_seconds",
    /// Sizes of frames of request bodies.
    request_frames: Histogram<FrameOctets> = "request_frame_size_bytes",
    /// Sizes of frames of response bodies.
    response_frames: Histogram<FrameOctets> = "response_frame_size_bytes",
}

group! {
    /// Protocol detection.
    Detect(DetectLabels<'a>): "inbound: srv_group, srv_kind, srv_name, srv_port; outbound: parent_group, parent_kind, \
        parent_namespace, parent_name, parent_port, parent_section_name";
    /// What detection found.
    results: ByKey<DetectResult, u64> = "results_total",
    /// How long detection took.
    duration: Histogram<DetectSeconds> = "duration_seconds",
}

group! {
    /// Connections with a transport header.
    TransportHeaders(TransportHeaderLabels<'a>): "session_protocol, target_port, target_name, client_id";
    /// TCP connections with transport headers.
    connections: u64 = "connections_total",
}

// === impl AuthzLabels ===

impl LabelSet for AuthzLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["inbound_"];

    fn write(&self, labels: &mut LabelText) {
        write_target(self.target, labels);
        self.server.write_inbound_port(Prefix::Server, labels);
        match self.decision {
            Decision::HttpAllow { route, authz } => {
                route.write_inbound(Prefix::Route, labels);
                authz.write_inbound(Prefix::Authz, labels);
            }
            Decision::HttpDeny { route } => route.write_inbound(Prefix::Route, labels),
            Decision::HttpRateLimit { ratelimit, scope } => {
                ratelimit.write_inbound(Prefix::RateLimit, labels);
                labels.add("ratelimit_scope", scope);
            }
            Decision::TcpAllow { authz } => authz.write_inbound(Prefix::Authz, labels),
            Decision::HttpRouteNotFound | Decision::TcpDeny | Decision::TcpTerminate => {}
        }
        self.tls.write(labels);
    }
}

// === impl InboundRouteLabels ===

impl LabelSet for InboundRouteLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["inbound_http_", "inbound_grpc_"];

    fn variant(&self) -> Variant {
        self.kind.variant()
    }

    fn write(&self, labels: &mut LabelText) {
        self.parent.write_inbound_port(Prefix::Parent, labels);
        self.route.write_inbound(Prefix::Route, labels);
    }
}

// === impl RouteKind ===

impl RouteKind {
    /// HTTP first.
    pub(super) fn variant(self) -> Variant {
        Variant(match self {
            Self::Http => 0,
            Self::Grpc => 1,
        })
    }
}

// === impl DetectLabels ===

impl LabelSet for DetectLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["inbound_tcp_detect_http_", "outbound_tcp_detect_http_"];

    fn variant(&self) -> Variant {
        Variant(match self {
            Self::Inbound(_) => 0,
            Self::Outbound(_) => 1,
        })
    }

    fn write(&self, labels: &mut LabelText) {
        match self {
            Self::Inbound(server) => server.write_inbound_port(Prefix::Server, labels),
            Self::Outbound(parent) => parent.write_outbound_port(Prefix::Parent, labels),
        }
    }
}

// === impl TransportHeaderLabels ===

impl LabelSet for TransportHeaderLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["inbound_tcp_transport_header_"];

    fn write(&self, labels: &mut LabelText) {
        labels.add("session_protocol", self.session_protocol);
        labels.add("target_port", self.target_port);
        labels.add("target_name", self.target_name);
        labels.add("client_id", self.client_id);
    }
}
