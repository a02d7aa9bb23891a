//! Spans at a collector that listens.

use std::sync::Mutex;

use prost::Message as _;
use proxy_net::headers::HeaderList;

use super::super::otlp::Value;
use super::super::span::Hop;
use super::*;
use crate::testing::now;

/// A collector: keeps what it is sent, and answers with these statuses of gRPC first.
#[derive(Clone, Default)]
struct Collector {
    received: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    refusals: Arc<Mutex<Vec<tonic::Code>>>,
}

impl tower::Service<http::Request<tonic::body::Body>> for Collector {
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = futures::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        use http_body_util::BodyExt as _;
        let this = self.clone();
        Box::pin(async move {
            assert_eq!(request.uri().path(), EXPORT);
            if let Some(code) = this.refusals.lock().unwrap().pop() {
                return Ok(tonic::Status::new(code, "not now").into_http());
            }
            let body = request.into_body().collect().await.unwrap().to_bytes();
            this.received.lock().unwrap().push(ExportTraceServiceRequest::decode(&body[5..]).unwrap());
            // An answer without content: a frame of length 0, then the status.
            let frames = http_body_util::Full::new(bytes::Bytes::from_static(&[0; 5]));
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            let body = frames.with_trailers(async move { Some(Ok(trailers)) });
            let mut response = http::Response::new(tonic::body::Body::new(body));
            response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
            Ok(response)
        })
    }
}

fn config() -> Trace {
    Trace {
        collector: crate::config::Service {
            address: crate::config::HostPort {
                host: crate::config::Host::Addr([10, 0, 0, 9].into()),
                absolute: true,
                port: 4317,
            },
            identity: None,
        },
        service_name: Some("web".to_owned()),
        attributes_path: None,
        attributes: vec![
            ("k8s.pod.name".to_owned(), "web-0".to_owned()),
            ("service.name".to_owned(), "shop".to_owned()),
        ],
        host_name: Some("web-0".to_owned()),
    }
}

fn head(sampled: bool) -> HeaderList {
    let flags = if sampled { "01" } else { "00" };
    let traceparent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
    [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "web.ns:8080"),
        (":path", "/books?id=1"),
        ("user-agent", "curl/8"),
        ("traceparent", &traceparent),
    ]
    .iter()
    .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    .collect()
}

fn hop() -> Hop<'static> {
    Hop {
        direction: Direction::Inbound,
        client: ([10, 0, 0, 2], 40_000).into(),
        server: ([10, 0, 0, 3], 8080).into(),
        version: "2",
        client_id: "books.ns",
    }
}

/// One request, answered with this status, or failed.
fn trace(tracer: &Tracer, outcome: Result<u16, &'static str>) -> String {
    let mut random = 1..;
    let mut head = head(true);
    let start = Instant::now() - Duration::from_millis(5);
    let traced = tracer.request(|| random.next().unwrap(), start, &hop(), &mut head).unwrap();
    match outcome {
        Ok(status) => tracer.response(traced, start + Duration::from_millis(5), status),
        Err(error) => tracer.failed(traced, start + Duration::from_millis(5), error),
    }
    String::from_utf8(head.value(b"traceparent").unwrap().to_vec()).unwrap()
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|it| it.key == key)?.value.as_ref()?.value.as_ref()
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    match value(attributes, key) {
        Some(Value::Text(text)) => text.clone(),
        other => panic!("{key}: {other:?}"),
    }
}

