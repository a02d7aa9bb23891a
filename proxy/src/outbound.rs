//! The outbound side: connections and requests of the application on their way to an endpoint.
//!
//! A connection begins with its destination (`destination`), whose profile and policy become a `plan`. The plan says what is
//! spoken (`conn`), which rule a request follows (`request`), and which `backend`s there are; a backend chooses an
//! endpoint and takes the outcome (`response`) into account.

mod backend;
mod backends;
mod build;
mod classify;
mod conn;
mod destination;
mod dump;
mod endpoint;
mod exchange;
mod handshake;
mod headers;
mod hosts;
mod plan;
mod refusal;
mod request;
mod response;
mod retries;
mod select;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use ahash::AHashMap;
use proxy_net::engine::EndpointEvent;
use slab::Slab;

pub use conn::Conn;
pub use exchange::Exchange;
pub(crate) use hosts::tunneled;
pub(crate) use response::{data, trailers};

use backend::{Backend, MemberRef, Waiter};
use backends::Names;
use destination::{Destination, State};
use plan::Plan;

use crate::discovery::{Answer, Key, Target, Update};
use crate::metrics::Resource;
use crate::model::{FaultSet, Meta};
use crate::worker::{Cx, Shared};

/// Which endpoint of which backend; the engine keeps it for us.
#[derive(Clone, Copy, Debug)]
pub struct EndpointRef(MemberRef);

/// Everything outbound that a worker holds.
pub struct Outbound {
    destinations: Slab<Destination>,
    by_target: AHashMap<Target, usize>,
    /// In ingress mode: destinations by the octets of `l5d-dst-override` that led to them.
    by_override: AHashMap<Box<[u8]>, usize>,
    backends: Slab<Backend>,
    names: Names,
    /// What is held up or broken off on purpose.
    faults: Arc<FaultSet>,
    /// Plans that were replaced, until nothing uses them any more.
    retired: Vec<Rc<Plan>>,
    /// Requests without a response head.
    in_flight: usize,
    /// How many of these there may be.
    max_in_flight: usize,
}

// === impl Outbound ===

impl Outbound {
    pub(crate) fn new(shared: &Shared) -> Self {
        shared.discovery.watch(Key::Faults);
        Self {
            destinations: Slab::new(),
            by_target: AHashMap::new(),
            by_override: AHashMap::new(),
            backends: Slab::new(),
            names: Names::default(),
            faults: Arc::default(),
            retired: Vec::new(),
            in_flight: 0,
            max_in_flight: (shared.config.outbound.max_in_flight / shared.workers).max(1),
        }
    }

    /// The destination of a target, which is looked up if it is not known.
    fn destination(&mut self, cx: &mut Cx<'_, '_>, target: Target) -> usize {
        if let Some(index) = self.by_target.get(&target) {
            return *index;
        }
        if self.destinations.len() >= cx.shared.config.outbound.capacity {
            self.make_room(cx);
        }
        let has_profile = target.has_profile(&cx.shared.config.destination);
        if has_profile {
            cx.shared.discovery.watch(Key::Profile(target.clone()));
        }
        cx.shared.discovery.watch(Key::Outbound(target.clone()));
        let index = self.destinations.insert(Destination::new(target.clone(), has_profile, cx.now()));
        self.by_target.insert(target, index);
        index
    }

    /// Discovery has news.
    pub(crate) fn update(&mut self, cx: &mut Cx<'_, '_>, update: Update) {
        let index = match update {
            Update::Endpoints(name, update) => return self.update_endpoints(cx, &name, update),
            Update::Profile(target, answer) => self.told(&target, |it| it.profile = State::Known(answer)),
            Update::Outbound(target, answer) => self.told(&target, |it| it.policy = State::Known(answer)),
            Update::Faults(answer) => {
                self.faults = match answer {
                    Answer::Found(faults) => faults,
                    Answer::NotFound | Answer::Rejected(_) => Arc::default(),
                };
                None
            }
            Update::Inbound(..) | Update::Identity(_) => None,
        };
        if let Some(index) = index {
            self.destinations[index].answered = Some(cx.now());
            self.replan(cx, index);
        }
    }

    fn told(&mut self, target: &Target, set: impl FnOnce(&mut Destination)) -> Option<usize> {
        let index = *self.by_target.get(target)?;
        set(self.destinations.get_mut(index)?);
        Some(index)
    }

    /// Makes a plan of what is known, and wakes who waited for one.
    fn replan(&mut self, cx: &mut Cx<'_, '_>, index: usize) {
        if !self.destinations[index].is_complete() {
            return;
        }
        let plan = Rc::new(self.build(cx, index));
        let destination = &mut self.destinations[index];
        let old = destination.plan.replace(plan);
        for waiter in std::mem::take(&mut destination.waiting) {
            wake(cx, waiter);
        }
        self.retired.extend(old);
    }

