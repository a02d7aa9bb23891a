//! Endpoints: their connections, and requests that wait for one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::arena::Key;
use super::conn::{Conn, Origin, Purpose, Stage};
use super::exchange::Phase;
use super::forward::control;
use super::timer::{Target, Timer};
use super::{
    ConnectError, Control, EndpointEvent, EndpointId, EndpointSpec, Engine, Failure, Handler, Load, Upstream,
};

/// An endpoint of this worker.
pub(super) struct Endpoint {
    pub(super) spec: EndpointSpec,
    pub(super) removed: bool,
    pub(super) requests: u32,
    pub(super) connections: u32,
    pub(super) ready: bool,
    /// Connections with HTTP/2 that take requests.
    pub(super) http2: Vec<Key>,
    /// Connections with HTTP/1 that wait for a request, the one that served last at the end.
    pub(super) idle: VecDeque<(Key, Instant)>,
    /// Streams that its last HTTP/2 connection allowed, for those that have not said so yet.
    pub(super) streams: Option<u32>,
    /// How many connections are being opened.
    pub(super) opening_http1: u32,
    pub(super) opening_http2: u32,
    /// Requests that wait for a connection.
    pub(super) waiting: VecDeque<Key>,
    /// Attempts to connect that failed since the last that did not.
    pub(super) failures: u32,
    pub(super) retry_at: Option<Instant>,
    pub(super) last_error: Option<ConnectError>,
    pub(super) timer: Timer,
    /// Octets since the last report.
    pub(super) read: u64,
    pub(super) written: u64,
}

/// A connection that lasts less than this is not opened again without a pause.
const SHORT_LIFE: Duration = Duration::from_secs(1);

// === impl Endpoint ===

impl Endpoint {
    pub(super) fn new(spec: EndpointSpec) -> Self {
        let ready = spec.eager.is_none();
        Self {
            spec,
            removed: false,
            requests: 0,
            connections: 0,
            ready,
            http2: Vec::new(),
            idle: VecDeque::new(),
            streams: None,
            opening_http1: 0,
            opening_http2: 0,
            waiting: VecDeque::new(),
            failures: 0,
            retry_at: None,
            last_error: None,
            timer: Timer::UNSET,
            read: 0,
            written: 0,
        }
    }

    pub(super) fn load(&self) -> Load {
        Load { ready: self.ready, requests: self.requests, connections: self.connections }
    }
}

// === impl Engine ===

impl<H: Handler> Engine<H> {
    /// A connection that can take a request now.
    pub(super) fn pick(&mut self, endpoint: Key, protocol: Upstream) -> Option<Key> {
        let place = self.core.endpoints.get_mut(endpoint)?;
        match protocol {
            Upstream::Http2 => {
                let most = self.core.config.max_http2_connections;
                let all = place.http2.len() + place.opening_http2 as usize;
                let mut stalled = None;
                for key in &place.http2 {
                    let Some(Conn { stage: Stage::Http2(http2), ending: None, .. }) =
                        self.core.conns.get(*key)
                    else {
                        continue;
                    };
                    if http2.codec.open_capacity() == 0 {
                        continue;
                    }
                    if !http2.codec.is_stalled() {
                        return Some(*key);
                    }
                    stalled.get_or_insert(*key);
                }
                // One that is stalled by flow control still takes a head; with room for another connection, that is better.
                stalled.filter(|_| all >= most)
            }
            Upstream::Http1 => {
                while let Some((key, _)) = place.idle.pop_back() {
                    let idle = self.core.conns.get(key).is_some_and(|conn| {
                        conn.ending.is_none()
                            && !conn.state.read_ended
                            && matches!(&conn.stage, Stage::Http1Client(client) if client.is_idle())
                    });
                    if idle {
                        return Some(key);
                    }
                }
                None
            }
            Upstream::Http1Once => None,
        }
    }

    /// Opens a connection if one is needed and none is on its way.
    pub(super) fn want(&mut self, endpoint: Key, protocol: Upstream) {
        let now = self.core.now;
        let most = self.core.config.max_http2_connections;
        let Some(place) = self.core.endpoints.get_mut(endpoint) else { return };
        if place.removed {
            return;
        }
        if let Some(at) = place.retry_at.filter(|at| *at > now) {
            self.core.wheel.set(&mut place.timer, at, Target::Endpoint(endpoint));
            return;
        }
        place.retry_at = None;
        match protocol {
            Upstream::Http2 => {
                if place.opening_http2 == 0 && place.http2.len() < most {
                    self.dial(endpoint, Purpose::Http2);
                }
            }
            Upstream::Http1 | Upstream::Http1Once => {
                let exchanges = &self.core.exchanges;
                let needed = place
                    .waiting
                    .iter()
                    .filter(|key| exchanges.get(**key).is_some_and(|one| one.protocol != Upstream::Http2))
                    .count();
                for _ in place.opening_http1 as usize..needed {
                    if self.dial(endpoint, Purpose::Http1).is_none() {
                        break;
                    }
                }
            }
        }
    }

