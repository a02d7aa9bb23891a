//! Responses of HTTP/1 servers.

use super::super::arena::Key;
use super::super::conn::{Origin, Stage};
use super::super::exchange::Leg;
use super::super::{Direction, Engine, Failure, Handler, HttpVersion};
use super::{Http1Client, Writing};
use crate::h2::End;
use crate::headers::HeaderList;
use crate::http1::{Body, BodyDecoder, Parsed, Reuse, Upgrade, Version, parse_response};

impl<H: Handler> Engine<H> {
    /// Takes responses from what a server has sent; the number of octets that are done with.
    pub(in super::super) fn consume_http1_client(&mut self, key: Key, input: &[u8]) -> usize {
        let mut at = 0;
        while at < input.len() {
            let Some(conn) = self.core.conns.get_mut(key).filter(|conn| conn.ending.is_none()) else {
                return input.len();
            };
            let Stage::Http1Client(client) = &mut conn.stage else { return at };
            let Some(exchange) = client.exchange else {
                // Nobody asked.
                self.core.drop_conn(key);
                return input.len();
            };
            let taken = if client.body.is_some() {
                self.http1_response_body(key, exchange, &input[at..])
            } else {
                self.http1_response_head(key, exchange, &input[at..])
            };
            if taken == 0 {
                break;
            }
            at += taken;
        }
        at
    }

    fn http1_response_head(&mut self, key: Key, exchange: Key, input: &[u8]) -> usize {
        let mut head = self.core.pool.list();
        let limits = self.core.config.head;
        let Some(client) = self.http1_client(key) else { return 0 };
        let parsed = parse_response(input, client.method, limits, &mut head);
        match parsed {
            Ok(Parsed::Partial) => {
                self.core.pool.give_list(head);
                0
            }
            Ok(Parsed::Whole(response, taken)) => {
                let version = match response.version {
                    Version::Http10 => HttpVersion::Http10,
                    Version::Http11 => HttpVersion::Http11,
                };
                if response.upgrade == Upgrade::Tunnel && client.writing == Writing::Later {
                    self.http1_connected(key, exchange, version, head);
                    return taken;
                }
                if response.upgrade != Upgrade::None {
                    self.on_upgraded(exchange, head, &input[taken..]);
                    return input.len();
                }
                if response.status < 200 {
                    self.on_informational(exchange, &head);
                    self.core.pool.give_list(head);
                    return taken;
                }
                client.reuse = response.reuse;
                client.body = Some(BodyDecoder::new(response.body));
                let end = if response.body == Body::Empty { End::Stream } else { End::More };
                if end == End::Stream {
                    self.http1_response_over(key, exchange);
                }
                self.on_response(exchange, version, head, end);
                taken
            }
            Err(_) => {
                self.core.pool.give_list(head);
                self.detach_http1(key, exchange);
                self.core.drop_conn(key);
                self.attempt_failed(exchange, Failure::Protocol);
                input.len()
            }
        }
    }

    /// A server has agreed to the CONNECT of a stream: octets pass as the content of both messages.
    fn http1_connected(&mut self, key: Key, exchange: Key, version: HttpVersion, head: HeaderList) {
        if let Some(client) = self.http1_client(key) {
            client.writing = Writing::UntilClose;
            client.reuse = Reuse::Close;
            client.body = Some(BodyDecoder::new(Body::UntilClose));
        }
        self.on_response(exchange, version, head, End::More);
        self.core.pump(exchange, Direction::Request);
    }

    fn http1_response_body(&mut self, key: Key, exchange: Key, input: &[u8]) -> usize {
        let mut trailers = self.core.pool.list();
        let Some(client) = self.http1_client(key) else { return 0 };
        let Some(decoder) = &mut client.body else { return 0 };
        let step = match decoder.decode(input, &mut trailers) {
            Ok(step) => step,
            Err(_) => {
                self.core.pool.give_list(trailers);
                self.detach_http1(key, exchange);
                self.core.drop_conn(key);
                self.attempt_failed(exchange, Failure::Protocol);
                return input.len();
            }
        };
        client.held += step.data.len();
        if step.end == End::Stream {
            self.http1_response_over(key, exchange);
        }
        if !trailers.is_empty() {
            self.on_trailers(exchange, Direction::Response, &mut trailers);
        } else if !step.data.is_empty() || step.end == End::Stream {
            self.on_data(exchange, Direction::Response, step.data, step.end);
        }
        self.core.pool.give_list(trailers);
        step.consumed
    }

    /// The server has closed its side.
    pub(in super::super) fn http1_client_ended(&mut self, key: Key) {
        let Some(client) = self.http1_client(key) else { return };
        let Some(exchange) = client.exchange else {
            self.core.drop_conn(key);
            return;
        };
        let whole = client.body.as_mut().is_some_and(|body| body.finish().is_ok());
        self.detach_http1(key, exchange);
        self.core.drop_conn(key);
        if whole {
            self.on_data(exchange, Direction::Response, b"", End::Stream);
        } else {
            self.attempt_failed(exchange, Failure::Closed);
        }
    }

    /// A response is whole: the connection serves the next request, waits for one, or ends.
    fn http1_response_over(&mut self, key: Key, exchange: Key) {
        self.detach_http1(key, exchange);
        let Some(client) = self.http1_client(key) else { return };
        client.body = None;
        client.held = 0;
        if client.writing != Writing::Done || !client.is_idle() {
            self.core.drop_conn(key);
            return;
        }
        let Some(Origin::Endpoint(endpoint)) = self.core.conns.get(key).map(|conn| conn.origin) else {
            return;
        };
        self.http1_free(endpoint, key);
    }

    /// Parts an exchange from its connection.
    pub(in super::super) fn detach_http1(&mut self, key: Key, exchange: Key) {
        if let Some(client) = self.http1_client(key) {
            client.exchange = None;
        }
        if let Some(exchange) = self.core.exchanges.get_mut(exchange)
            && exchange.attempt.leg == Some(Leg { conn: key, stream: None })
        {
            exchange.attempt.leg = None;
        }
    }

    pub(in super::super) fn http1_client(&mut self, key: Key) -> Option<&mut Http1Client> {
        match &mut self.core.conns.get_mut(key)?.stage {
            Stage::Http1Client(client) => Some(client),
            _ => None,
        }
    }
}
