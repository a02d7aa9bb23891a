//! What stays known of destinations that nobody uses.

use std::net::SocketAddr;
use std::time::Duration;

use ::http::Version;
use mesh_tests::mesh::answers::{self, outbound};
use mesh_tests::mesh::{Answer, App, Pod, World, addresses, http};

use crate::kit::{Calls, authority, eventually, meshed_with, state};

/// Destinations that the workers of a pod's proxy hold.
fn held(pod: &Pod) -> Vec<String> {
    let dump = state(pod);
    let workers = dump["workers"].as_array().unwrap();
    let destinations =
        workers.iter().flat_map(|worker| worker["outbound"]["destinations"].as_array().unwrap());
    let mut targets: Vec<_> =
        destinations.map(|destination| destination["target"].as_str().unwrap().to_owned()).collect();
    targets.sort_unstable();
    targets
}

/// How many watch what is known of a key, while it is known.
fn watchers(pod: &Pod, key: &str) -> Option<u64> {
    let dump = state(pod);
    let watch = dump["discovery"].as_array().unwrap().iter().find(|watch| watch["key"] == key)?.clone();
    (watch["known"] == "found").then(|| watch["watchers"].as_u64().unwrap())
}

#[test]
fn a_destination_that_nobody_used_for_a_while_is_served_while_discovery_is_gone() {
    let world = meshed_with(|world| {
        world.client.config.set("OUTBOUND_DISCOVERY_IDLE_TIMEOUT", "1s");
    });
    assert_eq!(world.http1("/name").status, 200);
    let proxy = world.client.proxy().unwrap();
    world.plane.vanish();
    let endpoints = format!("endpoints of {}", authority());
    for _ in 0..2 {
        // The worker has forgotten it, and the process has not.
        eventually("a destination that is idle", Duration::from_secs(20), || {
            held(&world.client).is_empty() && watchers(&world.client, &endpoints) == Some(0)
        });
        proxy
            .wait_for_metrics("the age of what is kept", |metrics| {
                ["endpoints", "outbound", "profile"]
                    .iter()
                    .all(|kind| metrics.sum("control_discovery_answer_age_seconds", &[("kind", kind)]) > 2.0)
            })
            .unwrap();
        assert_eq!(world.http1("/name").status, 200);
        assert_eq!(world.http2("/name").status, 200);
        assert_eq!(watchers(&world.client, &endpoints), Some(1));
    }
    // Discovery is back, so it need not be kept any more.
    eventually("a destination that is idle", Duration::from_secs(20), || held(&world.client).is_empty());
    world.plane.return_again();
    eventually("nothing that is kept", Duration::from_secs(30), || {
        watchers(&world.client, &endpoints).is_none()
    });
    assert_eq!(world.http1("/name").status, 200);
}

/// A port of somebody outside.
fn outside(port: u16) -> SocketAddr {
    SocketAddr::from((addresses::OUTSIDE, port))
}

fn reach(world: &World, port: u16) {
    let request = http::get(Version::HTTP_11, "outside.example.test", "/name").unwrap();
    let reply = world
        .client
        .namespace
        .run(async move { http::fetch(outside(port), Version::HTTP_11, request).await });
    assert_eq!(reply.unwrap().status, 200, "{port}");
}

#[test]
fn over_its_capacity_the_longest_idle_destination_goes_and_never_one_in_use() {
    let ports = [8091, 8092, 8093, 8094];
    let world = meshed_with(|world| {
        world
            .client
            .config
            .set("OUTBOUND_ROUTER_CAPACITY", 2)
            .set("OUTBOUND_DISCOVERY_IDLE_TIMEOUT", "10m")
            .set("DESTINATION_PROFILE_NETWORKS", "10.0.0.0/8");
        for port in ports {
            let endpoint = answers::endpoint(outside(port));
            let backend = outbound::forward("egress", port, endpoint);
            let route = outbound::route("all", vec![outbound::rule(vec![], outbound::first(&backend))]);
            let policy = outbound::egress("egress", port, outbound::detect(vec![route], &backend, None));
            world.plane.set_outbound(outside(port), Answer::Value(policy));
        }
    });
    let listen = |port| SocketAddr::from(([0, 0, 0, 0], port));
    let _apps = ports.map(|port| App::start(&world.control, listen(port), "outside").unwrap());
    let asked = |port: u16| world.plane.count("OutboundPolicies/Watch", &outside(port).to_string());
    let [a, b, c, d] = ports;
    // Who is idle is looked at about once a second.
    let later = || std::thread::sleep(Duration::from_millis(2500));
    reach(&world, a);
    later();
    reach(&world, b);
    later();
    reach(&world, c);
    assert_eq!(held(&world.client), [outside(b).to_string(), outside(c).to_string()]);
    reach(&world, b);
    assert_eq!([a, b, c].map(asked), [1, 1, 1]);
    reach(&world, a);
    assert_eq!([a, b].map(asked), [2, 1], "a was forgotten, b was used after c");
    // A connection that is open keeps its destination.
    let open = world.client.namespace.run(async move {
        let mut streams = Vec::new();
        for port in [a, b, c] {
            streams.push(mesh_tests::mesh::tcp::connect(outside(port)).await.unwrap());
        }
        streams
    });
    let of_three = || held(&world.client).len() == 3;
    eventually("three in use", Duration::from_secs(5), of_three);
    reach(&world, d);
    let known = held(&world.client);
    assert!([a, b, c].iter().all(|port| known.contains(&outside(*port).to_string())), "{known:?}");
    drop(open);
}
