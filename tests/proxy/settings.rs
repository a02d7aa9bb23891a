//! Settings that change what is done, each by what comes of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ::http::Version;
use mesh_tests::mesh::answers::inbound::{self, Who};
use mesh_tests::mesh::{APP_PORT, Answer, App, World, http, tcp};

use crate::kit::{Calls, authority, eventually, meshed_with, server_from_outside, with_fields};

/// The port of an application that is busy.
const BUSY: u16 = 8085;

/// Sends a request with a secret, and what the server's proxy has logged of headers.
fn logged_headers(world: &World) -> Vec<String> {
    let request = http::get(Version::HTTP_11, &authority(), "/name").unwrap();
    let fields = [("x-probe", "seen-in-the-log"), ("authorization", "Bearer s3cret")];
    let request = with_fields(request, &fields);
    assert_eq!(world.send(Version::HTTP_11, request).unwrap().status, 200);
    std::thread::sleep(Duration::from_millis(300));
    let log = world.server.proxy().unwrap().process.log();
    assert!(!log.contains("s3cret"), "{log}");
    log.lines().filter(|line| line.contains("seen-in-the-log")).map(str::to_owned).collect()
}

#[test]
fn headers_are_logged_at_debug_level_without_secrets() {
    let world = meshed_with(|world| {
        world.server.config.set("LOG", "warn,linkerd2_proxy=debug").set("LOG_HTTP_HEADERS", "insecure");
    });
    let lines = logged_headers(&world);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("\"authorization\": \"(hidden)\""), "{lines:?}");
    assert!(lines[0].contains("\":path\": \"/name\"") && lines[0].contains("inbound"), "{lines:?}");
}

#[test]
fn headers_are_not_logged_where_that_is_off() {
    let world = meshed_with(|world| {
        world.server.config.set("LOG", "warn,linkerd2_proxy=debug").set("LOG_HTTP_HEADERS", "off");
    });
    assert_eq!(logged_headers(&world), [""; 0]);
}

#[test]
fn a_filter_that_leaves_headers_out_does_so_after_it_was_changed_too() {
    let world = meshed_with(|world| {
        world.server.config.set("LOG", "warn,linkerd2_proxy=debug,[{headers}]=off,[{request}]=off");
    });
    assert_eq!(logged_headers(&world), [""; 0]);
    let proxy = world.server.proxy().unwrap();
    assert_eq!(proxy.admin_with("PUT", "/proxy-log-level", "linkerd2_proxy=debug").unwrap().0, 204);
    assert_eq!(logged_headers(&world), [""; 0]);
    let shown = "linkerd2_proxy=debug,[{headers}]=debug";
    assert_eq!(proxy.admin_with("PUT", "/proxy-log-level", shown).unwrap().0, 204);
    assert_eq!(logged_headers(&world).len(), 1);
}

#[test]
fn ports_that_need_an_identity_have_none_without_until_the_control_plane_answers() {
    for name in ["INBOUND_PORTS_REQUIRE_IDENTITY", "INBOUND_PORTS_REQUIRE_TLS"] {
        let world = meshed_with(|world| {
            world.server.config.set(name, APP_PORT);
            world.plane.set_inbound("server", APP_PORT, Answer::Silence);
        });
        assert_eq!(world.outsider(Version::HTTP_11, "/name").unwrap().status, 403, "{name}");
        assert_eq!(world.http1("/name").status, 200, "{name}");
        let rule = inbound::authorization("all", Who::Everybody);
        let server = inbound::server("web", inbound::detect(), vec![rule]);
        world.plane.set_inbound("server", APP_PORT, Answer::Value(server));
        eventually("what the control plane says", Duration::from_secs(5), || {
            world.outsider(Version::HTTP_11, "/name").unwrap().status == 200
        });
    }
}

#[test]
fn tap_can_be_disabled() {
    let listens = |world: &World| {
        let address = SocketAddr::from(([127, 0, 0, 1], 4190));
        world.client.namespace.run(async move { tokio::net::TcpStream::connect(address).await.is_ok() })
    };
    let tapped = |world: &mut World| {
        world.client.config.set("TAP_SVC_NAME", "tap.linkerd.serviceaccount.identity.linkerd.cluster.local");
    };
    assert!(listens(&meshed_with(tapped)));
    let disabled = meshed_with(|world| {
        tapped(world);
        world.client.config.set("TAP_DISABLED", "true");
    });
    assert!(!listens(&disabled));
}

