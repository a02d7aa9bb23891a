//! What is known of the cluster: records by kind and the lookups answers need.
//!
//! Applying an event never asks another kind for help: a removal works from what is stored here, and an answer that
//! needs a record which is not there yet reads its [`Interest`], so the record's arrival computes it again.

mod change;
mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};

use super::clusters::{Cluster, Clusters};
use crate::config::Config;
use crate::record::{
    AuthorizationPolicy, EgressNetwork, EndpointSlice, Endpoints, ExternalWorkload, Fault, Key, Kind,
    MeshTlsAuthentication, Namespace, NetworkAuthentication, Node, Owned, Parent, ParentKind, Pod, Profile,
    RateLimit, Record, Route, RouteKind, Server, ServerAuthorization, Service, TargetKind, Text,
    TrafficSplit, Uid,
};
use crate::source::Event;
use table::Table;

/// Names of unknown nodes that are remembered: clients may name any.
const MOST_AWAITED: usize = 10_000;

/// What an answer read, or might have read had it been there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Interest {
    /// A Service, its slices, its profiles and splits, and the workloads behind it.
    Service(Key),
    /// Who has an address.
    Address(IpAddr),
    /// A workload.
    Workload(TargetKind, Key),
    /// Servers, authorizations and routes of a namespace, and its defaults.
    Policy(Text),
    /// A ReplicaSet or Job.
    Owner(Key),
    /// Zones of nodes.
    Zones,
    /// Faults that somebody asked for.
    Faults,
    /// Egress networks of a namespace.
    Egress(Text),
    /// Routes that attach to a parent other than a Service.
    Routes(ParentKind, Key),
    /// Whether another cluster is linked and known.
    Cluster(Text),
    /// What is read of another cluster.
    Remote(Text, Box<Self>),
}

/// Who has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A Service, as its virtual address.
    Service(Key),
    /// A pod, as its own.
    Pod(Key),
    /// A pod that has ports of its node with this address.
    HostOf(Key),
    /// A workload outside the cluster.
    External(Key),
}

/// Everything known.
#[derive(Default)]
pub struct Store {
    nodes: Table<Node>,
    namespaces: Table<Namespace>,
    services: Table<Service>,
    pods: Table<Pod>,
    slices: Table<EndpointSlice>,
    endpoints: Table<Endpoints>,
    replica_sets: Table<Owned>,
    jobs: Table<Owned>,
    profiles: Table<Profile>,
    splits: Table<TrafficSplit>,
    external: Table<ExternalWorkload>,
    servers: Table<Server>,
    server_authorizations: Table<ServerAuthorization>,
    authorization_policies: Table<AuthorizationPolicy>,
    mesh_tls: Table<MeshTlsAuthentication>,
    networks: Table<NetworkAuthentication>,
    rate_limits: Table<RateLimit>,
    egress: Table<EgressNetwork>,
    faults: Table<Fault>,
    policy_http_routes: Table<Route>,
    http_routes: Table<Route>,
    grpc_routes: Table<Route>,
    tls_routes: Table<Route>,
    tcp_routes: Table<Route>,
    by_address: AHashMap<IpAddr, Vec<Holder>>,
    slices_of: AHashMap<Key, Vec<Key>>,
    services_of: AHashMap<(TargetKind, Key), Vec<Key>>,
    profiles_named: AHashMap<Text, Vec<Key>>,
    splits_of: AHashMap<Key, Vec<Key>>,
    servers_in: AHashMap<Text, Vec<Key>>,
    server_authorizations_in: AHashMap<Text, Vec<Key>>,
    authorization_policies_in: AHashMap<Text, Vec<Key>>,
    rate_limits_in: AHashMap<Text, Vec<Key>>,
    egress_in: AHashMap<Text, Vec<Key>>,
    /// Routes by what they attach to.
    routes_of: AHashMap<(ParentKind, Key), Vec<(RouteKind, Key)>>,
    clusters: Clusters,
    listed: AHashSet<Kind>,
    touched: Touched,
    /// Counts changes of zones that clients may have been sorted by.
    zone_changes: u64,
    /// Counts events that changed a record.
    changes: u64,
    /// Nodes that clients named before they were known.
    awaited_nodes: AHashSet<Text>,
}

/// What events touched. While nobody listens, as when a cluster is read for the first time, it is not even noted.
#[derive(Default)]
struct Touched {
    interests: Vec<Interest>,
    nobody_listens: bool,
}

// === impl Touched ===

impl Touched {
    fn push(&mut self, interest: Interest) {
        if !self.nobody_listens {
            self.interests.push(interest);
        }
    }

    fn extend(&mut self, interests: impl IntoIterator<Item = Interest>) {
        if !self.nobody_listens {
            self.interests.extend(interests);
        }
    }
}

