//! Who is spoken to, by name: hosts of requests, and server names of TLS that is passed through.
//!
//! Where names lead out of the mesh they say more than the route does, so an egress network has them in its series always; a
//! service has them where the configuration asks for it.

use std::cell::RefCell;
use std::time::Instant;

use ahash::AHashMap;
use proxy_net::engine::Direction;

use super::conn::Conn;
use super::handshake::{Handshake, Seen};
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
    /// Until it is over.
    handshake: Option<Handshake>,
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
        Self { series, handshake: Some(Handshake::new(since)) }
    }

    /// The connection is gone.
    pub(super) fn end(self, metrics: &mut Metrics, now: Instant) {
        metrics.tls_host.release(self.series, now);
    }
}

/// Octets of a tunnel have passed.
pub(crate) fn tunneled(
    metrics: &mut Metrics,
    conn: &mut Conn,
    direction: Direction,
    octets: &[u8],
    now: Instant,
) {
    let count = octets.len() as u64;
    let (read, written) = match direction {
        Direction::Request => (count, 0),
        Direction::Response => (0, count),
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
        if let Some(handshake) = &mut passing.handshake {
            let seen = handshake.pass(direction, octets);
            if seen == Seen::Over {
                series.handshake.observe(handshake.took(now));
            }
            if seen != Seen::Going {
                passing.handshake = None;
            }
        }
    }
}
