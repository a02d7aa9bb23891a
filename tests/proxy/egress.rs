//! What leaves the mesh.

use std::net::SocketAddr;

use ::http::Version;
use linkerd2_proxy_api::outbound::{Backend, OutboundPolicy};
use mesh_tests::mesh::answers::outbound::streams::To;
use mesh_tests::mesh::answers::{self, outbound};
use mesh_tests::mesh::{Answer, App, Authority, Metrics, Result, WEB, World, addresses, http, tcp};
use tokio::io::AsyncWriteExt;

use crate::kit::{Calls, meshed, meshed_with};
use crate::streams;

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

/// The way out at a port of somebody outside.
fn way_out(port: u16) -> Backend {
    outbound::forward("egress", port, answers::endpoint(SocketAddr::from((addresses::OUTSIDE, port))))
}

/// What an egress network without routes of its own does with a port: everything may leave.
fn allowed(port: u16) -> Answer<OutboundPolicy> {
    let backend = way_out(port);
    let route = outbound::route("allowed", vec![outbound::rule(vec![], outbound::first(&backend))]);
    Answer::Value(outbound::egress("egress", port, outbound::detect(vec![route], &backend, None)))
}

#[test]
fn an_egress_network_that_allows_counts_by_host() {
    let world = meshed();
    let app = app(&world);
    world.plane.set_outbound(outside(), allowed(PORT));
    for host in ["outside.example.test", "OTHER.example.test:8088", "outside.example.test"] {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let request = http::get(version, host, "/name").unwrap();
            let reply =
                world.client.namespace.run(async move { http::fetch(outside(), version, request).await });
            assert_eq!(reply.unwrap().status, 200);
        }
    }
    assert_eq!(app.requests(), 6);
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("requests by host", |metrics| {
            let of = |host| {
                let labels =
                    [("parent_kind", "EgressNetwork"), ("route_name", "allowed"), ("hostname", host)];
                metrics.sum("outbound_http_route_request_statuses_total", &labels)
            };
            (of("outside.example.test"), of("other.example.test"), of("")) == (4.0, 2.0, 0.0)
        })
        .unwrap();
}

#[test]
fn hosts_of_a_service_are_counted_where_that_is_asked_for() {
    for (asked, expected) in [("true", [1.0, 0.0]), ("false", [0.0, 1.0])] {
        let world = meshed_with(|world| {
            world.client.config.set("OUTBOUND_METRICS_HOSTNAME_LABELS", asked);
        });
        assert_eq!(world.http1("/name").status, 200);
        let proxy = world.client.proxy().unwrap();
        proxy
            .wait_for_metrics("request", |metrics| {
                let of =
                    |host| metrics.sum("outbound_http_route_request_statuses_total", &[("hostname", host)]);
                [of(WEB), of("")] == expected
            })
            .unwrap();
    }
}

#[test]
fn tls_that_leaves_is_counted_by_its_name_and_not_decrypted() {
    let world = meshed();
    let authority = Authority::new("somebody else").unwrap();
    streams::serve_tls_in(&world.control, &authority, "outside", PORT, "outside.example.test");
    let backend = way_out(PORT);
    let routes = vec![
        outbound::streams::tls_route("some", &["*.example.test"], To::First(&[&backend])),
        outbound::streams::tls_route("none", &["closed.example.test"], To::Nowhere(&backend)),
    ];
    let policy = outbound::egress("egress", PORT, outbound::streams::tls(routes));
    world.plane.set_outbound(outside(), Answer::Value(policy));
    let ask = |host| streams::ask_tls_at(outside(), &world, &authority, host);
    for _ in 0..3 {
        assert_eq!(ask("outside.example.test").unwrap(), "outside");
    }
    for host in ["closed.example.test", "elsewhere.test"] {
        assert!(ask(host).is_err(), "{host}");
    }
    let proxy = world.client.proxy().unwrap();
    let of = |metrics: &Metrics, what: &str, route: &str, host: &str| {
        let labels = [("parent_kind", "EgressNetwork"), ("route_name", route), ("hostname", host)];
        metrics.sum(&format!("outbound_tls_host_{what}"), &labels)
    };
    let metrics = proxy
        .wait_for_metrics("connections by name", |metrics| {
            let connections = |route, host| of(metrics, "connections_total", route, host);
            connections("some", "outside.example.test") == 3.0
                && connections("none", "closed.example.test") == 1.0
                && connections("", "elsewhere.test") == 1.0
                && metrics.sum("outbound_tls_route_close_total", &[("route_name", "some"), ("error", "")])
                    == 3.0
        })
        .unwrap();
    let passed = |what: &str| of(&metrics, what, "some", "outside.example.test");
    // A ClientHello and a certificate each, at least.
    assert!(passed("read_bytes_total") > 600.0 && passed("write_bytes_total") > 1500.0, "{metrics}");
    for way in ["read", "write"] {
        let by_route =
            metrics.sum(&format!("outbound_tls_route_{way}_bytes_total"), &[("route_name", "some")]);
        assert_eq!(by_route, passed(&format!("{way}_bytes_total")), "{way}\n{metrics}");
    }
    let seconds = passed("handshake_duration_seconds_sum");
    assert_eq!(passed("handshake_duration_seconds_count"), 3.0, "{metrics}");
    assert!((3.0 * streams::HANDSHAKE.as_secs_f64()..10.0).contains(&seconds), "{seconds} s");
    assert_eq!(of(&metrics, "handshake_duration_seconds_count", "none", "closed.example.test"), 0.0);
}

