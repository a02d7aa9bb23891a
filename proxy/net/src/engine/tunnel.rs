//! Tunnels: two connections whose octets are copied to each other, from opaque connections and from upgrades.

use std::time::{Duration, Instant};

use super::arena::Key;
use super::conn::{Awaited, Deciding, Ending, Fin, Purpose, Stage, Tunnel};
use super::core::CONNECT_FAILED;
use super::exchange::{Leg, Phase};
use super::forward::control;
use super::pool::BUFFER;
use super::{
    Attempt, ConnectError, Control, Direction, EndpointId, Engine, ExchangeId, Failure, Handler, HttpVersion,
    ResponseStep,
};
use crate::h2::{End, ErrorCode};
use crate::headers::HeaderList;

/// A key of nothing, until the other side is there.
const NOBODY: Key = Key { index: u32::MAX, generation: u32::MAX };

impl<H: Handler> Engine<H> {
    /// Turns an accepted connection into a tunnel to an endpoint.
    pub(super) fn tunnel_start(&mut self, key: Key, endpoint: Key, idle: Option<Duration>) {
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        let dialled = match &conn.stage {
            Stage::Deciding(Deciding {
                awaited: Awaited::FirstOctet { upstream, endpoint: to, .. }, ..
            }) if *to == endpoint => Some(*upstream),
            _ => None,
        };
        if dialled.is_none() {
            self.drop_first_octet(key);
        }
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        conn.stage = Stage::Tunnel(Tunnel {
            peer: dialled.unwrap_or(NOBODY),
            joined: false,
            idle,
            direction: Direction::Request,
            exchange: None,
            endpoint: Some(endpoint),
        });
        self.core.set_conn_deadline(key, None);
        let Some(place) = self.core.endpoints.get_mut(endpoint).filter(|place| !place.removed) else {
            self.tunnel_failed(key, ConnectError::Io(0));
            return;
        };
        place.requests += 1;
        match dialled {
            Some(upstream) => {
                let up =
                    self.core.conns.get(upstream).is_some_and(|conn| matches!(conn.stage, Stage::Tunnel(_)));
                if up {
                    self.tunnel_joined(key, upstream);
                }
            }
            None => {
                let upstream = self.dial(endpoint, Purpose::Tunnel { client: key });
                if let Some(upstream) = upstream
                    && let Some(Stage::Tunnel(tunnel)) =
                        self.core.conns.get_mut(key).map(|conn| &mut conn.stage)
                {
                    tunnel.peer = upstream;
                }
            }
        }
    }

    /// Dials first, and lets the side that talks first decide.
    pub(super) fn tunnel_server_first(
        &mut self,
        key: Key,
        endpoint: Key,
        idle: Option<Duration>,
        never: Instant,
    ) {
        let gone = self.core.endpoints.get(endpoint).is_none_or(|place| place.removed);
        let awaited = Awaited::FirstOctet { upstream: NOBODY, endpoint, idle };
        if let Some(conn) = self.core.conns.get_mut(key) {
            conn.stage = Stage::Deciding(Deciding { awaited, timeout_at: never, silent_at: None });
        }
        self.core.set_conn_deadline(key, None);
        if gone {
            self.tunnel_failed(key, ConnectError::Io(0));
            return;
        }
        let Some(upstream) = self.dial(endpoint, Purpose::Tunnel { client: key }) else { return };
        if let Some(Stage::Deciding(deciding)) = self.core.conns.get_mut(key).map(|conn| &mut conn.stage) {
            deciding.awaited = Awaited::FirstOctet { upstream, endpoint, idle };
        }
        self.core.again(key);
    }

    /// Gives up the connection that was dialled for a server that might have talked first.
    pub(super) fn drop_first_octet(&mut self, key: Key) {
        let Some(Stage::Deciding(Deciding { awaited: Awaited::FirstOctet { upstream, .. }, .. })) =
            self.core.conns.get(key).map(|conn| &conn.stage)
        else {
            return;
        };
        let upstream = *upstream;
        self.core.drop_conn(upstream);
    }

