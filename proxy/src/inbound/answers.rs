//! Answers of the application, and what is counted when a request is over.

use proxy_net::engine::{Attempt, Direction, Failure, HttpVersion, ResponseStep, Summary};
use proxy_net::h2::End;
use proxy_net::headers::HeaderList;

use super::exchange::{Exchange, Logged};
use super::headers::{self, OrigProto};
use super::refusal::Refusal;
use super::{Context, Engine, Inbound, server_of};
use crate::access_log;
use crate::metrics::{ErrorLabels, Metrics};

// === impl Inbound ===

impl Inbound {
    /// The application has answered.
    pub fn response(
        &mut self,
        attempt: &Attempt,
        exchange: &mut Exchange,
        head: &mut HeaderList,
        end: End,
    ) -> ResponseStep {
        self.answered(exchange);
        exchange.status = headers::status(head);
        if exchange.log.is_some() {
            let length = head.value(b"content-length").and_then(|text| std::str::from_utf8(text).ok());
            exchange.response_bytes = length.and_then(|text| text.parse().ok());
        }
        if end == End::Stream {
            exchange.grpc_status = headers::grpc_status(head);
        }
        headers::strip_proxy_words(head);
        if exchange.carried {
            OrigProto::answer(attempt.version, head);
        }
        ResponseStep::Pass
    }

    /// An attempt failed.
    pub fn failed<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        attempt: &Attempt,
        exchange: &mut Exchange,
        failure: Failure,
    ) -> ResponseStep {
        self.answered(exchange);
        let Some(refusal) = Refusal::of_failure(failure) else {
            // What is carried is HTTP/1 to its client, which knows no resets of streams.
            if exchange.carried && !attempt.answered && failure != Failure::ClientGone {
                return self.fail(cx, exchange, &Refusal::Io);
            }
            return ResponseStep::Pass;
        };
        if attempt.answered && !exchange.asker.grpc {
            self.count_refusal(cx, exchange, &refusal);
            return ResponseStep::Pass;
        }
        self.fail(cx, exchange, &refusal)
    }

    fn fail<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        exchange: &mut Exchange,
        refusal: &Refusal,
    ) -> ResponseStep {
        ResponseStep::Reply(Box::new(self.refuse(cx, exchange, refusal)))
    }

    pub(super) fn count_refusal<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        exchange: &Exchange,
        refusal: &Refusal,
    ) {
        let policy = self.policy(exchange.port);
        let (error, target) = (refusal.label(), exchange.target);
        let labels = ErrorLabels::InboundHttp { error, target, server: server_of(&policy, exchange.port) };
        cx.metrics.errors.once(&labels, cx.ctl.now()).errors += 1;
        tracing::debug!(server.addr = %target, reason = error, "request refused");
    }

    pub(super) fn answered(&mut self, exchange: &mut Exchange) {
        if std::mem::take(&mut exchange.in_flight) {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
    }

    /// Octets of a body pass.
    pub fn data(
        &mut self,
        metrics: &mut Metrics,
        exchange: &mut Exchange,
        direction: Direction,
        octets: usize,
    ) {
        if let Some(series) = &exchange.series {
            let series = &mut metrics.inbound_route[series.route];
            match direction {
                Direction::Request => series.request_frames.observe_octets(octets as u64),
                Direction::Response => series.response_frames.observe_octets(octets as u64),
            }
        }
    }

    /// Trailers pass.
    pub fn trailers(&mut self, exchange: &mut Exchange, direction: Direction, trailers: &HeaderList) {
        if direction == Direction::Response {
            exchange.grpc_status = headers::grpc_status(trailers).or(exchange.grpc_status);
        }
    }

    /// A request is over.
    pub fn finished<E: Engine>(
        &mut self,
        cx: &mut Context<'_, '_, E>,
        mut exchange: Exchange,
        summary: &Summary,
    ) {
        self.answered(&mut exchange);
        let (now, metrics) = (cx.ctl.now(), &mut *cx.metrics);
        let total = summary.ended.saturating_duration_since(summary.started);
        if let Some(series) = &exchange.series {
            let route = &mut metrics.inbound_route[series.route];
            *route.statuses.at(exchange.inbound_status(summary)) += 1;
            route.request_duration.observe(total);
            let sent = summary.request_sent.unwrap_or(summary.started);
            route.response_duration.observe(summary.ended.saturating_duration_since(sent));
            let by_authority = exchange.by_authority;
            for id in [Some(series.requests), exchange.profile, by_authority].into_iter().flatten() {
                exchange.count(&mut metrics.requests[id], summary);
            }
            if let Some(id) = by_authority {
                metrics.requests.release(id, now);
            }
        }
        if let Some(logged) = exchange.log.take() {
            self.write_log(&exchange, &logged, summary);
        }
    }

    fn write_log(&mut self, exchange: &Exchange, logged: &Logged, summary: &Summary) {
        let at = (self.time_of_day)() - summary.ended.saturating_duration_since(summary.started);
        let Some(log) = &mut self.log else { return };
        let head = summary.response_head.unwrap_or(summary.ended);
        log.write(
            &logged.entry,
            &access_log::Outcome {
                client: logged.client,
                client_id: &logged.way,
                at,
                version: match exchange.version {
                    HttpVersion::Http10 => "HTTP/1.0",
                    HttpVersion::Http11 => "HTTP/1.1",
                    HttpVersion::Http2 => "HTTP/2.0",
                },
                status: exchange.status,
                response_bytes: exchange.response_bytes,
                total: summary.ended.saturating_duration_since(summary.started),
                processing: head.saturating_duration_since(summary.started),
            },
        );
    }
}
