//! Services with a selector whose endpoints nobody writes by hand: a real cluster's controllers make them of pods, and
//! the source `files` does the same.

use linkerd2_proxy_api::destination::update::Update;
use mesh_control::config::Config;
use serde_json::{Value, json};

use crate::kit::{Endpoints, WEB, World, node, pod, service, slice};

/// A pod on a node, ready or not.
fn on(node: &str, name: &str, ip: &str, ready: bool) -> Value {
    let mut pod = pod(name, ip);
    pod["spec"]["nodeName"] = json!(node);
    pod["status"]["conditions"][0]["status"] = json!(if ready { "True" } else { "False" });
    pod
}

async fn cluster(config: Config) -> World {
    let objects = [
        node("node-1", "east"),
        node("node-2", "west"),
        on("node-1", "web-0", "10.1.0.1", true),
        on("node-2", "web-1", "10.1.0.2", true),
        on("node-2", "web-2", "10.1.0.3", false),
    ];
    let world = World::configured(config, &objects).await;
    world.apply_whole(&service("web", "10.0.0.1"));
    world
}

/// A stream for a client on a node; the Service may not be known yet.
async fn get(world: &World, node: &str) -> Endpoints {
    world.get_soon(WEB, &json!({"ns": "client", "nodeName": node}).to_string()).await
}

#[tokio::test]
async fn pods_that_a_selector_means_are_endpoints() {
    let world = cluster(Config::default()).await;
    let mut stream = get(&world, "").await;
    stream.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    world.apply(&on("node-2", "web-2", "10.1.0.3", true));
    stream.become_(&["10.1.0.1:8080", "10.1.0.2:8080", "10.1.0.3:8080"]).await;
    assert_eq!(stream.one("10.1.0.3:8080").metric_labels["pod"], "web-2");
    assert!(stream.one("10.1.0.3:8080").tls_identity.is_some());
    world.delete(&pod("web-0", ""));
    stream.become_(&["10.1.0.2:8080", "10.1.0.3:8080"]).await;
}

#[tokio::test]
async fn clusters_without_slices_are_served_from_endpoints() {
    // Flaw it answers: the setting was taken and nothing came of it.
    let world = cluster(Config { endpoint_slices: false, ..Config::default() }).await;
    let mut stream = get(&world, "node-1").await;
    stream.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    assert_eq!(stream.one("10.1.0.1:8080").metric_labels["zone_locality"], "local");
    assert_eq!(stream.one("10.1.0.2:8080").metric_labels["zone"], "west");
    world.apply(&on("node-2", "web-2", "10.1.0.3", true));
    stream.become_(&["10.1.0.1:8080", "10.1.0.2:8080", "10.1.0.3:8080"]).await;
}

#[tokio::test]
async fn endpoints_written_by_hand_count_and_slices_beside_them_do_not() {
    let config = Config { endpoint_slices: false, ..Config::default() };
    let by_hand = |ip: &str| {
        json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "web", "namespace": "shop"},
            "subsets": [{"addresses": [{"ip": ip}], "ports": [{"name": "http", "port": 9090}]}]})
    };
    let elsewhere = slice("web-a", "web", &[("web-9", "10.9.9.9")]);
    let world =
        World::configured(config, &[service("web", "10.0.0.1"), by_hand("10.7.0.1"), elsewhere]).await;
    let mut stream = world.get(WEB).await;
    stream.become_(&["10.7.0.1:9090"]).await;
    world.apply(&by_hand("10.7.0.2"));
    stream.become_(&["10.7.0.2:9090"]).await;
    world.delete(&by_hand(""));
    assert!(matches!(stream.next().await, Update::NoEndpoints(none) if none.exists));
}

#[tokio::test]
async fn traffic_prefers_its_zone_while_that_is_asked_for() {
    let world = cluster(Config::default()).await;
    let mut close = service("web", "10.0.0.1");
    close["spec"]["trafficDistribution"] = json!("PreferClose");
    let (mut east, mut west, mut nowhere) =
        (get(&world, "node-1").await, get(&world, "node-2").await, get(&world, "").await);
    world.apply_whole(&close);
    east.become_(&["10.1.0.1:8080"]).await;
    west.become_(&["10.1.0.2:8080"]).await;
    // The last one of a zone goes: its clients have the others again.
    world.delete(&pod("web-0", ""));
    east.become_(&["10.1.0.2:8080"]).await;
    nowhere.become_(&["10.1.0.2:8080"]).await;
    world.apply(&on("node-1", "web-0", "10.1.0.1", true));
    east.become_(&["10.1.0.1:8080"]).await;
    world.apply_whole(&service("web", "10.0.0.1"));
    east.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
}

#[tokio::test]
async fn traffic_prefers_its_node_then_its_zone_while_that_is_asked_for() {
    let world = cluster(Config::default()).await;
    world.apply(&node("node-3", "east"));
    let mut close = service("web", "10.0.0.1");
    close["spec"]["trafficDistribution"] = json!("PreferSameNode");
    let (mut first, mut second, mut beside, mut nowhere) = (
        get(&world, "node-1").await,
        get(&world, "node-2").await,
        get(&world, "node-3").await,
        get(&world, "").await,
    );
    world.apply_whole(&close);
    first.become_(&["10.1.0.1:8080"]).await;
    second.become_(&["10.1.0.2:8080"]).await;
    beside.become_(&["10.1.0.1:8080"]).await;
    nowhere.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    // A node that gets a pod of its own leaves those of its zone alone.
    world.apply(&on("node-3", "web-3", "10.1.0.4", true));
    beside.become_(&["10.1.0.4:8080"]).await;
    first.become_(&["10.1.0.1:8080"]).await;
    nowhere.become_(&["10.1.0.1:8080", "10.1.0.2:8080", "10.1.0.4:8080"]).await;
    // Its pod is not ready any more: the zone is next. Without the zone's: all.
    world.apply(&on("node-1", "web-0", "10.1.0.1", false));
    first.become_(&["10.1.0.4:8080"]).await;
    world.delete(&pod("web-1", ""));
    second.become_(&["10.1.0.4:8080"]).await;
    world.apply(&on("node-1", "web-0", "10.1.0.1", true));
    first.become_(&["10.1.0.1:8080"]).await;
    second.become_(&["10.1.0.1:8080", "10.1.0.4:8080"]).await;
    world.apply_whole(&service("web", "10.0.0.1"));
    for stream in [&mut first, &mut second, &mut beside] {
        stream.become_(&["10.1.0.1:8080", "10.1.0.4:8080"]).await;
    }
}
