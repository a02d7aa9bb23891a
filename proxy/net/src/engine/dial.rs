//! Opening connections to endpoints: TCP, TLS, preface.

use tokio::net::TcpStream;

use super::arena::Key;
use super::conn::{Conn, Ending, Origin, Purpose, Stage, Tunnel, socket_options};
use super::core::CONNECT_FAILED;
use super::http1::Http1Client;
use super::http2::{Http2, KeepAlive};
use super::io::errno;
use super::timer::Target;
use super::tls::{Session, connect_error};
use super::{ConnectError, Direction, EndpointEvent, Engine, Handler};
use crate::h2::{Connection, Role};

impl<H: Handler> Engine<H> {
    /// Begins to connect.
    pub(super) fn dial(&mut self, endpoint: Key, purpose: Purpose) -> Option<Key> {
        let now = self.core.now;
        let place = self.core.endpoints.get_mut(endpoint)?;
        let until = now + place.spec.connect_timeout;
        match purpose {
            Purpose::Http1 => place.opening_http1 += 1,
            Purpose::Http2 => place.opening_http2 += 1,
            Purpose::Tunnel { .. } => {}
        }
        let socket = crate::transport::connect(place.spec.addr, socket_options(&place.spec))
            .and_then(TcpStream::from_std);
        match socket {
            Ok(socket) => {
                place.connections += 1;
                let origin = Origin::Endpoint(endpoint);
                let mut conn = Conn::new(socket, origin, Stage::Connecting(purpose), now);
                conn.max_unwritten = self.core.config.max_unwritten;
                let key = self.core.conns.insert(conn);
                self.core.set_conn_deadline(key, Some(until));
                self.core.again(key);
                Some(key)
            }
            Err(error) => {
                self.dial_failed(endpoint, purpose, ConnectError::Io(errno(&error)));
                None
            }
        }
    }

