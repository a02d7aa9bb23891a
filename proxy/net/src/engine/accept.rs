//! Accepted connections: from the first octet to the protocol that is served.

use std::time::{Duration, Instant};

use super::arena::Key;
use super::conn::{Addresses, Awaited, Conn, Deciding, Ending, Origin, Stage};
use super::forward::control;
use super::hello::{Sniffed, sniff};
use super::http1::Http1Server;
use super::http2::{Http2, KeepAlive};
use super::tls::Session;
use super::{Accepted, ConnId, Control, Engine, H2Server, Handler, Progress, Step, detect};
use crate::h2::{Connection, Role};
use crate::http1::Parsed;
use crate::proxy_header::ProxyHeader;
use crate::transport_header::Header;

/// A time that never comes, for steps that wait without a limit.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The least output of a connection before its feeders are held back: one frame of the protocol's own size.
const SMALLEST_OUTPUT: usize = 16 * 1024;

/// Whether a stage has to look at its input once more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Again,
    Enough,
}

impl<H: Handler> Engine<H> {
    /// A socket was accepted.
    pub(super) fn accepted(&mut self, socket: tokio::net::TcpStream, addresses: Addresses) {
        let now = self.core.now;
        let stage =
            Stage::Deciding(Deciding { awaited: Awaited::Resume, timeout_at: now + NEVER, silent_at: None });
        let mut conn = Conn::new(socket, Origin::Accepted, stage, now);
        conn.max_unwritten = self.core.config.max_unwritten;
        let key = self.core.conns.insert(conn);
        self.core.accepted += 1;
        let Addresses { listener, peer, local, original } = addresses;
        let accepted = Accepted { id: ConnId(key), listener, peer, local, original };
        let (data, step) = self.handler.accepted(&mut control!(self), &accepted);
        let index = key.index as usize;
        if self.conn_data.len() <= index {
            self.conn_data.resize_with(index + 1, || None);
        }
        self.conn_data[index] = Some(data);
        self.step(key, step);
    }

    /// Tells the handler the outcome of a step and takes the next.
    pub(super) fn advance(&mut self, key: Key, event: Progress<'_>) {
        let failed = match event {
            Progress::Failed(reason) => Some(reason),
            _ => None,
        };
        let Some(data) = self.conn_data.get_mut(key.index as usize).and_then(Option::as_mut) else { return };
        let step = self.handler.advance(&mut control!(self), ConnId(key), data, event);
        match failed {
            Some(reason) => self.core.doom(key, Ending { reason: Some(reason), errno: 0, reset: false }),
            None => self.step(key, step),
        }
    }

    /// Begins a step.
    pub(super) fn step(&mut self, key: Key, step: Step) {
        let never = self.core.now + NEVER;
        if !matches!(step, Step::Tunnel { .. }) {
            self.drop_first_octet(key);
        }
        match step {
            Step::SniffTls { timeout, silence } => self.await_step(key, Awaited::Hello, timeout, silence),
            Step::TerminateTls { config, timeout } => self.terminate(key, config, timeout),
            Step::ReadTransportHeader { timeout } => {
                self.await_step(key, Awaited::TransportHeader, timeout, None)
            }
            Step::ReadProxyHeader { timeout } => self.await_step(key, Awaited::ProxyHeader, timeout, None),
            Step::DetectHttp { timeout, silence } => self.await_step(key, Awaited::Http, timeout, silence),
            Step::Wait { timeout } => self.await_step(key, Awaited::Resume, timeout, None),
            Step::ServeHttp1(_) => {
                let idle = self.core.now + self.core.config.head_timeout;
                self.stage(key, Stage::Http1Server(Box::new(Http1Server::new())), Some(idle));
            }
            Step::ServeHttp2(serve) => self.serve_http2(key, &serve.h2),
            Step::Tunnel { endpoint, idle } => self.tunnel_start(key, endpoint.0, idle),
            Step::TunnelServerFirst { endpoint, idle } => {
                self.tunnel_server_first(key, endpoint.0, idle, never)
            }
            Step::Close { reason, reset } => {
                if reset {
                    self.core.doom(key, Ending { reason: Some(reason), errno: 0, reset });
                } else {
                    self.close_reason(key, reason);
                    self.core.linger(key);
                }
            }
        }
    }

    /// Remembers why a connection ends that ends in order.
    pub(super) fn close_reason(&mut self, key: Key, reason: &'static str) {
        if let Some(conn) = self.core.conns.get_mut(key) {
            conn.reason.get_or_insert(reason);
        }
    }

    fn stage(&mut self, key: Key, stage: Stage, deadline: Option<Instant>) {
        if let Some(conn) = self.core.conns.get_mut(key) {
            conn.stage = stage;
        }
        self.core.set_conn_deadline(key, deadline);
        self.core.again(key);
    }

    pub(super) fn await_step(
        &mut self,
        key: Key,
        awaited: Awaited,
        timeout: Duration,
        silence: Option<Duration>,
    ) {
        let now = self.core.now;
        let timeout_at = now + timeout.min(NEVER);
        let silent_at = silence.map(|silence| now + silence);
        let first = silent_at.map_or(timeout_at, |silent| silent.min(timeout_at));
        self.stage(key, Stage::Deciding(Deciding { awaited, timeout_at, silent_at }), Some(first));
    }

