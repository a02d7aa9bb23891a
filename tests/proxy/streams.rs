//! Routes of connections: TLS by its server name, and octets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use linkerd2_proxy_api::destination::WeightedAddr;
use linkerd2_proxy_api::outbound::proxy_protocol::Kind;
use mesh_tests::mesh::answers::outbound::{self, streams};
use mesh_tests::mesh::answers::{self, Endpoint as _};
use mesh_tests::mesh::{Answer, Authority, Namespace, Result, SERVICE_PORT, World, addresses, tcp};
use rustls::pki_types::ServerName;
use streams::To;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::kit::{eventually, meshed_with};

const NAME: &str = "gate.test.svc.cluster.local";
const PORT: u16 = 9443;

/// How long a server of TLS waits before it answers its client.
pub(crate) const HANDSHAKE: Duration = Duration::from_millis(20);

fn gate() -> SocketAddr {
    SocketAddr::from(([10, 96, 0, 30], PORT))
}

fn script(world: &World, kind: Kind) {
    world.plane.set_outbound(gate(), Answer::Value(outbound::with(NAME, PORT, kind)));
}

fn backend(name: &str) -> linkerd2_proxy_api::outbound::Backend {
    outbound::balancer(&format!("{name}.test.svc.cluster.local"), SERVICE_PORT)
}

/// The endpoint of a port of the server pod.
fn endpoint(world: &World, port: u16) -> WeightedAddr {
    answers::endpoint(SocketAddr::from((addresses::SERVER, port)))
        .meshed(&world.server.identity)
        .transport_header(4143)
}

/// The service `NAME.test` with one port of the server pod.
fn behind(world: &World, name: &str, port: u16) {
    let key = format!("{name}.test.svc.cluster.local:{SERVICE_PORT}");
    world.plane.set_endpoints(&key, vec![endpoint(world, port)]);
}

/// A server of TLS that says its name, as a service of that name.
fn serve_tls(world: &World, authority: &Authority, name: &'static str, port: u16, host: &str) {
    serve_tls_in(&world.server.namespace, authority, name, port, host);
    behind(world, name, port);
}

