//! Certificates: got, renewed, refused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh_tests::mesh::answers::inbound::{self, Who};
use mesh_tests::mesh::answers::{self, Endpoint as _, outbound};
use mesh_tests::mesh::{APP_PORT, Answer, Authority, Certify, Pod, SERVICE_PORT, WEB, World, addresses, tcp};
use rustls::HandshakeKind;
use rustls::client::Resumption;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;

use crate::kit::{Calls, eventually, meshed_with, short_lived, state, world};

#[test]
fn a_certificate_is_renewed_before_it_ends_and_nobody_notices() {
    let world = meshed_with(|world| short_lived(world, Duration::from_secs(6)));
    let server = world.server.identity.clone();
    for _ in 0..100 {
        assert_eq!(world.http1("/name").status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    let times = world.plane.count("Identity/Certify", &server);
    assert!((2..=20).contains(&times), "{times} requests for a certificate in 10 s");
}

#[test]
fn a_refusal_is_asked_again_but_not_in_a_loop() {
    let mut world = world();
    world.plane.set_certify(Certify::Refuse(Code::Unavailable));
    world.client.start_proxy().unwrap();
    let identity = world.client.identity.clone();
    let plane = world.plane.clone();
    plane.wait_for_calls("Identity/Certify", &identity, 1, Duration::from_secs(10)).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let times = plane.count("Identity/Certify", &identity);
    assert!(times <= 40, "{times} requests for a certificate in 3 s");
    plane.set_certify(Certify::Issue(Duration::from_secs(3600)));
    world.client.proxy_mut().unwrap().wait_ready().unwrap();
}

#[test]
fn a_certificate_that_is_not_ours_is_not_taken() {
    let stranger = Arc::new(Authority::new("stranger").unwrap());
    for lie in [
        Certify::Foreign(stranger.clone()),
        Certify::WrongName("somebody.else.test".to_owned()),
        Certify::Garbage,
        Certify::Expired,
    ] {
        let mut world = world();
        world.plane.set_certify(lie.clone());
        world.client.start_proxy().unwrap();
        let identity = world.client.identity.clone();
        world.plane.wait_for_calls("Identity/Certify", &identity, 1, Duration::from_secs(10)).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let proxy = world.client.proxy_mut().unwrap();
        assert_eq!(proxy.admin("GET", "/ready").unwrap().0, 503, "{lie:?}");
        world.plane.set_certify(Certify::Issue(Duration::from_secs(3600)));
        world.client.proxy_mut().unwrap().wait_ready().unwrap();
    }
}

#[test]
fn what_is_valid_serves_on_while_renewals_fail() {
    let world = meshed_with(|world| short_lived(world, Duration::from_secs(12)));
    world.plane.set_certify(Certify::Refuse(Code::Internal));
    for _ in 0..80 {
        assert_eq!(world.http1("/name").status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    world.plane.set_certify(Certify::Issue(Duration::from_secs(3600)));
    let identity = world.client.identity.clone();
    let before = world.plane.count("Identity/Certify", &identity);
    let plane = world.plane.clone();
    eventually("a renewal that works", Duration::from_secs(10), || {
        plane.count("Identity/Certify", &identity) > before
    });
    assert_eq!(world.http1("/name").status, 200);
}

#[test]
fn the_token_is_read_anew_each_time() {
    let mut world = world();
    let identity = world.client.identity.clone();
    world.plane.set_token(&identity, "the next token");
    world.client.start_proxy().unwrap();
    world.plane.wait_for_calls("Identity/Certify", &identity, 1, Duration::from_secs(10)).unwrap();
    let file = world.client.config.env["IDENTITY_TOKEN_FILE"].clone();
    std::fs::write(file, "the next token").unwrap();
    world.client.proxy_mut().unwrap().wait_ready().unwrap();
}

#[test]
fn a_changed_bundle_is_followed_without_a_restart() {
    let world = meshed_with(|world| {
        short_lived(world, Duration::from_secs(5));
        let first = world.plane.authority();
        world.plane.set_bundle(&[&first]);
    });
    assert_eq!(world.http1("/name").status, 200);
    let (first, second) = (world.plane.authority(), Arc::new(Authority::new("the next root").unwrap()));
    world.plane.set_bundle(&[&first, &second]);
    std::thread::sleep(Duration::from_millis(500));
    world.plane.set_authority(second);
    // Longer than what the first authority has signed is valid.
    for _ in 0..90 {
        assert_eq!(world.http1("/name").status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A client of the mesh by TLS alone, which remembers sessions.
struct Peer {
    config: Arc<rustls::ClientConfig>,
    server: String,
}

impl Peer {
    fn new(world: &World) -> Self {
        let authority = world.plane.authority();
        let leaf =
            authority.leaf(&["peer.test.serviceaccount.identity.linkerd.cluster.local"], HOUR).unwrap();
        let (chain, key) = leaf.parts();
        let mut config = rustls::ClientConfig::builder()
            .with_root_certificates(authority.roots().unwrap())
            .with_client_auth_cert(chain, key)
            .unwrap();
        // The server's name is what its proxy takes for TLS of the mesh on an ordinary port.
        config.alpn_protocols = Vec::new();
        Self { config: Arc::new(config), server: world.server.identity.clone() }
    }

    /// One request to the application's port: how the handshake went, and what was answered. An end of any kind is an answer.
    fn ask(&self, world: &World) -> std::io::Result<(Option<HandshakeKind>, Vec<u8>)> {
        let (config, server) = (self.config.clone(), self.server.clone());
        world.control.run(async move {
            let stream = tcp::connect(crate::kit::server_from_outside()).await.unwrap();
            let name = rustls::pki_types::ServerName::try_from(server).unwrap();
            let mut stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await?;
            // It may be refused already.
            let _ = stream.write_all(b"GET /name HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n").await;
            let mut answer = Vec::new();
            let read = tokio::time::timeout(tcp::PATIENCE, stream.read_to_end(&mut answer)).await;
            // A peer that closes without saying goodbye has answered before.
            let _ = read.expect("the connection stays open");
            Ok((stream.get_ref().1.handshake_kind(), answer))
        })
    }

    /// One request, which has to be answered; how the handshake went.
    fn call(&self, world: &World) -> HandshakeKind {
        let (handshake, answer) = self.ask(world).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&answer));
        handshake.unwrap()
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn sessions_are_resumed_until_the_bundle_or_the_certificate_changes() {
    let world = meshed_with(|world| {
        let first = world.plane.authority();
        world.plane.set_bundle(&[&first]);
    });
    let peer = Peer::new(&world);
    assert_ne!(peer.call(&world), HandshakeKind::Resumed);
    assert_eq!(peer.call(&world), HandshakeKind::Resumed);
    assert_eq!(peer.call(&world), HandshakeKind::Resumed);
    let (first, second) = (world.plane.authority(), Authority::new("another root").unwrap());
    world.plane.set_bundle(&[&first, &second]);
    let proxy = world.server.proxy().unwrap();
    eventually("the new bundle", Duration::from_secs(5), || {
        proxy.admin("GET", "/state.json").is_ok_and(|(_, state)| state.contains("another root"))
    });
    std::thread::sleep(Duration::from_millis(200));
    assert_ne!(peer.call(&world), HandshakeKind::Resumed, "a ticket of the old bundle was taken");
    assert_eq!(peer.call(&world), HandshakeKind::Resumed, "and another is given");
}

#[test]
fn a_root_that_is_taken_out_of_the_bundle_is_no_longer_trusted() {
    let world = meshed_with(|world| {
        let first = world.plane.authority();
        world.plane.set_bundle(&[&first]);
        let rule = inbound::authorization("mesh", Who::Meshed);
        let server = inbound::server("web", inbound::detect(), vec![rule]);
        world.plane.set_inbound("server", APP_PORT, Answer::Value(server));
    });
    let peer = Peer::new(&world);
    peer.call(&world);
    assert_eq!(world.http1("/name").status, 200);
    let (first, second) = (world.plane.authority(), Arc::new(Authority::new("the next root").unwrap()));
    // A rotation: both, then certificates of the second, then the second alone.
    world.plane.set_bundle(&[&first, &second]);
    std::thread::sleep(Duration::from_millis(500));
    world.plane.set_authority(second.clone());
    world.plane.set_bundle(&[&second]);
    let has_rotated = |pod: &Pod| state(pod)["identity"]["anchors"] == serde_json::json!(["the next root"]);
    eventually("the second root alone", Duration::from_secs(10), || {
        has_rotated(&world.client) && has_rotated(&world.server)
    });
    // The certificate of the first root, which was good a moment ago, is refused: with a ticket and without.
    let mut forgetful = (*peer.config).clone();
    forgetful.resumption = Resumption::disabled();
    let forgetful = Peer { config: Arc::new(forgetful), server: peer.server.clone() };
    for peer in [peer, forgetful] {
        let answer = peer.ask(&world);
        assert!(answer.as_ref().map_or(true, |(_, answer)| answer.is_empty()), "{answer:?}");
    }
    assert_eq!(world.http1("/name").status, 200, "the mesh itself goes on");
}

#[test]
fn streams_outlive_the_certificate_that_they_began_with() {
    let world = meshed_with(|world| {
        short_lived(world, Duration::from_secs(7));
        let port = world.service();
        world.plane.set_outbound(port, Answer::Value(outbound::opaque_service(WEB, SERVICE_PORT)));
        let rule = inbound::authorization("mesh", Who::Meshed);
        let echo = inbound::server("echo", inbound::opaque(), vec![rule]);
        world.plane.set_inbound("server", 7003, Answer::Value(echo));
        let at = answers::endpoint(SocketAddr::from((addresses::SERVER, 7003)))
            .meshed(&world.server.identity)
            .transport_header(4143)
            .opaque();
        world.plane.set_endpoints(&format!("{WEB}:{SERVICE_PORT}"), vec![at]);
    });
    tcp::serve_echo(&world.server.namespace, SocketAddr::from(([0, 0, 0, 0], 7003))).unwrap();
    let service = world.service();
    let echo = move |mut stream: tokio::net::TcpStream| async move {
        stream.write_all(b"\x00ping").await.unwrap();
        let came = tcp::read_exact(&mut stream, 5).await.unwrap();
        assert_eq!(came, b"\x00ping");
        stream
    };
    let mut stream =
        world.client.namespace.run(async move { echo(tcp::connect(service).await.unwrap()).await });
    // From now on there are no certificates, and the last ones end.
    world.plane.set_certify(Certify::Refuse(Code::Unavailable));
    for _ in 0..10 {
        std::thread::sleep(Duration::from_secs(1));
        stream = world.client.namespace.run(echo(stream));
    }
    let fresh = world.client.namespace.run(async move {
        let mut stream = tcp::connect(service).await.unwrap();
        // It may be closed already.
        let _ = stream.write_all(b"\x00ping").await;
        tcp::read_exact(&mut stream, 5).await
    });
    assert!(fresh.is_err(), "a new connection with certificates that have ended");
    let times = world.plane.count("Identity/Certify", &world.client.identity);
    assert!(times <= 30, "{times} requests for a certificate in ten seconds: a loop");
    world.plane.set_certify(Certify::Issue(HOUR));
    eventually("new connections", Duration::from_secs(20), || {
        world.client.namespace.run(async move {
            // One that is shed may be reset before its client has noticed that it is connected.
            let Ok(mut stream) = tcp::connect(service).await else { return false };
            let _ = stream.write_all(b"\x00ping").await;
            tcp::read_exact(&mut stream, 5).await.is_ok_and(|came| came == b"\x00ping")
        })
    });
    world.client.namespace.run(echo(stream));
}
