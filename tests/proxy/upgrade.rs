//! Connections that change their protocol.

use mesh_tests::mesh::tcp;
use tokio::io::AsyncWriteExt;

use crate::kit::{Calls, authority, meshed};

/// Sends a head, expects a status, and then an echo of what follows.
fn talk(head: &'static str, status: &'static str) {
    let world = meshed();
    let service = world.service();
    world.client.namespace.run(async move {
        let mut stream = tcp::connect(service).await.unwrap();
        stream.write_all(head.replace("AUTHORITY", &authority()).as_bytes()).await.unwrap();
        let answer = tcp::read_until(&mut stream, b"\r\n\r\n").await.unwrap();
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with(status), "{text}");
        for word in ["ping", "pong"] {
            stream.write_all(word.as_bytes()).await.unwrap();
            assert_eq!(tcp::read_exact(&mut stream, 4).await.unwrap(), word.as_bytes());
        }
        stream.shutdown().await.unwrap();
        assert_eq!(tcp::read_all(&mut stream).await.unwrap(), b"");
    });
}

#[test]
fn a_websocket_is_joined() {
    talk(
        "GET /socket HTTP/1.1\r\nhost: AUTHORITY\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n",
        "HTTP/1.1 101",
    );
}

#[test]
fn connect_opens_a_tunnel() {
    talk("CONNECT AUTHORITY HTTP/1.1\r\nhost: AUTHORITY\r\n\r\n", "HTTP/1.1 200");
}

#[test]
fn an_upgrade_to_http2_is_not_passed_on() {
    let world = meshed();
    let answer = world.raw(&format!(
        "GET /inspect HTTP/1.1\r\nhost: {}\r\nconnection: close, upgrade, http2-settings\r\nupgrade: h2c\r\n\
         http2-settings: AAMAAABkAAQAAP__\r\n\r\n",
        authority()
    ));
    let (status, body) = tcp::split_response(answer.as_bytes()).unwrap();
    assert_eq!(status, 200, "{answer}");
    assert!(!body.contains("h2c"), "{body}");
}

#[test]
fn a_refused_upgrade_is_an_ordinary_answer() {
    let world = meshed();
    world.app.set_status(403);
    let answer = world.raw(&format!(
        "GET /socket HTTP/1.1\r\nhost: {}\r\nconnection: close, upgrade\r\nupgrade: websocket\r\n\r\n",
        authority()
    ));
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}
