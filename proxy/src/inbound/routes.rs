//! What a connection remembers of the routes that its client may use.

use std::rc::Rc;
use std::time::Instant;

use proxy_net::rate_limit::Bucket;

use super::conn::Way;
use super::profiles::Watched;
use super::series::Series;
use crate::identity::Id;
use crate::model::InboundPolicy;

/// What a connection remembers of routes that its client may use.
#[derive(Default)]
pub(crate) struct RouteCache {
    /// Of which policy.
    pub(super) generation: Option<u32>,
    pub(super) granted: Vec<Option<Granted>>,
    pub(super) bucket: Bucket,
    /// The profile of the last authority.
    pub(super) profile: Watched,
    /// The client's name, for the access log.
    pub(super) client_id: Option<Rc<str>>,
}

#[derive(Clone)]
pub(super) struct Granted {
    pub(super) series: Rc<Series>,
    pub(super) audit: bool,
}

// === impl RouteCache ===

impl RouteCache {
    /// Forgets what former policies granted.
    pub(super) fn renew(&mut self, generation: u32, policy: &InboundPolicy, way: &Way, now: Instant) {
        self.generation = Some(generation);
        self.granted.clear();
        self.bucket = match policy.limit() {
            Some(limit) => limit.limits.bucket(way.peer.id().map(Id::as_str), now),
            None => Bucket::default(),
        };
    }

    pub(super) fn remember(&mut self, route: usize, granted: Granted) {
        if self.granted.len() <= route {
            self.granted.resize(route + 1, None);
        }
        self.granted[route] = Some(granted);
    }

    /// The connection is gone.
    pub(crate) fn clear(&mut self) {
        self.granted.clear();
        self.bucket = Bucket::default();
    }
}
