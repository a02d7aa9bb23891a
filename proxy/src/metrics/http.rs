//! Requests by endpoint, by route of a ServiceProfile, and to the control plane: the families that dashboards have always used.

use std::net::SocketAddr;

use super::keys::{Class, RetryKind, StatusCode};
use super::labels::{
    ClientTls, Direction, LabelSet, LabelText, Prefix, Resource, ServerTls, Variant, write_target,
};
use super::table::group;
use super::value::{ByKey, Histogram, buckets};
use crate::model::Labels;

/// Labels of [`Requests`]; they also say which prefix the families have.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack for the length of one registration")]
pub enum RequestLabels<'a> {
    /// Requests that came in: no prefix.
    Inbound(InboundEndpoint<'a>),
    /// Attempts that went to an endpoint: no prefix.
    Outbound(OutboundEndpoint<'a>),
    /// Requests of a profile's route as the client sees them, retries counted once: `route_`.
    Route(ProfileRoute<'a>),
    /// Attempts of a profile's route, retries included; without latencies: `route_actual_`.
    RouteActual(ProfileRoute<'a>),
    /// Requests of the proxy itself to the control plane: `control_`.
    Control(ControlClient<'a>),
}

/// An inbound request's way: from whom, where to, and what let it pass.
#[derive(Clone, Copy, Debug)]
pub struct InboundEndpoint<'a> {
    /// `authority`, only where the configuration asks for it.
    pub authority: Option<&'a str>,
    /// The address that the client wanted.
    pub target: SocketAddr,
    /// The client's TLS.
    pub tls: ServerTls<'a>,
    /// The server policy.
    pub server: Resource<'a>,
    /// The route.
    pub route: Resource<'a>,
    /// What authorized it.
    pub authz: Resource<'a>,
}

/// An endpoint of the outbound side.
#[derive(Clone, Copy, Debug)]
pub struct OutboundEndpoint<'a> {
    /// The backend as `name:port`, if it has a name.
    pub authority: Option<&'a str>,
    /// The endpoint's address.
    pub target: SocketAddr,
    /// TLS to it.
    pub tls: ClientTls<'a>,
    /// Labels of discovery; written with the prefix `dst_`.
    pub labels: &'a Labels,
}

/// A route of a ServiceProfile.
#[derive(Clone, Copy, Debug)]
pub struct ProfileRoute<'a> {
    /// Which way.
    pub direction: Direction,
    /// The service as `name:port`.
    pub dst: &'a str,
    /// Labels of the route; written with the prefix `rt_`.
    pub labels: &'a Labels,
}

/// A client of the control plane.
#[derive(Clone, Copy, Debug)]
pub struct ControlClient<'a> {
    /// The configured address, `name:port`.
    pub addr: &'a str,
    /// TLS to it.
    pub tls: ClientTls<'a>,
}

buckets! {
    /// From the request's head to the first octet of the response's body, or its end.
    pub LatencyMs = milliseconds [
        1.0, 2.0, 3.0, 4.0, 5.0,
        10.0, 20.0, 30.0, 40.0, 50.0,
        100.0, 200.0, 300.0, 400.0, 500.0,
        1000.0, 2000.0, 3000.0, 4000.0, 5000.0,
        10000.0, 20000.0, 30000.0, 40000.0, 50000.0,
    ];
}

group! {
    /// Requests and responses.
    Requests(RequestLabels<'a>): "inbound: direction, [authority], target_addr, target_ip, target_port, tls, \
        (client_id | no_tls_reason | sni), srv_group, srv_kind, srv_name, srv_port, route_group, route_kind, route_name, \
        authz_group, authz_kind, authz_name; outbound: direction, [authority], target_addr, target_ip, target_port, tls, \
        (server_id | no_tls_reason), [dst_*]; route: direction, dst, [rt_*]; control: addr, tls, (server_id | no_tls_reason)";
    /// Total count of HTTP requests.
    requests: u64 = "request_total",
    /// Total count of HTTP responses.
    responses: ByKey<Class, u64> = "response_total",
    /// Elapsed times between a request's headers being received and its response stream completing.
    latency: ByKey<StatusCode, Histogram<LatencyMs>> = "response_latency_ms",
}

group! {
    /// Retries of a profile's routes.
    ProfileRetries(ProfileRoute<'a>): "direction, dst, [rt_*]";
    /// Total count of requests that could be retried: those sent again, and those that were not with the reason.
    retryable: ByKey<RetryKind, u64> = "retryable_total",
}

// === impl RequestLabels ===

impl LabelSet for RequestLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["", "route_", "route_actual_", "control_"];

    fn variant(&self) -> Variant {
        Variant(match self {
            Self::Inbound(_) | Self::Outbound(_) => 0,
            Self::Route(_) => 1,
            Self::RouteActual(_) => 2,
            Self::Control(_) => 3,
        })
    }

    fn write(&self, labels: &mut LabelText) {
        match self {
            Self::Inbound(endpoint) => {
                Direction::Inbound.write(labels);
                endpoint.write(labels);
            }
            Self::Outbound(endpoint) => {
                Direction::Outbound.write(labels);
                endpoint.write(labels);
            }
            Self::Route(route) | Self::RouteActual(route) => route.write(labels),
            Self::Control(client) => client.write(labels),
        }
    }
}

// === impl InboundEndpoint ===

impl InboundEndpoint<'_> {
    fn write(&self, labels: &mut LabelText) {
        if let Some(authority) = self.authority {
            labels.add("authority", authority);
        }
        write_target(self.target, labels);
        self.tls.write(labels);
        self.server.write_inbound_port(Prefix::Server, labels);
        self.route.write_inbound(Prefix::Route, labels);
        self.authz.write_inbound(Prefix::Authz, labels);
    }
}

// === impl OutboundEndpoint ===

impl OutboundEndpoint<'_> {
    /// Appends the labels.
    pub(super) fn write(&self, labels: &mut LabelText) {
        if let Some(authority) = self.authority {
            labels.add("authority", authority);
        }
        write_target(self.target, labels);
        self.tls.write(labels);
        labels.add_foreign("dst_", self.labels.iter());
    }
}

// === impl ProfileRoute ===

impl LabelSet for ProfileRoute<'_> {
    const PREFIXES: &'static [&'static str] = &["route_"];

    fn write(&self, labels: &mut LabelText) {
        self.direction.write(labels);
        labels.add("dst", self.dst);
        labels.add_foreign("rt_", self.labels.iter());
    }
}

// === impl ControlClient ===

impl ControlClient<'_> {
    fn write(&self, labels: &mut LabelText) {
        labels.add("addr", self.addr);
        self.tls.write(labels);
    }
}
