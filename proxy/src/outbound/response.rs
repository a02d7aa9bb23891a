//! A response, or what came instead of one: classes, retries, breakers, estimates and series.

use std::time::{Duration, Instant};

use proxy_net::balance::Signal;
use proxy_net::breaker::{Change, Outcome as Verdict, Report};
use proxy_net::engine::{Attempt, Direction, Failure, HttpVersion, ResponseStep, Summary, TimeoutKind};
use proxy_net::h2::frame::End;
use proxy_net::headers::HeaderList;

use super::classify::{error_of, grpc_status, hint, route_status, status_of, verdict_of};
use super::exchange::{Exchange, Outcome};
use super::plan::{Plan, Router};
use super::refusal::Refusal;
use super::{Outbound, headers};
use crate::metrics::{Class, Metrics, StatusCode};
use crate::model::route::Filter;
use crate::worker::Cx;

// === impl Outbound ===

impl Outbound {
    /// An attempt has a response head.
    pub(crate) fn response(
        &mut self,
        cx: &mut Cx<'_, '_>,
        attempt: &Attempt,
        exchange: &mut Exchange,
        head: &mut HeaderList,
        end: End,
        trailers: Option<&HeaderList>,
    ) -> ResponseStep {
        let now = cx.now();
        exchange.outcome = Outcome {
            status: Some(status_of(head)),
            grpc: trailers.and_then(grpc_status).or_else(|| grpc_status(head)),
            error: None,
            is_refused: false,
        };
        let hint = hint(cx, head, trailers);
        self.observe(cx, exchange, now, end, hint);
        if let Some(after) = self.retry_response(cx, attempt, exchange, hint) {
            self.record(cx, exchange, now, None);
            exchange.retries += 1;
            return ResponseStep::Retry { after };
        }
        self.release(exchange);
        self.filter(exchange, head);
        let close = headers::strip_response(head);
        if close && self.is_meshed_forward(exchange) {
            cx.ctl.close_conn(exchange.conn, "the peer asked for it");
        }
        ResponseStep::Pass
    }

    /// An attempt failed.
    pub(crate) fn failed(
        &mut self,
        cx: &mut Cx<'_, '_>,
        attempt: &Attempt,
        exchange: &mut Exchange,
        failure: Failure,
    ) -> ResponseStep {
        let now = cx.now();
        exchange.outcome.error = Some(error_of(failure));
        if failure == Failure::ClientGone {
            self.abandon(exchange, now);
            return ResponseStep::Pass;
        }
        self.verdict(cx, exchange, now, Verdict::Failure, None);
        if matches!(failure, Failure::Connect(_)) {
            self.avoid(cx, exchange, now);
        }
        if attempt.answered {
            // What has been sent stands; the stream ends where it broke.
            return self.broken(cx, exchange, failure);
        }
        exchange.outcome.status = None;
        if let Some(after) = self.retry_failure(cx, attempt, exchange, failure) {
            self.record(cx, exchange, now, None);
            return ResponseStep::Retry { after };
        }
        self.release(exchange);
        // HTTP/2 has its own way to say that a stream was reset.
        let is_native = exchange.version == HttpVersion::Http2 && matches!(failure, Failure::Reset(_));
        if is_native && !exchange.asker.grpc {
            return ResponseStep::Pass;
        }
        let refusal = match failure {
            Failure::Timeout(TimeoutKind::ResponseHeaders) if exchange.deadline.is_some() => {
                Refusal::ProfileTimeout
            }
            failure => Refusal::from(failure),
        };
        ResponseStep::Reply(self.refusal(cx, exchange, &refusal))
    }

    /// The stream broke after its head was passed on.
    fn broken(&mut self, cx: &mut Cx<'_, '_>, exchange: &mut Exchange, failure: Failure) -> ResponseStep {
        if !exchange.asker.grpc {
            return ResponseStep::Pass;
        }
        let outcome = exchange.outcome;
        let reply = self.refusal(cx, exchange, &Refusal::from(failure));
        exchange.outcome = Outcome { status: outcome.status, ..exchange.outcome };
        ResponseStep::Reply(reply)
    }

    /// Takes the latency and what the response says of the endpoint's state into account.
    fn observe(
        &mut self,
        cx: &mut Cx<'_, '_>,
        exchange: &mut Exchange,
        now: Instant,
        end: End,
        hint: Option<Duration>,
    ) {
        let Some(tried) = exchange.attempt else { return };
        let outcome = exchange.outcome;
        if let Some(backend) = self.backends.get_mut(tried.at.backend) {
            let ewma = backend.ewma;
            if let Some(member) = backend.member_mut(tried.at) {
                member.estimate.observe(&ewma, now, now.saturating_duration_since(tried.started));
                let status = outcome.status.unwrap_or_default();
                if let Some(signal) = Signal::of(status, outcome.grpc.map(u32::from)) {
                    member.estimate.penalise(&ewma, now, hint.filter(|_| signal == Signal::Overloaded));
                }
            }
        }
        // The status of gRPC may come at the very end.
        let is_known = !exchange.asker.grpc || outcome.grpc.is_some() || end == End::Stream;
        if is_known {
            self.verdict(cx, exchange, now, verdict_of(outcome), hint);
        }
    }

