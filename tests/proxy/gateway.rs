//! Requests and connections of other clusters: in through the gateway's proxy port, and on by their name.
//!
//! The server pod is the gateway. What lies behind it is an application of the client pod, which has a proxy as well, so everything
//! passes two connections of mesh TLS: to the gateway, and on from it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::http::Version;
use mesh_tests::mesh::answers::inbound::Who;
use mesh_tests::mesh::answers::{self, Endpoint as _, inbound, outbound};
use mesh_tests::mesh::{Answer, App, SERVICE_PORT, WEB, World, addresses, http, tcp};
use tokio::io::AsyncWriteExt;

use crate::kit::{Calls, authority, call, eventually, meshed_with, with_fields};

/// The service of the other cluster.
const FAR: &str = "web.test.svc.mirror.test";
/// Where its application listens in the client pod.
const FAR_HTTP: u16 = 8089;
/// The same for octets.
const FAR_OCTETS: u16 = 8090;

fn target() -> String {
    format!("{FAR}:{SERVICE_PORT}")
}

/// A gateway that lets these in, and a client that goes by it to the service of the other cluster.
fn gateway(who: Who) -> (World, App) {
    let world = meshed_with(|world| {
        world.server.config.set("INBOUND_GATEWAY_SUFFIXES", "svc.mirror.test.");
        world.server.config.set("DESTINATION_PROFILE_SUFFIXES", "svc.cluster.local.,svc.mirror.test.");
        let rule = inbound::authorization("peers", who);
        let policy = inbound::server("gateway", inbound::detect(), vec![rule]);
        world.plane.set_inbound("server", 4143, Answer::Value(policy));
        world.plane.set_profile(target(), Answer::Value(answers::profile(FAR)));
        world.plane.set_outbound(target(), Answer::Value(outbound::service(FAR, SERVICE_PORT)));
        world.plane.set_endpoints(&target(), vec![far(world, FAR_HTTP).h2()]);
        world.script_web(vec![way(world).h2()]);
    });
    // The policy has come, and the default is no longer in force.
    world
        .plane
        .wait_for_calls("InboundServerPolicies/WatchPort", "server:4143", 1, Duration::from_secs(5))
        .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let app = App::start(&world.client.namespace, SocketAddr::from(([0, 0, 0, 0], FAR_HTTP)), "far").unwrap();
    (world, app)
}

/// The application behind the gateway, as the gateway is told of it.
fn far(world: &World, port: u16) -> linkerd2_proxy_api::destination::WeightedAddr {
    answers::endpoint(SocketAddr::from((addresses::CLIENT, port)))
        .meshed(&world.client.identity)
        .transport_header(4143)
}

/// The gateway, as the client is told of it.
fn way(world: &World) -> linkerd2_proxy_api::destination::WeightedAddr {
    answers::endpoint(SocketAddr::from((addresses::SERVER, 4143)))
        .meshed(&world.server.identity)
        .transport_header(4143)
        .authority(&target())
}

/// Has the service be opaque on both sides of the gateway; how many connections have reached what is behind it.
fn make_opaque(world: &World) -> Arc<AtomicUsize> {
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = reached.clone();
    let everywhere = SocketAddr::from(([0, 0, 0, 0], FAR_OCTETS));
    tcp::serve(&world.client.namespace, everywhere, move |mut stream| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
            let _ = write.shutdown().await;
        }
    })
    .unwrap();
    world.plane.set_inbound("client", FAR_OCTETS, Answer::Value(opaque_for_all()));
    world.plane.set_outbound(target(), Answer::Value(outbound::opaque_service(FAR, SERVICE_PORT)));
    world.plane.set_endpoints(&target(), vec![far(world, FAR_OCTETS).opaque()]);
    world.script_web(vec![way(world).opaque()]);
    world.plane.set_outbound(world.service(), Answer::Value(outbound::opaque_service(WEB, SERVICE_PORT)));
    reached
}

fn opaque_for_all() -> linkerd2_proxy_api::inbound::Server {
    inbound::server("far", inbound::opaque(), vec![inbound::authorization("all", Who::Everybody)])
}

/// Sends octets to the service; what comes back, as many as were sent or until the end.
fn exchange(world: &World, octets: &'static [u8]) -> Vec<u8> {
    let service = world.service();
    world.client.namespace.run(async move {
        let mut stream = tcp::connect(service).await.unwrap();
        // The end may come before or after the write.
        let _ = stream.write_all(octets).await;
        tcp::read_exact(&mut stream, octets.len()).await.unwrap_or_default()
    })
}

