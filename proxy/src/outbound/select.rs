//! Choosing a backend of a rule and an endpoint of it, or waiting until one is ready.

use std::time::{Duration, Instant};

use proxy_net::breaker::Pass;

use super::Outbound;
use super::backend::{MemberRef, Waiter};
use super::plan::Uses;
use super::refusal::Refusal;
use crate::worker::Cx;

/// An endpoint was chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    /// Which of the rule's backends.
    pub(super) item: usize,
    pub(super) at: MemberRef,
}

/// No endpoint is ready.
#[derive(Debug)]
pub(super) enum NotNow {
    /// One may be within this time.
    Wait(Duration),
    /// Nobody waits for it.
    Never(Refusal),
}

impl Outbound {
    /// An endpoint for the next request or connection.
    pub(super) fn choose(&self, cx: &mut Cx<'_, '_>, uses: &Uses) -> Option<Chosen> {
        let (now, random) = (cx.now(), cx.ctl.random());
        let ctl = &*cx.ctl;
        let (item, at) = uses.choose(random, |item| {
            let backend = self.backends.get(item.backend)?;
            let member = backend.pick(now, random ^ 0x9e37_79b9_7f4a_7c15, |id| ctl.load(id))?;
            let serial = backend.members[member].serial;
            Some(MemberRef { backend: item.backend, member, serial })
        })?;
        Some(Chosen { item, at })
    }

    /// No endpoint is ready: waits for one, unless that has been tried for long enough. `since` is when the waiting began.
    pub(super) fn queue(
        &mut self,
        cx: &mut Cx<'_, '_>,
        uses: &Uses,
        waiter: Waiter,
        since: &mut Option<Instant>,
    ) -> NotNow {
        if uses.items.is_empty() {
            return NotNow::Never(Refusal::LoadShed("the route, which has none,".into()));
        }
        let now = cx.now();
        let is_new = since.is_none();
        let waited = now.saturating_duration_since(*since.get_or_insert(now));
        let mut left: Option<Duration> = None;
        let mut last = None;
        let mut is_full = false;
        for item in &uses.items {
            let Some(backend) = self.backends.get_mut(item.backend) else { continue };
            if backend.is_unreachable() {
                continue;
            }
            if !is_new {
                backend.waiting.retain(|other| *other != waiter);
            }
            let limit = backend.failfast();
            last = Some(item.backend);
            if backend.shut_since.is_some() {
                continue;
            }
            if waited >= limit {
                self.shut(cx, item.backend);
                continue;
            }
            if !backend.has_room() {
                is_full = true;
                continue;
            }
            let trial = backend.next_trial().map(|at| at.saturating_duration_since(now));
            let wait = trial.map_or(limit - waited, |trial| trial.min(limit - waited));
            left = Some(left.map_or(wait, |left| left.min(wait)));
            backend.waiting.push_back(waiter);
        }
        match (left, last) {
            // A timer of the engine counts in milliseconds.
            (Some(left), _) => NotNow::Wait(left.max(Duration::from_millis(1))),
            (None, None) => NotNow::Never(Refusal::NoBackend),
            (None, Some(index)) => {
                let which = self.describe(index);
                NotNow::Never(match (is_full, is_new) {
                    (true, _) => Refusal::QueueFull(which),
                    (false, true) => Refusal::LoadShed(which),
                    (false, false) => Refusal::FailFast(which),
                })
            }
        }
    }

    /// Something that waited does not any more.
    pub(super) fn leave(&mut self, uses: &Uses, waiter: Waiter) {
        for item in &uses.items {
            if let Some(backend) = self.backends.get_mut(item.backend) {
                backend.waiting.retain(|other| *other != waiter);
            }
        }
    }

    /// Lets something through to an endpoint that was chosen.
    pub(super) fn enter(&mut self, cx: &mut Cx<'_, '_>, at: MemberRef, since: Option<Instant>) -> Pass {
        let now = cx.now();
        let backend = &mut self.backends[at.backend];
        let metrics = &mut cx.shared.metrics.balancer[backend.metrics];
        metrics.queue_requests += 1;
        metrics
            .queue_latency
            .observe(since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)));
        if backend.shut_since.take().is_some() {
            metrics.gate_open += 1;
            let time = cx.shared.unix_seconds();
            cx.shared.metrics.balancer[backend.metrics].gate_open_time.0 = time;
        }
        backend.enter(at.member, now)
    }

    /// From now on nobody waits for this backend, until one of its endpoints is ready.
    fn shut(&mut self, cx: &mut Cx<'_, '_>, index: usize) {
        let now = cx.now();
        let backend = &mut self.backends[index];
        backend.shut_since = Some(now);
        let time = cx.shared.unix_seconds();
        let metrics = &mut cx.shared.metrics.balancer[backend.metrics];
        metrics.gate_shut += 1;
        metrics.gate_shut_time.0 = time;
        tracing::warn!(backend = %backend.key.model.meta, failfast = ?backend.failfast(), "no endpoint was ready; requests fail at once");
        self.ready(cx, index);
    }

    /// What people know a backend by, and why none of its endpoints is ready.
    fn describe(&self, index: usize) -> Box<str> {
        let Some(backend) = self.backends.get(index) else { return "the backend".into() };
        format!("{} ({})", backend.key.model.meta, backend.why_unready()).into()
    }
}
