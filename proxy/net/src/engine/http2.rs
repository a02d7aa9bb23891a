//! HTTP/2 on a connection, as server and as client.

use std::time::{Duration, Instant};

use super::arena::Key;
use super::conn::{Ending, Origin, Stage};
use super::exchange::Leg;
use super::{Direction, Engine, Failure, Handler, HttpVersion};
use crate::h2::{Connection, End, ErrorCode, Event, Part, Polled, Role, StreamKey};
use crate::headers::{Header, HeaderList, Sensitivity};

/// A connection with HTTP/2.
pub(super) struct Http2 {
    pub(super) codec: Connection,
    pub(super) role: Role,
    pub(super) keep_alive: Option<KeepAlive>,
    /// When the budgets against floods were filled.
    pub(super) refilled: Instant,
    pub(super) pinged: Option<Instant>,
    /// Until when the peer has to acknowledge settings that it has not acknowledged yet.
    pub(super) acknowledge_by: Option<Instant>,
    /// What the peer has begun to say.
    begun: Option<Begun>,
}

/// A frame or header block of which a part is there.
struct Begun {
    /// Until when all of it has to be.
    until: Instant,
    /// The stream of the header block.
    block: Option<u32>,
}

/// Pings that find a dead peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeepAlive {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    /// Whether also when no stream is open.
    pub(super) idle: bool,
}

/// What an [`Event`] is, without what it borrows.
enum Seen<'a> {
    Headers(StreamKey, u32, Part, End),
    TooLarge(StreamKey),
    Data(StreamKey, u32, &'a [u8], End),
    Reset(u32, ErrorCode),
    GoAway,
    Settings,
    Pong,
}

/// Octets of a frame that have the time of one head to come; longer frames have more of it.
const TIMED: usize = 16 * 1024;

const KEEP_ALIVE_PING: [u8; 8] = *b"keepaliv";

// === impl Http2 ===

impl Http2 {
    /// A connection whose first settings are in its output, to be acknowledged within `patience`.
    pub(super) fn new(
        codec: Connection,
        role: Role,
        keep_alive: Option<KeepAlive>,
        now: Instant,
        patience: Duration,
    ) -> Self {
        let acknowledge_by = Some(now + patience);
        Self { codec, role, keep_alive, refilled: now, pinged: None, acknowledge_by, begun: None }
    }

    /// When its timer has to be looked at for the first time.
    pub(super) fn first_deadline(&self, now: Instant) -> Option<Instant> {
        let ping = self.keep_alive.map(|keep_alive| now + keep_alive.interval);
        ping.into_iter().chain(self.acknowledge_by).min()
    }
}

// === impl Engine ===

impl<H: Handler> Engine<H> {
    /// Takes frames; the number of octets that are done with.
    pub(super) fn consume_http2(&mut self, key: Key, input: &[u8]) -> usize {
        let mut at = 0;
        let mut fields = self.core.pool.list();
        let now = self.core.now;
        loop {
            let Some(conn) = self.core.conns.get_mut(key).filter(|conn| conn.ending.is_none()) else {
                at = input.len();
                break;
            };
            let Stage::Http2(http2) = &mut conn.stage else { break };
            if now.saturating_duration_since(http2.refilled) >= Duration::from_secs(1) {
                http2.codec.refill();
                http2.refilled = now;
            }
            if conn.out.capacity() == 0 {
                conn.out = self.core.pool.buffer();
            }
            let role = http2.role;
            let Ok(Polled { consumed, event }) = http2.codec.poll(&input[at..], &mut fields, &mut conn.out)
            else {
                self.http2_failed(key);
                at = input.len();
                break;
            };
            at += consumed;
            let Some(event) = event else { break };
            let seen = match event {
                Event::Headers { stream, token, part, end } => Seen::Headers(stream, token, part, end),
                Event::HeadersTooLarge { stream, .. } => Seen::TooLarge(stream),
                Event::Data { stream, token, data, end } => Seen::Data(stream, token, data, end),
                Event::Reset { token, code, .. } => Seen::Reset(token, code),
                Event::GoAway { .. } => Seen::GoAway,
                Event::Settings => Seen::Settings,
                Event::Pong(_) => Seen::Pong,
            };
            self.http2_event(key, role, seen, &mut fields);
        }
        self.core.pool.give_list(fields);
        self.http2_rest(key, &input[at..], at > 0);
        self.http2_after(key);
        at
    }

