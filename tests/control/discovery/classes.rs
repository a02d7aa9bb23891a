//! Clients of one class share an answer, and each finds its class again when that changes.

use linkerd2_proxy_api::destination::update::Update;
use mesh_control::config::Config;
use serde_json::{Value, json};

use crate::kit::{WEB, World, node, pod, service, slice, web};

fn on(node: &str) -> String {
    json!({"ns": "client", "nodeName": node}).to_string()
}

/// Two pods on two nodes in two zones.
fn two_zones() -> Vec<Value> {
    let mut second = pod("web-1", "10.1.0.2");
    second["spec"]["nodeName"] = json!("node-2");
    vec![
        node("node-1", "east"),
        node("node-2", "west"),
        service("web", "10.0.0.1"),
        pod("web-0", "10.1.0.1"),
        second,
        both(&[("east", "node-1"), ("west", "node-2")], false),
    ]
}

/// A slice of both pods, with hints for their zones or without.
fn both(places: &[(&str, &str)], hints: bool) -> Value {
    let mut slice = slice("web-a", "web", &[("web-0", "10.1.0.1"), ("web-1", "10.1.0.2")]);
    for (at, (zone, node)) in places.iter().enumerate() {
        slice["endpoints"][at]["zone"] = json!(zone);
        slice["endpoints"][at]["nodeName"] = json!(node);
        if hints {
            slice["endpoints"][at]["hints"] = json!({"forZones": [{"name": zone}]});
        }
    }
    slice
}

#[tokio::test]
async fn hints_count_when_all_have_them_and_can_be_withdrawn() {
    let world = World::with(&two_zones()).await;
    let mut east = world.get_as(WEB, &on("node-1")).await.unwrap();
    let mut nowhere = world.get(WEB).await;
    east.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    assert_eq!(east.one("10.1.0.1:8080").metric_labels["zone_locality"], "local");
    assert_eq!(east.one("10.1.0.2:8080").metric_labels["zone_locality"], "remote");
    assert_eq!(east.one("10.1.0.2:8080").metric_labels["zone"], "west");
    let places = [("east", "node-1"), ("west", "node-2")];
    world.apply(&both(&places, true));
    east.become_(&["10.1.0.1:8080"]).await;
    nowhere.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    // Flaw it answers: hints that were withdrawn stayed in force.
    world.apply(&both(&places, false));
    east.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
}

#[tokio::test]
async fn weights_of_workloads_are_handed_out_and_nonsense_counts_as_one() {
    let config = || Config { zone_weights: true, ..Config::default() };
    let mut objects = two_zones();
    objects[3]["metadata"]["annotations"] = json!({"balancer.linkerd.io/weight": "0.25"});
    let world = World::configured(config(), &objects).await;
    let mut east = world.get_as(WEB, &on("node-1")).await.unwrap();
    let mut nowhere = world.get(WEB).await;
    nowhere.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    assert_eq!((nowhere.one("10.1.0.1:8080").weight, nowhere.one("10.1.0.2:8080").weight), (2_500, 10_000));
    // Where zones are to weigh, those of the client's own count ten times.
    east.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    assert_eq!((east.one("10.1.0.1:8080").weight, east.one("10.1.0.2:8080").weight), (25_000, 10_000));
    for (text, weight) in [("0", 0), ("many", 10_000), ("2", 20_000)] {
        objects[3]["metadata"]["annotations"] = json!({"balancer.linkerd.io/weight": text});
        world.apply(&objects[3]);
        nowhere.next().await;
        assert_eq!(nowhere.one("10.1.0.1:8080").weight, weight, "{text}");
    }
}

#[tokio::test]
async fn a_node_that_changes_its_zone_takes_its_clients_along() {
    // Flaw it answers: the zone of a client was read once and never again.
    let mut objects = two_zones();
    objects.push(both(&[("east", "node-1"), ("west", "node-2")], true));
    let world = World::with(&objects).await;
    let mut stream = world.get_as(WEB, &on("node-1")).await.unwrap();
    let mut early = world.get_as(WEB, &on("node-9")).await.unwrap();
    stream.become_(&["10.1.0.1:8080"]).await;
    early.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    world.apply(&node("node-1", "west"));
    stream.become_(&["10.1.0.2:8080"]).await;
    world.apply(&node("node-9", "east"));
    early.become_(&["10.1.0.1:8080"]).await;
}

#[tokio::test]
async fn local_traffic_stays_on_the_node_even_if_that_is_nothing() {
    let world = World::with(&two_zones()).await;
    let mut here = world.get_as(WEB, &on("node-1")).await.unwrap();
    let mut elsewhere = world.get_as(WEB, &on("node-3")).await.unwrap();
    here.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    elsewhere.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    let mut local = service("web", "10.0.0.1");
    local["spec"]["internalTrafficPolicy"] = json!("Local");
    world.apply(&local);
    here.become_(&["10.1.0.1:8080"]).await;
    assert!(matches!(elsewhere.next().await, Update::NoEndpoints(none) if none.exists));
    world.apply(&service("web", "10.0.0.1"));
    here.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    elsewhere.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
}

#[tokio::test]
async fn endpoints_on_their_way_out_serve_while_nothing_else_does() {
    let condition =
        |ready: bool, terminating: bool| json!({"ready": ready, "serving": true, "terminating": terminating});
    let mut leaving = slice("web-a", "web", &[("web-0", "10.1.0.1"), ("web-1", "10.1.0.2")]);
    leaving["endpoints"][0]["conditions"] = condition(false, true);
    let world = World::with(&[
        service("web", "10.0.0.1"),
        pod("web-0", "10.1.0.1"),
        pod("web-1", "10.1.0.2"),
        leaving.clone(),
    ])
    .await;
    let mut stream = world.get(WEB).await;
    stream.become_(&["10.1.0.2:8080"]).await;
    leaving["endpoints"][1]["conditions"] = condition(false, true);
    world.apply(&leaving);
    stream.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    leaving["endpoints"][0]["conditions"] = json!({"ready": false, "serving": false, "terminating": true});
    leaving["endpoints"][1]["conditions"] = json!({"ready": false});
    world.apply(&leaving);
    stream.become_(&[]).await;
}

