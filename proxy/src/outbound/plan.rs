//! What is done with the connections of a destination: its policy or profile, with backends and metrics looked up.
//!
//! A plan never changes. An update makes another one, which the next request or connection uses.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proxy_net::budget::RetryBudget;

use super::hosts::Hosts;
use super::refusal::Refusal;
use crate::metrics::Detect as Detection;
use crate::metrics::{
    Id, OutboundBackend, OutboundRoute, ProfileRetries, Protocols, Requests, TransportRoute,
};
use crate::model::outbound::{Distribution, Protocol, Retry, RulePolicy, StreamFilter, find_tls};
use crate::model::route::{Filter, Found, Parts, find};
use crate::model::{Meta, OutboundPolicy, Profile};

/// What is done with the connections of a destination.
pub(super) struct Plan {
    pub(super) parent: Meta,
    pub(super) kind: Kind,
    /// Whether names of hosts are in its series.
    pub(super) names_hosts: bool,
    /// Connections by what they speak.
    pub(super) protocol: Id<Protocols>,
    /// What detection finds.
    pub(super) detection: Id<Detection>,
    /// Keeps the backends in use.
    pub(super) backends: Vec<Rc<()>>,
    /// Everything that was registered, to be released with the plan.
    pub(super) registered: Registered,
}

/// Series of a plan.
#[derive(Default)]
pub(super) struct Registered {
    pub(super) routes: Vec<Id<OutboundRoute>>,
    pub(super) backends: Vec<Id<OutboundBackend>>,
    pub(super) requests: Vec<Id<Requests>>,
    pub(super) retries: Vec<Id<ProfileRetries>>,
    pub(super) streams: Vec<Id<TransportRoute>>,
}

#[allow(clippy::large_enum_variant, reason = "lives behind the reference count of its plan")]
pub(super) enum Kind {
    Http(HttpPlan),
    Opaque(StreamPlan),
    Tls(TlsPlan),
    Refuse(Refusal),
}

/// HTTP, and perhaps something else.
pub(super) struct HttpPlan {
    pub(super) detect: Detect,
    pub(super) http1: Stack,
    /// None where it is the same.
    pub(super) http2: Option<Stack>,
    /// Where it is not HTTP after all.
    pub(super) opaque: Option<StreamPlan>,
}

/// Whether the version has to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detect {
    Within(Duration),
    Http1,
    Http2,
}

/// Routes of requests.
pub(super) struct Stack {
    pub(super) router: Router,
    /// Rules of all routes in order.
    pub(super) rules: Vec<RuleUse>,
    /// Where in `rules` those of each route begin.
    pub(super) starts: Vec<usize>,
    /// The value of `l5d-dst-canonical`, for profiles.
    pub(super) canonical: Option<Box<[u8]>>,
    /// Retries of a profile.
    pub(super) budget: RefCell<Option<RetryBudget>>,
}

pub(super) enum Router {
    Policy(Arc<OutboundPolicy>, Side),
    Profile(Arc<Profile>),
    /// One rule takes everything.
    Single,
}

/// Which part of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Http1,
    Http2,
    Grpc,
}

/// A rule, its backends and series.
pub(super) struct RuleUse {
    pub(super) uses: Uses,
    pub(super) metrics: Id<OutboundRoute>,
    /// The same by host, where hosts are counted.
    pub(super) hosts: Hosts,
    pub(super) retry: Option<Rc<Retry>>,
    pub(super) profile: Option<ProfileSeries>,
}

/// Series of a profile's route.
#[derive(Clone, Copy)]
pub(super) struct ProfileSeries {
    pub(super) route: Id<Requests>,
    pub(super) actual: Id<Requests>,
    pub(super) retries: Id<ProfileRetries>,
}

/// Where a rule sends things.
pub(super) struct Uses {
    pub(super) order: Order,
    pub(super) items: Vec<BackendUse>,
    total: u64,
}

/// How a backend is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    First,
    Random,
}

pub(super) struct BackendUse {
    pub(super) backend: usize,
    pub(super) weight: u32,
    pub(super) metrics: Id<OutboundBackend>,
    /// A filter that closes connections.
    pub(super) closed: Option<StreamFilter>,
}

/// What is done with connections of octets.
pub(super) struct StreamPlan {
    /// The route.
    pub(super) meta: Meta,
    pub(super) uses: Uses,
    pub(super) closed: Option<StreamFilter>,
    pub(super) metrics: Id<TransportRoute>,
}