    /// Something happened to an endpoint.
    pub(crate) fn endpoint(&mut self, cx: &mut Cx<'_, '_>, at: EndpointRef, event: EndpointEvent) {
        let EndpointRef(at) = at;
        let now = cx.now();
        let Some(backend) = self.backends.get_mut(at.backend) else { return };
        let ewma = backend.ewma;
        let Some(member) = backend.member_mut(at) else { return };
        let metrics = &mut cx.shared.metrics;
        let transport = &mut metrics.transport[member.transport];
        match event {
            EndpointEvent::Ready => self.ready(cx, at.backend),
            EndpointEvent::Unready(error) => {
                member.dialing.pop_front();
                member.last_error = Some((now, error));
                tracing::debug!(addr = %member.endpoint.addr, ?error, "endpoint cannot be connected to");
            }
            EndpointEvent::Opened => {
                transport.opened += 1;
                transport.open.0 += 1;
                member.open += 1;
                if let Some(began) = member.dialing.pop_front() {
                    member.estimate.observe(&ewma, now, now.saturating_duration_since(began));
                }
                self.ready(cx, at.backend);
            }
            EndpointEvent::Closed { errno } => {
                transport.open.0 -= 1;
                member.open = member.open.saturating_sub(1);
                *transport.closed.at(crate::metrics::Errno(errno)) += 1;
            }
            EndpointEvent::Octets { read, written } => {
                transport.read += read;
                transport.written += written;
                metrics.transfer_cost[member.received].octets += read;
                metrics.transfer_cost[member.sent].octets += written;
            }
        }
    }

    /// About once a second: lets go of what nobody has used for a while.
    pub(crate) fn tick(&mut self, cx: &mut Cx<'_, '_>) {
        let now = cx.now();
        let idle = cx.shared.config.outbound.discovery_idle;
        let retired = std::mem::take(&mut self.retired);
        for plan in retired {
            match Rc::try_unwrap(plan) {
                Ok(plan) => release(cx, &plan),
                Err(used) => self.retired.push(used),
            }
        }
        let mut gone = Vec::new();
        for (index, destination) in &mut self.destinations {
            let since = *destination.idle_since.get_or_insert(now);
            if destination.is_used() {
                destination.idle_since = None;
            } else if now.saturating_duration_since(since) >= idle {
                gone.push(index);
            }
        }
        for index in gone {
            self.forget(cx, index);
        }
        self.tick_backends(cx, idle);
    }

    /// Lets go of what has been idle the longest. What is used stays, beyond the capacity if need be.
    fn make_room(&mut self, cx: &mut Cx<'_, '_>) {
        let now = cx.now();
        let unused = self.destinations.iter().filter(|(_, destination)| !destination.is_used());
        let mut idle: Vec<(Instant, usize)> =
            unused.map(|(index, it)| (it.idle_since.unwrap_or(now), index)).collect();
        // Some at a time, so that looking for them costs little each.
        let count = (cx.shared.config.outbound.capacity / 64).max(1).min(idle.len());
        if count > 0 {
            idle.select_nth_unstable(count - 1);
        }
        for (_, index) in idle.into_iter().take(count) {
            self.forget(cx, index);
        }
    }

    fn forget(&mut self, cx: &mut Cx<'_, '_>, index: usize) {
        let Some(destination) = self.destinations.try_remove(index) else { return };
        self.by_target.remove(&destination.target);
        self.by_override.retain(|_, known| *known != index);
        self.retired.extend(destination.plan);
        if !matches!(destination.profile, State::Unasked) {
            cx.shared.discovery.forget(Key::Profile(destination.target.clone()));
        }
        cx.shared.discovery.forget(Key::Outbound(destination.target));
    }
}

// === helpers ===

fn wake(cx: &mut Cx<'_, '_>, waiter: Waiter) {
    match waiter {
        Waiter::Exchange(id) => cx.ctl.resume_exchange(id),
        Waiter::Conn(id) => cx.ctl.resume_conn(id),
    }
}

/// Gives back the series of a plan.
fn release(cx: &mut Cx<'_, '_>, plan: &Plan) {
    let now = cx.ctl.now();
    let metrics = &mut cx.shared.metrics;
    let registered = &plan.registered;
    let of_hosts = plan.stacks().flat_map(|stack| &stack.rules).flat_map(|rule| rule.hosts.ids());
    of_hosts.chain(registered.routes.iter().copied()).for_each(|id| metrics.outbound_route.release(id, now));
    registered.backends.iter().for_each(|id| metrics.outbound_backend.release(*id, now));
    registered.requests.iter().for_each(|id| metrics.requests.release(*id, now));
    registered.retries.iter().for_each(|id| metrics.profile_retries.release(*id, now));
    registered.streams.iter().for_each(|id| metrics.transport_route.release(*id, now));
    metrics.protocols.release(plan.protocol, now);
    metrics.detect.release(plan.detection, now);
}

/// A resource as metrics name it.
fn resource(meta: &Meta) -> Resource<'_> {
    Resource::from(meta)
}

#[cfg(test)]
mod tests;
