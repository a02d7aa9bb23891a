//! Bodies as they arrive.

use super::Http1Error;
use super::head::no_bare_line_feed;
use crate::h2::End;
use crate::headers::HeaderList;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    Empty,
    /// After so many octets, at least one.
    Length(u64),
    /// With a chunk of size 0 and trailers.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// A piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyStep<'a> {
    /// Octets of the input that are done with; when 0 and the body goes on, more has to be read.
    pub consumed: usize,
    /// Content among them.
    pub data: &'a [u8],
    /// Whether the body has ended.
    pub end: End,
}

/// Takes a body apart.
#[derive(Clone, Copy, Debug)]
pub struct BodyDecoder {
    state: State,
    /// Octets of chunk extensions that may still come.
    extensions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length(u64),
    UntilClose,
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Done,
}

/// Octets of all chunk extensions of a body.
const EXTENSIONS: usize = 4096;
/// Octets of one line with a chunk's size.
const SIZE_LINE: usize = 512;
/// Octets and fields of trailers.
const TRAILERS: usize = 8192;
const TRAILER_FIELDS: usize = 32;

// === impl Body ===

impl Body {
    pub(super) fn of_length(length: u64) -> Self {
        if length == 0 { Self::Empty } else { Self::Length(length) }
    }
}

// === impl BodyDecoder ===

impl BodyDecoder {
    /// A decoder for a body that ends like this.
    #[must_use]
    pub fn new(body: Body) -> Self {
        let state = match body {
            Body::Empty => State::Done,
            Body::Length(length) => State::Length(length),
            Body::Chunked => State::ChunkSize,
            Body::UntilClose => State::UntilClose,
        };
        Self { state, extensions: EXTENSIONS }
    }

    /// Whether the body has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next piece from the start of `input`; trailers are appended to `trailers`.
    ///
    /// # Errors
    /// When a chunk is malformed; the connection has to be closed.
    #[inline]
    pub fn decode<'a>(
        &mut self,
        input: &'a [u8],
        trailers: &mut HeaderList,
    ) -> Result<BodyStep<'a>, Http1Error> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            let data = match self.state {
                State::Done => return Ok(BodyStep { consumed: at, data: b"", end: End::Stream }),
                State::UntilClose => rest,
                State::Length(left) | State::Chunk(left) => {
                    &rest[..rest.len().min(usize::try_from(left).unwrap_or(usize::MAX))]
                }
                State::ChunkSize | State::ChunkEnd | State::Trailers => match self.line(rest, trailers)? {
                    0 => return Ok(BodyStep { consumed: at, data: b"", end: End::More }),
                    taken => {
                        at += taken;
                        continue;
                    }
                },
            };
            let octets = data.len() as u64;
            self.state = match self.state {
                State::Length(left) if left == octets => State::Done,
                State::Length(left) => State::Length(left - octets),
                State::Chunk(left) if left == octets => State::ChunkEnd,
                State::Chunk(left) => State::Chunk(left - octets),
                other => other,
            };
            let end = if self.is_done() { End::Stream } else { End::More };
            return Ok(BodyStep { consumed: at + data.len(), data, end });
        }
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// [`Http1Error::Truncated`] unless the body may end so.
    pub fn finish(&mut self) -> Result<(), Http1Error> {
        if !matches!(self.state, State::UntilClose | State::Done) {
            return Err(Http1Error::Truncated);
        }
        self.state = State::Done;
        Ok(())
    }

    /// Takes what stands between chunks; 0 when it is not whole.
    fn line(&mut self, rest: &[u8], trailers: &mut HeaderList) -> Result<usize, Http1Error> {
        match self.state {
            State::ChunkEnd => {
                let length = rest.len().min(2);
                if rest[..length] != b"\r\n"[..length] {
                    return Err(Http1Error::Chunk);
                }
                if length < 2 {
                    return Ok(0);
                }
                self.state = State::ChunkSize;
                Ok(2)
            }
            State::ChunkSize => self.size_line(rest),
            _ => {
                let taken = trailer_section(rest, trailers)?;
                if taken > 0 {
                    self.state = State::Done;
                }
                Ok(taken)
            }
        }
    }

    fn size_line(&mut self, rest: &[u8]) -> Result<usize, Http1Error> {
        let line = &rest[..rest.len().min(SIZE_LINE)];
        let digits = line.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
        if digits > 16 || (digits == 0 && !line.is_empty()) {
            return Err(Http1Error::Chunk);
        }
        let Some(line_feed) = line.iter().position(|octet| *octet == b'\n') else {
            // What has come must still be able to become a size line.
            let fits = line.get(digits).is_none_or(|octet| matches!(octet, b'\r' | b';' | b' ' | b'\t'));
            return if fits && line.len() < SIZE_LINE { Ok(0) } else { Err(Http1Error::Chunk) };
        };
        let extension = line[digits..line_feed].strip_suffix(b"\r").ok_or(Http1Error::BareLineFeed)?;
        let marked = extension.trim_ascii_start().first().is_none_or(|octet| *octet == b';');
        let clean = !extension.iter().any(|octet| (*octet < b' ' && *octet != b'\t') || *octet == 0x7f);
        // Blanks without an extension behind them mean nothing and only hide a size from other readers.
        if !marked || !clean || (!extension.is_empty() && extension.trim_ascii().is_empty()) {
            return Err(Http1Error::Chunk);
        }
        self.extensions = self.extensions.checked_sub(extension.len()).ok_or(Http1Error::ChunkExtensions)?;
        let size = line[..digits].iter().try_fold(0u64, |sum, octet| {
            let digit = char::from(*octet).to_digit(16)?;
            sum.checked_mul(16)?.checked_add(u64::from(digit)).filter(|size| *size <= u64::MAX >> 1)
        });
        self.state = match size.ok_or(Http1Error::Chunk)? {
            0 => State::Trailers,
            size => State::Chunk(size),
        };
        Ok(line_feed + 1)
    }
}

/// Takes the trailers and the empty line after them; 0 when they are not whole.
fn trailer_section(rest: &[u8], trailers: &mut HeaderList) -> Result<usize, Http1Error> {
    let mut room = [httparse::EMPTY_HEADER; TRAILER_FIELDS];
    let (taken, fields) = match httparse::parse_headers(rest, &mut room) {
        Ok(httparse::Status::Complete(whole)) => whole,
        Ok(httparse::Status::Partial) if rest.len() <= TRAILERS => return Ok(0),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Http1Error::TooLarge);
        }
        Err(_) => return Err(Http1Error::Head),
    };
    if taken > TRAILERS {
        return Err(Http1Error::TooLarge);
    }
    no_bare_line_feed(&rest[..taken])?;
    for field in fields {
        // Trailers must not change what the head has said of framing, routing or the connection.
        const REFUSED: [&str; 9] = [
            "transfer-encoding",
            "content-length",
            "host",
            "connection",
            "keep-alive",
            "proxy-connection",
            "te",
            "upgrade",
            "trailer",
        ];
        if !REFUSED.iter().any(|name| field.name.eq_ignore_ascii_case(name)) {
            trailers.push_lowered(field.name.as_bytes(), field.value);
        }
    }
    Ok(taken)
}
