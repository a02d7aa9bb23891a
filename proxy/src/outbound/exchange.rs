//! What is remembered of a request, and what its rule makes of it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use proxy_net::breaker::Pass;
use proxy_net::engine::{ConnId, ExchangeId, HttpVersion, Request, Timeouts};
use proxy_net::headers::HeaderList;
use proxy_net::http1::Upgrade;

use super::backend::MemberRef;
use super::headers;
use super::plan::{Plan, Router, RuleUse, Stack};
use super::refusal::{Asker, Refusal};
use crate::metrics::{Id, OutboundRoute, RouteError};
use crate::model::Endpoint;
use crate::model::outbound::{Retry, RetryOn, RuleTimeouts};
use crate::model::route::{Failure, Filter, Found, Parts};
use crate::worker::Cx;

/// Octets of a body that are kept for retries of a profile's route.
const PROFILE_RETRY_OCTETS: usize = 64 * 1024;

/// What is remembered of a request.
pub struct Exchange {
    pub(super) id: ExchangeId,
    pub(super) conn: ConnId,
    pub(super) plan: Option<Rc<Plan>>,
    /// In ingress mode: the destination that the request itself names, kept by the second part.
    pub(super) destination: Option<(usize, Rc<()>)>,
    pub(super) version: HttpVersion,
    /// Whether it came in and goes on by its name.
    pub(super) is_gateway: bool,
    pub(super) is_upgrade: bool,
    absolute_form: bool,
    pub(super) asker: Asker,
    pub(super) arrived: Instant,
    /// Its rule, and the place of that in the stack.
    pub(super) found: Option<(Found, usize)>,
    /// The series of its host on the rule, where hosts are counted.
    pub(super) host: Option<Id<OutboundRoute>>,
    pub(super) timeouts: RuleTimeouts,
    /// Until the response head, for profiles.
    pub(super) deadline: Option<Duration>,
    pub(super) retry: Option<Rc<Retry>>,
    pub(super) profile_retry: bool,
    pub(super) retries: u32,
    /// Attempts that did not even reach an endpoint.
    pub(super) reconnects: u32,
    pub(super) attempt: Option<Try>,
    /// Since when it has waited for an endpoint.
    pub(super) since: Option<Instant>,
    /// The head before an endpoint or backend had it changed.
    pub(super) base: Option<Box<HeaderList>>,
    pub(super) require_id: Option<Box<str>>,
    /// Whether it counts as in flight.
    pub(super) in_flight: bool,
    pub(super) outcome: Outcome,
}

/// One attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    pub(super) at: MemberRef,
    pub(super) item: usize,
    pub(super) pass: Pass,
    pub(super) started: Instant,
    /// Whether the breaker knows its outcome.
    pub(super) is_judged: bool,
    /// Whether the series have it.
    pub(super) is_recorded: bool,
}

/// What became of it so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    pub(super) status: Option<u16>,
    pub(super) grpc: Option<u16>,
    pub(super) error: Option<RouteError>,
    /// Whether the proxy answered itself.
    pub(super) is_refused: bool,
}

// === impl Exchange ===

impl Exchange {
    pub(super) fn new(cx: &Cx<'_, '_>, request: &Request, version: HttpVersion, head: &HeaderList) -> Self {
        let is_grpc = version == HttpVersion::Http2 && headers::is_grpc(head);
        Self {
            id: request.id,
            conn: request.conn,
            plan: None,
            destination: None,
            version,
            is_gateway: false,
            is_upgrade: request.upgrade != Upgrade::None,
            absolute_form: request.absolute_form,
            asker: Asker { grpc: is_grpc, informed: cx.shared.config.outbound.informational_headers },
            arrived: request.at,
            found: None,
            host: None,
            timeouts: RuleTimeouts::default(),
            deadline: None,
            retry: None,
            profile_retry: false,
            retries: 0,
            reconnects: 0,
            attempt: None,
            since: None,
            base: None,
            require_id: None,
            in_flight: false,
            outcome: Outcome::default(),
        }
    }

