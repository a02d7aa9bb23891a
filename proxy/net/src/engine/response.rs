//! Responses on their way to the client, and the content of both directions.

use super::arena::Key;
use super::conn::Stage;
use super::exchange::{Expect, Leg, Phase, PipeEnd};
use super::forward::control;
use super::http1::Writing;
use super::{Control, Direction, EndpointId, Engine, Handler, HttpVersion, ResponseStep};
use crate::h2::{End, ErrorCode};
use crate::headers::HeaderList;

impl<H: Handler> Engine<H> {
    /// A response that is not the last one: 100 and 103.
    pub(super) fn on_informational(&mut self, key: Key, head: &HeaderList) {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.attempt.heard = true;
        if exchange.answered {
            return;
        }
        if head.value(b":status") == Some(b"100") {
            if exchange.expect == Expect::Told {
                return;
            }
            exchange.expect = Expect::Nothing;
        }
        self.inform(key, head);
    }

    /// Tells a client that holds its content back to go on, as its server has not answered for a while. A server that does not know
    /// the expectation waits for the content; one that does may still refuse it by its final status (RFC 9110 §10.1.1).
    pub(super) fn tell_continue(&mut self, key: Key) {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.expect = Expect::Told;
        let mut head = self.core.pool.list();
        head.push(b":status", b"100");
        self.inform(key, &head);
        self.core.pool.give_list(head);
    }

    /// Writes a head that is not the last one to a client.
    fn inform(&mut self, key: Key, head: &HeaderList) {
        let Some(exchange) = self.core.exchanges.get(key) else { return };
        let client = exchange.client;
        let Some(conn) = self.core.conns.get_mut(client.conn) else { return };
        match (&mut conn.stage, client.stream) {
            (Stage::Http2(http2), Some(stream)) => {
                if conn.out.capacity() == 0 {
                    conn.out = self.core.pool.buffer();
                }
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
    pub(super) fn respond(
        &mut self,
        key: Key,
        mut head: HeaderList,
        end: End,
        trailers: Option<&HeaderList>,
    ) {
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
    pub(super) fn pass_head(&mut self, key: Key, head: &HeaderList, end: End) {
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
    pub(super) fn respond_held(&mut self, key: Key, trailers: Option<&HeaderList>) -> bool {
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
            Direction::Request => {
                exchange.request_octets += data.len() as u64;
                if matches!(exchange.expect, Expect::Continue(_)) {
                    exchange.expect = Expect::Nothing;
                }
            }
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
}
