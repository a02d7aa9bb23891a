//! Every family of metrics, its labels and its buckets, of proxies that have served a bit of everything.
//!
//! The table is what dashboards of Linkerd 2 ask for, written down apart from the code. A family that is exposed and not in the table
//! is one of ours, and has to be on the reference page.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ::http::Version;
use linkerd2_proxy_api::destination::RetryBudget;
use linkerd2_proxy_api::outbound::OutboundPolicy;
use mesh_tests::mesh::answers::inbound::{self, Who};
use mesh_tests::mesh::answers::{self, Endpoint as _, outbound};
use mesh_tests::mesh::{APP_PORT, Answer, App, CONTROL_NAME, Metrics, World, addresses, http, tcp};
use tokio::io::AsyncWriteExt as _;

use crate::kit::{Calls, authority, call, eventually, meshed_with, server_from_outside, with_fields};

use table::Expected;

/// What is wrong with the families of a proxy.
fn compare(metrics: &Metrics, expected: &[Expected]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Expected { family, labels, buckets } in expected {
        let wanted: BTreeSet<&str> = labels.split_whitespace().collect();
        let sample = if buckets.is_empty() { family.clone() } else { format!("{family}_bucket") };
        let mut seen = BTreeSet::new();
        let mut bounds: BTreeMap<BTreeMap<&str, &str>, Vec<f64>> = BTreeMap::new();
        let series: Vec<_> = metrics.matching(&sample, &[]).collect();
        for (labels, _) in &series {
            let keys: BTreeSet<&str> = labels.keys().map(String::as_str).filter(|key| *key != "le").collect();
            if keys == wanted {
                let of = labels.iter().filter(|(key, _)| *key != "le");
                let of = of.map(|(key, value)| (key.as_str(), value.as_str())).collect();
                let bound = labels.get("le").map_or(f64::NAN, |le| le.parse().unwrap_or(f64::INFINITY));
                bounds.entry(of).or_default().push(bound);
            }
            seen.insert(keys);
        }
        if !seen.contains(&wanted) {
            wrong.push(format!("{family} with {wanted:?}: there are {seen:?}"));
            continue;
        }
        if !buckets.is_empty() {
            let wanted: Vec<f64> =
                buckets.split(' ').map(|bound| bound.parse().unwrap_or(f64::INFINITY)).collect();
            for (of, mut bounds) in bounds {
                bounds.sort_by(f64::total_cmp);
                if bounds != wanted {
                    wrong.push(format!("{family}{of:?} has the bounds {bounds:?}, not {wanted:?}"));
                }
            }
        }
    }
    wrong
}

/// An address of the cluster's services.
fn service(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 96, 0, last], port))
}

/// A world in which there is something for every family.
fn everything() -> World {
    meshed_with(|world| {
        for pod in [&mut world.client, &mut world.server] {
            pod.config.set("TRACE_COLLECTOR_SVC_ADDR", format!("{}:8086", addresses::CONTROL));
            pod.config.set("TRACE_COLLECTOR_SVC_NAME", CONTROL_NAME);
            pod.config.set("OUTBOUND_METRICS_HOSTNAME_LABELS", "true");
            pod.config.set("OUTBOUND_DISCOVERY_IDLE_TIMEOUT", "2s");
            pod.config.set("INBOUND_PORTS", "8080,8081,7000,7001");
        }
        let everybody = || vec![inbound::authorization("all", Who::Everybody)];
        let meshed = || vec![inbound::authorization("mesh", Who::Meshed)];
        // HTTP, gRPC and octets.
        let route = linkerd2_proxy_api::inbound::HttpRoute {
            metadata: Some(answers::resource("policy.linkerd.io", "HTTPRoute", "known", 0)),
            hosts: Vec::new(),
            authorizations: Vec::new(),
            rules: ["/name", "/bytes", "/status", "/retried"]
                .map(|path| linkerd2_proxy_api::inbound::http_route::Rule {
                    matches: vec![outbound::prefix(path)],
                    filters: Vec::new(),
                })
                .into(),
        };
        let limit = inbound::rate_limit(Some(1), None);
        for (port, server) in [
            (APP_PORT, inbound::server("web", inbound::detect_with(vec![route], None), meshed())),
            (8082, inbound::server("limited", inbound::detect_with(vec![], Some(limit)), everybody())),
            (8081, inbound::server("grpc", inbound::grpc(), everybody())),
            (7000, inbound::server("echo", inbound::opaque(), meshed())),
            (7001, inbound::server("tls", inbound::opaque(), meshed())),
        ] {
            world.plane.set_inbound("server", port, Answer::Value(server));
        }
        script(world);
    })
}

