//! HTTP/1 with clients and servers that send exactly what they want.

use std::time::Duration;

use proxy_net::engine::{Direction, Failure, RequestStep, TimeoutKind, Upstream};
use proxy_net::h2::ErrorCode;

use crate::kit::{self, Mode, Note, Script};
use crate::peers;
use crate::raw::{Raw, Server};

const GET: &str = "GET / HTTP/1.1\r\nhost: web.test\r\n\r\n";

fn http1(addr: std::net::SocketAddr) -> Script {
    let mut script = Script::to(kit::endpoint(addr), Upstream::Http1);
    script.mode = Mode::Http1;
    script
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_one_segment_are_answered_in_order_and_one_at_a_time() {
    let server = Server::bind().await;
    let engine = http1(server.addr()).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nPOST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut served = server.accept().await;
    assert!(served.until("\r\n\r\n").await.starts_with("GET /1 "));
    assert!(
        served.is_silent(Duration::from_millis(100)).await,
        "the second request was sent before its turn"
    );
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n1.").await;
    assert!(served.until("abc").await.starts_with("POST /2 "));
    served.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n2.\r\n0\r\n\r\n").await;
    assert!(served.until("\r\n\r\n").await.starts_with("GET /3 "));
    served.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    let all = client.until("204 No Content\r\n\r\n").await;
    let order: Vec<_> = ["1.", "2\r\n2.", "204"].iter().map(|text| all.find(text)).collect();
    assert!(order.is_sorted() && order[0].is_some(), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_http_1_0_gets_a_body_that_ends_with_the_connection() {
    let server = Server::bind().await;
    let engine = http1(server.addr()).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n").await;
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    served
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
        .await;
    let answer = client.rest().await;
    assert!(answer.ends_with("\r\n\r\nabcdef") && !answer.contains("chunked"), "{answer}");
    let mut client = Raw::connect(engine.addr).await;
    client.send("GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n").await;
    served.until("\r\n\r\n").await;
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx").await;
    assert!(client.until("\r\n\r\nx").await.contains("connection: keep-alive\r\n"));
    client.send("GET /again HTTP/1.0\r\nhost: a\r\n\r\n").await;
    served.until("\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_becomes_a_tunnel() {
    let server = Server::bind().await;
    let mut engine = http1(server.addr()).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send("GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await;
    let mut served = server.accept().await;
    let head = served.until("\r\n\r\n").await;
    assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"), "{head}");
    assert!(!head.contains("chunked"), "{head}");
    served
        .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello")
        .await;
    client.until("\r\n\r\nhello").await;
    client.send("ping").await;
    served.until("ping").await;
    served.send("pong").await;
    client.until("pong").await;
    drop(client);
    assert_eq!(served.rest().await, "");
    drop(served);
    engine.wait_for(|note| matches!(note, Note::Finished(_, 4, 9)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connect_becomes_a_tunnel_and_a_refusal_an_answer() {
    let server = Server::bind().await;
    let engine = http1(server.addr()).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send("CONNECT far.test:443 HTTP/1.1\r\nhost: far.test:443\r\n\r\n").await;
    let mut served = server.accept().await;
    assert!(served.until("\r\n\r\n").await.starts_with("CONNECT far.test:443 HTTP/1.1\r\n"));
    served.send("HTTP/1.1 200 OK\r\n\r\n").await;
    client.until("\r\n\r\n").await;
    client.send("one").await;
    served.until("one").await;
    served.send("two").await;
    client.until("two").await;
    let mut client = Raw::connect(engine.addr).await;
    client.send("CONNECT far.test:443 HTTP/1.1\r\nhost: far.test:443\r\n\r\n").await;
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    served.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
    client.until("no").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_two_readers_could_understand_in_two_ways_is_refused() {
    let server = Server::bind().await;
    let engine = http1(server.addr()).run();
    for bad in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n",
        "GET / HTTP/1.1\nhost: a\n\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    ] {
        let mut client = Raw::connect(engine.addr).await;
        client.send(bad).await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{bad:?} got {answer:?}");
    }
    let mut client = Raw::connect(engine.addr).await;
    client.send(format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(20_000))).await;
    assert!(client.rest().await.starts_with("HTTP/1.1 431 "));
    assert!(server.is_left_alone(Duration::from_millis(100)).await, "a refused request reached the server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_is_malformed_ends_both_sides() {
    let server = Server::bind().await;
    let mut engine = http1(server.addr()).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    let mut served = server.accept().await;
    served.until("abc\r\n").await;
    client.send("zz\r\n").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 400 "));
    assert_eq!(served.rest().await, "");
    engine.wait_for(|note| matches!(note, Note::Finished(Some(Failure::ClientGone), 3, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_takes_too_long_is_cut_off() {
    let server = Server::bind().await;
    let mut script = http1(server.addr());
    script.config.head_timeout = Duration::from_millis(300);
    let mut engine = script.run();
    let mut silent = Raw::connect(engine.addr).await;
    let mut slow = Raw::connect(engine.addr).await;
    let drip = tokio::spawn(async move {
        slow.send("GET / HTTP/1.1\r\n").await;
        for _ in 0..50 {
            if tokio::io::AsyncWriteExt::write_all(&mut slow.0, b"x: y\r\n").await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        slow.rest().await
    });
    assert_eq!(silent.rest().await, "");
    assert_eq!(drip.await.unwrap(), "");
    engine.wait_for(|note| *note == Note::Closed(Some("header timeout"), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_takes_its_request_with_it() {
    let server = Server::bind().await;
    let mut engine = http1(server.addr()).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(GET).await;
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    drop(client);
    assert_eq!(served.rest().await, "", "the server was left working");
    engine.wait_for(|note| matches!(note, Note::Finished(Some(Failure::ClientGone), ..)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_breaks_off_is_cut_for_the_client_too() {
    let server = Server::bind().await;
    let mut engine = http1(server.addr()).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(GET).await;
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc").await;
    client.until("abc").await;
    drop(served);
    assert_eq!(client.rest().await, "");
    engine.wait_for(|note| *note == Note::Failed(0, Failure::Closed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_before_the_end_of_its_request_ends_the_connection() {
    let server = Server::bind().await;
    let engine = http1(server.addr()).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nabc").await;
    let mut served = server.accept().await;
    served.until("abc").await;
    served.send("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(served.rest().await, "", "a connection with half a request was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_from_a_server_is_a_502() {
    let server = Server::bind().await;
    let mut engine = http1(server.addr()).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(GET).await;
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    served.send("SSH-2.0-OpenSSH\r\n").await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 502 "));
    engine.wait_for(|note| *note == Note::Failed(0, Failure::Protocol));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_time_limit_is_told_apart() {
    let server = Server::bind().await;
    let short = Some(Duration::from_millis(150));
    for kind in [TimeoutKind::Request, TimeoutKind::Response, TimeoutKind::ResponseHeaders, TimeoutKind::Idle]
    {
        let mut script = http1(server.addr());
        match kind {
            TimeoutKind::Request => script.timeouts.request = short,
            TimeoutKind::Response => script.timeouts.response = short,
            TimeoutKind::ResponseHeaders => script.timeouts.response_headers = short,
            TimeoutKind::Idle => script.timeouts.idle = short,
        }
        let mut engine = script.run();
        let mut client = Raw::connect(engine.addr).await;
        client.send(GET).await;
        let mut served = server.accept().await;
        served.until("\r\n\r\n").await;
        engine.wait_for(|note| *note == Note::Failed(0, Failure::Timeout(kind)));
        assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 502 "), "{kind:?}");
        assert_eq!(served.rest().await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_used_again_and_a_stale_one_is_no_failure() {
    let server = Server::bind().await;
    let mut engine = http1(server.addr()).run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(GET).await;
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1").await;
    client.until("\r\n\r\n1").await;
    client.send(GET).await;
    served.until("\r\n\r\n").await;
    // As if the server had closed just before the request came.
    drop(served);
    let mut served = server.accept().await;
    served.until("\r\n\r\n").await;
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n2").await;
    client.until("\r\n\r\n2").await;
    assert!(!engine.has(|note| matches!(note, Note::Failed(..))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_by_the_handler_is_a_reset_for_the_client() {
    let server = Server::bind().await;
    let mut script = http1(server.addr());
    script.on_request = Some(Box::new(|_, _, _| Some(RequestStep::Reset(ErrorCode::CANCEL))));
    let engine = script.run();
    let mut client = Raw::connect(engine.addr).await;
    client.send(GET).await;
    assert_eq!(client.rest().await, "");
    assert!(server.is_left_alone(Duration::from_millis(100)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_cross_from_chunks_to_chunks() {
    let server = Server::bind().await;
    let mut engine = http1(server.addr()).run();
    let mut client = Raw::connect(engine.addr).await;
    client
        .send(
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-up: 1\r\n\r\n",
        )
        .await;
    let mut served = server.accept().await;
    served.until("0\r\nx-up: 1\r\n\r\n").await;
    served
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nb\r\n0\r\nx-down: 1\r\n\r\n")
        .await;
    client.until("0\r\nx-down: 1\r\n\r\n").await;
    engine.wait_for(|note| *note == Note::Trailers(Direction::Response, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http1_becomes_http2_and_back() {
    let server = peers::serve().await;
    let mut script = Script::to(kit::endpoint(server), Upstream::Http2);
    script.mode = Mode::Http1;
    let engine = script.run();
    let mut client = Raw::connect(engine.addr).await;
    client
        .send("GET http://web.test/a?b HTTP/1.1\r\nhost: other\r\nconnection: x-hop\r\nx-hop: 1\r\n\r\n")
        .await;
    let answer = client.until("GET /a").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("x-host: web.test"), "{answer}");
    client.send("HEAD /big/5 HTTP/1.1\r\nhost: web.test\r\n\r\n").await;
    let answer = client.until("\r\n\r\n").await;
    assert!(answer.contains("content-length: 5"), "{answer}");
    client.send("GET /status/204 HTTP/1.1\r\nhost: web.test\r\n\r\n").await;
    let answer = client.until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204 ") && !answer.contains("content-length"), "{answer}");
    client.send(GET).await;
    client.until("GET /").await;
}
