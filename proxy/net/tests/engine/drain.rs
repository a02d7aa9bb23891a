//! The end of a worker, and of single connections.

use std::time::{Duration, Instant};

use http::Request;
use proxy_net::engine::Upstream;

use crate::kit::{self, Note, Order, Script};
use crate::peers::{self, collect, full};
use crate::raw::{Raw, Server};

const GET: &str = "GET / HTTP/1.1\r\nhost: web.test\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_finishes_and_nothing_new_begins() {
    let server = Server::bind().await;
    let mut engine = Script::to(kit::endpoint(server.addr()), Upstream::Http1).run();
    let mut busy = Raw::connect(engine.addr).await;
    busy.send(GET).await;
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    let mut client = peers::http2(engine.addr).await;
    let request = Request::builder().uri("http://web.test/").body(full("")).unwrap();
    let answer = tokio::spawn(async move { client.send_request(request).await });
    let mut second = server.accept().await;
    second.until("\r\n\r\n").await;
    engine.mailbox.send(Order::Drain(Duration::from_secs(20))).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(tokio::net::TcpStream::connect(engine.addr).await.is_err(), "a draining worker accepted");
    assert!(!engine.ends_within(Duration::from_millis(100)));
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let answer_text = busy.rest().await;
    assert!(answer_text.contains("connection: close\r\n") && answer_text.ends_with("ok"), "{answer_text}");
    second.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes").await;
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(collect(answer.into_body()).await.unwrap().0, "yes");
    assert!(engine.ends_within(Duration::from_secs(5)), "the worker outlived its last connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_grace_period_ends_what_does_not() {
    let server = Server::bind().await;
    let mut engine = Script::to(kit::endpoint(server.addr()), Upstream::Http1).run();
    let mut busy = Raw::connect(engine.addr).await;
    busy.send(GET).await;
    let _served = server.accept().await;
    let began = Instant::now();
    engine.mailbox.send(Order::Drain(Duration::from_millis(300))).unwrap();
    assert!(engine.ends_within(Duration::from_secs(5)));
    assert!(began.elapsed() >= Duration::from_millis(290), "ended after {:?}", began.elapsed());
    assert_eq!(busy.rest().await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_worker_ends_at_once() {
    let server = peers::serve().await;
    let mut engine = Script::to(kit::endpoint(server), Upstream::Http1).run();
    let mut idle = Raw::connect(engine.addr).await;
    idle.send(GET).await;
    idle.until("GET /").await;
    engine.mailbox.send(Order::Drain(Duration::from_secs(60))).unwrap();
    assert_eq!(idle.rest().await, "");
    drop(idle);
    assert!(engine.ends_within(Duration::from_secs(5)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_policy_ends_finishes_its_response() {
    let server = Server::bind().await;
    let mut engine = Script::to(kit::endpoint(server.addr()), Upstream::Http1).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(GET).await;
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    engine.mailbox.send(Order::CloseConns).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    assert!(client.rest().await.ends_with("ok"));
    drop(client);
    engine.wait_for(|note| *note == Note::Closed(Some("told to"), 0));
}
