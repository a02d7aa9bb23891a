//! Which backend, and which of its endpoints: order, weights and zones.

use std::time::Duration;

use linkerd2_proxy_api::destination::WeightedAddr;
use mesh_tests::mesh::answers::{Endpoint as _, outbound};
use mesh_tests::mesh::{App, SERVICE_PORT, World};

use crate::kit::{
    Calls, app_at, authority, endpoint_at, eventually, gets, meshed, meshed_with, neighbour, script, web,
};

/// Applications at two further addresses of the server pod.
fn apps(world: &World) -> [App; 2] {
    [4, 5].map(|octet| app_at(world, octet))
}

/// Their endpoints, of equal weight.
fn endpoints(world: &World) -> [WeightedAddr; 2] {
    [4, 5].map(|octet| endpoint_at(world, octet))
}

/// Sends a request, and waits until both endpoints are connected to.
fn connect_both(world: &World) {
    assert_eq!(world.http1("/name").status, 200);
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("two endpoints", |metrics| {
            let ready = [("endpoint_state", "ready"), ("parent_name", "web")];
            metrics.sum("outbound_http_balancer_endpoints", &ready) == 2.0
        })
        .unwrap();
}

/// Sends so many rounds of requests once both applications are connected to; how many each of them got.
fn shares(world: &World, apps: &[App; 2], rounds: usize) -> [usize; 2] {
    connect_both(world);
    let before = [apps[0].requests(), apps[1].requests()];
    for _ in 0..rounds {
        // At the same time and equally slow, so that latency says nothing.
        let replies = world.at_once(gets(40, "/slow/40"));
        assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
    }
    [apps[0].requests() - before[0], apps[1].requests() - before[1]]
}

#[test]
fn the_next_backend_serves_while_the_first_cannot() {
    let world = meshed_with(|world| {
        let spare = outbound::balancer("spare.test.svc.cluster.local", SERVICE_PORT);
        script(world, vec![outbound::rule(vec![], outbound::in_order(&[&web(), &spare]))]);
    });
    let (spare, _) = neighbour(&world, "spare", 8081);
    let server = || world.http2("/name").header("x-server").map(str::to_owned);
    eventually("the first backend", Duration::from_secs(10), || server().as_deref() == Some("web"));
    let before = spare.requests();
    for _ in 0..20 {
        assert_eq!(server().as_deref(), Some("web"));
    }
    assert_eq!(spare.requests(), before);
    world.plane.set_endpoints(&authority(), Vec::new());
    eventually("the second backend", Duration::from_secs(5), || server().as_deref() == Some("spare"));
    for _ in 0..20 {
        assert_eq!(server().as_deref(), Some("spare"));
    }
    world.plane.set_endpoints(&authority(), vec![world.endpoint()]);
    eventually("the first backend again", Duration::from_secs(5), || server().as_deref() == Some("web"));
}

#[test]
fn an_endpoint_gets_its_weight() {
    let world = meshed();
    let apps = apps(&world);
    let [one, two] = endpoints(&world);
    world.script_web(vec![one.weight(30_000), two.weight(10_000)]);
    let [many, few] = shares(&world, &apps, 20);
    // A quarter of 800. What is in flight pulls towards the weights, so it scatters less than by chance alone (12).
    assert!((120..=290).contains(&few), "{many} and {few} of 800");
}

#[test]
fn the_own_zone_is_preferred_and_the_other_is_there_in_need() {
    let world = meshed();
    let apps = apps(&world);
    let [near, far] = endpoints(&world);
    let (near, far) = (near.label("zone_locality", "local"), far.label("zone_locality", "remote"));
    world.script_web(vec![near, far.clone()]);
    let service = world.service();
    let proxy = world.client.proxy().unwrap();
    connect_both(&world);
    let before = [apps[0].requests(), apps[1].requests()];
    world.client.namespace.run(async move {
        // One after the other, so that the own zone is never under load.
        let mut client = mesh_tests::mesh::http::Client::http2(service).await.unwrap();
        for request in gets(100, "/name") {
            assert_eq!(client.send(request).await.unwrap().status, 200);
        }
    });
    let after = [apps[0].requests() - before[0], apps[1].requests() - before[1]];
    assert!(after[0] >= 95, "{after:?} of 100");
    let octets = |zone| [("op", "Send"), ("zone_locality", zone)];
    proxy
        .wait_for_metrics("octets by zone", |metrics| {
            let of = |zone| metrics.sum("outbound_tcp_transfer_cost_bytes_total", &octets(zone));
            of("Local") > of("Remote") && of("Local") > 1000.0
        })
        .unwrap();
    world.plane.set_endpoints(&authority(), vec![far]);
    eventually("the other zone", Duration::from_secs(5), || {
        world.http2("/name").header("x-server") == Some("app-5")
    });
}