    /// Fails requests that waited for the connection that did not come: all on HTTP/2, the first on HTTP/1.
    pub(super) fn fail_waiting(&mut self, endpoint: Key, error: ConnectError, most: usize) {
        let shared = most > 1;
        let mut failed = Vec::new();
        if let Some(place) = self.core.endpoints.get_mut(endpoint) {
            // With connections that are up, what waits will be served by those.
            if shared && !place.http2.is_empty() {
                return;
            }
            let exchanges = &self.core.exchanges;
            place.waiting.retain(|key| {
                let Some(exchange) = exchanges.get(*key).filter(|exchange| exchange.phase == Phase::Queued)
                else {
                    return false;
                };
                let take = failed.len() < most && super::forward::is_shared(exchange.protocol) == shared;
                if take {
                    failed.push(*key);
                }
                !take
            });
        }
        for key in failed {
            self.attempt_failed(key, Failure::Connect(error));
        }
    }

    /// An HTTP/1 connection can take a request.
    pub(super) fn http1_free(&mut self, endpoint: Key, key: Key) {
        let now = self.core.now;
        while let Some(place) = self.core.endpoints.get_mut(endpoint) {
            if place.removed {
                break;
            }
            let exchanges = &self.core.exchanges;
            let next = place.waiting.iter().position(|key| {
                exchanges
                    .get(*key)
                    .is_some_and(|one| one.phase == Phase::Queued && one.protocol != Upstream::Http2)
            });
            let Some(exchange) = next.and_then(|at| place.waiting.remove(at)) else {
                if place.idle.len() >= place.spec.http1_max_idle {
                    break;
                }
                let until = now + place.spec.http1_idle;
                place.idle.push_back((key, now));
                self.core.set_conn_deadline(key, Some(until));
                return;
            };
            let once =
                self.core.exchanges.get(exchange).is_some_and(|one| one.protocol == Upstream::Http1Once);
            if let Some(client) = self.http1_client(key) {
                if once && client.served > 0 {
                    // Not for one that has served: that request dials its own.
                    if let Some(place) = self.core.endpoints.get_mut(endpoint) {
                        place.waiting.push_front(exchange);
                    }
                    self.want(endpoint, Upstream::Http1Once);
                    break;
                }
                client.once = once;
            }
            self.core.set_conn_deadline(key, None);
            let Some(head) = self.core.exchanges.get_mut(exchange).map(|one| std::mem::take(&mut one.head))
            else {
                continue;
            };
            self.start(exchange, key, head);
            return;
        }
        self.core.drop_conn(key);
    }

    /// Starts requests that wait for HTTP/2, as far as there is room.
    pub(super) fn serve_waiting(&mut self, endpoint: Key) {
        loop {
            let Some(place) = self.core.endpoints.get_mut(endpoint) else { return };
            let exchanges = &self.core.exchanges;
            place.waiting.retain(|key| exchanges.get(*key).is_some_and(|one| one.phase == Phase::Queued));
            let next = place
                .waiting
                .iter()
                .position(|key| exchanges.get(*key).is_some_and(|one| one.protocol == Upstream::Http2));
            let Some(at) = next else { return };
            let Some(conn) = self.pick(endpoint, Upstream::Http2) else {
                self.want(endpoint, Upstream::Http2);
                return;
            };
            let Some(exchange) =
                self.core.endpoints.get_mut(endpoint).and_then(|place| place.waiting.remove(at))
            else {
                return;
            };
            if let Some(head) = self.core.exchanges.get_mut(exchange).map(|one| std::mem::take(&mut one.head))
            {
                self.start(exchange, conn, head);
            }
        }
    }

    /// The timer of an endpoint: the time of a backoff is over.
    pub(super) fn endpoint_timer(&mut self, endpoint: Key) {
        let now = self.core.now;
        let Some(place) = self.core.endpoints.get_mut(endpoint) else { return };
        place.timer = Timer::UNSET;
        if place.removed || place.retry_at.is_some_and(|at| at > now) {
            return;
        }
        place.retry_at = None;
        self.ensure(endpoint);
    }