fn script(world: &World) {
    let at = |port: u16| {
        answers::endpoint(SocketAddr::from((addresses::SERVER, port)))
            .meshed(&world.server.identity)
            .transport_header(4143)
            .label("pod", "server")
    };
    type Policy = fn(&str, u16) -> OutboundPolicy;
    for (last, name, port, policy, endpoint) in [
        (11, "grpc.test.svc.cluster.local", 81, outbound::grpc_service as Policy, at(8081).h2()),
        (12, "echo.test.svc.cluster.local", 82, outbound::opaque_service, at(7000).opaque()),
        (13, "tls.test.svc.cluster.local", 83, outbound::tls_service, at(7001).opaque()),
    ] {
        world.plane.set_profile(service(last, port), Answer::Value(answers::profile(name)));
        world.plane.set_outbound(service(last, port), Answer::Value(policy(name, port)));
        world.plane.set_endpoints(&format!("{name}:{port}"), vec![endpoint]);
    }
    let nowhere = "nowhere.test.svc.cluster.local";
    world.plane.set_profile(service(15, 85), Answer::Value(answers::profile(nowhere)));
    world.plane.set_outbound(service(15, 85), Answer::Value(outbound::forbidden(nowhere, 85)));
    // A service with routes of a profile, one of which is retried.
    let name = "books.test.svc.cluster.local";
    let mut profile = answers::profile(name);
    profile.retry_budget = Some(RetryBudget {
        retry_ratio: 1.0,
        min_retries_per_second: 10,
        ttl: answers::duration(Duration::from_secs(10)),
    });
    let mut route = answers::retryable_route("all");
    route.timeout = answers::duration(Duration::from_secs(5));
    profile.routes = vec![route];
    world.plane.set_profile(service(14, 84), Answer::Value(profile));
    world.plane.set_outbound(service(14, 84), Answer::Value(outbound::service(name, 84)));
    world.plane.set_endpoints(&format!("{name}:84"), vec![at(APP_PORT).h2()]);
}

/// Octets to a service from the client pod; waits for as many back.
fn octets(world: &World, to: SocketAddr, octets: Vec<u8>) {
    world.client.namespace.run(async move {
        let mut stream = tcp::connect(to).await.unwrap();
        // A connection that is refused is closed.
        let _ = stream.write_all(&octets).await;
        let _ =
            tokio::time::timeout(Duration::from_secs(2), tcp::read_exact(&mut stream, octets.len())).await;
    });
}

/// Traffic of every kind.
fn traffic(world: &World) {
    let fetch = |to: SocketAddr, version, request| {
        world.client.namespace.run(async move { http::fetch(to, version, request).await }).unwrap()
    };
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let request = http::request(version, "POST", &authority(), "/bytes/2000", "a body").unwrap();
        let context = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let request = with_fields(request, &[("traceparent", context)]);
        assert_eq!(world.send(version, request).unwrap().status, 200);
    }
    fetch(service(11, 81), Version::HTTP_2, call("/a.B/C", &[]));
    world.app.fail_next(1);
    fetch(service(14, 84), Version::HTTP_11, http::get(Version::HTTP_11, "books", "/retried").unwrap());
    octets(world, service(12, 82), b"\x00octets".to_vec());
    octets(world, service(13, 83), client_hello());
    octets(world, service(15, 85), b"\x00refused".to_vec());
    // What is refused: without identity, by no route, too many, by nobody known.
    assert_eq!(world.outsider(Version::HTTP_11, "/name").unwrap().status, 403);
    assert_eq!(world.outsider(Version::HTTP_11, "/no-such-route").unwrap().status, 404);
    for _ in 0..5 {
        let to = SocketAddr::from((server_from_outside().ip(), 8082));
        let request = http::get(Version::HTTP_11, "limited", "/").unwrap();
        world.control.run(async move { http::fetch(to, Version::HTTP_11, request).await }).unwrap();
    }
    let echo = SocketAddr::from((server_from_outside().ip(), 7000));
    world.control.run(async move {
        let mut stream = tcp::connect(echo).await.unwrap();
        let _ = stream.write_all(b"\x00refused").await;
        let _ = tcp::read_all(&mut stream).await;
    });
    let missing = http::get(Version::HTTP_11, &authority(), "/name").unwrap();
    let missing = with_fields(missing, &[("l5d-require-id", "somebody.else.test")]);
    assert_eq!(world.send(Version::HTTP_11, missing).unwrap().status, 502);
}

