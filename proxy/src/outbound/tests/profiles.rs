//! ServiceProfiles, and ingress mode, which finds them by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use linkerd2_proxy_api::destination as api;
use linkerd2_proxy_api::destination::request_match;

use super::messages::{balancer, detect, only, rule, seconds};
use super::named;
use super::world::{Client, World, serve, text};
use crate::discovery::{Answer, Target, Update};

const NAME: &str = "web.ns.svc.cluster.local:80";

/// An address whose profile is looked up.
fn known() -> Target {
    Target::Addr("10.1.2.3:80".parse().unwrap())
}

fn world(profile: api::DestinationProfile) -> World {
    let world = World::new(&[known()], &[("DESTINATION_PROFILE_NETWORKS", "10.0.0.0/8")]);
    world.say(Update::Outbound(known(), Answer::NotFound));
    world.profile(&known(), profile);
    world
}

fn profile(routes: Vec<api::Route>, targets: &[(&str, u32)]) -> api::DestinationProfile {
    let target = |(authority, weight): &(&str, u32)| api::WeightedDst {
        authority: (*authority).into(),
        weight: *weight,
        backend_ref: None,
    };
    api::DestinationProfile {
        fully_qualified_name: "web.ns.svc.cluster.local".into(),
        routes,
        retry_budget: Some(api::RetryBudget {
            retry_ratio: 0.0,
            min_retries_per_second: 2,
            ttl: seconds(1.0),
        }),
        dst_overrides: targets.iter().map(target).collect(),
        ..Default::default()
    }
}

