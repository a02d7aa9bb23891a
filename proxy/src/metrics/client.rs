//! Requests of the proxy itself to the control plane, counted from their head to the end of their stream.

use std::time::Instant;

use http::HeaderMap;

use super::ControlMetrics;
use super::http::{ControlClient, RequestLabels, Requests};
use super::keys::{Class, RouteError, StatusCode};
use super::table::Id;

/// Counts the requests of one client; cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlRequests {
    metrics: ControlMetrics,
    id: Id<Requests>,
}

/// A request that has not ended. Dropped before it was told that it has, it counts as broken off by the proxy, which is how streams
/// that nobody needs any more end; only without a response is that a failure.
#[derive(Debug)]
pub struct ControlRequest {
    of: ControlRequests,
    started: Instant,
    first: Option<Instant>,
    status: u16,
    grpc: Option<u16>,
    error: Option<RouteError>,
}

// === impl ControlRequests ===

impl ControlRequests {
    /// Counts for this client as long as the process runs.
    pub fn new(metrics: ControlMetrics, client: ControlClient<'_>) -> Self {
        let id = metrics.lock().requests.register(&RequestLabels::Control(client));
        Self { metrics, id }
    }

    /// A request is sent.
    pub fn begin(&self, now: Instant) -> ControlRequest {
        self.metrics.lock().requests[self.id].requests += 1;
        ControlRequest { of: self.clone(), started: now, first: None, status: 0, grpc: None, error: None }
    }
}

// === impl ControlRequest ===

impl ControlRequest {
    /// The response's head is there.
    pub fn head(&mut self, status: http::StatusCode, headers: &HeaderMap) {
        self.status = status.as_u16();
        self.grpc_status(headers);
    }

    /// A frame of the response's body is there.
    pub fn frame(&mut self, now: Instant) {
        self.first.get_or_insert(now);
    }

    /// The trailers are there.
    pub fn trailers(&mut self, trailers: &HeaderMap) {
        self.grpc_status(trailers);
    }

    /// The connection broke.
    pub fn failed(&mut self) {
        self.error = Some(RouteError::Io);
    }

    fn grpc_status(&mut self, headers: &HeaderMap) {
        let status = headers.get("grpc-status").and_then(|status| status.to_str().ok()?.parse().ok());
        self.grpc = status.or(self.grpc);
    }
}

impl Drop for ControlRequest {
    fn drop(&mut self) {
        let error = self.error.or((self.status == 0).then_some(RouteError::Cancel));
        let success = error.is_none() && self.status < 500 && matches!(self.grpc, None | Some(0));
        let class = Class { status: self.status, success, grpc: self.grpc, error };
        let latency = self.first.unwrap_or_else(Instant::now).saturating_duration_since(self.started);
        let mut tables = self.of.metrics.lock();
        let series = &mut tables.requests[self.of.id];
        *series.responses.at(class) += 1;
        series.latency.at(StatusCode(self.status)).observe(latency);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::{Aggregate, ClientTls, Format};

    #[test]
    fn a_stream_is_counted_at_its_end() {
        let metrics = ControlMetrics::default();
        let labels = ControlClient { addr: "policy:8090", tls: ClientTls::Disabled };
        let requests = ControlRequests::new(metrics.clone(), labels);
        let now = Instant::now();
        let text = || {
            let snapshot = metrics.lock().snapshot(now, Duration::from_secs(600));
            Aggregate::default().write(vec![snapshot], Format::Text)
        };
        let mut watched = requests.begin(now);
        let mut failed = requests.begin(now);
        let lost = requests.begin(now);
        assert!(text().contains("control_request_total{addr=\"policy:8090\",tls=\"disabled\"} 3\n"));
        assert!(!text().contains("control_response_total"));

        watched.head(http::StatusCode::OK, &HeaderMap::new());
        watched.frame(now + Duration::from_millis(3));
        drop(watched);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("14"));
        failed.head(http::StatusCode::OK, &HeaderMap::new());
        failed.trailers(&trailers);
        drop(failed);
        drop(lost);
        for ending in [
            "status_code=\"200\",classification=\"success\",grpc_status=\"\",error=\"\"} 1\n",
            "status_code=\"200\",classification=\"failure\",grpc_status=\"14\",error=\"\"} 1\n",
            "status_code=\"\",classification=\"failure\",grpc_status=\"\",error=\"h2\"} 1\n",
        ] {
            assert!(text().contains(ending), "{ending}\n{}", text());
        }
    }
}
