//! Requests on their way: the handler's decisions, attempts, responses, failures and the end.

use std::time::Duration;

use super::arena::Key;
use super::conn::Stage;
use super::exchange::{Exchange, Expect, Leg, Phase, PipeEnd};
use super::http1::Writing;
use super::{
    ConnId, ConnectError, Control, Direction, Engine, ExchangeId, Failure, Forward, Handler, HttpVersion,
    Request, RequestStep, Upstream, Woken, http2,
};
use crate::h2::End;
use crate::headers::{Header, HeaderList, Sensitivity};
use crate::http1::{Method, RequestHead, Upgrade};

/// Splits an engine into what a call of its handler borrows.
macro_rules! control {
    ($engine:expr) => {
        Control { core: &mut $engine.core, endpoints: &mut $engine.endpoints }
    };
}
pub(super) use control;

impl<H: Handler> Engine<H> {
    /// A request's head has come.
    pub(super) fn on_request(
        &mut self,
        client: Leg,
        version: HttpVersion,
        http1: Option<&RequestHead>,
        mut head: HeaderList,
        end: End,
    ) {
        let key = self.core.exchanges.next_key();
        let method = http1.map_or_else(|| method_of(&head), |request| request.method);
        let upgrade = http1.map_or(Upgrade::None, |request| request.upgrade);
        let request = Request {
            id: ExchangeId(key),
            conn: ConnId(client.conn),
            version,
            end,
            upgrade,
            absolute_form: http1.is_some() && method != Method::Connect && head.value(b":scheme").is_some(),
            at: self.core.now,
        };
        let Some(conn) = self.conn_data.get_mut(client.conn.index as usize).and_then(Option::as_mut) else {
            return;
        };
        let expects = match http1 {
            Some(request) => request.expect == crate::http1::Expect::Continue,
            None => {
                let expect = if end == End::More { head.value(b"expect") } else { None };
                expect.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
            }
        };
        let (data, step) = self.handler.request(&mut control!(self), &request, conn, &mut head);
        let mut exchange = Exchange::new(client, version, self.core.now);
        exchange.method = method;
        exchange.upgrade = upgrade;
        if expects {
            exchange.expect = Expect::Continue(self.core.config.continue_after);
        }
        if end == End::Stream {
            exchange.up.end = PipeEnd::Ended;
        }
        self.core.exchanges.insert(exchange);
        let index = key.index as usize;
        if self.exchange_data.len() <= index {
            self.exchange_data.resize_with(index + 1, || None);
        }
        self.exchange_data[index] = Some(data);
        match self.core.conns.get_mut(client.conn).map(|conn| &mut conn.stage) {
            Some(Stage::Http2(codec)) => {
                if let Some(stream) = client.stream {
                    codec.codec.set_token(stream, http2::token(key));
                }
            }
            Some(Stage::Http1Server(server)) => server.exchange = Some(key),
            _ => {}
        }
        self.apply(key, step, head);
    }

    /// Does what the handler said about a request.
    fn apply(&mut self, key: Key, step: RequestStep, head: HeaderList) {
        match step {
            RequestStep::Forward(forward) => self.forward(key, &forward, head),
            RequestStep::Reply(reply) => {
                self.core.pool.give_list(head);
                self.reply(key, &reply);
            }
            RequestStep::Wait { timeout } => self.wait(key, head, timeout),
            RequestStep::Reset(code) => {
                self.core.pool.give_list(head);
                self.reset_client(key, code);
                self.finish(key);
            }
        }
    }

    fn wait(&mut self, key: Key, head: HeaderList, timeout: Duration) {
        let until = self.core.now + timeout;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.head = head;
        exchange.phase = Phase::Waiting;
        exchange.wait_until = Some(until);
        self.core.set_exchange_deadline(key);
    }

