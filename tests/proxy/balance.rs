//! Endpoints: which one, and what if none.

use std::time::{Duration, Instant};

use linkerd2_proxy_api::destination::WeightedAddr;
use mesh_tests::mesh::answers::{self, Endpoint as _, outbound};
use mesh_tests::mesh::{Answer, App, SERVICE_PORT, WEB, World};

use crate::kit::{Calls, app_at, endpoint_at, eventually, gets, meshed, meshed_with};

/// Applications at further addresses of the server pod, by the last octet.
fn apps(world: &World) -> Vec<App> {
    (4..=6).map(|octet| app_at(world, octet)).collect()
}

/// Slow requests at the same time, so that none is spared by its latency: their statuses.
fn call_at_once(world: &World, count: usize) -> Vec<u16> {
    world.at_once(gets(count, "/slow/20")).iter().map(|reply| reply.status.as_u16()).collect()
}

#[test]
fn all_endpoints_get_requests_and_removed_ones_none() {
    let world = meshed();
    let apps = apps(&world);
    world.script_web((4..=6).map(|octet| endpoint_at(&world, octet)).collect());
    // The first connection to each of them may take its time.
    eventually("requests to all of them", Duration::from_secs(20), || {
        assert_eq!(call_at_once(&world, 30), [200; 30]);
        apps.iter().all(|app| app.requests() > 5)
    });
    world.script_web(vec![endpoint_at(&world, 4), endpoint_at(&world, 5)]);
    let left = [("endpoint_state", "ready")];
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("two endpoints", |metrics| {
            metrics.sum("outbound_http_balancer_endpoints", &left) == 2.0
        })
        .unwrap();
    let before = apps[2].requests();
    assert_eq!(call_at_once(&world, 50), [200; 50]);
    assert_eq!(apps[2].requests(), before);
}

#[test]
fn an_endpoint_that_fails_is_left_alone_for_a_while() {
    let world = meshed_with(|world| {
        let breaker = outbound::consecutive_failures(3, Duration::from_secs(300), Duration::from_secs(600));
        let policy = outbound::breaking(WEB, SERVICE_PORT, breaker);
        world.plane.set_outbound(world.service(), Answer::Value(policy));
    });
    let apps = apps(&world);
    apps[0].set_status(500);
    world.plane.set_endpoints(
        &format!("{WEB}:{SERVICE_PORT}"),
        vec![endpoint_at(&world, 4), endpoint_at(&world, 5)],
    );
    // Both are connected before anything is concluded from an endpoint that is not ready.
    eventually("three failures", Duration::from_secs(20), || {
        call_at_once(&world, 10);
        apps[0].requests() >= 3 && apps[1].requests() >= 3
    });
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("breaker that is open", |metrics| {
            let endpoints =
                |state| metrics.sum("outbound_http_balancer_endpoints", &[("endpoint_state", state)]);
            endpoints("ready") == 1.0 && endpoints("pending") == 1.0
        })
        .unwrap();
    let before = apps[0].requests();
    assert_eq!(call_at_once(&world, 50), [200; 50]);
    assert_eq!(apps[0].requests(), before, "an endpoint was called while its breaker was open");
}

#[test]
fn an_endpoint_that_has_recovered_is_used_again() {
    let world = meshed_with(|world| {
        let breaker = outbound::consecutive_failures(3, Duration::from_millis(300), Duration::from_secs(1));
        let policy = outbound::breaking(WEB, SERVICE_PORT, breaker);
        world.plane.set_outbound(world.service(), Answer::Value(policy));
    });
    let apps = apps(&world);
    apps[0].set_status(500);
    world.plane.set_endpoints(
        &format!("{WEB}:{SERVICE_PORT}"),
        vec![endpoint_at(&world, 4), endpoint_at(&world, 5)],
    );
    eventually("failures", Duration::from_secs(20), || {
        call_at_once(&world, 10);
        apps[0].requests() >= 3
    });
    apps[0].set_status(0);
    let before = apps[0].requests();
    eventually("requests to an endpoint that has recovered", Duration::from_secs(20), || {
        call_at_once(&world, 10);
        apps[0].requests() > before + 10
    });
}

#[test]
fn without_endpoints_requests_fail_fast_and_say_why() {
    let world = meshed_with(|world| {
        world.client.config.set("OUTBOUND_HTTP_FAILFAST_TIMEOUT", "500ms");
    });
    world.script_web(Vec::new());
    let start = Instant::now();
    let reply = world.http1("/name");
    assert!(matches!(reply.status.as_u16(), 503 | 504), "{reply:?}");
    assert!(reply.header("l5d-proxy-error").is_some(), "{reply:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let start = Instant::now();
    assert!(matches!(world.http1("/name").status.as_u16(), 503 | 504));
    assert!(start.elapsed() < Duration::from_secs(2), "the second one took {:?}", start.elapsed());
    world.script_web(vec![world.endpoint()]);
    eventually("requests that pass again", Duration::from_secs(5), || world.http1("/name").status == 200);
}

#[test]
fn an_endpoint_that_is_not_there_is_an_error_with_a_reason() {
    let world = meshed();
    // A pod with a proxy would take the connection; outside nothing listens.
    world.script_web(vec![answers::endpoint("198.51.100.7:9".parse().unwrap())]);
    let reply = world.http1("/name");
    assert!(matches!(reply.status.as_u16(), 502..=504), "{reply:?}");
    assert!(reply.header("l5d-proxy-error").is_some(), "{reply:?}");
}

#[test]
fn an_endpoint_with_another_identity_is_not_spoken_to() {
    let world = meshed();
    world.script_web(vec![endpoint_of_somebody_else()]);
    let before = world.app.requests();
    let reply = world.http1("/name");
    assert!(matches!(reply.status.as_u16(), 502..=504), "{reply:?}");
    assert_eq!(world.app.requests(), before);
}

fn endpoint_of_somebody_else() -> WeightedAddr {
    answers::endpoint("10.7.1.3:8080".parse().unwrap())
        .meshed("somebody.else.serviceaccount.identity.linkerd.cluster.local")
        .h2()
        .transport_header(4143)
}
