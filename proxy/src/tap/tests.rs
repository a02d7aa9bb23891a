//! Tap with a real client.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper_util::rt::{TokioExecutor, TokioIo};
use linkerd2_proxy_api::tap::observe_request::{Extract, Match, extract, r#match};
use linkerd2_proxy_api::tap::tap_client::TapClient;
use linkerd2_proxy_api::tap::tap_event::Event;
use linkerd2_proxy_api::tap::tap_event::http::Event as HttpEvent;
use linkerd2_proxy_api::tap::{ObserveRequest, TapEvent, eos};
use proxy_net::engine::handler::{Failure, Summary};
use proxy_net::h2::error::ErrorCode;
use proxy_net::headers::HeaderList;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::{Code, Status, Streaming};

use super::*;
use crate::admin::accept::{Acceptor, bind};
use crate::config::{Listen, TcpOptions};
use crate::identity::{Alpn, Id};
use crate::metrics::{ClientTls, Direction, NoServerTls, ServerTls};
use crate::model::Labels;
use crate::testing::{Ca, now};

/// A server, and the worker whose taps it sets.
struct World {
    addr: SocketAddr,
    ca: Ca,
    server: Id,
    watcher: Id,
    published: Arc<Mutex<Arc<[Arc<Tap>]>>>,
    registry: Registry,
}

impl World {
    async fn start() -> Self {
        let published: Arc<Mutex<Arc<[Arc<Tap>]>>> = Arc::new(Mutex::new(Arc::new([])));
        let to_worker = published.clone();
        let registry = Registry::new(move |taps| *to_worker.lock().unwrap() = taps);
        let ca = Ca::new("anchor");
        let server = Id::dns("web.ns.serviceaccount.identity.linkerd.test").unwrap();
        let watcher = Id::dns("tap.linkerd.serviceaccount.identity.linkerd.test").unwrap();
        let tls = ca.credentials(&server).server_config(Alpn::None);
        let acceptor = Acceptor {
            tls: Arc::new(move || Some(tls.clone())),
            clock: now,
            timeout: Duration::from_secs(1),
            connections: 10,
            options: TcpOptions::default(),
        };
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = bind(addr, &Listen { addrs: vec![addr], backlog: None }).unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(serve(registry.clone(), listener, acceptor, watcher.clone()));
        Self { addr, ca, server, watcher, published, registry }
    }

    async fn observe(&self, request: ObserveRequest) -> Result<Streaming<TapEvent>, Status> {
        observe_over(TcpStream::connect(self.addr).await.unwrap(), request).await
    }

    /// As this identity, or without one.
    async fn observe_as(
        &self,
        id: Option<&Id>,
        request: ObserveRequest,
    ) -> Result<Streaming<TapEvent>, Status> {
        let config = match id {
            Some(id) => self.ca.credentials(id).client_config(&self.server, Alpn::None),
            None => self.ca.trust().anonymous_client(&self.server, Alpn::None),
        };
        let tcp = TcpStream::connect(self.addr).await.unwrap();
        let name = ServerName::try_from(self.server.as_str().to_owned()).unwrap();
        observe_over(TlsConnector::from(config.unwrap()).connect(name, tcp).await.unwrap(), request).await
    }

    /// What a worker has after the messages so far.
    fn worker(&self) -> Taps {
        let mut taps = Taps::new(7);
        taps.replace(self.published.lock().unwrap().clone());
        taps
    }

    async fn nobody_is_left(&self) {
        for _ in 0..200 {
            if self.published.lock().unwrap().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the tap is still there");
    }
}

async fn observe_over(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: ObserveRequest,
) -> Result<Streaming<TapEvent>, Status> {
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    let service = tower::service_fn(move |request: http::Request<tonic::body::Body>| {
        let mut client = client.clone();
        async move { client.send_request(request).await }
    });
    let origin = "http://proxy".parse().unwrap();
    TapClient::with_origin(service, origin).observe(request).await.map(tonic::Response::into_inner)
}

fn all() -> r#match::Match {
    r#match::Match::All(r#match::Seq { matches: vec![] })
}

fn matching(condition: r#match::Match) -> Match {
    Match { r#match: Some(condition) }
}

fn asking(limit: u32, condition: r#match::Match, headers: bool) -> ObserveRequest {
    let http = extract::Http { extract: Some(extract::http::Extract::Headers(extract::http::Headers {})) };
    let extract = headers.then_some(Extract { extract: Some(extract::Extract::Http(http)) });
    ObserveRequest { limit, r#match: Some(matching(condition)), extract }
}

fn route_label(key: &str, value: &str) -> r#match::Match {
    r#match::Match::RouteLabel(r#match::Label { key: key.to_owned(), value: value.to_owned() })
}

fn list<const N: usize>(fields: [(&str, &str); N]) -> HeaderList {
    fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

fn get(path: &str) -> HeaderList {
    list([
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "web.ns:80"),
        (":path", path),
        ("x-id", "1"),
    ])
}

fn labels<const N: usize>(labels: [(&str, &str); N]) -> Labels {
    Labels::new(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()).unwrap()
}

/// Passes a request from 10.0.0.2 through to 10.0.0.3, and gives what is remembered of it.
fn request(taps: &mut Taps, at: Instant, head: &HeaderList) -> Option<Box<Tapped>> {
    let (destination_labels, route_labels) = (labels([("deployment", "web")]), labels([("route", "books")]));
    let observed = Observed {
        direction: Direction::Outbound,
        source: ([10, 0, 0, 2], 40_000).into(),
        source_tls: ServerTls::None(NoServerTls::Loopback),
        destination: ([10, 0, 0, 3], 8080).into(),
        destination_tls: ClientTls::Established("web.ns"),
        destination_labels: &destination_labels,
        route_labels: &route_labels,
    };
    taps.request(at, &observed, head)
}

fn summary(started: Instant, millis: u64, failure: Option<Failure>) -> Summary {
    Summary {
        started,
        request_sent: None,
        response_head: None,
        first_octet: None,
        ended: started + Duration::from_millis(millis),
        request_octets: 3,
        response_octets: 42,
        failure,
    }
}

/// A whole exchange.
fn exchange(taps: &mut Taps, path: &str, status: &str, millis: u64) {
    let start = Instant::now();
    if let Some(mut tapped) = request(taps, start, &get(path)) {
        tapped.response(
            start + Duration::from_millis(millis),
            &list([(":status", status), ("server", "s")]),
            None,
        );
        tapped.end(&summary(start, millis + 5, None));
    }
}

async fn next(events: &mut Streaming<TapEvent>) -> (TapEvent, HttpEvent) {
    let event = tokio::time::timeout(Duration::from_secs(5), events.message()).await.unwrap();
    let event = event.unwrap().expect("the stream has ended");
    let Some(Event::Http(http)) = event.event.clone() else { panic!("{event:?}") };
    (event, http.event.unwrap())
}

#[tokio::test]
async fn a_watcher_sees_request_response_and_end() {
    let world = World::start().await;
    assert!(request(&mut world.worker(), Instant::now(), &get("/")).is_none());
    let mut events = world.observe_as(Some(&world.watcher), asking(10, all(), true)).await.unwrap();
    let mut taps = world.worker();
    let start = Instant::now();
    let mut tapped = request(&mut taps, start, &get("/books")).unwrap();
    tapped.response(start + Duration::from_millis(20), &list([(":status", "200"), ("server", "s")]), None);
    tapped.trailers(&list([("grpc-status", "5"), ("grpc-message", "no")]));
    tapped.end(&summary(start, 50, None));

    let (event, HttpEvent::RequestInit(init)) = next(&mut events).await else { panic!() };
    assert_eq!(event.source.unwrap().port, 40_000);
    assert_eq!(event.source_meta.unwrap().labels["no_tls_reason"], "loopback");
    let destination = event.destination_meta.unwrap().labels;
    assert_eq!((&*destination["tls"], &*destination["deployment"]), ("true", "web"));
    assert_eq!(event.route_meta.unwrap().labels["route"], "books");
    assert_eq!((event.proxy_direction, &*init.authority, &*init.path), (2, "web.ns:80", "/books"));
    assert_eq!(init.headers.unwrap().headers.last().unwrap().name, "x-id");
    let id = init.id.unwrap();

    let (_, HttpEvent::ResponseInit(response)) = next(&mut events).await else { panic!() };
    assert_eq!((response.id.unwrap(), response.http_status), (id, 200));
    assert_eq!(response.since_request_init.unwrap().nanos, 20_000_000);
    let (_, HttpEvent::ResponseEnd(end)) = next(&mut events).await else { panic!() };
    assert_eq!((end.id.unwrap(), end.response_bytes), (id, 42));
    assert_eq!(end.since_response_init.unwrap().nanos, 30_000_000);
    assert_eq!(end.eos.unwrap().end, Some(eos::End::GrpcStatusCode(5)));
    assert_eq!(end.trailers.unwrap().headers.len(), 2);
}

#[tokio::test]
async fn a_watcher_learns_why_a_proxy_answers_itself_without_asking_for_fields() {
    let world = World::start().await;
    let mut events = world.observe(asking(10, all(), false)).await.unwrap();
    let mut taps = world.worker();
    for (status, reason) in [("403", Some("not let in")), ("403", None)] {
        let start = Instant::now();
        let mut tapped = request(&mut taps, start, &get("/")).unwrap();
        tapped.response(start, &list([(":status", status), ("server", "s")]), reason);
        tapped.end(&summary(start, 1, None));
        let _ = next(&mut events).await;
        let (_, HttpEvent::ResponseInit(response)) = next(&mut events).await else { panic!() };
        let fields = response.headers.map(|fields| fields.headers);
        let shown = fields.map(|fields| fields.into_iter().map(|it| (it.name, it.value)).collect::<Vec<_>>());
        let wanted = reason.map(|text| vec![("l5d-proxy-error".to_owned(), text.as_bytes().to_vec())]);
        assert_eq!(shown, wanted);
        let _ = next(&mut events).await;
    }
}

#[tokio::test]
async fn a_stream_ends_at_its_limit_and_leaves_nothing() {
    let world = World::start().await;
    let mut events = world.observe(asking(2, all(), false)).await.unwrap();
    let mut taps = world.worker();
    let start = Instant::now();
    let open = request(&mut taps, start, &get("/first")).unwrap();
    exchange(&mut taps, "/second", "200", 1);
    assert!(request(&mut taps, start, &get("/third")).is_none());
    world.nobody_is_left().await;
    taps.replace(world.published.lock().unwrap().clone());
    assert!(!taps.is_watched());
    // What is in flight is shown to its end, and then the stream ends.
    open.end(&summary(start, 1, Some(Failure::Reset(ErrorCode(8)))));
    let mut ends = Vec::new();
    while let Some(event) = events.message().await.unwrap() {
        if let Some(Event::Http(http)) = event.event
            && let Some(HttpEvent::ResponseEnd(end)) = http.event
        {
            ends.push(end.eos.and_then(|eos| eos.end));
        }
    }
    assert_eq!(ends, [None, Some(eos::End::ResetErrorCode(8))]);
}

#[tokio::test]
async fn a_watcher_that_leaves_is_forgotten() {
    let world = World::start().await;
    let events = world.observe(asking(1000, all(), false)).await.unwrap();
    assert!(world.worker().is_watched());
    drop(events);
    world.nobody_is_left().await;
}

#[tokio::test]
async fn a_slow_watcher_loses_events_and_holds_nobody_up() {
    let world = World::start().await;
    let _events = world.observe(asking(u32::MAX, all(), false)).await.unwrap();
    let mut taps = world.worker();
    // In one second of the clock, and more than its limit in a second.
    for _ in 0..3000 {
        exchange(&mut taps, "/", "200", 1);
    }
    let mut metrics = crate::metrics::Metrics::default();
    world.registry.sample(&mut metrics);
    let id = metrics.tap.register(&crate::metrics::TapLabels);
    let tap = &metrics.tap[id];
    assert_eq!(tap.active.0, 1.0);
    assert!(tap.events >= 400 && tap.dropped >= 1500, "{tap:?}");
    assert!(tap.events + tap.dropped <= 3 * 2000 + 3000, "{tap:?}");
}

#[tokio::test]
async fn only_the_named_identity_and_the_own_pod_may_watch() {
    let world = World::start().await;
    let ask = || asking(1, all(), false);
    assert!(world.observe_as(Some(&world.watcher), ask()).await.is_ok());
    let other = Id::dns("web.ns.serviceaccount.identity.linkerd.test").unwrap();
    let refused = world.observe_as(Some(&other), ask()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("only tap.linkerd"), "{refused}");
    assert_eq!(world.observe_as(None, ask()).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn what_cannot_be_watched_is_named() {
    let world = World::start().await;
    let ports = |min, max| {
        r#match::Match::Source(r#match::Tcp {
            r#match: Some(r#match::tcp::Match::Ports(r#match::tcp::PortRange { min, max })),
        })
    };
    let deep = (0..40).fold(matching(all()), |inner, _| matching(r#match::Match::Not(Box::new(inner))));
    let wide = r#match::Match::Any(r#match::Seq { matches: vec![matching(all()); 300] });
    let cases = [
        (asking(0, all(), false), "limit: must be above 0"),
        (ObserveRequest { limit: 1, r#match: None, extract: None }, "match: match is missing"),
        (
            ObserveRequest { limit: 1, r#match: Some(Match { r#match: None }), extract: None },
            "match.match is missing",
        ),
        (asking(1, ports(0, 0), false), "neither min nor max"),
        (asking(1, ports(9, 70_000), false), "not a range of ports"),
        (asking(1, deep.r#match.unwrap(), false), "nested deeper"),
        (asking(1, wide, false), "more than 256 conditions"),
        (asking(1, route_label(STATUS_LABEL, "high"), false), "\"high\" is not a status"),
        (asking(1, route_label(LATENCY_LABEL, ">=1s"), false), "such as >=250ms"),
        (asking(1, route_label(STATUS_LABEL, &"x".repeat(10_000)), false), "10000 octets"),
    ];
    for (request, expected) in cases {
        let status = world.observe(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{expected}");
        assert!(status.message().contains(expected), "{status}");
    }
    assert!(!world.worker().is_watched());
}

#[tokio::test]
async fn conditions_are_combined() {
    use r#match::Match as M;
    let http = |condition| M::Http(r#match::Http { r#match: Some(condition) });
    let path = |text: &str| {
        let prefix = r#match::http::string_match::Match::Prefix(text.to_owned());
        http(r#match::http::Match::Path(r#match::http::StringMatch { r#match: Some(prefix) }))
    };
    let method = |method: http::Method| http(r#match::http::Match::Method(method.into()));
    let label = |key: &str, value: &str| {
        M::DestinationLabel(r#match::Label { key: key.to_owned(), value: value.to_owned() })
    };
    let network = |ip: [u8; 4], mask| {
        let netmask = r#match::tcp::Netmask { ip: Some(std::net::IpAddr::from(ip).into()), mask };
        M::Destination(r#match::Tcp { r#match: Some(r#match::tcp::Match::Netmask(netmask)) })
    };
    let all = |list: Vec<M>| M::All(r#match::Seq { matches: list.into_iter().map(matching).collect() });
    let any = |list: Vec<M>| M::Any(r#match::Seq { matches: list.into_iter().map(matching).collect() });
    let not = |condition| M::Not(Box::new(matching(condition)));
    let cases = [
        (path("/books"), true),
        (path("/authors"), false),
        (all(vec![path("/b"), method(http::Method::GET), label("deployment", "web")]), true),
        (all(vec![path("/b"), method(http::Method::POST)]), false),
        (any(vec![method(http::Method::POST), network([10, 0, 0, 0], 8)]), true),
        (any(vec![]), false),
        (not(network([192, 168, 0, 0], 16)), true),
        (route_label("route", "books"), true),
        (route_label("route", "other"), false),
    ];
    for (condition, expected) in cases {
        let world = World::start().await;
        let _events = world.observe(asking(10, condition.clone(), false)).await.unwrap();
        let watched = request(&mut world.worker(), Instant::now(), &get("/books")).is_some();
        assert_eq!(watched, expected, "{condition:?}");
    }
}

#[tokio::test]
async fn a_filter_on_the_response_holds_the_events_until_it_is_known() {
    let world = World::start().await;
    let slow_or_failed = r#match::Match::Any(r#match::Seq {
        matches: vec![
            matching(route_label(STATUS_LABEL, "5xx")),
            matching(route_label(LATENCY_LABEL, ">=100ms")),
        ],
    });
    let mut events = world.observe(asking(10, slow_or_failed, false)).await.unwrap();
    let mut taps = world.worker();
    exchange(&mut taps, "/fine", "200", 10);
    exchange(&mut taps, "/failed", "503", 10);
    exchange(&mut taps, "/slow", "200", 100);
    for path in ["/failed", "/slow"] {
        let (_, HttpEvent::RequestInit(init)) = next(&mut events).await else { panic!() };
        assert_eq!(init.path, path);
        assert!(matches!(next(&mut events).await.1, HttpEvent::ResponseInit(_)));
        assert!(matches!(next(&mut events).await.1, HttpEvent::ResponseEnd(_)));
    }
    let none = tokio::time::timeout(Duration::from_millis(50), events.message()).await;
    assert!(none.is_err(), "{none:?}");
}

#[tokio::test]
async fn a_filter_on_the_status_of_grpc_waits_for_the_end() {
    let world = World::start().await;
    let not_ok = r#match::Match::Not(Box::new(matching(route_label(GRPC_LABEL, "0"))));
    let mut events = world.observe(asking(10, not_ok, false)).await.unwrap();
    let mut taps = world.worker();
    for (path, status) in [("/ok", "0"), ("/unavailable", "14")] {
        let start = Instant::now();
        let mut tapped = request(&mut taps, start, &get(path)).unwrap();
        tapped.response(start, &list([(":status", "200")]), None);
        tapped.trailers(&list([("grpc-status", status)]));
        tapped.end(&summary(start, 1, None));
    }
    let (_, HttpEvent::RequestInit(init)) = next(&mut events).await else { panic!() };
    assert_eq!(init.path, "/unavailable");
}
