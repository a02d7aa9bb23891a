//! Client, engine, mutual TLS, engine, server: the path of a mesh.

use http::{HeaderMap, Request, Version};
use hyper::body::Bytes;
use proxy_net::engine::{Direction, Upstream};

use crate::kit::{self, NAME, Note, Pki, Running, Script};
use crate::peers::{self, Body, collect, full, pieces};

/// Two engines: the first speaks HTTP/2 over TLS to the second, and that speaks `last` to the server.
async fn chain(last: Upstream) -> (Running, Running) {
    let pki = Pki::new();
    let server = peers::serve().await;
    let mut inner = Script::to(kit::endpoint(server), last);
    inner.server = Some(pki.server(&[]));
    let inner = inner.run();
    let mut target = kit::endpoint(inner.addr);
    target.tls = Some(pki.client(NAME, &[]));
    let outer = Script::to(target, Upstream::Http2).run();
    (outer, inner)
}

fn request(path: &str, body: Body) -> Request<Body> {
    Request::builder().uri(path).header("host", "web.test:80").method("POST").body(body).unwrap()
}

fn trailers() -> HeaderMap {
    [(http::HeaderName::from_static("x-last"), http::HeaderValue::from_static("1"))].into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http1_crosses_two_engines_and_mutual_tls() {
    let (mut outer, mut inner) = chain(Upstream::Http1).await;
    let mut client = peers::http1(outer.addr).await;
    for round in 0..50u32 {
        let path = format!("/{round}");
        let response = client.send_request(request(&path, full("some body"))).await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_11));
        assert_eq!(response.headers()["x-host"], "web.test:80");
        assert_eq!(collect(response.into_body()).await.unwrap().0, format!("POST {path}"));
        client.ready().await.unwrap();
    }
    let body = pieces(vec![Bytes::from_static(b"a"), Bytes::from(vec![b'b'; 300_000])], Some(trailers()));
    let mut echo = request("/echo", body);
    echo.headers_mut().insert("trailer", "x-last".parse().unwrap());
    let response = client.send_request(echo).await.unwrap();
    let (data, _) = collect(response.into_body()).await.unwrap();
    assert_eq!(data.len(), 300_001);
    inner.wait_for(|note| matches!(note, Note::Secured { client: true, .. }));
    inner.wait_for(|note| *note == Note::Trailers(Direction::Request, 1));
    outer.wait_for(|note| *note == Note::Finished(None, 300_001, 300_001));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_crosses_two_engines_with_trailers_both_ways() {
    let (mut outer, _inner) = chain(Upstream::Http2).await;
    let mut client = peers::http2(outer.addr).await;
    let mut answers = Vec::new();
    for _ in 0..20 {
        client.ready().await.unwrap();
        let request = Request::builder()
            .uri("http://web.test/echo")
            .method("POST")
            .body(pieces(vec![Bytes::from(vec![1; 200_000])], Some(trailers())))
            .unwrap();
        answers.push(client.send_request(request));
    }
    for answer in futures::future::join_all(answers).await {
        let answer = answer.unwrap();
        let (data, trailers) = collect(answer.into_body()).await.unwrap();
        let trailers = trailers.unwrap();
        assert_eq!(
            (data.len(), &trailers["x-last"], &trailers["x-seen"]),
            (200_000, &"1".parse().unwrap(), &"200000".parse().unwrap())
        );
    }
    outer.wait_for(|note| *note == Note::Finished(None, 200_000, 200_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_responses_wait_for_their_reader() {
    let (outer, _inner) = chain(Upstream::Http1).await;
    let mut client = peers::http1(outer.addr).await;
    let response = client.send_request(request("/big/30000000", full(""))).await.unwrap();
    assert_eq!(response.headers()["content-length"], "30000000");
    let (data, _) = collect(response.into_body()).await.unwrap();
    assert_eq!(data.len(), 30_000_000);
}
