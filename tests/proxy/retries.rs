//! Attempts after the first: who asks for them, and what bounds them.

use std::time::{Duration, Instant};

use ::http::{Request, Version};
use linkerd2_proxy_api::destination;
use mesh_tests::mesh::answers::{self, duration, outbound};
use mesh_tests::mesh::http::{self, Body};
use mesh_tests::mesh::{Answer, WEB, World};

use crate::kit::{Calls, Seen, authority, call, gets, meshed_with, script, web, with_fields};

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

fn with(version: Version, path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    with_fields(http::get(version, &authority(), path).unwrap(), fields)
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
        let request = call("/a.B/C", &[("l5d-retry-grpc", condition)]);
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

/// A profile whose only route is retried where its answer is a 5xx.
fn all_retried() -> destination::DestinationProfile {
    let mut profile = answers::profile(WEB);
    profile.routes = vec![answers::retryable_route("all")];
    profile
}

#[test]
fn retries_end_with_their_budget() {
    let world = meshed_with(|world| {
        let mut profile = all_retried();
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

#[test]
fn a_retry_that_is_refused_is_counted_with_the_reason() {
    const BOUND: usize = 1024;
    let world = meshed_with(|world| {
        let mut rule = outbound::rule(vec![], outbound::first(&web()));
        let mut retry = outbound::retry(1, BOUND as u32);
        retry.timeout = duration(Duration::from_millis(400));
        rule.retry = Some(retry);
        script(world, vec![rule]);
    });
    for reply in [world.http1("/name"), world.http2("/name")] {
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let proxy = world.client.proxy().unwrap();
    let refused = |what: &str, limit, overflow| {
        proxy
            .wait_for_metrics(what, |metrics| {
                let of = |reason: &str| {
                    let name = format!("outbound_http_route_retry_{reason}_total");
                    metrics.sum(&name, &[("route_name", "tested")])
                };
                (of("limit_exceeded"), of("overflow")) == (limit, overflow)
            })
            .unwrap();
    };
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let number = number as f64;
        world.app.fail_next(2);
        let reply = world.send(version, with(version, "/name", &[])).unwrap();
        assert_eq!(reply.status, 503);
        refused("a limit that is reached", number + 1.0, number);
        // No answer in the time of an attempt, and a body that is not there any more.
        let before = world.app.requests();
        let body = vec![b'a'; 10 * BOUND];
        let request = http::request(version, "POST", &authority(), "/slow/5000", body).unwrap();
        let reply = world.send(version, request).unwrap();
        assert_eq!((reply.status.as_u16(), world.app.requests() - before), (504, 1), "{reply:?}");
        refused("a body that is too large", number + 1.0, number + 1.0);
    }
}

#[test]
fn a_body_too_large_for_the_retry_of_a_profile_is_counted() {
    let world = meshed_with(|world| {
        let mut profile = all_retried();
        profile.retry_budget = Some(destination::RetryBudget {
            retry_ratio: 1.0,
            min_retries_per_second: 100,
            ttl: duration(Duration::from_secs(10)),
        });
        world.plane.set_profile(world.service(), Answer::Value(profile));
    });
    let post = |path, octets: usize| {
        let body = vec![b'a'; octets];
        let request = http::request(Version::HTTP_2, "POST", &authority(), path, body).unwrap();
        world.send(Version::HTTP_2, request).unwrap().status.as_u16()
    };
    world.app.fail_next(1);
    assert_eq!(post("/echo", 64 * 1024), 200);
    // An answer that comes before the body is beyond the bound may be retried: this one comes after all of it.
    world.app.set_status(503);
    let before = world.app.requests();
    assert_eq!(post("/inspect", 64 * 1024 + 1), 503);
    assert_eq!(world.app.requests() - before, 1);
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("a retry that was not made", |metrics| {
            let route = [("rt_route", "all")];
            let skipped = [("rt_route", "all"), ("skipped", "body_too_large")];
            metrics.sum("route_retryable_total", &route) == 2.0
                && metrics.sum("route_retryable_total", &skipped) == 1.0
        })
        .unwrap();
}
