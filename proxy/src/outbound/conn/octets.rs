//! Connections whose octets are passed on as they are: TLS by its server name, and what is not HTTP.

use proxy_net::engine::{EndpointId, Progress, Step};

use super::{Conn, Stage};
use crate::metrics::CloseError;
use crate::model::outbound::StreamFilter;
use crate::outbound::Outbound;
use crate::outbound::backend::{MemberRef, Waiter};
use crate::outbound::hosts::Passing;
use crate::outbound::plan::{Kind, StreamPlan};
use crate::outbound::refusal::Refusal;
use crate::outbound::select::NotNow;
use crate::worker::Cx;

// === impl Outbound ===

impl Outbound {
    /// What its first octets are, where TLS is looked for.
    pub(super) fn sniffed(&mut self, cx: &mut Cx<'_, '_>, conn: &mut Conn, event: &Progress<'_>) -> Step {
        let Some(plan) = conn.plan.clone() else {
            return self.refuse(cx, conn, "no plan", CloseError::Unknown);
        };
        let is_tls = matches!(event, Progress::Hello { .. });
        if let Progress::Hello { sni: Some(sni) } = event {
            conn.sni = Some((*sni).into());
        }
        let stream = match &plan.kind {
            Kind::Tls(tls) => conn.sni.as_deref().and_then(|sni| tls.find(sni)),
            _ => plan.stream(),
        };
        if is_tls {
            let now = cx.now();
            let passing = Passing::new(cx, &plan, stream, conn.sni.as_deref(), now);
            conn.passing = Some(Box::new(passing));
        }
        match (&plan.kind, event) {
            (Kind::Tls(_), Progress::Hello { sni: Some(_) }) => self.tls(cx, conn),
            (Kind::Tls(_), Progress::Hello { sni: None }) => {
                self.refuse(cx, conn, "tls without a server name", CloseError::Unknown)
            }
            (Kind::Tls(_), Progress::NotTls) => self.refuse(cx, conn, "not tls", CloseError::Unknown),
            (Kind::Tls(_), _) => self.refuse(cx, conn, "tls detection timeout", CloseError::Unknown),
            (_, _) => self.again(cx, conn),
        }
    }

    /// TLS whose server name is known.
    fn tls(&mut self, cx: &mut Cx<'_, '_>, conn: &mut Conn) -> Step {
        let Some(plan) = conn.plan.clone() else {
            return self.refuse(cx, conn, "no plan", CloseError::Unknown);
        };
        let Kind::Tls(tls) = &plan.kind else { return self.refuse(cx, conn, "not tls", CloseError::Unknown) };
        match conn.sni.as_deref().and_then(|sni| tls.find(sni)) {
            Some(stream) => self.stream(cx, conn, stream),
            None => self.refuse(cx, conn, "route not found", CloseError::Unknown),
        }
    }

    /// Octets: to an endpoint, or into the queue.
    pub(super) fn stream(&mut self, cx: &mut Cx<'_, '_>, conn: &mut Conn, stream: &StreamPlan) -> Step {
        if let Some(filter) = stream.closed {
            return self.forbid(cx, conn, stream, filter);
        }
        let Some(chosen) = self.choose(cx, &stream.uses) else {
            conn.stage = Stage::Queued;
            let mut since = conn.since;
            let not_now = self.queue(cx, &stream.uses, Waiter::Conn(conn.id), &mut since);
            conn.since = since;
            return match not_now {
                NotNow::Wait(timeout) => Step::Wait { timeout },
                NotNow::Never(refusal) => {
                    conn.route = Some(stream.metrics);
                    let label = refusal.label();
                    tracing::info!(destination = %conn.target, reason = label, "{}", refusal.text());
                    self.refuse(cx, conn, label, CloseError::Unknown)
                }
            };
        };
        if let Some(filter) = stream.uses.items[chosen.item].closed {
            return self.forbid(cx, conn, stream, filter);
        }
        match self.dial(cx, chosen.at) {
            Some(endpoint) => {
                conn.stage = Stage::Tunnel;
                self.opened(cx, conn, stream, chosen.at);
                Step::Tunnel { endpoint, idle: None }
            }
            None => self.refuse(cx, conn, "endpoint cannot be used", CloseError::Io),
        }
    }

    /// What waited for an endpoint tries again.
    pub(super) fn again(&mut self, cx: &mut Cx<'_, '_>, conn: &mut Conn) -> Step {
        match conn.plan.clone() {
            Some(plan) if matches!(plan.kind, Kind::Tls(_)) => self.tls(cx, conn),
            Some(plan) => match plan.stream() {
                Some(stream) => self.stream(cx, conn, stream),
                None => self.refuse(cx, conn, "not http", CloseError::Unknown),
            },
            None => self.refuse(cx, conn, "no plan", CloseError::Unknown),
        }
    }

    /// A connection to an endpoint begins.
    pub(super) fn dial(&mut self, cx: &mut Cx<'_, '_>, at: MemberRef) -> Option<EndpointId> {
        let now = cx.now();
        let member = self.backends.get_mut(at.backend)?.member_mut(at)?;
        member.dial(now);
        member.id.ok()
    }

    pub(super) fn opened(
        &mut self,
        cx: &mut Cx<'_, '_>,
        conn: &mut Conn,
        stream: &StreamPlan,
        at: MemberRef,
    ) {
        self.enter(cx, at, conn.since);
        conn.route = Some(stream.metrics);
        cx.shared.metrics.transport_route[stream.metrics].opened += 1;
    }

    fn forbid(
        &mut self,
        cx: &mut Cx<'_, '_>,
        conn: &mut Conn,
        stream: &StreamPlan,
        filter: StreamFilter,
    ) -> Step {
        conn.route = Some(stream.metrics);
        let (refusal, closed) = match filter {
            StreamFilter::Forbidden => (Refusal::Forbidden, CloseError::Forbidden),
            StreamFilter::Invalid => (Refusal::InvalidPolicy, CloseError::Invalid),
        };
        tracing::info!(destination = %conn.target, sni = conn.sni.as_deref(), reason = refusal.label(), "{}", refusal.text());
        self.refuse(cx, conn, refusal.label(), closed)
    }
}
