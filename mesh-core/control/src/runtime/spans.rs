//! Spans of the requests that this process answers, sent to a collector as OTLP over gRPC.
//!
//! A server wraps what it serves in [`Traced`]: each request becomes a span that lasts until its answer begins, for a
//! stream may last for days. A request that comes with a context (`traceparent`, or the `x-b3-` headers that older
//! proxies send) belongs to that trace and follows its decision whether to sample. Others begin a trace, of which there
//! are few a second, so that a thousand proxies which come back at once are no flood. What the collector does not take
//! in time is dropped and counted; nothing waits for it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use jiff::Timestamp;
use mesh_api::otlp;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Instrument as _, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context as LayerContext;
use tracing_subscriber::registry::LookupSpan;

use super::{Registry, RunError};

/// The target of spans that are exported, and of nothing else.
pub const TARGET: &str = "linkerd::spans";
/// Spans that wait to be sent.
const QUEUE: usize = 2048;
/// Spans that are sent at once.
const BATCH: usize = 512;
/// How long spans are gathered.
const GATHER: Duration = Duration::from_secs(2);
/// How long the collector may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How often the same spans are sent before they are given up.
const ATTEMPTS: u32 = 3;
/// How long the last spans have when the process ends.
const LAST: Duration = Duration::from_secs(3);
/// Traces that begin here, a second.
const ROOTS: u32 = 10;

/// Sends what the process's servers did.
pub struct Exporter {
    spans: mpsc::Receiver<otlp::Span>,
    figures: Arc<Figures>,
    collector: Endpoint,
    ending: watch::Receiver<bool>,
}

/// Ends an exporter, and counts for it.
#[derive(Clone)]
pub struct Handle {
    figures: Arc<Figures>,
    end: Arc<watch::Sender<bool>>,
}

#[derive(Default)]
struct Figures {
    sent: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
}

/// Notes spans as they end.
pub struct Recorder {
    queue: mpsc::Sender<otlp::Span>,
    figures: Arc<Figures>,
    roots: Mutex<Roots>,
}

/// Traces that may still begin in the current second.
struct Roots {
    second: i64,
    left: u32,
}

/// Where a span belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parent {
    trace: u128,
    span: u64,
    sampled: bool,
}

/// What a span gathers.
#[derive(Default)]
struct Fields {
    name: String,
    parent: Option<Parent>,
    attributes: Vec<otlp::KeyValue>,
    failed: bool,
}

/// A service whose requests become spans.
#[derive(Clone)]
pub struct Traced<S> {
    inner: S,
}

/// Puts [`Traced`] around a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceLayer;

// === impl Exporter ===

/// A recorder for the subscriber and the exporter it feeds. `collector` is `host:port`.
///
/// # Errors
/// When the address is none.
pub fn to(collector: &str) -> Result<(Recorder, Exporter, Handle), RunError> {
    let invalid = |error: tonic::transport::Error| RunError::Argument {
        flag: "trace-collector",
        problem: format!("{collector:?} is no HOST:PORT: {error}"),
    };
    let endpoint = Endpoint::from_shared(format!("http://{collector}")).map_err(invalid)?;
    let collector = endpoint.connect_timeout(LIMIT).timeout(LIMIT);
    let (queue, spans) = mpsc::channel(QUEUE);
    let (end, ending) = watch::channel(false);
    let figures = Arc::new(Figures::default());
    let recorder = Recorder {
        queue,
        figures: Arc::clone(&figures),
        roots: Mutex::new(Roots { second: 0, left: ROOTS }),
    };
    let exporter = Exporter { spans, figures: Arc::clone(&figures), collector, ending };
    Ok((recorder, exporter, Handle { figures, end: Arc::new(end) }))
}