/// The beginning of TLS, as a client of rustls writes it.
fn client_hello() -> Vec<u8> {
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("tls.test.svc.cluster.local").unwrap();
    let mut client = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

#[test]
fn every_family_has_the_labels_and_buckets_that_dashboards_know() {
    let world = everything();
    let everywhere = |port| SocketAddr::from(([0, 0, 0, 0], port));
    let _apps =
        [8081, 8082].map(|port| App::start(&world.server.namespace, everywhere(port), "app").unwrap());
    for port in [7000, 7001] {
        tcp::serve_echo(&world.server.namespace, everywhere(port)).unwrap();
    }
    eventually("the policies", Duration::from_secs(5), || {
        world.outsider(Version::HTTP_11, "/name").unwrap().status == 403
    });
    traffic(&world);
    // A tunnel whose authorization is taken back.
    let to = service(12, 82);
    let tunnel = world.client.namespace.spawn(async move {
        let mut stream = tcp::connect(to).await.unwrap();
        stream.write_all(b"\x00held").await.unwrap();
        tcp::read_exact(&mut stream, 5).await.unwrap();
        let _ = tcp::read_all(&mut stream).await;
    });
    std::thread::sleep(Duration::from_millis(500));
    let nobody =
        inbound::server("echo", inbound::opaque(), vec![inbound::authorization("nobody", Who::Only(vec![]))]);
    world.plane.set_inbound("server", 7000, Answer::Value(nobody));
    world.client.namespace.run(async move { tunnel.await.unwrap() });
    // Spans are sent every ten seconds, and what nobody uses is dropped meanwhile.
    eventually("spans", Duration::from_secs(20), || !world.plane.spans().is_empty());
    for (name, pod, expected) in
        [("client", &world.client, table::of_client()), ("server", &world.server, table::of_server())]
    {
        let proxy = pod.proxy().unwrap();
        let wrong = still_wrong(Duration::from_secs(5), || compare(&proxy.metrics().unwrap(), &expected));
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    }
    everything_is_documented(&world);
    a_host_is_named_where_that_is_wanted(&world);
}

/// What is still wrong after it was asked for a while.
fn still_wrong(limit: Duration, ask: impl Fn() -> Vec<String>) -> Vec<String> {
    let start = Instant::now();
    loop {
        let wrong = ask();
        if wrong.is_empty() || start.elapsed() > limit {
            return wrong;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether each family that is exposed is on the reference page.
fn everything_is_documented(world: &World) {
    let page = include_str!("../../docs/reference/metrics.md");
    for pod in [&world.client, &world.server] {
        let (_, text) = pod.proxy().unwrap().admin("GET", "/metrics").unwrap();
        let exposed = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let missing: Vec<&str> = exposed.filter(|family| !page.contains(&format!("`{family}`"))).collect();
        assert!(missing.is_empty(), "not in docs/reference/metrics.md: {missing:?}");
    }
}

fn a_host_is_named_where_that_is_wanted(world: &World) {
    let metrics = world.client.proxy().unwrap().metrics().unwrap();
    let host = [("hostname", mesh_tests::mesh::WEB), ("parent_name", "web"), ("http_status", "200")];
    assert!(metrics.sum("outbound_http_route_request_statuses_total", &host) >= 2.0, "{metrics}");
}
