//! Clients that send octet by octet, through every stage that a connection goes through. Each has its time; many of them cost little
//! and hold up nobody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use linkerd2_proxy_api::http_route::Timeouts;
use mesh_tests::mesh::answers::{duration, outbound};
use mesh_tests::mesh::{World, tcp};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::kit::{Calls, authority, meshed, meshed_with, script, server_from_outside, web};

/// Slow clients at a time.
const CLIENTS: usize = 2_000;
/// Between two octets.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a head, a frame or a header block may take.
const HEAD: Duration = Duration::from_secs(30);

/// TLS of a client with an identity of the mesh.
fn client_config(world: &World) -> Arc<rustls::ClientConfig> {
    let authority = world.plane.authority();
    let (chain, key) = authority.leaf(&[&world.client.identity], HEAD * 20).unwrap().parts();
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(authority.roots().unwrap())
        .with_client_auth_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// What a client of TLS says first.
fn hello(world: &World) -> Vec<u8> {
    let name = ServerName::try_from(world.server.identity.clone()).unwrap();
    let mut client = rustls::ClientConnection::new(client_config(world), name).unwrap();
    let mut octets = Vec::new();
    client.write_tls(&mut octets).unwrap();
    octets
}

/// Sends octets one by one, again and again, until the other side ends; how long that took.
async fn drip(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    begin: Vec<u8>,
    then: &'static [u8],
) -> Duration {
    let start = Instant::now();
    let mut buffer = [0; 1024];
    let octets = begin.iter().chain(then.iter().cycle());
    for octet in octets {
        let sent = stream.write_all(&[*octet]).await;
        if sent.is_err() || stream.flush().await.is_err() || start.elapsed() > HEAD * 2 {
            break;
        }
        match tokio::time::timeout(PAUSE, stream.read(&mut buffer)).await {
            Err(_) | Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) => break,
        }
    }
    start.elapsed()
}

/// Looks at how others fare while the slow ones go on: the longest that one waited, and the most memory of the server's proxy.
fn meanwhile<T: Send + 'static>(world: &World, slow: JoinHandle<T>) -> (T, Duration, u64) {
    let (mut longest, mut most) = (Duration::ZERO, 0);
    while !slow.is_finished() {
        let start = Instant::now();
        assert_eq!(world.http1("/name").status, 200);
        assert_eq!(world.http2("/name").status, 200);
        longest = longest.max(start.elapsed() / 2);
        most = most.max(world.server.proxy().unwrap().process.resident().unwrap());
        std::thread::sleep(Duration::from_millis(100));
    }
    (world.control.run(async move { slow.await.unwrap() }), longest, most)
}

#[test]
fn handshakes_octet_by_octet_end_in_time_and_cost_little() {
    const LIMIT: Duration = Duration::from_secs(4);
    let world = meshed_with(|world| {
        world.server.config.set("INBOUND_DETECT_TIMEOUT", "4s");
    });
    assert_eq!(world.http1("/name").status, 200);
    let before = world.server.proxy().unwrap().process.resident().unwrap();
    let hello = hello(&world);
    let slow = world.control.spawn(async move {
        let clients = (0..CLIENTS).map(|number| {
            let hello = hello.clone();
            tokio::spawn(async move {
                let mut stream = tcp::connect(server_from_outside()).await.unwrap();
                // Half of them begin slowly; the others say the first message at once, so that the handshake has begun.
                if number % 2 == 0 {
                    drip(stream, hello, &[]).await
                } else {
                    stream.write_all(&hello).await.unwrap();
                    drip(stream, vec![23, 3, 3, 0x40, 0], &[0]).await
                }
            })
        });
        futures::future::join_all(clients).await.into_iter().map(Result::unwrap).max().unwrap()
    });
    let (took, waited, most) = meanwhile(&world, slow);
    // The name is looked for, then the handshake begins: each has its time.
    assert!((LIMIT / 2..LIMIT * 5).contains(&took), "{took:?}");
    assert!(waited < Duration::from_secs(2), "others waited for {waited:?}");
    let each = most.saturating_sub(before) / CLIENTS as u64;
    assert!(each < 24 << 10, "{each} octets for a slow handshake");
}

/// A frame of HTTP/2.
fn frame(length: u8, kind: u8, flags: u8, stream: u8, rest: &[u8]) -> Vec<u8> {
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], rest].concat()
}

/// What a client of HTTP/2 begins with: the preface, settings, and the acknowledgement of the other side's.
fn opening() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(0, 4, 0, 0, &[]), frame(0, 4, 1, 0, &[])].concat()
}

/// What comes at once, what comes octet by octet, and what is repeated then.
struct Slowness {
    at_once: Vec<u8>,
    begin: Vec<u8>,
    then: &'static [u8],
}

