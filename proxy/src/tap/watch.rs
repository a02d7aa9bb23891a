//! A watcher as workers see it, and what a worker remembers of a request that is watched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use linkerd2_proxy_api::http_types::Headers;
use linkerd2_proxy_api::tap::tap_event::http::{Event as HttpEvent, StreamId};
use linkerd2_proxy_api::tap::{TapEvent, eos};
use proxy_net::engine::handler::{Failure, Summary};
use proxy_net::headers::HeaderList;
use tokio::sync::{Notify, mpsc};

use super::event;
use super::filter::{Filter, Later, Observed};
use crate::metrics::{ClientTls, ServerTls};
use crate::model::Labels;

/// Requests that one watcher is shown in a second, over all workers.
const MAX_RATE: u32 = 1000;
/// Requests of one watcher that are held until their end is known, over all workers.
const MAX_HELD: usize = 1024;
/// RFC 9113 §7.
const INTERNAL_ERROR: u32 = 2;
const CANCEL: u32 = 8;

/// One watcher.
#[derive(Debug)]
pub struct Tap {
    pub(super) id: u64,
    filter: Filter,
    extract: bool,
    sender: mpsc::Sender<TapEvent>,
    /// Requests that may still be shown.
    remaining: AtomicU32,
    /// The second since `started` in the upper half, how many were shown in it in the lower.
    rate: AtomicU64,
    started: Instant,
    held: AtomicUsize,
    counters: Arc<Counters>,
    /// Told when nothing remains.
    pub(super) exhausted: Notify,
}

/// What taps of a process have sent.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) events: AtomicU64,
    pub(super) dropped: AtomicU64,
}

/// The watchers that a worker knows.
#[derive(Debug)]
pub struct Taps {
    active: Arc<[Arc<Tap>]>,
    /// Tells streams of this worker from those of others.
    base: u32,
    next: u64,
}

/// A request that somebody watches.
#[derive(Debug)]
pub struct Tapped {
    id: StreamId,
    started: Instant,
    responded: Option<Instant>,
    later: Later,
    trailers: Option<Headers>,
    event: TapEvent,
    watchers: Vec<Watcher>,
}

#[derive(Debug)]
enum Watcher {
    /// Is shown every event as it happens.
    Shown(Arc<Tap>),
    /// Will be shown them all if the response turns out to be such as is wanted.
    Held(Arc<Tap>, Box<Held>),
}

/// What has to be kept of a request to decide later.
#[derive(Debug)]
struct Held {
    head: HeaderList,
    observed: OwnedObserved,
    response: Option<HttpEvent>,
}

#[derive(Debug)]
struct OwnedObserved {
    source: std::net::SocketAddr,
    destination: std::net::SocketAddr,
    direction: crate::metrics::Direction,
    destination_labels: Labels,
    route_labels: Labels,
}

// === impl Tap ===

impl Tap {
    pub(super) fn new(
        id: u64,
        filter: Filter,
        limit: u32,
        extract: bool,
        sender: mpsc::Sender<TapEvent>,
        counters: Arc<Counters>,
        now: Instant,
    ) -> Self {
        Self {
            id,
            filter,
            extract,
            sender,
            remaining: AtomicU32::new(limit),
            rate: AtomicU64::new(0),
            started: now,
            held: AtomicUsize::new(0),
            counters,
            exhausted: Notify::new(),
        }
    }

    /// Resolves when the watcher has gone.
    pub(super) async fn gone(&self) {
        self.sender.closed().await;
    }