#[tokio::test]
async fn of_two_families_the_configured_ones_are_told() {
    let objects = || {
        let mut dual = pod("web-0", "10.1.0.1");
        dual["status"]["podIPs"] = json!([{"ip": "10.1.0.1"}, {"ip": "fd00::1"}]);
        let mut six = slice("web-6", "web", &[("web-0", "fd00::1")]);
        six["addressType"] = json!("IPv6");
        let four = slice("web-4", "web", &[("web-0", "10.1.0.1"), ("web-1", "10.1.0.2")]);
        [service("web", "10.0.0.1"), dual, pod("web-1", "10.1.0.2"), six, four]
    };
    let world = World::with(&objects()).await;
    world.get(WEB).await.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    drop(world);
    let dual = Config { ipv6: true, ..Config::default() };
    let world = World::configured(dual, &objects()).await;
    world.get(WEB).await.become_(&["10.1.0.2:8080", "[fd00::1]:8080"]).await;
}

#[tokio::test]
async fn opaque_ports_come_from_annotations_names_and_defaults() {
    let world = World::with(&web(&[("web-0", "10.1.0.1")])).await;
    let mut stream = world.get(WEB).await;
    stream.next().await;
    let mut changed = pod("web-0", "10.1.0.1");
    for (list, opaque) in [("http", true), ("9000-9001", false), ("8000-9000", true), ("", false)] {
        changed["metadata"]["annotations"] = json!({"config.linkerd.io/opaque-ports": list});
        world.apply(&changed);
        stream.next().await;
        assert_eq!(stream.is_opaque("10.1.0.1:8080"), opaque, "{list}");
    }
    // A port the proxy does not see has no identity and no hint.
    changed["metadata"]["annotations"] = json!({"config.linkerd.io/skip-inbound-ports": "8080"});
    world.apply(&changed);
    stream.next().await;
    let address = stream.one("10.1.0.1:8080");
    assert!(address.tls_identity.is_none() && address.protocol_hint.is_none());
}

#[tokio::test]
async fn workloads_outside_the_cluster_are_endpoints_too() {
    let mut outside = slice("web-x", "web", &[("vm-1", "192.168.7.1")]);
    outside["endpoints"][0]["targetRef"]["kind"] = json!("ExternalWorkload");
    let world = World::with(&[
        service("web", "10.0.0.1"),
        outside,
        json!({"apiVersion": "workload.linkerd.io/v1beta1", "kind": "ExternalWorkload",
            "metadata": {"name": "vm-1", "namespace": "shop"},
            "spec": {"meshTLS": {"identity": "spiffe://vm/1", "serverName": "vm-1.example"},
                "workloadIPs": [{"ip": "192.168.7.1"}], "ports": [{"name": "http", "port": 8080}]}}),
    ])
    .await;
    let mut stream = world.get(WEB).await;
    stream.next().await;
    let address = stream.one("192.168.7.1:8080");
    assert_eq!(address.metric_labels["external_workload"], "vm-1");
    assert_eq!(address.tls_identity.as_ref().unwrap().server_name.as_ref().unwrap().name, "vm-1.example");
    let profile = world.profile("192.168.7.1:8080").await.next().await;
    assert!(profile.endpoint.unwrap().tls_identity.is_some());
}

#[tokio::test]
async fn hints_for_nodes_count_when_all_have_them_and_are_no_trap() {
    let mut objects = two_zones();
    objects.push(node("node-3", "west"));
    let places = [("east", "node-1"), ("west", "node-2")];
    let hinted = |both: &[&str], nodes: [&str; 2]| {
        let mut slice = self::both(&places, both.contains(&"zones"));
        for (at, node) in nodes.iter().enumerate().filter(|(_, node)| !node.is_empty()) {
            slice["endpoints"][at]["hints"]["forNodes"] = json!([{"name": node}]);
        }
        slice
    };
    let all = ["10.1.0.1:8080", "10.1.0.2:8080"];
    let world = World::with(&objects).await;
    let mut east = world.get_as(WEB, &on("node-1")).await.unwrap();
    let mut west = world.get_as(WEB, &on("node-3")).await.unwrap();
    east.become_(&all).await;
    // A node's own come first, whichever zone they are in.
    world.apply(&hinted(&["zones"], ["node-3", "node-1"]));
    east.become_(&["10.1.0.2:8080"]).await;
    west.become_(&["10.1.0.1:8080"]).await;
    // One has none: nodes do not count, zones do.
    world.apply(&hinted(&["zones"], ["node-3", ""]));
    east.become_(&["10.1.0.1:8080"]).await;
    west.become_(&["10.1.0.2:8080"]).await;
    // No hint is for this node, and there are none for zones: all.
    world.apply(&hinted(&[], ["node-3", "node-3"]));
    east.become_(&all).await;
    west.become_(&all).await;
    world.apply(&hinted(&[], ["node-3", "node-1"]));
    east.become_(&["10.1.0.2:8080"]).await;
    // Nobody is ready: those on their way out serve everybody.
    let mut leaving = hinted(&["zones"], ["node-3", "node-1"]);
    for at in 0..2 {
        leaving["endpoints"][at]["conditions"] =
            json!({"ready": false, "serving": true, "terminating": true});
    }
    world.apply(&leaving);
    east.become_(&all).await;
    west.become_(&all).await;
}
