//! More than there is room for: connections that are full, queues, and backends that are not there. And what is let go of again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ::http::Version;
use mesh_tests::mesh::answers::{self, outbound};
use mesh_tests::mesh::{Answer, App, Metrics, SERVICE_PORT, WEB, World, addresses, http};

use crate::kit::{Calls, all, authority, eventually, gets, meshed, meshed_with};

const OUTSIDE_PORT: u16 = 8084;

/// An application outside that takes so many streams on a connection, as the only endpoint of the service.
fn narrow(world: &World, streams: u32) -> App {
    let everywhere = SocketAddr::from(([0, 0, 0, 0], OUTSIDE_PORT));
    let app = App::with_streams(&world.control, everywhere, "narrow", streams).unwrap();
    let address = SocketAddr::from((addresses::OUTSIDE, OUTSIDE_PORT));
    world.script_web(vec![answers::endpoint(address)]);
    app
}

#[test]
fn streams_that_find_a_connection_full_get_another() {
    let world = meshed();
    let app = narrow(&world, 5);
    assert_eq!(world.http2("/name").status, 200);
    let start = Instant::now();
    let replies = world.at_once(gets(20, "/slow/1500"));
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
    // Over one connection it would have taken four times as long.
    assert!(start.elapsed() < Duration::from_millis(4500), "{:?}", start.elapsed());
    assert!((4..=8).contains(&app.connections()), "{} connections", app.connections());
    let labels = [("direction", "outbound"), ("peer", "dst"), ("target_port", "8084")];
    let proxy = world.client.proxy().unwrap();
    let metrics = proxy.metrics().unwrap();
    assert_eq!(metrics.sum("tcp_open_total", &labels), app.connections() as f64, "{metrics}");
}

#[test]
fn more_streams_than_all_connections_take_wait_their_turn() {
    let world = meshed();
    let app = narrow(&world, 2);
    assert_eq!(world.http2("/name").status, 200);
    // Eight connections are the most.
    let replies = world.at_once(gets(60, "/slow/50"));
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
    assert!(app.connections() <= 9, "{} connections", app.connections());
}

/// How often the proxy of the client itself failed a request for this reason.
fn errors(metrics: &Metrics, reason: &str) -> f64 {
    metrics.sum("outbound_http_errors_total", &[("error", reason)])
}

#[test]
fn the_first_request_waits_and_the_next_are_shed() {
    let world = meshed_with(|world| {
        let mut backend = outbound::balancer(WEB, SERVICE_PORT);
        backend.queue.as_mut().unwrap().failfast_timeout = answers::duration(Duration::from_millis(700));
        let rule = outbound::rule(vec![], outbound::first(&backend));
        let policy = outbound::routed(WEB, SERVICE_PORT, vec![outbound::route("only", vec![rule])], &backend);
        world.plane.set_outbound(world.service(), Answer::Value(policy));
        world.plane.set_endpoints(&authority(), Vec::new());
    });
    let proxy = world.client.proxy().unwrap();
    let start = Instant::now();
    let reply = world.http1("/name");
    assert_eq!(reply.status, 504, "{reply:?}");
    assert!(start.elapsed() >= Duration::from_millis(650), "{:?}", start.elapsed());
    let why = reply.header("l5d-proxy-error").unwrap();
    assert!(why.contains("web") && why.contains("in time") && why.contains("no endpoints"), "{why}");
    let start = Instant::now();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let reply = world.send(version, http::get(version, &authority(), "/name").unwrap()).unwrap();
        assert_eq!(reply.status, 503, "{reply:?}");
        let why = reply.header("l5d-proxy-error").unwrap();
        assert!(why.contains("web") && why.contains("no endpoints"), "{why}");
    }
    assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
    let metrics = proxy
        .wait_for_metrics("reasons", |metrics| {
            (errors(metrics, "failfast"), errors(metrics, "loadshed")) == (1.0, 2.0)
        })
        .unwrap();
    let by_route = |error| {
        metrics.sum("outbound_http_route_request_statuses_total", &[("route_name", "only"), ("error", error)])
    };
    assert_eq!((by_route("FAIL_FAST"), by_route("LOAD_SHED")), (1.0, 2.0), "{metrics}");
    assert_eq!(metrics.sum("outbound_http_balancer_queue_gate_shut_total", &[("parent_name", "web")]), 1.0);
    world.plane.set_endpoints(&authority(), vec![world.endpoint()]);
    eventually("requests that pass again", Duration::from_secs(5), || world.http1("/name").status == 200);
    let opened = proxy.metrics().unwrap();
    assert_eq!(opened.sum("outbound_http_balancer_queue_gate_open_total", &[("parent_name", "web")]), 1.0);
}