#[test]
fn tls_is_counted_by_its_name_where_the_protocol_is_detected() {
    let world = meshed();
    let authority = Authority::new("somebody else").unwrap();
    streams::serve_tls_in(&world.control, &authority, "outside", PORT, "outside.example.test");
    world.plane.set_outbound(outside(), allowed(PORT));
    assert_eq!(
        streams::ask_tls_at(outside(), &world, &authority, "outside.example.test").unwrap(),
        "outside"
    );
    // What is neither TLS nor HTTP leaves as it is, and so does what its server begins.
    let plain = SocketAddr::from((addresses::OUTSIDE, PORT + 1));
    world.plane.set_outbound(plain, allowed(PORT + 1));
    tcp::serve_banner(&world.control, SocketAddr::from(([0, 0, 0, 0], PORT + 1)), "hello\n").unwrap();
    let came: Result<_> = world.client.namespace.run(async move {
        let mut stream = tcp::connect(plain).await?;
        let hello = tcp::read_until(&mut stream, b"\n").await?;
        stream.write_all(b"\x00 nonsense\n").await?;
        Ok([hello, tcp::read_until(&mut stream, b"\n").await?])
    });
    assert_eq!(came.unwrap(), [b"hello\n".to_vec(), b"\x00 nonsense\n".to_vec()]);
    let came = world.client.namespace.run(async move {
        let mut stream = tcp::connect(plain).await?;
        stream.write_all(b"\x00 first\n").await?;
        tcp::read_until(&mut stream, b"first\n").await
    });
    assert!(came.unwrap().ends_with(b"\x00 first\n"));
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("one name", |metrics| {
            let named = [("parent_name", "egress"), ("hostname", "outside.example.test")];
            metrics.sum("outbound_tls_host_handshake_duration_seconds_count", &named) == 1.0
                && metrics.sum("outbound_tls_host_connections_total", &[]) == 1.0
                && metrics.sum("outbound_tcp_route_open_total", &[("parent_name", "egress")]) == 3.0
        })
        .unwrap();
}

#[test]
fn an_egress_network_that_denies_answers_itself() {
    let world = meshed();
    let app = app(&world);
    let backend = way_out(PORT);
    let mut rule = outbound::rule(vec![], outbound::first(&backend));
    rule.filters = vec![outbound::failing(403, "traffic not allowed", None)];
    let detect = outbound::detect(vec![outbound::route("deny", vec![rule])], &backend, None);
    let policy = outbound::egress("egress", PORT, detect);
    world.plane.set_outbound(outside(), Answer::Value(policy));
    assert_eq!(get(&world).status, 403);
    assert_eq!(app.requests(), 0);
}

#[test]
fn an_opaque_connection_that_is_forbidden_is_closed() {
    let world = meshed();
    tcp::serve_echo(&world.control, SocketAddr::from(([0, 0, 0, 0], PORT))).unwrap();
    world.plane.set_outbound(outside(), Answer::Value(outbound::forbidden("egress", PORT)));
    let came = world.client.namespace.run(tcp::ask_until_end(outside(), b"anything\n"));
    assert_eq!(came.unwrap(), b"");
}
