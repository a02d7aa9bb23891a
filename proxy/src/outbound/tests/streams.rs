//! Connections that are not HTTP.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use linkerd2_proxy_api::outbound::{self as api, proxy_protocol};
use linkerd2_proxy_api::{opaque_route, tls_route};

use super::messages::{balancer, detect, forward, only, policy, resource, rule, seconds};
use super::service;
use super::world::{Client, World};

/// A server that says something first, then repeats what it hears.
fn talker(first: &'static str) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = socket.accept() {
            std::thread::spawn(move || {
                stream.write_all(first.as_bytes()).unwrap();
                let mut octets = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut octets) {
                    if stream.write_all(&octets[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

fn hear(client: &mut Client, count: usize) -> String {
    let mut octets = vec![0; count];
    client.0.read_exact(&mut octets).unwrap();
    String::from_utf8(octets).unwrap()
}

fn closed(client: &mut Client) -> bool {
    matches!(client.0.read(&mut [0; 16]), Ok(0) | Err(_))
}

fn web(opaque: api::Backend) -> api::OutboundPolicy {
    detect(vec![rule(vec![(balancer("web.ns:80"), 1)])], opaque)
}

#[test]
fn what_is_not_http_is_passed_on_as_it_is() {
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[talker("")]));
    world.policy(&service(), web(balancer("web.ns:80")));
    let mut client = Client::new(world.listener(&service()));
    client.0.write_all(b"\x00\x01 not http at all \xff").unwrap();
    let mut octets = [0; 20];
    client.0.read_exact(&mut octets).unwrap();
    assert_eq!(&octets, b"\x00\x01 not http at all \xff");
    world.wait_for_metric("outbound_tcp_route_open_total", &["route_name=\"opaque\""], 1.0);
    world.wait_for_metric("tcp_open_connections", &["peer=\"dst\"", "direction=\"outbound\""], 1.0);
    world.wait_for_metric("tcp_read_bytes_total", &["peer=\"src\"", "direction=\"outbound\""], 20.0);
}

#[test]
fn a_server_may_speak_first_without_a_long_wait() {
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[talker("220 ready\r\n")]));
    world.policy(&service(), web(balancer("web.ns:80")));
    let mut client = Client::new(world.listener(&service()));
    let began = Instant::now();
    assert_eq!(hear(&mut client, 11), "220 ready\r\n");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    client.0.write_all(b"EHLO").unwrap();
    assert_eq!(hear(&mut client, 4), "EHLO");
}

#[test]
fn a_slow_client_of_http_is_still_one_of_http() {
    let server = super::named("http");
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[server]));
    world.policy(&service(), web(balancer("web.ns:80")));
    let mut client = Client::new(world.listener(&service()));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(client.get("/", &[]).body, "http");
    world.wait_for_metric("request_total", &["direction=\"outbound\""], 1.0);
}

#[test]
fn connections_go_to_the_endpoint_with_the_fewest() {
    let (a, b) = (talker("a"), talker("b"));
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[a, b]));
    let opaque =
        api::proxy_protocol::Opaque { routes: vec![super::messages::opaque_route(balancer("web.ns:80"))] };
    world.policy(&service(), policy(proxy_protocol::Kind::Opaque(opaque)));
    // The queue holds ten while endpoints are not known.
    hear(&mut Client::new(world.listener(&service())), 1);
    let mut clients: Vec<_> = (0..20).map(|_| Client::new(world.listener(&service()))).collect();
    let of_a = clients.iter_mut().map(|client| hear(client, 1)).filter(|said| said == "a").count();
    assert!((7..=13).contains(&of_a), "{of_a} of 20 connections at one of two endpoints");
}