impl Exporter {
    /// Sends spans until the end begins, and then those that are left. `component` and `pod` name the process.
    pub async fn run(mut self, component: &'static str, pod: String) {
        let resource = otlp::Resource {
            attributes: vec![
                otlp::KeyValue::text("service.name", format!("linkerd-{component}")),
                otlp::KeyValue::text("service.version", env!("CARGO_PKG_VERSION")),
                otlp::KeyValue::text("k8s.pod.name", pod),
            ],
        };
        // Connected when there is something to send.
        let collector = self.collector.connect_lazy();
        loop {
            let mut spans = Vec::new();
            let over = self.gather(&mut spans).await;
            if !spans.is_empty() {
                let sending = self.send(&collector, &resource, spans);
                if over {
                    let _ = tokio::time::timeout(LAST, sending).await;
                } else {
                    sending.await;
                }
            }
            if over {
                return;
            }
        }
    }

    /// Waits for spans; true when the end began.
    async fn gather(&mut self, spans: &mut Vec<otlp::Span>) -> bool {
        let mut ending = self.ending.clone();
        tokio::select! {
            _ = self.spans.recv_many(spans, BATCH) => {}
            _ = ending.wait_for(|over| *over) => {}
        }
        let until = Instant::now() + GATHER;
        while spans.len() < BATCH && !*self.ending.borrow() {
            tokio::select! {
                _ = self.spans.recv_many(spans, BATCH) => {}
                _ = ending.wait_for(|over| *over) => break,
                () = tokio::time::sleep_until(until) => return false,
            }
        }
        let over = *self.ending.borrow();
        while over && let Ok(span) = self.spans.try_recv() {
            spans.push(span);
        }
        over
    }

    async fn send(&self, collector: &Channel, resource: &otlp::Resource, spans: Vec<otlp::Span>) {
        let count = spans.len() as u64;
        let scope = otlp::Scope {
            name: "linkerd-controller".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let scope_spans = vec![otlp::ScopeSpans { scope: Some(scope), spans }];
        let resource_spans = vec![otlp::ResourceSpans { resource: Some(resource.clone()), scope_spans }];
        let request = otlp::ExportTraceServiceRequest { resource_spans };
        for attempt in 1..=ATTEMPTS {
            match call(collector, request.clone()).await {
                Ok(answer) => {
                    let refused = answer.partial_success.map_or(0, |it| it.rejected_spans);
                    let refused = u64::try_from(refused).unwrap_or(0).min(count);
                    self.figures.refused.fetch_add(refused, Ordering::Relaxed);
                    self.figures.sent.fetch_add(count - refused, Ordering::Relaxed);
                    return;
                }
                Err(status) => {
                    tracing::debug!(%status, attempt, "the collector did not take spans");
                    tokio::time::sleep(Duration::from_secs(attempt.into())).await;
                }
            }
        }
        self.figures.dropped.fetch_add(count, Ordering::Relaxed);
    }
}

async fn call(
    collector: &Channel,
    request: otlp::ExportTraceServiceRequest,
) -> Result<otlp::ExportTraceServiceResponse, tonic::Status> {
    let mut client = tonic::client::Grpc::new(collector.clone());
    client.ready().await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let path = http::uri::PathAndQuery::from_static(otlp::EXPORT);
    let codec = tonic_prost::ProstCodec::default();
    Ok(client.unary(tonic::Request::new(request), path, codec).await?.into_inner())
}

impl Handle {
    /// Shows what became of spans.
    pub fn register(&self, registry: &Registry) {
        let figures = Arc::clone(&self.figures);
        registry.collector(move |text| {
            use std::fmt::Write as _;
            let _ = writeln!(text, "# HELP spans_total Spans of requests, by what became of them.");
            let _ = writeln!(text, "# TYPE spans_total counter");
            for (outcome, count) in
                [("sent", &figures.sent), ("dropped", &figures.dropped), ("refused", &figures.refused)]
            {
                let count = count.load(Ordering::Relaxed);
                let _ = writeln!(text, "spans_total{{outcome=\"{outcome}\"}} {count}");
            }
        });
    }

