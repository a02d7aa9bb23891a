//! What a changed record means for the lookups, and which answers read it.

use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;

use ahash::{AHashMap, AHashSet};

use super::table::Change;
use super::{Holder, Interest, Store};
use crate::record::{
    AuthorizationPolicy, EgressNetwork, EndpointSlice, Endpoints, ExternalWorkload, Fault, Key,
    MeshTlsAuthentication, Namespace, NetworkAuthentication, Node, Owned, ParentKind, Pod, Profile,
    RateLimit, Route, Server, ServerAuthorization, Service, TargetKind, Text, TrafficSplit,
};

impl Store {
    pub(super) fn node_changed(&mut self, change: Change<Node>) {
        let zone = |node: &Option<std::sync::Arc<Node>>| node.as_ref().and_then(|node| node.zone.clone());
        let awaited = change.new.iter().any(|node| self.awaited_nodes.remove(&node.key.name));
        // A node that comes up moves nobody unless somebody is on it already.
        if zone(&change.old) != zone(&change.new) && (change.old.is_some() || awaited) {
            self.zone_changes += 1;
            self.touched.push(Interest::Zones);
        }
    }

    pub(super) fn namespace_changed(&mut self, change: Change<Namespace>) {
        let names = change.sides().map(|namespace| Interest::Policy(namespace.key.name.clone()));
        self.touched.extend(names);
    }

    pub(super) fn owner_changed(&mut self, change: Change<Owned>) {
        self.touched.extend(change.sides().map(|owned| Interest::Owner(owned.key.clone())));
    }

    pub(super) fn service_changed(&mut self, change: Change<Service>) {
        for service in change.old.iter() {
            for ip in &service.cluster_ips {
                drop_from(&mut self.by_address, ip, &Holder::Service(service.key.clone()));
            }
        }
        for service in change.new.iter() {
            for ip in &service.cluster_ips {
                add_to(&mut self.by_address, *ip, Holder::Service(service.key.clone()));
            }
        }
        for service in change.sides() {
            self.touched.push(Interest::Service(service.key.clone()));
            self.touched.extend(service.cluster_ips.iter().map(|ip| Interest::Address(*ip)));
        }
    }

    pub(super) fn pod_changed(&mut self, change: Change<Pod>) {
        let held = |pod: &Pod| -> Vec<(IpAddr, Holder)> {
            let own = pod.ips.iter().filter(|_| pod.is_addressable());
            let own = own.map(|ip| (*ip, Holder::Pod(pod.key.clone())));
            let shares = pod.ports.iter().any(|port| port.host_port.is_some());
            let host = pod.host_ips.iter().filter(|_| shares);
            own.chain(host.map(|ip| (*ip, Holder::HostOf(pod.key.clone())))).collect()
        };
        self.holders_changed(change.old.as_deref().map(held), change.new.as_deref().map(held));
        if let Some(pod) = change.sides().next() {
            self.workload_changed(TargetKind::Pod, &pod.key);
        }
    }

    pub(super) fn external_changed(&mut self, change: Change<ExternalWorkload>) {
        let held = |workload: &ExternalWorkload| -> Vec<(IpAddr, Holder)> {
            workload.ips.iter().map(|ip| (*ip, Holder::External(workload.key.clone()))).collect()
        };
        self.holders_changed(change.old.as_deref().map(held), change.new.as_deref().map(held));
        if let Some(workload) = change.sides().next() {
            self.workload_changed(TargetKind::ExternalWorkload, &workload.key);
        }
    }

    /// Slices tell by name which Services a workload is behind, whichever of the two comes first.
    fn workload_changed(&mut self, kind: TargetKind, key: &Key) {
        self.touched.push(Interest::Workload(kind, key.clone()));
        if let Some(services) = self.services_of.get(&(kind, key.clone())) {
            self.touched.extend(services.iter().cloned().map(Interest::Service));
        }
    }

    fn holders_changed(&mut self, old: Option<Vec<(IpAddr, Holder)>>, new: Option<Vec<(IpAddr, Holder)>>) {
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        for (ip, holder) in &old {
            drop_from(&mut self.by_address, ip, holder);
        }
        for (ip, holder) in &new {
            add_to(&mut self.by_address, *ip, holder.clone());
        }
        self.touched.extend(old.iter().chain(&new).map(|(ip, _)| Interest::Address(*ip)));
    }