    fn forward(&mut self, key: Key, forward: &Forward, mut head: HeaderList) {
        let endpoint = forward.endpoint.0;
        let now = self.core.now;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.protocol = forward.protocol;
        exchange.timeouts = forward.timeouts;
        exchange.hold = forward.hold_for_trailers;
        exchange.replay.limit = forward.replay;
        exchange.attempt.started = now;
        exchange.phase = Phase::Queued;
        exchange.wait_until = None;
        let before = exchange.endpoint.take();
        let known = match self.core.endpoints.get_mut(endpoint) {
            Some(place) => {
                exchange.endpoint = Some(endpoint);
                place.requests += 1;
                !place.removed
            }
            None => false,
        };
        if !known {
            exchange.head = std::mem::take(&mut head);
        }
        if let Some(before) = before {
            self.release_endpoint(before);
        }
        if !known {
            // Stale from the start: as when no connection can be made.
            self.attempt_failed(key, Failure::Connect(ConnectError::Io(0)));
            return;
        }
        match self.pick(endpoint, forward.protocol) {
            Some(conn) => self.start(key, conn, head),
            None => self.queue(key, endpoint, head),
        }
        self.core.set_exchange_deadline(key);
    }

    /// Holds a request until its endpoint has a connection.
    pub(super) fn queue(&mut self, key: Key, endpoint: Key, head: HeaderList) {
        let now = self.core.now;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.head = head;
        let protocol = exchange.protocol;
        let Some(place) = self.core.endpoints.get_mut(endpoint) else { return };
        let queue = place.spec.queue;
        let limit = self.core.config.max_waiting.min(queue.capacity);
        if place.waiting.len() >= limit {
            // Some may have given up waiting.
            let exchanges = &self.core.exchanges;
            place.waiting.retain(|key| exchanges.get(*key).is_some_and(|one| one.phase == Phase::Queued));
        }
        if place.waiting.len() >= limit {
            self.attempt_failed(key, Failure::Connect(ConnectError::Full));
            return;
        }
        place.waiting.push_back(key);
        let until = now + queue.wait;
        if let Some(exchange) = self.core.exchanges.get_mut(key) {
            exchange.wait_until = Some(until);
        }
        self.want(endpoint, protocol);
    }

    /// Sends a request on a connection that can take it.
    pub(super) fn start(&mut self, key: Key, conn: Key, head: HeaderList) {
        let now = self.core.now;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        let bodyless = exchange.up.end == PipeEnd::Ended && exchange.up.is_empty();
        let end = if bodyless { End::Stream } else { End::More };
        exchange.phase = Phase::Sent;
        exchange.wait_until = None;
        exchange.attempt.started = now;
        exchange.attempt.heard = false;
        exchange.attempt.reused = false;
        exchange.response_head = None;
        let method = exchange.method;
        let scheme = exchange.version != HttpVersion::Http2;
        let shared = is_shared(exchange.protocol);
        exchange.replay.set_room(shared);
        let keep = exchange.replay.room > 0;
        let Some(target) = self.core.conns.get_mut(conn) else { return };
        if target.out.capacity() == 0 {
            target.out = self.core.pool.buffer();
        }
        let (leg, reused, version) = match &mut target.stage {
            Stage::Http2(http2) => {
                let fields = with_scheme(&head, scheme);
                let Ok(stream) = http2.codec.open(fields, end, &mut target.out) else {
                    self.lost_start(key, head);
                    return;
                };
                http2.codec.set_token(stream, http2::token(key));
                (Leg { conn, stream: Some(stream) }, false, HttpVersion::Http2)
            }
            Stage::Http1Client(client) => {
                let reused = client.served > 0;
                self.core.write_http1_request(conn, key, &head, method, end);
                (Leg { conn, stream: None }, reused, HttpVersion::Http11)
            }
            _ => {
                self.lost_start(key, head);
                return;
            }
        };
        self.core.dirty(conn);
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.attempt.leg = Some(leg);
        exchange.attempt.version = version;
        exchange.attempt.reused = reused && bodyless && is_idempotent(&head);
        if keep || exchange.attempt.reused {
            exchange.head = head;
        } else {
            self.core.pool.give_list(head);
        }
        if bodyless {
            exchange.up.end = PipeEnd::Passed;
            exchange.request_sent = Some(now);
            if let Some(Stage::Http1Client(client)) =
                self.core.conns.get_mut(conn).map(|conn| &mut conn.stage)
            {
                client.writing = Writing::Done;
            }
        } else {
            self.core.pump(key, Direction::Request);
        }
        self.core.set_exchange_deadline(key);
    }

