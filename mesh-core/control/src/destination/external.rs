//! EndpointSlices of workloads outside the cluster: what the slice controller does for pods, done for them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config::Config;
use crate::index::Store;
use crate::record::{ExternalWorkload, Key, Kind, PortTarget, Record, Service, ServiceKind, Text};
use crate::writer::{What, Write};

/// Whose slices are ours.
pub const MANAGER: &str = "linkerd-external-workloads-controller";
/// Endpoints of a slice, as the slice controller has it.
const MOST: usize = 100;

/// The slices that are missing, wrong or left over.
pub fn plan(store: &Store, _config: &Config, _now: Timestamp) -> Vec<Write> {
    let mut wanted: BTreeMap<Key, Value> = BTreeMap::new();
    if store.count(Kind::ExternalWorkload) > 0 {
        for service in store.services() {
            wanted.extend(of_service(service, store));
        }
    }
    let mut writes = Vec::new();
    for slice in store.all_slices().filter(|slice| slice.external) {
        if !wanted.contains_key(&slice.key) {
            writes.push(Write { kind: Kind::EndpointSlice, key: slice.key.clone(), what: What::Delete });
        }
    }
    for (key, object) in wanted {
        let known = store.slice(&key);
        let same = match Kind::EndpointSlice.decode(object.clone()).record {
            Ok(Record::EndpointSlice(wanted)) => known.is_some_and(|known| **known == *wanted),
            _ => false,
        };
        if !same {
            writes.push(Write { kind: Kind::EndpointSlice, key, what: What::Apply(object) });
        }
    }
    writes
}

/// The slices of a Service: one set for each family and each set of ports.
fn of_service(service: &Service, store: &Store) -> Vec<(Key, Value)> {
    let Some(selector) = &service.selector else { return Vec::new() };
    if service.kind == ServiceKind::ExternalName {
        return Vec::new();
    }
    type Ports = Vec<(Text, u16)>;
    let mut groups: BTreeMap<(bool, Ports), Vec<(&ExternalWorkload, std::net::IpAddr)>> = BTreeMap::new();
    for workload in store.externals() {
        let meant = workload.key.namespace == service.key.namespace && selector.matches(&workload.labels);
        if !meant || workload.deleting {
            continue;
        }
        let port = |target: &PortTarget| match target {
            PortTarget::Number(number) => Some(*number),
            PortTarget::Name(name) => workload.named_port(name),
        };
        let ports: Ports =
            service.ports.iter().filter_map(|it| Some((it.name.clone(), port(&it.target)?))).collect();
        for ip in &workload.ips {
            groups.entry((ip.is_ipv6(), ports.clone())).or_default().push((workload, *ip));
        }
    }
    let mut slices = Vec::new();
    for ((v6, ports), mut members) in groups {
        members.sort_by_key(|(workload, ip)| (workload.key.clone(), *ip));
        for chunk in members.chunks(MOST) {
            let name = format!("{}-external-{}", service.key.name, slices.len());
            let key = Key { namespace: service.key.namespace.clone(), name: name.into() };
            let object = slice(service, &key, v6, &ports, chunk);
            slices.push((key, object));
        }
    }
    slices
}

fn slice(
    service: &Service,
    key: &Key,
    v6: bool,
    ports: &[(Text, u16)],
    members: &[(&ExternalWorkload, std::net::IpAddr)],
) -> Value {
    let endpoint = |(workload, ip): &(&ExternalWorkload, std::net::IpAddr)| {
        json!({
            "addresses": [ip.to_string()],
            "conditions": {"ready": workload.ready, "serving": workload.ready, "terminating": false},
            "targetRef": {"kind": "ExternalWorkload", "namespace": workload.key.namespace.as_str(),
                "name": workload.key.name.as_str()},
        })
    };
    let port =
        |(name, number): &(Text, u16)| json!({"name": name.as_str(), "port": number, "protocol": "TCP"});
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": key.name.as_str(), "namespace": key.namespace.as_str(), "labels": {
            "kubernetes.io/service-name": service.key.name.as_str(),
            "endpointslice.kubernetes.io/managed-by": MANAGER}},
        "addressType": if v6 { "IPv6" } else { "IPv4" },
        "ports": ports.iter().map(port).collect::<Vec<_>>(),
        "endpoints": members.iter().map(endpoint).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Event;

    fn know(store: &mut Store, kind: Kind, object: Value) {
        store.apply(Event::Applied(kind.decode(object).record.unwrap()));
    }

    fn workload(name: &str, ip: &str, ready: &str) -> Value {
        json!({"metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"}},
            "spec": {"meshTLS": {"identity": "spiffe://a/b", "serverName": "b"}, "workloadIPs": [{"ip": ip}],
                "ports": [{"name": "http", "port": 9000}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    }

    #[test]
    fn slices_follow_workloads_and_nothing_is_written_twice() {
        let mut store = Store::default();
        let (config, now) = (Config::default(), Timestamp::UNIX_EPOCH);
        know(
            &mut store,
            Kind::Service,
            json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"clusterIP": "10.0.0.1", "selector": {"app": "web"},
                "ports": [{"name": "web", "port": 80, "targetPort": "http"}]}}),
        );
        assert_eq!(plan(&store, &config, now), []);
        for number in 0..150 {
            know(
                &mut store,
                Kind::ExternalWorkload,
                workload(&format!("vm-{number:03}"), &format!("192.168.0.{number}"), "True"),
            );
        }
        let writes = plan(&store, &config, now);
        assert_eq!(writes.len(), 2, "a hundred endpoints a slice");
        for write in writes {
            let What::Apply(object) = write.what else { panic!("made") };
            assert_eq!(object["ports"][0]["port"], 9000);
            know(&mut store, Kind::EndpointSlice, object);
        }
        assert_eq!(plan(&store, &config, now), [], "what is there is not written again");
        know(&mut store, Kind::ExternalWorkload, workload("vm-000", "192.168.0.0", "False"));
        assert_eq!(plan(&store, &config, now).len(), 1);
        for number in 0..150 {
            let key = Key::new("shop", &format!("vm-{number:03}"));
            store.apply(Event::Deleted { kind: Kind::ExternalWorkload, key, uid: None });
        }
        let left: Vec<What> = plan(&store, &config, now).into_iter().map(|write| write.what).collect();
        assert_eq!(left, [What::Delete, What::Delete]);
    }
}
