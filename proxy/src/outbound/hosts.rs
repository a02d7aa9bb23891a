//! Who is spoken to, by name: hosts of requests, and server names of TLS that is passed through.
//!
//! Where names lead out of the mesh they say more than the route does, so an egress network has them in its series always; a
//! service has them where the configuration asks for it.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use proxy_net::engine::Direction;

use super::conn::Conn;
use super::plan::{Plan, Stack, StreamPlan};
use super::resource;
use crate::metrics::{
    Id, Metrics, OutboundRoute, OutboundRouteLabels, Resource, RouteKind, TlsHost, TlsHostLabels,
};
use crate::model::Meta;
use crate::model::route::Found;
use crate::worker::Cx;

/// The kind of resource whose names are always counted.
const EGRESS_NETWORK: &str = "EgressNetwork";
/// Hosts that one rule counts apart; requests to further ones count for the rule alone.
const HOSTS_MAX: usize = 256;
/// The longest name of a host in DNS; what is longer is none.
const NAME_MAX: usize = 255;

/// Series of the hosts that a rule's requests have named, as they were spelled.
#[derive(Default)]
pub(super) struct Hosts(RefCell<AHashMap<Box<[u8]>, Id<OutboundRoute>>>);

/// What is seen of a TLS connection from outside.
pub(super) struct Passing {
    series: Id<TlsHost>,
    handshake: Handshake,
}

/// How far a handshake has come, as far as it can be told from who talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handshake {
    /// The client has begun, then.
    Begun(Instant),
    /// The server has answered. The client began then.
    Answered(Instant),
    /// The client has answered that, so it knows the server and, with TLS 1.3, may send.
    Over,
}

/// Whether the series of a parent have names in them.
pub(super) fn are_named(parent: &Meta, configured: bool) -> bool {
    configured || parent.kind() == EGRESS_NETWORK
}

// === impl Hosts ===

impl Hosts {
    /// The series of a host; none when there are too many.
    pub(super) fn series(
        &self,
        cx: &mut Cx<'_, '_>,
        plan: &Plan,
        stack: &Stack,
        found: Found,
        host: &[u8],
    ) -> Option<Id<OutboundRoute>> {
        let mut known = self.0.borrow_mut();
        if let Some(id) = known.get(host) {
            return Some(*id);
        }
        if known.len() >= HOSTS_MAX || host.is_empty() || host.len() > NAME_MAX {
            return None;
        }
        let hostname = String::from_utf8_lossy(host).to_ascii_lowercase();
        let id = cx.shared.metrics.outbound_route.register(&OutboundRouteLabels {
            kind: if stack.is_grpc() { RouteKind::Grpc } else { RouteKind::Http },
            parent: resource(&plan.parent),
            route: stack.route(found).map(resource).unwrap_or_default(),
            hostname: &hostname,
        });
        known.insert(host.into(), id);
        Some(id)
    }

    /// All series, which have to be released with the plan.
    pub(super) fn ids(&self) -> Vec<Id<OutboundRoute>> {
        self.0.borrow().values().copied().collect()
    }
}

// === impl Passing ===

impl Passing {
    /// A connection of TLS whose client has begun `since`. `route` is there where one is for the name.
    pub(super) fn new(
        cx: &mut Cx<'_, '_>,
        plan: &Plan,
        route: Option<&StreamPlan>,
        sni: Option<&str>,
        since: Instant,
    ) -> Self {
        let series = cx.shared.metrics.tls_host.register(&TlsHostLabels {
            parent: resource(&plan.parent),
            route: route.map_or_else(Resource::default, |route| resource(&route.meta)),
            hostname: sni.filter(|_| plan.names_hosts).unwrap_or_default(),
        });
        cx.shared.metrics.tls_host[series].connections += 1;
        Self { series, handshake: Handshake::Begun(since) }
    }

    /// The connection is gone.
    pub(super) fn end(self, metrics: &mut Metrics, now: Instant) {
        metrics.tls_host.release(self.series, now);
    }
}

// === impl Handshake ===

impl Handshake {
    /// One side has talked; how long it took, once that makes it over.
    fn said(&mut self, direction: Direction, now: Instant) -> Option<Duration> {
        match (*self, direction) {
            (Self::Begun(since), Direction::Response) => *self = Self::Answered(since),
            (Self::Answered(since), Direction::Request) => {
                *self = Self::Over;
                return Some(now.saturating_duration_since(since));
            }
            _ => {}
        }
        None
    }
}

/// Octets of a tunnel have passed.
pub(crate) fn tunneled(
    metrics: &mut Metrics,
    conn: &mut Conn,
    direction: Direction,
    octets: usize,
    now: Instant,
) {
    let (read, written) = match direction {
        Direction::Request => (octets as u64, 0),
        Direction::Response => (0, octets as u64),
    };
    let transport = &mut metrics.transport[conn.transport];
    transport.read += read;
    transport.written += written;
    conn.counted.0 += read;
    conn.counted.1 += written;
    if let Some(route) = conn.route {
        let series = &mut metrics.transport_route[route];
        series.read += read;
        series.written += written;
    }
    if let Some(passing) = &mut conn.passing {
        let series = &mut metrics.tls_host[passing.series];
        series.read += read;
        series.written += written;
        if let Some(took) = passing.handshake.said(direction, now) {
            series.handshake.observe(took);
        }
    }
}
