//! The end of attempts and of exchanges: failures, other attempts, and what is left to clear away.

use std::time::Duration;

use super::arena::Key;
use super::conn::{Ending, Stage};
use super::exchange::{Leg, Phase, PipeEnd};
use super::forward::control;
use super::http1::Writing;
use super::{
    Attempt, Control, Direction, EndpointId, Engine, ExchangeId, Failure, Handler, ResponseStep, Woken,
};
use crate::h2::ErrorCode;

impl<H: Handler> Engine<H> {
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

    /// Whether an attempt that nobody has seen is made again, without being a failure.
    fn retries_at_once(&mut self, key: Key, failure: Failure) -> bool {
        match failure {
            Failure::Closed => self.retries_stale(key),
            Failure::Reset(ErrorCode::REFUSED_STREAM) => self.retries_refused(key),
            _ => false,
        }
    }

    /// A server that refuses a stream, by a reset or by a GOAWAY with a lower one, has not processed it (RFC 9113 §8.7), so that any
    /// request may be sent again: at once to another connection or a peer that has lost count, and then after a little longer each
    /// time. Not one of which more was sent than is kept.
    fn retries_refused(&mut self, key: Key) -> bool {
        const PAUSE: Duration = Duration::from_millis(25);
        let most = self.core.config.refused_retries;
        let now = self.core.now;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return true };
        let removed = exchange
            .endpoint
            .and_then(|endpoint| self.core.endpoints.get(endpoint))
            .is_none_or(|place| place.removed);
        if removed || exchange.refusals >= most || exchange.attempt.heard || !exchange.is_whole() {
            return false;
        }
        exchange.attempt.leg = None;
        exchange.phase = Phase::Refused;
        let again = exchange.refusals.checked_sub(1).map(|times| PAUSE * 4_u32.pow(times.min(4)));
        exchange.refusals += 1;
        exchange.wait_until = again.map(|pause| now + pause);
        self.rewind(key);
        if again.is_some() {
            self.core.set_exchange_deadline(key);
        } else {
            self.send_again(key);
        }
        true
    }

    /// Sends a request once more to the endpoint that it was meant for.
    pub(super) fn send_again(&mut self, key: Key) {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.wait_until = None;
        let protocol = exchange.protocol;
        let known = |place: &super::endpoint::Endpoint| !place.removed;
        let endpoint =
            exchange.endpoint.filter(|endpoint| self.core.endpoints.get(*endpoint).is_some_and(known));
        let Some(endpoint) = endpoint else {
            self.attempt_failed(key, Failure::Reset(ErrorCode::REFUSED_STREAM));
            return;
        };
        exchange.phase = Phase::Queued;
        let head = std::mem::take(&mut exchange.head);
        match self.pick(endpoint, protocol) {
            Some(conn) => self.start(key, conn, head),
            None => self.queue(key, endpoint, head),
        }
        self.core.set_exchange_deadline(key);
    }

    /// A server may close a connection while a request is on its way to it. Nobody has seen that request, so one that may be
    /// repeated goes to another connection without being a failure.
    fn retries_stale(&mut self, key: Key) -> bool {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return true };
        let attempt = &mut exchange.attempt;
        if !attempt.reused || attempt.heard || exchange.head.is_empty() {
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

    pub(super) fn retry(&mut self, key: Key, after: Duration) {
        let until = self.core.now + after;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.attempt.number += 1;
        exchange.phase = Phase::Waiting;
        exchange.wait_until = Some(until);
        let endpoint = exchange.endpoint.take();
        self.rewind(key);
        if let Some(endpoint) = endpoint {
            self.release_endpoint(endpoint);
        }
        if after.is_zero() {
            self.resume(key, Woken::TimedOut);
        } else {
            self.core.set_exchange_deadline(key);
        }
    }

    /// Puts what an attempt has sent before what has come since, so that the next one sends it again.
    fn rewind(&mut self, key: Key) {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.request_sent = None;
        exchange.response_head = None;
        let kept = std::mem::take(&mut exchange.replay.kept);
        let up = &mut exchange.up;
        // What a full socket has been given is kept as well; its source need not wait for a connection that is given up.
        let owed = std::mem::take(&mut up.unreleased);
        if !kept.is_empty() {
            let rest = up.waiting().to_vec();
            up.repeated += kept.len();
            up.pending = kept;
            up.pending.extend_from_slice(&rest);
            up.at = 0;
        }
        if up.end == PipeEnd::Passed {
            up.end = match exchange.replay.trailers.take() {
                Some(trailers) => PipeEnd::Trailers(Box::new(trailers)),
                None => PipeEnd::Ended,
            };
        }
        self.core.release(key, Direction::Request, owed);
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
    pub(super) fn fail_client(&mut self, key: Key, failure: Failure) {
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
    pub(super) fn close_client_stream(&mut self, key: Key, client: Leg, passed: bool) -> bool {
        let Some(conn) = self.core.conns.get_mut(client.conn).filter(|conn| conn.ending.is_none()) else {
            return false;
        };
        match (&mut conn.stage, client.stream) {
            (Stage::Http2(http2), Some(stream)) => {
                let is_open = http2.codec.token(stream).is_some();
                if is_open {
                    // The response is whole and the request is not: the client may stop (RFC 9113 §8.1).
                    let code = if passed { ErrorCode::NO_ERROR } else { ErrorCode::CANCEL };
                    http2.codec.reset(stream, code, &mut conn.out);
                }
                // It may have been the last one of a connection that has been told to end.
                if http2.codec.is_drained() {
                    self.core.linger(client.conn);
                } else if is_open {
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

    pub(super) fn attempt(&self, key: Key) -> Option<Attempt> {
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
}
