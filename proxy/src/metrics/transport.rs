//! Connections: opened, open, closed, octets; the errors of the proxy; and what it has built.

use std::net::SocketAddr;

use super::http::OutboundEndpoint;
use super::keys::Errno;
use super::labels::{
    ClientTls, Direction, LabelSet, LabelText, NoClientTls, NoServerTls, Prefix, Resource, ServerTls,
};
use super::labels::{Variant, write_target};
use super::table::group;
use super::value::{ByKey, Gauge};

/// Labels of [`Transport`]: whose connections.
#[derive(Clone, Copy, Debug)]
pub enum TransportLabels<'a> {
    /// Accepted on the inbound side.
    InboundServer {
        /// The address that the client wanted.
        target: SocketAddr,
        /// The client's TLS.
        tls: ServerTls<'a>,
        /// The server policy.
        server: Resource<'a>,
    },
    /// From the proxy to the application.
    InboundClient,
    /// Accepted from the application.
    OutboundServer {
        /// The address that the application wanted.
        target: SocketAddr,
    },
    /// From the proxy to an endpoint.
    OutboundClient(OutboundEndpoint<'a>),
}

/// Labels of [`ProxyErrors`].
#[derive(Clone, Copy, Debug)]
pub enum ErrorLabels<'a> {
    /// A request that came in.
    InboundHttp {
        /// What went wrong.
        error: &'static str,
        /// The address that the client wanted.
        target: SocketAddr,
        /// The server policy.
        server: Resource<'a>,
    },
    /// A connection that came in.
    InboundTcp {
        /// What went wrong.
        error: &'static str,
        /// The address that the client wanted.
        target: SocketAddr,
    },
    /// A request of the application.
    OutboundHttp {
        /// What went wrong.
        error: &'static str,
    },
    /// A connection of the application.
    OutboundTcp {
        /// The address that the application wanted.
        target: SocketAddr,
        /// What went wrong.
        error: &'static str,
    },
}

/// Labels of [`Stacks`]: what was built.
#[derive(Clone, Copy, Debug)]
pub struct StackLabels {
    /// Which side.
    pub direction: Direction,
    /// `http`, `opaq` or `tls`.
    pub protocol: &'static str,
    /// `logical`, `forward`, `endpoint` or `balance`.
    pub name: &'static str,
}

group! {
    /// Connections of one kind.
    Transport(TransportLabels<'a>): "direction, peer, then of an accepted connection target_addr, target_ip, target_port, tls, \
        (client_id | no_tls_reason | sni), inbound also srv_group, srv_kind, srv_name, srv_port; of a connection to an endpoint \
        [authority], target_addr, target_ip, target_port, tls, (server_id | no_tls_reason), [dst_*]";
    /// Total count of opened connections.
    opened: u64 = "open_total",
    /// Number of currently-open connections.
    open: Gauge = "open_connections",
    /// Total count of bytes read from peers.
    read: u64 = "read_bytes_total",
    /// Total count of bytes written to peers.
    written: u64 = "write_bytes_total",
    /// Total count of closed connections.
    closed: ByKey<Errno, u64> = "close_total",
}

group! {
    /// Errors that the proxy answered or closed with.
    ProxyErrors(ErrorLabels<'a>): "inbound HTTP: error, target_addr, target_ip, target_port, srv_group, srv_kind, srv_name, srv_port; \
        inbound TCP: error, target_addr, target_ip, target_port; outbound HTTP: error; outbound TCP: target_addr, target_ip, \
        target_port, error";
    /// Total count of errors of the proxy.
    errors: u64 = "errors_total",
}

group! {
    /// Balancers, routes and endpoints as they come and go.
    Stacks(StackLabels): "direction, protocol, name";
    /// Total number of balancers, routes and endpoints built.
    created: u64 = "create_total",
    /// Total number of balancers, routes and endpoints let go.
    dropped: u64 = "drop_total",
}

// === impl TransportLabels ===

impl LabelSet for TransportLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["tcp_"];

    fn write(&self, labels: &mut LabelText) {
        match self {
            Self::InboundServer { target, tls, server } => {
                Direction::Inbound.write(labels);
                labels.add("peer", "src");
                write_target(*target, labels);
                tls.write(labels);
                server.write_inbound_port(Prefix::Server, labels);
            }
            Self::InboundClient => {
                Direction::Inbound.write(labels);
                labels.add("peer", "dst");
                ClientTls::None(NoClientTls::Loopback).write(labels);
            }
            Self::OutboundServer { target } => {
                Direction::Outbound.write(labels);
                labels.add("peer", "src");
                write_target(*target, labels);
                ServerTls::None(NoServerTls::Loopback).write(labels);
            }
            Self::OutboundClient(endpoint) => {
                Direction::Outbound.write(labels);
                labels.add("peer", "dst");
                endpoint.write(labels);
            }
        }
    }
}

// === impl ErrorLabels ===

impl LabelSet for ErrorLabels<'_> {
    const PREFIXES: &'static [&'static str] =
        &["inbound_http_", "inbound_tcp_", "outbound_http_", "outbound_tcp_"];

    fn variant(&self) -> Variant {
        Variant(match self {
            Self::InboundHttp { .. } => 0,
            Self::InboundTcp { .. } => 1,
            Self::OutboundHttp { .. } => 2,
            Self::OutboundTcp { .. } => 3,
        })
    }

    fn write(&self, labels: &mut LabelText) {
        match self {
            Self::InboundHttp { error, target, server } => {
                labels.add("error", error);
                write_target(*target, labels);
                server.write_inbound_port(Prefix::Server, labels);
            }
            Self::InboundTcp { error, target } => {
                labels.add("error", error);
                write_target(*target, labels);
            }
            Self::OutboundHttp { error } => labels.add("error", error),
            Self::OutboundTcp { target, error } => {
                write_target(*target, labels);
                labels.add("error", error);
            }
        }
    }
}

// === impl StackLabels ===

impl LabelSet for StackLabels {
    const PREFIXES: &'static [&'static str] = &["stack_"];

    fn write(&self, labels: &mut LabelText) {
        self.direction.write(labels);
        labels.add("protocol", self.protocol);
        labels.add("name", self.name);
    }
}
