//! HTTP/1 on a connection: requests of clients, responses of servers, and the writing of both.

mod client;
mod server;

use std::time::Instant;

use super::arena::Key;
use super::conn::Stage;
use super::core::Core;
use crate::h2::End;
use crate::headers::HeaderList;
use crate::http1::{
    Body, BodyDecoder, Method, RequestHead, Reuse, Version, write_chunk, write_last_chunk, write_request,
    write_response,
};

/// Octets of a body that are read ahead of the other side, and of requests behind the present one.
pub(super) const HOLD: usize = 64 * 1024;

/// An accepted connection with HTTP/1.
pub(super) struct Http1Server {
    /// The request that is not over.
    pub(super) exchange: Option<Key>,
    /// The body of the present request, while it goes on.
    pub(super) body: Option<BodyDecoder>,
    pub(super) head: Option<RequestHead>,
    /// How the present response is written; none before its head.
    pub(super) writing: Option<Writing>,
    /// Whether the connection ends with the present response.
    pub(super) reuse: Reuse,
    /// Octets of bodies that were read and not given back.
    pub(super) held: usize,
    /// When the first octet of a head that is not whole came.
    pub(super) head_began: Option<Instant>,
    /// What to report when the connection ends after its response.
    pub(super) reason: Option<&'static str>,
}

/// A dialled connection with HTTP/1.
pub(super) struct Http1Client {
    pub(super) exchange: Option<Key>,
    pub(super) method: Method,
    /// How the present request is written.
    pub(super) writing: Writing,
    /// The body of the present response, once its head is there.
    pub(super) body: Option<BodyDecoder>,
    pub(super) reuse: Reuse,
    pub(super) held: usize,
    /// Requests that it has served.
    pub(super) served: u32,
    /// Whether it is for one request alone.
    pub(super) once: bool,
}

/// How the body of a message that we send ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// The message is complete.
    Done,
    /// After so many octets.
    Length(u64),
    Chunked,
    UntilClose,
    /// What comes is thrown away: the message has no body.
    Nothing,
    /// What comes waits until the answer to CONNECT is there.
    Later,
}

// === impl Http1Server ===

impl Http1Server {
    pub(super) fn new() -> Self {
        Self {
            exchange: None,
            body: None,
            head: None,
            writing: None,
            reuse: Reuse::KeepAlive,
            held: 0,
            head_began: None,
            reason: None,
        }
    }
}

// === impl Http1Client ===

impl Http1Client {
    pub(super) fn new(once: bool) -> Self {
        Self {
            exchange: None,
            method: Method::Other,
            writing: Writing::Done,
            body: None,
            reuse: Reuse::KeepAlive,
            held: 0,
            served: 0,
            once,
        }
    }

    /// Whether it can take a request.
    pub(super) fn is_idle(&self) -> bool {
        self.exchange.is_none() && self.reuse == Reuse::KeepAlive && !(self.once && self.served > 0)
    }
}

// === impl Writing ===

impl Writing {
    /// Appends content; what goes beyond an announced length is an error of the other side.
    pub(super) fn data(&mut self, data: &[u8], end: End, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        match self {
            Self::Done if data.is_empty() => return Ok(()),
            Self::Done => return Err(Mismatch),
            Self::Nothing | Self::Later => {}
            Self::UntilClose => out.extend_from_slice(data),
            Self::Chunked => write_chunk(data, out),
            Self::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(Mismatch)?;
                out.extend_from_slice(data);
            }
        }
        if end == End::Stream { self.end(None, out) } else { Ok(()) }
    }

    /// Ends the message; trailers are lost where the framing has no place for them.
    pub(super) fn end(&mut self, trailers: Option<&HeaderList>, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        match std::mem::replace(self, Self::Done) {
            Self::Length(1..) => return Err(Mismatch),
            Self::Chunked => match trailers {
                Some(trailers) => write_last_chunk(trailers, out),
                None => out.extend_from_slice(b"0\r\n\r\n"),
            },
            _ => {}
        }
        Ok(())
    }

    fn of(body: Body) -> Self {
        match body {
            Body::Empty => Self::Nothing,
            Body::Length(length) => Self::Length(length),
            Body::Chunked => Self::Chunked,
            Body::UntilClose => Self::UntilClose,
        }
    }
}

/// A body is longer or shorter than its head said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mismatch;

// === impl Core ===

impl Core {
    /// Writes a response's head to a client.
    pub(super) fn write_http1_response(&mut self, key: Key, head: &HeaderList, end: End) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let Stage::Http1Server(server) = &mut conn.stage else { return };
        let Some(request) = server.head else { return };
        if conn.out.capacity() == 0 {
            conn.out = self.pool.buffer();
        }
        let status = head.value(b":status").unwrap_or_default();
        let informational = status.first() == Some(&b'1') && status != b"101";
        if informational {
            if request.version == Version::Http11 {
                write_response(head, Body::Empty, Reuse::KeepAlive, Version::Http11, &mut conn.out);
            }
            self.dirty(key);
            return;
        }
        let tunnel = status == b"101" || (request.method == Method::Connect && status.first() == Some(&b'2'));
        let bodyless = tunnel || request.method == Method::Head || matches!(status, b"204" | b"304");
        let length = head.value(b"content-length").and_then(crate::h2::message::parse_length);
        let body = match (bodyless, length, end) {
            (true, ..) => Body::Empty,
            (_, Some(0), _) => Body::Empty,
            (_, Some(length), _) => Body::Length(length),
            (_, None, End::Stream) => Body::Empty,
            (_, None, End::More) if request.version == Version::Http11 => Body::Chunked,
            (_, None, End::More) => Body::UntilClose,
        };
        // A request whose body we have not read ends the connection; so does a response that ends with it.
        if body == Body::UntilClose
            || request.reuse == Reuse::Close
            || (server.body.is_some() && end == End::Stream)
        {
            server.reuse = Reuse::Close;
        }
        let reuse = if tunnel { Reuse::KeepAlive } else { server.reuse };
        let announce = length.is_none() && !bodyless && end == End::Stream;
        if announce {
            // Without it, an HTTP/1 client would read until the connection ends.
            let mut list = self.pool.list();
            list.clone_from(head);
            list.push(b"content-length", b"0");
            write_response(&list, body, reuse, request.version, &mut conn.out);
            self.pool.give_list(list);
        } else {
            write_response(head, body, reuse, request.version, &mut conn.out);
        }
        server.writing = Some(Writing::of(body));
        self.dirty(key);
    }

    /// Writes a request's head to a server; `end` says whether a body follows.
    pub(super) fn write_http1_request(
        &mut self,
        key: Key,
        exchange: Key,
        head: &HeaderList,
        method: Method,
        end: End,
    ) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let Stage::Http1Client(client) = &mut conn.stage else { return };
        if conn.out.capacity() == 0 {
            conn.out = self.pool.buffer();
        }
        let length = head.value(b"content-length").and_then(crate::h2::message::parse_length);
        let body = match (length, end) {
            _ if method == Method::Connect => Body::Empty,
            (Some(0), _) | (None, End::Stream) => Body::Empty,
            (Some(length), _) => Body::Length(length),
            (None, End::More) => Body::Chunked,
        };
        let reuse = if client.once { Reuse::Close } else { Reuse::KeepAlive };
        write_request(head, body, reuse, &mut conn.out);
        client.writing = if method == Method::Connect { Writing::Later } else { Writing::of(body) };
        client.exchange = Some(exchange);
        client.method = method;
        client.body = None;
        client.served += 1;
        self.dirty(key);
    }
}
