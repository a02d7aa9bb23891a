//! What is counted for connections that come in.

use std::time::Instant;

use proxy_net::engine::{CloseReport, Detected, Direction, EndpointEvent, Progress};
use proxy_net::transport_header::{Header, Session};

use super::conn::{Stage, Way};
use super::ports::Tunnel;
use super::series::TlsKey;
use super::{Conn, Context, Engine, server_of};
use crate::identity::Id;
use crate::metrics::{
    AuthzLabels, Decision, DetectLabels, DetectResult, Errno, ErrorLabels, Id as SeriesId, Metrics, Resource,
    Transport, TransportHeaderLabels, TransportLabels,
};
use crate::model::inbound::Authorization;

/// A connection that is counted as open.
#[derive(Debug)]
pub(crate) struct Counted {
    id: SeriesId<Transport>,
    /// Octets that were counted as they passed.
    read: u64,
    written: u64,
}

// === impl Counted ===

impl Counted {
    /// Counts a connection, now that its TLS is known.
    pub(crate) fn open(metrics: &mut Metrics, way: &Way, server: Resource<'_>) -> Self {
        let tls = TlsKey::new(&way.tls, &way.peer);
        let labels = TransportLabels::InboundServer { target: way.target, tls: tls.labels(), server };
        let id = metrics.transport.register(&labels);
        let series = &mut metrics.transport[id];
        series.opened += 1;
        series.open += 1;
        Self { id, read: 0, written: 0 }
    }

    /// Octets pass.
    pub(crate) fn octets(&mut self, metrics: &mut Metrics, direction: Direction, octets: usize) {
        let series = &mut metrics.transport[self.id];
        let (total, own) = match direction {
            Direction::Request => (&mut series.read, &mut self.read),
            Direction::Response => (&mut series.written, &mut self.written),
        };
        *total += octets as u64;
        *own += octets as u64;
    }

    /// It is gone.
    pub(crate) fn close(self, metrics: &mut Metrics, report: &CloseReport, now: Instant) {
        let series = &mut metrics.transport[self.id];
        series.open -= 1;
        series.read += report.read.saturating_sub(self.read);
        series.written += report.written.saturating_sub(self.written);
        *series.closed.at(Errno(report.errno)) += 1;
        metrics.transport.release(self.id, now);
    }
}

/// Counts what happens to connections to the application.
pub(crate) fn count_endpoint(series: &mut Transport, event: EndpointEvent) {
    match event {
        EndpointEvent::Opened => {
            series.opened += 1;
            series.open += 1;
        }
        EndpointEvent::Closed { errno } => {
            series.open -= 1;
            *series.closed.at(Errno(errno)) += 1;
        }
        EndpointEvent::Octets { read, written } => {
            series.read += read;
            series.written += written;
        }
        EndpointEvent::Ready | EndpointEvent::Unready(_) => {}
    }
}

/// Counts what policy said about a connection that would be passed to the application.
pub(crate) fn count_admission(
    metrics: &mut Metrics,
    server: Resource<'_>,
    way: &Way,
    authorization: Option<&Authorization>,
    now: Instant,
) {
    let tls = TlsKey::new(&way.tls, &way.peer);
    let target = way.target;
    let labels = |decision| AuthzLabels { decision, target, server, tls: tls.labels() };
    match authorization {
        Some(authorization) => {
            if authorization.is_audit() {
                tracing::info!(client.addr = %way.client, server.addr = %target, "connection let in by audit policy");
            }
            let authz = Resource::from(&authorization.meta);
            metrics.authz.once(&labels(Decision::TcpAllow { authz }), now).tcp_allow += 1;
        }
        None => metrics.authz.once(&labels(Decision::TcpDeny), now).tcp_deny += 1,
    }
}

/// Counts a tunnel that policy has taken its leave back from.
pub(crate) fn count_terminated(metrics: &mut Metrics, server: Resource<'_>, tunnel: &Tunnel, now: Instant) {
    let (decision, target, tls) = (Decision::TcpTerminate, tunnel.target, tunnel.tls.labels());
    metrics.authz.once(&AuthzLabels { decision, target, server, tls }, now).tcp_terminate += 1;
}

/// Counts a connection that ended for a reason of the proxy's.
pub(crate) fn count_error(metrics: &mut Metrics, way: &Way, error: &'static str, now: Instant) {
    metrics.errors.once(&ErrorLabels::InboundTcp { error, target: way.target }, now).errors += 1;
}

/// Counts a transport header.
pub(crate) fn count_header<E: Engine>(cx: &mut Context<'_, '_, E>, way: &Way, header: &Header) {
    let labels = TransportHeaderLabels {
        session_protocol: match header.session {
            None => "",
            Some(Session::Http1) => "http/1",
            Some(Session::Http2) => "http/2",
        },
        target_port: header.port,
        target_name: header.name.as_ref().map_or("", |name| name.as_ref()),
        client_id: way.peer.id().map_or("", Id::as_str),
    };
    cx.metrics.transport_headers.once(&labels, cx.ctl.now()).connections += 1;
}

/// Counts what detection of HTTP found.
pub(crate) fn count_detection<E: Engine>(
    cx: &mut Context<'_, '_, E>,
    policy: &crate::model::InboundPolicy,
    conn: &Conn,
    progress: &Progress<'_>,
) {
    if conn.way.stage != Stage::Http {
        return;
    }
    let result = match progress {
        Progress::Protocol(Detected::Http1) => DetectResult::Http1,
        Progress::Protocol(Detected::Http2) => DetectResult::Http2,
        Progress::Protocol(Detected::Opaque) => DetectResult::NotHttp,
        Progress::TimedOut => DetectResult::ReadTimeout,
        Progress::Failed(_) => DetectResult::Error,
        _ => return,
    };
    let now = cx.ctl.now();
    let labels = DetectLabels::Inbound(server_of(policy, conn.port));
    let series = cx.metrics.detect.once(&labels, now);
    *series.results.at(result) += 1;
    series.duration.observe(now.saturating_duration_since(conn.since));
}