    /// Opens what an endpoint needs: for requests that wait, or ahead of them.
    pub(super) fn ensure(&mut self, endpoint: Key) {
        let now = self.core.now;
        let Some(place) = self.core.endpoints.get(endpoint) else { return };
        let exchanges = &self.core.exchanges;
        let waits = |shared: bool| {
            place.waiting.iter().any(|key| {
                exchanges.get(*key).is_some_and(|one| super::forward::is_shared(one.protocol) == shared)
            })
        };
        let http2 = waits(true) || (place.spec.eager == Some(Upstream::Http2) && place.http2.is_empty());
        let idle = place.idle.is_empty() && place.opening_http1 == 0 && place.connections == 0;
        let ahead = matches!(place.spec.eager, Some(Upstream::Http1 | Upstream::Http1Once)) && idle;
        let http1 = waits(false);
        if http2 {
            self.want(endpoint, Upstream::Http2);
        }
        if http1 {
            self.want(endpoint, Upstream::Http1);
        } else if ahead {
            self.dial(endpoint, Purpose::Http1);
        }
        let Some(place) = self.core.endpoints.get_mut(endpoint) else { return };
        let may_dial = place.retry_at.is_none_or(|at| at <= now);
        if !http2 && !http1 && !ahead && !place.ready && may_dial {
            // Nobody needs it now; whoever does next finds out.
            place.ready = true;
            self.endpoint_event(endpoint, EndpointEvent::Ready);
        }
    }

    /// An endpoint was taken away: what waits for it fails, and its connections end when they are done.
    pub(super) fn endpoint_removed(&mut self, endpoint: Key) {
        let Some(place) = self.core.endpoints.get_mut(endpoint) else { return };
        self.core.wheel.cancel(&mut place.timer);
        let waiting = std::mem::take(&mut place.waiting);
        let idle = std::mem::take(&mut place.idle);
        let http2 = std::mem::take(&mut place.http2);
        for key in waiting {
            self.attempt_failed(key, Failure::Connect(ConnectError::Io(0)));
        }
        for (key, _) in idle {
            self.core.drop_conn(key);
        }
        for key in http2 {
            self.end_http2(key);
        }
        self.sweep_endpoint(endpoint);
    }

    /// Ends an HTTP/2 connection as soon as its streams are done.
    pub(super) fn end_http2(&mut self, key: Key) {
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        let Stage::Http2(http2) = &mut conn.stage else { return };
        http2.codec.shutdown(&mut conn.out);
        let drained = http2.codec.is_drained();
        self.core.dirty(key);
        if drained {
            self.core.linger(key);
        }
    }

    /// Takes an HTTP/2 connection off the list of those that get requests.
    pub(super) fn forget_http2(&mut self, key: Key) {
        let Some(Origin::Endpoint(endpoint)) = self.core.conns.get(key).map(|conn| conn.origin) else {
            return;
        };
        if let Some(place) = self.core.endpoints.get_mut(endpoint) {
            place.http2.retain(|known| *known != key);
        }
        self.ensure(endpoint);
    }

    /// A connection of an endpoint is gone.
    pub(super) fn endpoint_lost(&mut self, endpoint: Key, key: Key, errno: i32, up_for: Option<Duration>) {
        let now = self.core.now;
        let was_up = up_for.is_some();
        if let Some(place) = self.core.endpoints.get_mut(endpoint) {
            if up_for.is_some_and(|time| time < SHORT_LIFE) && place.spec.eager.is_some() {
                // A peer that takes connections only to close them is not called again at once.
                place.retry_at = Some(now + place.spec.backoff.min());
            }
            place.connections = place.connections.saturating_sub(1);
            place.http2.retain(|known| *known != key);
            place.idle.retain(|(known, _)| *known != key);
        }
        if was_up {
            self.endpoint_event(endpoint, EndpointEvent::Closed { errno });
        }
        if self.core.endpoints.get(endpoint).is_some_and(|place| place.removed) {
            self.sweep_endpoint(endpoint);
        } else if self.core.drain_until.is_none() {
            self.ensure(endpoint);
        }
    }

    /// Forgets a removed endpoint once nothing of it is left.
    pub(super) fn sweep_endpoint(&mut self, endpoint: Key) {
        let done = self
            .core
            .endpoints
            .get(endpoint)
            .is_some_and(|place| place.removed && place.connections == 0 && place.requests == 0);
        if done && let Some(mut place) = self.core.endpoints.remove(endpoint) {
            self.core.wheel.cancel(&mut place.timer);
        }
    }

    pub(super) fn endpoint_event(&mut self, endpoint: Key, event: EndpointEvent) {
        if self.core.endpoints.get(endpoint).is_none_or(|place| place.removed) {
            return;
        }
        let Some(mut data) = self.endpoints.get_mut(endpoint.index as usize).and_then(Option::take) else {
            return;
        };
        let id = EndpointId(endpoint);
        self.handler.endpoint(&mut control!(self), id, &mut data, event);
        self.put_back(id, Some(data));
    }
}
