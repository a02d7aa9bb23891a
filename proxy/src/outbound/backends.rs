//! All backends of a worker, and the names behind them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use proxy_net::balance::PeakEwma;
use proxy_net::breaker::Breaker;
use proxy_net::engine::{EndpointId, Upstream};

use super::backend::{Backend, Flavor, Key, Known, Member, MemberRef};
use super::endpoint::{Surroundings, Unusable};
use super::{EndpointRef, Outbound, resource, wake};
use crate::discovery;
use crate::metrics::{
    BalancerLabels, BalancerParent, ClientTls, Direction, EndpointState, Id, NoClientTls, OutboundEndpoint,
    RequestLabels, StackLabels, TransferCostLabels, TransferOp, TransportLabels, UpdateOp, ZoneLocality,
};
use crate::model::endpoint::{Hint, Locality};
use crate::model::outbound::BackendKind;
use crate::model::{Endpoint, EndpointsUpdate, NameAddr};
use crate::worker::{self, Cx, Shared};

/// Up to so many endpoints are connected to before anybody asks; a larger set would be connections for nothing.
const EAGER_MAX: usize = 32;

/// Names that are looked up, for one or several backends.
pub(super) type Names = AHashMap<NameAddr, Name>;

/// The endpoints of a name.
#[derive(Default)]
pub(super) struct Name {
    endpoints: BTreeMap<SocketAddr, Arc<Endpoint>>,
    known: Option<Known>,
    answered: Option<Instant>,
    backends: Vec<usize>,
}

/// Series of an endpoint.
struct Series {
    requests: Id<crate::metrics::Requests>,
    transport: Id<crate::metrics::Transport>,
    sent: Id<crate::metrics::TransferCost>,
    received: Id<crate::metrics::TransferCost>,
}

impl Outbound {
    /// The backend with this key, made if it is not there. The second part keeps it.
    pub(super) fn backend(&mut self, cx: &mut Cx<'_, '_>, key: Key) -> (usize, Rc<()>) {
        if let Some((index, backend)) = self.backends.iter().find(|(_, backend)| backend.key == key) {
            return (index, Rc::clone(&backend.users));
        }
        let mut backend = Backend::new(key);
        backend.metrics = register_balancer(cx.shared, &backend.key);
        count_stack(cx, &backend.key, Stack::Created);
        let users = Rc::clone(&backend.users);
        let kind = backend.key.model.kind.clone();
        let index = self.backends.insert(backend);
        match kind {
            BackendKind::Forward(endpoint) => {
                self.backends[index].known = Known::Exists;
                self.add(cx, index, endpoint);
                self.backends[index].rebuild();
            }
            BackendKind::Balance { addr, .. } => self.follow(cx, index, addr),
            BackendKind::None => self.backends[index].known = Known::Missing,
        }
        (index, users)
    }

    /// Lets a backend have the endpoints of a name.
    fn follow(&mut self, cx: &mut Cx<'_, '_>, index: usize, addr: NameAddr) {
        let is_new = !self.names.contains_key(&addr);
        if is_new {
            cx.shared.discovery.watch(discovery::Key::Endpoints(addr.clone()));
        }
        let name = self.names.entry(addr).or_default();
        name.backends.push(index);
        let Some(known) = name.known else { return };
        let endpoints: Vec<_> = name.endpoints.values().cloned().collect();
        (self.backends[index].known, self.backends[index].answered) = (known, name.answered);
        for endpoint in endpoints {
            self.add(cx, index, endpoint);
        }
        self.changed(cx, index, UpdateOp::Reset);
    }

