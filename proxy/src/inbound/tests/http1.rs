//! HTTP/1 through the whole inbound side.

use super::kit::{Application, Proxy, detect, policy, run};
use crate::model::inbound::DefaultAllow;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

#[test]
fn a_request_reaches_the_application_and_its_answer_the_client() {
    run(async {
        let application = Application::answering(OK).await;
        let proxy = Proxy::to(application.addr).await;
        let answer =
            proxy.raw(b"GET /a?b HTTP/1.1\r\nHost: web\r\nX-Thing: One\r\nConnection: close\r\n\r\n").await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("\r\n\r\nhi"), "{text}");
        let got = application.got().to_lowercase();
        assert!(got.starts_with("get /a?b http/1.1\r\n") && got.contains("\r\nhost: web\r\n"), "{got}");
        assert!(got.contains("\r\nx-thing: one\r\n"), "{got}");
    });
}

#[test]
fn a_forged_client_id_never_reaches_the_application() {
    run(async {
        let application = Application::answering(OK).await;
        let proxy = Proxy::to(application.addr).await;
        let request = b"GET / HTTP/1.1\r\nHost: web\r\nL5D-Client-ID: admin\r\nl5d-client-id: root\r\nConnection: close\r\n\r\n";
        proxy.raw(request).await;
        assert!(!application.got().to_lowercase().contains("l5d-client-id"), "{}", application.got());
    });
}

#[test]
fn who_is_not_let_in_causes_no_connection() {
    run(async {
        let application = Application::answering(OK).await;
        let proxy = Proxy::to(application.addr).await;
        proxy.set_policy(policy(DefaultAllow::Nobody, detect())).await;
        let before = application.connections();
        let answer = proxy.raw(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 403 ") && text.contains("content-length: 0"), "{text}");
        assert!(!text.contains("l5d-"), "a client without an identity was told too much: {text}");
        assert_eq!(application.connections(), before);
        let metrics = proxy.metrics().await;
        assert!(metrics.contains("inbound_http_authz_deny_total{"), "{metrics}");
        assert!(metrics.contains("inbound_http_errors_total{error=\"unauthorized\""), "{metrics}");
    });
}

#[test]
fn requests_are_judged_by_the_policy_of_the_moment() {
    run(async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let application = Application::answering(OK).await;
        let proxy = Proxy::to(application.addr).await;
        let mut client = tokio::net::TcpStream::connect(proxy.addr).await.unwrap();
        let mut ask = async || {
            client.write_all(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n").await.unwrap();
            let mut buffer = [0; 1024];
            let read = client.read(&mut buffer).await.unwrap();
            String::from_utf8_lossy(&buffer[9..read.min(12)]).into_owned()
        };
        assert_eq!(ask().await, "200");
        proxy.set_policy(policy(DefaultAllow::Nobody, detect())).await;
        assert_eq!(ask().await, "403", "an open connection keeps no right");
        proxy.set_policy(policy(DefaultAllow::Everybody, detect())).await;
        assert_eq!(ask().await, "200", "and loses none");
    });
}

#[test]
fn an_application_that_is_not_there_is_a_bad_gateway() {
    run(async {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let proxy = Proxy::to(gone).await;
        let answer = proxy.raw(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 502 ") && text.contains("connection: close"), "{text}");
        assert!(proxy.metrics().await.contains("inbound_http_errors_total{error=\"i/o\""));
    });
}

#[test]
fn clients_of_one_application_share_its_connections() {
    run(async {
        let application = Application::answering(OK).await;
        let proxy = Proxy::to(application.addr).await;
        for authority in ["a", "b", "c"] {
            let request = format!("GET / HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
            assert!(proxy.raw(request.as_bytes()).await.starts_with(b"HTTP/1.1 200"));
        }
        assert_eq!(application.connections(), 1);
        let metrics = proxy.metrics().await;
        let requests =
            metrics.lines().find(|line| line.starts_with("request_total{direction=\"inbound\"")).unwrap();
        assert!(requests.ends_with(" 3"), "{requests}");
        assert!(metrics.contains("inbound_http_requests_total{"), "{metrics}");
    });
}
