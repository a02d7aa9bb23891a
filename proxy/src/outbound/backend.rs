//! A backend at work: its endpoints, who of them is chosen, and who waits for one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use proxy_net::backoff::Backoff;
use proxy_net::balance::{Candidates, EwmaConfig, Locality, PeakEwma, PenaltyConfig};
use proxy_net::breaker::{Breaker, BreakerConfig, Pass, RetryAfter, SuccessRate};
use proxy_net::engine::{ConnId, EndpointId, ExchangeId, Load};
use slab::Slab;

use super::endpoint::Unusable;
use crate::metrics::{Balancer, Id, Requests, TransferCost, Transport};
use crate::model::endpoint::Locality as Zone;
use crate::model::outbound::{Backend as Model, BackendKind, FailureAccrual};
use crate::model::{Endpoint, Meta};

/// What makes two backends the same. Those that are share endpoints and their connections.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) model: Arc<Model>,
    pub(super) accrual: Option<FailureAccrual>,
    pub(super) parent: Meta,
    pub(super) flavor: Flavor,
}

/// What is sent to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Flavor {
    /// Requests.
    Http,
    /// Connections of octets.
    Tcp,
    /// Connections of TLS that is passed on.
    Tls,
}

/// A backend and its state.
pub(super) struct Backend {
    pub(super) key: Key,
    /// Held by whoever may choose from it; with the last of them it is idle.
    pub(super) users: Rc<()>,
    pub(super) idle_since: Option<Instant>,
    pub(super) ewma: EwmaConfig,
    pub(super) breaker: Option<BreakerConfig>,
    pub(super) members: Slab<Member>,
    by_addr: AHashMap<SocketAddr, usize>,
    /// Members by position, as `candidates` knows them.
    order: Vec<usize>,
    candidates: Candidates,
    pub(super) waiting: VecDeque<Waiter>,
    /// Since nobody in it could take anything, and somebody has waited for too long.
    pub(super) shut_since: Option<Instant>,
    /// Whether discovery has said anything.
    pub(super) known: Known,
    /// When it last did.
    pub(super) answered: Option<Instant>,
    pub(super) metrics: Id<Balancer>,
    next_serial: u64,
}

/// What discovery has said of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing yet.
    Nothing,
    /// It exists.
    Exists,
    /// It does not.
    Missing,
}

/// An endpoint of a backend.
pub(super) struct Member {
    /// The engine's name for it; none where it cannot be spoken to.
    pub(super) id: Result<EndpointId, Unusable>,
    pub(super) endpoint: Arc<Endpoint>,
    /// Tells it from one that was in its place before.
    pub(super) serial: u64,
    pub(super) estimate: PeakEwma,
    pub(super) breaker: Option<Breaker>,
    /// When connections were begun, so that their latency is known.
    pub(super) dialing: VecDeque<Instant>,
    pub(super) last_error: Option<(Instant, proxy_net::engine::ConnectError)>,
    /// Its connections.
    pub(super) open: u32,
    pub(super) requests: Id<Requests>,
    pub(super) transport: Id<Transport>,
    pub(super) sent: Id<TransferCost>,
    pub(super) received: Id<TransferCost>,
}

/// Who is to be told when an endpoint is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiter {
    Exchange(ExchangeId),
    Conn(ConnId),
}

/// Names a member while it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemberRef {
    pub(super) backend: usize,
    pub(super) member: usize,
    pub(super) serial: u64,
}

/// Connections whose beginning is remembered; more than that at a time say nothing new about latency.
const DIALING_MAX: usize = 64;

// === impl Backend ===

impl Backend {
    pub(super) fn new(key: Key) -> Self {
        let load = match &key.model.kind {
            BackendKind::Balance { load, .. } => *load,
            BackendKind::Forward(_) | BackendKind::None => crate::model::outbound::Load::DEFAULT,
        };
        let penalty = load.penalty.map(|it| PenaltyConfig {
            penalty: it.penalty,
            decay: it.decay,
            max_retry_after: it.max_retry_after,
        });
        Self {
            users: Rc::new(()),
            idle_since: None,
            ewma: EwmaConfig { default_rtt: load.default_rtt, decay: load.decay, penalty },
            breaker: key.breaker(),
            members: Slab::new(),
            by_addr: AHashMap::new(),
            order: Vec::new(),
            candidates: Candidates::default(),
            waiting: VecDeque::new(),
            shut_since: None,
            known: Known::Nothing,
            answered: None,
            metrics: Id::default(),
            next_serial: 0,
            key,
        }
    }

    /// Whether it is one endpoint that is spoken to whatever its state, as if there were no proxy.
    pub(super) fn is_forward(&self) -> bool {
        matches!(self.key.model.kind, BackendKind::Forward(_))
    }

    /// The serial number of the next member.
    pub(super) fn serial(&mut self) -> u64 {
        self.next_serial += 1;
        self.next_serial
    }

    /// Takes a member in; the candidates are to be [rebuilt](Self::rebuild) afterwards.
    pub(super) fn insert(&mut self, member: Member) -> usize {
        let addr = member.endpoint.addr;
        let key = self.members.insert(member);
        self.by_addr.insert(addr, key);
        key
    }

    /// The member at an address.
    pub(super) fn at(&self, addr: SocketAddr) -> Option<usize> {
        self.by_addr.get(&addr).copied()
    }

    /// Takes a member out; the candidates are to be [rebuilt](Self::rebuild) afterwards.
    pub(super) fn remove(&mut self, key: usize) -> Option<Member> {
        let member = self.members.try_remove(key)?;
        self.by_addr.remove(&member.endpoint.addr);
        Some(member)
    }

