//! Responses that the proxy makes itself.

use super::arena::Key;
use super::conn::Stage;
use super::exchange::{Phase, PipeEnd};
use super::http1::Writing;
use super::{Engine, Handler, Reply};
use crate::h2::{End, ErrorCode};
use crate::headers::HeaderList;
use crate::http1::Reuse;

impl<H: Handler> Engine<H> {
    /// Answers a request; where the client has a head already, its stream is reset, or for gRPC ended with the status.
    pub(super) fn reply(&mut self, key: Key, reply: &Reply) {
        let Some(exchange) = self.core.exchanges.get_mut(key) else { return };
        let client = exchange.client;
        if exchange.answered {
            let whole = exchange.down.is_empty();
            match (&reply.grpc, client.stream) {
                (Some(_), Some(_)) if whole => {
                    exchange.down.end = PipeEnd::Open;
                    let mut trailers = self.core.pool.list();
                    push_grpc(&mut trailers, reply);
                    self.core.deliver_trailers(key, super::Direction::Response, &trailers);
                    self.core.pool.give_list(trailers);
                }
                _ => self.reset_client(key, ErrorCode::INTERNAL_ERROR),
            }
            self.finish(key);
            return;
        }
        exchange.answered = true;
        exchange.phase = Phase::Over;
        exchange.down = super::exchange::Pipe { end: PipeEnd::Passed, ..Default::default() };
        exchange.first_octet.get_or_insert(self.core.now);
        let mut head = self.core.pool.list();
        fill(&mut head, reply);
        if let Some(conn) = self.core.conns.get_mut(client.conn)
            && reply.close
        {
            match &mut conn.stage {
                Stage::Http1Server(server) => server.reuse = Reuse::Close,
                Stage::Http2(http2) => http2.codec.shutdown(&mut conn.out),
                _ => {}
            }
        }
        if let Some(Stage::Http1Server(server)) =
            self.core.conns.get_mut(client.conn).map(|conn| &mut conn.stage)
            && let Some(request) = &mut server.head
            && reply.close
        {
            request.reuse = Reuse::Close;
        }
        self.write_head(client, &head, End::Stream);
        if let Some(Stage::Http1Server(server)) =
            self.core.conns.get_mut(client.conn).map(|conn| &mut conn.stage)
        {
            server.writing = Some(Writing::Done);
        }
        self.core.pool.give_list(head);
        self.finish(key);
    }
}

fn fill(head: &mut HeaderList, reply: &Reply) {
    // A status of a request that succeeded as far as HTTP can tell, or of one that did not.
    let status = if reply.grpc.is_some() { 200 } else { reply.status.clamp(200, 599) };
    let digits = [b'0' + (status / 100) as u8, b'0' + (status / 10 % 10) as u8, b'0' + (status % 10) as u8];
    head.push(b":status", &digits);
    if reply.grpc.is_some() {
        head.push(b"content-type", b"application/grpc");
        push_grpc(head, reply);
    }
    for field in reply.headers.iter().filter(|field| field.name.first() != Some(&b':')) {
        head.push_with(field.name, field.value, field.sensitivity);
    }
}

/// `grpc-status`, and `grpc-message` with everything outside of visible ASCII as percent and two digits.
fn push_grpc(list: &mut HeaderList, reply: &Reply) {
    let Some((code, message)) = &reply.grpc else { return };
    let digits = code.to_string();
    list.push(b"grpc-status", digits.as_bytes());
    if message.is_empty() {
        return;
    }
    let mut text = Vec::with_capacity(message.len());
    for octet in message.bytes() {
        if matches!(octet, b' '..=b'~') && octet != b'%' {
            text.push(octet);
        } else {
            text.push(b'%');
            for half in [octet >> 4, octet & 15] {
                text.push(b"0123456789ABCDEF"[usize::from(half)]);
            }
        }
    }
    // A field's value begins and ends with something visible.
    list.push(b"grpc-message", text.trim_ascii());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_reply_is_a_response_of_trailers_alone() {
        let mut head = HeaderList::new();
        let grpc = Some((14, "no 100% of\nüs".to_owned()));
        fill(&mut head, &Reply { status: 503, grpc, ..Reply::default() });
        assert_eq!(head.value(b":status"), Some(&b"200"[..]));
        assert_eq!(head.value(b"grpc-status"), Some(&b"14"[..]));
        assert_eq!(head.value(b"grpc-message"), Some(&b"no 100%25 of%0A%C3%BCs"[..]));
    }

    #[test]
    fn a_status_out_of_range_cannot_make_an_informational_response() {
        let mut head = HeaderList::new();
        fill(&mut head, &Reply { status: 0, ..Reply::default() });
        assert_eq!(head.value(b":status"), Some(&b"200"[..]));
    }
}
