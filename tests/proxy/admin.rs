//! The admin server.

use std::time::Duration;

use mesh_tests::mesh::Certify;

use crate::kit::{Calls, eventually, meshed, meshed_with, world};

#[test]
fn a_proxy_is_live_at_once_and_ready_with_its_certificate() {
    let mut world = world();
    world.plane.set_certify(Certify::Silence);
    world.client.start_proxy().unwrap();
    let proxy = world.client.proxy().unwrap();
    eventually("a live proxy", Duration::from_secs(10), || {
        proxy.admin("GET", "/live").is_ok_and(|(status, _)| status == 200)
    });
    let (status, body) = proxy.admin("GET", "/ready").unwrap();
    assert_eq!((status, body.contains("not ready")), (503, true), "{body}");
    world.plane.set_certify(Certify::Issue(Duration::from_secs(3600)));
    world.plane.disconnect();
    eventually("a ready proxy", Duration::from_secs(20), || {
        proxy.admin("GET", "/ready").is_ok_and(|(status, _)| status == 200)
    });
}

#[test]
fn pages_answer_with_the_right_status() {
    let world = meshed();
    let proxy = world.client.proxy().unwrap();
    for (method, path, expected) in [
        ("GET", "/ready", 200),
        ("GET", "/live", 200),
        ("GET", "/metrics", 200),
        ("GET", "/env.json", 200),
        ("GET", "/proxy-log-level", 200),
        ("GET", "/no-such-page", 404),
        ("GET", "/shutdown", 405),
    ] {
        let (status, body) = proxy.admin(method, path).unwrap();
        assert_eq!(status, expected, "{method} {path}: {body}");
    }
}

#[test]
fn the_environment_is_shown_without_secrets() {
    let world = meshed();
    let proxy = world.client.proxy().unwrap();
    let (_, body) = proxy.admin("GET", "/env.json").unwrap();
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["LINKERD2_PROXY_POLICY_WORKLOAD"], "client", "{body}");
    assert!(!body.contains("the token of client"), "{body}");
}

#[test]
fn the_log_changes_while_the_proxy_runs() {
    let world = meshed();
    let proxy = world.client.proxy().unwrap();
    let (status, body) = proxy.admin_with("PUT", "/proxy-log-level", "trace").unwrap();
    assert_eq!(status, 204, "{body}");
    let (_, level) = proxy.admin("GET", "/proxy-log-level").unwrap();
    assert!(level.contains("trace"), "{level}");
    let (status, _) = proxy.admin_with("PUT", "/proxy-log-level", "=nonsense=").unwrap();
    assert_eq!(status, 400);
    assert_eq!(world.http1("/name").status, 200);
}

#[test]
fn the_state_of_a_destination_is_shown() {
    let world = meshed();
    world.http1("/name");
    let proxy = world.client.proxy().unwrap();
    let (status, body) = proxy.admin("GET", "/state.json").unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("10.7.1.3:8080"), "{body}");
    serde_json::from_str::<serde_json::Value>(&body).unwrap();
}

#[test]
fn shutdown_can_be_asked_for_where_that_is_allowed() {
    let mut world = meshed_with(|world| {
        world.client.config.set("SHUTDOWN_ENDPOINT_ENABLED", "true");
    });
    let proxy = world.client.proxy_mut().unwrap();
    let (status, _) = proxy.admin("POST", "/shutdown").unwrap();
    assert_eq!(status, 200);
    let exit = proxy.process.wait(Duration::from_secs(5)).unwrap();
    assert_eq!(exit.code(), Some(0));
}
