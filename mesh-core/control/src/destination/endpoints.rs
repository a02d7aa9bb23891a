//! The addresses of a Service for one class of clients.
//!
//! Always the union of all slices, from what is stored now: no slice can say anything about the others.

use std::net::{IpAddr, SocketAddr};

use ahash::AHashSet;
use linkerd2_proxy_api::destination::{AuthorityOverride, TlsIdentity, WeightedAddr, tls_identity};

use super::workload::Workload;
use super::{encode, members};
use crate::config::Config;
use crate::index::snapshot::{Content, EndpointSet};
use crate::index::topic::Client;
use crate::index::{Interest, Outcome, Reads, Refusal, Store, Topic};
use crate::record::{
    AddressFamily, Endpoint, EndpointSlice, Gateway, Hint, Key, Service, ServiceKind, TargetKind, Text,
};

/// Weight of an address that no workload stands behind.
const WEIGHT: u32 = 10_000;
/// How much more endpoints in the client's zone weigh, where that is asked for.
const LOCAL_FACTOR: u32 = 10;

/// A Service's port, and the class of clients that ask.
#[derive(Clone, Copy)]
pub struct Class<'a> {
    /// The Service.
    pub service: &'a Key,
    /// The port clients use.
    pub port: u16,
    /// One instance alone.
    pub instance: Option<&'a Text>,
    /// The zone of the clients.
    pub zone: Option<&'a Text>,
    /// The node of the clients; set where answers differ by it.
    pub node: Option<&'a Text>,
}

/// What of a Service may be sent traffic.
struct Candidates<'a> {
    found: Vec<Candidate<'a>>,
    /// None of them is ready: they are on their way out.
    leaving: bool,
}

/// An endpoint that may be handed out.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    slice: &'a EndpointSlice,
    endpoint: &'a Endpoint,
    port: u16,
}

/// The topic of a client.
///
/// # Errors
/// When the Service does not exist, or is only a name for another name.
pub fn resolve(
    store: &Store,
    service: &Key,
    port: u16,
    instance: Option<&Text>,
    client: &Client,
) -> Result<Topic, Refusal> {
    let Some(record) = store.service(service) else {
        return Err(Refusal::not_found(format!(
            "no Service {service} is known; names are SERVICE.NAMESPACE"
        )));
    };
    if record.kind == ServiceKind::ExternalName {
        return Err(external_name(service));
    }
    Ok(Topic::Endpoints {
        service: service.clone(),
        port,
        instance: instance.cloned(),
        zone: store.zone(&client.node).filter(|_| members::is_zonal(record)).cloned(),
        node: members::is_by_node(record, store, &client.node).then(|| client.node.clone()),
    })
}

/// The addresses of a class.
pub fn compute(class: Class<'_>, store: &Store, config: &Config, reads: &mut Reads) -> Outcome {
    reads.note(Interest::Service(class.service.clone()));
    reads.note(Interest::Zones);
    let Some(service) = store.service(class.service) else {
        // A Service that goes away is told; the stream stays, so that its return is told as well.
        reads.no_basis();
        return Outcome::Content(Content::Endpoints(EndpointSet::default()));
    };
    reads.basis((store.zone_changes(), members::is_zonal(service)));
    if service.kind == ServiceKind::ExternalName {
        return Outcome::Ended(external_name(class.service));
    }
    match class.node {
        Some(node) if !members::is_by_node(service, store, node) => return Outcome::Moved,
        Some(_) => {}
        None if members::is_local_only(service, store) => return Outcome::Moved,
        // Clients on a node that comes to be hinted for leave the others.
        None => reads.basis(members::hinted_nodes(service, store)),
    }
    if let Some(mirror) = service.mirror.as_deref() {
        return members::compute(mirror, class, store, config, reads);
    }
    let addresses = addresses(class, service, store, config, &encode::Labels::new(), reads);
    let gateway = store.slices(class.service).find_map(|slice| slice.gateway.as_ref());
    whole(class.service, gateway.map(behind).unwrap_or_default(), addresses)
}

