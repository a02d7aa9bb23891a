//! Requests of HTTP/1 clients.

use super::super::arena::Key;
use super::super::conn::{Ending, Stage};
use super::super::exchange::Leg;
use super::super::{Direction, Engine, Handler, HttpVersion};
use super::Http1Server;
use crate::h2::End;
use crate::headers::HeaderList;
use crate::http1::{Body, BodyDecoder, Http1Error, Parsed, Reuse, Version, parse_request};

impl<H: Handler> Engine<H> {
    /// Takes requests from what a client has sent; the number of octets that are done with.
    pub(in super::super) fn consume_http1_server(&mut self, key: Key, input: &[u8]) -> usize {
        let mut at = 0;
        while at < input.len() {
            let Some(conn) = self.core.conns.get_mut(key).filter(|conn| conn.ending.is_none()) else {
                return input.len();
            };
            let Stage::Http1Server(server) = &mut conn.stage else { return at };
            let taken = match (server.exchange, &server.body) {
                (_, Some(_)) => self.http1_request_body(key, &input[at..]),
                (None, None) => self.http1_request_head(key, &input[at..]),
                // The next request waits until this one is over.
                (Some(_), None) => 0,
            };
            if taken == 0 {
                break;
            }
            at += taken;
        }
        at
    }

    fn http1_request_head(&mut self, key: Key, input: &[u8]) -> usize {
        let mut head = self.core.pool.list();
        let now = self.core.now;
        let parsed = parse_request(input, self.core.config.head, &mut head);
        let Some(server) = self.http1_server(key) else { return 0 };
        match parsed {
            Ok(Parsed::Partial) => {
                let began = server.head_began.is_none();
                server.head_began.get_or_insert(now);
                if began {
                    let until = now + self.core.config.head_timeout;
                    self.core.set_conn_deadline(key, Some(until));
                }
                self.core.pool.give_list(head);
                0
            }
            Ok(Parsed::Whole(request, taken)) => {
                server.head = Some(request);
                server.head_began = None;
                server.writing = None;
                server.reuse = request.reuse;
                server.held = 0;
                server.body = (request.body != Body::Empty).then(|| BodyDecoder::new(request.body));
                self.core.set_conn_deadline(key, None);
                let end = if request.body == Body::Empty { End::Stream } else { End::More };
                let version = match request.version {
                    Version::Http10 => HttpVersion::Http10,
                    Version::Http11 => HttpVersion::Http11,
                };
                self.on_request(Leg { conn: key, stream: None }, version, Some(&request), head, end);
                taken
            }
            Err(error) => {
                self.core.pool.give_list(head);
                let status = if error == Http1Error::TooLarge { b"431" } else { b"400" };
                self.refuse_http1(key, status, "malformed request");
                input.len()
            }
        }
    }

    fn http1_request_body(&mut self, key: Key, input: &[u8]) -> usize {
        let mut trailers = self.core.pool.list();
        let Some(server) = self.http1_server(key) else { return 0 };
        let exchange = server.exchange;
        let Some(decoder) = &mut server.body else { return 0 };
        let step = match decoder.decode(input, &mut trailers) {
            Ok(step) => step,
            Err(_) => {
                server.exchange = None;
                self.core.pool.give_list(trailers);
                if let Some(exchange) = exchange {
                    self.client_gone(exchange);
                }
                self.refuse_http1(key, b"400", "malformed request body");
                return input.len();
            }
        };
        server.held += step.data.len();
        if step.end == End::Stream {
            server.body = None;
        }
        if let Some(exchange) = exchange {
            if trailers.is_empty() {
                if !step.data.is_empty() || step.end == End::Stream {
                    self.on_data(exchange, Direction::Request, step.data, step.end);
                }
            } else {
                self.on_trailers(exchange, Direction::Request, &mut trailers);
            }
        }
        self.core.pool.give_list(trailers);
        step.consumed
    }

    /// Answers a request that cannot be understood, and ends the connection.
    fn refuse_http1(&mut self, key: Key, status: &[u8], reason: &'static str) {
        let Some(server) = self.http1_server(key) else { return };
        server.reason = Some(reason);
        let answered = server.writing.is_some();
        server.exchange = None;
        if answered {
            // The client is in the middle of a response; only a cut tells it that something is wrong.
            self.core.doom(key, Ending { reason: Some(reason), errno: 0, reset: true });
            return;
        }
        let head: HeaderList = [(&b":status"[..], status), (b"content-length", b"0")].into_iter().collect();
        if let Some(conn) = self.core.conns.get_mut(key) {
            if conn.out.capacity() == 0 {
                conn.out = self.core.pool.buffer();
            }
            crate::http1::write_response(&head, Body::Empty, Reuse::Close, Version::Http11, &mut conn.out);
        }
        self.core.linger(key);
    }

    /// The response has been written completely: the next request may come, or the connection ends.
    pub(in super::super) fn http1_served(&mut self, key: Key) {
        let draining = self.core.drain_until.is_some();
        let Some(server) = self.http1_server(key) else { return };
        server.exchange = None;
        if server.body.is_some() || server.reuse == Reuse::Close || draining {
            self.core.linger(key);
            return;
        }
        server.head = None;
        server.writing = None;
        server.held = 0;
        let idle = self.core.config.http1_idle.map(|idle| self.core.now + idle);
        self.core.set_conn_deadline(key, idle);
        self.core.again(key);
    }

    fn http1_server(&mut self, key: Key) -> Option<&mut Http1Server> {
        match &mut self.core.conns.get_mut(key)?.stage {
            Stage::Http1Server(server) => Some(server),
            _ => None,
        }
    }
}
