//! What is counted, under which names.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use ::http::Version;
use mesh_tests::mesh::Metrics;
use mesh_tests::mesh::answers::inbound::{self, Who};
use mesh_tests::mesh::{APP_PORT, Answer};

use crate::kit::{Calls, authority, eventually, meshed};

/// Asserts that a family has grown by `by` in series with these labels.
fn assert_delta(before: &Metrics, after: &Metrics, family: &str, labels: &[(&str, &str)], by: f64) {
    let delta = after.sum(family, labels) - before.sum(family, labels);
    let series: Vec<_> = after.matching(family, &[]).collect();
    assert!((delta - by).abs() < 1e-6, "{family}{labels:?} grew by {delta}, not {by}: {series:?}");
}

#[test]
fn requests_are_counted_at_both_ends() {
    let world = meshed();
    let (client, server) = (world.client.proxy().unwrap(), world.server.proxy().unwrap());
    world.http1("/name");
    let before = (client.metrics().unwrap(), server.metrics().unwrap());
    for _ in 0..5 {
        assert_eq!(world.http1("/name").status, 200);
    }
    world.http1("/status/500");
    let authority = authority();
    let server_id = world.server.identity.clone();
    let after = client
        .wait_for_metrics("six responses", |metrics| {
            metrics.sum("response_total", &[("direction", "outbound")])
                >= before.0.sum("response_total", &[("direction", "outbound")]) + 6.0
        })
        .unwrap();
    let outbound = [
        ("direction", "outbound"),
        ("authority", authority.as_str()),
        ("tls", "true"),
        ("server_id", server_id.as_str()),
        ("target_addr", "10.7.1.3:8080"),
        ("dst_pod", "server"),
    ];
    assert_delta(&before.0, &after, "request_total", &outbound, 6.0);
    let with = |more: &[(&'static str, &'static str)]| [&outbound[..], more].concat();
    let success = with(&[("status_code", "200"), ("classification", "success")]);
    assert_delta(&before.0, &after, "response_total", &success, 5.0);
    let failure = with(&[("status_code", "500"), ("classification", "failure")]);
    assert_delta(&before.0, &after, "response_total", &failure, 1.0);
    assert_delta(&before.0, &after, "response_latency_ms_count", &with(&[("status_code", "200")]), 5.0);
    let route = [("parent_name", "web"), ("route_name", "default"), ("http_status", "200")];
    assert_delta(&before.0, &after, "outbound_http_route_request_statuses_total", &route, 5.0);

    let after = server.metrics().unwrap();
    let client_id = world.client.identity.clone();
    let inbound = [
        ("direction", "inbound"),
        ("tls", "true"),
        ("client_id", client_id.as_str()),
        ("target_port", "8080"),
        ("srv_name", "all-unauthenticated"),
    ];
    assert_delta(&before.1, &after, "request_total", &inbound, 6.0);
    let allowed = [("srv_name", "all-unauthenticated"), ("authz_name", "all"), ("target_port", "8080")];
    assert_delta(&before.1, &after, "inbound_http_authz_allow_total", &allowed, 6.0);
}

#[test]
fn refusals_are_counted() {
    let world = meshed();
    let nobody = inbound::server(
        "web",
        inbound::detect(),
        vec![inbound::authorization("rule", Who::Only(vec!["nobody.test".to_owned()]))],
    );
    world.plane.set_inbound("server", APP_PORT, Answer::Value(nobody));
    eventually("the refusal", Duration::from_secs(3), || world.http1("/name").status == 403);
    let server = world.server.proxy().unwrap();
    let metrics = server.metrics().unwrap();
    assert!(metrics.sum("inbound_http_authz_deny_total", &[("srv_name", "web")]) >= 1.0, "{metrics}");
}

#[test]
fn connections_are_counted_with_their_octets() {
    let world = meshed();
    world.http1("/bytes/100000");
    let client = world.client.proxy().unwrap();
    let metrics = client
        .wait_for_metrics("octets", |metrics| {
            metrics.sum("tcp_write_bytes_total", &[("direction", "outbound"), ("peer", "src")]) > 100_000.0
        })
        .unwrap();
    for (family, peer) in [("tcp_open_total", "src"), ("tcp_open_total", "dst"), ("tcp_close_total", "src")] {
        assert!(
            metrics.sum(family, &[("direction", "outbound"), ("peer", peer)]) >= 1.0,
            "{family} {peer}\n{metrics}"
        );
    }
}

