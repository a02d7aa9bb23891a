//! Clients that hold their content back until they are told to go on (RFC 9110 §10.1.1).

use std::time::{Duration, Instant};

use proxy_net::engine::Upstream;

use crate::kit::{self, Mode, Script};
use crate::peers;
use crate::raw::{Raw, Server};

const PATIENCE: Duration = Duration::from_millis(300);
const PUT: &str = "PUT /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";

fn script(addr: std::net::SocketAddr, upstream: Upstream) -> Script {
    let mut script = Script::to(kit::endpoint(addr), upstream);
    script.mode = Mode::Http1;
    script.config.continue_after = PATIENCE;
    script
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gets_its_continue_from_the_server_and_once() {
    let server = Server::bind().await;
    let engine = script(server.addr(), Upstream::Http1).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(PUT).await;
    let mut served = server.accept().await;
    assert!(served.until("\r\n\r\n").await.contains("expect: 100-continue"));
    served.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.until("HTTP/1.1 100 Continue\r\n\r\n").await;
    // Also when it takes its time with the content.
    assert!(client.is_silent(PATIENCE * 2).await, "a second continue, or none of the server's");
    client.send("body").await;
    served.until("body").await;
    served.send("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
    client.until("content-length: 0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_told_to_go_on_when_its_server_says_nothing() {
    let server = Server::bind().await;
    let engine = script(server.addr(), Upstream::Http1).run();
    let mut client = Raw::connect(engine.addr).await;
    let start = Instant::now();
    client.send(PUT).await;
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    assert_eq!(client.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(start.elapsed() >= PATIENCE, "told after {:?}", start.elapsed());
    // The server's own word comes too late to be passed on.
    served.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send("body").await;
    served.until("body").await;
    served.send("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
    assert!(client.until("content-length: 0\r\n\r\n").await.starts_with("HTTP/1.1 201 "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_http2_that_does_not_know_the_expectation_gets_the_content() {
    let server = peers::serve().await;
    let engine = script(server, Upstream::Http2).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(PUT).await;
    assert_eq!(client.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body").await;
    assert!(client.until("body").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_instead_of_a_continue_reaches_the_client() {
    let server = Server::bind().await;
    let engine = script(server.addr(), Upstream::Http1).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(PUT).await;
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    served.send("HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n").await;
    assert!(
        client.rest().await.starts_with("HTTP/1.1 417 "),
        "and the connection ends, as its content may follow"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_expects_nothing_is_told_nothing() {
    let server = Server::bind().await;
    let engine = script(server.addr(), Upstream::Http1).run();
    for (what, request) in [
        (
            "HTTP/1.0 has no continue",
            "PUT / HTTP/1.0\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n",
        ),
        ("no content", "GET / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\r\n"),
        (
            "content in parts",
            "PUT / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\nbo",
        ),
        ("no expectation", "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n"),
    ] {
        let mut client = Raw::connect(engine.addr).await;
        client.send(request).await;
        let mut served = server.accept().await;
        served.until(if request.ends_with("bo") { "\r\n\r\nbo" } else { "\r\n\r\n" }).await;
        assert!(client.is_silent(PATIENCE * 2).await, "{what}");
    }
}
