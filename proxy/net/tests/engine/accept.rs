//! From the first octet to the protocol that is served.

use std::time::Duration;

use proxy_net::engine::{Detected, Direction, Upstream};
use proxy_net::h2::PREFACE;
use proxy_net::transport_header::{Header, Session};

use crate::kit::{self, Mode, Note, Pki, Script};
use crate::peers;
use crate::raw::{Raw, Server, closed_port};

const GET: &str = "GET / HTTP/1.1\r\nhost: web.test\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_single_octets_is_still_http() {
    let server = peers::serve().await;
    let mut engine = Script::to(kit::endpoint(server), Upstream::Http1).run();
    let mut client = Raw::connect(engine.addr).await;
    for octet in GET.bytes() {
        client.send([octet]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    client.until("GET /").await;
    engine.wait_for(|note| *note == Note::Protocol(Detected::Http1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn octets_of_no_known_protocol_are_copied_both_ways_with_half_closes() {
    let server = Server::bind().await;
    let mut engine = Script::to(kit::endpoint(server.addr()), Upstream::Http1).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send("EHLO there\r\n").await;
    let mut served = server.accept().await;
    served.until("EHLO there\r\n").await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.0).await.unwrap();
    assert_eq!(served.rest().await, "");
    served.send("250 still here\r\n").await;
    client.until("250 still here\r\n").await;
    drop(served);
    assert_eq!(client.rest().await, "");
    engine.wait_for(|note| *note == Note::Tunneled(Direction::Response, 16));
    engine.wait_for(|note| *note == Note::Closed(None, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_for_somebody_else_passes_untouched_with_its_name_seen() {
    let pki = Pki::new();
    let server = peers::serve().await;
    let mut inner = Script::to(kit::endpoint(server), Upstream::Http1);
    inner.server = Some(pki.server(&[]));
    let mut inner = inner.run();
    // Has no configuration of its own: what is TLS goes through.
    let mut middle = Script::to(kit::endpoint(inner.addr), Upstream::Http1).run();
    let mut target = kit::endpoint(middle.addr);
    target.tls = Some(pki.client(kit::NAME, &[b"x/1"]));
    let outer = Script::to(target, Upstream::Http1).run();
    let mut client = Raw::connect(outer.addr).await;
    client.send(GET).await;
    client.until("GET /").await;
    assert_eq!(middle.wait_for(|note| matches!(note, Note::Sni(_))), Note::Sni(Some(kit::NAME.to_owned())));
    inner.wait_for(|note| matches!(note, Note::Secured { client: true, .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_speaks_first_waits_for_the_silence_only() {
    let server = Server::bind().await;
    let mut engine = Script::to(kit::endpoint(server.addr()), Upstream::Http1).run();
    let began = std::time::Instant::now();
    let mut client = Raw::connect(engine.addr).await;
    let mut served = server.accept().await;
    served.send("220 ready\r\n").await;
    client.until("220 ready\r\n").await;
    assert!(began.elapsed() < Duration::from_secs(2), "took {:?}", began.elapsed());
    engine.wait_for(|note| *note == Note::Silent);
    client.send("QUIT\r\n").await;
    served.until("QUIT\r\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_speaks_after_the_silence_is_detected_all_the_same() {
    let server = Server::bind().await;
    let mut engine = Script::to(kit::endpoint(server.addr()), Upstream::Http1).run();
    let mut client = Raw::connect(engine.addr).await;
    engine.wait_for(|note| *note == Note::Silent);
    let mut early = server.accept().await;
    client.send(GET).await;
    engine.wait_for(|note| *note == Note::Protocol(Detected::Http1));
    assert_eq!(early.rest().await, "", "the connection for a silent client is given up");
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    served.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    client.until("\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_in_front_of_a_connection_are_read_and_taken_off() {
    let server = peers::serve().await;
    let mut script = Script::to(kit::endpoint(server), Upstream::Http1);
    script.mode = Mode::TransportHeader;
    let mut engine = script.run();
    let mut bytes = Vec::new();
    Header { port: 4321, name: None, session: Some(Session::Http1) }.encode(&mut bytes);
    bytes.extend_from_slice(GET.as_bytes());
    let mut client = Raw::connect(engine.addr).await;
    for piece in bytes.chunks(7) {
        client.send(piece).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    client.until("GET /").await;
    engine.wait_for(|note| *note == Note::Header(4321));

    let mut script = Script::to(kit::endpoint(server), Upstream::Http1);
    script.mode = Mode::ProxyHeader;
    let mut engine = script.run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(format!("PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n{GET}")).await;
    client.until("GET /").await;
    engine.wait_for(|note| *note == Note::ProxyHeader(Some("192.0.2.1:40000".parse().unwrap())));
    let mut liar = Raw::connect(engine.addr).await;
    liar.send("GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(liar.rest().await, "");
    engine.wait_for(|note| *note == Note::StepFailed("malformed PROXY protocol header"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_client_is_reset_and_nothing_is_dialled() {
    let server = Server::bind().await;
    let mut script = Script::to(kit::endpoint(server.addr()), Upstream::Http1);
    script.mode = Mode::Refuse;
    let mut engine = script.run();
    // The reset may be here before the client has noticed that it is connected.
    if let Ok(socket) = tokio::net::TcpStream::connect(engine.addr).await {
        assert_eq!(Raw(socket).rest().await, "");
    }
    engine.wait_for(|note| *note == Note::Closed(Some("refused"), 0));
    assert!(server.is_left_alone(Duration::from_millis(200)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_to_nobody_is_reset() {
    let mut script = Script::to(kit::endpoint(closed_port()), Upstream::Http1);
    script.mode = Mode::Tunnel;
    let mut engine = script.run();
    // The reset may be here before the client has noticed that it is connected.
    if let Ok(socket) = tokio::net::TcpStream::connect(engine.addr).await {
        assert_eq!(Raw(socket).rest().await, "");
    }
    engine.wait_for(|note| *note == Note::Closed(Some("connect failed"), libc::ECONNREFUSED));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_tunnel_ends() {
    let server = Server::bind().await;
    let mut script = Script::to(kit::endpoint(server.addr()), Upstream::Http1);
    script.mode = Mode::Tunnel;
    script.idle = Some(Duration::from_millis(300));
    let mut engine = script.run();
    let mut client = Raw::connect(engine.addr).await;
    client.send("x").await;
    let mut served = server.accept().await;
    served.until("x").await;
    assert_eq!(client.rest().await, "");
    assert_eq!(served.rest().await, "");
    engine.wait_for(|note| *note == Note::Closed(Some("idle timeout"), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_without_a_valid_certificate_gets_no_further() {
    let (ours, theirs) = (Pki::new(), Pki::new());
    let server = Server::bind().await;
    let mut inner = Script::to(kit::endpoint(server.addr()), Upstream::Http1);
    inner.server = Some(ours.server(&[]));
    let mut inner = inner.run();
    let mut target = kit::endpoint(inner.addr);
    target.tls = Some(theirs.client(kit::NAME, &[]));
    let mut outer = Script::to(target, Upstream::Http2).run();
    let mut client = Raw::connect(outer.addr).await;
    client.send(GET).await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 502"));
    let failure = outer.wait_for(|note| matches!(note, Note::Failed(..)));
    assert!(format!("{failure:?}").contains("Tls { wrong_identity: false }"), "{failure:?}");
    inner.wait_for(|note| *note == Note::StepFailed("TLS handshake failed"));
    assert!(server.is_left_alone(Duration::from_millis(100)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_the_wrong_name_is_told_apart() {
    let pki = Pki::new();
    let mut inner = Script::to(kit::endpoint(closed_port()), Upstream::Http1);
    inner.server = Some(pki.server(&[]));
    let inner = inner.run();
    let mut target = kit::endpoint(inner.addr);
    target.tls = Some(pki.client("other.test", &[]));
    let mut outer = Script::to(target, Upstream::Http2).run();
    let mut client = Raw::connect(outer.addr).await;
    client.send(GET).await;
    client.until("\r\n\r\n").await;
    let failure = outer.wait_for(|note| matches!(note, Note::Failed(..)));
    assert!(format!("{failure:?}").contains("wrong_identity: true"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preface_of_http2_may_come_in_two_segments() {
    let server = peers::serve().await;
    let mut engine = Script::to(kit::endpoint(server), Upstream::Http2).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(&PREFACE[..13]).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    client.send(&PREFACE[13..]).await;
    engine.wait_for(|note| *note == Note::Protocol(Detected::Http2));
}