    /// Begins the end: what is left is sent.
    pub fn end(&self) {
        self.end.send_replace(true);
    }
}

// === impl Recorder ===

impl Recorder {
    /// The trace of a new span; none when it is not to be sampled.
    fn parent(&self, given: Option<Parent>, now: Timestamp) -> Option<Parent> {
        match given {
            Some(parent) => parent.sampled.then_some(parent),
            None => self.roots.lock().take(now.as_second()).then(|| Parent {
                trace: rand::random(),
                span: 0,
                sampled: true,
            }),
        }
    }
}

impl Roots {
    fn take(&mut self, second: i64) -> bool {
        if second != self.second {
            *self = Self { second, left: ROOTS };
        }
        let any = self.left > 0;
        self.left = self.left.saturating_sub(1);
        any
    }
}

/// A span that has begun.
struct Open {
    fields: Fields,
    parent: Parent,
    began: Timestamp,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: LayerContext<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let began = Timestamp::now();
        if let (Some(parent), Some(span)) = (self.parent(fields.parent, began), context.span(id)) {
            span.extensions_mut().insert(Open { fields, parent, began });
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: LayerContext<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut open.fields);
        }
    }

    fn on_close(&self, id: Id, context: LayerContext<'_, S>) {
        let open = context.span(&id).and_then(|span| span.extensions_mut().remove::<Open>());
        let Some(Open { fields, parent, began }) = open else { return };
        let span = otlp::Span {
            trace_id: parent.trace.to_be_bytes().to_vec(),
            span_id: rand::random::<u64>().max(1).to_be_bytes().to_vec(),
            parent_span_id: if parent.span == 0 { Vec::new() } else { parent.span.to_be_bytes().to_vec() },
            name: fields.name,
            kind: otlp::SpanKind::Server.into(),
            start_time_unix_nano: nanos(began),
            end_time_unix_nano: nanos(Timestamp::now()),
            attributes: fields.attributes,
            status: fields.failed.then(|| otlp::SpanStatus { message: String::new(), code: 2 }),
            flags: 1,
        };
        if self.queue.try_send(span).is_err() {
            self.figures.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond()).unwrap_or(0)
}

// === impl Fields ===

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "path" => value.clone_into(&mut self.name),
            "context" => self.parent = Parent::w3c(value),
            name => self.attributes.push(otlp::KeyValue::text(name, value)),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        let failed = match field.name() {
            "http.response.status_code" => value >= 500,
            "rpc.grpc.status_code" => value != 0,
            _ => false,
        };
        self.failed |= failed;
        self.attributes.push(otlp::KeyValue::number(field.name(), value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record_i64(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

// === impl Parent ===

impl Parent {
    /// The context that a request came with.
    fn of<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        if let Some(parent) = text("traceparent").and_then(Self::w3c) {
            return Some(parent);
        }
        let sampled = !matches!(text("x-b3-sampled"), Some("0" | "false")) || text("x-b3-flags") == Some("1");
        Self::new(text("x-b3-traceid")?, text("x-b3-spanid")?, sampled)
    }

    /// `00-<trace>-<span>-<flags>`; later versions may have more.
    fn w3c(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version.len() != 2 || version == "ff" || trace.len() != 32 || flags.len() != 2 {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Self::new(trace, span, flags & 1 == 1)
    }

    fn new(trace: &str, span: &str, sampled: bool) -> Option<Self> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !matches!(trace.len(), 16 | 32) || span.len() != 16 || !digits(trace) || !digits(span) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        Some(Self { trace, span, sampled })
    }
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

/// The span of a request; one that costs nothing where spans go nowhere.
pub fn begin<B>(request: &Request<B>) -> Span {
    let headers = request.headers();
    begin_call(request.uri().path(), request.method().as_str(), |name| headers.get(name)?.to_str().ok())
}

/// As [`begin`], for servers with other requests. `header` finds a field by its name.
pub fn begin_call<'a>(path: &str, method: &str, header: impl Fn(&str) -> Option<&'a str>) -> Span {
    if !tracing::span_enabled!(target: TARGET, tracing::Level::INFO) {
        return Span::none();
    }
    let parent = Parent::of(header).map(|parent| parent.to_string());
    tracing::info_span!(
        target: TARGET,
        "request",
        path = path,
        context = parent,
        http.request.method = method,
        http.response.status_code = tracing::field::Empty,
        rpc.grpc.status_code = tracing::field::Empty,
    )
}

/// Notes how an answer begins.
pub fn end<B>(span: &Span, response: &Response<B>) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", response.status().as_u16());
    // An answer of headers alone is a refusal; others tell their status at their end.
    let status =
        response.headers().get("grpc-status").and_then(|status| status.to_str().ok()?.parse::<i64>().ok());
    if let Some(status) = status {
        end_call(span, status);
    }
}

/// Notes the gRPC status of an answer.
pub fn end_call(span: &Span, status: i64) {
    span.record("rpc.grpc.status_code", status);
}

// === impl Traced ===

impl<S> tower::Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced { inner }
    }
}