    /// The dialled side is up.
    pub(super) fn tunnel_joined(&mut self, client: Key, upstream: Key) {
        let now = self.core.now;
        let Some(conn) = self.core.conns.get_mut(client).filter(|conn| conn.ending.is_none()) else {
            self.core.drop_conn(upstream);
            return;
        };
        // The first octet of either side decides what becomes of a connection that waits for it.
        let Stage::Tunnel(tunnel) = &mut conn.stage else { return };
        tunnel.peer = upstream;
        tunnel.joined = true;
        let idle = tunnel.idle;
        let ended = conn.state.read_ended && conn.input.is_empty();
        self.core.set_conn_deadline(client, idle.map(|idle| now + idle));
        self.core.again(client);
        if ended {
            self.end_output(upstream);
        }
    }

    /// The dialled side cannot come up.
    pub(super) fn tunnel_failed(&mut self, client: Key, error: ConnectError) {
        let errno = if let ConnectError::Io(errno) = error { errno } else { 0 };
        self.core.doom(client, Ending { reason: Some(CONNECT_FAILED), errno, reset: true });
    }

    /// Hands what was read on one side to the output of the other; what cannot go yet is returned.
    pub(super) fn tunnel_take(&mut self, key: Key, buffer: Vec<u8>) -> Vec<u8> {
        let Some(Stage::Tunnel(tunnel)) = self.core.conns.get(key).map(|conn| &conn.stage) else {
            return buffer;
        };
        let tunnel = *tunnel;
        if buffer.is_empty() {
            return buffer;
        }
        if tunnel.direction == Direction::Response {
            self.server_spoke_first(tunnel.peer, key);
        }
        let Some(peer) = self.core.conns.get_mut(tunnel.peer).filter(|peer| peer.ending.is_none()) else {
            return buffer;
        };
        if !tunnel.joined || !matches!(peer.stage, Stage::Tunnel(_)) {
            return buffer;
        }
        let accepted = if tunnel.direction == Direction::Request { key } else { tunnel.peer };
        if let Some(data) = self.conn_data.get_mut(accepted.index as usize).and_then(Option::as_mut) {
            self.handler.tunneled(data, tunnel.direction, &buffer, self.core.now);
        }
        let octets = buffer.len();
        if peer.out.is_empty() {
            let old = std::mem::replace(&mut peer.out, buffer);
            self.core.pool.give(old);
        } else {
            peer.out.extend_from_slice(&buffer);
            self.core.pool.give(buffer);
        }
        self.core.dirty(tunnel.peer);
        if let Some(exchange) = tunnel.exchange.and_then(|exchange| self.core.exchanges.get_mut(exchange)) {
            match tunnel.direction {
                Direction::Request => exchange.request_octets += octets as u64,
                Direction::Response => exchange.response_octets += octets as u64,
            }
        }
        Vec::new()
    }

    /// A server has talked before its client: that settles that this is a tunnel.
    fn server_spoke_first(&mut self, client: Key, upstream: Key) {
        let Some(Stage::Deciding(Deciding { awaited: Awaited::FirstOctet { endpoint, idle, .. }, .. })) =
            self.core.conns.get(client).map(|conn| &conn.stage)
        else {
            return;
        };
        let (endpoint, idle) = (*endpoint, *idle);
        self.tunnel_start(client, endpoint, idle);
        debug_assert!(
            self.core.conns.get(upstream).is_some(),
            "a tunnel was parted from the side that spoke"
        );
    }

    /// Whether the other side of a tunnel can take another read.
    pub(super) fn tunnel_may_read(&mut self, tunnel: Tunnel) -> bool {
        if !tunnel.joined {
            return false;
        }
        let Some(peer) = self.core.conns.get_mut(tunnel.peer) else { return false };
        if matches!(peer.stage, Stage::Deciding(_)) {
            return true;
        }
        if peer.state.stuck || peer.unwritten() >= BUFFER {
            peer.state.starving = true;
            return false;
        }
        true
    }

    /// One side of a tunnel has ended what it sends: the other side is told once it has everything.
    pub(super) fn tunnel_ended(&mut self, key: Key) {
        let Some(conn) = self.core.conns.get(key) else { return };
        let Stage::Tunnel(tunnel) = conn.stage else { return };
        let finished = conn.state.fin == Fin::Sent;
        if !conn.input.is_empty() {
            // What is left goes first; the end is seen again then.
            return;
        }
        match self.core.conns.get(tunnel.peer).map(|peer| &peer.stage) {
            Some(Stage::Tunnel(_)) => self.end_output(tunnel.peer),
            // A server that leaves without a word, before its client has said anything.
            Some(Stage::Deciding(_)) => self.core.linger(tunnel.peer),
            Some(_) | None => {}
        }
        if finished {
            self.core.drop_conn(key);
        }
    }

