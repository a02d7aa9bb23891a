//! Where requests go, and what happens to them on the way.

use std::time::{Duration, Instant};

use ::http::Version;
use linkerd2_proxy_api::destination;
use linkerd2_proxy_api::http_route::{RequestHeaderModifier, RequestRedirect, Timeouts};
use linkerd2_proxy_api::http_types::{self, headers::Header};
use linkerd2_proxy_api::outbound::http_route::{Rule, filter};
use mesh_tests::mesh::answers::{self, duration, outbound};
use mesh_tests::mesh::{Answer, App, SERVICE_PORT, WEB, World, http};

use crate::kit::{Calls, authority, eventually, meshed, meshed_with, neighbour, script, web};

const OTHER: &str = "other.test.svc.cluster.local";

/// A second application at the server pod, behind a service of its own.
fn other(world: &World) -> App {
    neighbour(world, "other", 8081).0
}

fn rule(path: &str) -> Rule {
    outbound::rule(vec![outbound::prefix(path)], outbound::first(&web()))
}

#[test]
fn a_route_leads_to_another_service() {
    let world = meshed_with(|world| {
        let backend = outbound::balancer(OTHER, SERVICE_PORT);
        script(world, vec![outbound::rule(vec![outbound::prefix("/inspect")], outbound::first(&backend))]);
    });
    let _other = other(&world);
    assert_eq!(world.http1("/inspect").header("x-server"), Some("other"));
    assert_eq!(world.http2("/inspect").header("x-server"), Some("other"));
    assert_eq!(world.http1("/name").header("x-server"), Some("web"));
}

#[test]
fn weights_divide_requests() {
    let world = meshed_with(|world| {
        let (web, other) = (outbound::balancer(WEB, SERVICE_PORT), outbound::balancer(OTHER, SERVICE_PORT));
        script(world, vec![outbound::rule(vec![], outbound::weighted(&[(&web, 70), (&other, 30)]))]);
    });
    let other = other(&world);
    let service = world.service();
    world.client.namespace.run(async move {
        let mut client = http::Client::http2(service).await.unwrap();
        for _ in 0..400 {
            let request = http::get(Version::HTTP_2, &authority(), "/name").unwrap();
            assert_eq!(client.send(request).await.unwrap().status, 200);
        }
    });
    let share = other.requests() as f64 / 400.0;
    assert!((0.2..0.4).contains(&share), "{share} of 400 requests");
}

#[test]
fn a_request_that_takes_too_long_is_given_up() {
    let world = meshed_with(|world| {
        let mut rule = rule("/slow");
        rule.timeouts =
            Some(Timeouts { request: duration(Duration::from_millis(300)), ..Timeouts::default() });
        script(world, vec![rule]);
    });
    let start = Instant::now();
    let reply = world.http1("/slow/5000");
    assert_eq!(reply.status, 504, "{reply:?}");
    assert!(reply.header("l5d-proxy-error").is_some(), "{reply:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    eventually("an answer within the timeout", Duration::from_secs(10), || {
        world.http1("/slow/1").status == 200
    });
}

#[test]
fn a_failure_is_tried_again() {
    let world = meshed_with(|world| {
        let mut rule = rule("/echo");
        rule.retry = Some(outbound::retry(3, 65_536));
        script(world, vec![rule]);
    });
    for version in [Version::HTTP_11, Version::HTTP_2] {
        world.app.fail_next(2);
        let before = world.app.requests();
        let request = http::request(version, "POST", &authority(), "/echo", "the body").unwrap();
        let reply = world.send(version, request).unwrap();
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "the body"), "{reply:?}");
        assert_eq!(world.app.requests() - before, 3);
        world.app.fail_next(10);
        let request = http::request(version, "POST", &authority(), "/echo", "the body").unwrap();
        assert_eq!(world.send(version, request).unwrap().status, 503);
        world.app.fail_next(0);
    }
}

#[test]
fn failures_are_injected() {
    let world = meshed_with(|world| {
        let mut rule = rule("/broken");
        rule.filters = vec![outbound::failing(418, "for a test", None)];
        script(world, vec![rule]);
    });
    let reply = world.http1("/broken");
    assert_eq!(reply.status, 418, "{reply:?}");
    assert_eq!(reply.header("l5d-proxy-error"), Some("for a test"));
    assert_eq!(world.http2("/broken").status, 418);
    assert_eq!(world.app.requests(), 0);
}

