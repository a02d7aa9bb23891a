//! The outbound side through the real engine, over loopback, with discovery played by a script.

mod mesh;
mod messages;
mod profiles;
mod streams;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use linkerd2_proxy_api::outbound as api;
use linkerd2_proxy_api::{http_route as api_route, http_types};

use self::messages::{
    balancer, below, breaker, detect, detect_with, filtered, forward, only, retry, rule, seconds,
};
use self::world::{Client, Http2, World, grpc, serve, text};
use crate::discovery::{Answer, Key, Target, Update};
use crate::model::EndpointsUpdate;

/// A destination that nobody is at: only discovery says where it is served.
fn service() -> Target {
    Target::Addr("192.0.2.1:80".parse().unwrap())
}

/// A server that answers with its name.
fn named(name: &'static str) -> std::net::SocketAddr {
    serve(move |_| async move { text(200, name) })
}

#[test]
fn without_a_policy_requests_go_where_they_were_sent() {
    let server = serve(|request| async move {
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        text(200, &format!("{} {host}", request.uri()))
    });
    let world = World::plain(server);
    let target = Target::Addr(server);
    let mut client = Client::new(world.listener(&target));
    for round in 0..3 {
        let reply = client.get(&format!("/{round}"), &[]);
        assert_eq!((reply.status, reply.body), (200, format!("/{round} web.ns")));
    }
    world.wait_for_metric("request_total", &[&format!("target_addr=\"{server}\"")], 3.0);
    let labels = [
        "direction=\"outbound\"",
        "status_code=\"200\"",
        "classification=\"success\"",
        "tls=\"no_identity\"",
    ];
    world.wait_for_metric("response_total", &labels, 3.0);
    world.wait_for_metric("outbound_http_route_request_statuses_total", &["http_status=\"200\""], 3.0);
    world.wait_for_metric("outbound_http_route_backend_requests_total", &["route_name=\"http\""], 3.0);
    world.wait_for_metric("tcp_open_connections", &["peer=\"src\"", "direction=\"outbound\""], 1.0);
    world.wait_for_metric("outbound_tcp_protocol_connections_total", &["protocol=\"detect\""], 1.0);
    drop(client);
    world.wait_for_metric("tcp_open_connections", &["peer=\"src\"", "direction=\"outbound\""], 0.0);
}

#[test]
fn both_versions_find_their_rule_and_backend() {
    let (a, b) = (named("a"), named("b"));
    let world = World::new(&[service()], &[]);
    world.endpoints("a.ns:80", only(&[a]));
    world.endpoints("b.ns:80", only(&[b]));
    let rules = vec![
        below("/a", rule(vec![(balancer("a.ns:80"), 1)])),
        below("/b", rule(vec![(balancer("b.ns:80"), 1)])),
    ];
    world.policy(&service(), detect(rules, balancer("a.ns:80")));
    let mut client = Client::new(world.listener(&service()));
    assert_eq!(client.get("/a/1", &[]).body, "a");
    assert_eq!(client.get("/b", &[]).body, "b");
    let missing = client.get("/c", &[]);
    assert_eq!((missing.status, missing.field("l5d-proxy-error")), (404, Some("no route found for request")));
    let http2 = Http2::new(world.listener(&service()));
    for (path, want) in [("/a", "a"), ("/b/2", "b")] {
        let request = http::Request::get(format!("http://web.ns{path}")).body(Default::default()).unwrap();
        assert_eq!(http2.send(request).unwrap().body, want);
    }
    world.wait_for_metric("outbound_http_errors_total", &["error=\"route not found\""], 1.0);
    world.wait_for_metric("outbound_http_route_backend_requests_total", &["backend_name=\"a\""], 2.0);
    world.wait_for_metric("outbound_http_balancer_endpoints", &["backend_name=\"a\"", "\"ready\""], 1.0);
}