    fn terminate(&mut self, key: Key, config: std::sync::Arc<rustls::ServerConfig>, timeout: Duration) {
        let session = Session::server(config);
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        match session {
            Ok(session) if conn.tls.is_none() => {
                conn.tls = Some(Box::new(session));
                conn.sealed = std::mem::take(&mut conn.input);
                self.await_step(key, Awaited::Handshake, timeout, None);
            }
            Ok(_) => self.advance(key, Progress::Failed("TLS within TLS")),
            Err(_) => self.advance(key, Progress::Failed("TLS configuration")),
        }
    }

    fn serve_http2(&mut self, key: Key, server: &H2Server) {
        let now = self.core.now;
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        if conn.out.capacity() == 0 {
            conn.out = self.core.pool.buffer();
        }
        let mut codec = Connection::server(server.config, &mut conn.out);
        if self.core.drain_until.is_some() {
            codec.shutdown(&mut conn.out);
        }
        let keep_alive =
            server.keep_alive.map(|(interval, timeout)| KeepAlive { interval, timeout, idle: true });
        conn.max_unwritten =
            server.send_buffer.map_or(conn.max_unwritten, |octets| octets.max(SMALLEST_OUTPUT));
        let patience = self.core.config.settings_timeout;
        let http2 = Http2::new(codec, Role::Server, keep_alive, now, patience);
        let deadline = http2.first_deadline(now);
        self.core.dirty(key);
        self.stage(key, Stage::Http2(Box::new(http2)), deadline);
    }

    /// Looks at the first octets of a connection; how many were taken, and whether to look again.
    pub(super) fn decide(&mut self, key: Key, input: &[u8]) -> (usize, Look) {
        let Some(Stage::Deciding(deciding)) = self.core.conns.get(key).map(|conn| &conn.stage) else {
            return (0, Look::Again);
        };
        if input.is_empty() {
            return (0, Look::Enough);
        }
        match deciding.awaited {
            Awaited::Resume | Awaited::Handshake => return (0, Look::Enough),
            Awaited::FirstOctet { .. } => self.advance(key, Progress::FirstOctet),
            Awaited::Hello => {
                let mut scratch = self.core.pool.buffer();
                let sniffed = sniff(input, &mut scratch);
                match sniffed {
                    Sniffed::Partial => {
                        self.core.pool.give(scratch);
                        return (0, Look::Enough);
                    }
                    Sniffed::NotTls => self.advance(key, Progress::NotTls),
                    Sniffed::Hello(name) => {
                        let name = name.map(str::to_ascii_lowercase);
                        self.advance(key, Progress::Hello { sni: name.as_deref() });
                    }
                }
                self.core.pool.give(scratch);
            }
            Awaited::Http => match detect::detect(input) {
                None => return (0, Look::Enough),
                Some(found) => self.advance(key, Progress::Protocol(found)),
            },
            Awaited::TransportHeader => match Header::decode(input) {
                Ok(Parsed::Partial) => return (0, Look::Enough),
                Ok(Parsed::Whole(header, taken)) => {
                    self.advance(key, Progress::Header(&header));
                    return (taken, Look::Again);
                }
                Err(_) => self.advance(key, Progress::Failed("malformed transport header")),
            },
            Awaited::ProxyHeader => match ProxyHeader::decode(input) {
                Ok(Parsed::Partial) => return (0, Look::Enough),
                Ok(Parsed::Whole(header, taken)) => {
                    self.advance(key, Progress::ProxyHeader(header.source));
                    return (taken, Look::Again);
                }
                Err(_) => self.advance(key, Progress::Failed("malformed PROXY protocol header")),
            },
        }
        (0, Look::Again)
    }

    /// The handshake of an accepted connection is done.
    pub(super) fn handshaken(&mut self, key: Key) {
        let Some(session) = self.core.conns.get_mut(key).and_then(|conn| conn.tls.take()) else { return };
        let alpn = session.alpn().map(<[u8]>::to_vec);
        let client = session.peer_certificate().map(<[u8]>::to_vec);
        if let Some(conn) = self.core.conns.get_mut(key) {
            conn.tls = Some(session);
        }
        self.advance(key, Progress::Secured { alpn: alpn.as_deref(), client: client.as_deref() });
    }

    /// The timer of a connection in a step.
    pub(super) fn deciding_timer(&mut self, key: Key) {
        let now = self.core.now;
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        let quiet = conn.input.is_empty() && conn.sealed.is_empty();
        let Stage::Deciding(deciding) = &mut conn.stage else { return };
        if deciding.timeout_at <= now {
            self.advance(key, Progress::TimedOut);
        } else if deciding.silent_at.is_some_and(|at| at <= now) && quiet {
            self.advance(key, Progress::Silent);
        } else {
            deciding.silent_at = None;
            let at = deciding.timeout_at;
            self.core.set_conn_deadline(key, Some(at));
        }
    }
}