    /// An endpoint that cannot be connected to is as slow as connecting may take, so that others are preferred for a while.
    fn avoid(&mut self, cx: &Cx<'_, '_>, exchange: &Exchange, now: Instant) {
        let Some(tried) = exchange.attempt else { return };
        let Some(backend) = self.backends.get_mut(tried.at.backend) else { return };
        let ewma = backend.ewma;
        if let Some(member) = backend.member_mut(tried.at) {
            member.estimate.observe(&ewma, now, cx.shared.config.outbound.connect_timeout);
        }
    }

    /// Tells the breaker, once an attempt.
    fn verdict(
        &mut self,
        cx: &mut Cx<'_, '_>,
        exchange: &mut Exchange,
        now: Instant,
        verdict: Verdict,
        hint: Option<Duration>,
    ) {
        let Some(tried) = exchange.attempt.as_mut().filter(|tried| !tried.is_judged) else { return };
        let at = tried.at;
        let report = Report { pass: tried.pass, outcome: verdict, hint };
        tried.is_judged = true;
        let Some(backend) = self.backends.get_mut(at.backend) else { return };
        let Some(config) = backend.breaker else { return };
        let may_shut = backend.may_shut(at.member);
        let Some(member) = backend.member_mut(at) else { return };
        let addr = member.endpoint.addr;
        let Some(breaker) = &mut member.breaker else { return };
        match breaker.record(&config, now, report, cx.ctl.random(), || may_shut) {
            Change::None => {}
            Change::Shut(until) => {
                tracing::info!(%addr, shut_for = ?until.saturating_duration_since(now), "endpoint is shut out for its failures");
            }
            Change::Opened => {
                tracing::info!(%addr, "endpoint is used again");
                self.ready(cx, at.backend);
            }
        }
    }

    /// Nobody waits for the outcome any more.
    fn abandon(&mut self, exchange: &mut Exchange, now: Instant) {
        let Some(tried) = exchange.attempt.as_mut().filter(|tried| !tried.is_judged) else { return };
        tried.is_judged = true;
        let (at, pass) = (tried.at, tried.pass);
        let member = self.backends.get_mut(at.backend).and_then(|backend| backend.member_mut(at));
        if let Some(breaker) = member.and_then(|member| member.breaker.as_mut()) {
            breaker.abandon(pass, now);
        }
    }

    /// Counts an attempt that is over.
    fn record(
        &mut self,
        cx: &mut Cx<'_, '_>,
        exchange: &mut Exchange,
        now: Instant,
        summary: Option<&Summary>,
    ) {
        let Some(plan) = exchange.plan.clone() else { return };
        let Some(stack) = plan.stack(exchange.version == HttpVersion::Http2) else { return };
        let Some(rule) = exchange.rule(&plan) else { return };
        let outcome = exchange.outcome;
        let success = !self.is_failure(&plan, exchange);
        let class = Class {
            status: outcome.status.unwrap_or_default(),
            success,
            grpc: outcome.grpc.filter(|_| exchange.asker.grpc),
            error: outcome.error,
        };
        let Some(tried) = exchange.attempt.as_mut().filter(|tried| !tried.is_recorded) else { return };
        tried.is_recorded = true;
        let metrics = &mut cx.shared.metrics;
        let first = summary.and_then(|summary| summary.first_octet).unwrap_or(now);
        let requests = self.backends.get(tried.at.backend).and_then(|backend| {
            backend.members.get(tried.at.member).filter(|member| member.serial == tried.at.serial)
        });
        if let Some(member) = requests {
            let series = &mut metrics.requests[member.requests];
            *series.responses.at(class) += 1;
            if outcome.status.is_some() {
                let latency = first.saturating_duration_since(tried.started);
                series.latency.at(StatusCode(class.status)).observe(latency);
            }
        }
        if let Some(series) = rule.profile {
            *metrics.requests[series.actual].responses.at(class) += 1;
        }
        if let Some(item) = rule.uses.items.get(tried.item) {
            let series = &mut metrics.outbound_backend[item.metrics];
            *series.response_statuses.at(route_status(stack, outcome)) += 1;
            let sent = summary.and_then(|summary| summary.request_sent).unwrap_or(tried.started);
            series.response_duration.observe(now.saturating_duration_since(sent.max(tried.started)));
        }
    }