/// The answer of these addresses, each told once, with `more` labels beside the name of the Service.
pub(super) fn whole(
    service: &Key,
    more: encode::Labels,
    mut addresses: Vec<(SocketAddr, Vec<u8>)>,
) -> Outcome {
    addresses.sort_by_key(|(address, _)| *address);
    addresses.dedup_by_key(|(address, _)| *address);
    let mut labels =
        vec![("namespace", service.namespace.to_string()), ("service", service.name.to_string())];
    labels.extend(more);
    let labels = encode::set_labels(&labels);
    Outcome::Content(Content::Endpoints(EndpointSet { exists: true, labels, addresses }))
}

fn external_name(service: &Key) -> Refusal {
    Refusal::invalid(format!("Service {service} is an ExternalName: it has no endpoints of its own"))
}

/// The addresses of a Service of its own, with `more` labels on each, in no order.
pub(super) fn addresses(
    class: Class<'_>,
    service: &Service,
    store: &Store,
    config: &Config,
    more: &encode::Labels,
    reads: &mut Reads,
) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut candidates = candidates(class, service, store);
    candidates.filter(class, service, config);
    let encoded = |candidate| encoded(candidate, class, store, config, more, reads);
    candidates.found.iter().filter_map(encoded).collect()
}

/// The labels that say which Service of which cluster is behind a gateway, as far as its slice does.
fn behind(gateway: &Gateway) -> encode::Labels {
    let Some(cluster) = &gateway.cluster else { return encode::Labels::new() };
    // `<service>.<namespace>.svc.<cluster domain>`.
    let mut parts = gateway.authority.iter().flat_map(|name| name.split('.'));
    match (parts.next(), parts.next()) {
        (Some(service), Some(namespace)) => members::target(cluster, namespace, service),
        _ => vec![("target_cluster", cluster.to_string())],
    }
}

/// Endpoints of all slices that may be sent traffic at the port.
fn candidates<'a>(class: Class<'_>, service: &Service, store: &'a Store) -> Candidates<'a> {
    let name = service.port(class.port).map(|port| &port.name);
    let mut ready = Vec::new();
    let mut leaving = Vec::new();
    for slice in store.slices(class.service).filter(|slice| slice.family != AddressFamily::Names) {
        let port = match name {
            Some(name) => slice.ports.iter().find(|(known, _)| known == name).map(|(_, port)| *port),
            // A port the Service does not have leads to the workloads' port of that number.
            None => Some(class.port),
        };
        // Port 0 is no port: it appears while named ports of a rollout disagree.
        let Some(port) = port.filter(|port| *port != 0) else { continue };
        for endpoint in &slice.endpoints {
            let candidate = Candidate { slice, endpoint, port };
            if endpoint.ready {
                ready.push(candidate);
            } else if endpoint.serving && endpoint.terminating {
                leaving.push(candidate);
            }
        }
    }
    // Like kube-proxy: while none is ready, those that still serve on their way out are better than none.
    match ready.is_empty() {
        true => Candidates { found: leaving, leaving: true },
        false => Candidates { found: ready, leaving: false },
    }
}

// === impl Candidates ===

