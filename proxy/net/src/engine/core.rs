//! What belongs to the engine and not to the handler.

use std::time::{Duration, Instant};

use super::arena::{Arena, Key};
use super::conn::{Conn, Ending, Fin, Origin, Purpose, Stage};
use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::pool::Pool;
use super::ready::Ready;
use super::timer::{Target, Wheel};
use super::{Config, Direction};

/// Everything that [`Control`](super::Control) reaches.
pub(crate) struct Core {
    pub(super) config: Config,
    pub(super) now: Instant,
    pub(super) random: u64,
    pub(super) conns: Arena<Conn>,
    pub(super) exchanges: Arena<Exchange>,
    pub(super) endpoints: Arena<Endpoint>,
    pub(super) wheel: Wheel,
    pub(super) pool: Pool,
    /// Where output is sealed on its way to a socket.
    pub(super) sealer: Vec<u8>,
    pub(super) ready: Ready,
    /// What handlers asked for during a call; done when the call is over, so that nothing changes under its feet.
    pub(super) actions: Vec<Action>,
    pub(super) work: Work,
    pub(super) drain_until: Option<Instant>,
    /// Connections that were accepted and are not gone.
    pub(super) accepted: usize,
}

/// What is left to do in this round.
#[derive(Default)]
pub(super) struct Work {
    /// Connections with output.
    pub(super) dirty: Vec<Key>,
    /// Connections whose stuck output has been written.
    pub(super) drained: Vec<Key>,
    /// Connections whose input has to be looked at again.
    pub(super) again: Vec<Key>,
    /// Connections that end.
    pub(super) doomed: Vec<Key>,
    /// Exchanges whose response has been passed on.
    pub(super) over: Vec<Key>,
    /// Endpoints whose connections have read or written.
    pub(super) touched: Vec<Key>,
}

/// What a handler asked for.
pub(super) enum Action {
    ResumeConn(Key),
    ResumeExchange(Key),
    CloseConn(Key, &'static str),
    AddedEndpoint(Key),
    RemovedEndpoint(Key),
    Drain(Duration),
}

/// Why a connection ends that was never up.
pub(super) const CONNECT_FAILED: &str = "connect failed";

// === impl Core ===

impl Core {
    pub(super) fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            now,
            random: rand::random(),
            conns: Arena::new(),
            exchanges: Arena::new(),
            endpoints: Arena::new(),
            wheel: Wheel::new(now),
            pool: Pool::new(),
            sealer: vec![0; super::tls::SEALED],
            ready: Ready::new(),
            actions: Vec::new(),
            work: Work::default(),
            drain_until: None,
            accepted: 0,
        }
    }

    /// splitmix64: good enough to choose between endpoints.
    pub(super) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Has a connection's output written at the end of the round.
    pub(super) fn dirty(&mut self, key: Key) {
        if let Some(conn) = self.conns.get_mut(key)
            && !conn.state.dirty
        {
            conn.state.dirty = true;
            self.work.dirty.push(key);
        }
    }

    /// Has a connection's input looked at again, and its socket read.
    pub(super) fn again(&mut self, key: Key) {
        if let Some(conn) = self.conns.get_mut(key)
            && !conn.state.again
        {
            conn.state.again = true;
            self.work.again.push(key);
        }
    }

    /// Ends a connection, at once as seen by everybody, and for good at the end of the round.
    pub(super) fn doom(&mut self, key: Key, ending: Ending) {
        if let Some(conn) = self.conns.get_mut(key)
            && conn.ending.is_none()
        {
            conn.ending = Some(ending);
            self.work.doomed.push(key);
        }
    }

    /// Ends a connection that is of no more use to anybody, without a reason to report.
    pub(super) fn drop_conn(&mut self, key: Key) {
        self.doom(key, Ending { reason: None, errno: 0, reset: false });
    }

    /// Writes what is left, says that this was all, and waits a moment for the peer to close.
    pub(super) fn linger(&mut self, key: Key) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let until = self.now + PATIENCE;
        if let Some(conn) = self.conns.get_mut(key) {
            conn.stage = Stage::Lingering;
            conn.state.fin = if conn.state.fin == Fin::No { Fin::Wanted } else { conn.state.fin };
            conn.input = Vec::new();
        }
        self.dirty(key);
        self.again(key);
        self.set_conn_deadline(key, Some(until));
    }

    /// Sets when a connection's timer has to be looked at; one that is set earlier fires first and is then moved.
    pub(super) fn set_conn_deadline(&mut self, key: Key, at: Option<Instant>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.deadline = at;
        if let Some(at) = at
            && !self.wheel.covers(conn.timer, at)
        {
            self.wheel.set(&mut conn.timer, at, Target::Conn(key));
        }
    }

    /// Sets an exchange's timer to the earliest of its limits.
    pub(super) fn set_exchange_deadline(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        if let Some(at) = exchange.deadline()
            && !self.wheel.covers(exchange.timer, at)
        {
            self.wheel.set(&mut exchange.timer, at, Target::Exchange(key));
        }
    }

    /// Whether a connection takes no more content for now.
    pub(super) fn is_full(&self, key: Key) -> bool {
        self.conns.get(key).is_none_or(|conn| conn.room() == 0)
    }

    /// Gives octets back to where they came from: its window opens, or it is read again.
    pub(super) fn release(&mut self, key: Key, direction: Direction, octets: usize) {
        if octets == 0 {
            return;
        }
        let Some(source) = self.exchanges.get(key).and_then(|exchange| exchange.source(direction)) else {
            return;
        };
        let Some(conn) = self.conns.get_mut(source.conn) else { return };
        match (&mut conn.stage, source.stream) {
            (Stage::Http2(http2), Some(stream)) => {
                let before = conn.out.len();
                http2.codec.release(stream, octets, &mut conn.out);
                if conn.out.len() > before {
                    self.dirty(source.conn);
                }
            }
            (Stage::Http1Server(server), None) => {
                let paused = server.held >= super::http1::HOLD;
                server.held = server.held.saturating_sub(octets);
                if paused && server.held < super::http1::HOLD {
                    self.again(source.conn);
                }
            }
            (Stage::Http1Client(client), None) => {
                let paused = client.held >= super::http1::HOLD;
                client.held = client.held.saturating_sub(octets);
                if paused && client.held < super::http1::HOLD {
                    self.again(source.conn);
                }
            }
            _ => {}
        }
    }

    /// A connection that was being opened is given up.
    pub(super) fn forget_opening(&mut self, key: Key, purpose: Purpose) {
        let Some(conn) = self.conns.get(key) else { return };
        // A failure to connect was counted when it was told.
        if conn.ending.is_some_and(|ending| ending.reason == Some(CONNECT_FAILED)) {
            return;
        }
        let Origin::Endpoint(endpoint) = conn.origin else { return };
        let Some(place) = self.endpoints.get_mut(endpoint) else { return };
        match purpose {
            Purpose::Http1 => place.opening_http1 = place.opening_http1.saturating_sub(1),
            Purpose::Http2 => place.opening_http2 = place.opening_http2.saturating_sub(1),
            Purpose::Tunnel { .. } => {}
        }
    }

    /// Gives back what an exchange is owed by a connection that is gone.
    pub(super) fn release_owed(&mut self, key: Key, gone: Key) {
        for direction in [Direction::Request, Direction::Response] {
            let Some(exchange) = self.exchanges.get_mut(key) else { return };
            if exchange.target(direction).is_none_or(|leg| leg.conn == gone) {
                let owed = std::mem::take(&mut exchange.pipe(direction).unreleased);
                self.release(key, direction, owed);
            }
        }
    }
}
