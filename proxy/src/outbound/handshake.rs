//! When a TLS handshake that passes through is over, told from what is not encrypted.
//!
//! Record headers are never encrypted, nor is the first message of the server. They are enough:
//!
//! | what has passed | the handshake is over with |
//! |---|---|
//! | TLS 1.3 | the client's first record of application data type after the ServerHello: it holds the client's Finished, or what is sent just before it |
//! | TLS 1.3 with HelloRetryRequest | the same after the second ServerHello: the first has a random value of its own (RFC 8446 §4.1.3) |
//! | TLS 1.2 in full | the server's Finished, which is its first handshake record after its ChangeCipherSpec |
//! | TLS 1.2 resumed | the client's Finished, likewise, as then the server's comes first |
//! | TLS 1.2 with false start | the client's first application data |
//!
//! Early data passes before the ServerHello and counts for nothing; what of it is still under way then ends the time too early. A client
//! that gives up with TLS 1.3 sends an alert that looks like data, but is shorter than any Finished: such a handshake has no end.

use std::time::{Duration, Instant};

use proxy_net::engine::Direction;

/// Types of records (RFC 8446 §5.1, RFC 5246 §6.2.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// Octets of a record with an encrypted alert: level, description, the type inside, and a tag of up to 16. A Finished has 45 at least.
const ALERT_MAX: usize = 19;
/// The longest a record may be (RFC 5246 §6.2.3).
const RECORD_MAX: usize = 16_384 + 2_048;
/// Octets of a ServerHello up to the end of its random value: type, length, version, random.
const START: usize = 1 + 3 + 2 + 32;
/// The random value of a HelloRetryRequest.
const RETRY: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2,
    0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];

/// A handshake that is not over, as it passes.
pub(super) struct Handshake {
    since: Instant,
    client: Side,
    server: Side,
    hello: Hello,
}

/// What is to be thought of a handshake after some octets of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It goes on.
    Going,
    /// It is over.
    Over,
    /// It has failed, or this is not TLS: there is nothing more to be seen.
    Lost,
}

/// One side's records.
#[derive(Default)]
struct Side {
    /// The header of the record that has begun, as far as it has come.
    header: [u8; 5],
    have: usize,
    /// Octets of its content that are still to come.
    left: usize,
    changed_cipher: bool,
    finished: bool,
}

/// How far the server's answer has come.
enum Hello {
    /// It has not: the first octets of its message so far.
    Awaited([u8; START], usize),
    /// It wants another ClientHello; so many octets of that wish are still to come.
    Retry(usize),
    /// It has; whether after a wish.
    Come { retried: bool },
}

/// Part of a record.
struct Part<'a> {
    kind: u8,
    /// Octets of the whole record's content.
    length: usize,
    content: &'a [u8],
    /// Whether the record begins here.
    begins: bool,
}

// === impl Handshake ===

impl Handshake {
    /// A handshake whose client has begun `since`.
    pub(super) fn new(since: Instant) -> Self {
        Self { since, client: Side::default(), server: Side::default(), hello: Hello::Awaited([0; START], 0) }
    }

