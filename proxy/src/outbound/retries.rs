//! Whether a request is sent again.

use std::time::Duration;

use proxy_net::engine::{Attempt, Failure, HttpVersion, TimeoutKind};
use proxy_net::h2::error::ErrorCode;

use super::Outbound;
use super::exchange::Exchange;
use super::plan::{Plan, RuleUse};
use crate::metrics::RetryKind;
use crate::worker::Cx;

/// Attempts that reach no endpoint are made again elsewhere so often.
const RECONNECTS_MAX: u32 = 2;
/// A server that asks for more is not waited for within a request.
const HINT_MAX: Duration = Duration::from_secs(60);

// === impl Outbound ===

impl Outbound {
    /// Whether a response is not passed on but asked for again, and when.
    pub(super) fn retry_response(
        &mut self,
        cx: &mut Cx<'_, '_>,
        attempt: &Attempt,
        exchange: &Exchange,
        hint: Option<Duration>,
    ) -> Option<Duration> {
        let plan = exchange.plan.clone()?;
        let rule = exchange.rule(&plan)?;
        let outcome = exchange.outcome;
        if let Some(retry) = &exchange.retry {
            let wanted = outcome.status.is_some_and(|status| retry.on.http(status))
                || outcome.grpc.is_some_and(|code| retry.on.grpc(u32::from(code)));
            let random = cx.ctl.random();
            let metrics = &mut cx.shared.metrics.outbound_route[exchange.series(rule)];
            if !wanted {
                metrics.retry_successes += u64::from(exchange.retries > 0);
                return None;
            }
            if exchange.retries >= retry.max_retries {
                metrics.retry_limit_exceeded += 1;
                return None;
            }
            if !attempt.replayable || self.choose(cx, &rule.uses).is_none() {
                cx.shared.metrics.outbound_route[exchange.series(rule)].retry_overflow += 1;
                return None;
            }
            cx.shared.metrics.outbound_route[exchange.series(rule)].retry_requests += 1;
            return Some(self.backoff(exchange, hint, random));
        }
        let failed = exchange.profile_retry && self.is_failure(&plan, exchange);
        (failed && self.withdraw(cx, &plan, rule, exchange, attempt)).then_some(Duration::ZERO)
    }

    /// Whether a failed attempt is made again, and when.
    pub(super) fn retry_failure(
        &mut self,
        cx: &mut Cx<'_, '_>,
        attempt: &Attempt,
        exchange: &mut Exchange,
        failure: Failure,
    ) -> Option<Duration> {
        let plan = exchange.plan.clone()?;
        let rule = exchange.rule(&plan)?;
        // Nothing was sent: any other endpoint will do, whatever the route says about retries.
        if matches!(failure, Failure::Connect(_))
            && attempt.replayable
            && exchange.reconnects < RECONNECTS_MAX
            && !self.is_forward(exchange)
        {
            exchange.reconnects += 1;
            return Some(Duration::ZERO);
        }
        let may = matches!(
            failure,
            Failure::Reset(ErrorCode::REFUSED_STREAM) | Failure::Timeout(TimeoutKind::ResponseHeaders)
        );
        // Of an answer that has begun the client has had a part.
        if !may || attempt.answered {
            return None;
        }
        if let Some(retry) = &exchange.retry {
            let random = cx.ctl.random();
            let metrics = &mut cx.shared.metrics.outbound_route[exchange.series(rule)];
            if exchange.retries >= retry.max_retries {
                metrics.retry_limit_exceeded += 1;
                return None;
            }
            if !attempt.replayable {
                metrics.retry_overflow += 1;
                return None;
            }
            metrics.retry_requests += 1;
            let after = self.backoff(exchange, None, random);
            exchange.retries += 1;
            return Some(after);
        }
        let refused = failure == Failure::Reset(ErrorCode::REFUSED_STREAM);
        if refused && exchange.profile_retry && self.withdraw(cx, &plan, rule, exchange, attempt) {
            exchange.retries += 1;
            return Some(Duration::ZERO);
        }
        None
    }

    fn backoff(&self, exchange: &Exchange, hint: Option<Duration>, random: u64) -> Duration {
        let Some(backoff) = exchange.retry.as_ref().and_then(|retry| retry.backoff) else {
            return Duration::ZERO;
        };
        match hint {
            Some(hint) if backoff.respect_hint => hint.min(HINT_MAX).clamp(backoff.min, backoff.max),
            _ => proxy_net::backoff::Backoff::new(backoff.min, backoff.max, f64::from(backoff.jitter))
                .unwrap_or_default()
                .delay(exchange.retries, random),
        }
    }

    /// Takes a retry out of a profile's budget, if it can be made.
    fn withdraw(
        &self,
        cx: &mut Cx<'_, '_>,
        plan: &Plan,
        rule: &RuleUse,
        exchange: &Exchange,
        attempt: &Attempt,
    ) -> bool {
        let Some(stack) = plan.stack(exchange.version == HttpVersion::Http2) else { return false };
        let Some(series) = rule.profile else { return false };
        let budget = || stack.budget.borrow_mut().as_mut().is_some_and(|budget| budget.withdraw(cx.now()));
        let kind = if !attempt.replayable {
            RetryKind::BodyTooLarge
        } else if budget() {
            RetryKind::Retried
        } else {
            RetryKind::NoBudget
        };
        *cx.shared.metrics.profile_retries[series.retries].retryable.at(kind) += 1;
        kind == RetryKind::Retried
    }
}
