//! A request of the application: from its head to an endpoint.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy_net::breaker::Pass;
use proxy_net::engine::{ConnId, ExchangeId, Forward, HttpVersion, Request, RequestStep, Timeouts, Woken};
use proxy_net::headers::HeaderList;
use proxy_net::http1::Upgrade;

use super::backend::{MemberRef, Waiter};
use super::conn::Conn;
use super::destination::DISCOVERY_TIMEOUT;
use super::endpoint::upstream;
use super::plan::{Kind, Plan, Router, RuleUse, Stack};
use super::refusal::{Asker, Refusal};
use super::select::NotNow;
use super::{Outbound, headers};
use crate::discovery::Target;
use crate::metrics::{ErrorLabels, RouteError};
use crate::model::outbound::{Retry, RetryOn, RuleTimeouts};
use crate::model::route::{Failure, Filter, Found, Parts};
use crate::model::{Endpoint, NameAddr};
use crate::worker::{Cx, Place};

/// Octets of a body that are kept for retries of a profile's route.
const PROFILE_RETRY_OCTETS: usize = 64 * 1024;
/// The port of an `l5d-dst-override` without one.
const OVERRIDE_PORT: u16 = 80;
/// Names that one worker remembers in ingress mode before it forgets how they were spelled.
const OVERRIDES_MAX: usize = 4096;

/// What is remembered of a request.
pub struct Exchange {
    pub(super) id: ExchangeId,
    pub(super) conn: ConnId,
    pub(super) plan: Option<Rc<Plan>>,
    /// In ingress mode: the destination that the request itself names, kept by the second part.
    pub(super) destination: Option<(usize, Rc<()>)>,
    pub(super) version: HttpVersion,
    /// Whether it came in and goes on by its name.
    is_gateway: bool,
    pub(super) is_upgrade: bool,
    absolute_form: bool,
    pub(super) asker: Asker,
    pub(super) arrived: Instant,
    /// Its rule, and the place of that in the stack.
    pub(super) found: Option<(Found, usize)>,
    pub(super) timeouts: RuleTimeouts,
    /// Until the response head, for profiles.
    pub(super) deadline: Option<Duration>,
    pub(super) retry: Option<Box<Retry>>,
    pub(super) profile_retry: bool,
    pub(super) retries: u32,
    /// Attempts that did not even reach an endpoint.
    pub(super) reconnects: u32,
    pub(super) attempt: Option<Try>,
    /// Since when it has waited for an endpoint.
    since: Option<Instant>,
    /// The head before an endpoint or backend had it changed.
    base: Option<Box<HeaderList>>,
    require_id: Option<Box<str>>,
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

// === impl Outbound ===

impl Outbound {
    /// A request's head is there.
    pub(crate) fn request(
        &mut self,
        cx: &mut Cx<'_, '_>,
        request: &Request,
        conn: &mut Conn,
        head: &mut HeaderList,
    ) -> (Exchange, RequestStep) {
        let mut exchange = Exchange::new(cx, request, request.version, head);
        let step = if cx.shared.config.outbound.ingress {
            self.ingress(cx, conn, &mut exchange, head)
        } else {
            exchange.plan = self.plan_of(conn);
            self.route(cx, &mut exchange, head)
        };
        (exchange, step)
    }

    /// A request that came in goes on by its name. `version` is what its client spoke before it was carried.
    pub(crate) fn request_by_name(
        &mut self,
        cx: &mut Cx<'_, '_>,
        request: &Request,
        version: HttpVersion,
        name: NameAddr,
        head: &mut HeaderList,
    ) -> (Exchange, RequestStep) {
        let mut exchange = Exchange::new(cx, request, version, head);
        exchange.is_gateway = true;
        exchange.asker.informed = true;
        let index = self.destination(cx, Target::Name(name));
        exchange.destination = Some((index, Rc::clone(&self.destinations[index].users)));
        let step = self.discovered(cx, &mut exchange, head);
        (exchange, step)
    }

