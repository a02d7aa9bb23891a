//! The admin server.

use std::time::Duration;

use mesh_tests::mesh::answers::{self, Endpoint as _, outbound};
use mesh_tests::mesh::{APP_PORT, Answer, Certify, SERVICE_PORT, WEB};

use crate::kit::{Calls, endpoint_state, eventually, meshed, meshed_with, state, world};

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

#[test]
fn shutdown_is_not_there_unless_it_is_allowed() {
    let mut world = meshed();
    let proxy = world.client.proxy_mut().unwrap();
    let (status, body) = proxy.admin("POST", "/shutdown").unwrap();
    assert_eq!(status, 404);
    assert!(body.contains("LINKERD2_PROXY_SHUTDOWN_ENDPOINT_ENABLED"), "{body}");
    std::thread::sleep(Duration::from_millis(300));
    assert!(proxy.process.is_running().unwrap());
}

#[test]
fn a_log_level_with_a_time_is_taken_back() {
    let world = meshed();
    let proxy = world.client.proxy().unwrap();
    let level = || proxy.admin("GET", "/proxy-log-level").unwrap().1.trim().to_owned();
    let before = level();
    assert_eq!(proxy.admin_with("PUT", "/proxy-log-level?for=2s", "linkerd2_proxy=trace").unwrap().0, 204);
    assert_eq!(level(), "linkerd2_proxy=trace");
    eventually("the old level", Duration::from_secs(6), || level() == before);
    // A later change stays.
    assert_eq!(proxy.admin_with("PUT", "/proxy-log-level?for=1s", "trace").unwrap().0, 204);
    assert_eq!(proxy.admin_with("PUT", "/proxy-log-level", "warn").unwrap().0, 204);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(level(), "warn");
    for wrong in ["?for=never", "?for=0s", "?for=25h", "?level=debug"] {
        let (status, body) = proxy.admin_with("PUT", &format!("/proxy-log-level{wrong}"), "info").unwrap();
        assert_eq!(status, 400, "{wrong}: {body}");
    }
    assert_eq!(level(), "warn");
}

#[test]
fn only_the_same_pod_may_change_the_log_or_end_the_proxy() {
    let world = meshed_with(|world| {
        world.server.config.set("SHUTDOWN_ENDPOINT_ENABLED", "true");
    });
    for (method, path) in [("GET", "/proxy-log-level"), ("PUT", "/proxy-log-level"), ("POST", "/shutdown")] {
        assert_eq!(world.admin_from_outside(method, path), 403, "{method} {path}");
    }
    assert_eq!(world.admin_from_outside("GET", "/metrics"), 200);
    assert_eq!(world.admin_from_outside("GET", "/live"), 200);
}

#[test]
fn some_variables_can_be_asked_for() {
    let world = meshed();
    let proxy = world.client.proxy().unwrap();
    let (status, body) = proxy.admin("GET", "/env.json?LINKERD2_PROXY_CORES&NOT_THERE").unwrap();
    assert_eq!(status, 200);
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json, serde_json::json!({"LINKERD2_PROXY_CORES": "1", "NOT_THERE": null}));
}

#[test]
fn the_environment_hides_what_may_be_a_secret() {
    let world = meshed_with(|world| {
        world.client.config.others.extend([
            ("DB_PASSWORD".to_owned(), "hunter2".to_owned()),
            ("DATABASE_URL".to_owned(), "postgres://user:hunter2@db/x".to_owned()),
            ("HOSTNAME".to_owned(), "client-0".to_owned()),
        ]);
    });
    let proxy = world.client.proxy().unwrap();
    for path in ["/env.json", "/config.json", "/state.json"] {
        let (status, body) = proxy.admin("GET", path).unwrap();
        assert_eq!(status, 200, "{path}");
        assert!(!body.contains("hunter2"), "{path}: {body}");
        serde_json::from_str::<serde_json::Value>(&body).unwrap();
    }
    let (_, body) = proxy.admin("GET", "/env.json").unwrap();
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&json["DB_PASSWORD"], &json["HOSTNAME"]), (&"(hidden)".into(), &"client-0".into()));
}