    /// The endpoints of a name have changed.
    pub(super) fn update_endpoints(&mut self, cx: &mut Cx<'_, '_>, addr: &NameAddr, update: EndpointsUpdate) {
        let now = cx.now();
        let Some(name) = self.names.get_mut(addr) else { return };
        name.answered = Some(now);
        name.known =
            Some(if update == EndpointsUpdate::DoesNotExist { Known::Missing } else { Known::Exists });
        let (op, gone, new) = match update {
            EndpointsUpdate::Add(new) => (UpdateOp::Add, Vec::new(), new),
            EndpointsUpdate::Remove(gone) => (UpdateOp::Remove, gone, Vec::new()),
            EndpointsUpdate::Reset(new) => {
                let stays: std::collections::BTreeSet<_> = new.iter().map(|it| it.addr).collect();
                let gone = name.endpoints.keys().filter(|addr| !stays.contains(addr)).copied().collect();
                (UpdateOp::Reset, gone, new)
            }
            EndpointsUpdate::DoesNotExist => {
                (UpdateOp::Reset, name.endpoints.keys().copied().collect(), Vec::new())
            }
        };
        for addr in &gone {
            name.endpoints.remove(addr);
        }
        // What has not changed is left alone: its connections, its estimate and its breaker are worth keeping.
        let new: Vec<_> =
            new.into_iter().filter(|it| name.endpoints.get(&it.addr).is_none_or(|old| old != it)).collect();
        for endpoint in &new {
            name.endpoints.insert(endpoint.addr, Arc::clone(endpoint));
        }
        let (known, backends) = (name.known.unwrap_or(Known::Exists), name.backends.clone());
        for index in backends {
            (self.backends[index].known, self.backends[index].answered) = (known, Some(now));
            for addr in &gone {
                self.take(cx, index, *addr);
            }
            for endpoint in &new {
                self.take(cx, index, endpoint.addr);
                self.add(cx, index, Arc::clone(endpoint));
            }
            self.changed(cx, index, op);
        }
    }

    fn changed(&mut self, cx: &mut Cx<'_, '_>, index: usize, op: UpdateOp) {
        let backend = &mut self.backends[index];
        backend.rebuild();
        let metrics = &mut cx.shared.metrics.balancer[backend.metrics];
        *metrics.updates.at(op) += 1;
        metrics.p2c_endpoints.0 = backend.members.len() as f64;
        count_states(cx, backend);
        self.ready(cx, index);
    }

    /// Wakes who waits for a backend: something about it has changed for the better.
    pub(super) fn ready(&mut self, cx: &mut Cx<'_, '_>, index: usize) {
        let Some(backend) = self.backends.get_mut(index) else { return };
        for waiter in std::mem::take(&mut backend.waiting) {
            wake(cx, waiter);
        }
    }

    /// Takes an endpoint in.
    fn add(&mut self, cx: &mut Cx<'_, '_>, index: usize, endpoint: Arc<Endpoint>) {
        let backend = &mut self.backends[index];
        let endpoint = localised(cx.shared, backend, endpoint);
        let eager = eager(backend, &endpoint);
        let at = MemberRef { backend: index, member: backend.members.vacant_key(), serial: backend.serial() };
        let id = surroundings(cx.shared)
            .spec(&endpoint, eager)
            .map(|spec| cx.ctl.add_endpoint(spec, worker::Endpoint::Outbound(EndpointRef(at))));
        if let Err(why) = id {
            tracing::debug!(addr = %endpoint.addr, ?why, "endpoint is not used");
        }
        let now = cx.now();
        let series = register(cx.shared, &backend.key, &endpoint);
        let breaker = backend.breaker.as_ref().map(|config| Breaker::new(config, now));
        let member = Member {
            id,
            endpoint,
            serial: at.serial,
            estimate: PeakEwma::new(&backend.ewma, now),
            breaker,
            dialing: std::collections::VecDeque::new(),
            last_error: None,
            open: 0,
            requests: series.requests,
            transport: series.transport,
            sent: series.sent,
            received: series.received,
        };
        backend.insert(member);
    }

    /// Takes an endpoint out.
    fn take(&mut self, cx: &mut Cx<'_, '_>, index: usize, addr: SocketAddr) {
        let backend = &mut self.backends[index];
        if let Some(member) = backend.at(addr).and_then(|key| backend.remove(key)) {
            drop_member(cx, &member);
        }
    }