    /// The newest plan of a connection that is one for requests.
    fn plan_of(&self, conn: &mut Conn) -> Option<Rc<Plan>> {
        let newest =
            conn.destination.as_ref().and_then(|(index, _)| self.destinations.get(*index)?.plan.as_ref());
        if let Some(newest) = newest
            && matches!(newest.kind, Kind::Http(_))
            && conn
                .plan
                .as_ref()
                .is_some_and(|plan| matches!(plan.kind, Kind::Http(_)) && !Rc::ptr_eq(plan, newest))
        {
            conn.plan = Some(Rc::clone(newest));
        }
        conn.plan.clone()
    }

    /// In ingress mode each request says where it goes.
    fn ingress(
        &mut self,
        cx: &mut Cx<'_, '_>,
        conn: &mut Conn,
        exchange: &mut Exchange,
        head: &mut HeaderList,
    ) -> RequestStep {
        let index = match head.value(headers::DST_OVERRIDE) {
            None => self.attach(cx, conn),
            Some(text) => match self.by_override.get(text).copied() {
                Some(index) => index,
                None => {
                    let name = std::str::from_utf8(text).ok();
                    let name = name.and_then(|name| NameAddr::parse_or_port(name.trim(), OVERRIDE_PORT).ok());
                    let Some(name) = name else {
                        return self.refuse_request(cx, exchange, Refusal::OverrideInvalid);
                    };
                    let text: Box<[u8]> = text.into();
                    let index = self.destination(cx, Target::Name(name));
                    if self.by_override.len() >= OVERRIDES_MAX {
                        self.by_override.clear();
                    }
                    self.by_override.insert(text, index);
                    index
                }
            },
        };
        head.remove(headers::DST_OVERRIDE);
        exchange.destination = Some((index, Rc::clone(&self.destinations[index].users)));
        self.discovered(cx, exchange, head)
    }

    /// Goes on if the destination that the request names is known.
    fn discovered(
        &mut self,
        cx: &mut Cx<'_, '_>,
        exchange: &mut Exchange,
        head: &mut HeaderList,
    ) -> RequestStep {
        let Some((index, _)) = &exchange.destination else { return self.route(cx, exchange, head) };
        let destination = &mut self.destinations[*index];
        match &destination.plan {
            Some(_) if exchange.is_gateway && destination.profile.found().is_none() => {
                self.refuse_request(cx, exchange, Refusal::GatewayDomain)
            }
            Some(plan) => {
                exchange.plan = Some(Rc::clone(plan));
                self.route(cx, exchange, head)
            }
            None => {
                destination.waiting.push(Waiter::Exchange(exchange.id));
                RequestStep::Wait { timeout: DISCOVERY_TIMEOUT }
            }
        }
    }

    /// A request that waited is asked about again.
    pub(crate) fn resumed(
        &mut self,
        cx: &mut Cx<'_, '_>,
        exchange: &mut Exchange,
        head: &mut HeaderList,
        why: Woken,
    ) -> RequestStep {
        if exchange.found.is_some() {
            if let Some(base) = &exchange.base {
                head.clone_from(base);
            }
            return self.dispatch(cx, exchange, head);
        }
        if why == Woken::TimedOut {
            return self.refuse_request(cx, exchange, Refusal::DiscoveryTimeout);
        }
        self.discovered(cx, exchange, head)
    }

    /// Finds the rule and does what it says.
    fn route(&mut self, cx: &mut Cx<'_, '_>, exchange: &mut Exchange, head: &mut HeaderList) -> RequestStep {
        let Some(plan) = exchange.plan.clone() else {
            return self.refuse_request(cx, exchange, Refusal::InvalidPolicy);
        };
        let stack = match (&plan.kind, plan.stack(exchange.version == HttpVersion::Http2)) {
            (Kind::Refuse(refusal), _) => {
                let refusal = refusal.clone();
                return self.refuse_request(cx, exchange, refusal);
            }
            (_, Some(stack)) => stack,
            (_, None) => return self.refuse_request(cx, exchange, Refusal::NotHttp),
        };
        let parts = Parts::of(head);
        let Some(found) = stack.find(&parts) else {
            return self.refuse_request(cx, exchange, Refusal::RouteNotFound);
        };
        exchange.found = Some((found, stack.index(found)));
        if let Err(refusal) = exchange.prepare(cx, stack, found, head) {
            return self.refuse_request(cx, exchange, refusal);
        }
        if self.in_flight >= self.max_in_flight {
            return self.refuse_request(cx, exchange, Refusal::TooManyInFlight);
        }
        self.in_flight += 1;
        exchange.in_flight = true;
        exchange.require_id = headers::take_required_id(head);
        if let Some(rule) = exchange.rule(&plan)
            && let Some(series) = rule.profile
        {
            cx.shared.metrics.requests[series.route].requests += 1;
            if let Some(budget) = stack.budget.borrow_mut().as_mut() {
                budget.deposit(cx.now());
            }
        }
        self.dispatch(cx, exchange, head)
    }