    /// The exchange is over.
    pub(crate) fn finished(&mut self, cx: &mut Cx<'_, '_>, mut exchange: Exchange, summary: &Summary) {
        let now = cx.now();
        self.release(&mut exchange);
        self.unqueue(&exchange);
        if let Some(failure) = summary.failure {
            exchange.outcome.error.get_or_insert(error_of(failure));
        }
        match summary.failure {
            Some(Failure::ClientGone) => self.abandon(&mut exchange, now),
            _ if exchange.outcome.is_refused => self.abandon(&mut exchange, now),
            _ => {
                let verdict = verdict_of(exchange.outcome);
                self.verdict(cx, &mut exchange, now, verdict, None);
            }
        }
        self.record(cx, &mut exchange, now, Some(summary));
        let Some(plan) = exchange.plan.clone() else { return };
        let Some(stack) = plan.stack(exchange.version == HttpVersion::Http2) else { return };
        let Some(rule) = exchange.rule(&plan) else { return };
        let outcome = exchange.outcome;
        let took = summary.ended.saturating_duration_since(summary.started);
        let success = !self.is_failure(&plan, &exchange);
        let metrics = &mut cx.shared.metrics;
        let series = &mut metrics.outbound_route[exchange.series(rule)];
        series.request_duration.observe(took);
        *series.request_statuses.at(route_status(stack, outcome)) += 1;
        if let Some(profile) = rule.profile {
            let class = Class {
                status: outcome.status.unwrap_or_default(),
                success,
                grpc: outcome.grpc.filter(|_| exchange.asker.grpc),
                error: outcome.error,
            };
            let series = &mut metrics.requests[profile.route];
            *series.responses.at(class) += 1;
            let first = summary.first_octet.unwrap_or(summary.ended);
            let latency = first.saturating_duration_since(summary.started);
            series.latency.at(StatusCode(class.status)).observe(latency);
        }
    }

    /// The request does not count as in flight any more.
    fn release(&mut self, exchange: &mut Exchange) {
        if std::mem::take(&mut exchange.in_flight) {
            self.in_flight -= 1;
        }
    }

    /// Does what filters say to a response: those of the rule, then those of the backend.
    fn filter(&self, exchange: &Exchange, head: &mut HeaderList) {
        let Some(plan) = &exchange.plan else { return };
        let Some(stack) = plan.stack(exchange.version == HttpVersion::Http2) else { return };
        let Some((found, _)) = exchange.found else { return };
        let of_rule = stack.policy(found).map_or(&[][..], |policy| &policy.filters);
        let of_backend = exchange.attempt.map_or(&[][..], |tried| stack.backend_filters(found, tried.item));
        for filter in of_rule.iter().chain(of_backend) {
            if let Filter::Response(modifier) = filter {
                modifier.apply(head);
            }
        }
    }

    /// Whether the response counts as a failure, by the profile's classes, then by gRPC's status, then by HTTP's.
    pub(super) fn is_failure(&self, plan: &Plan, exchange: &Exchange) -> bool {
        let outcome = exchange.outcome;
        let stack = plan.stack(exchange.version == HttpVersion::Http2);
        let route = stack.zip(exchange.found).and_then(|(stack, (found, _))| match &stack.router {
            Router::Profile(profile) => profile.routes.get(found.route),
            _ => None,
        });
        let by_class = route.zip(outcome.status).and_then(|(route, status)| route.is_failure(status));
        by_class.unwrap_or_else(|| verdict_of(outcome) == Verdict::Failure)
    }

    pub(super) fn is_forward(&self, exchange: &Exchange) -> bool {
        let backend = exchange.attempt.and_then(|tried| self.backends.get(tried.at.backend));
        backend.is_some_and(super::backend::Backend::is_forward)
    }

    fn is_meshed_forward(&self, exchange: &Exchange) -> bool {
        let Some(tried) = exchange.attempt.filter(|_| self.is_forward(exchange)) else { return false };
        let member =
            self.backends.get(tried.at.backend).and_then(|backend| backend.members.get(tried.at.member));
        member.is_some_and(|member| member.endpoint.tls.is_some())
    }
}

// === helpers ===

/// Octets of a body have passed.
pub(crate) fn data(metrics: &mut Metrics, exchange: &Exchange, direction: Direction, octets: usize) {
    let Some(rule) = exchange.plan.as_ref().and_then(|plan| exchange.rule(plan)) else { return };
    match direction {
        Direction::Request => {
            metrics.outbound_route[exchange.series(rule)].request_frames.observe_octets(octets as u64);
        }
        Direction::Response => {
            let item = exchange.attempt.and_then(|tried| rule.uses.items.get(tried.item));
            if let Some(item) = item {
                metrics.outbound_backend[item.metrics].response_frames.observe_octets(octets as u64);
            }
        }
    }
}

/// Trailers pass.
pub(crate) fn trailers(exchange: &mut Exchange, direction: Direction, trailers: &HeaderList) {
    if direction == Direction::Response
        && exchange.asker.grpc
        && let Some(status) = grpc_status(trailers)
    {
        exchange.outcome.grpc = Some(status);
    }
}
