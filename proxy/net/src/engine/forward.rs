//! Requests on their way: the handler's decisions, attempts, responses, failures and the end.

use std::time::Duration;

use super::arena::Key;
use super::conn::{Ending, Stage};
use super::exchange::{Exchange, Leg, Phase, PipeEnd};
use super::http1::Writing;
use super::{
    Attempt, ConnId, ConnectError, Control, Direction, EndpointId, Engine, ExchangeId, Failure, Forward,
    Handler, HttpVersion, Request, RequestStep, ResponseStep, Upstream, Woken, http2,
};
use crate::h2::{End, ErrorCode};
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
        let (data, step) = self.handler.request(&mut control!(self), &request, conn, &mut head);
        let mut exchange = Exchange::new(client, version, self.core.now);
        exchange.method = method;
        exchange.upgrade = upgrade;
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
    fn queue(&mut self, key: Key, endpoint: Key, head: HeaderList) {
        let limit = self.core.config.max_waiting;
        let now = self.core.now;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.head = head;
        let Some(place) = self.core.endpoints.get_mut(endpoint) else { return };
        if place.waiting.len() >= limit {
            self.attempt_failed(key, Failure::Connect(ConnectError::Io(libc::ENOBUFS)));
            return;
        }
        exchange.wait_until = Some(now + place.spec.connect_timeout);
        place.waiting.push_back(key);
        let protocol = exchange.protocol;
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
        let replay = exchange.replay.limit > 0;
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
        if replay || exchange.attempt.reused {
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

    /// A response that is not the last one: 100 and 103.
    pub(super) fn on_informational(&mut self, key: Key, head: &HeaderList) {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.attempt.heard = true;
        if exchange.answered {
            return;
        }
        let client = exchange.client;
        let Some(conn) = self.core.conns.get_mut(client.conn) else { return };
        match (&mut conn.stage, client.stream) {
            (Stage::Http2(http2), Some(stream)) => {
                let _ = http2.codec.send_headers(stream, head.iter(), End::More, &mut conn.out);
                self.core.dirty(client.conn);
            }
            (Stage::Http1Server(_), None) => self.core.write_http1_response(client.conn, head, End::More),
            _ => {}
        }
    }

    /// The head of a final response.
    pub(super) fn on_response(&mut self, key: Key, version: HttpVersion, head: HeaderList, end: End) {
        let now = self.core.now;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.attempt.heard = true;
        exchange.attempt.version = version;
        exchange.response_head = Some(now);
        exchange.active = now;
        if exchange.hold && end == End::More {
            exchange.held = Some(head);
            return;
        }
        self.respond(key, head, end, None);
    }

    /// Asks the handler about a response, and passes it on or not.
    fn respond(&mut self, key: Key, mut head: HeaderList, end: End, trailers: Option<&HeaderList>) {
        let Some(attempt) = self.attempt(key) else { return };
        let Some(data) = self.exchange_data.get_mut(key.index as usize).and_then(Option::as_mut) else {
            return;
        };
        let mut place = self.endpoints.get_mut(attempt.endpoint.0.index as usize).and_then(Option::take);
        let known = self.core.endpoints.get(attempt.endpoint.0).is_some_and(|place| !place.removed);
        let shown = place.as_deref_mut().filter(|_| known);
        let step =
            self.handler.response(&mut control!(self), &attempt, data, shown, &mut head, end, trailers);
        self.put_back(attempt.endpoint, place);
        match step {
            ResponseStep::Pass => {
                self.pass_head(key, &head, end);
                self.core.pool.give_list(head);
            }
            ResponseStep::Retry { after } if attempt.replayable => {
                self.core.pool.give_list(head);
                self.abandon(key, ErrorCode::CANCEL);
                self.retry(key, after);
            }
            ResponseStep::Retry { .. } => {
                self.pass_head(key, &head, end);
                self.core.pool.give_list(head);
            }
            ResponseStep::Reply(reply) => {
                self.core.pool.give_list(head);
                self.abandon(key, ErrorCode::CANCEL);
                self.reply(key, &reply);
            }
        }
    }

    /// Gives an endpoint's data back unless the endpoint was removed, or its place taken by another, during the call.
    pub(super) fn put_back(&mut self, endpoint: EndpointId, data: Option<Box<H::Endpoint>>) {
        if data.is_some()
            && self.core.endpoints.get(endpoint.0).is_some_and(|place| !place.removed)
            && let Some(place @ None) = self.endpoints.get_mut(endpoint.0.index as usize)
        {
            *place = data;
        }
    }

    /// Writes a response's head to the client.
    fn pass_head(&mut self, key: Key, head: &HeaderList, end: End) {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.answered = true;
        let old = std::mem::take(&mut exchange.head);
        exchange.replay.lost = true;
        exchange.replay.kept = Vec::new();
        let client = exchange.client;
        self.core.pool.give_list(old);
        self.write_head(client, head, end);
        if end == End::Stream {
            let now = self.core.now;
            if let Some(exchange) = self.core.exchanges.get_mut(key) {
                exchange.first_octet.get_or_insert(now);
                exchange.down.end = PipeEnd::Passed;
                exchange.phase = Phase::Over;
                self.core.work.over.push(key);
            }
            if let Some(Stage::Http1Server(server)) =
                self.core.conns.get_mut(client.conn).map(|conn| &mut conn.stage)
            {
                server.writing = Some(Writing::Done);
            }
        } else {
            self.core.pump(key, Direction::Response);
            self.core.set_exchange_deadline(key);
        }
    }

    /// Writes a final head to a client.
    pub(super) fn write_head(&mut self, client: Leg, head: &HeaderList, end: End) {
        let Some(conn) = self.core.conns.get_mut(client.conn) else { return };
        match (&mut conn.stage, client.stream) {
            (Stage::Http2(http2), Some(stream)) => {
                if conn.out.capacity() == 0 {
                    conn.out = self.core.pool.buffer();
                }
                // A stream that is gone is told by the event that took it.
                let _ = http2.codec.send_headers(stream, head.iter(), end, &mut conn.out);
                self.core.dirty(client.conn);
            }
            (Stage::Http1Server(_), None) => self.core.write_http1_response(client.conn, head, end),
            _ => {}
        }
    }

    /// Passes on a head that was held, now that its content or its trailers are there. Whether what follows still belongs to the
    /// attempt that runs: the handler may have begun another.
    fn respond_held(&mut self, key: Key, trailers: Option<&HeaderList>) -> bool {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return false };
        let number = exchange.attempt.number;
        if let Some(held) = exchange.held.take() {
            self.respond(key, held, End::More, trailers);
        }
        self.core.exchanges.get(key).is_some_and(|exchange| exchange.attempt.number == number)
    }

    /// Content of a request or a response.
    pub(super) fn on_data(&mut self, key: Key, direction: Direction, data: &[u8], end: End) {
        if direction == Direction::Response && !self.respond_held(key, None) {
            return;
        }
        let now = self.core.now;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        match direction {
            Direction::Request => exchange.request_octets += data.len() as u64,
            Direction::Response => {
                exchange.response_octets += data.len() as u64;
                exchange.first_octet.get_or_insert(now);
                if exchange.phase != Phase::Sent {
                    // The attempt that this belongs to has been given up.
                    return;
                }
            }
        }
        if !data.is_empty()
            && let Some(kept) = self.exchange_data.get_mut(key.index as usize).and_then(Option::as_mut)
        {
            self.handler.data(kept, direction, data.len());
        }
        self.core.deliver(key, direction, data, end);
    }

    /// Trailers of a request or a response.
    pub(super) fn on_trailers(&mut self, key: Key, direction: Direction, trailers: &mut HeaderList) {
        if direction == Direction::Response && !self.respond_held(key, Some(trailers)) {
            return;
        }
        let now = self.core.now;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        if direction == Direction::Response {
            exchange.first_octet.get_or_insert(now);
            if exchange.phase != Phase::Sent {
                return;
            }
        }
        if let Some(data) = self.exchange_data.get_mut(key.index as usize).and_then(Option::as_mut) {
            self.handler.trailers(data, direction, trailers);
        }
        self.core.deliver_trailers(key, direction, trailers);
    }

    /// An attempt has failed; its leg, if it still has one, is given up.
    pub(super) fn attempt_failed(&mut self, key: Key, failure: Failure) {
        if self.retries_at_once(key, failure) {
            return;
        }
        self.abandon(key, ErrorCode::CANCEL);
        let Some(attempt) = self.attempt(key) else { return };
        if self.core.exchanges.get(key).is_some_and(|exchange| exchange.phase == Phase::Over) {
            return;
        }
        let Some(data) = self.exchange_data.get_mut(key.index as usize).and_then(Option::as_mut) else {
            return;
        };
        let mut place = self.endpoints.get_mut(attempt.endpoint.0.index as usize).and_then(Option::take);
        let known = self.core.endpoints.get(attempt.endpoint.0).is_some_and(|place| !place.removed);
        let shown = place.as_deref_mut().filter(|_| known);
        let step = self.handler.failed(&mut control!(self), &attempt, data, shown, failure);
        self.put_back(attempt.endpoint, place);
        match step {
            ResponseStep::Retry { after } if attempt.replayable => self.retry(key, after),
            ResponseStep::Reply(reply) => {
                if let Some(exchange) = self.core.exchanges.get_mut(key) {
                    exchange.failure = Some(failure);
                }
                self.reply(key, &reply);
            }
            ResponseStep::Pass | ResponseStep::Retry { .. } => {
                if let Some(exchange) = self.core.exchanges.get_mut(key) {
                    exchange.failure = Some(failure);
                }
                self.fail_client(key, failure);
            }
        }
    }

    /// A server may close a connection while a request is on its way to it. Nobody has seen that request, so one that may be
    /// repeated goes to another connection without being a failure.
    fn retries_at_once(&mut self, key: Key, failure: Failure) -> bool {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return true };
        let attempt = &mut exchange.attempt;
        if failure != Failure::Closed || !attempt.reused || attempt.heard || exchange.head.is_empty() {
            return false;
        }
        attempt.reused = false;
        attempt.leg = None;
        let Some(endpoint) = exchange.endpoint else { return false };
        exchange.up.end = PipeEnd::Ended;
        exchange.phase = Phase::Queued;
        let head = std::mem::take(&mut exchange.head);
        self.queue(key, endpoint, head);
        self.core.set_exchange_deadline(key);
        true
    }

    fn retry(&mut self, key: Key, after: Duration) {
        let until = self.core.now + after;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.attempt.number += 1;
        exchange.phase = Phase::Waiting;
        exchange.wait_until = Some(until);
        exchange.request_sent = None;
        exchange.response_head = None;
        // What was sent goes again, before what has come since.
        let kept = std::mem::take(&mut exchange.replay.kept);
        if !kept.is_empty() {
            let rest = exchange.up.waiting().to_vec();
            exchange.up.pending = kept;
            exchange.up.pending.extend_from_slice(&rest);
            exchange.up.at = 0;
        }
        if exchange.up.end == PipeEnd::Passed {
            exchange.up.end = match exchange.replay.trailers.take() {
                Some(trailers) => PipeEnd::Trailers(Box::new(trailers)),
                None => PipeEnd::Ended,
            };
        }
        let endpoint = exchange.endpoint.take();
        if let Some(endpoint) = endpoint {
            self.release_endpoint(endpoint);
        }
        if after.is_zero() {
            self.resume(key, Woken::TimedOut);
        } else {
            self.core.set_exchange_deadline(key);
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

    /// The client has left: whatever was done for it ends.
    pub(super) fn client_gone(&mut self, key: Key) {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        if exchange.phase != Phase::Over {
            exchange.failure = Some(Failure::ClientGone);
        }
        self.finish(key);
    }

    /// Gives up the present attempt without a word to the handler.
    pub(super) fn abandon(&mut self, key: Key, code: ErrorCode) {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        if let Some(held) = exchange.held.take() {
            self.core.pool.give_list(held);
        }
        let Some(leg) = exchange.attempt.leg.take() else { return };
        // Octets of a response that nobody will get any more.
        let owed = exchange.down.unreleased + exchange.down.waiting().len();
        if !exchange.answered {
            exchange.down = super::exchange::Pipe::default();
        }
        let Some(conn) = self.core.conns.get_mut(leg.conn) else { return };
        match (&mut conn.stage, leg.stream) {
            (Stage::Http2(http2), Some(stream)) => {
                http2.codec.release(stream, owed, &mut conn.out);
                http2.codec.reset(stream, code, &mut conn.out);
                self.core.dirty(leg.conn);
            }
            (Stage::Http1Client(client), None) => {
                client.exchange = None;
                self.core.drop_conn(leg.conn);
            }
            _ => {}
        }
    }

    /// Ends a client's stream like the upstream's failure: 502 where nothing was said yet on HTTP/1, a reset otherwise.
    fn fail_client(&mut self, key: Key, failure: Failure) {
        let Some(exchange) = self.core.exchanges.get(key) else { return };
        if exchange.client.stream.is_none() && !exchange.answered {
            let reply = super::Reply { status: 502, close: true, ..super::Reply::default() };
            self.reply(key, &reply);
            return;
        }
        let code = match failure {
            Failure::Reset(code) => code,
            Failure::Timeout(_) | Failure::ClientGone => ErrorCode::CANCEL,
            Failure::Connect(_) => ErrorCode::REFUSED_STREAM,
            Failure::Closed | Failure::Protocol => ErrorCode::INTERNAL_ERROR,
        };
        self.reset_client(key, code);
        self.finish(key);
    }

    /// Resets the client's stream; on HTTP/1, its connection.
    pub(super) fn reset_client(&mut self, key: Key, code: ErrorCode) {
        let Some(exchange) = self.core.exchanges.get(key) else { return };
        let client = exchange.client;
        let Some(conn) = self.core.conns.get_mut(client.conn) else { return };
        match (&mut conn.stage, client.stream) {
            (Stage::Http2(http2), Some(stream)) => {
                http2.codec.reset(stream, code, &mut conn.out);
                self.core.dirty(client.conn);
            }
            (Stage::Http1Server(server), None) => {
                server.exchange = None;
                self.core.doom(client.conn, Ending { reason: Some("request reset"), errno: 0, reset: true });
            }
            _ => {}
        }
    }

    /// Ends an exchange: nothing of it is left afterwards.
    pub(super) fn finish(&mut self, key: Key) {
        let now = self.core.now;
        let whole = self.core.exchanges.get(key).is_some_and(|exchange| exchange.failure.is_none());
        self.abandon(key, if whole { ErrorCode::NO_ERROR } else { ErrorCode::CANCEL });
        let Some(mut exchange) = self.core.exchanges.remove(key) else { return };
        self.core.wheel.cancel(&mut exchange.timer);
        let client = exchange.client;
        let served = self.close_client_stream(key, client, exchange.down.end == PipeEnd::Passed);
        self.core.pool.give_list(std::mem::take(&mut exchange.head));
        let summary = exchange.summary(now);
        if let Some(data) = self.exchange_data.get_mut(key.index as usize).and_then(Option::take) {
            let id = exchange.endpoint.map(EndpointId);
            let mut place =
                id.and_then(|id| self.endpoints.get_mut(id.0.index as usize)).and_then(Option::take);
            let known =
                id.is_some_and(|id| self.core.endpoints.get(id.0).is_some_and(|place| !place.removed));
            let shown = id.zip(place.as_deref_mut().filter(|_| known));
            self.handler.finished(&mut control!(self), data, shown, &summary);
            if let Some(id) = id {
                self.put_back(id, place);
            }
        }
        if let Some(endpoint) = exchange.endpoint {
            self.release_endpoint(endpoint);
        }
        if served {
            self.http1_served(client.conn);
        }
    }

    /// Ends what is left of a client's stream; whether an HTTP/1 connection has served its request.
    fn close_client_stream(&mut self, key: Key, client: Leg, passed: bool) -> bool {
        let Some(conn) = self.core.conns.get_mut(client.conn).filter(|conn| conn.ending.is_none()) else {
            return false;
        };
        match (&mut conn.stage, client.stream) {
            (Stage::Http2(http2), Some(stream)) => {
                if http2.codec.token(stream).is_some() {
                    // The response is whole and the request is not: the client may stop (RFC 9113 §8.1).
                    let code = if passed { ErrorCode::NO_ERROR } else { ErrorCode::CANCEL };
                    http2.codec.reset(stream, code, &mut conn.out);
                    self.core.dirty(client.conn);
                }
                false
            }
            (Stage::Http1Server(server), None) if server.exchange == Some(key) => {
                if passed && server.writing == Some(Writing::Done) {
                    return true;
                }
                server.exchange = None;
                self.core
                    .doom(client.conn, Ending { reason: Some("response cut short"), errno: 0, reset: true });
                false
            }
            _ => false,
        }
    }

    fn attempt(&self, key: Key) -> Option<Attempt> {
        let exchange = self.core.exchanges.get(key)?;
        // An exchange without an endpoint was forwarded to one that was gone; its identifier names nothing.
        let nothing = Key { index: u32::MAX, generation: u32::MAX };
        Some(Attempt {
            id: ExchangeId(key),
            endpoint: EndpointId(exchange.endpoint.unwrap_or(nothing)),
            number: exchange.attempt.number,
            started: exchange.attempt.started,
            replayable: exchange.is_replayable(),
            answered: exchange.answered,
            version: exchange.attempt.version,
        })
    }

    /// A request or tunnel is no longer assigned to an endpoint.
    pub(super) fn release_endpoint(&mut self, endpoint: Key) {
        let Some(place) = self.core.endpoints.get_mut(endpoint) else { return };
        place.requests = place.requests.saturating_sub(1);
        if place.removed {
            self.sweep_endpoint(endpoint);
        } else if !place.waiting.is_empty() {
            self.serve_waiting(endpoint);
        }
    }

    /// The timer of an exchange.
    pub(super) fn exchange_timer(&mut self, key: Key) {
        let now = self.core.now;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.timer = super::timer::Timer::UNSET;
        let reached =
            exchange.limits().into_iter().flatten().find(|(at, _)| *at <= now).map(|(_, kind)| kind);
        let waited = exchange.wait_until.is_some_and(|at| at <= now);
        match (exchange.phase, reached, waited) {
            (Phase::Over | Phase::Upgraded, ..) => {}
            (_, Some(kind), _) => self.attempt_failed(key, Failure::Timeout(kind)),
            (Phase::Waiting, None, true) => self.resume(key, Woken::TimedOut),
            (Phase::Queued, None, true) => {
                exchange.wait_until = None;
                let error = exchange
                    .endpoint
                    .and_then(|endpoint| self.core.endpoints.get(endpoint))
                    .and_then(|place| place.last_error)
                    .unwrap_or(ConnectError::TimedOut);
                self.attempt_failed(key, Failure::Connect(error));
            }
            _ => {}
        }
        self.core.set_exchange_deadline(key);
    }
}

/// The fields of a request for HTTP/2, which has to name a scheme where HTTP/1 does not.
fn with_scheme(head: &HeaderList, from_http1: bool) -> impl Iterator<Item = Header<'_>> {
    let missing = from_http1
        && head.value(b":scheme").is_none()
        && head.value(b":method").is_some_and(|method| method != b"CONNECT");
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