// === impl Store: reading ===

impl Store {
    /// A Service.
    pub fn service(&self, key: &Key) -> Option<&Arc<Service>> {
        self.services.find(key)
    }

    /// A pod.
    pub fn pod(&self, key: &Key) -> Option<&Arc<Pod>> {
        self.pods.find(key)
    }

    /// Another cluster.
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.find(name)
    }

    /// How many other clusters are linked.
    pub fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// A workload outside the cluster.
    pub fn external(&self, key: &Key) -> Option<&Arc<ExternalWorkload>> {
        self.external.find(key)
    }

    /// Every workload outside the cluster.
    pub fn externals(&self) -> impl Iterator<Item = &Arc<ExternalWorkload>> {
        self.external.iter()
    }

    /// Every Service.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.iter()
    }

    /// Every pod.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.iter()
    }

    /// The slices of a Service, in the order of their names, and the parts of its Endpoints. Only one of the two is
    /// watched.
    pub fn slices(&self, service: &Key) -> impl Iterator<Item = &Arc<EndpointSlice>> {
        let slices = self.slices_of.get(service).into_iter().flatten();
        let parts = self.endpoints.find(service).into_iter().flat_map(|endpoints| endpoints.parts.iter());
        slices.filter_map(|key| self.slices.find(key)).chain(parts)
    }

    /// A slice.
    pub fn slice(&self, key: &Key) -> Option<&Arc<EndpointSlice>> {
        self.slices.find(key)
    }

    /// Every slice.
    pub fn all_slices(&self) -> impl Iterator<Item = &Arc<EndpointSlice>> {
        self.slices.iter()
    }

    /// The ReplicaSet or Job of that name.
    pub fn owned(&self, kind: &str, key: &Key) -> Option<&Arc<Owned>> {
        match kind {
            "ReplicaSet" => self.replica_sets.find(key),
            "Job" => self.jobs.find(key),
            _ => None,
        }
    }

    /// The zone of a node.
    pub fn zone(&self, node: &str) -> Option<&Text> {
        self.nodes.find(&Key::new("", node))?.zone.as_ref()
    }

    /// Changes when clients may be in other zones than they were sorted into.
    pub fn zone_changes(&self) -> u64 {
        self.zone_changes
    }

    /// Notes that a client is on a node. Until the node is known, the client has no zone.
    pub(super) fn await_node(&mut self, node: &Text) {
        if !node.is_empty()
            && self.awaited_nodes.len() < MOST_AWAITED
            && self.nodes.find(&Key::new("", node)).is_none()
        {
            self.awaited_nodes.insert(node.clone());
        }
    }

    /// What pods of a namespace allow by default.
    pub fn default_policy(&self, namespace: &str) -> Option<&Text> {
        self.namespaces.find(&Key::new("", namespace))?.default_inbound_policy.as_ref()
    }

    /// Who has an address.
    pub fn holders(&self, address: &IpAddr) -> &[Holder] {
        self.by_address.get(address).map_or(&[], Vec::as_slice)
    }

    /// The profile of an authority in a namespace.
    pub fn profile(&self, namespace: &Text, authority: &str) -> Option<&Arc<Profile>> {
        self.profiles.find(&Key { namespace: namespace.clone(), name: authority.into() })
    }

    /// Namespaces that have a profile of an authority, sorted.
    pub fn profile_namespaces(&self, authority: &str) -> Vec<&Text> {
        let mut namespaces: Vec<&Text> =
            self.profiles_named.get(authority).into_iter().flatten().map(|key| &key.namespace).collect();
        namespaces.sort_unstable();
        namespaces
    }

    /// The split of a Service: the oldest, then the first by name.
    pub fn split(&self, service: &Key) -> Option<&Arc<TrafficSplit>> {
        let splits = self.splits_of.get(service).into_iter().flatten();
        splits.filter_map(|key| self.splits.find(key)).min_by_key(|split| (split.created, &split.key.name))
    }

    /// The Servers of a namespace, oldest first, then by name.
    pub fn servers(&self, namespace: &Text) -> Vec<&Arc<Server>> {
        let keys = self.servers_in.get(namespace).into_iter().flatten();
        let mut servers: Vec<&Arc<Server>> = keys.filter_map(|key| self.servers.find(key)).collect();
        servers.sort_by_key(|server| (server.created, server.key.name.clone()));
        servers
    }

    /// The authorizations of a namespace, by name.
    pub fn server_authorizations(&self, namespace: &Text) -> impl Iterator<Item = &Arc<ServerAuthorization>> {
        let keys = self.server_authorizations_in.get(namespace).into_iter().flatten();
        keys.filter_map(|key| self.server_authorizations.find(key))
    }

    /// The authorization policies of a namespace, by name.
    pub fn authorization_policies(
        &self,
        namespace: &Text,
    ) -> impl Iterator<Item = &Arc<AuthorizationPolicy>> {
        let keys = self.authorization_policies_in.get(namespace).into_iter().flatten();
        keys.filter_map(|key| self.authorization_policies.find(key))
    }

    /// Identities.
    pub fn mesh_tls(&self, key: &Key) -> Option<&Arc<MeshTlsAuthentication>> {
        self.mesh_tls.find(key)
    }

    /// Networks.
    pub fn network(&self, key: &Key) -> Option<&Arc<NetworkAuthentication>> {
        self.networks.find(key)
    }

    /// The rate limits of a namespace, oldest first, then by name.
    pub fn rate_limits(&self, namespace: &Text) -> Vec<&Arc<RateLimit>> {
        let keys = self.rate_limits_in.get(namespace).into_iter().flatten();
        let mut limits: Vec<&Arc<RateLimit>> = keys.filter_map(|key| self.rate_limits.find(key)).collect();
        limits.sort_by_key(|limit| (limit.created, limit.key.name.clone()));
        limits
    }

    /// Destinations outside the cluster.
    pub fn egress(&self, key: &Key) -> Option<&Arc<EgressNetwork>> {
        self.egress.find(key)
    }

    /// The egress networks of a namespace.
    pub fn egress_networks(&self, namespace: &str) -> impl Iterator<Item = &Arc<EgressNetwork>> {
        let keys = self.egress_in.get(namespace).into_iter().flatten();
        keys.filter_map(|key| self.egress.find(key))
    }

    /// Every egress network.
    pub fn all_egress_networks(&self) -> impl Iterator<Item = &Arc<EgressNetwork>> {
        self.egress.iter()
    }

    /// Every fault.
    pub fn faults(&self) -> impl Iterator<Item = &Arc<Fault>> {
        self.faults.iter()
    }

    /// Every rate limit.
    pub fn all_rate_limits(&self) -> impl Iterator<Item = &Arc<RateLimit>> {
        self.rate_limits.iter()
    }

    /// Every route.
    pub fn all_routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        let kinds = [RouteKind::PolicyHttp, RouteKind::Http, RouteKind::Grpc, RouteKind::Tls, RouteKind::Tcp];
        kinds.into_iter().flat_map(|kind| self.route_table(kind).iter())
    }

    /// A route.
    pub fn route(&self, kind: RouteKind, key: &Key) -> Option<&Arc<Route>> {
        self.route_table(kind).find(key)
    }

    /// The routes that attach to a parent, oldest first, then by name.
    pub fn routes(&self, kind: ParentKind, parent: &Key) -> Vec<&Arc<Route>> {
        let keys = self.routes_of.get(&(kind, parent.clone())).into_iter().flatten();
        let mut routes: Vec<&Arc<Route>> =
            keys.filter_map(|(kind, key)| self.route_table(*kind).find(key)).collect();
        routes.sort_by_key(|route| {
            (route.created, route.key.name.clone(), route.key.namespace.clone(), route.kind)
        });
        routes
    }

    /// The routes that attach to a parent at one of its ports.
    pub fn routes_at(&self, kind: ParentKind, parent: &Key, port: u16) -> Vec<&Arc<Route>> {
        let meant =
            |it: &Parent| it.kind == kind && it.key == *parent && it.port.is_none_or(|only| only == port);
        let mut routes = self.routes(kind, parent);
        routes.retain(|route| route.parents.iter().any(meant));
        routes
    }

    fn route_table(&self, kind: RouteKind) -> &Table<Route> {
        match kind {
            RouteKind::PolicyHttp => &self.policy_http_routes,
            RouteKind::Http => &self.http_routes,
            RouteKind::Grpc => &self.grpc_routes,
            RouteKind::Tls => &self.tls_routes,
            RouteKind::Tcp => &self.tcp_routes,
        }
    }

    /// Counts changes: two equal numbers mean that nothing changed between.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether a kind has been listed.
    pub fn is_listed(&self, kind: Kind) -> bool {
        self.listed.contains(&kind)
    }

    /// Records in memory.
    pub fn len(&self) -> usize {
        Kind::ALL.iter().map(|kind| self.count(*kind)).sum()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

// === impl Store: writing ===

impl Store {
    /// Takes an event.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Applied(record) => self.put(record),
            Event::Deleted { kind, key, uid } => {
                // The delete of a pod that has been made again under the same name is not about the new one.
                if uid.is_none() || self.uid(kind, &key).is_none_or(|known| Some(known) == uid) {
                    self.remove(kind, &key);
                }
            }
            Event::Listed { kind, records, kept } => {
                if self.count(kind) > 0 {
                    let there: AHashSet<&Key> = kept.iter().chain(records.iter().map(Record::key)).collect();
                    let mut gone = self.keys(kind);
                    gone.retain(|key| !there.contains(key));
                    gone.iter().for_each(|key| self.remove(kind, key));
                }
                records.into_iter().for_each(|record| self.put(record));
                self.listed.insert(kind);
            }
        }
    }

    pub(super) fn apply_remote(&mut self, cluster: &Text, event: Event) {
        let touched = self.clusters.apply(cluster, event);
        self.touched.extend(touched);
    }

    pub(super) fn link(&mut self, cluster: &Text, config: Arc<Config>) {
        let touched = self.clusters.link(cluster, config);
        self.touched.extend(touched);
    }

    pub(super) fn unlink(&mut self, cluster: &Text) {
        let touched = self.clusters.unlink(cluster);
        self.touched.extend(touched);
    }

    /// What events touched since the last call.
    pub(super) fn take_touched(&mut self) -> Vec<Interest> {
        std::mem::take(&mut self.touched.interests)
    }

    /// Says whether what is touched matters to nobody.
    pub(super) fn note_touched(&mut self, nobody_listens: bool) {
        self.touched.nobody_listens = nobody_listens;
    }

    /// Lookups that hold something, with how much: empty once every object is gone.
    #[cfg(test)]
    pub(super) fn leftovers(&self) -> Vec<(&'static str, usize)> {
        let sizes = [
            ("records", self.len()),
            ("by_address", self.by_address.len()),
            ("slices_of", self.slices_of.len()),
            ("services_of", self.services_of.len()),
            ("profiles_named", self.profiles_named.len()),
            ("splits_of", self.splits_of.len()),
            ("servers_in", self.servers_in.len()),
            ("server_authorizations_in", self.server_authorizations_in.len()),
            ("authorization_policies_in", self.authorization_policies_in.len()),
            ("rate_limits_in", self.rate_limits_in.len()),
            ("egress_in", self.egress_in.len()),
            ("routes_of", self.routes_of.len()),
            ("awaited_nodes", self.awaited_nodes.len()),
        ];
        sizes.into_iter().filter(|(_, size)| *size > 0).collect()
    }

    fn uid(&self, kind: Kind, key: &Key) -> Option<Uid> {
        match kind {
            Kind::Pod => self.pods.find(key)?.uid,
            Kind::ExternalWorkload => self.external.find(key)?.uid,
            _ => None,
        }
    }
}