    /// The proxy's own identity is new: connections from now on use it.
    pub(crate) fn identity(&mut self, cx: &mut Cx<'_, '_>) {
        let mut ready = Vec::new();
        for (index, backend) in &mut self.backends {
            let keys: Vec<usize> = backend.addrs().map(|(_, key)| key).collect();
            for key in keys {
                let (endpoint, serial) = {
                    let member = &backend.members[key];
                    (Arc::clone(&member.endpoint), member.serial)
                };
                if endpoint.tls.is_none() {
                    continue;
                }
                let surroundings = surroundings(cx.shared);
                match backend.members[key].id {
                    Ok(id) => match surroundings.tls(&endpoint) {
                        Ok(tls) => cx.ctl.update_endpoint_tls(id, tls),
                        Err(why) => {
                            tracing::warn!(addr = %endpoint.addr, ?why, "endpoint keeps its old identity")
                        }
                    },
                    Err(Unusable::NoIdentity) => {
                        let at = MemberRef { backend: index, member: key, serial };
                        let eager = eager(backend, &endpoint);
                        let id = surroundings.spec(&endpoint, eager).map(|spec| {
                            cx.ctl.add_endpoint(spec, worker::Endpoint::Outbound(EndpointRef(at)))
                        });
                        backend.members[key].id = id;
                        ready.push(index);
                    }
                    Err(Unusable::Loopback) => {}
                }
            }
        }
        for index in ready {
            self.ready(cx, index);
        }
    }

    /// Publishes the state of backends, and lets go of those that nobody has used for a while.
    pub(super) fn tick_backends(&mut self, cx: &mut Cx<'_, '_>, idle: Duration) {
        let now = cx.now();
        let mut gone = Vec::new();
        for (index, backend) in &mut self.backends {
            if Rc::strong_count(&backend.users) > 1 {
                backend.idle_since = None;
            } else if now.saturating_duration_since(*backend.idle_since.get_or_insert(now)) >= idle {
                gone.push(index);
                continue;
            }
            count_states(cx, backend);
            let metrics = &mut cx.shared.metrics.balancer[backend.metrics];
            metrics.queue_length.0 = i64::try_from(backend.waiting.len()).unwrap_or(i64::MAX);
        }
        for index in gone {
            self.drop_backend(cx, index);
        }
    }

    fn drop_backend(&mut self, cx: &mut Cx<'_, '_>, index: usize) {
        let Some(backend) = self.backends.try_remove(index) else { return };
        for (_, member) in &backend.members {
            drop_member(cx, member);
        }
        count_stack(cx, &backend.key, Stack::Dropped);
        let now = cx.now();
        cx.shared.metrics.balancer.release(backend.metrics, now);
        let BackendKind::Balance { addr, .. } = &backend.key.model.kind else { return };
        if let Some(name) = self.names.get_mut(addr) {
            name.backends.retain(|other| *other != index);
            if name.backends.is_empty() {
                self.names.remove(addr);
                cx.shared.discovery.forget(discovery::Key::Endpoints(addr.clone()));
            }
        }
    }
}

// === helpers ===

/// Whether a backend comes or goes.
#[derive(Clone, Copy)]
enum Stack {
    Created,
    Dropped,
}

pub(super) fn surroundings(shared: &Shared) -> Surroundings<'_> {
    Surroundings { config: &shared.config.outbound, credentials: shared.credentials.as_deref() }
}

/// An endpoint of our own pod is spoken to without its proxy, which redirection leaves out. Octets that go to one endpoint alone
/// keep what discovery says.
fn localised(shared: &Shared, backend: &Backend, endpoint: Arc<Endpoint>) -> Arc<Endpoint> {
    let own = shared.config.inbound.allowed_ips.contains(&endpoint.addr.ip());
    if !own || (backend.is_forward() && backend.key.flavor != Flavor::Http) {
        return endpoint;
    }
    Arc::new(Endpoint::clone(&endpoint).into_local())
}

/// What is connected ahead of need.
fn eager(backend: &Backend, endpoint: &Endpoint) -> Option<Upstream> {
    let wanted = backend.key.flavor == Flavor::Http
        && !backend.is_forward()
        && endpoint.hint == Hint::Http2
        && backend.members.len() < EAGER_MAX;
    wanted.then_some(Upstream::Http2)
}