#[test]
fn requests_are_redirected() {
    let world = meshed_with(|world| {
        let mut rule = rule("/old");
        rule.filters = vec![outbound::filter(filter::Kind::Redirect(RequestRedirect {
            host: "new.example.test".to_owned(),
            port: 8443,
            status: 308,
            ..RequestRedirect::default()
        }))];
        script(world, vec![rule]);
    });
    let reply = world.http1("/old/place");
    assert_eq!(reply.status, 308, "{reply:?}");
    assert_eq!(reply.header("location"), Some("http://new.example.test:8443/old/place"));
}

#[test]
fn headers_are_added_set_and_removed() {
    let header = |name: &str, value: &str| http_types::Headers {
        headers: vec![Header { name: name.to_owned(), value: value.as_bytes().to_vec() }],
    };
    let world = meshed_with(|world| {
        let mut rule = rule("/inspect");
        rule.filters = vec![outbound::filter(filter::Kind::RequestHeaderModifier(RequestHeaderModifier {
            add: Some(header("x-added", "two")),
            set: Some(header("x-set", "new")),
            remove: vec!["x-removed".to_owned()],
        }))];
        script(world, vec![rule]);
    });
    let seen =
        world.inspect(Version::HTTP_11, &[("x-added", "one"), ("x-set", "old"), ("x-removed", "gone")]);
    assert_eq!(seen.fields("x-added"), ["one", "two"]);
    assert_eq!(seen.fields("x-set"), ["new"]);
    assert_eq!(seen.fields("x-removed"), [""; 0]);
}

#[test]
fn a_policy_without_a_matching_route_says_so() {
    let world = meshed_with(|world| {
        let backend = outbound::balancer(WEB, SERVICE_PORT);
        let policy =
            outbound::routed(WEB, SERVICE_PORT, vec![outbound::route("only", vec![rule("/name")])], &backend);
        world.plane.set_outbound(world.service(), Answer::Value(policy));
    });
    assert_eq!(world.http1("/name").status, 200);
    assert_eq!(world.http1("/elsewhere").status, 404);
}

#[test]
fn routes_change_while_a_connection_is_open() {
    let world = meshed();
    let other = other(&world);
    assert_eq!(world.http1("/name").header("x-server"), Some("web"));
    script(&world, vec![outbound::rule(vec![], outbound::first(&outbound::balancer(OTHER, SERVICE_PORT)))]);
    eventually("the new route", Duration::from_secs(3), || {
        world.http1("/name").header("x-server") == Some("other")
    });
    assert!(other.requests() > 0);
}

/// A profile with one route.
fn profile(route: destination::Route) -> destination::DestinationProfile {
    let mut profile = answers::profile(WEB);
    profile.routes = vec![route];
    profile
}

#[test]
fn routes_of_a_profile_have_timeouts() {
    let world = meshed_with(|world| {
        let mut route = answers::profile_route("everything");
        route.timeout = duration(Duration::from_millis(300));
        let profile = profile(route);
        world.plane.set_profile(world.service(), Answer::Value(profile));
    });
    // The first request also waits for discovery and for the connection.
    eventually("an answer within the timeout", Duration::from_secs(10), || {
        world.http1("/slow/1").status == 200
    });
    assert_eq!(world.http1("/slow/5000").status, 504);
}

#[test]
fn routes_of_a_profile_retry_within_the_budget() {
    let world = meshed_with(|world| {
        let mut profile = profile(answers::retryable_route("everything"));
        profile.retry_budget = Some(destination::RetryBudget {
            retry_ratio: 0.2,
            min_retries_per_second: 10,
            ttl: duration(Duration::from_secs(10)),
        });
        world.plane.set_profile(world.service(), Answer::Value(profile));
    });
    world.app.fail_next(2);
    assert_eq!(world.http1("/name").status, 200);
    assert_eq!(world.app.requests(), 3);
    let proxy = world.client.proxy().unwrap();
    let metrics = proxy.metrics().unwrap();
    assert!(metrics.sum("route_actual_request_total", &[("rt_route", "everything")]) >= 3.0, "{metrics}");
    assert!(metrics.sum("route_request_total", &[("rt_route", "everything")]) >= 1.0, "{metrics}");
}

#[test]
fn a_profile_splits_traffic() {
    let world = meshed_with(|world| {
        let mut profile = answers::profile(WEB);
        let target = |name: &str, weight| destination::WeightedDst {
            authority: format!("{name}:{SERVICE_PORT}"),
            weight,
            backend_ref: None,
        };
        profile.dst_overrides = vec![target(WEB, 0), target(OTHER, 10)];
        world.plane.set_profile(world.service(), Answer::Value(profile));
    });
    let _other = other(&world);
    for _ in 0..10 {
        assert_eq!(world.http1("/name").header("x-server"), Some("other"));
    }
    assert_eq!(world.app.requests(), 0);
}