#[test]
fn endpoints_come_and_go_without_a_request_lost() {
    let (a, b) = (named("a"), named("b"));
    let world = World::new(&[service()], &[]);
    world.policy(&service(), detect(vec![rule(vec![(balancer("web.ns:80"), 1)])], balancer("web.ns:80")));
    world.endpoints("web.ns:80", only(&[a]));
    let mut client = Client::new(world.listener(&service()));
    let mut seen = std::collections::BTreeSet::new();
    let mut round = 0;
    for update in [only(&[a]), only(&[b]), only(&[a, b]), EndpointsUpdate::Remove(vec![a]), only(&[a])] {
        world.endpoints("web.ns:80", update);
        let end = Instant::now() + Duration::from_millis(150);
        while Instant::now() < end {
            let reply = client.get("/", &[]);
            assert_eq!(reply.status, 200, "{round}: {reply:?}");
            seen.insert(reply.body);
            round += 1;
        }
    }
    assert_eq!(seen.len(), 2, "{round} requests");
    assert_eq!(client.get("/", &[]).body, "a");
}

#[test]
fn weights_of_backends_and_endpoints_decide_shares() {
    let (a, b) = (named("a"), named("b"));
    let world = World::new(&[service()], &[]);
    let split = rule(vec![(balancer("a.ns:80"), 1), (balancer("b.ns:80"), 3)]);
    world.policy(&service(), detect(vec![split], balancer("a.ns:80")));
    world.endpoints("a.ns:80", only(&[a]));
    world.endpoints("b.ns:80", only(&[b]));
    let mut client = Client::new(world.listener(&service()));
    let of_a = (0..400).filter(|_| client.get("/", &[]).body == "a").count();
    assert!((60..140).contains(&of_a), "{of_a} of 400 instead of about 100");
}

#[test]
fn without_endpoints_requests_wait_then_fail_fast_and_say_why() {
    let server = named("late");
    let world = World::new(&[service()], &[]);
    world.policy(&service(), detect(vec![rule(vec![(balancer("web.ns:80"), 1)])], balancer("web.ns:80")));
    world.endpoints("web.ns:80", EndpointsUpdate::DoesNotExist);
    let addr = world.listener(&service());
    let began = Instant::now();
    let reply = Client::new(addr).get("/", &[]);
    assert!(began.elapsed() >= Duration::from_millis(280), "{:?}", began.elapsed());
    assert_eq!((reply.status, reply.field("connection")), (504, Some("close")));
    let why = "no endpoint of service/ns/web (it does not exist) was ready in time";
    assert_eq!(reply.field("l5d-proxy-error"), Some(why));
    // The next one is not held at all.
    let began = Instant::now();
    let reply = Client::new(addr).get("/", &[]);
    assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
    assert_eq!(reply.status, 503);
    world.wait_for_metric("outbound_http_errors_total", &["error=\"failfast\""], 1.0);
    world.wait_for_metric("outbound_http_errors_total", &["error=\"loadshed\""], 1.0);
    world.wait_for_metric("outbound_http_balancer_queue_gate_shut_total", &[], 1.0);
    world.wait_for_metric("outbound_http_route_request_statuses_total", &["error=\"FAIL_FAST\""], 1.0);
    // An endpoint ends that.
    world.endpoints("web.ns:80", only(&[server]));
    assert_eq!(Client::new(addr).get("/", &[]).body, "late");
    world.wait_for_metric("outbound_http_balancer_queue_gate_open_total", &[], 1.0);
}

#[test]
fn a_request_that_waits_goes_on_when_an_endpoint_comes() {
    let server = named("soon");
    let world = World::new(&[service()], &[]);
    world.policy(&service(), detect(vec![rule(vec![(balancer("web.ns:80"), 1)])], balancer("web.ns:80")));
    let addr = world.listener(&service());
    let asked = std::thread::spawn(move || Client::new(addr).get("/", &[]));
    std::thread::sleep(Duration::from_millis(100));
    world.endpoints("web.ns:80", only(&[server]));
    assert_eq!(asked.join().unwrap().body, "soon");
}

#[test]
fn more_than_the_queue_of_the_policy_holds_is_shed() {
    let world = World::new(&[service()], &[]);
    let mut backend = balancer("web.ns:80");
    backend.queue = Some(api::Queue { capacity: 2, failfast_timeout: seconds(1.0) });
    world.policy(&service(), detect(vec![rule(vec![(backend, 1)])], balancer("web.ns:80")));
    let addr = world.listener(&service());
    let asked: Vec<_> =
        (0..4).map(|_| std::thread::spawn(move || Client::new(addr).get("/", &[]).status)).collect();
    let mut statuses: Vec<u16> = asked.into_iter().map(|thread| thread.join().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [503, 503, 504, 504]);
}