/// Runs the exporter over these outcomes, and gives what the collector has and what was counted.
async fn export(
    outcomes: &[Result<u16, &'static str>],
    refusals: Vec<tonic::Code>,
) -> (Vec<ExportTraceServiceRequest>, SpanExport) {
    let exporter = Exporter::new(resource(&config(), now()), now);
    let tracer = exporter.tracer();
    for outcome in outcomes {
        trace(&tracer, *outcome);
    }
    drop(tracer);
    let collector = Collector { refusals: Arc::new(Mutex::new(refusals)), ..Collector::default() };
    let metrics = ControlMetrics::default();
    exporter.run(collector.clone(), metrics.clone()).await;
    let mut tables = metrics.lock();
    let id = tables.span_export.register(&SpanExportLabels);
    (collector.received.lock().unwrap().clone(), tables.span_export[id].clone())
}

#[tokio::test(start_paused = true)]
async fn a_request_becomes_a_server_span_and_a_client_span() {
    let (received, counted) = export(&[Ok(503)], vec![]).await;
    assert_eq!((counted.requests, counted.spans, counted.dropped), (1, 2, 0));
    let [resource_spans] = &received[0].resource_spans[..] else { panic!() };
    let about = &resource_spans.resource.as_ref().unwrap().attributes;
    assert_eq!(text(about, "service.name"), "shop");
    assert_eq!(text(about, "k8s.pod.name"), "web-0");
    let [server, client] = &resource_spans.scope_spans[0].spans[..] else { panic!() };
    assert_eq!(server.parent_span_id, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert_eq!((server.kind(), client.kind()), (SpanKind::Server, SpanKind::Client));
    assert_eq!(client.parent_span_id, server.span_id);
    assert_eq!(client.trace_id, server.trace_id);
    assert_eq!(server.name, "/books");
    assert_eq!(server.end_time_unix_nano - server.start_time_unix_nano, 5_000_000);
    let wall = now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    assert!(wall.abs_diff(server.start_time_unix_nano) < 5_000_000_000);
    for (key, expected) in [
        ("direction", "inbound"),
        ("http.request.method", "GET"),
        ("url.path", "/books"),
        ("url.query", "id=1"),
        ("server.address", "web.ns"),
        ("client.address", "10.0.0.2"),
        ("user_agent.original", "curl/8"),
        ("error.type", "503"),
    ] {
        assert_eq!(text(&server.attributes, key), expected);
    }
    assert_eq!(value(&server.attributes, "http.response.status_code"), Some(&Value::Number(503)));
    assert_eq!(text(&client.attributes, "url.full"), "http://web.ns:8080/books?id=1");
    assert_eq!(text(&client.attributes, "network.peer.address"), "10.0.0.3");
    assert_eq!(server.status.as_ref().unwrap().code, 2);
}

#[tokio::test(start_paused = true)]
async fn the_next_hop_gets_the_client_span_as_its_parent() {
    let exporter = Exporter::new(Resource::default(), now);
    let tracer = exporter.tracer();
    let traceparent = trace(&tracer, Err("reset"));
    assert_eq!(traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000002-01");
    let mut unsampled = head(false);
    assert!(tracer.request(|| 9, Instant::now(), &hop(), &mut unsampled).is_none());
    let passed = unsampled.value(b"traceparent").unwrap();
    assert_eq!(passed, b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000009-00");
    let mut without = HeaderList::new();
    assert!(tracer.request(|| 9, Instant::now(), &hop(), &mut without).is_none());
    assert!(without.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_counted() {
    let (received, counted) = export(&[Ok(200); 130], vec![]).await;
    let spans: usize =
        received.iter().map(|request| request.resource_spans[0].scope_spans[0].spans.len()).sum();
    assert_eq!((spans, counted.spans, counted.dropped), (200, 200, 60));
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_away_for_a_moment_loses_nothing() {
    let (received, counted) = export(&[Ok(200)], vec![tonic::Code::Unavailable]).await;
    assert_eq!((received.len(), counted.spans, counted.dropped), (1, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_refuses_is_not_asked_again() {
    let (received, counted) = export(&[Ok(200)], vec![tonic::Code::InvalidArgument]).await;
    assert_eq!((received.len(), counted.spans, counted.dropped), (0, 0, 2));
}

#[test]
fn attributes_of_a_file_are_below_those_of_variables() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels");
    std::fs::write(&path, "app=\"web\"\nk8s.pod.name=\"wrong\"\nnothing\n").unwrap();
    let resource = resource(&Trace { attributes_path: Some(path), ..config() }, now());
    let of = |key: &str| resource.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    assert_eq!((of("app"), of("k8s.pod.name"), of("host.name")), (Some("web"), Some("web-0"), Some("web-0")));
}

#[test]
fn hosts_and_ports_are_told_apart() {
    assert_eq!(host_and_port("web:8080", "http"), ("web", 8080));
    assert_eq!(host_and_port("web", "https"), ("web", 443));
    assert_eq!(host_and_port("[::1]", "http"), ("[::1]", 80));
    assert_eq!(host_and_port("[::1]:81", "http"), ("[::1]", 81));
}