    /// Addresses of all members.
    pub(super) fn addrs(&self) -> impl Iterator<Item = (SocketAddr, usize)> + '_ {
        self.by_addr.iter().map(|(addr, key)| (*addr, *key))
    }

    /// Takes changes of the members into account.
    pub(super) fn rebuild(&mut self) {
        self.order.clear();
        self.order.extend(self.members.iter().map(|(key, _)| key));
        let members = &self.members;
        let all = self.order.iter().map(|key| {
            let endpoint = &members[*key].endpoint;
            (endpoint.weight, locality(endpoint.locality))
        });
        self.candidates = Candidates::new(all);
    }

    /// The member that the next request or connection goes to, if one is ready. `load` tells what the engine knows of an endpoint.
    pub(super) fn pick(&self, now: Instant, seed: u64, load: impl Fn(EndpointId) -> Load) -> Option<usize> {
        if self.is_forward() {
            return self.members.iter().next().filter(|(_, member)| member.id.is_ok()).map(|(key, _)| key);
        }
        let of = |position: usize, share: f32| {
            let member = &self.members[self.order[position]];
            let id = member.id.ok()?;
            let load = load(id);
            if !load.ready || member.breaker.as_ref().is_some_and(|breaker| !breaker.is_ready(now)) {
                return None;
            }
            Some(match self.key.flavor {
                Flavor::Http => member.estimate.load(&self.ewma, now, load.requests, share),
                Flavor::Tcp | Flavor::Tls => {
                    member.estimate.connect_load(&self.ewma, now, load.requests, share)
                }
            })
        };
        self.candidates.pick(seed, of).map(|position| self.order[position])
    }

    /// Whether so many endpoints are in use that one more may be shut out.
    pub(super) fn may_shut(&self, except: usize) -> bool {
        let Some(floor) = self.key.accrual.map(|accrual| accrual.min_ready).filter(|floor| *floor > 0) else {
            return true;
        };
        let open = |(key, member): &(usize, &Member)| {
            *key != except && !member.breaker.as_ref().is_some_and(Breaker::is_shut)
        };
        self.members.iter().filter(open).count() >= floor as usize
    }

    /// When the next endpoint that is shut out may be tried.
    pub(super) fn next_trial(&self) -> Option<Instant> {
        self.members.iter().filter_map(|(_, member)| member.breaker.as_ref()?.shut_until()).min()
    }

    /// Lets a request or connection through to a member.
    pub(super) fn enter(&mut self, member: usize, now: Instant) -> Pass {
        match (self.members[member].breaker.as_mut(), &self.breaker) {
            (Some(breaker), Some(config)) => breaker.enter(config, now),
            _ => Pass::Ordinary,
        }
    }

    /// The member that is still the one that was meant.
    pub(super) fn member_mut(&mut self, at: MemberRef) -> Option<&mut Member> {
        self.members.get_mut(at.member).filter(|member| member.serial == at.serial)
    }

    /// Whether it is one that this version cannot reach.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self.key.model.kind, BackendKind::None)
    }

    /// Why nothing of it is ready, for people.
    pub(super) fn why_unready(&self) -> &'static str {
        let all = |why: Unusable| self.members.iter().all(|(_, member)| member.id.err() == Some(why));
        match self.known {
            Known::Nothing => "its endpoints are not known yet",
            Known::Missing => "it does not exist",
            Known::Exists if self.members.is_empty() => "it has no endpoints",
            Known::Exists if all(Unusable::NoIdentity) => "the proxy has no identity yet",
            Known::Exists if all(Unusable::Loopback) => "its endpoints are on loopback",
            Known::Exists
                if self.members.iter().all(|(_, it)| it.breaker.as_ref().is_some_and(Breaker::is_shut)) =>
            {
                "all its endpoints are shut out for their failures"
            }
            Known::Exists => "its endpoints cannot be connected to",
        }
    }

    /// How long something waits for an endpoint.
    pub(super) fn failfast(&self) -> Duration {
        self.key.model.queue.failfast
    }

    /// Whether one more may wait.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < self.key.model.queue.capacity as usize
    }
}

// === impl Key ===

impl Key {
    fn breaker(&self) -> Option<BreakerConfig> {
        // One endpoint alone is not shut out: there is nobody else.
        if !matches!(self.model.kind, BackendKind::Balance { .. }) || self.flavor != Flavor::Http {
            return None;
        }
        let accrual = self.accrual?;
        let backoff = accrual.backoff;
        Some(BreakerConfig {
            consecutive: accrual.consecutive.map(NonZeroU32::get),
            success_rate: accrual.success_rate.map(|rate| SuccessRate {
                threshold: rate.threshold,
                min_requests: rate.min_requests,
                window: rate.decay,
            }),
            backoff: Backoff::new(backoff.min, backoff.max, f64::from(backoff.jitter)).unwrap_or_default(),
            retry_after: if backoff.respect_hint { RetryAfter::Respected } else { RetryAfter::Ignored },
        })
    }
}

// === impl Member ===

impl Member {
    /// A connection to it was begun.
    pub(super) fn dial(&mut self, now: Instant) {
        if self.dialing.len() < DIALING_MAX {
            self.dialing.push_back(now);
        }
    }
}

// === helpers ===

fn locality(zone: Zone) -> Locality {
    match zone {
        Zone::Local => Locality::Local,
        Zone::Remote => Locality::Remote,
        Zone::Unknown => Locality::Unknown,
    }
}