#[test]
fn the_first_backend_that_is_ready_is_taken() {
    use api::http_route::{Distribution, RouteBackend, distribution};
    let b = named("b");
    let world = World::new(&[service()], &[]);
    let one = |path: &str| RouteBackend { backend: Some(balancer(path)), ..Default::default() };
    let first = distribution::FirstAvailable { backends: vec![one("a.ns:80"), one("b.ns:80")] };
    let mut only_rule = rule(Vec::new());
    only_rule.backends = Some(Distribution { kind: Some(distribution::Kind::FirstAvailable(first)) });
    world.policy(&service(), detect(vec![only_rule], balancer("a.ns:80")));
    world.endpoints("a.ns:80", only(&[]));
    world.endpoints("b.ns:80", only(&[b]));
    let mut client = Client::new(world.listener(&service()));
    assert_eq!(client.get("/", &[]).body, "b");
    let a = named("a");
    world.endpoints("a.ns:80", only(&[a]));
    let end = Instant::now() + Duration::from_secs(2);
    while client.get("/", &[]).body != "a" {
        assert!(Instant::now() < end, "the first backend is ready and not used");
    }
}

#[test]
fn filters_change_redirect_and_fail() {
    use api::http_route::filter::Kind;
    let server = serve(|request| async move {
        let names = request.headers().get("x-set").map(|value| value.to_str().unwrap().to_owned());
        text(200, &format!("{names:?} {}", request.headers().contains_key("x-gone")))
    });
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[server]));
    let header = |name: &str, value: &str| {
        let header = http_types::headers::Header { name: name.into(), value: value.into() };
        Some(http_types::Headers { headers: vec![header] })
    };
    let change = Kind::RequestHeaderModifier(api_route::RequestHeaderModifier {
        add: None,
        set: header("x-set", "yes"),
        remove: vec!["x-gone".into()],
    });
    let respond = Kind::ResponseHeaderModifier(api_route::ResponseHeaderModifier {
        add: header("x-added", "too"),
        set: None,
        remove: Vec::new(),
    });
    let redirect = Kind::Redirect(api_route::RequestRedirect {
        host: "other.ns".into(),
        status: 302,
        ..Default::default()
    });
    let fail = Kind::FailureInjector(api_route::HttpFailureInjector {
        status: 418,
        message: "teapot".into(),
        ratio: None,
    });
    let to_web = || rule(vec![(balancer("web.ns:80"), 1)]);
    let rules = vec![
        below("/change", filtered(vec![change, respond], to_web())),
        below("/redirect", filtered(vec![redirect], to_web())),
        below("/fail", filtered(vec![fail], to_web())),
    ];
    world.policy(&service(), detect(rules, balancer("web.ns:80")));
    let mut client = Client::new(world.listener(&service()));
    let reply = client.get("/change", &[("x-set", "no"), ("x-gone", "1")]);
    assert_eq!((reply.body.as_str(), reply.field("x-added")), ("Some(\"yes\") false", Some("too")));
    let reply = client.get("/redirect/a?b", &[]);
    assert_eq!((reply.status, reply.field("location")), (302, Some("http://other.ns/redirect/a?b")));
    let reply = client.get("/fail", &[]);
    assert_eq!((reply.status, reply.field("l5d-proxy-error")), (418, Some("teapot")));
}

