//! Slices of Services that no manifest gives any: what the slice controller of a cluster does, done for a directory.
//!
//! A Service that a slice or an Endpoints object names is left alone, whatever that object says: somebody wrote it by
//! hand. Readiness is that of the pods' status, since nobody probes them here.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};

use crate::record::{
    AddressFamily, Closest, Endpoint, EndpointSlice, ExternalWorkload, Hint, Key, Kind, Labels, List, Phase,
    Pod, PortTarget, Record, Service, ServiceKind, TargetKind, Text,
};

/// Names and numbers of ports.
type Ports = Vec<(Text, u16)>;

/// Records of a directory by their places.
type Records = AHashMap<(Kind, Key), Record>;

/// Workloads by namespace and label: a directory may hold a hundred thousand of them.
#[derive(Default)]
struct Workloads<'a> {
    by_label: AHashMap<(&'a Text, &'a Text, &'a Text), Vec<Workload<'a>>>,
    zones: AHashMap<&'a Text, &'a Text>,
}

#[derive(Clone, Copy)]
enum Workload<'a> {
    Pod(&'a Pod),
    External(&'a ExternalWorkload),
}

/// The slices of Services that have a selector and no endpoints of their own.
pub(super) fn slices(records: &Records) -> Vec<EndpointSlice> {
    let mut written: AHashSet<Key> = AHashSet::new();
    let mut services = Vec::new();
    for record in records.values() {
        match record {
            Record::EndpointSlice(slice) => {
                written.insert(Key { namespace: slice.key.namespace.clone(), name: slice.service.clone() });
            }
            Record::Endpoints(endpoints) => {
                written.insert(endpoints.key.clone());
            }
            Record::Service(service) => services.push(service),
            _ => {}
        }
    }
    services.retain(|service| {
        service.kind != ServiceKind::ExternalName
            && !written.contains(&service.key)
            && service.selector.is_some()
    });
    if services.is_empty() {
        return Vec::new();
    }
    let workloads = Workloads::of(records);
    services.into_iter().flat_map(|service| of_service(service, &workloads)).collect()
}

/// One slice for each family and each set of ports, as named ports may differ between pods of a rollout.
fn of_service(service: &Service, workloads: &Workloads<'_>) -> Vec<EndpointSlice> {
    let mut groups: BTreeMap<(bool, Ports), Vec<Endpoint>> = BTreeMap::new();
    for workload in workloads.selected(service) {
        let number = |target: &PortTarget| match target {
            PortTarget::Number(number) => Some(*number),
            PortTarget::Name(name) => workload.named_port(name),
        };
        let ports: Ports = service
            .ports
            .iter()
            .filter_map(|port| Some((port.name.clone(), number(&port.target)?)))
            .collect();
        for ip in workload.addresses(service) {
            let endpoint = workload.endpoint(*ip, service, workloads);
            groups.entry((ip.is_ipv6(), ports.clone())).or_default().push(endpoint);
        }
    }
    let mut slices = Vec::new();
    for ((v6, ports), mut endpoints) in groups {
        endpoints.sort_by_key(|endpoint| endpoint.ip);
        for endpoint in endpoints.iter_mut().filter(|endpoint| endpoint.ready) {
            endpoint.hints = hints(service.closest, endpoint);
        }
        let name = format!("{}-derived-{}", service.key.name, slices.len());
        slices.push(EndpointSlice {
            key: Key { namespace: service.key.namespace.clone(), name: name.into() },
            service: service.key.name.clone(),
            family: if v6 { AddressFamily::V6 } else { AddressFamily::V4 },
            ports: ports.into(),
            endpoints: endpoints.into(),
            external: false,
            gateway: None,
        });
    }
    slices
}

/// The hints of a ready endpoint; whether all have some is looked at by those who follow them.
fn hints(closest: Option<Closest>, endpoint: &Endpoint) -> List<Hint> {
    let zone = endpoint.zone.iter().filter(|_| closest.is_some()).cloned().map(Hint::Zone);
    let node = endpoint.node.iter().filter(|_| closest == Some(Closest::Node)).cloned().map(Hint::Node);
    zone.chain(node).collect()
}

// === impl Workloads ===

impl<'a> Workloads<'a> {
    fn of(records: &'a Records) -> Self {
        let mut found = Self::default();
        for record in records.values() {
            match record {
                Record::Pod(pod) if pod.phase != Phase::Ended => {
                    found.add(&pod.key.namespace, &pod.labels, Workload::Pod(pod));
                }
                Record::ExternalWorkload(external) if !external.deleting => {
                    found.add(&external.key.namespace, &external.labels, Workload::External(external));
                }
                Record::Node(node) => {
                    found.zones.extend(node.zone.as_ref().map(|zone| (&node.key.name, zone)))
                }
                _ => {}
            }
        }
        found
    }

    fn add(&mut self, namespace: &'a Text, labels: &'a Labels, workload: Workload<'a>) {
        for (name, value) in labels.iter() {
            self.by_label.entry((namespace, name, value)).or_default().push(workload);
        }
    }

    /// What the selector of a Service means. Only those with the rarest of its labels are looked at.
    fn selected(&self, service: &'a Service) -> impl Iterator<Item = &Workload<'a>> {
        let namespace = &service.key.namespace;
        let selector = service.selector.as_ref();
        let with = |(name, value): (&'a Text, &'a Text)| {
            self.by_label.get(&(namespace, name, value)).map_or(&[][..], Vec::as_slice)
        };
        let fewest = selector.into_iter().flat_map(|selector| selector.equalities()).map(with);
        let fewest = fewest.min_by_key(|list| list.len()).unwrap_or_default();
        fewest.iter().filter(move |it| selector.is_some_and(|selector| selector.matches(it.labels())))
    }
}

// === impl Workload ===

impl Workload<'_> {
    fn labels(&self) -> &Labels {
        match self {
            Self::Pod(pod) => &pod.labels,
            Self::External(external) => &external.labels,
        }
    }

    fn named_port(&self, name: &str) -> Option<u16> {
        match self {
            Self::Pod(pod) => pod.named_port(name),
            Self::External(external) => external.named_port(name),
        }
    }

    /// The addresses of the families that the Service has; a headless one has that of the first address.
    fn addresses(&self, service: &Service) -> impl Iterator<Item = &IpAddr> {
        let ips = match self {
            Self::Pod(pod) => &pod.ips,
            Self::External(external) => &external.ips,
        };
        let first = ips.first().map(IpAddr::is_ipv6);
        let families: Vec<bool> = match &*service.cluster_ips {
            [] => first.into_iter().collect(),
            some => some.iter().map(IpAddr::is_ipv6).collect(),
        };
        ips.iter().filter(move |ip| families.contains(&ip.is_ipv6()))
    }

    fn endpoint(&self, ip: IpAddr, service: &Service, workloads: &Workloads<'_>) -> Endpoint {
        match self {
            Self::Pod(pod) => {
                let zone = pod.node.as_ref().and_then(|node| workloads.zones.get(node));
                let named = |(_, subdomain): &&(Text, Text)| *subdomain == service.key.name;
                Endpoint {
                    ip,
                    ready: (pod.ready && !pod.deleting) || service.publish_not_ready,
                    serving: pod.ready || service.publish_not_ready,
                    terminating: pod.deleting,
                    hostname: pod.hostname.as_ref().filter(named).map(|(hostname, _)| hostname.clone()),
                    node: pod.node.clone(),
                    zone: zone.map(|zone| Text::clone(zone)),
                    hints: List::default(),
                    target: Some((TargetKind::Pod, pod.key.clone())),
                }
            }
            Self::External(external) => Endpoint {
                ip,
                ready: external.ready,
                serving: external.ready,
                terminating: false,
                hostname: None,
                node: None,
                zone: None,
                hints: List::default(),
                target: Some((TargetKind::ExternalWorkload, external.key.clone())),
            },
        }
    }
}

/// Adds the derived slices to what the files say.
pub(super) fn complete(records: &mut Records) {
    for slice in slices(records) {
        let place = (Kind::EndpointSlice, slice.key.clone());
        records.entry(place).or_insert_with(|| Record::EndpointSlice(Arc::new(slice)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn records(objects: &[Value]) -> Records {
        let record = |object: &Value| {
            let text = |field: &str| object[field].as_str().unwrap().to_owned();
            let kind = Kind::of(&text("apiVersion"), &text("kind")).unwrap();
            let record = kind.decode(object.clone()).record.unwrap();
            ((kind, record.key().clone()), record)
        };
        objects.iter().map(record).collect()
    }

    fn service(spec: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
    }

    fn pod(name: &str, ip: &str, port: u16) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web", "tier": name}},
            "spec": {"nodeName": "n1", "hostname": name, "subdomain": "web",
                "containers": [{"name": "a", "ports": [{"name": "http", "containerPort": port}]}]},
            "status": {"phase": "Running", "podIPs": [{"ip": ip}, {"ip": "fd00::1"}],
                "conditions": [{"type": "Ready", "status": "True"}]}})
    }

    #[test]
    fn endpoints_are_what_the_slice_controller_would_make_of_pods() {
        let node = json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "east"}}});
        let spec = json!({"clusterIP": "10.0.0.1", "selector": {"app": "web"}, "trafficDistribution": "PreferClose",
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}]});
        let mut ended = pod("done", "10.1.0.9", 1);
        ended["status"]["phase"] = json!("Succeeded");
        let mut leaving = pod("b", "10.1.0.2", 9090);
        leaving["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
        let all = [service(spec), pod("a", "10.1.0.1", 8080), leaving, ended, node];
        let mut slices = slices(&records(&all));
        slices.sort_by_key(|slice| slice.ports[0].1);
        let ports: Vec<_> = slices.iter().map(|slice| slice.ports[0].1).collect();
        assert_eq!(ports, [8080, 9090], "pods of a rollout may name different numbers");
        let endpoint = &slices[0].endpoints[0];
        assert_eq!(slices[0].endpoints.len(), 1, "the Service has one family");
        assert!(endpoint.ready && endpoint.hostname.as_deref() == Some("a"));
        assert_eq!(*endpoint.hints, [Hint::Zone("east".into())]);
        let leaving = &slices[1].endpoints[0];
        assert!(!leaving.ready && leaving.serving && leaving.terminating && leaving.hints.is_empty());
    }

    #[test]
    fn a_service_that_somebody_wrote_endpoints_for_is_left_alone() {
        let spec = json!({"clusterIP": "10.0.0.1", "selector": {"app": "web"}, "ports": [{"port": 80}]});
        let by_hand = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "x", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}}});
        assert_eq!(slices(&records(&[service(spec.clone()), pod("a", "10.1.0.1", 80)])).len(), 1);
        assert_eq!(slices(&records(&[service(spec), pod("a", "10.1.0.1", 80), by_hand])), []);
        let unselected = service(json!({"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}));
        assert_eq!(slices(&records(&[unselected, pod("a", "10.1.0.1", 80)])), []);
        let narrow = json!({"clusterIP": "10.0.0.1", "selector": {"app": "web", "tier": "b"}, "ports": [{"port": 80}]});
        let both = [service(narrow), pod("a", "10.1.0.1", 80), pod("b", "10.1.0.2", 80)];
        let slices = slices(&records(&both));
        assert_eq!(slices[0].endpoints.len(), 1, "every label of the selector counts");
    }
}
