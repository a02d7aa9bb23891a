//! Events in every order a cluster can send them.

use serde_json::{Value, json};

use super::{Holder, Interest, Store};
use crate::record::{Key, Kind, Record, TargetKind, Uid};
use crate::source::Event;

fn applied(kind: Kind, object: Value) -> Event {
    Event::Applied(record(kind, object))
}

fn record(kind: Kind, object: Value) -> Record {
    kind.decode(object).record.unwrap()
}

fn pod(uid: &str, ip: &str) -> Value {
    json!({
        "metadata": {"name": "web-0", "namespace": "shop", "uid": uid},
        "spec": {"containers": []},
        "status": {"phase": "Running", "podIP": ip},
    })
}

fn slice(name: &str, pods: &[(&str, &str)]) -> Value {
    let endpoint = |(pod, ip): &(&str, &str)| json!({"addresses": [ip], "targetRef": {"kind": "Pod", "name": pod, "namespace": "shop"}});
    json!({
        "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 8080}],
        "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>(),
    })
}

#[test]
fn the_late_delete_of_a_pod_does_not_take_the_one_made_again() {
    // Flaw it answers: a pod of a StatefulSet made again under the same name was taken for the old one.
    let (first, second) = ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002");
    let mut store = Store::default();
    store.apply(applied(Kind::Pod, pod(first, "10.1.0.1")));
    store.apply(applied(Kind::Pod, pod(second, "10.1.0.2")));
    let key = Key::new("shop", "web-0");
    store.apply(Event::Deleted { kind: Kind::Pod, key: key.clone(), uid: Uid::parse(first) });
    assert!(store.pod(&key).is_some());
    assert_eq!(store.holders(&"10.1.0.2".parse().unwrap()), [Holder::Pod(key.clone())]);
    assert!(store.holders(&"10.1.0.1".parse().unwrap()).is_empty());
    store.apply(Event::Deleted { kind: Kind::Pod, key, uid: Uid::parse(second) });
    assert_eq!(store.len(), 0);
    assert!(store.by_address.is_empty(), "no key outlives its object");
}

#[test]
fn what_is_told_again_touches_nothing() {
    // Flaw it answers: resyncs and status writes were sent on as if something had changed.
    let mut store = Store::default();
    store.apply(applied(Kind::Pod, pod("a", "10.1.0.1")));
    assert!(!store.take_touched().is_empty());
    let mut again = pod("a", "10.1.0.1");
    again["metadata"]["resourceVersion"] = json!("77");
    again["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "True"}]);
    store.apply(applied(Kind::Pod, again));
    assert!(store.take_touched().is_empty());
}

#[test]
fn a_pod_finds_its_service_though_the_slice_came_first() {
    // Flaw it answers: a slice that named an unknown pod was not looked at again.
    let mut store = Store::default();
    store.apply(applied(Kind::EndpointSlice, slice("web-1", &[("web-0", "10.1.0.1")])));
    store.take_touched();
    store.apply(applied(Kind::Pod, pod("a", "10.1.0.1")));
    assert!(store.take_touched().contains(&Interest::Service(Key::new("shop", "web"))));
}

#[test]
fn an_endpoint_may_move_between_slices_in_either_order() {
    // Flaw it answers: the removal from the old slice took the endpoint out of the new one.
    let target = (TargetKind::Pod, Key::new("shop", "web-0"));
    for added_first in [true, false] {
        let mut store = Store::default();
        store.apply(applied(Kind::EndpointSlice, slice("web-1", &[("web-0", "10.1.0.1")])));
        let add = applied(Kind::EndpointSlice, slice("web-2", &[("web-0", "10.1.0.1")]));
        let drop = applied(Kind::EndpointSlice, slice("web-1", &[]));
        let (one, other) = if added_first { (add, drop) } else { (drop, add) };
        store.apply(one);
        store.apply(other);
        assert_eq!(store.services_of[&target], [Key::new("shop", "web")]);
        store.apply(Event::Deleted { kind: Kind::EndpointSlice, key: Key::new("shop", "web-2"), uid: None });
        assert!(store.services_of.is_empty() && store.slices_of[&Key::new("shop", "web")].len() == 1);
    }
}

#[test]
fn a_list_replaces_what_was_known_of_its_kind_alone() {
    let mut store = Store::default();
    store.apply(applied(Kind::Pod, pod("a", "10.1.0.1")));
    store.apply(applied(Kind::EndpointSlice, slice("web-1", &[])));
    store.apply(Event::Listed {
        kind: Kind::Pod,
        records: Vec::new(),
        kept: vec![Key::new("shop", "web-0")],
    });
    assert_eq!(store.count(Kind::Pod), 1, "what could not be read keeps its last good version");
    store.apply(Event::Listed { kind: Kind::Pod, records: Vec::new(), kept: Vec::new() });
    assert_eq!((store.count(Kind::Pod), store.count(Kind::EndpointSlice)), (0, 1));
    assert!(store.is_listed(Kind::Pod) && !store.is_listed(Kind::EndpointSlice));
}

#[test]
fn random_orders_of_events_end_in_the_same_state() {
    // The same final objects in any order, with repeats, give the same lookups.
    let objects = [
        (Kind::Pod, pod("a", "10.1.0.1")),
        (Kind::EndpointSlice, slice("web-1", &[("web-0", "10.1.0.1")])),
        (Kind::EndpointSlice, slice("web-2", &[("web-1", "10.1.0.2")])),
        (
            Kind::Service,
            json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"clusterIP": "10.0.0.1"}}),
        ),
    ];
    let mut reference: Option<Vec<usize>> = None;
    for seed in 0..24_usize {
        let mut order: Vec<usize> = (0..objects.len()).collect();
        order.rotate_left(seed % 4);
        order.swap(seed % 3, 3);
        let mut store = Store::default();
        for at in order.iter().chain(order.iter().take(seed % 4)) {
            let (kind, object) = &objects[*at];
            store.apply(applied(*kind, object.clone()));
        }
        let key = Key::new("shop", "web");
        let state =
            vec![store.len(), store.slices(&key).count(), store.services_of.len(), store.by_address.len()];
        assert_eq!(reference.get_or_insert_with(|| state.clone()), &state);
    }
}