/// A world with this setting of the server's proxy, whose policy has come, and an application behind it that takes one stream at a time,
/// which does not end; and where that is from outside.
fn before_a_busy_application(setting: &str, value: &str) -> (World, SocketAddr) {
    let world = meshed_with(|world| {
        world.server.config.set(setting, value).set("INBOUND_PORTS", BUSY);
        let rule = inbound::authorization("all", Who::Everybody);
        let server = inbound::server("narrow", inbound::http2(vec![]), vec![rule]);
        world.plane.set_inbound("server", BUSY, Answer::Value(server));
    });
    serve_one_stream(&world);
    let policy = format!("server:{BUSY}");
    let limit = Duration::from_secs(5);
    world.plane.wait_for_calls("InboundServerPolicies/WatchPort", &policy, 1, limit).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    (world, SocketAddr::from((server_from_outside().ip(), BUSY)))
}

/// An application of HTTP/2 that takes one stream a connection, and never answers.
fn serve_one_stream(world: &World) {
    tcp::serve(&world.server.namespace, SocketAddr::from(([0, 0, 0, 0], BUSY)), |stream| async move {
        let service = hyper::service::service_fn(|_| async {
            std::future::pending::<Result<::http::Response<http::Body>, std::convert::Infallible>>().await
        });
        let http = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
            .max_concurrent_streams(1)
            .serve_connection(hyper_util::rt::TokioIo::new(stream), service);
        let _ = http.await;
    })
    .unwrap();
}

#[test]
fn requests_wait_for_an_application_that_is_busy_as_long_as_they_may() {
    let (world, to) = before_a_busy_application("INBOUND_HTTP_FAILFAST_TIMEOUT", "700ms");
    let waited = world.control.run(async move {
        // As many connections as the proxy may open to the application, each with a stream that stays.
        let mut held = Vec::new();
        for _ in 0..16 {
            let request = http::get(Version::HTTP_2, "web", "/").unwrap();
            held.push(tokio::spawn(async move { http::fetch(to, Version::HTTP_2, request).await }));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let start = Instant::now();
        let request = http::get(Version::HTTP_2, "web", "/").unwrap();
        let reply = http::fetch(to, Version::HTTP_2, request).await.unwrap();
        (reply.status.as_u16(), start.elapsed())
    });
    assert_eq!(waited.0, 504, "{waited:?}");
    assert!((Duration::from_millis(500)..Duration::from_secs(3)).contains(&waited.1), "{waited:?}");
    let metrics = world.server.proxy().unwrap().metrics().unwrap();
    assert!(metrics.sum("inbound_http_errors_total", &[("error", "failfast")]) >= 1.0, "{metrics}");
}

#[test]
fn no_more_requests_wait_for_an_application_than_may() {
    let (world, to) = before_a_busy_application("INBOUND_HTTP_QUEUE_CAPACITY", "1");
    let statuses = world.control.run(async move {
        let mut calls = Vec::new();
        for _ in 0..40 {
            let request = http::get(Version::HTTP_2, "web", "/").unwrap();
            calls.push(tokio::spawn(async move { http::fetch(to, Version::HTTP_2, request).await }));
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut statuses = Vec::new();
        for call in calls {
            if call.is_finished()
                && let Ok(Ok(reply)) = call.await
            {
                statuses.push(reply.status.as_u16());
            }
        }
        statuses
    });
    assert!(statuses.iter().filter(|status| **status == 503).count() >= 10, "{statuses:?}");
    let metrics = world.server.proxy().unwrap().metrics().unwrap();
    assert!(metrics.sum("inbound_http_errors_total", &[("error", "loadshed")]) >= 10.0, "{metrics}");
}

#[test]
fn an_application_that_is_away_is_not_waited_for_again_and_again() {
    let world = meshed_with(|world| {
        world
            .server
            .config
            .set("INBOUND_HTTP_FAILFAST_TIMEOUT", "300ms")
            .set("INBOUND_CONNECT_EXP_BACKOFF_MIN", "2s")
            .set("INBOUND_CONNECT_EXP_BACKOFF_MAX", "2s")
            .set("INBOUND_PORTS", "8086");
    });
    let to = SocketAddr::from((server_from_outside().ip(), 8086));
    let ask = || {
        let start = Instant::now();
        let request = http::get(Version::HTTP_11, "web", "/").unwrap();
        let reply =
            world.control.run(async move { http::fetch(to, Version::HTTP_11, request).await.unwrap() });
        (reply.status.as_u16(), start.elapsed())
    };
    assert_eq!(ask().0, 502, "nobody listens");
    std::thread::sleep(Duration::from_millis(500));
    let (status, took) = ask();
    assert_eq!(status, 504);
    assert!(took < Duration::from_millis(250), "{took:?}: it waited all the same");
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 8086));
    let _app = App::start(&world.server.namespace, everywhere, "late").unwrap();
    eventually("the application is back", Duration::from_secs(5), || ask().0 == 200);
}
