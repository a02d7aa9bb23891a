//! From what discovery says of a destination to a plan.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use proxy_net::budget::RetryBudget;

use super::backend::{Flavor, Key};
use super::hosts::{Hosts, are_named};
use super::plan::{
    BackendUse, Detect, HttpPlan, Kind, Order, Plan, ProfileSeries, Registered, Router, RuleUse, Side, Stack,
    StreamPlan, TlsPlan, Uses,
};
use super::refusal::Refusal;
use super::{Outbound, resource};
use crate::discovery::{Answer, Target};
use crate::metrics::{
    DetectLabels, Direction, Id, OutboundBackendLabels, OutboundRouteLabels, ProfileRoute, ProtocolLabels,
    RequestLabels, RouteKind, TransportRouteKind, TransportRouteLabels,
};
use crate::model::outbound::{
    Backend, BackendKind, Distribution, FailureAccrual, HttpRoutes, Load, Protocol, Queue, RulePolicy,
    StreamFilter, StreamRule,
};
use crate::model::route::{Filter, Route};
use crate::model::{Endpoint, Labels, Meta, NameAddr, OutboundPolicy, Profile};
use crate::worker::Cx;

/// A plan in the making.
struct Builder<'o> {
    outbound: &'o mut Outbound,
    parent: Meta,
    backends: Vec<Rc<()>>,
    registered: Registered,
}

/// What backends of one rule have in common.
#[derive(Clone, Copy)]
struct Rule<'a> {
    policy: &'a OutboundPolicy,
    route: &'a Meta,
    kind: RouteKind,
    accrual: Option<FailureAccrual>,
}

impl Outbound {
    /// The plan of a destination of which all is known that was asked.
    pub(super) fn build(&mut self, cx: &mut Cx<'_, '_>, index: usize) -> Plan {
        let destination = &self.destinations[index];
        let target = destination.target.clone();
        let profile = destination.profile.found().cloned();
        let policy = match &destination.policy {
            super::destination::State::Known(Answer::Rejected(why)) => {
                return Plan::refuse(Refusal::DiscoveryRejected(why));
            }
            state => state.found().cloned(),
        };
        let parent = match (&policy, &profile) {
            (Some(policy), _) => policy.parent.clone(),
            (None, Some(profile)) => {
                let name = if profile.endpoint.is_some() { "endpoint" } else { "profile" };
                profile.parent.clone().unwrap_or_else(|| Meta::new_default(name))
            }
            (None, None) => Meta::new_default("fallback"),
        };
        let mut builder =
            Builder { outbound: self, parent, backends: Vec::new(), registered: Registered::default() };
        let kind = builder.kind(cx, &target, profile, policy);
        builder.finish(cx, kind)
    }
}

