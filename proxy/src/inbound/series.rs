//! What is counted for requests of a client by a route: registered once, found again by all connections of the client.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use ahash::AHashMap;

use super::conn::Tls;
use crate::identity::Id;
use crate::metrics::{
    Authz, AuthzLabels, Decision, Id as SeriesId, InboundEndpoint, InboundRoute, InboundRouteLabels, Metrics,
    NoServerTls, RequestLabels, Requests, Resource, RouteKind, ServerTls,
};
use crate::model::Meta;
use crate::model::inbound::Peer;

/// How a client's TLS is named in labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TlsKey {
    tls: Tls,
    id: Option<Id>,
}

/// What a series is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SeriesKey {
    pub(crate) target: SocketAddr,
    pub(crate) tls: TlsKey,
    pub(crate) route: usize,
    /// The place of the authorization in the route's and the server's lists.
    pub(crate) authorization: usize,
}

/// The resources that a series names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    pub(crate) server: Resource<'a>,
    pub(crate) kind: RouteKind,
    pub(crate) route: &'a Meta,
    pub(crate) authorization: &'a Meta,
}

/// Where requests are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    pub(crate) allow: SeriesId<Authz>,
    pub(crate) requests: SeriesId<Requests>,
    pub(crate) route: SeriesId<InboundRoute>,
}

/// The series of a port's policy.
#[derive(Default)]
pub(crate) struct SeriesCache {
    live: AHashMap<SeriesKey, Live>,
    /// Of former policies; requests may still be counted there.
    retired: Vec<Rc<Series>>,
}

struct Live {
    series: Rc<Series>,
    /// Whether a connection asked for it since the last sweep.
    used: bool,
}

// === impl TlsKey ===

impl TlsKey {
    pub(crate) fn new(tls: &Tls, peer: &Peer) -> Self {
        Self { tls: tls.clone(), id: peer.id().cloned() }
    }

    /// As metrics have it.
    pub(crate) fn labels(&self) -> ServerTls<'_> {
        match &self.tls {
            Tls::Meshed => ServerTls::Established(self.id.as_ref().map_or("", Id::as_str)),
            Tls::Passed(sni) => ServerTls::Opaque(sni),
            Tls::Skipped => ServerTls::None(NoServerTls::PortSkipped),
            Tls::None => ServerTls::None(NoServerTls::NoTlsFromRemote),
            Tls::Loopback => ServerTls::None(NoServerTls::Loopback),
        }
    }
}

// === impl SeriesCache ===

impl SeriesCache {
    /// The series of this key, registered if it was not known.
    pub(crate) fn find(&mut self, metrics: &mut Metrics, key: SeriesKey, names: Names<'_>) -> Rc<Series> {
        if let Some(found) = self.live.get_mut(&key) {
            found.used = true;
            return found.series.clone();
        }
        let (route, authz) = (Resource::from(names.route), Resource::from(names.authorization));
        let (server, target) = (names.server, key.target);
        let tls = key.tls.labels();
        let decision = Decision::HttpAllow { route, authz };
        let endpoint = InboundEndpoint { authority: None, target, tls, server, route, authz };
        let series = Rc::new(Series {
            allow: metrics.authz.register(&AuthzLabels { decision, target, server, tls }),
            requests: metrics.requests.register(&RequestLabels::Inbound(endpoint)),
            route: metrics.inbound_route.register(&InboundRouteLabels {
                kind: names.kind,
                parent: server,
                route,
            }),
        });
        self.live.insert(key, Live { series: series.clone(), used: true });
        series
    }

    /// The policy has changed: what is there belongs to the former.
    pub(crate) fn retire(&mut self) {
        self.retired.extend(self.live.drain().map(|(_, live)| live.series));
    }

    /// Gives back what no connection has and none asked for since the last time.
    pub(crate) fn sweep(&mut self, metrics: &mut Metrics, now: Instant) {
        let mut release = |series: &Rc<Series>| {
            let unused = Rc::strong_count(series) == 1;
            if unused {
                metrics.authz.release(series.allow, now);
                metrics.requests.release(series.requests, now);
                metrics.inbound_route.release(series.route, now);
            }
            unused
        };
        self.live.retain(|_, live| std::mem::take(&mut live.used) || !release(&live.series));
        self.retired.retain(|series| !release(series));
    }
}
