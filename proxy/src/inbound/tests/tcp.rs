//! Octets through the inbound side: detection, silence, and policy that changes its mind.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::kit::{Application, Proxy, detect, policy, read_all, run};
use crate::model::inbound::{DefaultAllow, Protocol};

#[test]
fn octets_that_are_not_http_pass_as_they_are() {
    run(async {
        let application = Application::answering(b"pong").await;
        let proxy = Proxy::to(application.addr).await;
        assert_eq!(proxy.raw(b"\x01\x02ping this is no http\r\n").await, b"pong");
        assert_eq!(application.got(), "\x01\x02ping this is no http\r\n");
        let metrics = proxy.metrics().await;
        assert!(metrics.contains("inbound_tcp_authz_allow_total{"), "{metrics}");
        assert!(metrics.contains("inbound_tcp_detect_http_results_total{"), "{metrics}");
    });
}

#[test]
fn a_server_may_talk_first_after_a_moment() {
    run(async {
        let application = Application::greeting(b"220 ready\r\n").await;
        let proxy = Proxy::to(application.addr).await;
        let start = Instant::now();
        let mut client = TcpStream::connect(proxy.addr).await.unwrap();
        let mut buffer = [0; 64];
        let read = client.read(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..read], b"220 ready\r\n");
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(90) && waited < Duration::from_secs(2), "{waited:?}");
        client.write_all(b"HELO\r\n").await.unwrap();
        let read = client.read(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..read], b"HELO\r\n");
        let metrics = proxy.metrics().await;
        assert!(metrics.contains("inbound_tcp_authz_allow_total{"), "{metrics}");
        let read: Vec<_> = metrics
            .lines()
            .filter(|line| line.starts_with("tcp_read_bytes_total{direction=\"inbound\",peer=\"src\""))
            .collect();
        assert!(read.len() == 1 && read[0].ends_with(" 6"), "octets count as they pass: {read:?}");
    });
}

#[test]
fn a_slow_client_of_http_is_served_as_http_all_the_same() {
    run(async {
        let application = Application::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let proxy = Proxy::to(application.addr).await;
        let mut client = TcpStream::connect(proxy.addr).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nl5d-client-id: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let answer = read_all(&mut client).await;
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", answer.escape_ascii());
        assert!(!application.got().contains("l5d-client-id"), "it was not looked at");
    });
}

#[test]
fn a_silent_client_that_is_not_let_in_causes_no_connection() {
    run(async {
        let application = Application::greeting(b"220 ready\r\n").await;
        let proxy = Proxy::to(application.addr).await;
        proxy.set_policy(policy(DefaultAllow::Nobody, detect())).await;
        let before = application.connections();
        assert_eq!(proxy.raw(b"").await, b"");
        assert_eq!(proxy.raw(b"\0\x01 not http at all, to be sure").await, b"");
        assert_eq!(application.connections(), before);
        assert!(proxy.metrics().await.contains("inbound_tcp_authz_deny_total{"));
    });
}

#[test]
fn an_opaque_port_is_dialled_at_once() {
    run(async {
        let application = Application::greeting(b"hello").await;
        let proxy = Proxy::to(application.addr).await;
        proxy.set_policy(policy(DefaultAllow::Everybody, Protocol::Opaque)).await;
        let mut client = TcpStream::connect(proxy.addr).await.unwrap();
        let start = Instant::now();
        let mut buffer = [0; 5];
        client.read_exact(&mut buffer).await.unwrap();
        assert!(start.elapsed() < Duration::from_millis(90), "{:?}", start.elapsed());
        // HTTP is octets like any other here.
        client.write_all(b"GET / HTTP/1.1\r\nl5d-client-id: x\r\n\r\n").await.unwrap();
        assert_eq!(read_all(&mut client).await, b"GET / HTTP/1.1\r\nl5d-client-id: x\r\n\r\n");
    });
}

#[test]
fn a_tunnel_ends_when_policy_changes_its_mind() {
    run(async {
        let application = Application::greeting(b"hello").await;
        let proxy = Proxy::to(application.addr).await;
        proxy.set_policy(policy(DefaultAllow::Everybody, Protocol::Opaque)).await;
        let mut client = TcpStream::connect(proxy.addr).await.unwrap();
        let mut buffer = [0; 5];
        client.read_exact(&mut buffer).await.unwrap();
        proxy.set_policy(policy(DefaultAllow::Everybody, detect())).await;
        client.write_all(b"still").await.unwrap();
        client.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"still", "a policy that lets the client in ends nothing");
        proxy.set_policy(policy(DefaultAllow::Nobody, Protocol::Opaque)).await;
        assert_eq!(client.read(&mut buffer).await.unwrap_or(0), 0, "the tunnel goes on");
        assert!(proxy.metrics().await.contains("inbound_tcp_authz_terminate_total{"));
    });
}

#[test]
fn a_balancer_says_who_the_client_is() {
    run(async {
        let application = Application::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let proxy = Proxy::with(application.addr, |settings| {
            settings.proxy_protocol = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await;
        let request = b"PROXY TCP4 203.0.113.7 192.0.2.1 4000 80\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        assert!(proxy.raw(request).await.starts_with(b"HTTP/1.1 200 "));
        let got = application.got();
        assert!(got.contains("x-forwarded-for: 203.0.113.7\r\n"), "{got}");
        assert!(proxy.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.is_empty(), "a header was asked for");
        assert_eq!(application.connections(), 1);
    });
}