    /// Takes one of the requests that may still be shown.
    fn take(&self, now: Instant) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        if !self.within_rate(now) {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        match self.remaining.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
            Ok(before) => {
                if before == 1 {
                    self.exhausted.notify_one();
                }
                true
            }
            Err(_) => false,
        }
    }

    fn within_rate(&self, now: Instant) -> bool {
        let second = now.saturating_duration_since(self.started).as_secs();
        let counted = |rate: u64| {
            let (then, count) = (rate >> 32, (rate & u64::from(u32::MAX)) as u32);
            match (then == second, count < MAX_RATE) {
                (true, true) => Some(rate + 1),
                (true, false) => None,
                (false, _) => Some((second << 32) | 1),
            }
        };
        self.rate.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted).is_ok()
    }

    fn send(&self, base: &TapEvent, event: HttpEvent) {
        let counter = match self.sender.try_send(event::with(base, event)) {
            Ok(()) => &self.counters.events,
            Err(_) => &self.counters.dropped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

// === impl Taps ===

impl Taps {
    /// No watchers. `base` is a random number of this worker.
    pub fn new(base: u32) -> Self {
        Self { active: Arc::new([]), base, next: 0 }
    }

    /// These watchers, as the message says.
    pub fn replace(&mut self, taps: Arc<[Arc<Tap>]>) {
        self.active = taps;
    }

    /// Whether somebody watches.
    #[inline]
    pub fn is_watched(&self) -> bool {
        !self.active.is_empty()
    }

    /// A request is about to be sent on; none where nobody wants to see it.
    #[inline]
    pub fn request(
        &mut self,
        now: Instant,
        observed: &Observed<'_>,
        head: &HeaderList,
    ) -> Option<Box<Tapped>> {
        if self.active.is_empty() { None } else { self.watched(now, observed, head) }
    }

    #[cold]
    fn watched(&mut self, now: Instant, observed: &Observed<'_>, head: &HeaderList) -> Option<Box<Tapped>> {
        let mut watchers = Vec::new();
        for tap in &*self.active {
            if tap.remaining.load(Ordering::Relaxed) == 0 {
                continue;
            }
            match tap.filter.request(observed, head) {
                Some(true) if tap.take(now) => watchers.push(Watcher::Shown(tap.clone())),
                Some(_) => {}
                None => watchers.extend(Watcher::hold(tap, observed, head)),
            }
        }
        if watchers.is_empty() {
            return None;
        }
        self.next += 1;
        let id = StreamId { base: self.base, stream: self.next };
        let tapped = Tapped {
            id,
            started: now,
            responded: None,
            later: Later::default(),
            trailers: None,
            event: event::base(observed),
            watchers,
        };
        for watcher in &tapped.watchers {
            if let Watcher::Shown(tap) = watcher {
                tap.send(&tapped.event, event::request(id, head, tap.extract));
            }
        }
        Some(Box::new(tapped))
    }
}

// === impl Watcher ===

impl Watcher {
    fn hold(tap: &Arc<Tap>, observed: &Observed<'_>, head: &HeaderList) -> Option<Self> {
        if tap.held.fetch_add(1, Ordering::Relaxed) >= MAX_HELD {
            tap.held.fetch_sub(1, Ordering::Relaxed);
            tap.counters.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let observed = OwnedObserved {
            source: observed.source,
            destination: observed.destination,
            direction: observed.direction,
            destination_labels: observed.destination_labels.clone(),
            route_labels: observed.route_labels.clone(),
        };
        Some(Self::Held(tap.clone(), Box::new(Held { head: head.clone(), observed, response: None })))
    }
}

// === impl OwnedObserved ===

impl OwnedObserved {
    /// TLS is in the events already, and no condition asks for it.
    fn borrow(&self) -> Observed<'_> {
        Observed {
            direction: self.direction,
            source: self.source,
            source_tls: ServerTls::Disabled,
            destination: self.destination,
            destination_tls: ClientTls::Disabled,
            destination_labels: &self.destination_labels,
            route_labels: &self.route_labels,
        }
    }
}

// === impl Tapped ===

impl Tapped {
    /// The head that the client gets, made elsewhere, or here for a reason.
    pub fn response(&mut self, now: Instant, head: &HeaderList, reason: Option<&str>) {
        let number = |name: &[u8]| std::str::from_utf8(head.value(name)?).ok()?.parse::<u16>().ok();
        self.responded = Some(now);
        self.later.status = number(b":status");
        self.later.latency = Some(now.saturating_duration_since(self.started));
        self.later.grpc = number(b"grpc-status");
        let since = now.saturating_duration_since(self.started);
        for watcher in &mut self.watchers {
            let extract = |tap: &Tap| event::response_headers(head, tap.extract, reason);
            let status = self.later.status.unwrap_or(0);
            match watcher {
                Watcher::Shown(tap) => {
                    tap.send(&self.event, event::response(self.id, since, status, extract(tap)));
                }
                Watcher::Held(tap, held) => {
                    held.response = Some(event::response(self.id, since, status, extract(tap)));
                }
            }
        }
        self.decide(now);
    }

    /// The trailers that the client gets.
    pub fn trailers(&mut self, trailers: &HeaderList) {
        let status = trailers.value(b"grpc-status").and_then(|value| std::str::from_utf8(value).ok());
        if let Some(status) = status.and_then(|status| status.parse().ok()) {
            self.later.grpc = Some(status);
        }
        self.trailers = Some(event::headers(trailers));
    }

    /// The exchange is over.
    pub fn end(mut self: Box<Self>, summary: &Summary) {
        let now = summary.ended;
        self.later.ended = true;
        self.decide(now);
        let end = match (summary.failure, self.later.grpc) {
            (Some(Failure::Reset(code)), _) => Some(eos::End::ResetErrorCode(code.0)),
            (Some(Failure::ClientGone), _) => Some(eos::End::ResetErrorCode(CANCEL)),
            (Some(_), _) => Some(eos::End::ResetErrorCode(INTERNAL_ERROR)),
            (None, Some(status)) => Some(eos::End::GrpcStatusCode(status.into())),
            (None, None) => None,
        };
        let since_request = now.saturating_duration_since(self.started);
        let since_response = self.responded.map(|at| now.saturating_duration_since(at));
        for watcher in &self.watchers {
            if let Watcher::Shown(tap) = watcher {
                let trailers = self.trailers.clone().filter(|_| tap.extract);
                let event = event::end(
                    self.id,
                    since_request,
                    since_response,
                    summary.response_octets,
                    end,
                    trailers,
                );
                tap.send(&self.event, event);
            }
        }
    }

    /// Shows what was held and is wanted, and lets go of what is not.
    fn decide(&mut self, now: Instant) {
        let Self { watchers, later, event, id, .. } = self;
        watchers.retain_mut(|watcher| {
            let Watcher::Held(tap, held) = watcher else { return true };
            let Some(wanted) = tap.filter.later(&held.observed.borrow(), &held.head, later) else {
                return true;
            };
            let tap = tap.clone();
            if !wanted || !tap.take(now) {
                return false;
            }
            tap.send(event, event::request(*id, &held.head, tap.extract));
            if let Some(response) = held.response.take() {
                tap.send(event, response);
            }
            *watcher = Watcher::Shown(tap);
            true
        });
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Self::Held(tap, _) = self {
            tap.held.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
