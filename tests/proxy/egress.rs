//! What leaves the mesh.

use std::net::SocketAddr;

use ::http::Version;
use linkerd2_proxy_api::http_route::HttpFailureInjector;
use linkerd2_proxy_api::outbound::http_route::filter;
use mesh_tests::mesh::answers::{self, outbound};
use mesh_tests::mesh::{Answer, App, World, addresses, http, tcp};
use tokio::io::AsyncWriteExt;

use crate::kit::meshed;

const PORT: u16 = 8088;

fn outside() -> SocketAddr {
    SocketAddr::from((addresses::OUTSIDE, PORT))
}

fn app(world: &World) -> App {
    App::start(&world.control, SocketAddr::from(([0, 0, 0, 0], PORT)), "outside").unwrap()
}

fn get(world: &World) -> http::Reply {
    let request = http::get(Version::HTTP_11, "outside.example.test", "/inspect").unwrap();
    world
        .client
        .namespace
        .run(async move { http::fetch(outside(), Version::HTTP_11, request).await })
        .unwrap()
}

#[test]
fn what_no_policy_knows_is_reached_in_the_clear() {
    let world = meshed();
    let _app = app(&world);
    let reply = get(&world);
    assert_eq!(reply.header("x-server"), Some("outside"));
    assert!(!reply.text().contains("l5d-"), "{}", reply.text());
}

#[test]
fn an_egress_network_that_allows_counts_by_host() {
    let world = meshed();
    let _app = app(&world);
    let endpoint = answers::endpoint(outside());
    world.plane.set_outbound(outside(), Answer::Value(outbound::single("egress", PORT, endpoint)));
    assert_eq!(get(&world).status, 200);
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("request of the egress network", |metrics| {
            metrics.sum("outbound_http_route_request_statuses_total", &[("parent_name", "egress")]) >= 1.0
        })
        .unwrap();
}

#[test]
fn an_egress_network_that_denies_answers_itself() {
    let world = meshed();
    let app = app(&world);
    let backend = outbound::forward("egress", PORT, answers::endpoint(outside()));
    let mut rule = outbound::rule(vec![], outbound::first(&backend));
    rule.filters = vec![outbound::filter(filter::Kind::FailureInjector(HttpFailureInjector {
        status: 403,
        message: "traffic not allowed".to_owned(),
        ratio: None,
    }))];
    let policy = outbound::routed("egress", PORT, vec![outbound::route("deny", vec![rule])], &backend);
    world.plane.set_outbound(outside(), Answer::Value(policy));
    assert_eq!(get(&world).status, 403);
    assert_eq!(app.requests(), 0);
}

#[test]
fn an_opaque_connection_that_is_forbidden_is_closed() {
    let world = meshed();
    tcp::serve_echo(&world.control, SocketAddr::from(([0, 0, 0, 0], PORT))).unwrap();
    world.plane.set_outbound(outside(), Answer::Value(outbound::forbidden("egress", PORT)));
    let came = world.client.namespace.run(async move {
        let mut stream = tcp::connect(outside()).await.unwrap();
        // The end may come before or after the write.
        let _ = stream.write_all(b"anything\n").await;
        tcp::read_all(&mut stream).await.unwrap_or_default()
    });
    assert_eq!(came, b"");
}