#[test]
fn pods_behind_endpoints_are_found_and_forgotten_like_those_behind_slices() {
    let endpoints = |pods: &[&str]| {
        let addresses: Vec<Value> = pods
            .iter()
            .map(|pod| json!({"ip": "10.1.0.1", "targetRef": {"kind": "Pod", "name": pod, "namespace": "shop"}}))
            .collect();
        json!({"metadata": {"name": "web", "namespace": "shop"},
            "subsets": [{"addresses": addresses, "ports": [{"port": 8080}]}]})
    };
    let web = Interest::Service(Key::new("shop", "web"));
    let mut store = Store::default();
    store.apply(applied(Kind::Endpoints, endpoints(&["web-0", "web-1"])));
    assert!(store.take_touched().contains(&web));
    store.apply(applied(Kind::Pod, pod("a", "10.1.0.1")));
    assert!(store.take_touched().contains(&web));
    store.apply(applied(Kind::Endpoints, endpoints(&["web-1"])));
    store.take_touched();
    store.apply(applied(Kind::Pod, pod("a", "10.1.0.9")));
    assert!(!store.take_touched().contains(&web), "it is behind the Service no more");
    assert_eq!(store.slices(&Key::new("shop", "web")).count(), 1);
    store.apply(Event::Deleted { kind: Kind::Endpoints, key: Key::new("shop", "web"), uid: None });
    assert!(store.services_of.is_empty(), "no key outlives its object");
}

#[test]
fn another_cluster_is_known_once_its_addresses_are_and_touches_what_read_it() {
    use std::sync::Arc;

    use crate::config::Config;
    let east = "east".into();
    let mut store = Store::default();
    let listed = |kind| Event::Listed { kind, records: Vec::new(), kept: Vec::new() };
    store.apply_remote(&east, listed(Kind::Service));
    assert!(store.take_touched().is_empty(), "nobody linked it");
    store.link(&east, Arc::new(Config::default()));
    assert_eq!(store.take_touched(), [Interest::Cluster(east.clone())]);
    // Owners are not waited for: an account may not be let to read them.
    for kind in [Kind::Service, Kind::Pod, Kind::EndpointSlice, Kind::ExternalWorkload, Kind::Server] {
        assert!(!store.cluster("east").unwrap().is_known());
        store.apply_remote(&east, listed(kind));
    }
    assert!(store.cluster("east").unwrap().is_known());
    assert_eq!(store.take_touched(), [Interest::Cluster(east.clone())]);
    store.apply_remote(&east, applied(Kind::EndpointSlice, slice("web-1", &[("web-0", "10.1.0.1")])));
    let web = Interest::Service(Key::new("shop", "web"));
    assert_eq!(store.take_touched(), [Interest::Remote(east.clone(), Box::new(web))]);
    assert_eq!(store.slices(&Key::new("shop", "web")).count(), 0, "what is there is not here");
    store.unlink(&east);
    assert_eq!(store.take_touched(), [Interest::Cluster(east)]);
    assert!(store.cluster("east").is_none());
}