    fn end_output(&mut self, key: Key) {
        if let Some(conn) = self.core.conns.get_mut(key)
            && conn.state.fin == Fin::No
        {
            conn.state.fin = Fin::Wanted;
        }
        self.core.dirty(key);
    }

    /// The timer of a tunnel: nothing has passed for too long.
    pub(super) fn tunnel_timer(&mut self, key: Key) {
        let now = self.core.now;
        let Some(conn) = self.core.conns.get(key) else { return };
        let Stage::Tunnel(tunnel) = conn.stage else { return };
        let Some(idle) = tunnel.idle else { return };
        let peer = self.core.conns.get(tunnel.peer).map_or(conn.heard, |peer| peer.heard);
        let until = conn.heard.max(peer) + idle;
        if now >= until {
            let ending = Ending { reason: Some("idle timeout"), errno: 0, reset: false };
            self.core.doom(key, ending);
            self.core.doom(tunnel.peer, ending);
        } else {
            self.core.set_conn_deadline(key, Some(until));
        }
    }

    /// A side of a tunnel is gone for good: so is the other, unless everything went in order.
    pub(super) fn tunnel_gone(&mut self, tunnel: Tunnel, ending: Ending) {
        if let Some(peer) = self.core.conns.get(tunnel.peer) {
            let orderly = ending.reason.is_none() && peer.state.fin != Fin::No;
            if matches!(peer.stage, Stage::Tunnel(_) | Stage::Connecting(_) | Stage::Securing(_)) && !orderly
            {
                self.core.doom(tunnel.peer, Ending { reset: ending.reset, ..ending });
            }
        }
        if let Some(endpoint) = tunnel.endpoint {
            self.release_endpoint(endpoint);
        }
        if tunnel.direction == Direction::Request
            && let Some(exchange) = tunnel.exchange
        {
            self.finish(exchange);
        }
    }

    /// A server has agreed to another protocol: both connections become a tunnel.
    pub(super) fn on_upgraded(&mut self, key: Key, mut head: HeaderList, rest: &[u8]) {
        let now = self.core.now;
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        let (Leg { conn: client, stream: None }, Some(Leg { conn: upstream, .. })) =
            (exchange.client, exchange.attempt.leg)
        else {
            self.attempt_failed(key, Failure::Protocol);
            return;
        };
        exchange.response_head = Some(now);
        exchange.first_octet = Some(now);
        let endpoint = exchange.endpoint.unwrap_or(NOBODY);
        let attempt = Attempt {
            id: ExchangeId(key),
            endpoint: EndpointId(endpoint),
            number: exchange.attempt.number,
            started: exchange.attempt.started,
            replayable: false,
            answered: false,
            version: HttpVersion::Http11,
        };
        let Some(data) = self.exchange_data.get_mut(key.index as usize).and_then(Option::as_mut) else {
            return;
        };
        let mut place = self.endpoints.get_mut(endpoint.index as usize).and_then(Option::take);
        let shown = place.as_deref_mut();
        let step =
            self.handler.response(&mut control!(self), &attempt, data, shown, &mut head, End::More, None);
        self.put_back(attempt.endpoint, place);
        if let ResponseStep::Reply(reply) = step {
            self.abandon(key, ErrorCode::CANCEL);
            self.reply(key, &reply);
            return;
        }
        self.core.write_http1_response(client, &head, End::More);
        self.core.pool.give_list(head);
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        exchange.phase = Phase::Upgraded;
        exchange.answered = true;
        let idle = exchange.timeouts.idle;
        for (conn, peer, direction) in
            [(client, upstream, Direction::Request), (upstream, client, Direction::Response)]
        {
            if let Some(conn) = self.core.conns.get_mut(conn) {
                let exchange = Some(key);
                conn.stage =
                    Stage::Tunnel(Tunnel { peer, joined: true, idle, direction, exchange, endpoint: None });
            }
            self.core.again(conn);
        }
        self.core.set_conn_deadline(client, idle.map(|idle| now + idle));
        self.core.set_conn_deadline(upstream, None);
        if !rest.is_empty() {
            let mut buffer = self.core.pool.buffer();
            buffer.extend_from_slice(rest);
            // Both sides are there, so nothing comes back.
            let _ = self.tunnel_take(upstream, buffer);
        }
    }
}