#[test]
fn a_failed_request_is_sent_again_with_its_body() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let server = serve(move |request| {
        let call = counter.fetch_add(1, Ordering::SeqCst);
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8(body.to_vec()).unwrap();
            text(if call % 3 == 2 { 200 } else { 503 }, &body)
        }
    });
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[server]));
    let mut retried = rule(vec![(balancer("web.ns:80"), 1)]);
    retried.retry = retry(500, 599, 2);
    world.policy(&service(), detect(vec![retried], balancer("web.ns:80")));
    let mut client = Client::new(world.listener(&service()));
    let reply = client.send("POST", "/", &[], "what was said");
    assert_eq!((reply.status, reply.body.as_str()), (200, "what was said"));
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    // A body beyond what is kept is sent once.
    let long = "x".repeat(4096);
    assert_eq!(client.send("POST", "/", &[], &long).status, 503);
    assert_eq!(calls.load(Ordering::SeqCst), 4);
    world.wait_for_metric("outbound_http_route_retry_requests_total", &[], 2.0);
    world.wait_for_metric("outbound_http_route_retry_successes_total", &[], 1.0);
    world.wait_for_metric("outbound_http_route_retry_overflow_total", &[], 1.0);
    world.wait_for_metric(
        "outbound_http_route_backend_response_statuses_total",
        &["http_status=\"503\""],
        3.0,
    );
    world.wait_for_metric("outbound_http_route_request_statuses_total", &["http_status=\"200\""], 1.0);
}

#[test]
fn the_clients_headers_ask_for_retries_where_they_may() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let server = serve(move |request| {
        let call = counter.fetch_add(1, Ordering::SeqCst);
        let leaked = request.headers().keys().any(|name| name.as_str().starts_with("l5d-retry"));
        async move { text(if call % 2 == 1 { 200 } else { 500 }, if leaked { "leaked" } else { "" }) }
    });
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[server]));
    let mut asked = below("/may", rule(vec![(balancer("web.ns:80"), 1)]));
    asked.allow_l5d_request_headers = true;
    let not = below("/may-not", rule(vec![(balancer("web.ns:80"), 1)]));
    world.policy(&service(), detect(vec![asked, not], balancer("web.ns:80")));
    let mut client = Client::new(world.listener(&service()));
    let reply = client.get("/may", &[("l5d-retry-http", "5xx")]);
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    let reply = client.get("/may-not", &[("l5d-retry-http", "5xx")]);
    assert_eq!((reply.status, reply.body.as_str()), (500, "leaked"));
}

#[test]
fn limits_of_a_route_end_a_request_and_not_the_connection() {
    let server = serve(|request| async move {
        if request.uri().path() == "/slow" {
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        text(200, "quick")
    });
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[server]));
    let mut limited = rule(vec![(balancer("web.ns:80"), 1)]);
    limited.timeouts = Some(api_route::Timeouts { request: seconds(0.2), response: None, idle: None });
    world.policy(&service(), detect(vec![limited], balancer("web.ns:80")));
    let mut client = Client::new(world.listener(&service()));
    let began = Instant::now();
    let reply = client.get("/slow", &[]);
    assert_eq!((reply.status, reply.field("connection")), (504, None));
    assert_eq!(reply.field("l5d-proxy-error"), Some("the request took too long"));
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(client.get("/", &[]).body, "quick");
    world.wait_for_metric("outbound_http_route_request_statuses_total", &["error=\"REQUEST_TIMEOUT\""], 1.0);
    world.wait_for_metric("outbound_http_errors_total", &["error=\"response timeout\""], 1.0);
}

#[test]
fn an_endpoint_that_fails_is_left_alone_and_tried_again() {
    let broken = Arc::new(AtomicUsize::new(1));
    let state = broken.clone();
    let bad = serve(move |_| {
        let status = if state.load(Ordering::SeqCst) == 1 { 500 } else { 200 };
        async move { text(status, "bad") }
    });
    let good = serve(|_| async move {
        // The one that fails is quicker, so that it is preferred.
        tokio::time::sleep(Duration::from_millis(20)).await;
        text(200, "good")
    });
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[bad, good]));
    let to_web = rule(vec![(balancer("web.ns:80"), 1)]);
    world.policy(&service(), detect_with(vec![to_web], balancer("web.ns:80"), breaker(3, 0.5)));
    let mut client = Client::new(world.listener(&service()));
    let failures = (0..15).filter(|_| client.get("/", &[]).status == 500).count();
    assert_eq!(failures, 3, "after three failures in a row it gets no requests");
    let dump = world.dump();
    let endpoints =
        dump["backends"].as_array().unwrap().iter().flat_map(|it| it["endpoints"].as_array().unwrap());
    let shut = endpoints.filter(|it| it["shut_for_seconds"].is_f64()).count();
    assert_eq!(shut, 1, "{dump:#}");
    // While it fails, one request at a time finds out whether it still does.
    std::thread::sleep(Duration::from_millis(700));
    let failures = (0..15).filter(|_| client.get("/", &[]).status == 500).count();
    assert_eq!(failures, 1, "one probe");
    broken.store(0, Ordering::SeqCst);
    let end = Instant::now() + Duration::from_secs(5);
    while client.get("/", &[]).body != "bad" {
        assert!(Instant::now() < end, "the endpoint works again and is not used");
    }
}