macro_rules! tables {
    ($($kind:ident => $table:ident, $changed:ident;)*) => {
        impl Store {
            fn put(&mut self, record: Record) {
                match record {
                    $(Record::$kind(new) => {
                        if let Some(change) = self.$table.put(new) {
                            self.changes += 1;
                            self.$changed(change);
                        }
                    })*
                }
            }

            fn remove(&mut self, kind: Kind, key: &Key) {
                match kind {
                    $(Kind::$kind => {
                        if let Some(change) = self.$table.remove(key) {
                            self.changes += 1;
                            self.$changed(change);
                        }
                    })*
                }
            }

            fn keys(&self, kind: Kind) -> Vec<Key> {
                match kind {
                    $(Kind::$kind => self.$table.keys(),)*
                }
            }

            /// Records of a kind.
            pub fn count(&self, kind: Kind) -> usize {
                match kind {
                    $(Kind::$kind => self.$table.len(),)*
                }
            }
        }
    };
}

tables! {
    Node => nodes, node_changed;
    Namespace => namespaces, namespace_changed;
    Service => services, service_changed;
    Pod => pods, pod_changed;
    EndpointSlice => slices, slice_changed;
    Endpoints => endpoints, endpoints_changed;
    ReplicaSet => replica_sets, owner_changed;
    Job => jobs, owner_changed;
    ServiceProfile => profiles, profile_changed;
    TrafficSplit => splits, split_changed;
    ExternalWorkload => external, external_changed;
    Server => servers, server_changed;
    ServerAuthorization => server_authorizations, server_authorization_changed;
    AuthorizationPolicy => authorization_policies, authorization_policy_changed;
    MeshTlsAuthentication => mesh_tls, mesh_tls_changed;
    NetworkAuthentication => networks, network_changed;
    RateLimit => rate_limits, rate_limit_changed;
    EgressNetwork => egress, egress_changed;
    Fault => faults, fault_changed;
    PolicyHttpRoute => policy_http_routes, route_changed;
    HttpRoute => http_routes, route_changed;
    GrpcRoute => grpc_routes, route_changed;
    TlsRoute => tls_routes, route_changed;
    TcpRoute => tcp_routes, route_changed;
}