impl Builder<'_> {
    fn finish(self, cx: &mut Cx<'_, '_>, kind: Kind) -> Plan {
        let protocol = match &kind {
            Kind::Http(HttpPlan { detect: Detect::Within(_), .. }) => "detect",
            Kind::Http(HttpPlan { detect: Detect::Http1, .. }) => "http/1",
            Kind::Http(HttpPlan { detect: Detect::Http2, .. }) => "http/2",
            Kind::Opaque(_) => "opaq",
            Kind::Tls(_) => "tls",
            Kind::Refuse(_) => return Plan { parent: self.parent, ..Plan::refuse(Refusal::InvalidPolicy) },
        };
        let labels = ProtocolLabels { protocol, parent: resource(&self.parent) };
        let protocol = cx.shared.metrics.protocols.register(&labels);
        let detection = match &kind {
            Kind::Http(HttpPlan { detect: Detect::Within(_), .. }) => {
                cx.shared.metrics.detect.register(&DetectLabels::Outbound(resource(&self.parent)))
            }
            _ => Id::default(),
        };
        let Self { parent, backends, registered, .. } = self;
        let names_hosts = are_named(&parent, cx.shared.config.outbound.hostname_labels);
        Plan { kind, names_hosts, protocol, detection, parent, backends, registered }
    }

    fn kind(
        &mut self,
        cx: &mut Cx<'_, '_>,
        target: &Target,
        profile: Option<Arc<Profile>>,
        policy: Option<Arc<OutboundPolicy>>,
    ) -> Kind {
        if let Some(profile) = &profile
            && profile.opaque
        {
            return Kind::Opaque(self.opaque(cx, target, Some(profile), policy.as_deref()));
        }
        if let Some(profile) = profile.as_ref().filter(|profile| profile.has_routes()) {
            let detect = match policy.as_ref().map(|policy| &policy.protocol) {
                Some(Protocol::Detect { timeout, .. }) => *timeout,
                _ => cx.shared.config.outbound.detect_timeout,
            };
            let http1 = self.profile_stack(cx, target, profile);
            let opaque = Some(self.opaque(cx, target, Some(profile), policy.as_deref()));
            return Kind::Http(HttpPlan { detect: Detect::Within(detect), http1, http2: None, opaque });
        }
        match policy {
            Some(policy) => self.policy(cx, policy),
            None => self.fallback(cx, target, profile.as_deref()),
        }
    }

    fn policy(&mut self, cx: &mut Cx<'_, '_>, policy: Arc<OutboundPolicy>) -> Kind {
        let http = |detect, http1, http2, opaque| Kind::Http(HttpPlan { detect, http1, http2, opaque });
        match &policy.protocol {
            Protocol::Detect { timeout, http1, http2, opaque } => {
                let one = self.http_stack(cx, &policy, http1, Side::Http1);
                let two = self.http_stack(cx, &policy, http2, Side::Http2);
                let opaque = self.stream(cx, &policy, opaque, Flavor::Tcp);
                http(Detect::Within(*timeout), one, Some(two), Some(opaque))
            }
            Protocol::Http1(routes) => {
                http(Detect::Http1, self.http_stack(cx, &policy, routes, Side::Http1), None, None)
            }
            Protocol::Http2(routes) => {
                http(Detect::Http2, self.http_stack(cx, &policy, routes, Side::Http2), None, None)
            }
            Protocol::Grpc(grpc) => {
                let stack = self.stack(cx, &policy, &grpc.routes, Side::Grpc, grpc.accrual);
                http(Detect::Http2, stack, None, None)
            }
            Protocol::Opaque(rule) => Kind::Opaque(self.stream(cx, &policy, rule, Flavor::Tcp)),
            Protocol::Tls(routes) => {
                let rules =
                    routes.iter().map(|route| self.stream(cx, &policy, &route.rule, Flavor::Tls)).collect();
                Kind::Tls(TlsPlan { policy: Arc::clone(&policy), rules })
            }
        }
    }

    fn http_stack(
        &mut self,
        cx: &mut Cx<'_, '_>,
        policy: &Arc<OutboundPolicy>,
        http: &HttpRoutes,
        side: Side,
    ) -> Stack {
        self.stack(cx, policy, &http.routes, side, http.accrual)
    }

    fn stack<M>(
        &mut self,
        cx: &mut Cx<'_, '_>,
        policy: &Arc<OutboundPolicy>,
        routes: &[Route<M, RulePolicy>],
        side: Side,
        accrual: Option<FailureAccrual>,
    ) -> Stack {
        let kind = if side == Side::Grpc { RouteKind::Grpc } else { RouteKind::Http };
        let (mut rules, mut starts) = (Vec::new(), Vec::new());
        for route in routes {
            starts.push(rules.len());
            let metrics = self.register_route(cx, &route.meta, kind);
            for rule in &route.rules {
                let of = Rule { policy, route: &route.meta, kind, accrual };
                let uses = self.uses(cx, of, &rule.policy.backends);
                let retry = rule.policy.retry.clone().map(Rc::new);
                rules.push(RuleUse { uses, metrics, hosts: Hosts::default(), retry, profile: None });
            }
        }
        Stack {
            router: Router::Policy(Arc::clone(policy), side),
            rules,
            starts,
            canonical: None,
            budget: RefCell::new(None),
        }
    }

    fn uses(&mut self, cx: &mut Cx<'_, '_>, of: Rule<'_>, distribution: &Distribution<Filter>) -> Uses {
        let items = distribution.backends().iter().map(|item| {
            let model = Arc::clone(&of.policy.backends[item.backend]);
            let metrics = self.register_backend(cx, of.route, &model.meta, of.kind);
            let backend = self.keep(cx, model, of.accrual, Flavor::Http);
            BackendUse { backend, weight: item.weight, metrics, closed: None }
        });
        Uses::new(Uses::order_of(distribution), items.collect())
    }

    fn stream(
        &mut self,
        cx: &mut Cx<'_, '_>,
        policy: &OutboundPolicy,
        rule: &StreamRule,
        flavor: Flavor,
    ) -> StreamPlan {
        let items = rule.backends.backends().iter().map(|item| {
            let model = Arc::clone(&policy.backends[item.backend]);
            let backend = self.keep(cx, model, None, flavor);
            let closed: Option<StreamFilter> = item.filters.first().copied();
            BackendUse { backend, weight: item.weight, metrics: Id::default(), closed }
        });
        let uses = Uses::new(Uses::order_of(&rule.backends), items.collect());
        let kind = if flavor == Flavor::Tls { TransportRouteKind::Tls } else { TransportRouteKind::Tcp };
        StreamPlan {
            meta: rule.meta.clone(),
            uses,
            closed: rule.filters.first().copied(),
            metrics: self.register_stream(cx, kind, &rule.meta),
        }
    }

    /// Octets where the profile, or nobody, says how.
    fn opaque(
        &mut self,
        cx: &mut Cx<'_, '_>,
        target: &Target,
        profile: Option<&Profile>,
        policy: Option<&OutboundPolicy>,
    ) -> StreamPlan {
        let split = profile.is_some_and(|profile| profile.endpoint.is_none() && !profile.targets.is_empty());
        if !split
            && let Some(policy) = policy
            && let Protocol::Opaque(rule) | Protocol::Detect { opaque: rule, .. } = &policy.protocol
        {
            return self.stream(cx, policy, rule, Flavor::Tcp);
        }
        let shares = self.shares(cx, target, profile, Queued::Connections);
        let items = self.keep_all(cx, shares, Flavor::Tcp);
        let route = Meta::new_default("opaque");
        let metrics = self.register_stream(cx, TransportRouteKind::Tcp, &route);
        StreamPlan { meta: route, uses: Uses::new(Order::Random, items), closed: None, metrics }
    }

    /// Where a profile sends things: to its endpoint, to its targets, or to itself.
    fn shares(
        &self,
        cx: &Cx<'_, '_>,
        target: &Target,
        profile: Option<&Profile>,
        queued: Queued,
    ) -> Vec<(Arc<Backend>, u32)> {
        let queue = queued.queue(cx);
        let forward = |endpoint: Arc<Endpoint>| {
            let meta = self.parent.clone();
            vec![(Arc::new(Backend { meta, kind: BackendKind::Forward(endpoint), queue }), 1)]
        };
        let balance = |addr: NameAddr, meta: Option<Meta>| {
            let meta = meta.unwrap_or_else(|| self.parent.clone());
            let kind = BackendKind::Balance { addr, load: Load::DEFAULT };
            Arc::new(Backend { meta, kind, queue })
        };
        if let Some(endpoint) = profile.and_then(|profile| profile.endpoint.clone()) {
            return forward(endpoint);
        }
        let targets = profile.map_or(&[][..], |profile| &profile.targets);
        if !targets.is_empty() {
            let share = |target: &crate::model::profile::ProfileTarget| {
                (balance(target.addr.clone(), target.meta.clone()), target.weight)
            };
            return targets.iter().map(share).collect();
        }
        let name = profile.and_then(|profile| profile.name.clone());
        let is_addr = matches!(target, Target::Addr(_));
        // Whose endpoints are not looked up is where the connection goes.
        let name = name.filter(|name| !is_addr || cx.shared.config.destination.gets(name.as_str()));
        match (name, target) {
            (Some(name), target) => vec![(balance(NameAddr { name, port: target.port() }, None), 1)],
            (None, Target::Name(addr)) => vec![(balance(addr.clone(), None), 1)],
            (None, Target::Addr(addr)) => forward(Arc::new(Endpoint::plain(*addr))),
        }
    }

    fn profile_stack(&mut self, cx: &mut Cx<'_, '_>, target: &Target, profile: &Arc<Profile>) -> Stack {
        let canonical = match (&profile.name, target) {
            (Some(name), _) => NameAddr { name: name.clone(), port: target.port() }.to_string(),
            (None, target) => target.to_string(),
        };
        let default = Labels::default();
        let routes = profile.routes.iter().map(|route| &route.labels).chain([&default]);
        let mut rules = Vec::new();
        for labels in routes {
            let shares = self.shares(cx, target, Some(profile), Queued::Requests);
            let items = self.keep_all(cx, shares, Flavor::Http);
            let profile = Some(self.register_profile(cx, &canonical, labels));
            rules.push(RuleUse {
                uses: Uses::new(Order::Random, items),
                metrics: Id::default(),
                hosts: Hosts::default(),
                retry: None,
                profile,
            });
        }
        let budget = profile.budget.map(|it| RetryBudget::new(it.ttl, it.min_per_second, it.ratio, cx.now()));
        Stack {
            router: Router::Profile(Arc::clone(profile)),
            starts: (0..rules.len()).collect(),
            rules,
            canonical: Some(canonical.into_bytes().into_boxed_slice()),
            budget: RefCell::new(budget),
        }
    }

    /// Where there is no policy: to the endpoint that the profile knows, or to where the connection went.
    fn fallback(&mut self, cx: &mut Cx<'_, '_>, target: &Target, profile: Option<&Profile>) -> Kind {
        let only =
            Profile { endpoint: profile.and_then(|profile| profile.endpoint.clone()), ..Profile::default() };
        let shares = self.shares(cx, target, Some(&only), Queued::Requests);
        let route = Meta::new_default("http");
        let items: Vec<BackendUse> = shares
            .into_iter()
            .map(|(model, weight)| {
                let metrics = self.register_backend(cx, &route, &model.meta, RouteKind::Http);
                let backend = self.keep(cx, model, None, Flavor::Http);
                BackendUse { backend, weight, metrics, closed: None }
            })
            .collect();
        let metrics = self.register_route(cx, &route, RouteKind::Http);
        let rule = RuleUse {
            uses: Uses::new(Order::Random, items),
            metrics,
            hosts: Hosts::default(),
            retry: None,
            profile: None,
        };
        let http1 = Stack {
            router: Router::Single,
            rules: vec![rule],
            starts: vec![0],
            canonical: None,
            budget: RefCell::new(None),
        };
        let opaque = Some(self.opaque(cx, target, Some(&only), None));
        let detect = Detect::Within(cx.shared.config.outbound.detect_timeout);
        Kind::Http(HttpPlan { detect, http1, http2: None, opaque })
    }

    fn keep_all(
        &mut self,
        cx: &mut Cx<'_, '_>,
        shares: Vec<(Arc<Backend>, u32)>,
        flavor: Flavor,
    ) -> Vec<BackendUse> {
        let keep = |(model, weight)| {
            let backend = self.keep(cx, model, None, flavor);
            BackendUse { backend, weight, metrics: Id::default(), closed: None }
        };
        shares.into_iter().map(keep).collect()
    }

    fn keep(
        &mut self,
        cx: &mut Cx<'_, '_>,
        model: Arc<Backend>,
        accrual: Option<FailureAccrual>,
        flavor: Flavor,
    ) -> usize {
        let key = Key { model, accrual, parent: self.parent.clone(), flavor };
        let (index, users) = self.outbound.backend(cx, key);
        self.backends.push(users);
        index
    }

    fn register_route(
        &mut self,
        cx: &mut Cx<'_, '_>,
        route: &Meta,
        kind: RouteKind,
    ) -> Id<crate::metrics::OutboundRoute> {
        let labels = OutboundRouteLabels {
            kind,
            parent: resource(&self.parent),
            route: resource(route),
            hostname: "",
        };
        let id = cx.shared.metrics.outbound_route.register(&labels);
        self.registered.routes.push(id);
        id
    }

    fn register_backend(
        &mut self,
        cx: &mut Cx<'_, '_>,
        route: &Meta,
        backend: &Meta,
        kind: RouteKind,
    ) -> Id<crate::metrics::OutboundBackend> {
        let labels = OutboundBackendLabels {
            kind,
            parent: resource(&self.parent),
            route: resource(route),
            backend: resource(backend),
        };
        let id = cx.shared.metrics.outbound_backend.register(&labels);
        self.registered.backends.push(id);
        id
    }

    fn register_stream(
        &mut self,
        cx: &mut Cx<'_, '_>,
        kind: TransportRouteKind,
        route: &Meta,
    ) -> Id<crate::metrics::TransportRoute> {
        let labels = TransportRouteLabels { kind, parent: resource(&self.parent), route: resource(route) };
        let id = cx.shared.metrics.transport_route.register(&labels);
        self.registered.streams.push(id);
        id
    }

    fn register_profile(&mut self, cx: &mut Cx<'_, '_>, dst: &str, labels: &Labels) -> ProfileSeries {
        let of = ProfileRoute { direction: Direction::Outbound, dst, labels };
        let metrics = &mut cx.shared.metrics;
        let series = ProfileSeries {
            route: metrics.requests.register(&RequestLabels::Route(of)),
            actual: metrics.requests.register(&RequestLabels::RouteActual(of)),
            retries: metrics.profile_retries.register(&of),
        };
        self.registered.requests.extend([series.route, series.actual]);
        self.registered.retries.push(series.retries);
        series
    }
}

/// What waits for a backend, where no policy says how.
#[derive(Clone, Copy)]
enum Queued {
    Requests,
    Connections,
}

// === impl Queued ===

impl Queued {
    fn queue(self, cx: &Cx<'_, '_>) -> Queue {
        let outbound = &cx.shared.config.outbound;
        let queue = match self {
            Self::Requests => outbound.http_queue,
            Self::Connections => outbound.tcp_queue,
        };
        Queue { capacity: u32::try_from(queue.capacity).unwrap_or(u32::MAX), failfast: queue.failfast }
    }
}