impl<S, B, R> tower::Service<Request<B>> for Traced<S>
where
    S: tower::Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    R: 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let span = begin(&request);
        let answer = self.inner.call(request).instrument(span.clone());
        Box::pin(async move {
            let answer = answer.await;
            if let Ok(response) = &answer {
                end(&span, response);
            }
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn of(headers: HeaderMap) -> Option<Parent> {
        Parent::of(|name| headers.get(name)?.to_str().ok())
    }

    #[test]
    fn contexts_of_both_kinds_are_read_and_nonsense_is_none() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        let w3c = format!("00-{trace}-{span}-01");
        let parent = of(headers(&[("traceparent", &w3c)])).unwrap();
        assert_eq!((parent.to_string(), parent.sampled), (w3c.clone(), true));
        let b3 = headers(&[("x-b3-traceid", trace), ("x-b3-spanid", span), ("x-b3-sampled", "0")]);
        assert_eq!(of(b3), Some(Parent { sampled: false, ..parent }));
        let short = headers(&[("x-b3-traceid", span), ("x-b3-spanid", span)]);
        assert_eq!(of(short).map(|parent| parent.trace), u128::from_str_radix(span, 16).ok());
        for text in ["", "00-1-2-01", &w3c.replace("00-", "ff-"), &w3c.replace('a', "+"), &w3c[..50]] {
            assert_eq!(of(headers(&[("traceparent", text)])), None, "{text}");
        }
        assert_eq!(of(headers(&[("traceparent", &format!("00-{}-{span}-01", "0".repeat(32)))])), None);
    }

    #[tokio::test]
    async fn traces_begin_a_few_a_second_and_what_does_not_fit_is_counted() {
        use tracing_subscriber::layer::SubscriberExt as _;
        let (recorder, mut exporter, handle) = to("127.0.0.1:1").unwrap();
        let subscriber = tracing_subscriber::registry().with(recorder);
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..200 {
                drop(begin(&Request::get("/a.B/C?secret=1").body(()).unwrap()));
            }
            let mut sampled = Request::get("/a.B/D").body(()).unwrap();
            let context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0";
            sampled.headers_mut().insert("traceparent", format!("{context}0").parse().unwrap());
            drop(begin(&sampled));
            sampled.headers_mut().insert("traceparent", format!("{context}1").parse().unwrap());
            for _ in 0..QUEUE {
                let span = begin(&sampled);
                end(&span, &Response::builder().header("grpc-status", "5").body(()).unwrap());
            }
        });
        let dropped = handle.figures.dropped.load(Ordering::Relaxed);
        assert!((1..=2 * u64::from(ROOTS)).contains(&dropped), "as many as traces began here: {dropped}");
        let mut first = None;
        let mut child = None;
        while let Ok(span) = exporter.spans.try_recv() {
            if span.name == "/a.B/C" { first = Some(span) } else { child = Some(span) }
        }
        let (first, child) = (first.unwrap(), child.unwrap());
        assert!(first.parent_span_id.is_empty() && first.status.is_none());
        assert_eq!(child.name, "/a.B/D");
        assert_eq!(child.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
        assert_eq!(child.status.unwrap().code, 2, "refused");
        assert!(child.end_time_unix_nano >= child.start_time_unix_nano);
        assert!(to("not an address").is_err());
    }
}
