//! HTTP/2 through the inbound side, with a client that is not ours.

use std::convert::Infallible;
use std::net::SocketAddr;

use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use super::kit::{Application, Proxy, detect, policy, run};
use crate::model::inbound::DefaultAllow;

type Body = Empty<Bytes>;

/// An application on HTTP/2 that says in headers what it got.
async fn mirror() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
                let mut response = Response::new(Body::new());
                let text = |value: Option<&http::HeaderValue>| {
                    value.cloned().unwrap_or(http::HeaderValue::from_static("none"))
                };
                let (id, host) =
                    (text(request.headers().get("l5d-client-id")), text(request.headers().get("host")));
                let headers = response.headers_mut();
                headers.insert("saw-id", id);
                headers.insert("saw-host", host);
                let authority = request.uri().authority().map_or("none", http::uri::Authority::as_str);
                headers.insert("saw-authority", authority.parse().unwrap());
                headers.insert("l5d-proxy-error", http::HeaderValue::from_static("forged"));
                Ok::<_, Infallible>(response)
            });
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::task::spawn_local(serving);
        }
    });
    addr
}

async fn client(proxy: &Proxy) -> SendRequest<Body> {
    let stream = TcpStream::connect(proxy.addr).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = handshake.unwrap();
    tokio::task::spawn_local(connection);
    sender
}

fn get(fields: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().uri("http://web/a").version(Version::HTTP_2);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Body::new()).unwrap()
}

fn saw<'a>(response: &'a Response<Incoming>, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[test]
fn requests_of_http2_stay_http2() {
    run(async {
        let proxy = Proxy::to(mirror().await).await;
        let mut client = client(&proxy).await;
        let response = client.send_request(get(&[("l5d-client-id", "forged")])).await.unwrap();
        assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
        assert_eq!((saw(&response, "saw-id"), saw(&response, "saw-authority")), ("none", "web"));
        assert!(response.headers().get("l5d-proxy-error").is_none(), "the application's word was passed on");
    });
}

#[test]
fn authority_and_host_that_disagree_are_refused() {
    run(async {
        let application = Application::answering(b"").await;
        let proxy = Proxy::to(application.addr).await;
        let mut client = client(&proxy).await;
        let answer = client.send_request(get(&[("host", "other")])).await;
        assert!(answer.is_err() || answer.unwrap().status() == StatusCode::BAD_REQUEST);
        assert_eq!(application.connections(), 0);
    });
}

#[test]
fn authority_and_host_that_agree_become_one() {
    run(async {
        let proxy = Proxy::to(mirror().await).await;
        let mut client = client(&proxy).await;
        let response = client.send_request(get(&[("host", "web")])).await.unwrap();
        assert_eq!((saw(&response, "saw-authority"), saw(&response, "saw-host")), ("web", "none"));
    });
}

#[test]
fn what_was_http1_becomes_http1_again() {
    run(async {
        let application = Application::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
        let proxy = Proxy::to(application.addr).await;
        let mut client = client(&proxy).await;
        let response = client.send_request(get(&[("l5d-orig-proto", "HTTP/1.1")])).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(saw(&response, "l5d-orig-proto"), "HTTP/1.1");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&body[..], b"hi");
        let got = application.got();
        assert!(got.starts_with("GET /a HTTP/1.1\r\n") && got.contains("host: web\r\n"), "{got}");
        assert!(!got.contains("l5d-orig-proto"), "{got}");
    });
}

#[test]
fn calls_of_grpc_are_refused_in_the_way_of_grpc() {
    run(async {
        let proxy = Proxy::to(mirror().await).await;
        proxy.set_policy(policy(DefaultAllow::Nobody, detect())).await;
        let mut client = client(&proxy).await;
        let response = client.send_request(get(&[("content-type", "application/grpc")])).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(saw(&response, "grpc-status"), "7");
        let response = client.send_request(get(&[])).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    });
}