    /// Looks whether a connection is there.
    pub(super) fn check_connected(&mut self, key: Key) {
        let Some(conn) = self.core.conns.get_mut(key).filter(|conn| conn.ending.is_none()) else { return };
        let Stage::Connecting(purpose) = conn.stage else { return };
        let Origin::Endpoint(endpoint) = conn.origin else { return };
        let waker = self.core.ready.waker(key.index + super::io::LISTENERS);
        let mut context = std::task::Context::from_waker(waker);
        if conn.socket.poll_write_ready(&mut context).is_pending() {
            return;
        }
        match conn.socket.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => {
                self.connect_failed(key, ConnectError::Io(errno(&error)));
                return;
            }
        }
        let tls = self.core.endpoints.get(endpoint).and_then(|place| place.spec.tls.clone());
        let Some(tls) = tls else {
            self.connected(key, endpoint, purpose);
            return;
        };
        match Session::client(tls.config, tls.server_name) {
            Ok(session) => {
                if let Some(conn) = self.core.conns.get_mut(key) {
                    conn.tls = Some(Box::new(session));
                    conn.stage = Stage::Securing(purpose);
                }
                // The first message of the handshake.
                self.arrived(key, Vec::new());
                self.core.again(key);
            }
            Err(error) => self.connect_failed(key, connect_error(&error)),
        }
    }

    /// The handshake of a dialled connection is done.
    pub(super) fn secured(&mut self, key: Key) {
        let Some(conn) = self.core.conns.get(key) else { return };
        let (Stage::Securing(purpose), Origin::Endpoint(endpoint)) = (&conn.stage, conn.origin) else {
            return;
        };
        let purpose = *purpose;
        self.connected(key, endpoint, purpose);
    }

    /// A connection is up: its preface goes first, then what it is for.
    pub(super) fn connected(&mut self, key: Key, endpoint: Key, purpose: Purpose) {
        let now = self.core.now;
        let Some(place) = self.core.endpoints.get_mut(endpoint) else {
            self.core.drop_conn(key);
            return;
        };
        let back = !place.ready;
        place.ready = true;
        place.failures = 0;
        place.retry_at = None;
        place.last_error = None;
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        if conn.out.capacity() == 0 {
            conn.out = self.core.pool.buffer();
        }
        let mut deadline = None;
        match purpose {
            Purpose::Http1 => {
                place.opening_http1 = place.opening_http1.saturating_sub(1);
                conn.out.extend_from_slice(&place.spec.preface.http1);
                conn.stage = Stage::Http1Client(Box::new(Http1Client::new(false)));
            }
            Purpose::Http2 => {
                place.opening_http2 = place.opening_http2.saturating_sub(1);
                conn.out.extend_from_slice(&place.spec.preface.http2);
                let mut codec = Connection::client(place.spec.h2, &mut conn.out);
                if let Some(streams) = place.streams {
                    codec.assume_streams(streams);
                }
                let keep_alive = place.spec.h2_keep_alive.map(|(interval, timeout, idle)| KeepAlive {
                    interval,
                    timeout,
                    idle,
                });
                let patience = self.core.config.settings_timeout;
                let http2 = Http2::new(codec, Role::Client, keep_alive, now, patience);
                deadline = http2.first_deadline(now);
                conn.stage = Stage::Http2(Box::new(http2));
                place.http2.push(key);
            }
            Purpose::Tunnel { client } => {
                conn.out.extend_from_slice(&place.spec.preface.opaque);
                conn.stage = Stage::Tunnel(Tunnel {
                    peer: client,
                    joined: true,
                    idle: None,
                    direction: Direction::Response,
                    exchange: None,
                    endpoint: None,
                });
            }
        }
        self.core.set_conn_deadline(key, deadline);
        self.core.dirty(key);
        self.core.again(key);
        if back {
            self.endpoint_event(endpoint, EndpointEvent::Ready);
        }
        self.endpoint_event(endpoint, EndpointEvent::Opened);
        match purpose {
            Purpose::Tunnel { client } => self.tunnel_joined(client, key),
            Purpose::Http1 => self.http1_free(endpoint, key),
            Purpose::Http2 => self.serve_waiting(endpoint),
        }
    }

    /// A dialled connection could not be brought up.
    pub(super) fn connect_failed(&mut self, key: Key, error: ConnectError) {
        let Some(conn) = self.core.conns.get(key).filter(|conn| conn.ending.is_none()) else { return };
        let (Stage::Connecting(purpose) | Stage::Securing(purpose), Origin::Endpoint(endpoint)) =
            (&conn.stage, conn.origin)
        else {
            return;
        };
        let purpose = *purpose;
        let errno = if let ConnectError::Io(errno) = error { errno } else { 0 };
        self.core.doom(key, Ending { reason: Some(CONNECT_FAILED), errno, reset: false });
        self.dial_failed(endpoint, purpose, error);
    }

    pub(super) fn dial_failed(&mut self, endpoint: Key, purpose: Purpose, error: ConnectError) {
        let now = self.core.now;
        let random = self.core.random();
        if let Some(place) = self.core.endpoints.get_mut(endpoint) {
            match purpose {
                Purpose::Http1 => place.opening_http1 = place.opening_http1.saturating_sub(1),
                Purpose::Http2 => place.opening_http2 = place.opening_http2.saturating_sub(1),
                Purpose::Tunnel { .. } => {}
            }
            let at = now + place.spec.backoff.delay(place.failures, random);
            place.failures = place.failures.saturating_add(1);
            place.last_error = Some(error);
            place.ready = false;
            if place.retry_at.is_none_or(|known| known <= now) {
                place.retry_at = Some(at);
            }
            let at = place.retry_at.unwrap_or(at);
            self.core.wheel.set(&mut place.timer, at, Target::Endpoint(endpoint));
        }
        self.endpoint_event(endpoint, EndpointEvent::Unready(error));
        match purpose {
            Purpose::Tunnel { client } => self.tunnel_failed(client, error),
            Purpose::Http1 => self.fail_waiting(endpoint, error, 1),
            Purpose::Http2 => self.fail_waiting(endpoint, error, usize::MAX),
        }
    }
}