/// What is done with connections of TLS.
pub(super) struct TlsPlan {
    pub(super) policy: Arc<OutboundPolicy>,
    /// In the order of the routes.
    pub(super) rules: Vec<StreamPlan>,
}

// === impl Plan ===

impl Plan {
    /// A plan that serves nobody.
    pub(super) fn refuse(refusal: Refusal) -> Self {
        Self {
            parent: Meta::new_default("invalid"),
            kind: Kind::Refuse(refusal),
            names_hosts: false,
            protocol: Id::default(),
            detection: Id::default(),
            backends: Vec::new(),
            registered: Registered::default(),
        }
    }

    /// The routes of requests of this version.
    pub(super) fn stack(&self, is_http2: bool) -> Option<&Stack> {
        match &self.kind {
            Kind::Http(http) => Some(http.http2.as_ref().filter(|_| is_http2).unwrap_or(&http.http1)),
            _ => None,
        }
    }

    /// All routes of requests.
    pub(super) fn stacks(&self) -> impl Iterator<Item = &Stack> {
        let http = if let Kind::Http(http) = &self.kind { Some(http) } else { None };
        http.into_iter().flat_map(|http| [Some(&http.http1), http.http2.as_ref()]).flatten()
    }

    /// Where octets go, for plans that have such a place.
    pub(super) fn stream(&self) -> Option<&StreamPlan> {
        match &self.kind {
            Kind::Http(http) => http.opaque.as_ref(),
            Kind::Opaque(stream) => Some(stream),
            Kind::Tls(_) | Kind::Refuse(_) => None,
        }
    }
}

// === impl Stack ===

impl Stack {
    /// The rule for a request.
    pub(super) fn find(&self, parts: &Parts<'_>) -> Option<Found> {
        match &self.router {
            Router::Single => Some(Found { route: 0, rule: 0, prefix: Some(1) }),
            Router::Profile(profile) => {
                let route = profile.find(parts).unwrap_or(profile.routes.len());
                Some(Found { route, rule: 0, prefix: None })
            }
            Router::Policy(policy, side) => match (&policy.protocol, side) {
                (Protocol::Detect { http1, .. } | Protocol::Http1(http1), Side::Http1) => {
                    find(&http1.routes, parts)
                }
                (Protocol::Detect { http2, .. } | Protocol::Http2(http2), Side::Http2) => {
                    find(&http2.routes, parts)
                }
                (Protocol::Grpc(grpc), Side::Grpc) => find(&grpc.routes, parts),
                _ => None,
            },
        }
    }

    /// The place of a rule in `rules`.
    pub(super) fn index(&self, found: Found) -> usize {
        self.starts.get(found.route).map_or(0, |start| start + found.rule)
    }

    /// What a policy says of a rule; none for profiles and single rules.
    pub(super) fn policy(&self, found: Found) -> Option<&RulePolicy> {
        let Router::Policy(policy, side) = &self.router else { return None };
        match (&policy.protocol, side) {
            (Protocol::Detect { http1, .. } | Protocol::Http1(http1), Side::Http1) => {
                Some(&http1.routes.get(found.route)?.rules.get(found.rule)?.policy)
            }
            (Protocol::Detect { http2, .. } | Protocol::Http2(http2), Side::Http2) => {
                Some(&http2.routes.get(found.route)?.rules.get(found.rule)?.policy)
            }
            (Protocol::Grpc(grpc), Side::Grpc) => {
                Some(&grpc.routes.get(found.route)?.rules.get(found.rule)?.policy)
            }
            _ => None,
        }
    }

    /// What the user calls the route of a rule; none for profiles and single rules.
    pub(super) fn route(&self, found: Found) -> Option<&Meta> {
        let Router::Policy(policy, side) = &self.router else { return None };
        match (&policy.protocol, side) {
            (Protocol::Detect { http1, .. } | Protocol::Http1(http1), Side::Http1) => {
                Some(&http1.routes.get(found.route)?.meta)
            }
            (Protocol::Detect { http2, .. } | Protocol::Http2(http2), Side::Http2) => {
                Some(&http2.routes.get(found.route)?.meta)
            }
            (Protocol::Grpc(grpc), Side::Grpc) => Some(&grpc.routes.get(found.route)?.meta),
            _ => None,
        }
    }

    /// Filters of one of the rule's backends.
    pub(super) fn backend_filters(&self, found: Found, item: usize) -> &[Filter] {
        let item = self.policy(found).and_then(|policy| policy.backends.backends().get(item));
        item.map_or(&[], |item| &item.filters)
    }

