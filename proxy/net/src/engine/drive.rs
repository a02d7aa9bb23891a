//! One connection's input: from its socket through TLS to what it speaks.

use super::accept::Look;
use super::arena::Key;
use super::conn::{Awaited, Deciding, Ending, Fin, Stage};
use super::http1::HOLD;
use super::io::{LISTENERS, Read, read_limit};
use super::tls::connect_error;
use super::{ConnectError, Engine, Handler, Progress};

/// Reads of one connection in one round; more has to wait for the others.
const READS: usize = 16;

impl<H: Handler> Engine<H> {
    /// A socket's waker has rung.
    pub(super) fn socket_ready(&mut self, key: Key) {
        let Some(conn) = self.core.conns.get(key).filter(|conn| conn.ending.is_none()) else { return };
        let connecting = matches!(conn.stage, Stage::Connecting(_));
        if conn.state.stuck {
            self.core.dirty(key);
        }
        if connecting {
            self.check_connected(key);
        } else {
            self.read(key);
        }
    }

    /// Reads a connection until it has nothing more, or somebody has to be waited for.
    pub(super) fn read(&mut self, key: Key) {
        for _ in 0..READS {
            if !self.may_read(key) || !self.core.is_readable(key) {
                return;
            }
            let mut buffer = self.core.read_buffer(key);
            let Some(room) = self.core.conns.get(key).map(|conn| read_limit(conn, &buffer)) else { return };
            match self.core.read(key, &mut buffer) {
                Read::Some(octets) => {
                    self.arrived(key, buffer);
                    let tunnel = self.core.conns.get(key).and_then(|conn| match conn.stage {
                        Stage::Tunnel(tunnel) => Some(tunnel.peer),
                        _ => None,
                    });
                    // A full read is a batch of its own; it goes out before the next is read.
                    if let Some(peer) = tunnel.filter(|_| octets == room) {
                        self.core.flush(peer);
                    }
                }
                Read::Nothing => {
                    self.keep(key, buffer);
                    return;
                }
                Read::End => {
                    self.keep(key, buffer);
                    if let Some(conn) = self.core.conns.get_mut(key) {
                        conn.state.read_ended = true;
                    }
                    self.ended(key);
                    return;
                }
                Read::Broken(errno) => {
                    self.keep(key, buffer);
                    if matches!(
                        self.core.conns.get(key).map(|conn| &conn.stage),
                        Some(Stage::Connecting(_) | Stage::Securing(_))
                    ) {
                        self.connect_failed(key, ConnectError::Io(errno));
                    }
                    self.core.doom(key, Ending { reason: Some("read failed"), errno, reset: true });
                    return;
                }
            }
        }
        self.core.ready.push(key.index + LISTENERS);
    }

    /// Puts back what was taken out of a connection to read behind it.
    pub(super) fn keep(&mut self, key: Key, buffer: Vec<u8>) {
        if buffer.is_empty() {
            self.core.pool.give(buffer);
            return;
        }
        let kept = self.core.pool.keep(buffer);
        if let Some(conn) = self.core.conns.get_mut(key) {
            if conn.tls.is_some() { conn.sealed = kept } else { conn.input = kept }
        }
    }

    /// Whether a connection should be read now.
    pub(super) fn may_read(&mut self, key: Key) -> bool {
        let Some(conn) = self.core.conns.get(key) else { return false };
        if conn.ending.is_some() || conn.state.read_ended {
            return false;
        }
        match &conn.stage {
            Stage::Deciding(deciding) => deciding.awaited != Awaited::Resume && conn.input.len() < HOLD,
            Stage::Connecting(_) => false,
            Stage::Securing(_) | Stage::Lingering => true,
            Stage::Http1Server(server) => server.held < HOLD && conn.input.len() < HOLD,
            Stage::Http1Client(client) => client.held < HOLD,
            // Content is held back long before; what is left are answers that the peer does not read.
            Stage::Http2(_) => conn.unwritten() < conn.max_unwritten.saturating_mul(4),
            Stage::Tunnel(tunnel) => {
                let tunnel = *tunnel;
                conn.input.is_empty() && self.tunnel_may_read(tunnel)
            }
        }
    }

    /// Octets have come from a socket, behind what was left of earlier ones.
    pub(super) fn arrived(&mut self, key: Key, mut buffer: Vec<u8>) {
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        if conn.tls.is_none() {
            self.opened(key, buffer);
            return;
        }
        let mut plain = self.core.pool.buffer();
        let rest = std::mem::take(&mut conn.input);
        plain.extend_from_slice(&rest);
        let outcome = self.core.open(key, &mut buffer, &mut plain);
        self.core.pool.give(buffer);
        let closed = match outcome {
            Ok(closed) => closed,
            Err(failed) => {
                self.core.pool.give(plain);
                self.tls_failed(key, &failed.0);
                return;
            }
        };
        let Some(conn) = self.core.conns.get(key) else { return };
        let done = conn.tls.as_ref().is_some_and(|session| !session.is_handshaking());
        match &conn.stage {
            Stage::Securing(_) if done => self.secured(key),
            Stage::Deciding(Deciding { awaited: Awaited::Handshake, .. }) if done => self.handshaken(key),
            _ => {}
        }
        self.opened(key, plain);
        if closed {
            if let Some(conn) = self.core.conns.get_mut(key) {
                conn.state.read_ended = true;
            }
            self.ended(key);
        }
    }

