//! Beginning and end.

use std::time::{Duration, Instant};

use ::http::Version;
use mesh_tests::mesh::{Certify, http, tcp};

use crate::kit::{authority, eventually, meshed, world};

#[test]
fn requests_in_flight_are_finished_before_the_end() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut world = meshed();
        let service = world.service();
        let request = http::get(version, &authority(), "/slow/1500").unwrap();
        let call = world.client.namespace.spawn(async move { http::fetch(service, version, request).await });
        let app = world.app.clone();
        eventually("the request", Duration::from_secs(5), || app.requests() > 0);
        let proxy = world.client.proxy().unwrap();
        proxy.process.terminate().unwrap();
        std::thread::sleep(Duration::from_millis(200));
        // Nothing new is accepted, and the probes go on.
        let refused = world
            .client
            .namespace
            .run(async move { tcp::ask(service, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()).await });
        assert!(refused.is_err() || refused.is_ok_and(|answer| answer.is_empty()));
        assert!(
            proxy.admin("GET", "/live").is_ok_and(|(status, _)| status == 200),
            "no probe while it drains"
        );
        let reply = world.client.namespace.run(async move { call.await.unwrap() }).unwrap();
        assert_eq!(reply.status, 200);
        let exit = world.client.proxy_mut().unwrap().process.wait(Duration::from_secs(5)).unwrap();
        assert_eq!(exit.code(), Some(0));
    }
}

#[test]
fn the_end_comes_with_the_grace_period_at_the_latest() {
    let mut world = world();
    world.client.config.set("SHUTDOWN_GRACE_PERIOD", "1s");
    world.start_proxies().unwrap();
    let service = world.service();
    let request = http::get(Version::HTTP_11, &authority(), "/slow/60000").unwrap();
    let call =
        world.client.namespace.spawn(async move { http::fetch(service, Version::HTTP_11, request).await });
    let app = world.app.clone();
    eventually("the request", Duration::from_secs(5), || app.requests() > 0);
    let start = Instant::now();
    let exit = world.client.stop_proxy(Duration::from_secs(5)).unwrap();
    assert_eq!(exit.code(), Some(0));
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    drop(call);
}

#[test]
fn without_a_certificate_the_end_is_immediate() {
    let mut world = world();
    world.plane.set_certify(Certify::Silence);
    let proxy = world.client.start_proxy().unwrap();
    eventually("a live proxy", Duration::from_secs(10), || {
        proxy.admin("GET", "/live").is_ok_and(|(status, _)| status == 200)
    });
    let start = Instant::now();
    world.client.stop_proxy(Duration::from_secs(5)).unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_bad_value_ends_with_64_and_its_name() {
    for (name, value) in [
        ("OUTBOUND_CONNECT_TIMEOUT", "1 fortnight"),
        ("INBOUND_LISTEN_ADDR", "nowhere"),
        ("INBOUND_DEFAULT_POLICY", "maybe"),
        ("INGRESS_MODE", "perhaps"),
        ("INBOUND_PORTS", "80-"),
        ("DESTINATION_PROFILE_NETWORKS", "10.0.0.0/99"),
        ("IDENTITY_TRUST_ANCHORS", "not PEM"),
        ("DESTINATION_SVC_ADDR", ""),
        ("SHUTDOWN_GRACE_PERIOD", "soon"),
        ("CORES", "none"),
    ] {
        let mut world = world();
        world.client.config.set(name, value);
        let proxy = world.client.start_proxy().unwrap();
        let exit = proxy.process.wait(Duration::from_secs(10)).unwrap();
        let log = proxy.process.log();
        assert_eq!(exit.code(), Some(64), "{name}={value}: {log}");
        assert!(log.contains(&format!("LINKERD2_PROXY_{name}")), "{name}={value}: {log}");
    }
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_it() {
    let mut world = world();
    let taken =
        world.client.namespace.run(async { tokio::net::TcpListener::bind("127.0.0.1:4140").await.unwrap() });
    let proxy = world.client.start_proxy().unwrap();
    let exit = proxy.process.wait(Duration::from_secs(10)).unwrap();
    let log = proxy.process.log();
    assert!(!exit.success() && log.contains("4140"), "{exit}: {log}");
    assert!(!log.contains("panicked"), "{log}");
    drop(taken);
}