    /// Chooses an endpoint and sends the request there.
    fn dispatch(
        &mut self,
        cx: &mut Cx<'_, '_>,
        exchange: &mut Exchange,
        head: &mut HeaderList,
    ) -> RequestStep {
        let Some(plan) = exchange.plan.clone() else {
            return self.refuse_request(cx, exchange, Refusal::InvalidPolicy);
        };
        let is_http2 = exchange.version == HttpVersion::Http2;
        let (Some(stack), Some((found, _)), Some(rule)) =
            (plan.stack(is_http2), exchange.found, exchange.rule(&plan))
        else {
            return self.refuse_request(cx, exchange, Refusal::RouteNotFound);
        };
        let Some(chosen) = self.choose(cx, &rule.uses) else {
            return self.wait(cx, exchange, rule);
        };
        let backend = &self.backends[chosen.at.backend];
        let member = &backend.members[chosen.at.member];
        let Ok(endpoint_id) = member.id else { return self.wait(cx, exchange, rule) };
        let endpoint = Arc::clone(&member.endpoint);
        if let Some(wanted) = &exchange.require_id
            && endpoint.tls.as_ref().is_none_or(|peer| peer.id.as_str() != &**wanted)
        {
            let refusal = Refusal::IdentityRequired(wanted.clone());
            return self.refuse_request(cx, exchange, refusal);
        }
        let filters = stack.backend_filters(found, chosen.item);
        if !filters.is_empty() || endpoint.authority.is_some() {
            exchange.base.get_or_insert_with(|| Box::new(head.clone()));
        }
        if let Err(refusal) = apply(cx, filters, found, head) {
            return self.refuse_request(cx, exchange, refusal);
        }
        let pass = self.enter(cx, chosen.at, exchange.since.take());
        let has_host = head.value(b":authority").is_some_and(|authority| !authority.is_empty());
        let (protocol, is_carried) = upstream(&endpoint, exchange.version, exchange.is_upgrade, has_host);
        exchange.address(head, stack, &endpoint, is_carried);
        let now = cx.now();
        exchange.attempt = Some(Try {
            at: chosen.at,
            item: chosen.item,
            pass,
            started: now,
            is_judged: false,
            is_recorded: false,
        });
        exchange.outcome = Outcome::default();
        let metrics = &mut cx.shared.metrics;
        metrics.requests[self.backends[chosen.at.backend].members[chosen.at.member].requests].requests += 1;
        metrics.outbound_backend[rule.uses.items[chosen.item].metrics].requests += 1;
        if let Some(series) = rule.profile {
            metrics.requests[series.actual].requests += 1;
        }
        RequestStep::Forward(Forward {
            endpoint: endpoint_id,
            protocol,
            replay: exchange.replay(),
            timeouts: exchange.limits(now),
            hold_for_trailers: exchange.waits_for_trailers(),
        })
    }

    /// No endpoint is ready.
    fn wait(&mut self, cx: &mut Cx<'_, '_>, exchange: &mut Exchange, rule: &RuleUse) -> RequestStep {
        let mut since = exchange.since;
        let not_now = self.queue(cx, &rule.uses, Waiter::Exchange(exchange.id), &mut since);
        exchange.since = since;
        match not_now {
            NotNow::Wait(timeout) => RequestStep::Wait { timeout },
            NotNow::Never(refusal) => self.refuse_request(cx, exchange, refusal),
        }
    }

    /// Answers a request here.
    pub(super) fn refuse_request(
        &mut self,
        cx: &mut Cx<'_, '_>,
        exchange: &mut Exchange,
        refusal: Refusal,
    ) -> RequestStep {
        RequestStep::Reply(self.refusal(cx, exchange, &refusal))
    }

