//! A request of the application: from its head to an endpoint.

use std::rc::Rc;
use std::sync::Arc;

use proxy_net::engine::{Forward, HttpVersion, Request, RequestStep, Woken};
use proxy_net::h2::error::ErrorCode;
use proxy_net::headers::HeaderList;

use super::backend::Waiter;
use super::conn::Conn;
use super::destination::DISCOVERY_TIMEOUT;
use super::endpoint::upstream;
use super::exchange::{Exchange, Outcome, Try, apply};
use super::plan::{Kind, Plan, Router, RuleUse, Stack};
use super::refusal::Refusal;
use super::select::NotNow;
use super::{Outbound, headers};
use crate::discovery::Target;
use crate::metrics::ErrorLabels;
use crate::model::NameAddr;
use crate::model::fault::Action;
use crate::model::route::{Found, Parts};
use crate::worker::{Cx, Place};

/// The port of an `l5d-dst-override` without one.
const OVERRIDE_PORT: u16 = 80;
/// Names that one worker remembers in ingress mode before it forgets how they were spelled.
const OVERRIDES_MAX: usize = 4096;

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
        if plan.names_hosts
            && let Some(rule) = exchange.rule(&plan).filter(|rule| rule.profile.is_none())
        {
            exchange.host = rule.hosts.series(cx, &plan, stack, found, parts.host);
        }
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
        match self.fault(cx, &plan, stack, found, head) {
            None => self.dispatch(cx, exchange, head),
            // The engine asks again when the time is over; the rule is known then.
            Some(Action::Delay(timeout)) => RequestStep::Wait { timeout },
            Some(Action::Reset) => RequestStep::Reset(ErrorCode::INTERNAL_ERROR),
        }
    }

    /// What is done to a request on purpose.
    fn fault(
        &self,
        cx: &mut Cx<'_, '_>,
        plan: &Plan,
        stack: &Stack,
        found: Found,
        head: &HeaderList,
    ) -> Option<Action> {
        if self.faults.is_empty() {
            return None;
        }
        let now = cx.shared.unix_seconds() as i64;
        let route = stack.route(found);
        let (action, source) = self.faults.draw(&plan.parent, route, head, now, || cx.ctl.random())?;
        tracing::debug!(?action, source, parent = %plan.parent, "a fault is injected");
        let now = cx.now();
        let labels = ErrorLabels::OutboundHttp { error: "fault injected" };
        cx.shared.metrics.errors.once(&labels, now).errors += 1;
        Some(action)
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