    pub(super) fn slice_changed(&mut self, change: Change<EndpointSlice>) {
        if let Some(slice) = &change.old {
            let service = service_of(slice);
            drop_from(&mut self.slices_of, &service, &slice.key);
            self.forget_targets(&service, slice, change.new.as_deref());
            self.touched.push(Interest::Service(service));
        }
        if let Some(slice) = &change.new {
            let service = service_of(slice);
            add_to(&mut self.slices_of, service.clone(), slice.key.clone());
            if let Some(slices) = self.slices_of.get_mut(&service).filter(|slices| slices.len() > 1) {
                slices.sort_unstable();
            }
            for target in slice.endpoints.iter().filter_map(|it| it.target.clone()) {
                match self.services_of.get(&target) {
                    Some(services) if services.contains(&service) => {}
                    _ => add_to(&mut self.services_of, target, service.clone()),
                }
            }
            self.touched.push(Interest::Service(service));
        }
    }

    pub(super) fn endpoints_changed(&mut self, change: Change<Endpoints>) {
        let named = |endpoints: &Option<std::sync::Arc<Endpoints>>| -> AHashSet<(TargetKind, Key)> {
            let parts = endpoints.iter().flat_map(|endpoints| endpoints.parts.iter());
            parts.flat_map(|part| targets(part)).cloned().collect()
        };
        let (old, new) = (named(&change.old), named(&change.new));
        let Some(service) = change.sides().next().map(|endpoints| endpoints.key.clone()) else { return };
        for target in old.difference(&new) {
            drop_from(&mut self.services_of, target, &service);
        }
        for target in new.difference(&old) {
            add_to(&mut self.services_of, target.clone(), service.clone());
        }
        self.touched.push(Interest::Service(service));
    }

    /// What a slice named and names no longer. Other slices of the Service may name the same workload: the entry stays
    /// while one does.
    fn forget_targets(&mut self, service: &Key, old: &EndpointSlice, new: Option<&EndpointSlice>) {
        let new = new.filter(|new| service_of(new) == *service);
        let still: AHashSet<_> = new.into_iter().flat_map(targets).collect();
        let mut gone: Vec<(TargetKind, Key)> =
            targets(old).filter(|target| !still.contains(target)).cloned().collect();
        if gone.is_empty() {
            return;
        }
        let named: AHashSet<_> = self.slices(service).flat_map(|slice| targets(slice)).collect();
        gone.retain(|target| !named.contains(target));
        for target in gone {
            drop_from(&mut self.services_of, &target, service);
        }
    }

    pub(super) fn profile_changed(&mut self, change: Change<Profile>) {
        if let (Some(profile), None) = (&change.old, &change.new) {
            drop_from(&mut self.profiles_named, &profile.key.name, &profile.key);
        }
        if let (None, Some(profile)) = (&change.old, &change.new) {
            self.profiles_named.entry(profile.key.name.clone()).or_default().push(profile.key.clone());
        }
        if let Some(profile) = change.sides().next() {
            // The name is `<service>.<namespace>.svc.<cluster domain>`.
            let mut labels = profile.key.name.split('.');
            if let (Some(service), Some(namespace)) = (labels.next(), labels.next()) {
                self.touched.push(Interest::Service(Key::new(namespace, service)));
            }
        }
    }

    pub(super) fn split_changed(&mut self, change: Change<TrafficSplit>) {
        let service = |split: &TrafficSplit| Key {
            namespace: split.key.namespace.clone(),
            name: split.service.clone(),
        };
        // Both sides: a split that was given another Service leaves the first one whole again.
        if let Some(split) = &change.old {
            drop_from(&mut self.splits_of, &service(split), &split.key);
        }
        if let Some(split) = &change.new {
            self.splits_of.entry(service(split)).or_default().push(split.key.clone());
        }
        self.touched.extend(change.sides().map(|split| Interest::Service(service(split))));
    }

    pub(super) fn server_changed(&mut self, change: Change<Server>) {
        keep_list(&mut self.servers_in, &change, |server| (&server.key.namespace, &server.key));
        self.touched.extend(change.sides().map(|server| Interest::Policy(server.key.namespace.clone())));
    }
}

impl Store {
    pub(super) fn server_authorization_changed(&mut self, change: Change<ServerAuthorization>) {
        keep_list(&mut self.server_authorizations_in, &change, |it| (&it.key.namespace, &it.key));
        self.touched.extend(change.sides().map(|it| Interest::Policy(it.key.namespace.clone())));
    }