    /// The answer of a refusal, counted and logged.
    pub(super) fn refusal(
        &mut self,
        cx: &mut Cx<'_, '_>,
        exchange: &mut Exchange,
        refusal: &Refusal,
    ) -> Box<proxy_net::engine::Reply> {
        if refusal.is_error() {
            let now = cx.now();
            let labels = ErrorLabels::OutboundHttp { error: refusal.label() };
            cx.shared.metrics.errors.once(&labels, now).errors += 1;
            let destination = exchange.plan.as_ref().map(|plan| plan.parent.to_string());
            tracing::info!(
                destination,
                reason = refusal.label(),
                status = refusal.status(),
                "{}",
                refusal.text()
            );
        }
        let reply = refusal.reply(exchange.asker);
        exchange.outcome = Outcome {
            status: Some(reply.status),
            grpc: reply.grpc.as_ref().map(|(code, _)| u16::from(*code)),
            error: refusal.route_error(),
            is_refused: true,
        };
        reply
    }

    /// Where a request goes, for those who watch.
    pub(crate) fn place(&self, exchange: &Exchange) -> Option<Place> {
        let at = exchange.attempt?.at;
        let endpoint = &self.backends.get(at.backend)?.members.get(at.member)?.endpoint;
        let plan = exchange.plan.as_ref();
        let stack = plan.and_then(|plan| plan.stack(exchange.version == HttpVersion::Http2));
        let route = match (stack.map(|stack| &stack.router), exchange.found) {
            (Some(Router::Profile(profile)), Some((found, _))) => profile.routes.get(found.route),
            _ => None,
        };
        Some(Place {
            addr: endpoint.addr,
            peer: endpoint.tls.as_ref().map(|peer| peer.id.clone()),
            labels: endpoint.labels.clone(),
            route: route.map(|route| route.labels.clone()).unwrap_or_default(),
        })
    }

    /// A request that waited is over.
    pub(super) fn unqueue(&mut self, exchange: &Exchange) {
        if exchange.since.is_none() {
            return;
        }
        if let Some(plan) = &exchange.plan
            && let Some(rule) = exchange.rule(plan)
        {
            self.leave(&rule.uses, Waiter::Exchange(exchange.id));
        }
    }
}

// === impl Exchange ===

impl Exchange {
    fn new(cx: &Cx<'_, '_>, request: &Request, version: HttpVersion, head: &HeaderList) -> Self {
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

    /// Filters, time limits and retries of the rule.
    fn prepare(
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
        if policy.allow_headers {
            let mut retry = policy.retry.clone();
            headers::take_wishes(head, &mut self.timeouts, &mut retry);
            self.retry = retry.map(Box::new);
        } else if let Some(retry) = &policy.retry {
            self.retry = Some(Box::new(retry.clone()));
        }
        apply(cx, &policy.filters, found, head)
    }

    /// Says in the head where the request goes and what it was.
    fn address(&self, head: &mut HeaderList, stack: &Stack, endpoint: &Endpoint, is_carried: bool) {
        if let Some(canonical) = &stack.canonical {
            head.set(headers::DST_CANONICAL, canonical);
        }
        if let Some(authority) = &endpoint.authority {
            headers::override_authority(head, authority);
        }
        if is_carried {
            headers::set_orig_proto(head, self.version, self.absolute_form);
        } else if self.retries + self.reconnects > 0 {
            headers::remove_orig_proto(head);
        }
    }

    /// Octets of the body that are kept.
    fn replay(&self) -> usize {
        if self.is_upgrade {
            return 0;
        }
        match &self.retry {
            Some(retry) => retry.max_request_octets,
            None if self.profile_retry => PROFILE_RETRY_OCTETS,
            None => 0,
        }
    }

    fn limits(&self, now: Instant) -> Timeouts {
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
    fn waits_for_trailers(&self) -> bool {
        let by_policy = self.retry.as_ref().is_some_and(|retry| matches!(retry.on, RetryOn::Grpc(_)));
        self.asker.grpc && (by_policy || self.profile_retry)
    }
}

// === helpers ===

/// Does what filters say to a request.
fn apply(
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
