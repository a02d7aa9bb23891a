//! Attempts after the first: who asks for them, and what bounds them.

use std::time::{Duration, Instant};

use ::http::{Request, Version};
use linkerd2_proxy_api::destination;
use linkerd2_proxy_api::destination::{request_match, response_match};
use mesh_tests::mesh::answers::{self, duration, outbound};
use mesh_tests::mesh::http::{self, Body};
use mesh_tests::mesh::{Answer, WEB, World};

use crate::kit::{Calls, Seen, authority, gets, meshed_with, script, web};

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// A world whose only rule lets clients ask for retries and time limits, or does not.
fn wishes(allowed: bool) -> World {
    let world = meshed_with(|world| {
        let mut rule = outbound::rule(vec![], outbound::first(&web()));
        rule.allow_l5d_request_headers = allowed;
        script(world, vec![rule]);
    });
    // The first request of each version may also wait for what the server's proxy looks up.
    for reply in [world.http1("/name"), world.http2("/name")] {
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    world
}

fn with(version: Version, path: &str, fields: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = http::get(version, &authority(), path).unwrap();
    for (name, value) in fields {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

#[test]
fn clients_ask_for_retries_where_they_may() {
    let world = wishes(true);
    for version in VERSIONS {
        let limit = [("l5d-retry-http", "500,502-504"), ("l5d-retry-limit", "2")];
        let before = world.app.requests();
        world.app.fail_next(2);
        let seen = Seen::new(world.send(version, with(version, "/inspect", &limit)).unwrap());
        assert_eq!(world.app.requests() - before, 3, "{version:?}");
        assert_eq!(seen.fields("l5d-retry-http"), [""; 0], "{seen:?}");
        assert_eq!(seen.fields("l5d-retry-limit"), [""; 0], "{seen:?}");
        // One more failure than the limit, and a status that is not in the list.
        for (failures, path, fields, status, attempts) in [
            (3, "/name", &limit[..], 503, 3),
            (0, "/status/501", &limit, 501, 1),
            (1, "/name", &[("l5d-retry-http", "gateway-error")], 200, 2),
            (1, "/name", &[("l5d-retry-http", "nonsense")], 503, 1),
            (1, "/name", &[("l5d-retry-limit", "5")], 503, 1),
        ] {
            let before = world.app.requests();
            world.app.fail_next(failures);
            let reply = world.send(version, with(version, path, fields)).unwrap();
            world.app.fail_next(0);
            let came = (reply.status.as_u16(), world.app.requests() - before);
            assert_eq!(came, (status, attempts), "{version:?} {path} {fields:?} after {failures} failures");
        }
    }
}

#[test]
fn clients_ask_for_retries_of_grpc_where_they_may() {
    let world = wishes(true);
    for (condition, attempts, status) in [("unavailable,internal", 2, "0"), ("cancelled", 1, "14")] {
        let mut request = http::request(Version::HTTP_2, "POST", &authority(), "/a.B/C", "").unwrap();
        for (name, value) in
            [("content-type", "application/grpc"), ("te", "trailers"), ("l5d-retry-grpc", condition)]
        {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let before = world.app.requests();
        world.app.fail_next(1);
        let reply = world.send(Version::HTTP_2, request).unwrap();
        world.app.fail_next(0);
        let came = reply.trailer("grpc-status").or(reply.header("grpc-status"));
        assert_eq!((came, world.app.requests() - before), (Some(status), attempts), "{condition}: {reply:?}");
    }
}

#[test]
fn clients_ask_for_time_limits_where_they_may() {
    let world = wishes(true);
    for version in VERSIONS {
        for (name, path, status) in [
            ("l5d-timeout", "/slow/5000", 504),
            ("l5d-request-timeout", "/slow/5000", 504),
            ("l5d-response-timeout", "/slow/5000", 504),
            ("l5d-timeout", "/slow/1", 200),
        ] {
            let start = Instant::now();
            let limit = if status == 200 { "8s" } else { "300ms" };
            let reply = world.send(version, with(version, path, &[(name, limit)])).unwrap();
            assert_eq!(reply.status, status, "{version:?} {name}: {reply:?}");
            assert_eq!(reply.header("l5d-proxy-error").is_some(), status == 504, "{reply:?}");
            assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        }
    }
}

#[test]
fn clients_ask_for_a_limit_of_each_attempt() {
    let world = wishes(true);
    let fields = [("l5d-retry-timeout", "300ms"), ("l5d-retry-limit", "2"), ("l5d-retry-http", "5xx")];
    let before = world.app.requests();
    let start = Instant::now();
    // The last attempt has no limit of its own.
    let reply = world.send(Version::HTTP_2, with(Version::HTTP_2, "/slow/1200", &fields)).unwrap();
    assert_eq!((reply.status.as_u16(), world.app.requests() - before), (200, 3), "{reply:?}");
    assert!(start.elapsed() > Duration::from_millis(1800), "{:?}", start.elapsed());
}

#[test]
fn wishes_pass_untouched_where_they_are_not_allowed() {
    let world = wishes(false);
    for version in VERSIONS {
        let fields = [("l5d-retry-http", "5xx"), ("l5d-retry-limit", "3"), ("l5d-timeout", "1ms")];
        let seen = Seen::new(world.send(version, with(version, "/inspect", &fields)).unwrap());
        for (name, value) in fields {
            assert_eq!(seen.fields(name), [value], "{name}");
        }
        let before = world.app.requests();
        world.app.fail_next(1);
        let reply = world.send(version, with(version, "/name", &fields)).unwrap();
        assert_eq!((reply.status.as_u16(), world.app.requests() - before), (503, 1));
    }
}

#[test]
fn a_body_is_sent_again_up_to_its_bound() {
    const BOUND: usize = 32 * 1024;
    let world = meshed_with(|world| {
        let mut rule = outbound::rule(vec![], outbound::first(&web()));
        rule.retry = Some(outbound::retry(3, BOUND as u32));
        script(world, vec![rule]);
    });
    assert_eq!(world.http1("/name").status, 200);
    for version in VERSIONS {
        for (octets, status, attempts) in [(BOUND, 200, 3), (BOUND + 1, 503, 1), (10 * BOUND, 503, 1)] {
            let body: Vec<u8> = (0..octets).map(|number| b'a' + (number % 26) as u8).collect();
            let before = world.app.requests();
            world.app.fail_next(2);
            let request = http::request(version, "POST", &authority(), "/echo", body.clone()).unwrap();
            let reply = world.send(version, request).unwrap();
            world.app.fail_next(0);
            let came = (reply.status.as_u16(), world.app.requests() - before);
            assert_eq!(came, (status, attempts), "{version:?} with {octets} octets");
            assert!(status != 200 || reply.body == body, "{version:?}: another body came back");
        }
    }
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("retries that were too large", |metrics| {
            metrics.sum("outbound_http_route_retry_overflow_total", &[("route_name", "tested")]) == 4.0
        })
        .unwrap();
}

#[test]
fn retries_end_with_their_budget() {
    let world = meshed_with(|world| {
        let mut profile = answers::profile(WEB);
        profile.routes = vec![destination::Route {
            condition: Some(destination::RequestMatch {
                r#match: Some(request_match::Match::Path(destination::PathMatch { regex: "/.*".to_owned() })),
            }),
            metrics_labels: [("route".to_owned(), "all".to_owned())].into(),
            is_retryable: true,
            response_classes: vec![destination::ResponseClass {
                condition: Some(destination::ResponseMatch {
                    r#match: Some(response_match::Match::Status(destination::HttpStatusRange {
                        min: 500,
                        max: 599,
                    })),
                }),
                is_failure: true,
            }],
            ..destination::Route::default()
        }];
        // Over its 60 seconds: one retry for ten requests, and nothing without them.
        profile.retry_budget = Some(destination::RetryBudget {
            retry_ratio: 0.1,
            min_retries_per_second: 0,
            ttl: duration(Duration::from_secs(60)),
        });
        world.plane.set_profile(world.service(), Answer::Value(profile));
    });
    world.app.set_status(500);
    let replies = world.at_once(gets(100, "/name"));
    assert!(replies.iter().all(|reply| reply.status == 500), "{replies:?}");
    let retries = world.app.requests() - 100;
    // A retry may fail and be retried; requests that come before nine others have none.
    assert!((1..=10).contains(&retries), "{retries} retries of 100 requests");
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("retries without a budget", |metrics| {
            let route = [("rt_route", "all")];
            let skipped = [("rt_route", "all"), ("skipped", "no_budget")];
            metrics.sum("route_request_total", &route) == 100.0
                && metrics.sum("route_actual_request_total", &route) == (100 + retries) as f64
                && metrics.sum("route_retryable_total", &skipped) == 100.0
        })
        .unwrap();
}