#[test]
fn an_endpoint_that_cannot_be_reached_costs_no_request() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let good = named("good");
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[dead, good]));
    world.policy(&service(), detect(vec![rule(vec![(balancer("web.ns:80"), 1)])], balancer("web.ns:80")));
    let mut client = Client::new(world.listener(&service()));
    for _ in 0..50 {
        let reply = client.get("/", &[]);
        assert_eq!(reply.body, "good", "{reply:?} {:#}", world.dump());
    }
}

#[test]
fn one_endpoint_alone_that_refuses_is_a_bad_gateway() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::plain(dead);
    let reply = Client::new(world.listener(&Target::Addr(dead))).get("/", &[]);
    assert_eq!(
        (reply.status, reply.field("l5d-proxy-error")),
        (502, Some("the endpoint cannot be connected to"))
    );
    world.wait_for_metric("outbound_http_errors_total", &["error=\"i/o\""], 1.0);
}

#[test]
fn calls_fail_in_the_way_of_grpc() {
    let world = World::new(&[service()], &[]);
    let server = serve(|_| async move { grpc("0") });
    world.endpoints("web.ns:80", only(&[server]));
    world.policy(
        &service(),
        detect(vec![below("/a.B", rule(vec![(balancer("web.ns:80"), 1)]))], balancer("web.ns:80")),
    );
    let client = Http2::new(world.listener(&service()));
    assert_eq!(client.call("/a.B/Get").grpc_status(), Some("0"));
    world.endpoints("web.ns:80", only(&[]));
    std::thread::sleep(Duration::from_millis(50));
    let failed = client.call("/a.B/Get");
    assert_eq!((failed.head.status.as_u16(), failed.grpc_status()), (200, Some("4")));
}

#[test]
fn a_call_is_tried_again_by_its_status() {
    use linkerd2_proxy_api::outbound::proxy_protocol;
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let server = serve(move |_| {
        let call = counter.fetch_add(1, Ordering::SeqCst);
        async move { grpc(if call == 0 { "14" } else { "0" }) }
    });
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[server]));
    let backend =
        api::grpc_route::RouteBackend { backend: Some(balancer("web.ns:80")), ..Default::default() };
    let first = api::grpc_route::distribution::FirstAvailable { backends: vec![backend] };
    let kind = Some(api::grpc_route::distribution::Kind::FirstAvailable(first));
    let rule = api::grpc_route::Rule {
        backends: Some(api::grpc_route::Distribution { kind }),
        retry: Some(api::grpc_route::Retry {
            max_retries: 1,
            max_request_bytes: 1024,
            conditions: Some(api::grpc_route::retry::Conditions { unavailable: true, ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let route = api::GrpcRoute {
        metadata: messages::resource("GRPCRoute", "route"),
        hosts: Vec::new(),
        rules: vec![rule],
    };
    let grpc = proxy_protocol::Grpc { routes: vec![route], failure_accrual: None };
    world.policy(&service(), messages::policy(proxy_protocol::Kind::Grpc(grpc)));
    let client = Http2::new(world.listener(&service()));
    assert_eq!(client.call("/a.B/Get").grpc_status(), Some("0"));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    world.wait_for_metric("outbound_grpc_route_request_statuses_total", &["grpc_status=\"OK\""], 1.0);
    world.wait_for_metric(
        "outbound_grpc_route_backend_response_statuses_total",
        &["grpc_status=\"UNAVAILABLE\""],
        1.0,
    );
    world.wait_for_metric("outbound_grpc_route_retry_requests_total", &[], 1.0);
}

#[test]
fn what_nobody_uses_is_forgotten() {
    let server = named("a");
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[server]));
    world.policy(&service(), detect(vec![rule(vec![(balancer("web.ns:80"), 1)])], balancer("web.ns:80")));
    let mut client = Client::new(world.listener(&service()));
    assert_eq!(client.get("/", &[]).body, "a");
    std::thread::sleep(Duration::from_millis(2500));
    assert!(world.forgotten().is_empty(), "a connection is open");
    drop(client);
    let end = Instant::now() + world::PATIENCE;
    let wanted = [Key::Outbound(service()), Key::Endpoints("web.ns:80".parse().unwrap())];
    while !wanted.iter().all(|key| world.forgotten().contains(key)) {
        assert!(Instant::now() < end, "{:?}", world.forgotten());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(world.dump()["destinations"].as_array().map(Vec::len), Some(0));
    assert_eq!(Client::new(world.listener(&service())).get("/", &[]).body, "a", "and found again");
}

#[test]
fn what_is_used_for_a_moment_again_and_again_is_kept() {
    let server = named("a");
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[server]));
    world.policy(&service(), detect(vec![rule(vec![(balancer("web.ns:80"), 1)])], balancer("web.ns:80")));
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        assert_eq!(Client::new(world.listener(&service())).get("/", &[]).body, "a");
        std::thread::sleep(Duration::from_millis(150));
    }
    // Without discovery, what is forgotten could not be found again.
    assert!(world.forgotten().is_empty(), "{:?}", world.forgotten());
}