#[test]
fn without_an_endpoint_a_connection_waits_then_is_closed() {
    let world = World::new(&[service()], &[]);
    world.endpoints("web.ns:80", only(&[]));
    let opaque =
        api::proxy_protocol::Opaque { routes: vec![super::messages::opaque_route(balancer("web.ns:80"))] };
    world.policy(&service(), policy(proxy_protocol::Kind::Opaque(opaque)));
    let began = Instant::now();
    assert!(closed(&mut Client::new(world.listener(&service()))));
    assert!(
        (Duration::from_millis(250)..Duration::from_secs(3)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    world.wait_for_metric("outbound_tcp_errors_total", &["error=\"failfast\""], 1.0);
}

#[test]
fn what_policy_forbids_is_closed_and_counted() {
    let world = World::new(&[service()], &[]);
    let server = talker("never");
    let mut route = super::messages::opaque_route(forward(server));
    let forbidden = opaque_route::Forbidden {};
    let kind = Some(api::opaque_route::filter::Kind::Forbidden(forbidden));
    route.rules[0].filters.push(api::opaque_route::Filter { kind });
    let opaque = proxy_protocol::Opaque { routes: vec![route] };
    world.policy(&service(), policy(proxy_protocol::Kind::Opaque(opaque)));
    assert!(closed(&mut Client::new(world.listener(&service()))));
    world.wait_for_metric("outbound_tcp_route_close_total", &["error=\"forbidden\""], 1.0);
    world.wait_for_metric("outbound_tcp_errors_total", &["error=\"forbidden\""], 1.0);
}

fn tls_route(snis: &[&str], backend: Option<api::Backend>) -> api::TlsRoute {
    use api::tls_route::{Distribution, Filter, RouteBackend, Rule, distribution, filter};
    let kind = match &backend {
        Some(_) => distribution::Kind::FirstAvailable(distribution::FirstAvailable {
            backends: vec![RouteBackend { backend: backend.clone(), filters: Vec::new() }],
        }),
        None => distribution::Kind::Empty(distribution::Empty {}),
    };
    let forbidden = Filter { kind: Some(filter::Kind::Forbidden(opaque_route::Forbidden {})) };
    let filters = if backend.is_none() { vec![forbidden] } else { Vec::new() };
    let sni = |name: &&str| tls_route::SniMatch {
        r#match: Some(tls_route::sni_match::Match::Exact((*name).into())),
    };
    api::TlsRoute {
        metadata: resource("TLSRoute", snis.first().copied().unwrap_or("rest")),
        snis: snis.iter().map(sni).collect(),
        rules: vec![Rule { backends: Some(Distribution { kind: Some(kind) }), filters }],
    }
}

/// The first flight of a TLS client, as a library writes it.
fn hello(name: &str) -> Vec<u8> {
    let id = crate::identity::Id::dns(name).unwrap();
    let config =
        crate::testing::Ca::new("any").trust().anonymous_client(&id, crate::identity::Alpn::None).unwrap();
    let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let mut session = rustls::ClientConnection::new(config, name).unwrap();
    let mut flight = Vec::new();
    session.write_tls(&mut flight).unwrap();
    flight
}

#[test]
fn tls_goes_by_its_server_name_and_is_not_touched() {
    let world = World::new(&[service()], &[]);
    let server = talker("");
    let routes =
        vec![tls_route(&["allowed.example"], Some(forward(server))), tls_route(&["denied.example"], None)];
    world.policy(&service(), policy(proxy_protocol::Kind::Tls(proxy_protocol::Tls { routes })));
    let mut client = Client::new(world.listener(&service()));
    let sent = hello("allowed.example");
    client.0.write_all(&sent).unwrap();
    let mut heard = vec![0; sent.len()];
    client.0.read_exact(&mut heard).unwrap();
    assert_eq!(heard, sent);
    world.wait_for_metric("outbound_tls_route_open_total", &["route_name=\"allowed.example\""], 1.0);
    for (name, error) in [("denied.example", "forbidden"), ("other.example", "route not found")] {
        let mut client = Client::new(world.listener(&service()));
        client.0.write_all(&hello(name)).unwrap();
        assert!(closed(&mut client), "{name}");
        world.wait_for_metric("outbound_tcp_errors_total", &[&format!("error=\"{error}\"")], 1.0);
    }
    world.wait_for_metric(
        "outbound_tls_route_close_total",
        &["route_name=\"denied.example\"", "error=\"forbidden\""],
        1.0,
    );
    let mut client = Client::new(world.listener(&service()));
    client.0.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(closed(&mut client));
    world.wait_for_metric("outbound_tcp_errors_total", &["error=\"not tls\""], 1.0);
}

#[test]
fn the_detection_timeout_is_that_of_the_policy() {
    let world = World::new(&[service()], &[]);
    // Nobody is there to speak first, so silence is waited out, for as long as the policy says.
    world.endpoints("web.ns:80", only(&[]));
    let mut message = web(balancer("web.ns:80"));
    if let Some(proxy_protocol::Kind::Detect(detect)) =
        message.protocol.as_mut().and_then(|it| it.kind.as_mut())
    {
        detect.timeout = seconds(0.4);
    }
    world.policy(&service(), message);
    let began = Instant::now();
    assert!(closed(&mut Client::new(world.listener(&service()))));
    assert!(
        (Duration::from_millis(600)..Duration::from_secs(4)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
}