fn slownesses() -> [Slowness; 4] {
    // `:method: POST`, `:scheme: http`, `:path: /`, and an authority that is never indexed.
    let post = frame(8, 1, 4, 1, b"\x83\x86\x84\x01\x03web");
    [
        // HTTP/1: a head.
        Slowness {
            at_once: b"GET /name HTTP/1.1\r\nhost: web\r\n".to_vec(),
            begin: vec![],
            then: b"x-a: b\r\n",
        },
        // A HEADERS frame that does not end.
        Slowness { at_once: opening(), begin: vec![0, 0x3f, 0, 1, 4, 0, 0, 0, 1], then: &[0] },
        // A header block that does not: each frame is whole.
        Slowness {
            at_once: [opening(), frame(1, 1, 0, 1, &[0x83])].concat(),
            begin: vec![],
            then: &[0, 0, 1, 9, 0, 0, 0, 0, 1, 0x86],
        },
        // Content in a frame that does not end.
        Slowness {
            at_once: [opening(), post].concat(),
            begin: vec![0, 0x3f, 0, 0, 0, 0, 0, 0, 1],
            then: b"a",
        },
    ]
}

async fn connect(config: Arc<rustls::ClientConfig>, server: String) -> TlsStream<TcpStream> {
    let stream = tcp::connect(server_from_outside()).await.unwrap();
    TlsConnector::from(config).connect(ServerName::try_from(server).unwrap(), stream).await.unwrap()
}

#[test]
fn requests_octet_by_octet_end_in_time_behind_tls_and_cost_little() {
    const AT_ONCE: usize = 50;
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    let before = world.server.proxy().unwrap().process.resident().unwrap();
    let (config, server) = (client_config(&world), world.server.identity.clone());
    let slow = world.control.spawn(async move {
        let mut clients = Vec::new();
        while clients.len() < CLIENTS {
            let streams = (0..AT_ONCE).map(|_| connect(config.clone(), server.clone()));
            for mut stream in futures::future::join_all(streams).await {
                let kind = clients.len() % 4;
                let Slowness { at_once, begin, then } = slownesses().into_iter().nth(kind).unwrap();
                clients.push(tokio::spawn(async move {
                    stream.write_all(&at_once).await.unwrap();
                    stream.flush().await.unwrap();
                    (kind, drip(stream, begin, then).await)
                }));
            }
        }
        let ends = futures::future::join_all(clients).await.into_iter().map(Result::unwrap);
        ends.fold([Duration::ZERO; 4], |mut longest, (kind, took)| {
            longest[kind] = longest[kind].max(took);
            longest
        })
    });
    let (took, waited, most) = meanwhile(&world, slow);
    for (kind, took) in took.iter().enumerate() {
        assert!((HEAD / 2..HEAD * 3 / 2).contains(took), "{took:?} of kind {kind}");
    }
    assert!(waited < Duration::from_secs(2), "others waited for {waited:?}");
    let each = most.saturating_sub(before) / CLIENTS as u64;
    assert!(each < 24 << 10, "{each} octets for a slow request");
    assert_eq!(world.http1("/name").status, 200);
}

#[test]
fn content_octet_by_octet_has_the_time_of_its_route() {
    let world = meshed_with(|world| {
        let mut rule = outbound::rule(vec![], outbound::first(&web()));
        rule.timeouts = Some(Timeouts { request: duration(Duration::from_secs(2)), ..Timeouts::default() });
        script(world, vec![rule]);
    });
    assert_eq!(world.http1("/name").status, 200);
    let service = world.service();
    let (took, answer) = world.client.namespace.run(async move {
        let mut stream = tcp::connect(service).await.unwrap();
        let head = format!("POST /echo HTTP/1.1\r\nhost: {}\r\ncontent-length: 100000\r\n\r\n", authority());
        stream.write_all(head.as_bytes()).await.unwrap();
        let (start, mut answer) = (Instant::now(), Vec::new());
        while start.elapsed() < HEAD {
            let _ = stream.write_all(b"a").await;
            tokio::time::sleep(PAUSE / 5).await;
            match tokio::time::timeout(Duration::from_millis(1), stream.read_buf(&mut answer)).await {
                Err(_) | Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => break,
            }
        }
        (start.elapsed(), answer)
    });
    // The application answers as it reads, so the answer is broken off.
    assert!(answer.len() < 1_000, "{:?}", String::from_utf8_lossy(&answer));
    assert!((Duration::from_secs(1)..Duration::from_secs(6)).contains(&took), "{took:?}");
    assert_eq!(world.http1("/name").status, 200);
}