    /// The connection was not what it seemed; another one is looked for.
    fn lost_start(&mut self, key: Key, head: HeaderList) {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.phase = Phase::Queued;
        if let Some(endpoint) = exchange.endpoint {
            self.queue(key, endpoint, head);
        }
    }

    /// Asks the handler again about a request that waits.
    pub(super) fn resume(&mut self, key: Key, why: Woken) {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        if exchange.phase != Phase::Waiting || exchange.wait_until.is_none() {
            return;
        }
        exchange.wait_until = None;
        let mut head = std::mem::take(&mut exchange.head);
        let Some(data) = self.exchange_data.get_mut(key.index as usize).and_then(Option::as_mut) else {
            return;
        };
        let step = self.handler.resumed(&mut control!(self), ExchangeId(key), data, &mut head, why);
        self.apply(key, step, head);
    }

    /// The timer of an exchange.
    pub(super) fn exchange_timer(&mut self, key: Key) {
        let now = self.core.now;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.timer = super::timer::Timer::UNSET;
        let reached =
            exchange.limits().into_iter().flatten().find(|(at, _)| *at <= now).map(|(_, kind)| kind);
        let waited = exchange.wait_until.is_some_and(|at| at <= now);
        if reached.is_none() && exchange.continue_at().is_some_and(|at| at <= now) {
            self.tell_continue(key);
        }
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        match (exchange.phase, reached, waited) {
            (Phase::Over | Phase::Upgraded, ..) => {}
            (_, Some(kind), _) => self.attempt_failed(key, Failure::Timeout(kind)),
            (Phase::Waiting, None, true) => self.resume(key, Woken::TimedOut),
            (Phase::Refused, None, true) => self.send_again(key),
            (Phase::Queued, None, true) => {
                exchange.wait_until = None;
                let place = exchange.endpoint.and_then(|endpoint| self.core.endpoints.get(endpoint));
                let error = match place {
                    Some(place) if !place.http2.is_empty() => ConnectError::Busy,
                    place => place.and_then(|place| place.last_error).unwrap_or(ConnectError::TimedOut),
                };
                self.attempt_failed(key, Failure::Connect(error));
            }
            _ => {}
        }
        self.core.set_exchange_deadline(key);
    }
}

/// The fields of a request for HTTP/2, which has to name a scheme where HTTP/1 does not. A request that came in HTTP/2 has lost its
/// own where it was HTTP/1 before: a gateway sends it on once more.
fn with_scheme(head: &HeaderList, from_http1: bool) -> impl Iterator<Item = Header<'_>> {
    let missing =
        head.value(b":scheme").is_none() && head.value(b":method").is_some_and(|method| method != b"CONNECT");
    let scheme = Header { name: b":scheme", value: b"http", sensitivity: Sensitivity::Plain };
    let connection =
        move |header: &Header<'_>| !(from_http1 && matches!(header.name, b"upgrade" | b"http2-settings"));
    missing.then_some(scheme).into_iter().chain(head.iter().filter(connection))
}

fn method_of(head: &HeaderList) -> Method {
    match head.value(b":method") {
        Some(b"HEAD") => Method::Head,
        Some(b"CONNECT") => Method::Connect,
        _ => Method::Other,
    }
}

fn is_idempotent(head: &HeaderList) -> bool {
    matches!(head.value(b":method"), Some(b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE"))
}

/// Whether a request may go on a connection that others use too.
pub(super) fn is_shared(protocol: Upstream) -> bool {
    protocol == Upstream::Http2
}
