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

use crate::record::{
    EndpointSlice, ExternalWorkload, Key, Kind, Namespace, Node, Owned, Pod, Profile, Record, Server,
    Service, TargetKind, Text, TrafficSplit, Uid,
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
    /// Egress networks and the namespaces that have consumer routes.
    Egress,
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
    replica_sets: Table<Owned>,
    jobs: Table<Owned>,
    profiles: Table<Profile>,
    splits: Table<TrafficSplit>,
    external: Table<ExternalWorkload>,
    servers: Table<Server>,
    by_address: AHashMap<IpAddr, Vec<Holder>>,
    slices_of: AHashMap<Key, Vec<Key>>,
    services_of: AHashMap<(TargetKind, Key), Vec<Key>>,
    profiles_named: AHashMap<Text, Vec<Key>>,
    splits_of: AHashMap<Key, Vec<Key>>,
    servers_in: AHashMap<Text, Vec<Key>>,
    listed: AHashSet<Kind>,
    touched: Vec<Interest>,
    /// Counts changes of zones that clients may have been sorted by.
    zone_changes: u64,
    /// Nodes that clients named before they were known.
    awaited_nodes: AHashSet<Text>,
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

    /// The slices of a Service, in the order of their names.
    pub fn slices(&self, service: &Key) -> impl Iterator<Item = &Arc<EndpointSlice>> {
        self.slices_of.get(service).into_iter().flatten().filter_map(|key| self.slices.find(key))
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
                let mut there: AHashSet<Key> = kept.into_iter().collect();
                there.extend(records.iter().map(|record| record.key().clone()));
                for key in self.keys(kind) {
                    if !there.contains(&key) {
                        self.remove(kind, &key);
                    }
                }
                records.into_iter().for_each(|record| self.put(record));
                self.listed.insert(kind);
            }
        }
    }

    /// What events touched since the last call.
    pub(super) fn take_touched(&mut self) -> Vec<Interest> {
        std::mem::take(&mut self.touched)
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
                            self.$changed(change);
                        }
                    })*
                }
            }

            fn remove(&mut self, kind: Kind, key: &Key) {
                match kind {
                    $(Kind::$kind => {
                        if let Some(change) = self.$table.remove(key) {
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
    ReplicaSet => replica_sets, owner_changed;
    Job => jobs, owner_changed;
    ServiceProfile => profiles, profile_changed;
    TrafficSplit => splits, split_changed;
    ExternalWorkload => external, external_changed;
    Server => servers, server_changed;
}
