//! Tap: what passes, for those who may look.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use linkerd2_proxy_api::tap::observe_request::Match;
use linkerd2_proxy_api::tap::observe_request::r#match::{self, Seq};
use linkerd2_proxy_api::tap::tap_client::TapClient;
use linkerd2_proxy_api::tap::tap_event::http::Event as HttpEvent;
use linkerd2_proxy_api::tap::{ObserveRequest, TapEvent, tap_event};
use mesh_tests::mesh::{Authority, World, addresses, tcp};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tonic::Code;

use crate::kit::{Calls, meshed_with};

const TAPPER: &str = "tap.linkerd.serviceaccount.identity.linkerd.cluster.local";

fn tapped() -> World {
    meshed_with(|world| {
        for pod in [&mut world.client, &mut world.server] {
            pod.config.set("TAP_SVC_NAME", TAPPER);
        }
    })
}

/// Observes the server's proxy as `name`, from outside, for a while.
async fn observe(
    authority: Arc<Authority>,
    name: &'static str,
    server: String,
    request: ObserveRequest,
    limit: Duration,
) -> Result<Vec<TapEvent>, tonic::Status> {
    let (chain, key) = authority.leaf(&[name], Duration::from_secs(600)).unwrap().parts();
    let mut config = rustls::ClientConfig::builder()
        .with_root_certificates(authority.roots().unwrap())
        .with_client_auth_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = tcp::connect(SocketAddr::from(([10, 7, 3, 3], 4190))).await.unwrap();
    let name = ServerName::try_from(server).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let service = tower::service_fn(move |request| {
        let mut sender = sender.clone();
        async move { sender.send_request(request).await }
    });
    let mut client = TapClient::with_origin(service, "http://tap".parse().unwrap());
    let mut stream = client.observe(request).await?.into_inner();
    let mut events = Vec::new();
    let all = async {
        while let Some(event) = stream.message().await? {
            events.push(event);
        }
        Ok::<_, tonic::Status>(())
    };
    // Without a limit that is reached, a tap goes on.
    match tokio::time::timeout(limit, all).await {
        Ok(Err(status)) => Err(status),
        _ => Ok(events),
    }
}

fn everything(limit: u32) -> ObserveRequest {
    let all = Match { r#match: Some(r#match::Match::All(Seq { matches: Vec::new() })) };
    ObserveRequest { limit, r#match: Some(all), extract: None }
}

#[test]
fn a_request_is_seen_from_its_beginning_to_its_end() {
    let world = tapped();
    let (authority, server) = (world.plane.authority(), world.server.identity.clone());
    let tap = world.control.spawn(observe(authority, TAPPER, server, everything(2), Duration::from_secs(6)));
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..3 {
        assert_eq!(world.http1("/bytes/7").status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    let events = world.control.run(async move { tap.await.unwrap() }).unwrap();
    let parts: Vec<HttpEvent> = events
        .iter()
        .filter_map(|event| match &event.event {
            Some(tap_event::Event::Http(http)) => http.event.clone(),
            None => None,
        })
        .collect();
    let begin = parts.iter().find_map(|event| match event {
        HttpEvent::RequestInit(init) => Some(init),
        _ => None,
    });
    assert_eq!(begin.map(|init| init.path.as_str()), Some("/bytes/7"), "{events:?}");
    let status = parts.iter().find_map(|event| match event {
        HttpEvent::ResponseInit(init) => Some(init.http_status),
        _ => None,
    });
    assert_eq!(status, Some(200), "{events:?}");
    let octets = parts.iter().find_map(|event| match event {
        HttpEvent::ResponseEnd(end) => Some(end.response_bytes),
        _ => None,
    });
    assert_eq!(octets, Some(7), "{events:?}");
    let requests = parts.iter().filter(|event| matches!(event, HttpEvent::RequestInit(_))).count();
    assert_eq!(requests, 2, "the limit was not kept: {events:?}");
    let source = events[0].source.unwrap();
    assert_eq!(SocketAddr::try_from(source).unwrap().ip(), addresses::CLIENT);
}

#[test]
fn nobody_else_may_look() {
    let world = tapped();
    let (authority, server) = (world.plane.authority(), world.server.identity.clone());
    let stranger = "stranger.test.serviceaccount.identity.linkerd.cluster.local";
    let seen = world.control.run(observe(authority, stranger, server, everything(1), Duration::from_secs(2)));
    let code = seen.err().map(|status| status.code());
    assert!(matches!(code, Some(Code::Unauthenticated | Code::PermissionDenied)), "{code:?}");
}

#[test]
fn a_tap_without_a_limit_is_refused() {
    let world = tapped();
    let (authority, server) = (world.plane.authority(), world.server.identity.clone());
    let seen = world.control.run(observe(authority, TAPPER, server, everything(0), Duration::from_secs(2)));
    assert_eq!(seen.err().map(|status| status.code()), Some(Code::InvalidArgument));
}