    /// How long it has taken until `now`.
    pub(super) fn took(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Octets pass, the first ones of each side included.
    pub(super) fn pass(&mut self, direction: Direction, mut octets: &[u8]) -> Seen {
        while !octets.is_empty() {
            let side = match direction {
                Direction::Request => &mut self.client,
                Direction::Response => &mut self.server,
            };
            let part = match side.next(&mut octets) {
                Ok(Some(part)) => part,
                Ok(None) => break,
                Err(NotTls) => return Seen::Lost,
            };
            let seen = match direction {
                Direction::Request => self.client_said(&part),
                Direction::Response => self.server_said(&part),
            };
            if seen != Seen::Going {
                return seen;
            }
        }
        Seen::Going
    }

    fn client_said(&mut self, part: &Part<'_>) -> Seen {
        if !part.begins {
            return Seen::Going;
        }
        match (part.kind, &self.hello) {
            (APPLICATION_DATA, Hello::Come { .. }) if part.length <= ALERT_MAX => Seen::Lost,
            (APPLICATION_DATA, Hello::Come { .. }) => Seen::Over,
            (CHANGE_CIPHER_SPEC | HANDSHAKE, _) => self.change(Direction::Request, part.kind),
            _ => Seen::Going,
        }
    }

    fn server_said(&mut self, part: &Part<'_>) -> Seen {
        match part.kind {
            HANDSHAKE if !matches!(self.hello, Hello::Come { .. }) => {
                self.read_hello(part.content);
                Seen::Going
            }
            CHANGE_CIPHER_SPEC | HANDSHAKE if part.begins => self.change(Direction::Response, part.kind),
            _ => Seen::Going,
        }
    }

    /// With TLS 1.2 the first handshake record after a side's ChangeCipherSpec is its Finished. Those of TLS 1.3 mean nothing, and only
    /// after a HelloRetryRequest does a handshake record follow one.
    fn change(&mut self, direction: Direction, kind: u8) -> Seen {
        if matches!(self.hello, Hello::Retry(_) | Hello::Come { retried: true }) {
            return Seen::Going;
        }
        let side = match direction {
            Direction::Request => &mut self.client,
            Direction::Response => &mut self.server,
        };
        match kind {
            CHANGE_CIPHER_SPEC => side.changed_cipher = true,
            _ => side.finished |= side.changed_cipher,
        }
        if self.client.finished && self.server.finished { Seen::Over } else { Seen::Going }
    }

    /// Content of the server's handshake records, until its ServerHello is known.
    fn read_hello(&mut self, mut content: &[u8]) {
        while let Some((_, rest)) = content.split_first() {
            match &mut self.hello {
                Hello::Awaited(start, have) => {
                    let count = content.len().min(START - *have);
                    start[*have..*have + count].copy_from_slice(&content[..count]);
                    *have += count;
                    content = &content[count..];
                    if *have < START {
                        return;
                    }
                    let [_, a, b, c, ..] = *start;
                    let length = u32::from_be_bytes([0, a, b, c]) as usize;
                    self.hello = if start[START - RETRY.len()..] == RETRY {
                        Hello::Retry((4 + length).saturating_sub(START))
                    } else {
                        Hello::Come { retried: false }
                    };
                }
                Hello::Retry(0) => self.hello = Hello::Come { retried: true },
                Hello::Retry(left) => {
                    *left -= 1;
                    content = rest;
                }
                Hello::Come { .. } => return,
            }
        }
    }
}

// === impl Side ===

/// What is there is no record of TLS.
struct NotTls;

impl Side {
    /// The next part of a record that has any content here, or none.
    fn next<'a>(&mut self, octets: &mut &'a [u8]) -> Result<Option<Part<'a>>, NotTls> {
        let mut begins = false;
        while self.left == 0 {
            let count = octets.len().min(self.header.len() - self.have);
            let (header, rest) = octets.split_at(count);
            self.header[self.have..self.have + count].copy_from_slice(header);
            self.have += count;
            *octets = rest;
            if self.have < self.header.len() {
                return Ok(None);
            }
            self.have = 0;
            self.left = self.length();
            let known = (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&self.header[0]);
            if !known || self.header[1] != 3 || self.left > RECORD_MAX {
                return Err(NotTls);
            }
            begins = true;
        }
        let (content, rest) = octets.split_at(octets.len().min(self.left));
        self.left -= content.len();
        *octets = rest;
        Ok(Some(Part { kind: self.header[0], length: self.length(), content, begins }))
    }

    fn length(&self) -> usize {
        usize::from(u16::from_be_bytes([self.header[3], self.header[4]]))
    }
}

#[cfg(test)]
mod tests;
