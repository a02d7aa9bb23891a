//! Spans to the collector: gathered, bounded, and sent by OTLP over gRPC from the control thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tonic::client::{Grpc, GrpcService};
use tonic::codegen::{Body, Bytes, StdError};
use tonic_prost::ProstCodec;

use super::otlp::{
    EXPORT, ExportTraceServiceRequest, ExportTraceServiceResponse, KeyValue, ResourceSpans, Scope,
    ScopeSpans, Span, SpanKind, SpanStatus,
};
use super::span::{Finished, Request, Tracer};
use crate::config::Trace;
use crate::metrics::{ControlMetrics, Direction, SpanExport, SpanExportLabels};

/// Requests whose spans wait to be gathered.
const MAX_WAITING: usize = 100;
/// Spans that are sent at once.
const MAX_BATCH: usize = 1000;
/// How long spans are gathered.
const GATHER: Duration = Duration::from_secs(10);
/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two attempts with the same spans.
const RETRY: Duration = Duration::from_secs(1);
/// Octets of a file with attributes.
const MAX_FILE: u64 = 256 * 1024;

/// Sends what tracers of all workers gather.
#[derive(Debug)]
pub struct Exporter {
    sender: mpsc::Sender<Finished>,
    receiver: mpsc::Receiver<Finished>,
    dropped: Arc<AtomicU64>,
    resource: Resource,
    clock: fn() -> SystemTime,
}

/// What all spans of this process say of it: names and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource(Vec<(String, String)>);

/// The attributes of this process. Later sources win: name of the service, file, variables. A file that cannot be read is named in the
/// log and left out.
pub fn resource(config: &Trace, started: SystemTime) -> Resource {
    let mut attributes = Vec::new();
    let mut set = |key: &str, value: String| {
        attributes.retain(|(known, _): &(String, String)| known != key);
        attributes.push((key.to_owned(), value));
    };
    set("process.pid", std::process::id().to_string());
    let since = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    set("process.start_timestamp", since.as_secs().to_string());
    if let Some(host) = &config.host_name {
        set("host.name", host.clone());
    }
    set("service.name", config.service_name.clone().unwrap_or_else(|| "linkerd-proxy".to_owned()));
    for (key, value) in config.attributes_path.as_deref().map(file).unwrap_or_default() {
        set(&key, value);
    }
    for (key, value) in &config.attributes {
        set(key, value.clone());
    }
    Resource(attributes)
}

/// Lines `key="value"`, as Kubernetes writes labels into a file.
fn file(path: &std::path::Path) -> Vec<(String, String)> {
    let read = std::fs::metadata(path).and_then(|file| match file.len() {
        0..=MAX_FILE => std::fs::read_to_string(path),
        _ => Err(std::io::Error::other("is larger than 256 KiB")),
    });
    match read {
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "Attributes of spans cannot be read");
            Vec::new()
        }
        Ok(text) => text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
            .filter(|(key, _)| !key.is_empty())
            .collect(),
    }
}

// === impl Exporter ===

impl Exporter {
    /// An exporter that says this of the process. `clock` tells the time of spans.
    pub fn new(resource: Resource, clock: fn() -> SystemTime) -> Self {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        Self { sender, receiver, dropped: Arc::default(), resource, clock }
    }

    /// What a worker opens spans with.
    pub fn tracer(&self) -> Tracer {
        Tracer::new(self.sender.clone(), self.dropped.clone())
    }

    /// Sends spans by this client until every tracer is gone.
    pub async fn run<C>(self, client: C, metrics: ControlMetrics)
    where
        C: GrpcService<tonic::body::Body> + Send,
        C::Error: Into<StdError>,
        C::ResponseBody: Body<Data = Bytes> + Send + 'static,
        <C::ResponseBody as Body>::Error: Into<StdError> + Send,
    {
        let Self { sender, mut receiver, dropped, resource, clock } = self;
        drop(sender);
        let mut collector = Grpc::new(client);
        let resource = attributes(&resource);
        loop {
            let Some(spans) = gather(&mut receiver, clock).await else { return };
            let count = spans.len() as u64;
            let sent = send(&mut collector, &resource, spans).await;
            let mut tables = metrics.lock();
            let id = tables.span_export.register(&SpanExportLabels);
            let series: &mut SpanExport = &mut tables.span_export[id];
            series.requests += 1;
            series.dropped += 2 * dropped.swap(0, Ordering::Relaxed);
            match sent {
                Ok(rejected) => {
                    series.spans += count.saturating_sub(rejected);
                    series.dropped += rejected;
                }
                Err(status) => {
                    series.dropped += count;
                    drop(tables);
                    tracing::info!(code = %status.code(), reason = status.message(), count, "Spans dropped");
                }
            }
        }
    }
}

/// Waits for a first span, and then until there are enough or time is over. None where no tracer is left.
async fn gather(receiver: &mut mpsc::Receiver<Finished>, clock: fn() -> SystemTime) -> Option<Vec<Span>> {
    let first = receiver.recv().await?;
    let mut finished = vec![first];
    let until = tokio::time::Instant::now() + GATHER;
    while finished.len() * 2 < MAX_BATCH {
        match tokio::time::timeout_at(until, receiver.recv()).await {
            Ok(Some(next)) => finished.push(next),
            Ok(None) | Err(_) => break,
        }
    }
    // The wall clock is asked once, so that it can jump between batches but not within a span.
    let now = (Instant::now(), clock());
    Some(finished.iter().flat_map(|finished| spans(finished, now)).collect())
}

