//! Connections to the proxy's own port, and endpoints that are spoken to in other ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::Version;
use mesh_tests::mesh::answers::{self, Endpoint as _, inbound};
use mesh_tests::mesh::{APP_PORT, Answer, Authority, World, addresses, tcp};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::kit::{Calls, meshed, meshed_with};

const ALPN: &[u8] = b"transport.l5d.io/v1";
const PEER: &str = "peer.test.serviceaccount.identity.linkerd.cluster.local";

fn proxy_port() -> SocketAddr {
    SocketAddr::from(([10, 7, 3, 3], 4143))
}

/// What the header says about the protocol that follows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Session {
    None,
    Http1,
}

/// A transport header, octet by octet.
fn header(port: u16, name: &str, session: Session) -> Vec<u8> {
    let mut message = vec![0x08];
    let mut rest = u32::from(port);
    while rest >= 0x80 {
        message.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    message.push(rest as u8);
    if !name.is_empty() {
        message.extend_from_slice(&[0x12, name.len() as u8]);
        message.extend_from_slice(name.as_bytes());
    }
    if session == Session::Http1 {
        message.extend_from_slice(&[0x1a, 2, 0x0a, 0]);
    }
    let mut header = b"transport.l5d.io/v1\r\n\r\n".to_vec();
    header.extend_from_slice(&(message.len() as u32).to_be_bytes());
    header.extend_from_slice(&message);
    header
}

/// A mesh TLS connection to the server's proxy, as somebody with an identity.
async fn connect(
    authority: Arc<Authority>,
    server: String,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let (chain, key) = authority.leaf(&[PEER], Duration::from_secs(600)).unwrap().parts();
    let mut config = rustls::ClientConfig::builder()
        .with_root_certificates(authority.roots().unwrap())
        .with_client_auth_cert(chain, key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let stream = tcp::connect(proxy_port()).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(server).unwrap(), stream).await
}

/// Sends octets over mesh TLS; what comes back until the end.
fn ask(world: &World, alpn: &'static [&'static [u8]], octets: Vec<u8>) -> Vec<u8> {
    let (authority, server) = (world.plane.authority(), world.server.identity.clone());
    world.control.run(async move {
        let Ok(mut stream) = connect(authority, server, alpn).await else { return Vec::new() };
        let mut all = Vec::new();
        // A proxy that refuses may be gone before it was written to.
        if stream.write_all(&octets).await.is_ok() {
            let reading = stream.read_to_end(&mut all);
            let _ = tokio::time::timeout(Duration::from_secs(4), reading).await;
        }
        all
    })
}

#[test]
fn a_header_leads_to_the_port_that_it_names() {
    let world = meshed();
    let mut octets = header(APP_PORT, "", Session::Http1);
    octets.extend_from_slice(b"GET /inspect HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n");
    let answer = ask(&world, &[ALPN], octets);
    let (status, body) = tcp::split_response(&answer).unwrap();
    assert_eq!(status, 200);
    assert!(body.contains(PEER), "{body}");
}

#[test]
fn a_header_without_a_protocol_leads_to_octets() {
    let world = meshed_with(|world| {
        let server = inbound::server(
            "echo",
            inbound::opaque(),
            vec![inbound::authorization("mesh", inbound::Who::Meshed)],
        );
        world.plane.set_inbound("server", 7000, Answer::Value(server));
    });
    tcp::serve_echo(&world.server.namespace, SocketAddr::from(([0, 0, 0, 0], 7000))).unwrap();
    let mut octets = header(7000, "", Session::None);
    octets.extend_from_slice(b"GET but not http\r\n");
    let (authority, server) = (world.plane.authority(), world.server.identity.clone());
    let came = world.control.run(async move {
        let mut stream = connect(authority, server, &[ALPN]).await.unwrap();
        stream.write_all(&octets).await.unwrap();
        let mut came = [0; 18];
        tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut came)).await.unwrap().unwrap();
        came
    });
    assert_eq!(&came, b"GET but not http\r\n");
}

#[test]
fn who_has_no_identity_or_no_header_is_not_served() {
    let world = meshed();
    let request = b"GET /name HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n";
    let plain = world.control.run(tcp::ask_until_end(proxy_port(), request)).unwrap();
    assert!(!plain.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&plain));
    let without_header = ask(&world, &[], request.to_vec());
    assert!(!without_header.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&without_header));
    assert_eq!(world.app.requests(), 0);
}

#[test]
fn malformed_headers_end_the_connection() {
    let world = meshed();
    let mut long = b"transport.l5d.io/v1\r\n\r\n".to_vec();
    long.extend_from_slice(&u32::MAX.to_be_bytes());
    let mut garbage = b"transport.l5d.io/v1\r\n\r\n\0\0\0\x04".to_vec();
    garbage.extend_from_slice(&[0xff; 4]);
    for octets in [
        b"GET / HTTP/1.1\r\nhost: web\r\n\r\n------------".to_vec(),
        long,
        garbage,
        header(0, "", Session::Http1),
        header(APP_PORT, "not a name!", Session::Http1),
    ] {
        assert_eq!(ask(&world, &[ALPN], octets.clone()), b"", "{:?}", String::from_utf8_lossy(&octets));
    }
    assert_eq!(world.app.requests(), 0);
    assert_eq!(world.http1("/name").status, 200);
}

#[test]
fn endpoints_without_a_header_are_dialled_at_their_port() {
    let world = meshed();
    let plain = answers::endpoint(SocketAddr::from((addresses::SERVER, APP_PORT)));
    for (what, endpoint) in [
        ("mesh TLS and the HTTP/2 hint", plain.clone().meshed(&world.server.identity).h2()),
        ("mesh TLS alone", plain.clone().meshed(&world.server.identity)),
        ("nothing", plain),
    ] {
        world.script_web(vec![endpoint]);
        std::thread::sleep(Duration::from_millis(200));
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let seen = world.inspect(version, &[]);
            let expected: &[&str] = if what == "nothing" { &[] } else { &[&world.client.identity] };
            assert_eq!(seen.fields("l5d-client-id"), expected, "{what}, {version:?}");
            assert_eq!(seen.part("version"), format!("{version:?}"), "{what}");
        }
    }
}