#[test]
fn families_about_the_proxy_itself_are_there() {
    let world = meshed();
    world.http1("/name");
    world.http2("/name");
    let proxy = world.client.proxy().unwrap();
    // Levels are published about once a second.
    let metrics = proxy
        .wait_for_metrics("endpoints", |metrics| {
            metrics.sum("outbound_http_balancer_endpoints", &[("endpoint_state", "ready")]) >= 1.0
        })
        .unwrap();
    let expected = [
        "proxy_build_info",
        "rustls_info",
        "process_start_time_seconds",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "control_identity_cert_expiration_timestamp_seconds",
        "control_identity_cert_refreshes_total",
        "control_request_total",
        "control_response_total",
        "outbound_tcp_protocol_connections_total",
        "outbound_tcp_detect_http_results_total",
        "outbound_http_balancer_endpoints",
    ];
    let missing: Vec<_> = expected.into_iter().filter(|family| !metrics.has(family, &[])).collect();
    assert!(missing.is_empty(), "{missing:?} are not among {:?}", metrics.families());
    let detected = [("protocol", "detect"), ("parent_name", "web")];
    assert!(metrics.sum("outbound_tcp_protocol_connections_total", &detected) >= 2.0, "{metrics}");
    for result in ["http/1", "http/2"] {
        let labels = [("result", result), ("parent_name", "web")];
        assert!(metrics.sum("outbound_tcp_detect_http_results_total", &labels) >= 1.0, "{result}\n{metrics}");
    }
}

#[test]
fn prometheus_reads_the_exposition() {
    let world = meshed();
    world.http1("/name");
    world.outsider(Version::HTTP_11, "/name").unwrap();
    for proxy in [world.client.proxy().unwrap(), world.server.proxy().unwrap()] {
        let (status, text) = proxy.admin("GET", "/metrics").unwrap();
        assert_eq!(status, 200);
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool: install the Debian package prometheus");
        promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !said.contains("error while linting") && !said.contains("text format parsing error"),
            "{said}"
        );
    }
}

#[test]
fn hosts_are_not_named_unless_that_is_wanted() {
    let world = meshed();
    world.http1("/name");
    let proxy = world.client.proxy().unwrap();
    let metrics = proxy
        .wait_for_metrics("a request of the route", |metrics| {
            metrics.sum("outbound_http_route_request_statuses_total", &[("hostname", "")]) >= 1.0
        })
        .unwrap();
    for (labels, _) in metrics.matching("outbound_http_route_request_statuses_total", &[]) {
        assert_eq!(labels["hostname"], "");
    }
}

#[test]
fn requests_to_the_admin_port_are_counted_as_requests_that_come_in() {
    let world = meshed();
    let proxy = world.server.proxy().unwrap();
    let labels = [("direction", "inbound"), ("target_port", "4191"), ("tls", "no_identity")];
    let before = proxy.metrics().unwrap();
    for _ in 0..3 {
        assert_eq!(proxy.admin("GET", "/live").unwrap().0, 200);
    }
    assert_eq!(proxy.admin("GET", "/no-such-page").unwrap().0, 404);
    let after = proxy.metrics().unwrap();
    // The scrape itself is one.
    assert_delta(&before, &after, "request_total", &labels, 5.0);
    let with = |more: (&'static str, &'static str)| [&labels[..], &[more]].concat();
    assert_delta(&before, &after, "response_total", &with(("status_code", "404")), 1.0);
    assert_delta(&before, &after, "response_total", &with(("status_code", "200")), 4.0);
    assert_delta(&before, &after, "response_latency_ms_count", &with(("status_code", "404")), 1.0);
    let route = [("parent_name", "all-unauthenticated"), ("parent_port", "4191")];
    assert_delta(&before, &after, "inbound_http_requests_total", &route, 5.0);
    let allowed = [("target_port", "4191"), ("authz_name", "all")];
    assert_delta(&before, &after, "inbound_http_authz_allow_total", &allowed, 5.0);

    let nobody = inbound::authorization("nobody", Who::Only(vec!["nobody.test".to_owned()]));
    let server = inbound::server("admin", inbound::detect(), vec![nobody]);
    world.plane.set_inbound("server", 4191, Answer::Value(server));
    eventually("the refusal", Duration::from_secs(5), || world.admin_from_outside("GET", "/metrics") == 403);
    // The pod itself is let in still.
    let metrics = proxy.metrics().unwrap();
    let denied = [("target_port", "4191"), ("srv_name", "admin")];
    assert!(metrics.sum("inbound_http_authz_deny_total", &denied) >= 1.0, "{metrics}");
}