/// How many spans the collector did not take.
async fn send<C>(
    collector: &mut Grpc<C>,
    resource: &[KeyValue],
    spans: Vec<Span>,
) -> Result<u64, tonic::Status>
where
    C: GrpcService<tonic::body::Body>,
    C::Error: Into<StdError>,
    C::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <C::ResponseBody as Body>::Error: Into<StdError> + Send,
{
    let scope = Scope { name: "linkerd2-proxy".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(super::otlp::Resource { attributes: resource.to_vec() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
        }],
    };
    let path = PathAndQuery::from_static(EXPORT);
    let mut attempt = 0;
    loop {
        let call = async {
            collector.ready().await.map_err(|error| tonic::Status::from_error(error.into()))?;
            let codec = ProstCodec::<ExportTraceServiceRequest, ExportTraceServiceResponse>::default();
            collector.unary(tonic::Request::new(request.clone()), path.clone(), codec).await
        };
        let result = match tokio::time::timeout(TIMEOUT, call).await {
            Ok(result) => result,
            Err(_) => Err(tonic::Status::deadline_exceeded("no answer of the collector within 10s")),
        };
        match result {
            Ok(response) => {
                let partial = response.into_inner().partial_success.unwrap_or_default();
                if partial.rejected_spans > 0 {
                    tracing::info!(
                        count = partial.rejected_spans,
                        reason = partial.error_message,
                        "Collector refused spans"
                    );
                }
                return Ok(u64::try_from(partial.rejected_spans).unwrap_or(0));
            }
            Err(status) if attempt == 0 && status.code() == tonic::Code::Unavailable => {
                attempt += 1;
                tokio::time::sleep(RETRY).await;
            }
            Err(status) => return Err(status),
        }
    }
}

fn attributes(resource: &Resource) -> Vec<KeyValue> {
    resource.0.iter().map(|(key, value)| KeyValue::text(key, value.as_str())).collect()
}

/// The server span of a request, and within it the client span.
fn spans(finished: &Finished, now: (Instant, SystemTime)) -> [Span; 2] {
    let nanos = |at: Instant| {
        let ago = now.0.saturating_duration_since(at);
        let since = now.1.checked_sub(ago).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
    };
    let span = |id: super::context::SpanId, parent: super::context::SpanId, kind: SpanKind| {
        let remote_parent = if kind == SpanKind::Server { 0x300 } else { 0x100 };
        Span {
            trace_id: finished.trace.0.to_vec(),
            span_id: id.0.to_vec(),
            parent_span_id: parent.0.to_vec(),
            name: finished.request.path.to_string(),
            kind: kind.into(),
            start_time_unix_nano: nanos(finished.started),
            end_time_unix_nano: nanos(finished.ended),
            attributes: of_request(&finished.request, finished.outcome, kind),
            status: status(finished.outcome, kind),
            flags: remote_parent | 1,
        }
    };
    [
        span(finished.server_span, finished.parent, SpanKind::Server),
        span(finished.client_span, finished.server_span, SpanKind::Client),
    ]
}

/// By the semantic conventions for HTTP, and `direction`.
fn of_request(request: &Request, outcome: Result<u16, &'static str>, kind: SpanKind) -> Vec<KeyValue> {
    let direction = match request.direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    };
    let (host, port) = host_and_port(&request.authority, &request.scheme);
    let mut all = vec![
        KeyValue::text("direction", direction),
        KeyValue::text("http.request.method", &*request.method),
        KeyValue::text("url.scheme", &*request.scheme),
        KeyValue::text("server.address", host),
        KeyValue::number("server.port", port),
        KeyValue::text("network.protocol.name", "http"),
        KeyValue::text("network.protocol.version", request.version),
        KeyValue::text("network.transport", "tcp"),
    ];
    let peer = |addr: SocketAddr| {
        [
            KeyValue::text("network.peer.address", addr.ip().to_string()),
            KeyValue::number("network.peer.port", addr.port()),
        ]
    };
    match kind {
        SpanKind::Client => {
            let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
            let full = format!("{}://{}{}{query}", request.scheme, request.authority, request.path);
            all.push(KeyValue::text("url.full", full));
            all.extend(peer(request.server));
        }
        _ => {
            all.push(KeyValue::text("url.path", &*request.path));
            if !request.query.is_empty() {
                all.push(KeyValue::text("url.query", &*request.query));
            }
            all.push(KeyValue::text("client.address", request.client.ip().to_string()));
            all.push(KeyValue::number("client.port", request.client.port()));
            all.extend(peer(request.client));
            if !request.client_id.is_empty() {
                all.push(KeyValue::text("tls.client.subject", &*request.client_id));
            }
        }
    }
    if !request.user_agent.is_empty() {
        all.push(KeyValue::text("user_agent.original", &*request.user_agent));
    }
    match outcome {
        Ok(code) => {
            all.push(KeyValue::number("http.response.status_code", code));
            if code >= 500 || (code >= 400 && kind == SpanKind::Client) {
                all.push(KeyValue::text("error.type", code.to_string()));
            }
        }
        Err(error) => all.push(KeyValue::text("error.type", error)),
    }
    all
}

/// For a server 4xx is the client's error; for a client it is an error.
fn status(outcome: Result<u16, &'static str>, kind: SpanKind) -> Option<SpanStatus> {
    let message = match outcome {
        Ok(500..) => String::new(),
        Ok(400..) if kind == SpanKind::Client => String::new(),
        Ok(_) => return None,
        Err(error) => error.to_owned(),
    };
    Some(SpanStatus { message, code: 2 })
}

fn host_and_port<'a>(authority: &'a str, scheme: &str) -> (&'a str, u16) {
    let default = if scheme == "https" { 443 } else { 80 };
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(default)),
        _ => (authority, default),
    }
}

#[cfg(test)]
mod tests;