#[test]
fn requests_go_on_to_a_meshed_endpoint_in_the_name_of_the_gateway() {
    let (world, app) = gateway(Who::Meshed);
    for (sent, version) in [(1, Version::HTTP_11), (2, Version::HTTP_2)] {
        let seen = world.inspect(version, &[]);
        assert_eq!(seen.reply.header("x-server"), Some("far"));
        assert_eq!(seen.part("version"), format!("{version:?}"));
        assert_eq!(seen.fields("l5d-client-id"), [&world.server.identity], "the gateway is the client");
        let forwarded = seen.fields("forwarded").join(",");
        assert!(forwarded.contains(&format!("by={}", world.server.identity)), "{forwarded}");
        assert!(forwarded.contains(&format!("for={}", world.client.identity)), "{forwarded}");
        assert!(forwarded.contains(&format!("host={}", target())), "{forwarded}");
        assert!(forwarded.contains("proto=https"), "{forwarded}");
        assert_eq!(app.requests(), sent);
    }
    let (gateway, peer) = (world.server.proxy().unwrap(), world.client.identity.clone());
    let metrics = gateway
        .wait_for_metrics("both halves of two requests", |metrics| {
            metrics.sum("response_total", &[("direction", "inbound"), ("client_id", &peer)]) >= 2.0
                && metrics.sum("response_total", &[("direction", "outbound"), ("server_id", &peer)]) >= 2.0
        })
        .unwrap();
    let allowed = [("srv_name", "gateway"), ("authz_name", "peers"), ("target_port", "4143")];
    assert!((metrics.sum("inbound_http_authz_allow_total", &allowed) - 2.0).abs() < 0.5, "{metrics}");
    let named = [("target_name", FAR), ("target_port", "80"), ("session_protocol", "http/2")];
    assert!(metrics.sum("inbound_tcp_transport_header_connections_total", &named) >= 1.0, "{metrics}");
}

#[test]
fn a_call_of_grpc_keeps_its_trailers_through_the_gateway() {
    let (world, _app) = gateway(Who::Meshed);
    let reply = world.send(Version::HTTP_2, call("/grpc/5", &[])).unwrap();
    assert_eq!((reply.status.as_u16(), reply.trailer("grpc-status")), (200, Some("5")), "{reply:?}");
}

#[test]
fn octets_go_on_to_a_meshed_endpoint() {
    let (world, _app) = gateway(Who::Meshed);
    let reached = make_opaque(&world);
    eventually("octets through the gateway", Duration::from_secs(5), || {
        exchange(&world, b"\x00neither HTTP nor TLS") == b"\x00neither HTTP nor TLS"
    });
    assert!(reached.load(Ordering::Relaxed) >= 1);
    let metrics = world.server.proxy().unwrap().metrics().unwrap();
    let allowed = [("srv_name", "gateway"), ("authz_name", "peers")];
    assert!(metrics.sum("inbound_tcp_authz_allow_total", &allowed) >= 1.0, "{metrics}");
}

#[test]
fn who_may_not_use_the_gateway_reaches_nothing_behind_it() {
    let (world, app) = gateway(Who::Only(vec!["somebody.else.test".to_owned()]));
    for reply in [world.http1("/name"), world.http2("/name")] {
        assert_eq!(reply.status, 403, "{reply:?}");
    }
    let reached = make_opaque(&world);
    let server = world.server.proxy().unwrap();
    let denied = |family: &str| server.metrics().unwrap().sum(family, &[("srv_name", "gateway")]);
    eventually("a connection that is refused", Duration::from_secs(5), || {
        assert_eq!(exchange(&world, b"\x00anything"), b"");
        denied("inbound_tcp_authz_deny_total") >= 1.0
    });
    assert!(denied("inbound_http_authz_deny_total") >= 2.0);
    assert_eq!((app.requests(), app.connections(), reached.load(Ordering::Relaxed)), (0, 0, 0));
}

#[test]
fn a_name_that_the_gateway_does_not_serve_is_not_found() {
    let (world, app) = gateway(Who::Meshed);
    for name in ["web.test.svc.elsewhere.test:80", "unknown.test.svc.mirror.test:80"] {
        let endpoint = way(&world).h2().authority(name);
        world.script_web(vec![endpoint]);
        eventually("the refusal", Duration::from_secs(5), || world.http1("/name").status == 404);
        let before = app.requests();
        for reply in [world.http1("/name"), world.http2("/name")] {
            assert_eq!(reply.status, 404, "{name}: {reply:?}");
        }
        assert_eq!(app.requests(), before);
    }
    let metrics = world.server.proxy().unwrap().metrics().unwrap();
    let domain = [("error", "gateway domain invalid")];
    assert!(metrics.sum("inbound_http_errors_total", &domain) >= 3.0, "{metrics}");
}

#[test]
fn a_request_that_comes_by_again_is_a_loop() {
    let (world, app) = gateway(Who::Meshed);
    let by_gateway = format!("by={};for=x;host=y;proto=https", world.server.identity);
    let request = http::get(Version::HTTP_11, &authority(), "/name").unwrap();
    let request = with_fields(request, &[("forwarded", &by_gateway)]);
    let reply = world.send(Version::HTTP_11, request).unwrap();
    assert_eq!(reply.status, 508, "{reply:?}");
    assert_eq!(app.requests(), 0);
    let seen = world.inspect(Version::HTTP_11, &[("forwarded", "by=another.gateway.test;for=x")]);
    assert_eq!(seen.fields("forwarded").len(), 2, "{seen:?}");
}

#[test]
fn a_proxy_that_is_no_gateway_leads_nobody_on() {
    let world = meshed_with(|world| {
        world.script_web(vec![way(world).h2()]);
    });
    assert_eq!(world.http1("/name").status, 404);
    assert_eq!(world.app.requests(), 0);
}