    pub(super) fn tls_failed(&mut self, key: Key, error: &rustls::Error) {
        let Some(conn) = self.core.conns.get(key) else { return };
        match &conn.stage {
            Stage::Securing(_) => {
                // The alert that says why is worth a write.
                self.core.flush(key);
                self.connect_failed(key, connect_error(error));
            }
            Stage::Deciding(_) => {
                tracing::debug!(%error, "TLS handshake failed");
                self.core.flush(key);
                self.advance(key, Progress::Failed("TLS handshake failed"));
            }
            _ => {
                self.core.flush(key);
                self.core.doom(key, Ending { reason: Some("TLS failed"), errno: 0, reset: false });
            }
        }
    }

    /// Plain octets are there: they are taken by what the connection speaks, and what is left stays.
    pub(super) fn opened(&mut self, key: Key, buffer: Vec<u8>) {
        let secure = self.core.conns.get(key).is_some_and(|conn| conn.tls.is_some());
        let mut at = 0;
        loop {
            let Some(conn) = self.core.conns.get(key).filter(|conn| conn.ending.is_none()) else {
                self.core.pool.give(buffer);
                return;
            };
            let before = std::mem::discriminant(&conn.stage);
            let mut look = Look::Enough;
            match conn.stage {
                Stage::Deciding(_) => {
                    let (taken, again) = self.decide(key, &buffer[at..]);
                    at += taken;
                    look = again;
                    let now_secure = self.core.conns.get(key).is_some_and(|conn| conn.tls.is_some());
                    if now_secure != secure {
                        // What was looked at is the start of a handshake.
                        if let Some(conn) = self.core.conns.get_mut(key) {
                            conn.sealed = buffer[at..].to_vec();
                        }
                        self.core.pool.give(buffer);
                        self.core.again(key);
                        return;
                    }
                }
                Stage::Http1Server(_) => at += self.consume_http1_server(key, &buffer[at..]),
                Stage::Http1Client(_) => at += self.consume_http1_client(key, &buffer[at..]),
                Stage::Http2(_) => at += self.consume_http2(key, &buffer[at..]),
                Stage::Tunnel(_) => {
                    let whole = if at == 0 { buffer } else { buffer[at..].to_vec() };
                    let rest = self.tunnel_take(key, whole);
                    self.keep_plain(key, rest);
                    return;
                }
                Stage::Lingering => at = buffer.len(),
                Stage::Connecting(_) | Stage::Securing(_) => {}
            }
            let after = self.core.conns.get(key).map(|conn| std::mem::discriminant(&conn.stage));
            if look == Look::Enough && after == Some(before) {
                break;
            }
        }
        if at == 0 {
            self.keep_plain(key, buffer);
        } else {
            let rest = if at < buffer.len() { buffer[at..].to_vec() } else { Vec::new() };
            self.core.pool.give(buffer);
            self.keep_plain(key, rest);
        }
    }

    pub(super) fn keep_plain(&mut self, key: Key, rest: Vec<u8>) {
        if rest.is_empty() {
            self.core.pool.give(rest);
            return;
        }
        let kept = self.core.pool.keep(rest);
        if let Some(conn) = self.core.conns.get_mut(key) {
            conn.input = kept;
        }
    }

    /// Looks again at what a connection has left unread, and reads on.
    pub(super) fn look_again(&mut self, key: Key) {
        let Some(conn) = self.core.conns.get_mut(key).filter(|conn| conn.ending.is_none()) else { return };
        if matches!(conn.stage, Stage::Connecting(_)) {
            self.check_connected(key);
            return;
        }
        if !conn.sealed.is_empty() {
            let sealed = std::mem::take(&mut conn.sealed);
            self.arrived(key, sealed);
        } else if !conn.input.is_empty() {
            let input = std::mem::take(&mut conn.input);
            self.opened(key, input);
        }
        let ended =
            self.core.conns.get(key).is_some_and(|conn| conn.state.read_ended && conn.ending.is_none());
        if ended {
            self.ended(key);
        } else {
            self.read(key);
        }
    }

    /// The peer of a connection sends nothing more.
    pub(super) fn ended(&mut self, key: Key) {
        let Some(conn) = self.core.conns.get(key).filter(|conn| conn.ending.is_none()) else { return };
        let ordinary = Ending { reason: conn.reason, errno: 0, reset: false };
        match &conn.stage {
            Stage::Deciding(deciding) => match deciding.awaited {
                Awaited::Resume => self.core.doom(key, ordinary),
                _ => self.advance(key, Progress::Failed("closed by the client")),
            },
            Stage::Connecting(_) | Stage::Securing(_) => {
                self.connect_failed(key, ConnectError::Io(libc::ECONNRESET));
            }
            Stage::Http1Server(server) => {
                if let Some(exchange) = server.exchange {
                    self.client_gone(exchange);
                    self.core.doom(key, ordinary);
                } else if conn.unwritten() > 0 {
                    // It has asked and gone half away; what it asked for is still on its way.
                    self.core.linger(key);
                } else {
                    self.core.doom(key, ordinary);
                }
            }
            Stage::Http1Client(_) => self.http1_client_ended(key),
            Stage::Http2(_) => self.core.doom(key, ordinary),
            Stage::Tunnel(_) => self.tunnel_ended(key),
            Stage::Lingering => {
                if conn.state.fin == Fin::Sent {
                    self.core.drop_conn(key);
                }
            }
        }
    }

    /// Output that was stuck, or that somebody waited for, has been written.
    pub(super) fn drained(&mut self, key: Key) {
        self.core.serve_waiters(key);
        let Some(conn) = self.core.conns.get(key) else { return };
        match &conn.stage {
            Stage::Tunnel(tunnel) => {
                let peer = tunnel.peer;
                self.core.again(peer);
            }
            // It may have been left unread while its answers were not taken.
            Stage::Http2(_) => self.core.again(key),
            _ => {}
        }
    }
}