fn route(name: &str, regex: &str) -> api::Route {
    let path = request_match::Match::Path(api::PathMatch { regex: regex.into() });
    api::Route {
        condition: Some(api::RequestMatch { r#match: Some(path) }),
        metrics_labels: [("route".to_owned(), name.to_owned())].into(),
        ..Default::default()
    }
}

#[test]
fn requests_are_counted_by_route_and_say_where_they_go() {
    let server = serve(|request| async move {
        let canonical = request.headers().get("l5d-dst-canonical").map(|it| it.to_str().unwrap().to_owned());
        text(200, &canonical.unwrap_or_default())
    });
    let world = world(profile(vec![route("books", "/books/[^/]+")], &[]));
    world.endpoints(NAME, only(&[server]));
    let mut client = Client::new(world.listener(&known()));
    assert_eq!(client.get("/books/1", &[("l5d-dst-canonical", "forged")]).body, NAME);
    assert_eq!(client.get("/other", &[]).body, NAME);
    let dst = format!("dst=\"{NAME}\"");
    world.wait_for_metric("route_response_total", &["rt_route=\"books\"", &dst, "status_code=\"200\""], 1.0);
    world.wait_for_metric("route_actual_request_total", &["rt_route=\"books\""], 1.0);
    assert_eq!(world.metrics().lines().filter(|line| line.starts_with("route_request_total")).count(), 2);
}

#[test]
fn a_name_whose_endpoints_are_not_looked_up_is_where_the_connection_goes() {
    let target = Target::Addr(named("original"));
    let networks = ("DESTINATION_PROFILE_NETWORKS", "127.0.0.0/8");
    let more = [networks, ("DESTINATION_GET_SUFFIXES", "svc.elsewhere.example.")];
    let world = World::new(std::slice::from_ref(&target), &more);
    world.say(Update::Outbound(target.clone(), Answer::NotFound));
    world.profile(&target, profile(vec![route("books", "/books/[^/]+")], &[]));
    let mut client = Client::new(world.listener(&target));
    assert_eq!(client.get("/books/1", &[]).body, "original");
    let books = ["rt_route=\"books\"", "status_code=\"200\""];
    world.wait_for_metric("route_response_total", &books, 1.0);
}

#[test]
fn targets_share_by_weight() {
    let (a, b) = (named("a"), named("b"));
    let world =
        world(profile(Vec::new(), &[("a.ns.svc.cluster.local:80", 9), ("b.ns.svc.cluster.local:80", 1)]));
    world.endpoints("a.ns.svc.cluster.local:80", only(&[a]));
    world.endpoints("b.ns.svc.cluster.local:80", only(&[b]));
    let mut client = Client::new(world.listener(&known()));
    let of_b = (0..300).filter(|_| client.get("/", &[]).body == "b").count();
    assert!((10..60).contains(&of_b), "{of_b} of 300 instead of about 30");
    // A shift of weights reaches connections that are open.
    world.profile(&known(), profile(Vec::new(), &[("b.ns.svc.cluster.local:80", 1)]));
    let end = Instant::now() + Duration::from_secs(2);
    while client.get("/", &[]).body != "b" {
        assert!(Instant::now() < end);
    }
    assert!((0..20).all(|_| client.get("/", &[]).body == "b"));
}

#[test]
fn failures_are_tried_again_within_the_budget() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let server = serve(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move { text(404, "") }
    });
    let status = api::response_match::Match::Status(api::HttpStatusRange { min: 404, max: 404 });
    let class = api::ResponseClass {
        condition: Some(api::ResponseMatch { r#match: Some(status) }),
        is_failure: true,
    };
    let retried = api::Route { is_retryable: true, response_classes: vec![class], ..route("retried", "/.*") };
    let world = world(profile(vec![retried], &[]));
    world.endpoints(NAME, only(&[server]));
    let mut client = Client::new(world.listener(&known()));
    assert_eq!(client.get("/", &[]).status, 404);
    assert_eq!(calls.load(Ordering::SeqCst), 3, "two retries a second are allowed");
    world.wait_for_metric("route_retryable_total", &["rt_route=\"retried\"", "skipped=\"no_budget\""], 1.0);
    let failures = ["rt_route=\"retried\"", "classification=\"failure\"", "status_code=\"404\""];
    world.wait_for_metric("route_response_total", &failures, 1.0);
    world.wait_for_metric("route_actual_response_total", &failures, 3.0);
}

#[test]
fn a_route_has_a_time_for_all_attempts() {
    let server = serve(|_| async move {
        tokio::time::sleep(Duration::from_secs(30)).await;
        text(200, "")
    });
    let limited = api::Route { timeout: seconds(0.2), ..route("limited", "/.*") };
    let world = world(profile(vec![limited], &[]));
    world.endpoints(NAME, only(&[server]));
    let began = Instant::now();
    let reply = Client::new(world.listener(&known())).get("/", &[]);
    assert_eq!((reply.status, reply.field("connection")), (504, Some("close")));
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[test]
fn an_ingress_goes_by_the_name_in_the_request() {
    let (a, b) = (named("a"), named("b"));
    let target = known();
    let world = World::new(std::slice::from_ref(&target), &[("INGRESS_MODE", "true")]);
    let name = |text: &str| Target::Name(text.parse().unwrap());
    world.policy(&target, detect(vec![rule(vec![(balancer("b.ns:80"), 1)])], balancer("b.ns:80")));
    world.endpoints("b.ns:80", only(&[b]));
    world.say(Update::Outbound(name(NAME), Answer::NotFound));
    world.profile(&name(NAME), profile(vec![route("all", "/.*")], &[]));
    world.endpoints(NAME, only(&[a]));
    let mut client = Client::new(world.listener(&target));
    assert_eq!(client.get("/", &[("l5d-dst-override", NAME)]).body, "a");
    assert_eq!(
        client.get("/", &[("l5d-dst-override", "web.ns.svc.cluster.local")]).body,
        "a",
        "80 is implied"
    );
    assert_eq!(client.get("/", &[]).body, "b", "without it, by the address");
    let reply = client.get("/", &[("l5d-dst-override", "10.0.0.1:80")]);
    assert_eq!((reply.status, reply.field("l5d-proxy-error")), (400, None), "an ingress is not told");
    world.wait_for_metric("outbound_http_errors_total", &["error=\"override invalid\""], 1.0);
    world.wait_for_metric("route_request_total", &["rt_route=\"all\""], 2.0);
}
