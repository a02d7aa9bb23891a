//! Reading and writing sockets.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::BufMut;
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::arena::Key;
use super::conn::{Conn, Ending, Fin, Origin, Stage};
use super::core::Core;
use super::pool::{BUFFER, MARGIN, Pool};
use super::tls;

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// So many octets.
    Some(usize),
    /// Nothing now; the socket's waker will ring.
    Nothing,
    /// The peer has ended its side.
    End,
    /// The connection is broken.
    Broken(i32),
}

/// Places of listeners come before those of connections.
pub(super) const LISTENERS: u32 = 16;

// === impl Core ===

impl Core {
    /// Reads once and appends to `buffer`, as much as fits.
    pub(super) fn read(&mut self, key: Key, buffer: &mut Vec<u8>) -> Read {
        let Some(conn) = self.conns.get_mut(key) else { return Read::Nothing };
        let limit = read_limit(conn, buffer);
        let waker = self.ready.waker(key.index + LISTENERS);
        let mut context = Context::from_waker(waker);
        let mut room = buffer.limit(limit);
        let outcome = pin!(conn.socket.read_buf(&mut room)).poll(&mut context);
        match outcome {
            Poll::Pending => Read::Nothing,
            Poll::Ready(Ok(0)) => Read::End,
            Poll::Ready(Ok(octets)) => {
                conn.read += octets as u64;
                conn.heard = self.now;
                self.touch(key, octets as u64, 0);
                Read::Some(octets)
            }
            Poll::Ready(Err(error)) => Read::Broken(errno(&error)),
        }
    }

    /// Whether a read may bring something; if not, the socket's waker will ring.
    pub(super) fn is_readable(&mut self, key: Key) -> bool {
        let Some(conn) = self.conns.get_mut(key) else { return false };
        let waker = self.ready.waker(key.index + LISTENERS);
        conn.socket.poll_read_ready(&mut Context::from_waker(waker)).is_ready()
    }

    /// Adds to the counters of the endpoint of a connection.
    fn touch(&mut self, key: Key, read: u64, written: u64) {
        let Some(Origin::Endpoint(endpoint)) = self.conns.get(key).map(|conn| conn.origin) else { return };
        if let Some(place) = self.endpoints.get_mut(endpoint) {
            if place.read == 0 && place.written == 0 {
                self.work.touched.push(endpoint);
            }
            place.read += read;
            place.written += written;
        }
    }

    /// Seals and writes a connection's output until it is written or the socket takes no more.
    pub(super) fn flush(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.state.dirty = false;
        if matches!(conn.stage, Stage::Connecting(_)) || conn.ending.is_some() {
            return;
        }
        let before = conn.written;
        let was_stuck = std::mem::replace(&mut conn.state.stuck, false);
        let mut broken = None;
        loop {
            if conn.wired < conn.wire.len() {
                let waker = self.ready.waker(key.index + LISTENERS);
                let mut context = Context::from_waker(waker);
                match Pin::new(&mut conn.socket).poll_write(&mut context, &conn.wire[conn.wired..]) {
                    Poll::Ready(Ok(octets)) => {
                        conn.wired += octets;
                        conn.written += octets as u64;
                    }
                    Poll::Ready(Err(error)) => {
                        broken = Some(errno(&error));
                        break;
                    }
                    Poll::Pending => {
                        conn.state.stuck = true;
                        break;
                    }
                }
                continue;
            }
            conn.wire.clear();
            conn.wired = 0;
            if conn.sealing == conn.out.len() {
                conn.out.clear();
                conn.sealing = 0;
                break;
            }
            let Some(session) = &mut conn.tls else {
                std::mem::swap(&mut conn.out, &mut conn.wire);
                continue;
            };
            if session.is_handshaking() {
                break;
            }
            let plain = &conn.out[conn.sealing..];
            let plain = &plain[..plain.len().min(tls::SEAL)];
            let Ok(octets) = session.seal(plain, &mut conn.sealed, &mut self.sealer) else {
                broken = Some(0);
                break;
            };
            conn.sealing += plain.len();
            let waker = self.ready.waker(key.index + LISTENERS);
            let mut context = Context::from_waker(waker);
            let rest = match Pin::new(&mut conn.socket).poll_write(&mut context, &self.sealer[..octets]) {
                Poll::Ready(Ok(taken)) => taken,
                Poll::Ready(Err(error)) => {
                    broken = Some(errno(&error));
                    break;
                }
                Poll::Pending => 0,
            };
            conn.written += rest as u64;
            if rest < octets {
                // Only what the socket does not take is copied.
                conn.wire.extend_from_slice(&self.sealer[rest..octets]);
            }
        }
        let written = conn.written - before;
        let stuck = conn.state.stuck;
        put_back(conn, &mut self.pool);
        let owes =
            !stuck && (std::mem::take(&mut conn.state.starving) || was_stuck || !conn.waiters.is_empty());
        if broken.is_some() {
            conn.sealing = 0;
        }
        if written > 0 {
            self.touch(key, 0, written);
        }
        if let Some(errno) = broken {
            self.doom(key, Ending { reason: Some("write failed"), errno, reset: true });
        } else if !stuck {
            if owes {
                self.work.drained.push(key);
            }
            self.finish_output(key);
        }
    }

