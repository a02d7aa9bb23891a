//! Streams that a server refuses without processing them (RFC 9113 §8.7): sent again where that is safe, and so often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Bytes;
use proxy_net::engine::{Failure, ResponseStep, Upstream};
use proxy_net::h2::frame::{self, Frame};
use proxy_net::h2::{End, ErrorCode};

use crate::kit::{self, Note, Script};
use crate::peers::{self, Body, collect, full, pieces};
use crate::raw::{Raw, Server};

const REFUSED: Note = Note::Failed(0, Failure::Reset(ErrorCode::REFUSED_STREAM));

fn post(body: Body) -> Request<Body> {
    Request::builder().method("POST").uri("http://web.test/echo").body(body).unwrap()
}

/// Whose failures are the client's too.
fn script(addr: std::net::SocketAddr) -> Script {
    let mut script = Script::to(kit::endpoint(addr), Upstream::Http2);
    script.on_failed = Some(Box::new(|_, _| ResponseStep::Pass));
    script
}

/// What a server does with the streams of its connections.
#[derive(Clone, Copy)]
enum Manner {
    /// Refuses so many, each once it has the whole request, and echoes what comes then.
    Refuses(u32),
    /// Refuses each after its response has begun.
    RefusesLate,
}

/// Serves all connections with HTTP/2; the number counts the streams that were opened.
fn serve(server: Server, manner: Manner) -> Arc<AtomicU32> {
    let opened = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&opened);
    tokio::spawn(async move {
        loop {
            let served = server.accept().await;
            let opened = Arc::clone(&opened);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(served.0).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let count = opened.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(async move {
                        let mut body = request.into_body();
                        let mut whole = Vec::new();
                        while let Some(Ok(data)) = body.data().await {
                            whole.extend_from_slice(&data);
                            let _ = body.flow_control().release_capacity(data.len());
                        }
                        let trailers = body.trailers().await.ok().flatten();
                        match manner {
                            Manner::Refuses(times) if count < times => {
                                respond.send_reset(h2::Reason::REFUSED_STREAM);
                            }
                            Manner::Refuses(_) => {
                                let mut sender = respond.send_response(Response::new(()), false).unwrap();
                                sender.send_data(Bytes::from(whole), false).unwrap();
                                sender.send_trailers(trailers.unwrap_or_default()).unwrap();
                            }
                            Manner::RefusesLate => {
                                let mut sender = respond.send_response(Response::new(()), false).unwrap();
                                tokio::time::sleep(Duration::from_millis(50)).await;
                                sender.send_reset(h2::Reason::REFUSED_STREAM);
                            }
                        }
                    });
                }
            });
        }
    });
    counted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_stream_is_sent_again_with_its_body_and_trailers() {
    let server = Server::bind().await;
    let mut engine = script(server.addr()).run();
    let opened = serve(server, Manner::Refuses(3));
    let mut client = peers::http2(engine.addr).await;
    let trailers: HeaderMap =
        [(HeaderName::from_static("x-last"), HeaderValue::from_static("1"))].into_iter().collect();
    let body = pieces(vec![Bytes::from(vec![7; 3000]), Bytes::from(vec![8; 3000])], Some(trailers));
    let answer = client.send_request(post(body)).await.unwrap();
    let (data, trailers) = collect(answer.into_body()).await.unwrap();
    assert_eq!(data, [vec![7; 3000], vec![8; 3000]].concat());
    assert_eq!(trailers.unwrap()["x-last"], "1");
    assert_eq!(opened.load(Ordering::Relaxed), 4);
    engine.wait_for(|note| matches!(note, Note::Finished(None, 6000, 6000)));
    assert!(!engine.has(|note| matches!(note, Note::Failed(..))), "a refusal was told as a failure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_stream_whose_server_is_gone_may_go_elsewhere() {
    let server = Server::bind().await;
    let mut script = script(server.addr());
    script.on_failed = Some(Box::new(|attempt, failure| {
        // Whoever decides can still send it to another endpoint, as nothing of it is lost.
        assert!(attempt.replayable || !matches!(failure, Failure::Connect(_)), "{failure:?}");
        ResponseStep::Pass
    }));
    let mut engine = script.run();
    let mut client = peers::http2(engine.addr).await;
    let answer = tokio::spawn(async move { client.send_request(post(full("a message"))).await });
    let mut served = server.accept().await;
    request_of(&mut served).await;
    drop(server);
    say_farewell(&mut served).await;
    engine.wait_for(|note| matches!(note, Note::Failed(0, Failure::Connect(_))));
    answer.await.unwrap().unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_always_refuses_is_asked_four_times() {
    let server = Server::bind().await;
    let mut engine = script(server.addr()).run();
    let opened = serve(server, Manner::Refuses(u32::MAX));
    let mut client = peers::http2(engine.addr).await;
    let error = client.send_request(post(full("abc"))).await.unwrap_err();
    assert!(format!("{error:?}").contains("REFUSED_STREAM"), "{error:?}");
    engine.wait_for(|note| *note == REFUSED);
    assert_eq!(opened.load(Ordering::Relaxed), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_which_more_was_sent_than_is_kept_fails() {
    let server = Server::bind().await;
    let mut engine = script(server.addr()).run();
    let opened = serve(server, Manner::Refuses(1));
    let mut client = peers::http2(engine.addr).await;
    client.send_request(post(full(vec![7; 50_000]))).await.unwrap_err();
    engine.wait_for(|note| *note == REFUSED);
    assert_eq!(opened.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_response_has_begun_is_not_sent_again() {
    let server = Server::bind().await;
    let mut engine = script(server.addr()).run();
    let opened = serve(server, Manner::RefusesLate);
    let mut client = peers::http2(engine.addr).await;
    let answer = client.send_request(post(full("abc"))).await.unwrap();
    collect(answer.into_body()).await.unwrap_err();
    engine.wait_for(|note| *note == REFUSED);
    assert_eq!(opened.load(Ordering::Relaxed), 1);
}

/// Reads what a client begins with, until a frame has come that ends its stream.
pub(crate) async fn request_of(served: &mut Raw) {
    served.preface().await;
    let ends = |frame: &Frame<'_>| {
        matches!(frame, Frame::Headers { end: End::Stream, .. } | Frame::Data { end: End::Stream, .. })
    };
    served.frames_until(ends).await;
}

/// Ends a connection as a server does that is told to end while a request is on its way to it.
async fn say_farewell(served: &mut Raw) {
    let mut farewell = Vec::new();
    frame::head(0, frame::kind::SETTINGS, 0, 0, &mut farewell);
    frame::write_go_away(0, ErrorCode::NO_ERROR, b"", &mut farewell);
    served.send(&farewell).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_above_the_last_of_a_goaway_goes_to_another_connection() {
    let server = Server::bind().await;
    let mut engine = script(server.addr()).run();
    let mut client = peers::http2(engine.addr).await;
    let answer = tokio::spawn(async move { client.send_request(post(full("a message"))).await });
    let mut served = server.accept().await;
    request_of(&mut served).await;
    say_farewell(&mut served).await;
    let opened = serve(server, Manner::Refuses(0));
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(collect(answer.into_body()).await.unwrap().0, "a message");
    assert_eq!(opened.load(Ordering::Relaxed), 1);
    assert!(!engine.has(|note| matches!(note, Note::Failed(..))));
}