#[test]
fn the_configuration_in_force_is_shown() {
    let world = meshed_with(|world| {
        world.client.config.set("INBOUND_HTTP_QUEUE_CAPACITY", 7).set("OUTBOUND_DETECT_TIMEOUT", "1500ms");
    });
    let (_, body) = world.client.proxy().unwrap().admin("GET", "/config.json").unwrap();
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["identity"]["id"], world.client.identity.as_str());
    assert_eq!(json["inbound"]["queue"], serde_json::json!({"capacity": 7, "failfast": "1s"}));
    assert_eq!(json["outbound"]["detect_timeout"], "1500ms");
    assert!(!body.contains("the token of client"), "{body}");
}

#[test]
fn the_state_tells_of_each_endpoint_how_it_is() {
    let second = std::net::SocketAddr::from(([10, 7, 1, 4], APP_PORT));
    let world = meshed_with(|world| {
        let breaker = outbound::consecutive_failures(3, Duration::from_secs(30), Duration::from_secs(60));
        world
            .plane
            .set_outbound(world.service(), Answer::Value(outbound::breaking(WEB, SERVICE_PORT, breaker)));
        // Nobody has this address.
        let away = answers::endpoint(std::net::SocketAddr::from(([10, 7, 1, 99], 1)));
        let away = away.meshed(&world.server.identity).h2().transport_header(4143);
        let other = answers::endpoint(second).meshed(&world.server.identity).h2().transport_header(4143);
        world.plane.set_endpoints(&format!("{WEB}:{SERVICE_PORT}"), vec![world.endpoint(), other, away]);
    });
    for _ in 0..20 {
        world.http1("/name");
    }
    let endpoint = |address: &str| {
        endpoint_state(&world, address).unwrap_or_else(|| panic!("{:#}", state(&world.client)))
    };
    let good = endpoint("10.7.1.3:8080");
    assert_eq!(good["identity"], world.server.identity.as_str(), "{good}");
    assert_eq!((&good["ready"], &good["breaker"]), (&true.into(), &"open".into()), "{good}");
    assert!(good["weight"].as_u64().is_some() && good["latency_seconds"].as_f64().is_some(), "{good}");
    assert!(good["requests"].is_number() && good["connections"].is_number(), "{good}");
    let now = state(&world.client);
    let watches = now["discovery"].as_array().unwrap();
    let watch = watches.iter().find(|watch| watch["key"] == "endpoints of web.test.svc.cluster.local:80");
    assert!(watch.unwrap()["age_seconds"].as_f64().unwrap() < 60.0, "{now:#}");
    eventually("an error of the one that is away", Duration::from_secs(10), || {
        world.http1("/name");
        let away = endpoint("10.7.1.99:1");
        away["last_error"]["error"].is_string() && away["ready"] == false
    });
    // Failures shut the breakers.
    world.app.set_status(500);
    eventually("a shut breaker", Duration::from_secs(10), || {
        world.http1("/name");
        let one = endpoint("10.7.1.3:8080");
        one["breaker"] == "shut" && one["shut_for_seconds"].as_f64().is_some_and(|time| time > 1.0)
    });
    let backend = state(&world.client)["workers"][0]["outbound"]["backends"][0].clone();
    assert!(backend["answered_seconds_ago"].as_f64().unwrap() < 60.0, "{backend:#}");
}

#[test]
fn the_state_tells_of_the_pod_itself_too() {
    let world = meshed();
    world.http1("/name");
    let json = state(&world.server);
    let inbound = &json["workers"][0]["inbound"];
    let ports = inbound["ports"].as_array().unwrap();
    assert!(ports.iter().any(|port| port["port"] == APP_PORT), "{json}");
    assert!(
        inbound["application"].as_array().unwrap().iter().any(|app| app["addr"] == "10.7.1.3:8080"),
        "{json}"
    );
    assert_eq!(json["identity"]["certificate"]["id"], world.server.identity.as_str(), "{json}");
}
