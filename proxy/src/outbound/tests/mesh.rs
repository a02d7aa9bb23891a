//! Between proxies: mTLS, transport header, HTTP/1 carried in HTTP/2, identities, gateways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use proxy_net::http1::Parsed;
use proxy_net::transport_header::{Header, Session};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::messages::{balancer, detect, meshed, rule};
use super::service;
use super::world::{Client, World, on_runtime, text};
use crate::discovery::{Target, Update};
use crate::identity::{Alpn, Id};
use crate::model::{Endpoint, EndpointsUpdate};

const SERVER: &str = "server.ns.serviceaccount.identity.linkerd.cluster.local";
const CLIENT: &str = "client.ns.serviceaccount.identity.linkerd.cluster.local";

/// The inbound side of another proxy, which tells what headers it has read, and answers requests with their fields.
struct Peer {
    addr: SocketAddr,
    headers: mpsc::UnboundedReceiver<Header>,
}

impl Peer {
    fn new(world: &World, id: &str) -> Self {
        let config = world.ca.credentials(&Id::dns(id).unwrap()).server_config(Alpn::Transport);
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        socket.set_nonblocking(true).unwrap();
        let (sender, headers) = mpsc::unbounded_channel();
        on_runtime(async move {
            let socket = tokio::net::TcpListener::from_std(socket).unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(config);
            while let Ok((stream, _)) = socket.accept().await {
                let Ok(mut tls) = acceptor.accept(stream).await else { continue };
                assert!(tls.get_ref().1.peer_certificates().is_some(), "the client shows who it is");
                let mut read = Vec::new();
                let header = loop {
                    read.push(tls.read_u8().await.unwrap());
                    if let Parsed::Whole(header, _) = Header::decode(&read).unwrap() {
                        break header;
                    }
                };
                let session = header.session;
                sender.send(header).unwrap();
                tokio::spawn(async move {
                    if session.is_none() {
                        let mut octets = [0; 64];
                        let count = tls.read(&mut octets).await.unwrap();
                        tls.write_all(&octets[..count]).await.unwrap();
                        tls.shutdown().await.unwrap();
                        return;
                    }
                    let service = hyper::service::service_fn(|request| async move {
                        Ok::<_, std::convert::Infallible>(echo(&request))
                    });
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(tls), service).await;
                });
            }
        });
        Self { addr, headers }
    }

    fn header(&mut self) -> Header {
        self.headers.blocking_recv().unwrap()
    }
}