    fn http2_event(&mut self, key: Key, role: Role, seen: Seen<'_>, fields: &mut HeaderList) {
        match seen {
            Seen::Headers(stream, token, part, end) => match (part, self.exchange_at(token)) {
                (Part::Request, _) => {
                    let head = std::mem::replace(fields, self.core.pool.list());
                    self.on_request(
                        Leg { conn: key, stream: Some(stream) },
                        HttpVersion::Http2,
                        None,
                        head,
                        end,
                    );
                }
                (_, None) => {}
                (Part::Response, Some(exchange)) => {
                    let head = std::mem::replace(fields, self.core.pool.list());
                    self.on_response(exchange, HttpVersion::Http2, head, end);
                }
                (Part::Informational, Some(exchange)) => self.on_informational(exchange, fields),
                (Part::Trailers, Some(exchange)) => self.on_trailers(exchange, direction(role), fields),
            },
            Seen::TooLarge(stream) => self.http2_too_large(key, role, stream),
            Seen::Data(stream, token, data, end) => match self.exchange_at(token) {
                Some(exchange) => self.on_data(exchange, direction(role), data, end),
                None => {
                    // Nobody wants it any more; its window belongs to the others.
                    if let Some(conn) = self.core.conns.get_mut(key)
                        && let Stage::Http2(http2) = &mut conn.stage
                    {
                        http2.codec.release(stream, data.len(), &mut conn.out);
                    }
                }
            },
            Seen::Reset(token, code) => {
                let Some(exchange) = self.exchange_at(token) else { return };
                match role {
                    Role::Server => self.client_gone(exchange),
                    Role::Client => {
                        if let Some(exchange) = self.core.exchanges.get_mut(exchange) {
                            exchange.attempt.leg = None;
                        }
                        self.attempt_failed(exchange, Failure::Reset(code));
                    }
                }
            }
            Seen::GoAway => self.http2_leaving(key),
            Seen::Settings => self.http2_settings(key),
            Seen::Pong => {
                if let Some(Stage::Http2(http2)) = self.core.conns.get_mut(key).map(|conn| &mut conn.stage) {
                    http2.pinged = None;
                }
            }
        }
    }

    /// A server has said what it allows.
    fn http2_settings(&mut self, key: Key) {
        let Some(conn) = self.core.conns.get(key) else { return };
        let (Stage::Http2(http2), Origin::Endpoint(endpoint)) = (&conn.stage, conn.origin) else { return };
        let streams = http2.codec.peer_settings().max_concurrent_streams;
        if let Some(place) = self.core.endpoints.get_mut(endpoint) {
            place.streams = Some(streams);
        }
        self.serve_waiting(endpoint);
    }

    /// A request whose fields exceed the limits is answered; a response is an error of the server.
    fn http2_too_large(&mut self, key: Key, role: Role, stream: StreamKey) {
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        let Stage::Http2(http2) = &mut conn.stage else { return };
        if role == Role::Server {
            let status = [Header { name: b":status", value: b"431", sensitivity: Sensitivity::Plain }];
            let _ = http2.codec.send_headers(stream, status, End::Stream, &mut conn.out);
            http2.codec.reset(stream, ErrorCode::NO_ERROR, &mut conn.out);
        } else {
            http2.codec.reset(stream, ErrorCode::PROTOCOL_ERROR, &mut conn.out);
        }
    }

    /// Lets streams go on whose windows have grown, and ends what is drained.
    fn http2_after(&mut self, key: Key) {
        loop {
            let Some(conn) = self.core.conns.get_mut(key) else { return };
            let Stage::Http2(http2) = &mut conn.stage else { return };
            let Some(stream) = http2.codec.next_writable() else { break };
            let role = http2.role;
            let token = http2.codec.token(stream).unwrap_or_default();
            if let Some(exchange) = self.exchange_at(token) {
                let outward = match role {
                    Role::Server => Direction::Response,
                    Role::Client => Direction::Request,
                };
                self.core.pump(exchange, outward);
            }
        }
        let patience = self.core.config.settings_timeout;
        let now = self.core.now;
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        let Stage::Http2(http2) = &mut conn.stage else { return };
        let mut deadline = None;
        if http2.codec.adapt(now, &mut conn.out) {
            deadline = Some(*http2.acknowledge_by.get_or_insert(now + patience));
        }
        let drained = http2.codec.is_drained();
        if let Some(at) = deadline {
            let at = conn.deadline.map_or(at, |known| known.min(at));
            self.core.set_conn_deadline(key, Some(at));
        }
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        if !conn.out.is_empty() {
            self.core.dirty(key);
        } else if conn.out.capacity() > 0 {
            let buffer = std::mem::take(&mut conn.out);
            self.core.pool.give(buffer);
        }
        if drained {
            self.core.linger(key);
        }
    }

    /// A frame or header block that has begun has to end in time, as a head of HTTP/1 has; a peer that sends octet by octet would stay for
    /// ever. The timer is set once and looks for itself whether there is anything to wait for.
    fn http2_rest(&mut self, key: Key, rest: &[u8], advanced: bool) {
        let patience = self.core.config.head_timeout;
        let now = self.core.now;
        let Some(conn) = self.core.conns.get_mut(key).filter(|conn| conn.ending.is_none()) else { return };
        let Stage::Http2(http2) = &mut conn.stage else { return };
        let block = http2.codec.open_block();
        if rest.is_empty() && block.is_none() {
            http2.begun = None;
            return;
        }
        let is_new = match &http2.begun {
            None => true,
            Some(begun) => advanced && (block.is_none() || begun.block != block),
        };
        if !is_new {
            return;
        }
        let length = match rest {
            [a, b, c, ..] => u32::from_be_bytes([0, *a, *b, *c]) as usize,
            _ => 0,
        };
        let shares = u32::try_from(1 + length / TIMED).unwrap_or(u32::MAX);
        let until = now + patience.saturating_mul(shares);
        http2.begun = Some(Begun { until, block });
        if conn.deadline.is_none_or(|known| known > until) {
            self.core.set_conn_deadline(key, Some(until));
        }
    }