    /// The rule in a plan.
    pub(super) fn rule<'p>(&self, plan: &'p Plan) -> Option<&'p RuleUse> {
        let (_, index) = self.found?;
        plan.stack(self.version == HttpVersion::Http2)?.rules.get(index)
    }

    /// The series of the rule that it counts for.
    pub(super) fn series(&self, rule: &RuleUse) -> Id<OutboundRoute> {
        self.host.unwrap_or(rule.metrics)
    }

    /// Filters, time limits and retries of the rule.
    pub(super) fn prepare(
        &mut self,
        cx: &mut Cx<'_, '_>,
        stack: &Stack,
        found: Found,
        head: &mut HeaderList,
    ) -> Result<(), Refusal> {
        if let Router::Profile(profile) = &stack.router {
            if let Some(route) = profile.routes.get(found.route) {
                self.deadline = route.timeout;
                self.profile_retry = route.is_retryable && profile.budget.is_some();
            }
            return Ok(());
        }
        let Some(policy) = stack.policy(found) else { return Ok(()) };
        self.timeouts = policy.timeouts;
        self.retry.clone_from(&stack.rules[stack.index(found)].retry);
        if policy.allow_headers && headers::has_wishes(head) {
            let mut retry = policy.retry.clone();
            headers::take_wishes(head, &mut self.timeouts, &mut retry);
            self.retry = retry.map(Rc::new);
        }
        apply(cx, &policy.filters, found, head)
    }

    /// Says in the head where the request goes and what it was.
    pub(super) fn address(
        &self,
        head: &mut HeaderList,
        stack: &Stack,
        endpoint: &Endpoint,
        is_carried: bool,
    ) {
        if let Some(canonical) = &stack.canonical {
            head.set(headers::DST_CANONICAL, canonical);
        }
        if let Some(authority) = &endpoint.authority {
            headers::override_authority(head, authority);
        }
        if is_carried {
            headers::set_orig_proto(head, self.version, self.absolute_form);
            headers::set_host(head, endpoint.addr);
        } else if self.retries + self.reconnects > 0 {
            headers::remove_orig_proto(head);
        }
    }

    /// Octets of the body that are kept.
    pub(super) fn replay(&self) -> usize {
        if self.is_upgrade {
            return 0;
        }
        match &self.retry {
            Some(retry) => retry.max_request_octets,
            None if self.profile_retry => PROFILE_RETRY_OCTETS,
            None => 0,
        }
    }

    pub(super) fn limits(&self, now: Instant) -> Timeouts {
        let per_try = self.retry.as_ref().filter(|retry| self.retries < retry.max_retries);
        let left = self.deadline.map(|deadline| {
            let passed = now.saturating_duration_since(self.arrived);
            deadline.saturating_sub(passed).max(Duration::from_millis(1))
        });
        Timeouts {
            request: self.timeouts.request,
            response: self.timeouts.response,
            response_headers: per_try.and_then(|retry| retry.timeout).or(left),
            idle: self.timeouts.idle,
        }
    }

    /// Whether the status is in the trailers and decides about another attempt.
    pub(super) fn waits_for_trailers(&self) -> bool {
        let by_policy = self.retry.as_ref().is_some_and(|retry| matches!(retry.on, RetryOn::Grpc(_)));
        self.asker.grpc && (by_policy || self.profile_retry)
    }
}

// === helpers ===

/// Does what filters say to a request.
pub(super) fn apply(
    cx: &mut Cx<'_, '_>,
    filters: &[Filter],
    found: Found,
    head: &mut HeaderList,
) -> Result<(), Refusal> {
    for filter in filters {
        match filter {
            Filter::Request(modifier) => modifier.apply(head),
            Filter::Response(_) => {}
            Filter::Fail(injector) => {
                if injector.ratio.hits(cx.ctl.random()) {
                    return Err(match &injector.failure {
                        Failure::Http(status, text) => Refusal::Injected(*status, text.clone()),
                        Failure::Grpc(code, text) => Refusal::InjectedGrpc(*code, text.clone()),
                    });
                }
            }
            Filter::Redirect(redirect) => match redirect.location(&Parts::of(head), found.prefix) {
                Ok(Some(location)) => return Err(Refusal::Redirected(redirect.status, location)),
                Ok(None) => {}
                Err(_) => return Err(Refusal::RedirectInvalid),
            },
        }
    }
    Ok(())
}
