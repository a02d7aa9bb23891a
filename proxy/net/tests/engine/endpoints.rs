//! Connections to endpoints: opening, waiting, failing, retrying, taking away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{HeaderMap, Request};
use hyper::body::Bytes;
use proxy_net::engine::{ConnectError, EndpointEvent, Failure, Reply, ResponseStep, Upstream};
use proxy_net::h2::ErrorCode;

use crate::kit::{self, Mode, Note, Order, Script};
use crate::peers::{self, collect, full, pieces};
use crate::raw::{Raw, Server, closed_port};

const GET: &str = "GET / HTTP/1.1\r\nhost: web.test\r\n\r\n";

fn get(path: &str) -> Request<peers::Body> {
    Request::builder().uri(format!("http://web.test{path}")).body(full("")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_refuses_is_told_and_comes_back() {
    let addr = closed_port();
    let mut engine = Script::to(kit::endpoint(addr), Upstream::Http1).run();
    let refused = ConnectError::Io(libc::ECONNREFUSED);
    let mut client = Raw::connect(engine.addr).await;
    client.send(GET).await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 502 "));
    engine.wait_for(|note| *note == Note::Failed(0, Failure::Connect(refused)));
    engine.wait_for(|note| *note == Note::Endpoint(EndpointEvent::Unready(refused)));
    engine.wait_for(|note| *note == Note::Endpoint(EndpointEvent::Ready));
    let listener = tokio::net::TcpListener::bind(addr).await.unwrap();
    client.send(GET).await;
    let mut served = Server(listener).accept().await;
    served.until("\r\n\r\n").await;
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    client.until("\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_that_takes_too_long_is_given_up() {
    // A peer that accepts, by its kernel, and never answers the handshake.
    let server = Server::bind().await;
    let mut spec = kit::endpoint(server.addr());
    spec.tls = Some(kit::Pki::new().client(kit::NAME, &[]));
    spec.connect_timeout = Duration::from_millis(200);
    let mut engine = Script::to(spec, Upstream::Http2).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(GET).await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 502 "));
    engine.wait_for(|note| *note == Note::Failed(0, Failure::Connect(ConnectError::TimedOut)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eager_endpoint_connects_before_it_is_needed_and_again() {
    let server = Server::bind().await;
    let mut spec = kit::endpoint(server.addr());
    spec.eager = Some(Upstream::Http2);
    let mut engine = Script::to(spec, Upstream::Http2).run();
    let first = server.accept().await;
    engine.wait_for(|note| *note == Note::Endpoint(EndpointEvent::Ready));
    drop(first);
    let _second = server.accept().await;
    engine.wait_for(|note| matches!(note, Note::Endpoint(EndpointEvent::Closed { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_with_a_body_is_sent_again_as_it_was() {
    let server = peers::serve().await;
    let mut script = Script::to(kit::endpoint(server), Upstream::Http2);
    script.replay = 100_000;
    let tries = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&tries);
    script.on_response = Some(Box::new(move |attempt, _, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        if attempt.replayable && attempt.number < 2 {
            return ResponseStep::Retry { after: Duration::from_millis(10) };
        }
        ResponseStep::Pass
    }));
    let engine = script.run();
    let mut client = peers::http2(engine.addr).await;
    let trailers: HeaderMap =
        [(http::HeaderName::from_static("x-last"), http::HeaderValue::from_static("1"))]
            .into_iter()
            .collect();
    let body = pieces(vec![Bytes::from(vec![7; 30_000]), Bytes::from(vec![8; 30_000])], Some(trailers));
    let request = Request::builder().method("POST").uri("http://web.test/echo").body(body).unwrap();
    let answer = client.send_request(request).await.unwrap();
    let (data, trailers) = collect(answer.into_body()).await.unwrap();
    assert_eq!(data.len(), 60_000);
    assert_eq!((data[29_999], data[30_000]), (7, 8));
    assert_eq!(trailers.unwrap()["x-last"], "1");
    assert_eq!(tries.load(Ordering::Relaxed), 3);
    // One that does not fit is passed on as it is.
    let body = pieces(vec![Bytes::from(vec![7; 300_000])], None);
    let request = Request::builder().method("POST").uri("http://web.test/echo").body(body).unwrap();
    let answer = client.send_request(request).await.unwrap();
    assert_eq!(collect(answer.into_body()).await.unwrap().0.len(), 300_000);
    assert_eq!(tries.load(Ordering::Relaxed), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_attempt_is_made_again_elsewhere_or_answered() {
    let server = Server::bind().await;
    let mut script = Script::to(kit::endpoint(server.addr()), Upstream::Http1);
    script.replay = 1;
    script.on_failed = Some(Box::new(|attempt, _| {
        if attempt.number < 1 && attempt.replayable {
            return ResponseStep::Retry { after: Duration::ZERO };
        }
        ResponseStep::Reply(Box::new(Reply { status: 504, ..Reply::default() }))
    }));
    let mut engine = script.run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(GET).await;
    for _ in 0..2 {
        let mut served = server.accept().await;
        served.until("\r\n\r\n").await;
    }
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 504 "));
    engine.wait_for(|note| *note == Note::Failed(1, Failure::Closed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_of_a_held_response_are_shown_before_anything_is_passed_on() {
    let server = peers::serve().await;
    let mut script = Script::to(kit::endpoint(server), Upstream::Http2);
    script.hold = true;
    script.on_response = Some(Box::new(|_, _, trailers| match trailers {
        Some(trailers) if trailers.value(b"x-seen") == Some(b"0") => {
            let grpc = Some((14, "seen".to_owned()));
            ResponseStep::Reply(Box::new(Reply { grpc, ..Reply::default() }))
        }
        _ => ResponseStep::Pass,
    }));
    let engine = script.run();
    let mut client = peers::http2(engine.addr).await;
    let post = |body| Request::builder().method("POST").uri("http://web.test/echo").body(body).unwrap();
    let answer = client.send_request(post(pieces(Vec::new(), None))).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "14");
    let answer = client.send_request(post(full("abc"))).await.unwrap();
    assert_eq!(collect(answer.into_body()).await.unwrap().0, "abc");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saturated_connection_gets_others_beside_it() {
    let server = Server::bind().await;
    let engine = Script::to(kit::endpoint(server.addr()), Upstream::Http2).run();
    let addr = server.addr();
    let accepted = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&accepted);
    tokio::spawn(async move {
        loop {
            let served = server.accept().await;
            counted.fetch_add(1, Ordering::Relaxed);
            // Each connection allows one stream.
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                builder.max_concurrent_streams(1);
                let mut connection = builder.handshake::<_, Bytes>(served.0).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(300)).await;
                        respond.send_response(http::Response::new(()), true).unwrap();
                    });
                }
            });
        }
    });
    let mut client = peers::http2(engine.addr).await;
    assert_eq!(client.send_request(get("/")).await.unwrap().status(), 200, "at {addr}");
    let answers = (0..3).map(|number| client.send_request(get(&format!("/{number}"))));
    for answer in futures::future::join_all(answers.collect::<Vec<_>>()).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!(accepted.load(Ordering::Relaxed), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connect_of_a_stream_becomes_a_tunnel_behind_http1() {
    let server = Server::bind().await;
    let engine = Script::to(kit::endpoint(server.addr()), Upstream::Http1).run();
    let socket = tokio::net::TcpStream::connect(engine.addr).await.unwrap();
    let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().method("CONNECT").uri("far.test:443").body(()).unwrap();
    let (answer, mut sender) = client.send_request(request, false).unwrap();
    sender.send_data(Bytes::from_static(b"early"), false).unwrap();
    let mut served = server.accept().await;
    assert!(served.until("\r\n\r\n").await.starts_with("CONNECT far.test:443 HTTP/1.1\r\n"));
    assert!(served.is_silent(Duration::from_millis(100)).await, "octets came before the tunnel");
    served.send("HTTP/1.1 200 OK\r\n\r\nhello").await;
    served.until("early").await;
    let mut body = answer.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "hello");
    sender.send_data(Bytes::from_static(b"more"), true).unwrap();
    served.until("more").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_keep_their_code_on_the_way() {
    let server = Server::bind().await;
    let mut script = Script::to(kit::endpoint(server.addr()), Upstream::Http2);
    script.on_failed = Some(Box::new(|_, _| ResponseStep::Pass));
    let mut engine = script.run();
    let mut client = peers::http2(engine.addr).await;
    let answer = tokio::spawn(async move { client.send_request(get("/")).await });
    let served = server.accept().await;
    let mut connection = h2::server::handshake(served.0).await.unwrap();
    let (_, mut respond): (_, h2::server::SendResponse<Bytes>) = connection.accept().await.unwrap().unwrap();
    respond.send_reset(h2::Reason::ENHANCE_YOUR_CALM);
    let drive = tokio::spawn(async move { while connection.accept().await.is_some() {} });
    let error = answer.await.unwrap().unwrap_err();
    assert!(format!("{error:?}").contains("ENHANCE_YOUR_CALM"), "{error:?}");
    engine.wait_for(|note| *note == Note::Failed(0, Failure::Reset(ErrorCode::ENHANCE_YOUR_CALM)));
    drive.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_endpoint_lets_its_streams_finish() {
    let server = Server::bind().await;
    let mut script = Script::to(kit::endpoint(server.addr()), Upstream::Http1);
    script.mode = Mode::Http1;
    let engine = script.run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(GET).await;
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    engine.mailbox.send(Order::RemoveEndpoint).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    client.until("ok").await;
    assert_eq!(served.rest().await, "", "the connection of a removed endpoint stayed");
    client.send(GET).await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_peer_is_found_by_pings() {
    let server = Server::bind().await;
    let mut spec = kit::endpoint(server.addr());
    spec.h2_keep_alive = Some((Duration::from_millis(100), Duration::from_millis(200), true));
    spec.eager = Some(Upstream::Http2);
    let mut engine = Script::to(spec, Upstream::Http2).run();
    // Accepts and says nothing, like a machine that is gone.
    let mut served = server.accept().await;
    engine.wait_for(|note| *note == Note::Endpoint(EndpointEvent::Closed { errno: libc::ETIMEDOUT }));
    assert!(!served.rest().await.is_empty());
}