fn drop_member(cx: &mut Cx<'_, '_>, member: &Member) {
    if let Ok(id) = member.id {
        let id: EndpointId = id;
        cx.ctl.remove_endpoint(id);
    }
    let now = cx.now();
    let metrics = &mut cx.shared.metrics;
    // Nothing is heard of its connections any more, so they count as closed.
    let transport = &mut metrics.transport[member.transport];
    transport.open.0 -= i64::from(member.open);
    *transport.closed.at(crate::metrics::Errno(0)) += u64::from(member.open);
    metrics.requests.release(member.requests, now);
    metrics.transport.release(member.transport, now);
    metrics.transfer_cost.release(member.sent, now);
    metrics.transfer_cost.release(member.received, now);
}

fn register_balancer(shared: &mut Shared, key: &Key) -> Id<crate::metrics::Balancer> {
    if !matches!(key.model.kind, BackendKind::Balance { .. }) {
        return Id::default();
    }
    let of = BalancerParent { parent: resource(&key.parent), backend: resource(&key.model.meta) };
    let labels = match key.flavor {
        Flavor::Http => BalancerLabels::Http(of),
        Flavor::Tcp => BalancerLabels::Tcp(of),
        Flavor::Tls => BalancerLabels::Tls(of),
    };
    let id = shared.metrics.balancer.register(&labels);
    shared.metrics.balancer[id].gate_timeout.0 = key.model.queue.failfast.as_secs_f64();
    id
}

fn count_stack(cx: &mut Cx<'_, '_>, key: &Key, stack: Stack) {
    let balanced = matches!(key.model.kind, BackendKind::Balance { .. });
    let labels = StackLabels {
        direction: Direction::Outbound,
        protocol: match key.flavor {
            Flavor::Http => "http",
            Flavor::Tcp => "opaq",
            Flavor::Tls => "tls",
        },
        name: if balanced { "balance" } else { "forward" },
    };
    let now = cx.now();
    let counts = cx.shared.metrics.stacks.once(&labels, now);
    match stack {
        Stack::Created => counts.created += 1,
        Stack::Dropped => counts.dropped += 1,
    }
}

fn register(shared: &mut Shared, key: &Key, endpoint: &Endpoint) -> Series {
    let authority = match &key.model.kind {
        BackendKind::Balance { addr, .. } => Some(addr.to_string()),
        BackendKind::Forward(_) | BackendKind::None => None,
    };
    let own = shared.config.inbound.allowed_ips.contains(&endpoint.addr.ip());
    let tls = match &endpoint.tls {
        Some(peer) => ClientTls::Established(peer.id.as_str()),
        None if own => ClientTls::None(NoClientTls::Loopback),
        None => ClientTls::None(NoClientTls::NotProvidedByServiceDiscovery),
    };
    let labels = OutboundEndpoint {
        authority: authority.as_deref(),
        target: endpoint.addr,
        tls,
        labels: &endpoint.labels,
    };
    let zone = match endpoint.locality {
        Locality::Local => ZoneLocality::Local,
        Locality::Remote => ZoneLocality::Remote,
        Locality::Unknown => ZoneLocality::Unknown,
    };
    let metrics = &mut shared.metrics;
    Series {
        requests: match key.flavor {
            Flavor::Http => metrics.requests.register(&RequestLabels::Outbound(labels)),
            Flavor::Tcp | Flavor::Tls => Id::default(),
        },
        transport: metrics.transport.register(&TransportLabels::OutboundClient(labels)),
        sent: metrics.transfer_cost.register(&TransferCostLabels { op: TransferOp::Send, zone }),
        received: metrics.transfer_cost.register(&TransferCostLabels { op: TransferOp::Recv, zone }),
    }
}

/// How many endpoints can take requests now, and how many cannot.
fn count_states(cx: &mut Cx<'_, '_>, backend: &Backend) {
    let now = cx.now();
    let ready = backend.members.iter().filter(|(_, member)| {
        let shut = member.breaker.as_ref().is_some_and(|breaker| !breaker.is_ready(now));
        !shut && member.id.is_ok_and(|id| cx.ctl.load(id).ready)
    });
    let ready = ready.count();
    let metrics = &mut cx.shared.metrics.balancer[backend.metrics];
    metrics.endpoints.at(EndpointState::Ready).0 = ready as f64;
    metrics.endpoints.at(EndpointState::Pending).0 = (backend.members.len() - ready) as f64;
}
