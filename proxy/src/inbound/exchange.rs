//! A request and its response, as far as they are counted.

use std::net::SocketAddr;
use std::rc::Rc;

use proxy_net::engine::{Failure, HttpVersion, ResponseStep, Summary, TimeoutKind};
use proxy_net::headers::HeaderList;

use super::Conn;
use super::refusal::Asker;
use super::series::Series;
use crate::access_log;
use crate::identity::Id;
use crate::metrics::{Class, Id as SeriesId, InboundStatus, Requests, RouteError, RouteKind, StatusCode};

/// What is remembered of a request.
pub struct Exchange {
    pub(super) port: u16,
    pub(super) target: SocketAddr,
    pub(super) asker: Asker,
    pub(super) version: HttpVersion,
    /// Whether HTTP/1 came in HTTP/2.
    pub(super) carried: bool,
    /// Where it is counted; none where it was refused before that was known.
    pub(super) series: Option<Rc<Series>>,
    pub(super) kind: RouteKind,
    /// Where it is counted for a ServiceProfile.
    pub(super) profile: Option<SeriesId<Requests>>,
    /// Where it is counted by authority, where that is asked for.
    pub(super) by_authority: Option<SeriesId<Requests>>,
    pub(super) status: u16,
    pub(super) grpc_status: Option<u16>,
    pub(super) response_bytes: Option<u64>,
    /// Whether it still counts as in flight.
    pub(super) in_flight: bool,
    pub(super) log: Option<Box<Logged>>,
}

/// What the access log needs at the end.
pub(super) struct Logged {
    pub(super) entry: access_log::Entry,
    pub(super) way: Rc<str>,
    pub(super) client: SocketAddr,
}

// === impl Exchange ===

impl Exchange {
    /// The outbound side has answered in the place of an application: what this side counts.
    pub(crate) fn replied(&mut self, step: &ResponseStep) {
        if let ResponseStep::Reply(reply) = step {
            self.status = reply.status;
            self.grpc_status = reply.grpc.as_ref().map(|(code, _)| u16::from(*code));
        }
    }

    /// The version that the client spoke, before HTTP/1 was carried in HTTP/2.
    #[must_use]
    pub fn version(&self) -> HttpVersion {
        self.version
    }

    pub(super) fn inbound_status(&self, summary: &Summary) -> InboundStatus {
        match (self.kind, self.grpc_status) {
            _ if summary.failure.is_some() || self.status == 0 => InboundStatus::Error,
            (RouteKind::Grpc, Some(code)) => InboundStatus::Grpc(code),
            // A stream that ends without a status is UNKNOWN to every client.
            (RouteKind::Grpc, None) => InboundStatus::Grpc(2),
            (RouteKind::Http, _) => InboundStatus::Http(self.status),
        }
    }

    pub(super) fn count(&self, requests: &mut Requests, summary: &Summary) {
        *requests.responses.at(self.class(summary)) += 1;
        let first = summary.first_octet.unwrap_or(summary.ended);
        requests
            .latency
            .at(StatusCode(self.status))
            .observe(first.saturating_duration_since(summary.started));
    }

    fn class(&self, summary: &Summary) -> Class {
        let error = summary.failure.map(route_error);
        let grpc = if self.asker.grpc { self.grpc_status } else { None };
        // UNKNOWN, DEADLINE_EXCEEDED, PERMISSION_DENIED, INTERNAL, UNAVAILABLE, DATA_LOSS; a missing status counts as success,
        // as dashboards have always had it.
        let fails = matches!(grpc, Some(2 | 4 | 7 | 13 | 14 | 15)) || self.status >= 500 || error.is_some();
        Class { status: self.status, success: !fails, grpc, error }
    }
}

fn route_error(failure: Failure) -> RouteError {
    match failure {
        Failure::Connect(_) | Failure::Closed => RouteError::Io,
        Failure::Reset(_) => RouteError::Reset,
        Failure::Protocol => RouteError::Unknown,
        Failure::Timeout(TimeoutKind::ResponseHeaders) => RouteError::ResponseHeadersTimeout,
        Failure::Timeout(TimeoutKind::Response) => RouteError::ResponseStreamTimeout,
        Failure::Timeout(TimeoutKind::Request) => RouteError::RequestTimeout,
        Failure::Timeout(TimeoutKind::Idle) => RouteError::IdleTimeout,
        Failure::ClientGone => RouteError::Cancel,
    }
}

// === impl Logged ===

impl Logged {
    pub(super) fn new(conn: &mut Conn, head: &HeaderList) -> Box<Self> {
        let id =
            conn.routes.client_id.get_or_insert_with(|| conn.way.peer.id().map_or("", Id::as_str).into());
        Box::new(Self { entry: access_log::Entry::of(head), way: id.clone(), client: conn.way.client })
    }
}