    /// The peer broke the protocol: GOAWAY is in the output.
    fn http2_failed(&mut self, key: Key) {
        self.fail_streams(key, Failure::Protocol);
        if let Some(conn) = self.core.conns.get(key)
            && conn.origin != Origin::Accepted
        {
            self.forget_http2(key);
        }
        self.core.linger(key);
    }

    /// The peer takes no new streams.
    fn http2_leaving(&mut self, key: Key) {
        let Some(Origin::Endpoint(_)) = self.core.conns.get(key).map(|conn| conn.origin) else { return };
        self.forget_http2(key);
    }

    /// Ends the exchanges of a connection that is gone.
    pub(super) fn fail_streams(&mut self, key: Key, failure: Failure) {
        let Some(conn) = self.core.conns.get(key) else { return };
        let Stage::Http2(http2) = &conn.stage else { return };
        let role = http2.role;
        let tokens: Vec<u32> =
            http2.codec.keys().map(|stream| http2.codec.token(stream).unwrap_or_default()).collect();
        for token in tokens {
            let Some(exchange) = self.exchange_at(token) else { continue };
            match role {
                Role::Server => self.client_gone(exchange),
                Role::Client => {
                    if let Some(exchange) = self.core.exchanges.get_mut(exchange) {
                        exchange.attempt.leg = None;
                    }
                    self.attempt_failed(exchange, failure);
                }
            }
        }
    }

    /// The timer of a connection with HTTP/2: settings that nobody acknowledges, frames that do not end, pings, and the peer's silence.
    pub(super) fn http2_timer(&mut self, key: Key) {
        let now = self.core.now;
        let is_read = self.may_read(key);
        let patience = self.core.config.head_timeout;
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        let Stage::Http2(http2) = &mut conn.stage else { return };
        if http2.codec.is_acknowledged() {
            http2.acknowledge_by = None;
        }
        if http2.acknowledge_by.is_some_and(|at| at <= now) {
            http2.codec.close(ErrorCode::SETTINGS_TIMEOUT, &mut conn.out);
            self.close_reason(key, "settings timeout");
            self.http2_failed(key);
            return;
        }
        if let Some(begun) = &mut http2.begun
            && begun.until <= now
        {
            if is_read {
                http2.codec.close(ErrorCode::ENHANCE_YOUR_CALM, &mut conn.out);
                self.close_reason(key, "frame timeout");
                self.http2_failed(key);
                return;
            }
            // Its octets wait for us.
            begun.until = now + patience;
        }
        let own = http2.acknowledge_by.into_iter().chain(http2.begun.as_ref().map(|begun| begun.until)).min();
        let ping = self.http2_ping(key);
        if let Some(next) = own.into_iter().chain(ping).min() {
            self.core.set_conn_deadline(key, Some(next));
        }
    }

    /// Pings a silent peer, or gives up on one that does not answer; when to look again, if ever.
    fn http2_ping(&mut self, key: Key) -> Option<Instant> {
        let now = self.core.now;
        let conn = self.core.conns.get_mut(key)?;
        let Stage::Http2(http2) = &mut conn.stage else { return None };
        let keep_alive = http2.keep_alive?;
        let heard = conn.heard;
        if let Some(pinged) = http2.pinged {
            if heard >= pinged {
                http2.pinged = None;
            } else if now >= pinged + keep_alive.timeout {
                self.core.doom(
                    key,
                    Ending { reason: Some("keep-alive timeout"), errno: libc::ETIMEDOUT, reset: true },
                );
                return None;
            }
        }
        let next = match http2.pinged {
            Some(pinged) => pinged + keep_alive.timeout,
            None if now < heard + keep_alive.interval => heard + keep_alive.interval,
            None if !keep_alive.idle && http2.codec.open_streams() == 0 => now + keep_alive.interval,
            None => {
                http2.pinged = Some(now);
                http2.codec.ping(KEEP_ALIVE_PING, &mut conn.out);
                self.core.dirty(key);
                now + keep_alive.timeout
            }
        };
        Some(next)
    }

    /// The exchange of a stream's number, which is one more than its place so that 0 is none.
    pub(super) fn exchange_at(&self, token: u32) -> Option<Key> {
        self.core.exchanges.key_at(token.checked_sub(1)?)
    }
}

/// Which way content goes that is received in a role.
fn direction(role: Role) -> Direction {
    match role {
        Role::Server => Direction::Request,
        Role::Client => Direction::Response,
    }
}

/// A stream's number for an exchange.
pub(super) fn token(exchange: Key) -> u32 {
    exchange.index + 1
}