    /// Tells the peer that all has been said, once it has been.
    fn finish_output(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.state.fin != Fin::Wanted || conn.unwritten() > 0 {
            return;
        }
        conn.state.fin = Fin::Sent;
        if let Some(session) = &mut conn.tls {
            let octets = session.close(&mut conn.sealed, &mut self.sealer);
            let waker = self.ready.waker(key.index + LISTENERS);
            let mut context = Context::from_waker(waker);
            // A full socket loses this notice, and the end of the stream still follows.
            let _ = Pin::new(&mut conn.socket).poll_write(&mut context, &self.sealer[..octets]);
        }
        let waker = self.ready.waker(key.index + LISTENERS);
        let _ = Pin::new(&mut conn.socket).poll_shutdown(&mut Context::from_waker(waker));
        if conn.state.read_ended {
            self.drop_conn(key);
        }
    }

    /// Opens what was read: `wire` is emptied into `plain`, and a part of a record stays with the connection.
    pub(super) fn open(
        &mut self,
        key: Key,
        wire: &mut Vec<u8>,
        plain: &mut Vec<u8>,
    ) -> Result<bool, tls::Failed> {
        let Some(conn) = self.conns.get_mut(key) else { return Ok(false) };
        let Some(session) = &mut conn.tls else { return Ok(false) };
        let mut reply = std::mem::take(&mut conn.wire);
        let before = reply.len();
        let opened = session.open(wire, plain, &mut reply);
        let grown = reply.len() > before;
        conn.wire = reply;
        let result = match opened {
            Ok(opened) => {
                let rest = &wire[opened.consumed..];
                if !rest.is_empty() {
                    conn.sealed = rest.to_vec();
                }
                Ok(opened.closed)
            }
            Err(error) => Err(tls::Failed(error)),
        };
        wire.clear();
        if grown {
            self.dirty(key);
        }
        result
    }

    /// A buffer to read into, which begins with what is left of earlier reads.
    pub(super) fn read_buffer(&mut self, key: Key) -> Vec<u8> {
        let mut buffer = self.pool.buffer();
        if let Some(conn) = self.conns.get_mut(key) {
            let rest = if conn.tls.is_some() { &mut conn.sealed } else { &mut conn.input };
            let rest = std::mem::take(rest);
            if !rest.is_empty() {
                if rest.len() > BUFFER / 2 {
                    // A large rest is read behind in place.
                    self.pool.give(buffer);
                    buffer = rest;
                    buffer.reserve(BUFFER / 2);
                } else {
                    buffer.extend_from_slice(&rest);
                }
            }
        }
        buffer
    }
}

/// Octets that one read of a connection may bring into a buffer.
pub(super) fn read_limit(conn: &Conn, buffer: &[u8]) -> usize {
    // What a peer like us has sealed at once is read at once. Were the read only as large as its content, most of a record would be
    // left over each time, to be copied to the start of the next read.
    let whole = if conn.tls.is_some() { BUFFER + MARGIN } else { BUFFER };
    whole.saturating_sub(buffer.len()).max(BUFFER / 4)
}

/// The operating system's number of an error, 0 for none.
pub(super) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or_default()
}

/// Gives a connection's buffers back, or keeps what the socket has not taken in no more memory than it needs.
fn put_back(conn: &mut Conn, pool: &mut Pool) {
    let (out, wire) = (&mut conn.out, &mut conn.wire);
    if conn.state.stuck {
        out.drain(..conn.sealing);
        conn.sealing = 0;
        (conn.out, conn.wire) = (pool.keep(std::mem::take(out)), pool.keep(std::mem::take(wire)));
        return;
    }
    for buffer in [std::mem::take(out), std::mem::take(wire)] {
        if buffer.is_empty() {
            pool.give(buffer);
        } else {
            // Only a handshake keeps output back.
            conn.out = buffer;
        }
    }
}