    pub(super) fn authorization_policy_changed(&mut self, change: Change<AuthorizationPolicy>) {
        keep_list(&mut self.authorization_policies_in, &change, |it| (&it.key.namespace, &it.key));
        self.touched.extend(change.sides().map(|it| Interest::Policy(it.key.namespace.clone())));
    }

    /// Authentications may be used from other namespaces: who uses one reads the namespace it is in.
    pub(super) fn mesh_tls_changed(&mut self, change: Change<MeshTlsAuthentication>) {
        self.touched.extend(change.sides().map(|it| Interest::Policy(it.key.namespace.clone())));
    }

    pub(super) fn network_changed(&mut self, change: Change<NetworkAuthentication>) {
        self.touched.extend(change.sides().map(|it| Interest::Policy(it.key.namespace.clone())));
    }

    pub(super) fn rate_limit_changed(&mut self, change: Change<RateLimit>) {
        keep_list(&mut self.rate_limits_in, &change, |it| (&it.key.namespace, &it.key));
        self.touched.extend(change.sides().map(|it| Interest::Policy(it.key.namespace.clone())));
    }

    pub(super) fn fault_changed(&mut self, _change: Change<Fault>) {
        self.touched.push(Interest::Faults);
    }

    pub(super) fn egress_changed(&mut self, change: Change<EgressNetwork>) {
        keep_list(&mut self.egress_in, &change, |it| (&it.key.namespace, &it.key));
        self.touched.extend(change.sides().map(|it| Interest::Egress(it.key.namespace.clone())));
    }

    /// Both the parents it had and those it has: a route that is given another parent leaves the first.
    pub(super) fn route_changed(&mut self, change: Change<Route>) {
        if let Some(route) = &change.old {
            for parent in &route.parents {
                let parent = (parent.kind, parent.key.clone());
                drop_from(&mut self.routes_of, &parent, &(route.kind, route.key.clone()));
            }
        }
        if let Some(route) = &change.new {
            for parent in &route.parents {
                let routes = self.routes_of.entry((parent.kind, parent.key.clone())).or_default();
                let place = (route.kind, route.key.clone());
                if !routes.contains(&place) {
                    routes.push(place);
                }
            }
        }
        // What was only written into the status differs for the writer of statuses, not for proxies.
        if let (Some(old), Some(new)) = (&change.old, &change.new)
            && old.parents == new.parents
            && old.hosts == new.hosts
            && old.rules == new.rules
            && old.annotations == new.annotations
        {
            return;
        }
        for route in change.sides() {
            for parent in &route.parents {
                self.touched.push(match parent.kind {
                    ParentKind::Service => Interest::Service(parent.key.clone()),
                    ParentKind::Server => Interest::Policy(parent.key.namespace.clone()),
                    kind => Interest::Routes(kind, parent.key.clone()),
                });
            }
        }
    }
}

fn targets(slice: &EndpointSlice) -> impl Iterator<Item = &(TargetKind, Key)> {
    slice.endpoints.iter().filter_map(|endpoint| endpoint.target.as_ref())
}

fn service_of(slice: &EndpointSlice) -> Key {
    Key { namespace: slice.key.namespace.clone(), name: slice.service.clone() }
}

/// Keeps a lookup from namespaces to the records in them.
fn keep_list<T>(map: &mut AHashMap<Text, Vec<Key>>, change: &Change<T>, of: impl Fn(&T) -> (&Text, &Key)) {
    match (&change.old, &change.new) {
        (None, Some(new)) => {
            let (namespace, key) = of(new);
            map.entry(namespace.clone()).or_default().push(key.clone());
        }
        (Some(old), None) => {
            let (namespace, key) = of(old);
            drop_from(map, namespace, key);
        }
        _ => {}
    }
}

/// Adds an item to a list. Most lists have one item for all their life, and no room for more.
fn add_to<K: Hash + Eq, V>(map: &mut AHashMap<K, Vec<V>>, key: K, item: V) {
    match map.entry(key) {
        Entry::Vacant(place) => {
            place.insert(vec![item]);
        }
        Entry::Occupied(mut place) => place.get_mut().push(item),
    }
}

/// Takes one item out of a list, and the list out of the map when it was the last.
fn drop_from<K: Hash + Eq, V: PartialEq>(map: &mut AHashMap<K, Vec<V>>, key: &K, item: &V) {
    if let Some(items) = map.get_mut(key) {
        items.retain(|known| known != item);
        if items.is_empty() {
            map.remove(key);
        }
    }
}
