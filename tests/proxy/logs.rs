//! What the proxy writes: a line for each request that came in, and its own log.

use std::time::Duration;

use ::http::Version;
use mesh_tests::mesh::answers::inbound::{self, Who};
use mesh_tests::mesh::{APP_PORT, Answer, Pod, http};
use regex::Regex;

use crate::kit::{Calls, authority, eventually, meshed, meshed_with, with_fields};

/// Lines of a pod's log that look like this.
fn lines(pod: &Pod, is: impl Fn(&str) -> bool) -> Vec<String> {
    pod.proxy().unwrap().process.log().lines().filter(|line| is(line)).map(str::to_owned).collect()
}

/// Waits until there are so many, and asserts that there are no more.
fn exactly(pod: &Pod, count: usize, is: impl Fn(&str) -> bool) -> Vec<String> {
    eventually("the lines", Duration::from_secs(5), || lines(pod, &is).len() >= count);
    std::thread::sleep(Duration::from_millis(200));
    let found = lines(pod, &is);
    assert_eq!(found.len(), count, "{found:#?}");
    found
}

#[test]
fn an_access_log_has_a_line_of_json_for_each_request_that_came_in() {
    let world = meshed_with(|world| {
        for pod in [&mut world.client, &mut world.server] {
            pod.config.set("ACCESS_LOG", "json");
        }
    });
    let request = http::request(Version::HTTP_2, "POST", &authority(), "/bytes/12?x=%22", "hello").unwrap();
    let fields = [("x-b3-traceid", "463ac35c9f6413ad"), ("user-agent", "tester/1"), ("content-length", "5")];
    let request = with_fields(request, &fields);
    assert_eq!(world.send(Version::HTTP_2, request).unwrap().status, 200);
    let is_access = |line: &str| line.contains("\"client.addr\"");
    let line = exactly(&world.server, 1, is_access).remove(0);
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    for (name, value) in [
        ("client.id", world.client.identity.as_str()),
        ("method", "POST"),
        ("uri", "/bytes/12?x=%22"),
        ("version", "HTTP/2.0"),
        ("trace_id", "463ac35c9f6413ad"),
        ("request_bytes", "5"),
        ("response_bytes", "12"),
        ("user_agent", "tester/1"),
        ("host", &authority()),
    ] {
        assert_eq!(json[name], value, "{name} of {line}");
    }
    assert_eq!(json["status"], 200);
    let client: std::net::SocketAddr = json["client.addr"].as_str().unwrap().parse().unwrap();
    assert_eq!(client.ip().to_string(), "10.7.1.2");
    assert!(json["total_ns"].as_u64().unwrap() >= json["processing_ns"].as_u64().unwrap());
    assert!(json["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    assert!(lines(&world.client, is_access).is_empty(), "only what comes in is logged");
}

#[test]
fn an_access_log_in_the_common_form_holds_refusals_as_well() {
    let world = meshed_with(|world| {
        world.server.config.set("ACCESS_LOG", "apache");
        let rule = inbound::authorization("mesh", Who::Meshed);
        let server = inbound::server("web", inbound::detect(), vec![rule]);
        world.plane.set_inbound("server", APP_PORT, Answer::Value(server));
        world.server.config.set("INBOUND_DEFAULT_POLICY", "deny");
    });
    eventually("the policy", Duration::from_secs(5), || world.http1("/bytes/7").status == 200);
    assert_eq!(world.outsider(Version::HTTP_11, "/secret").unwrap().status, 403);
    let identity = regex::escape(&world.client.identity);
    let time = r"\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z\]";
    let served =
        Regex::new(&format!(r#"^10\.7\.1\.2:\d+ {identity} - {time} "GET /bytes/7 HTTP/1\.1" 200 7$"#))
            .unwrap();
    let refused =
        Regex::new(&format!(r#"^10\.7\.3\.1:\d+ - - {time} "GET /secret HTTP/1\.1" 403 (-|0)$"#)).unwrap();
    exactly(&world.server, 1, |line| served.is_match(line));
    exactly(&world.server, 1, |line| refused.is_match(line));
}

#[test]
fn without_being_asked_for_there_is_no_access_log() {
    let world = meshed();
    assert_eq!(world.http1("/never-logged").status, 200);
    std::thread::sleep(Duration::from_millis(300));
    assert!(lines(&world.server, |line| line.contains("/never-logged")).is_empty());
}

#[test]
fn every_line_of_a_log_in_json_is_an_object() {
    let world = meshed_with(|world| {
        world.server.config.set("LOG_FORMAT", "JSON").set("LOG", "info,linkerd2_proxy=debug,proxy_net=debug");
    });
    world.http1("/name");
    world.outsider(Version::HTTP_11, "/name").unwrap();
    let all = lines(&world.server, |_| true);
    assert!(all.len() > 5, "{all:?}");
    for line in all {
        let json: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        for name in ["timestamp", "level", "target", "fields", "threadId"] {
            assert!(!json[name].is_null(), "{name} in {line}");
        }
        assert!(json["fields"]["message"].is_string(), "{line}");
    }
}

#[test]
fn every_line_of_a_plain_log_begins_with_time_level_and_thread() {
    let world = meshed_with(|world| {
        world.server.config.set("LOG", "info,linkerd2_proxy=debug,proxy_net=debug");
    });
    world.http1("/name");
    let form = Regex::new(r"^\[ *\d+\.\d{6}s\] +(TRACE|DEBUG|INFO|WARN|ERROR) ThreadId\(\d+\) .+").unwrap();
    let all = lines(&world.server, |_| true);
    assert!(all.len() > 5, "{all:?}");
    for line in all {
        assert!(form.is_match(&line), "{line}");
    }
}

#[test]
fn a_log_can_be_off() {
    let world = meshed_with(|world| {
        world.server.config.set("LOG", "off");
    });
    world.http1("/name");
    assert_eq!(lines(&world.server, |_| true), [""; 0]);
}
