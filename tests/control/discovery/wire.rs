//! What clients may do on the wire, below any generated code.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response, StatusCode};
use mesh_control::config::Config;
use mesh_control::destination;
use mesh_control::grpc::{Api, Limits, serve};
use mesh_control::index::shared::Shared;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::kit::{self, SOON};

const GET: &str = "/io.linkerd.proxy.destination.Destination/Get";
const GET_PROFILE: &str = "/io.linkerd.proxy.destination.Destination/GetProfile";

/// A server of an empty cluster.
struct Empty {
    index: Shared,
    listener: std::net::SocketAddr,
    down: watch::Sender<bool>,
}

impl Empty {
    async fn start(limits: Limits) -> Self {
        let index = Shared::new(Arc::new(Config::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (down, is_down) = watch::channel(false);
        let api = Arc::new(Api::new(index.clone(), destination::server::METHODS));
        tokio::spawn(serve(listener, api, limits, is_down));
        Self { index, listener: address, down }
    }

    async fn client(&self) -> SendRequest<Bytes> {
        let stream = TcpStream::connect(self.listener).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

fn request(path: &str, content_type: &str) -> Request<()> {
    Request::post(format!("http://it{path}")).header("content-type", content_type).body(()).unwrap()
}

/// The message of a request for a profile, which everybody gets.
fn message() -> Vec<u8> {
    kit::frame(&kit::destination("192.0.2.1:80", ""))
}

/// The beginning of the answer to a request for a profile.
async fn profile(client: &mut SendRequest<Bytes>) -> Response<RecvStream> {
    let (response, mut body) = client.send_request(request(GET_PROFILE, "application/grpc"), false).unwrap();
    body.send_data(message().into(), true).unwrap();
    tokio::time::timeout(SOON, response).await.unwrap().unwrap()
}

/// The status that a stream ends with.
async fn ending(mut body: RecvStream) -> Option<String> {
    let trailers = async {
        while body.data().await.is_some() {}
        body.trailers().await.unwrap().unwrap()
    };
    let trailers = tokio::time::timeout(SOON, trailers).await.unwrap();
    status(&trailers).map(str::to_owned)
}

fn status(headers: &HeaderMap) -> Option<&str> {
    headers.get("grpc-status").map(|status| status.to_str().unwrap())
}

#[tokio::test]
async fn a_request_may_come_in_pieces() {
    let server = Empty::start(Limits::default()).await;
    let mut client = server.client().await;
    let (response, mut body) =
        client.send_request(request(GET_PROFILE, "application/grpc+proto"), false).unwrap();
    for piece in message().chunks(3) {
        body.send_data(Bytes::copy_from_slice(piece), false).unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    body.send_data(Bytes::new(), true).unwrap();
    let response = tokio::time::timeout(SOON, response).await.unwrap().unwrap();
    assert_eq!((response.status(), status(response.headers())), (StatusCode::OK, None));
    let first = tokio::time::timeout(SOON, response.into_body().data()).await.unwrap().unwrap().unwrap();
    assert!(first.len() > 5);
}

#[tokio::test]
async fn what_cannot_be_a_request_is_told_so() {
    let server = Empty::start(Limits::default()).await;
    let mut compressed = message();
    compressed[0] = 1;
    let mut twice = message();
    twice.extend(message());
    let long = vec![0; 100_000];
    for (path, content_type, body, code, grpc) in [
        (GET, "application/json", message(), 415, None),
        ("/io.linkerd.proxy.destination.Destination/Set", "application/grpc", message(), 200, Some("12")),
        (GET, "application/grpc", Vec::new(), 200, Some("3")),
        (GET, "application/grpc", vec![0, 0, 0], 200, Some("3")),
        (GET, "application/grpc", compressed, 200, Some("12")),
        (GET, "application/grpc", twice, 200, Some("3")),
        (GET, "application/grpc", b"\0\0\0\0\x03\xff\xff\xff".to_vec(), 200, Some("3")),
        (GET, "application/grpc", long, 200, Some("8")),
    ] {
        let mut client = server.client().await;
        let end = body.is_empty();
        let (response, mut sender) = client.send_request(request(path, content_type), end).unwrap();
        if !end {
            let _ = sender.send_data(body.into(), true);
        }
        let response = tokio::time::timeout(SOON, response).await.unwrap().unwrap();
        assert_eq!((response.status().as_u16(), status(response.headers())), (code, grpc), "{path}");
        // The connection goes on.
        assert_eq!(profile(&mut client).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_request_that_never_ends_is_given_up() {
    let server = Empty::start(Limits { request: Duration::from_millis(100), ..Limits::default() }).await;
    let mut client = server.client().await;
    let (response, mut body) = client.send_request(request(GET_PROFILE, "application/grpc"), false).unwrap();
    body.send_data(Bytes::from_static(b"\0\0"), false).unwrap();
    let response = tokio::time::timeout(SOON, response).await.unwrap().unwrap();
    assert_eq!(status(response.headers()), Some("8"));
}

#[tokio::test]
async fn a_client_without_a_sign_of_life_is_given_up() {
    let server = Empty::start(Limits { keep_alive: Duration::from_millis(100), ..Limits::default() }).await;
    let mut silent = TcpStream::connect(server.listener).await.unwrap();
    silent.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut received = Vec::new();
    tokio::time::timeout(SOON, silent.read_to_end(&mut received)).await.unwrap().unwrap();
    // A PING frame: eight octets, type 6, no flags, stream 0.
    assert!(received.windows(9).any(|head| head == b"\0\0\x08\x06\0\0\0\0\0"), "it was asked first");

    // A client that answers stays.
    let mut client = server.client().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(profile(&mut client).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn streams_end_in_order_when_the_server_does() {
    let server = Empty::start(Limits::default()).await;
    let mut client = server.client().await;
    let mut bodies = Vec::new();
    for _ in 0..50 {
        bodies.push(profile(&mut client).await.into_body());
    }
    server.index.close();
    server.down.send(true).unwrap();
    for body in bodies {
        assert_eq!(ending(body).await.as_deref(), Some("0"));
    }
}

#[tokio::test]
async fn thousands_of_streams_may_end_together_and_others_go_on() {
    // Flaw it answers: proxies behind one connection went together, and it was taken for a flood.
    let server = Empty::start(Limits::default()).await;
    let mut client = server.client().await;
    let mut bodies = Vec::new();
    for _ in 0..3000 {
        client = client.ready().await.unwrap();
        let mut body = profile(&mut client).await.into_body();
        let first = tokio::time::timeout(SOON, body.data()).await.unwrap().unwrap().unwrap();
        body.flow_control().release_capacity(first.len()).unwrap();
        bodies.push(body);
    }
    assert_eq!(server.index.lock().figures().subscribers, 3000);
    let kept = bodies.pop();
    drop(bodies);
    let gone = async {
        while server.index.lock().figures().subscribers > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("nothing is kept of them");
    server.index.close();
    assert_eq!(ending(kept.unwrap()).await.as_deref(), Some("0"));
}