    /// Whether statuses are those of gRPC.
    pub(super) fn is_grpc(&self) -> bool {
        matches!(&self.router, Router::Policy(_, Side::Grpc))
    }
}

// === impl TlsPlan ===

impl TlsPlan {
    /// What is done with a connection to this name.
    pub(super) fn find(&self, sni: &str) -> Option<&StreamPlan> {
        let Protocol::Tls(routes) = &self.policy.protocol else { return None };
        self.rules.get(find_tls(routes, sni.as_bytes())?)
    }
}

// === impl Uses ===

impl Uses {
    pub(super) fn new(order: Order, items: Vec<BackendUse>) -> Self {
        let total = items.iter().map(|item| u64::from(item.weight)).sum();
        Self { order, items, total }
    }

    /// The order of a distribution.
    pub(super) fn order_of<F>(distribution: &Distribution<F>) -> Order {
        match distribution {
            Distribution::Random(_) => Order::Random,
            Distribution::First(_) | Distribution::Empty => Order::First,
        }
    }

    /// Asks backends until one says yes: in their order, or drawn by weight without putting back. Answers with the place of the
    /// backend and what it said.
    pub(super) fn choose<T>(
        &self,
        random: u64,
        mut ask: impl FnMut(&BackendUse) -> Option<T>,
    ) -> Option<(usize, T)> {
        let first_of = |ask: &mut dyn FnMut(&BackendUse) -> Option<T>| {
            self.items.iter().enumerate().find_map(|(index, item)| Some((index, ask(item)?)))
        };
        if self.order == Order::First || self.items.len() == 1 {
            return first_of(&mut ask);
        }
        let drawn = self.draw(random)?;
        if let Some(said) = ask(&self.items[drawn]) {
            return Some((drawn, said));
        }
        // The drawn one is not ready: another draw among the rest, by turns from a random place so that none is preferred.
        let mut rest: Vec<usize> = (0..self.items.len()).filter(|index| *index != drawn).collect();
        let mut random = random;
        while !rest.is_empty() {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let total: u64 = rest.iter().map(|index| u64::from(self.items[*index].weight)).sum();
            let mut point = ((u128::from(random) * u128::from(total)) >> 64) as u64;
            let place = rest.iter().position(|index| {
                let weight = u64::from(self.items[*index].weight);
                let found = point < weight;
                point = point.saturating_sub(weight);
                found
            });
            let index = rest.swap_remove(place.unwrap_or(0));
            if let Some(said) = ask(&self.items[index]) {
                return Some((index, said));
            }
        }
        None
    }

    fn draw(&self, random: u64) -> Option<usize> {
        let mut point = ((u128::from(random) * u128::from(self.total)) >> 64) as u64;
        self.items.iter().position(|item| {
            let weight = u64::from(item.weight);
            let found = point < weight;
            point = point.saturating_sub(weight);
            found
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(order: Order, weights: &[u32]) -> Uses {
        let item = |(backend, weight): (usize, &u32)| BackendUse {
            backend,
            weight: *weight,
            metrics: Id::default(),
            closed: None,
        };
        Uses::new(order, weights.iter().enumerate().map(item).collect())
    }

    fn counts(uses: &Uses, ready: impl Fn(usize) -> bool) -> Vec<u32> {
        let mut counts = vec![0; uses.items.len()];
        let mut random = proxy_net::balance::Random::new(7);
        for _ in 0..10_000 {
            if let Some((index, ())) =
                uses.choose(random.next_u64(), |item| ready(item.backend).then_some(()))
            {
                counts[index] += 1;
            }
        }
        counts
    }

    #[test]
    fn backends_get_shares_by_weight() {
        let counts = counts(&uses(Order::Random, &[1, 0, 3]), |_| true);
        assert_eq!(counts[1], 0);
        assert!((2_200..2_800).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn the_share_of_one_that_is_not_ready_goes_to_the_others_by_weight() {
        let counts = counts(&uses(Order::Random, &[10, 1, 3]), |backend| backend != 0);
        assert_eq!((counts[0], counts[1] + counts[2]), (0, 10_000));
        assert!((2_000..3_000).contains(&counts[1]), "{counts:?}");
    }

    #[test]
    fn the_first_that_is_ready_gets_all() {
        let uses = uses(Order::First, &[1, 1, 1]);
        assert_eq!(counts(&uses, |backend| backend > 0), [0, 10_000, 0]);
        assert_eq!(counts(&uses, |_| false), [0, 0, 0]);
    }
}