impl Candidates<'_> {
    fn filter(&mut self, class: Class<'_>, service: &Service, config: &Config) {
        if let Some(instance) = class.instance {
            self.found.retain(|it| it.endpoint.hostname.as_ref() == Some(instance));
        }
        match class.node {
            Some(node) if service.local_only => {
                self.found.retain(|it| it.endpoint.node.as_ref() == Some(node))
            }
            // Those on their way out are a last resort: no client goes without for the sake of its place.
            _ if self.leaving => {}
            _ => self.follow_hints(class),
        }
        self.of_families(config);
    }

    /// Hints count only when every endpoint has one, or a node would be left with the few that do, and only when one
    /// is for the client: first those for its node, then those for its zone, then none.
    fn follow_hints(&mut self, class: Class<'_>) {
        let node = class.node.map(|node| Hint::Node(node.clone()));
        let zone = class.zone.map(|zone| Hint::Zone(zone.clone()));
        for hint in [node, zone].into_iter().flatten() {
            let such = |it: &Hint| std::mem::discriminant(it) == std::mem::discriminant(&hint);
            let all_have_such = self.found.iter().all(|it| it.endpoint.hints.iter().any(such));
            let is_meant = |it: &Candidate<'_>| it.endpoint.hints.contains(&hint);
            if all_have_such && self.found.iter().any(is_meant) {
                self.found.retain(is_meant);
                return;
            }
        }
    }

    fn of_families(&mut self, config: &Config) {
        if !config.ipv6 {
            self.found.retain(|it| it.endpoint.ip.is_ipv4());
            return;
        }
        // A workload with both families is reached over IPv6 alone, so that it is not counted twice.
        let on_v6: AHashSet<(TargetKind, Key)> = self
            .found
            .iter()
            .filter(|it| it.endpoint.ip.is_ipv6())
            .filter_map(|it| it.endpoint.target.clone())
            .collect();
        self.found.retain(|it| {
            let target = it.endpoint.target.as_ref();
            it.endpoint.ip.is_ipv6() || target.is_none_or(|target| !on_v6.contains(target))
        });
    }
}

/// None while the workload behind an endpoint is not known; its arrival computes the answer again.
fn encoded(
    candidate: &Candidate<'_>,
    class: Class<'_>,
    store: &Store,
    config: &Config,
    more: &encode::Labels,
    reads: &mut Reads,
) -> Option<(SocketAddr, Vec<u8>)> {
    let Candidate { slice, endpoint, port } = candidate;
    let address = SocketAddr::new(endpoint.ip, *port);
    let (mut message, mut labels, node) = match &endpoint.target {
        Some((TargetKind::Pod, key)) => {
            let pod = store.pod(key).filter(|pod| holds(&pod.ips, endpoint.ip))?;
            let workload = Workload::Pod(pod);
            (
                workload.address(address, store, config, reads),
                workload.labels(store, reads),
                pod.node.as_ref(),
            )
        }
        Some((TargetKind::ExternalWorkload, key)) => {
            let external = store.external(key).filter(|external| holds(&external.ips, endpoint.ip))?;
            let workload = Workload::External(external);
            (workload.address(address, store, config, reads), workload.labels(store, reads), None)
        }
        None => (plain(address, slice, class.port), encode::Labels::new(), None),
    };
    let zone = endpoint.zone.as_ref().or_else(|| store.zone(node.or(endpoint.node.as_ref())?));
    if let Some(zone) = zone {
        labels.push(("zone", zone.to_string()));
    }
    let locality = match (zone, class.zone) {
        (Some(zone), Some(client)) if zone == client => "local",
        (Some(_), Some(_)) => "remote",
        _ => "unknown",
    };
    if config.zone_weights && locality == "local" {
        message.weight = message.weight.saturating_mul(LOCAL_FACTOR);
    }
    labels.push(("zone_locality", locality.to_owned()));
    labels.extend(more.iter().cloned());
    labels.sort_by_key(|(name, _)| *name);
    Some((address, encode::address(&message, &labels)))
}

/// A pod made again under the same name has other addresses until its slice catches up.
fn holds(ips: &[IpAddr], ip: IpAddr) -> bool {
    ips.contains(&ip)
}

/// An address no workload stands behind: outside the cluster, or a gateway of another one.
fn plain(address: SocketAddr, slice: &EndpointSlice, port: u16) -> WeightedAddr {
    let gateway = slice.gateway.as_ref();
    let identity = gateway.and_then(|gateway| gateway.identity.as_ref()).map(|identity| TlsIdentity {
        server_name: None,
        strategy: Some(tls_identity::Strategy::DnsLikeIdentity(tls_identity::DnsLikeIdentity {
            name: identity.to_string(),
        })),
    });
    let authority = gateway.and_then(|gateway| gateway.authority.as_ref());
    WeightedAddr {
        addr: Some(address.into()),
        weight: WEIGHT,
        tls_identity: identity,
        authority_override: authority
            .map(|authority| AuthorityOverride { authority_override: format!("{authority}:{port}") }),
        ..WeightedAddr::default()
    }
}
