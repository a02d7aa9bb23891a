//! Content on its way: from where it was read into the output of where it goes, no further than windows and limits allow.

use super::Direction;
use super::arena::Key;
use super::conn::{Ending, Stage};
use super::core::Core;
use super::exchange::{Leg, Phase, PipeEnd};
use super::http1::{Mismatch, Writing};
use crate::h2::{End, ErrorCode, SendError};
use crate::headers::HeaderList;

/// What became of content that was put into an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    /// So many octets were taken, and the end with them if there was one to take.
    Taken(usize, Ended),
    /// The target is gone; whoever lost it tells.
    Gone,
    /// The content does not fit its announced length.
    Broken,
}

/// Whether the target knows of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Yes,
    No,
}

// === impl Core ===

impl Core {
    /// Passes content on, or keeps what the target cannot take.
    pub(super) fn deliver(&mut self, key: Key, direction: Direction, data: &[u8], end: End) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.active = self.now;
        let target =
            exchange.target(direction).filter(|_| may_flow(exchange.phase, direction, exchange.answered));
        let pipe = exchange.pipe(direction);
        if pipe.end != PipeEnd::Open {
            return;
        }
        let Some(target) = target.filter(|_| pipe.is_empty()) else {
            pipe.pending.extend_from_slice(data);
            if end == End::Stream {
                pipe.end = PipeEnd::Ended;
            }
            return;
        };
        match self.put(target, data, end) {
            Put::Taken(taken, ended) => {
                self.passed(key, direction, target, &data[..taken]);
                if ended == Ended::Yes {
                    self.passed_end(key, direction);
                    return;
                }
                let Some(exchange) = self.exchanges.get_mut(key) else { return };
                let pipe = exchange.pipe(direction);
                pipe.pending.extend_from_slice(&data[taken..]);
                if end == End::Stream {
                    pipe.end = PipeEnd::Ended;
                }
                if taken < data.len() || end == End::Stream {
                    self.wait_if_full(target, key);
                }
            }
            Put::Gone => self.release(key, direction, data.len()),
            Put::Broken => self.broken(key, direction, target),
        }
    }

    /// Passes on what has been kept, and then the end.
    pub(super) fn pump(&mut self, key: Key, direction: Direction) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let flows = may_flow(exchange.phase, direction, exchange.answered);
        let Some(target) = exchange.target(direction).filter(|_| flows) else { return };
        let pipe = exchange.pipe(direction);
        let end = pipe.ends_here();
        if pipe.is_empty() && end == End::More && !matches!(pipe.end, PipeEnd::Trailers(_)) {
            return;
        }
        let pending = std::mem::take(&mut pipe.pending);
        let at = pipe.at;
        if at < pending.len() || end == End::Stream {
            match self.put(target, &pending[at..], end) {
                Put::Taken(taken, ended) => {
                    self.passed(key, direction, target, &pending[at..at + taken]);
                    let Some(exchange) = self.exchanges.get_mut(key) else { return };
                    let pipe = exchange.pipe(direction);
                    pipe.pending = pending;
                    pipe.advance(taken);
                    if ended == Ended::Yes {
                        self.passed_end(key, direction);
                        return;
                    }
                    if !pipe.is_empty() || end == End::Stream {
                        self.wait_if_full(target, key);
                        return;
                    }
                }
                Put::Gone => return,
                Put::Broken => {
                    self.broken(key, direction, target);
                    return;
                }
            }
        }
        self.pump_trailers(key, direction, target);
    }

    /// Passes trailers on, or keeps them behind what is kept already.
    pub(super) fn deliver_trailers(&mut self, key: Key, direction: Direction, trailers: &HeaderList) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.active = self.now;
        let flows = may_flow(exchange.phase, direction, exchange.answered);
        let target = exchange.target(direction).filter(|_| flows);
        let pipe = exchange.pipe(direction);
        if pipe.end != PipeEnd::Open {
            return;
        }
        match target.filter(|_| pipe.is_empty()) {
            Some(target) => {
                self.put_trailers(target, trailers);
                self.keep_trailers(key, direction, || trailers.clone());
                self.passed_end(key, direction);
            }
            None => pipe.end = PipeEnd::Trailers(Box::new(trailers.clone())),
        }
    }

    fn pump_trailers(&mut self, key: Key, direction: Direction, target: Leg) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let pipe = exchange.pipe(direction);
        if !pipe.is_empty() {
            return;
        }
        if let PipeEnd::Trailers(trailers) = &mut pipe.end {
            let trailers = std::mem::take(trailers);
            self.put_trailers(target, &trailers);
            self.keep_trailers(key, direction, || *trailers);
            self.passed_end(key, direction);
        }
    }

    /// Keeps the trailers of a request that may have to be sent again.
    fn keep_trailers(&mut self, key: Key, direction: Direction, trailers: impl FnOnce() -> HeaderList) {
        if let Some(exchange) = self.exchanges.get_mut(key)
            && direction == Direction::Request
            && exchange.replay.room > 0
            && !exchange.replay.lost
        {
            exchange.replay.trailers = Some(trailers());
        }
    }

    /// Appends content to the output of a leg.
    fn put(&mut self, leg: Leg, data: &[u8], end: End) -> Put {
        if self.is_full(leg.conn) {
            return if self.conns.get(leg.conn).is_some() { Put::Taken(0, Ended::No) } else { Put::Gone };
        }
        let Some(conn) = self.conns.get_mut(leg.conn).filter(|conn| conn.ending.is_none()) else {
            return Put::Gone;
        };
        // No more than the output has room for; what was cut off follows when that has been written.
        let room = if throws_away(&conn.stage) { usize::MAX } else { conn.room() };
        let (data, end) = if data.len() > room { (&data[..room], End::More) } else { (data, end) };
        if conn.out.capacity() == 0 {
            conn.out = self.pool.buffer();
        }
        let put = match (&mut conn.stage, leg.stream) {
            (Stage::Http2(http2), Some(stream)) => {
                match http2.codec.send_data(stream, data, end, &mut conn.out) {
                    Ok(taken) if taken == data.len() && end == End::Stream => Put::Taken(taken, Ended::Yes),
                    Ok(taken) => Put::Taken(taken, Ended::No),
                    Err(SendError::Gone | SendError::NoStream) => Put::Gone,
                    Err(SendError::State) => Put::Broken,
                }
            }
            (Stage::Http1Server(server), None) => match &mut server.writing {
                Some(writing) => written(writing.data(data, end, &mut conn.out), data.len(), end),
                None => Put::Broken,
            },
            (Stage::Http1Client(client), None) if client.writing == Writing::Later => {
                Put::Taken(0, Ended::No)
            }
            (Stage::Http1Client(client), None) => {
                written(client.writing.data(data, end, &mut conn.out), data.len(), end)
            }
            _ => Put::Gone,
        };
        self.dirty(leg.conn);
        put
    }

    fn put_trailers(&mut self, leg: Leg, trailers: &HeaderList) {
        let Some(conn) = self.conns.get_mut(leg.conn) else { return };
        if conn.out.capacity() == 0 {
            conn.out = self.pool.buffer();
        }
        match (&mut conn.stage, leg.stream) {
            (Stage::Http2(http2), Some(stream)) => {
                // A stream that is gone has no use for them.
                let _ = http2.codec.send_headers(stream, trailers.iter(), End::Stream, &mut conn.out);
            }
            (Stage::Http1Server(server), None) => {
                if let Some(writing) = &mut server.writing {
                    let _ = writing.end(Some(trailers), &mut conn.out);
                }
            }
            (Stage::Http1Client(client), None) => {
                let _ = client.writing.end(Some(trailers), &mut conn.out);
            }
            _ => {}
        }
        self.dirty(leg.conn);
    }

    /// Content is in the output of its target: keep it for another attempt, and give it back to its source now, or when the
    /// target's socket has taken it.
    fn passed(&mut self, key: Key, direction: Direction, target: Leg, data: &[u8]) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        if direction == Direction::Request {
            exchange.replay.keep(data);
        }
        let pipe = exchange.pipe(direction);
        let repeated = pipe.repeated.min(data.len());
        pipe.repeated -= repeated;
        let owed = data.len() - repeated;
        if owed == 0 {
            return;
        }
        if self.conns.get(target.conn).is_some_and(|conn| conn.state.stuck) {
            if let Some(exchange) = self.exchanges.get_mut(key) {
                exchange.pipe(direction).unreleased += owed;
            }
            self.wait_for(target, key);
        } else {
            self.release(key, direction, owed);
        }
    }

    /// The target knows that a direction has ended.
    fn passed_end(&mut self, key: Key, direction: Direction) {
        let now = self.now;
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.pipe(direction).end = PipeEnd::Passed;
        match direction {
            Direction::Request => {
                exchange.request_sent = Some(now);
                self.set_exchange_deadline(key);
            }
            Direction::Response => {
                exchange.phase = Phase::Over;
                self.work.over.push(key);
            }
        }
    }

    /// Has an exchange asked again when a full target has been written; one that lacks a window is asked when that has grown.
    fn wait_if_full(&mut self, target: Leg, key: Key) {
        if self.is_full(target.conn) {
            self.wait_for(target, key);
        }
    }

    /// Has an exchange asked again when a connection's output has been written.
    fn wait_for(&mut self, target: Leg, key: Key) {
        if let Some(conn) = self.conns.get_mut(target.conn)
            && conn.waiters.last() != Some(&key)
        {
            conn.waiters.push(key);
        }
    }

    /// A connection's output has been written: its feeders get back what they are owed and go on.
    pub(super) fn serve_waiters(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let waiters = std::mem::take(&mut conn.waiters);
        for waiter in waiters {
            for direction in [Direction::Request, Direction::Response] {
                let Some(exchange) = self.exchanges.get_mut(waiter) else { continue };
                if exchange.target(direction).is_none_or(|leg| leg.conn != key) {
                    continue;
                }
                let owed = std::mem::take(&mut exchange.pipe(direction).unreleased);
                self.release(waiter, direction, owed);
                self.pump(waiter, direction);
            }
        }
    }

    /// A message contradicts its own length: neither side can be left believing that it was whole.
    fn broken(&mut self, key: Key, direction: Direction, target: Leg) {
        match target.stream {
            Some(stream) => {
                if let Some(conn) = self.conns.get_mut(target.conn)
                    && let Stage::Http2(http2) = &mut conn.stage
                {
                    http2.codec.reset(stream, ErrorCode::PROTOCOL_ERROR, &mut conn.out);
                }
                self.dirty(target.conn);
            }
            None => self.doom(target.conn, Ending { reason: Some("message length"), errno: 0, reset: true }),
        }
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.pipe(direction).end = PipeEnd::Passed;
            exchange.failure = Some(super::Failure::Protocol);
            exchange.phase = Phase::Over;
        }
        self.work.over.push(key);
    }
}

/// Whether content for a connection is dropped, as the message that it belongs to has none.
fn throws_away(stage: &Stage) -> bool {
    match stage {
        Stage::Http1Server(server) => server.writing == Some(Writing::Nothing),
        Stage::Http1Client(client) => client.writing == Writing::Nothing,
        _ => false,
    }
}

/// A request flows once an attempt is under way, a response once its head has been passed on.
fn may_flow(phase: Phase, direction: Direction, answered: bool) -> bool {
    match direction {
        Direction::Request => phase == Phase::Sent,
        Direction::Response => answered && phase != Phase::Over,
    }
}

fn written(result: Result<(), Mismatch>, octets: usize, end: End) -> Put {
    match result {
        Ok(()) => Put::Taken(octets, if end == End::Stream { Ended::Yes } else { Ended::No }),
        Err(Mismatch) => Put::Broken,
    }
}
