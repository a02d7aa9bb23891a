//! A collector of spans: the trace service of OTLP over gRPC.
//!
//! The messages are written by the numbers in the specification of OpenTelemetry, apart from those of the proxy, so that both can be
//! wrong only in different ways.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use prost::Message;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// A span, with what its resource says.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedSpan {
    /// The trace, in hexadecimal digits.
    pub trace: String,
    /// The span, in hexadecimal digits.
    pub id: String,
    /// Its parent, in hexadecimal digits.
    pub parent: String,
    /// Its name.
    pub name: String,
    /// `SERVER`, `CLIENT` or another of the specification.
    pub kind: &'static str,
    /// When it began, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// What it says.
    pub attributes: BTreeMap<String, String>,
    /// What its process says.
    pub resource: BTreeMap<String, String>,
    /// Whether it says that something failed.
    pub failed: bool,
}

/// Keeps what it is sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Collector {
    spans: Arc<Mutex<Vec<ReceivedSpan>>>,
}

#[derive(Clone, PartialEq, Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ExportResponse {}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<SpanStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct SpanStatus {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 2, 3, 4")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Flag(bool),
    #[prost(int64, tag = "3")]
    Whole(i64),
    #[prost(double, tag = "4")]
    Fraction(f64),
}

/// The code of a span that failed.
const ERROR: i32 = 2;

// === impl Collector ===

impl Collector {
    pub(super) fn spans(&self) -> Vec<ReceivedSpan> {
        self.spans.lock().clone()
    }

    fn take(&self, request: ExportRequest) {
        let mut kept = self.spans.lock();
        for group in request.resource_spans {
            let resource = group.resource.map(|it| texts(it.attributes)).unwrap_or_default();
            let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
            kept.extend(spans.map(|span| span.received(resource.clone())));
        }
    }
}

impl NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl tonic::codegen::Service<http::Request<tonic::body::Body>> for Collector {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let collector = self.clone();
        Box::pin(async move {
            let codec = ProstCodec::<ExportResponse, ExportRequest>::default();
            Ok(Grpc::new(codec).unary(collector, request).await)
        })
    }
}

impl UnaryService<ExportRequest> for Collector {
    type Response = ExportResponse;
    type Future = std::future::Ready<Result<Response<ExportResponse>, Status>>;

    fn call(&mut self, request: Request<ExportRequest>) -> Self::Future {
        self.take(request.into_inner());
        std::future::ready(Ok(Response::new(ExportResponse {})))
    }
}

// === impl Span ===

impl Span {
    fn received(self, resource: BTreeMap<String, String>) -> ReceivedSpan {
        ReceivedSpan {
            trace: hex(&self.trace_id),
            id: hex(&self.span_id),
            parent: hex(&self.parent_span_id),
            name: self.name,
            kind: match self.kind {
                1 => "INTERNAL",
                2 => "SERVER",
                3 => "CLIENT",
                4 => "PRODUCER",
                5 => "CONSUMER",
                _ => "UNSPECIFIED",
            },
            start: self.start,
            end: self.end,
            attributes: texts(self.attributes),
            resource,
            failed: self.status.is_some_and(|status| status.code == ERROR),
        }
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::Text(text)) => text,
        Some(Value::Flag(flag)) => flag.to_string(),
        Some(Value::Whole(number)) => number.to_string(),
        Some(Value::Fraction(number)) => number.to_string(),
        None => String::new(),
    };
    attributes.into_iter().map(|KeyValue { key, value }| (key, text(value))).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
