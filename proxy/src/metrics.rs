//! What the proxy counts, and how it is read.
//!
//! A worker owns one [`Metrics`]: a plain table for each *group*, that is, families that share a label set. There is no
//! lock and no atomic. `Collect` takes a [`Snapshot`] of it to the control thread, where an [`Aggregate`] adds the workers up and
//! writes the text.
//!
//! # At resolution, and on the hot path
//!
//! When a route, peer or endpoint is resolved, its label set is registered. That writes and hashes the labels, and gives a small
//! `Copy` index, which is kept with what was resolved. On the hot path the index is all there is: an addition to a plain
//! integer, or a histogram's bucket found among a few bounds; nothing is allocated but a new status in a small table.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use linkerd2_proxy::metrics::{InboundRouteLabels, InboundStatus, Metrics, Resource, RouteKind};
//!
//! let mut metrics = Metrics::default();
//!
//! // At resolution: once for a server and route.
//! let server = Resource { group: "policy.linkerd.io", kind: "server", name: "web", port: Some(8080), ..Resource::default() };
//! let route = Resource { kind: "default", name: "default", ..Resource::default() };
//! let id = metrics.inbound_route.register(&InboundRouteLabels { kind: RouteKind::Http, parent: server, route });
//!
//! // On the hot path.
//! let series = &mut metrics.inbound_route[id];
//! series.requests += 1;
//! *series.statuses.at(InboundStatus::Http(200)) += 1;
//! series.request_duration.observe(Duration::from_millis(3));
//!
//! // When the route is dropped: what was registered is released, and dropped after METRICS_RETAIN_IDLE.
//! metrics.inbound_route.release(id, Instant::now());
//! ```
//!
//! What is rare needs no index: `metrics.errors.once(&labels, now).errors += 1`.
//!
//! # Whose index is kept where
//!
//! | registered with | by | kept in |
//! |---|---|---|
//! | [`TransportLabels::InboundServer`], [`TransportLabels::OutboundServer`] | accept, after TLS | the connection |
//! | [`AuthzLabels`] | authorization of a (server, route, client) | the connection's resolved route |
//! | [`RequestLabels::Inbound`], [`InboundRouteLabels`] | the same | the same |
//! | [`RequestLabels::Outbound`], [`TransportLabels::OutboundClient`] | a new endpoint | the endpoint |
//! | [`OutboundRouteLabels`], [`RequestLabels::Route`] | a new policy or profile | the route |
//! | [`OutboundBackendLabels`] | the same | the route's backend |
//! | [`BalancerLabels`] | a new balancer | the balancer |
//!
//! # Bounds
//!
//! A table holds [`Table::LIMIT`] series; beyond that new label sets share one series with the label `overflow="true"`. A series holds
//! [`ByKey::LIMIT`] statuses; beyond that they are counted as `other`. A label value is cut at 1024 octets.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

mod aggregate;
mod client;
mod control;
mod control_balancer;
mod exposition;
mod http;
mod inbound;
mod keys;
mod labels;
mod outbound;
mod reference;
mod system;
mod table;
mod transport;
mod value;

pub use aggregate::{Aggregate, Metrics, Snapshot, families};
pub use client::{ControlRequest, ControlRequests};
pub use control::{
    ConstantLabels, Constants, Discovery, DiscoveryLabels, Dns, DnsLabels, Identity, IdentityLabels, Process,
    ProcessLabels, Runtime, RuntimeLabels, Seconds, SpanExport, SpanExportLabels, Tap, TapLabels,
};
pub use control_balancer::{ControlBalancer, ControlConnection, ControlCounts, ControlKind, ControlWait};
pub use exposition::{Exposition, Format, Samples};
pub use http::{
    ControlClient, InboundEndpoint, LatencyMs, OutboundEndpoint, ProfileRetries, ProfileRoute, RequestLabels,
    Requests,
};
pub use inbound::{
    Authz, AuthzLabels, CoarseSeconds, Decision, Detect, DetectLabels, DetectSeconds, FineSeconds,
    FrameOctets, InboundRoute, InboundRouteLabels, RouteKind, TransportHeaderLabels, TransportHeaders,
};
pub use keys::{
    Class, CloseError, DetectResult, EndpointState, Errno, InboundStatus, RetryKind, RouteError, RouteStatus,
    StatusCode, UpdateOp, grpc_name,
};
pub use labels::{
    ClientTls, Direction, LabelSet, LabelText, NoClientTls, NoServerTls, Prefix, Resource, ServerTls,
    Variant, write_target,
};
pub use outbound::{
    Balancer, BalancerLabels, BalancerParent, HandshakeSeconds, OutboundBackend, OutboundBackendLabels,
    OutboundRoute, OutboundRouteLabels, ProtocolLabels, Protocols, QueueSeconds, TlsHost, TlsHostLabels,
    TransferCost, TransferCostLabels, TransferOp, TransportRoute, TransportRouteKind, TransportRouteLabels,
    ZoneLocality,
};
pub use reference::{INHERITED, page};
pub use system::sample;
pub use table::{Family, Group, Id, OVERFLOW, Part, SeriesKey, Table};
pub use transport::{ErrorLabels, ProxyErrors, StackLabels, Stacks, Transport, TransportLabels};
pub use value::{Buckets, ByKey, Gauge, Histogram, Key, Kind, Level, Rare, Scale, Value};

/// What the control thread counts: rare things, by several clients, so it is behind a lock. Cheap to clone.
#[derive(Clone, Default)]
pub struct ControlMetrics(Arc<Mutex<Metrics>>);

// === impl ControlMetrics ===

impl ControlMetrics {
    /// The tables. Not to be held across an await.
    pub fn lock(&self) -> MutexGuard<'_, Metrics> {
        self.0.lock()
    }
}

impl std::fmt::Debug for ControlMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ControlMetrics")
    }
}
