//! Spans of the control plane's requests reach a real OTLP receiver over gRPC, in the trace that the caller began.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use linkerd2_proxy_api::destination::GetDestination;
use linkerd2_proxy_api::destination::destination_client::DestinationClient;
use mesh_api::otlp;
use prost::Message as _;
use tonic::Request;
use tonic::transport::Channel;

use crate::destination::{Replica, turn};
use crate::kit::{eventually, lab, run};

type Received = Arc<Mutex<Vec<otlp::ResourceSpans>>>;

/// A collector: HTTP/2 in the clear, the one method, one message.
fn collector() -> (SocketAddr, Received) {
    let received = Received::default();
    let (address, listener) = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        (listener.local_addr().unwrap(), listener)
    };
    let into = Arc::clone(&received);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&into)));
            }
        });
    });
    (address, received)
}

async fn serve(stream: tokio::net::TcpStream, received: Received) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let received = Arc::clone(&received);
        tokio::spawn(async move {
            assert_eq!(request.uri().path(), otlp::EXPORT);
            let mut body = request.into_body();
            let mut bytes = Vec::new();
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                bytes.extend_from_slice(&data);
            }
            let message = otlp::ExportTraceServiceRequest::decode(&bytes[5..]).unwrap();
            received.lock().unwrap().extend(message.resource_spans);
            let response =
                http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
            let mut stream = respond.send_response(response, false).unwrap();
            // An empty message says that everything was taken.
            stream.send_data(vec![0; 5].into(), false).unwrap();
            let trailers = http::HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                http::HeaderValue::from_static("0"),
            )]);
            stream.send_trailers(trailers).unwrap();
        });
    }
}

/// Spans by their trace, with the name of the process.
fn by_trace(received: &Received) -> HashMap<String, (String, otlp::Span)> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut found = HashMap::new();
    for resource in received.lock().unwrap().iter() {
        let attributes = &resource.resource.as_ref().unwrap().attributes;
        let name = attributes.iter().find(|it| it.key == "service.name").unwrap();
        let Some(otlp::Value::Text(name)) = &name.value.as_ref().unwrap().value else { panic!("a text") };
        for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
            found.insert(hex(&span.trace_id), (name.clone(), span.clone()));
        }
    }
    found
}

#[test]
fn a_collector_gets_the_spans_of_requests_in_the_callers_trace() {
    let lab = lab();
    let _turn = turn(lab);
    let (address, received) = collector();
    let replica =
        Replica::start_with(lab, "linkerd-destination-traced", &[format!("--trace-collector={address}")]);
    let ask = |trace: &str, sampled: u8| {
        let discovery = replica.discovery;
        let context = format!("00-{trace}-00f067aa0ba902b7-0{sampled}");
        run(async move {
            let channel =
                Channel::from_shared(format!("http://{discovery}")).unwrap().connect().await.unwrap();
            let mut request = Request::new(GetDestination {
                path: "nobody.nowhere.svc.cluster.local:80".to_owned(),
                ..GetDestination::default()
            });
            request.metadata_mut().insert("traceparent", context.parse().unwrap());
            DestinationClient::new(channel).get(request).await.err().unwrap()
        })
    };
    let (seen, unseen, last) = (
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "4bf92f3577b34da6a3ce929d0e0e4737",
        "4bf92f3577b34da6a3ce929d0e0e4738",
    );
    ask(unseen, 0);
    ask(seen, 1);
    let (process, span) = eventually("the span", || by_trace(&received).remove(seen));
    assert_eq!(process, "linkerd-destination");
    assert_eq!(span.name, "/io.linkerd.proxy.destination.Destination/Get");
    assert_eq!(span.parent_span_id, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert_eq!(span.kind, i32::from(otlp::SpanKind::Server));
    assert_eq!(span.status.unwrap().code, 2, "NotFound is a failure");
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    assert!(!by_trace(&received).contains_key(unseen), "the caller decides what is sampled");
    eventually("the count", || {
        replica.process.metric("spans_total{outcome=\"sent\"}").filter(|count| *count >= 1.0)
    });
    // What was not sent yet is sent at the end.
    ask(last, 1);
    replica.process.terminate();
    assert!(by_trace(&received).contains_key(last));
}