/// A server of TLS that takes a moment for its handshake, and then says its name.
pub(crate) fn serve_tls_in(
    namespace: &Namespace,
    authority: &Authority,
    name: &'static str,
    port: u16,
    host: &str,
) {
    let (chain, key) = authority.leaf(&[host], Duration::from_secs(3600)).unwrap().parts();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tcp::serve(namespace, SocketAddr::from(([0, 0, 0, 0], port)), move |stream| {
        let acceptor = acceptor.clone();
        async move {
            tokio::time::sleep(HANDSHAKE).await;
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.write_all(name.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    })
    .unwrap();
}

/// Who is at the other end of a TLS connection that asks for a host.
fn ask_tls(world: &World, authority: &Authority, host: &str) -> Result<String> {
    ask_tls_at(gate(), world, authority, host)
}

/// The same at another address.
pub(crate) fn ask_tls_at(
    address: SocketAddr,
    world: &World,
    authority: &Authority,
    host: &str,
) -> Result<String> {
    let roots = authority.roots()?;
    let host = ServerName::try_from(host.to_owned())?;
    world.client.namespace.run(async move {
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let stream = tcp::connect(address).await?;
        let answer = async {
            let mut stream = TlsConnector::from(Arc::new(config)).connect(host, stream).await?;
            let mut name = String::new();
            stream.read_to_string(&mut name).await?;
            Ok(name)
        };
        tokio::time::timeout(Duration::from_secs(8), answer).await?
    })
}

#[test]
fn tls_goes_by_its_server_name() {
    let world = meshed_with(|world| {
        let (one, two, rest) = (backend("one"), backend("two"), backend("rest"));
        let routes = vec![
            streams::tls_route("rest", &["*.example.test"], To::First(&[&rest])),
            streams::tls_route("one", &["one.example.test"], To::First(&[&one])),
            streams::tls_route("two", &["*.two.example.test"], To::First(&[&two])),
            streams::tls_route("closed", &["closed.example.test"], To::Nowhere(&one)),
        ];
        script(world, streams::tls(routes));
    });
    let authority = Authority::new("somebody else").unwrap();
    for (name, port, host) in [
        ("one", 9001, "one.example.test"),
        ("two", 9002, "deep.two.example.test"),
        ("rest", 9003, "any.example.test"),
    ] {
        serve_tls(&world, &authority, name, port, host);
        // Its certificate is the application's own: nothing was decrypted on the way.
        assert_eq!(ask_tls(&world, &authority, host).unwrap(), name);
    }
    for host in ["closed.example.test", "elsewhere.test", "example.test"] {
        let came = ask_tls(&world, &authority, host);
        assert!(came.is_err(), "{host}: {came:?}");
    }
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("connections of each route", |metrics| {
            let opened = |name| metrics.sum("outbound_tls_route_open_total", &[("route_name", name)]);
            let closed = |name, error| {
                metrics.sum("outbound_tls_route_close_total", &[("route_name", name), ("error", error)])
            };
            (opened("one"), opened("two"), opened("rest"), opened("closed")) == (1.0, 1.0, 1.0, 0.0)
                && (closed("one", ""), closed("closed", "forbidden")) == (1.0, 1.0)
                && metrics.sum("outbound_tcp_errors_total", &[("error", "route not found")]) == 2.0
        })
        .unwrap();
}

#[test]
fn weights_divide_tls() {
    let world = meshed_with(|world| {
        let (one, two) = (backend("one"), backend("two"));
        let weights = [(&one, 1), (&two, 1)];
        script(world, streams::tls(vec![streams::tls_route("both", &[], To::Weighted(&weights))]));
    });
    let authority = Authority::new("somebody else").unwrap();
    for (name, port) in [("one", 9001), ("two", 9002)] {
        serve_tls(&world, &authority, name, port, "one.example.test");
    }
    let mut came = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..40 {
        *came.entry(ask_tls(&world, &authority, "one.example.test").unwrap()).or_default() += 1;
    }
    // Half of 40 each; fewer than 6 of them come once in a million runs.
    assert!(came.len() == 2 && came.values().all(|count| *count >= 6), "{came:?}");
}

#[test]
fn what_is_no_tls_is_closed_where_tls_is_expected() {
    let world = meshed_with(|world| {
        script(world, streams::tls(vec![streams::tls_route("all", &[], To::First(&[&backend("one")]))]));
    });
    let answer = world.client.namespace.run(async move { tcp::ask(gate(), b"hello\r\n".to_vec()).await });
    assert!(answer.as_ref().map_or(true, Vec::is_empty), "{answer:?}");
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("reason", |metrics| {
            metrics.sum("outbound_tcp_errors_total", &[("error", "not tls")]) == 1.0
        })
        .unwrap();
}

/// What the server at the other end of an opaque connection says first.
fn banner(world: &World) -> String {
    let banner = world.client.namespace.run(async move {
        let mut stream = tcp::connect(gate()).await?;
        tcp::read_until(&mut stream, b"\n").await
    });
    String::from_utf8(banner.unwrap()).unwrap()
}

#[test]
fn octets_go_to_backends_by_weight() {
    let world = meshed_with(|world| {
        let (one, two) = (backend("one"), backend("two"));
        script(world, streams::opaque("octets", To::Weighted(&[(&one, 1), (&two, 1)])));
    });
    for (name, port, text) in [("one", 9001, "one\n"), ("two", 9002, "two\n")] {
        tcp::serve_banner(&world.server.namespace, SocketAddr::from(([0, 0, 0, 0], port)), text).unwrap();
        behind(&world, name, port);
    }
    let mut came = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..40 {
        *came.entry(banner(&world)).or_default() += 1;
    }
    assert!(came.len() == 2 && came.values().all(|count| *count >= 6), "{came:?}");
    let labels = [("route_name", "octets"), ("route_kind", "TCPRoute"), ("parent_name", "gate")];
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("40 connections", |metrics| {
            metrics.sum("outbound_tcp_route_open_total", &labels) == 40.0
                && metrics.sum("outbound_tcp_route_close_total", &labels) == 40.0
        })
        .unwrap();
}

#[test]
fn octets_go_to_the_next_backend_while_the_first_has_no_endpoint() {
    let world = meshed_with(|world| {
        let (one, two) = (backend("one"), backend("two"));
        script(world, streams::opaque("octets", To::First(&[&one, &two])));
    });
    for (name, port, text) in [("one", 9001, "one\n"), ("two", 9002, "two\n")] {
        tcp::serve_banner(&world.server.namespace, SocketAddr::from(([0, 0, 0, 0], port)), text).unwrap();
        behind(&world, name, port);
    }
    assert_eq!(banner(&world), "one\n");
    let first = format!("one.test.svc.cluster.local:{SERVICE_PORT}");
    world.plane.set_endpoints(&first, Vec::new());
    eventually("the second backend", Duration::from_secs(5), || banner(&world) == "two\n");
    world.plane.set_endpoints(&first, vec![endpoint(&world, 9001)]);
    eventually("the first backend again", Duration::from_secs(5), || banner(&world) == "one\n");
}