#[test]
fn what_discovery_rejects_is_refused_with_the_reason() {
    let world = World::new(&[service()], &[]);
    world.say(Update::Outbound(service(), Answer::Rejected("invalid_argument")));
    let reply = Client::new(world.listener(&service())).get("/", &[]);
    let why = "discovery of the destination was rejected: invalid_argument";
    assert_eq!((reply.status, reply.field("l5d-proxy-error")), (502, Some(why)));
}

#[test]
fn loopback_is_refused_unless_it_is_allowed() {
    let server = named("never");
    let target = Target::Addr(server);
    let world = World::new(std::slice::from_ref(&target), &[("OUTBOUND_ALLOW_LOOPBACK", "false")]);
    world.policy(&target, detect(vec![rule(vec![(forward(server), 1)])], forward(server)));
    let reply = Client::new(world.listener(&target)).get("/", &[]);
    assert_eq!(reply.status, 504);
    assert!(reply.field("l5d-proxy-error").unwrap().contains("on loopback"), "{reply:?}");
}

#[test]
fn faults_hold_requests_up_or_break_them_off() {
    use mesh_api::faults::fault;
    let server = named("a");
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[server]));
    world.policy(&service(), detect(vec![rule(vec![(balancer("web.ns:80"), 1)])], balancer("web.ns:80")));
    let faults = |action| {
        let faults = vec![crate::model::fault::tests::fault("web", action)];
        let set = crate::model::FaultSet::try_from(mesh_api::faults::FaultSet { faults }).unwrap();
        world.say(Update::Faults(Answer::Found(Arc::new(set))));
    };
    let mut client = Client::new(world.listener(&service()));
    assert_eq!(client.get("/", &[]).body, "a");
    faults(fault::Action::DelayMs(300));
    std::thread::sleep(Duration::from_millis(50));
    let began = Instant::now();
    assert_eq!(client.get("/", &[]).body, "a");
    assert!(began.elapsed() >= Duration::from_millis(290), "{:?}", began.elapsed());
    faults(fault::Action::Reset(fault::Reset {}));
    std::thread::sleep(Duration::from_millis(50));
    let http2 = Http2::new(world.listener(&service()));
    let request = http::Request::get("http://web.ns/").body(Default::default()).unwrap();
    assert!(http2.send(request).is_err());
    world.wait_for_metric("outbound_http_errors_total", &["error=\"fault injected\""], 2.0);
    world.say(Update::Faults(Answer::NotFound));
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(client.get("/", &[]).body, "a");
}