fn echo(request: &http::Request<hyper::body::Incoming>) -> http::Response<super::world::Answered> {
    let field = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let authority = request.uri().authority().map(ToString::to_string).or_else(|| field("host"));
    let said = format!(
        "{:?} {:?} orig={:?} canonical={:?} require={:?}",
        request.version(),
        authority.unwrap_or_default(),
        field("l5d-orig-proto").unwrap_or_default(),
        field("l5d-dst-canonical").unwrap_or_default(),
        field("l5d-require-id").unwrap_or_default(),
    );
    let mut response = text(200, &said);
    for (name, value) in [("l5d-orig-proto", "HTTP/1.1"), ("l5d-proxy-error", "secret of proxies")] {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// A worker whose only destination has this endpoint.
fn world(make: impl FnOnce(&World) -> Endpoint) -> World {
    let world = World::new(&[service()], &[]);
    let endpoint = make(&world);
    world.endpoints("web.ns:80", EndpointsUpdate::Reset(vec![Arc::new(endpoint)]));
    world.policy(&service(), detect(vec![rule(vec![(balancer("web.ns:80"), 1)])], balancer("web.ns:80")));
    world
}

fn identify(world: &World) {
    let credentials = world.ca.credentials(&Id::dns(CLIENT).unwrap());
    world.say(Update::Identity(Arc::new(credentials)));
}

#[test]
fn http1_is_carried_in_http2_behind_a_header() {
    let mut peer = None;
    let world = world(|world| {
        let it = Peer::new(world, SERVER);
        let endpoint = meshed(it.addr, 8080, SERVER);
        peer = Some(it);
        endpoint
    });
    let mut peer = peer.unwrap();
    identify(&world);
    let mut client = Client::new(world.listener(&service()));
    let reply = client.get("/", &[]);
    assert_eq!(reply.status, 200, "{reply:?} {:#}", world.dump());
    assert_eq!(reply.body, "HTTP/2.0 \"web.ns\" orig=\"HTTP/1.1\" canonical=\"\" require=\"\"");
    assert_eq!((reply.field("l5d-orig-proto"), reply.field("l5d-proxy-error")), (None, None));
    let header = peer.header();
    assert_eq!((header.port, header.name, header.session), (8080, None, Some(Session::Http2)));
    let reply = client.get("/", &[("l5d-require-id", SERVER)]);
    assert!(reply.body.contains("require=\"\""), "{reply:?}");
    world.wait_for_metric("request_total", &["tls=\"true\"", &format!("server_id=\"{SERVER}\"")], 2.0);
    let reply = client.get("/", &[("l5d-require-id", "somebody.else")]);
    assert_eq!((reply.status, reply.field("connection")), (502, Some("close")));
    world.wait_for_metric("outbound_http_errors_total", &["error=\"identity required\""], 1.0);
}

#[test]
fn without_an_identity_a_meshed_endpoint_waits_then_says_why() {
    let mut addr = None;
    let world = world(|world| {
        let peer = Peer::new(world, SERVER);
        addr = Some(peer.addr);
        std::mem::forget(peer.headers);
        meshed(peer.addr, 8080, SERVER)
    });
    let listener = world.listener(&service());
    let reply = Client::new(listener).get("/", &[]);
    assert_eq!(reply.status, 504);
    assert!(reply.field("l5d-proxy-error").unwrap().contains("the proxy has no identity yet"), "{reply:?}");
    identify(&world);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(Client::new(listener).get("/", &[]).status, 200);
}

#[test]
fn somebody_else_at_the_address_is_not_spoken_to() {
    let world = world(|world| {
        let peer = Peer::new(world, "impostor.ns");
        std::mem::forget(peer.headers);
        meshed(peer.addr, 8080, SERVER)
    });
    identify(&world);
    let reply = Client::new(world.listener(&service())).get("/", &[]);
    assert!(matches!(reply.status, 502..=504), "{reply:?}");
    assert_eq!(reply.body, "");
    let dump = world.dump().to_string();
    assert!(dump.contains("wrong_identity: true"), "{dump}");
}

#[test]
fn a_gateway_is_asked_for_the_name_of_its_own_cluster() {
    let mut peer = None;
    let world = world(|world| {
        let it = Peer::new(world, SERVER);
        let mut endpoint = meshed(it.addr, 4143, SERVER);
        endpoint.authority = Some("web.ns.svc.cluster.local:8080".parse().unwrap());
        peer = Some(it);
        endpoint
    });
    let mut peer = peer.unwrap();
    identify(&world);
    let reply = Client::new(world.listener(&service())).get("/", &[("l5d-dst-canonical", "forged:80")]);
    assert_eq!(
        reply.body,
        "HTTP/2.0 \"web.ns.svc.cluster.local:8080\" orig=\"HTTP/1.1\" canonical=\"\" require=\"\"",
    );
    let header = peer.header();
    assert_eq!(header.name.as_ref().map(|name| name.as_ref()), Some("web.ns.svc.cluster.local"));
    assert_eq!(header.port, 8080);
}

#[test]
fn octets_go_through_mtls_with_a_header_of_their_own() {
    use std::io::{Read as _, Write as _};
    let mut peer = None;
    let target = Target::Addr("10.1.2.3:5432".parse().unwrap());
    let world = World::new(std::slice::from_ref(&target), &[("DESTINATION_PROFILE_NETWORKS", "10.0.0.0/8")]);
    let it = Peer::new(&world, SERVER);
    let endpoint = meshed(it.addr, 5432, SERVER);
    peer.replace(it);
    world.endpoints("web.ns:80", EndpointsUpdate::Reset(vec![Arc::new(endpoint)]));
    world.policy(&target, detect(vec![rule(vec![(balancer("web.ns:80"), 1)])], balancer("web.ns:80")));
    let opaque_protocol = true;
    world.profile(
        &target,
        linkerd2_proxy_api::destination::DestinationProfile { opaque_protocol, ..Default::default() },
    );
    identify(&world);
    let mut client = Client::new(world.listener(&target));
    client.0.write_all(b"GET / HTTP/1.1\r\nnot looked at").unwrap();
    let mut said = Vec::new();
    client.0.read_to_end(&mut said).unwrap();
    assert_eq!(said, b"GET / HTTP/1.1\r\nnot looked at");
    let header = peer.unwrap().header();
    assert_eq!((header.port, header.session), (5432, None));
    world.wait_for_metric("outbound_tcp_route_open_total", &["route_name=\"opaque\""], 1.0);
    drop(client);
    world.wait_for_metric("outbound_tcp_route_close_total", &["route_name=\"opaque\"", "error=\"\""], 1.0);
    world.wait_for_metric("outbound_tcp_protocol_connections_total", &["protocol=\"opaq\""], 1.0);
}