#[test]
fn a_queue_takes_no_more_than_its_capacity() {
    let world = meshed_with(|world| {
        let mut backend = outbound::balancer(WEB, SERVICE_PORT);
        let queue = backend.queue.as_mut().unwrap();
        (queue.capacity, queue.failfast_timeout) = (5, answers::duration(Duration::from_secs(8)));
        let rule = outbound::rule(vec![], outbound::first(&backend));
        let policy = outbound::routed(WEB, SERVICE_PORT, vec![outbound::route("only", vec![rule])], &backend);
        world.plane.set_outbound(world.service(), Answer::Value(policy));
        world.plane.set_endpoints(&authority(), Vec::new());
    });
    let proxy = world.client.proxy().unwrap();
    let service = world.service();
    let calls = world.client.namespace.spawn(async move { all(service, gets(12, "/name")).await });
    proxy
        .wait_for_metrics("five that wait and seven that do not", |metrics| {
            errors(metrics, "loadshed") == 7.0
                && metrics.sum("outbound_http_balancer_queue_length", &[("parent_name", "web")]) == 5.0
        })
        .unwrap();
    world.plane.set_endpoints(&authority(), vec![world.endpoint()]);
    let replies = world.client.namespace.run(async move { calls.await.unwrap() });
    let with = |status| replies.iter().filter(|reply| reply.status == status).count();
    assert_eq!((with(200), with(503)), (5, 7), "{replies:?}");
    let full = replies.iter().find(|reply| reply.status == 503).unwrap();
    assert!(full.header("l5d-proxy-error").is_some_and(|why| why.contains("too many")), "{full:?}");
}

#[test]
fn what_nobody_uses_is_let_go_of() {
    let world = meshed_with(|world| {
        world.client.config.set("OUTBOUND_DISCOVERY_IDLE_TIMEOUT", "1s").set("METRICS_RETAIN_IDLE", "1s");
    });
    let proxy = world.client.proxy().unwrap();
    let state = || proxy.admin("GET", "/state.json").unwrap().1;
    let series = |metrics: &Metrics| {
        let web = [("parent_name", "web")];
        ["outbound_http_route_request_statuses_total", "outbound_http_balancer_endpoints"]
            .map(|family| metrics.has(family, &web))
            .into_iter()
            .chain([metrics.has("request_total", &[("direction", "outbound"), ("authority", &authority())])])
            .collect::<Vec<_>>()
    };
    assert_eq!(world.http1("/name").status, 200);
    assert_eq!(series(&proxy.metrics().unwrap()), [true; 3]);
    assert!(state().contains("10.7.1.3:8080"));
    let destinations = world.plane.count("Destination/Get", &authority());
    eventually("no trace of the destination", Duration::from_secs(20), || {
        series(&proxy.metrics().unwrap()) == [false; 3] && !state().contains("10.7.1.3:8080")
    });
    assert!(!state().contains(WEB), "{}", state());
    // It comes back by asking anew.
    assert_eq!(world.http1("/name").status, 200);
    assert_eq!(world.plane.count("Destination/Get", &authority()), destinations + 1);
    assert_eq!(series(&proxy.metrics().unwrap()), [true; 3]);
}
