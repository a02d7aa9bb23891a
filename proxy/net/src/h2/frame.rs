//! Frames: parsed from a slice without a copy, and appended to a buffer.

use super::MAX_STREAM_ID;
use super::error::{ErrorCode, FrameError, Reason};
use super::settings::SettingsFrame;

/// Octets of a frame's header.
pub const HEADER_LEN: usize = 9;

/// Frame types.
pub mod kind {
    /// Content of a message.
    pub const DATA: u8 = 0;
    /// The start of a header block.
    pub const HEADERS: u8 = 1;
    /// Advice that nobody follows any more.
    pub const PRIORITY: u8 = 2;
    /// The end of a stream by an error.
    pub const RST_STREAM: u8 = 3;
    /// Parameters of an endpoint.
    pub const SETTINGS: u8 = 4;
    /// A promised stream.
    pub const PUSH_PROMISE: u8 = 5;
    /// Liveness.
    pub const PING: u8 = 6;
    /// The end of a connection.
    pub const GOAWAY: u8 = 7;
    /// More room for data.
    pub const WINDOW_UPDATE: u8 = 8;
    /// More of a header block.
    pub const CONTINUATION: u8 = 9;
}

/// The flag of DATA and HEADERS that ends the stream.
pub const END_STREAM: u8 = 0x1;
/// The flag of SETTINGS and PING that answers one.
pub const ACK: u8 = 0x1;
/// The flag of HEADERS and CONTINUATION that ends the header block.
pub const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Whether a frame is the last of its stream in this direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// More follows.
    More,
    /// Nothing follows.
    Stream,
}

/// Whether a frame is the last of its header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// CONTINUATION follows.
    Open,
    /// The block is whole.
    Whole,
}

/// A frame whose payload is borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Content of a message.
    Data {
        /// The stream.
        stream: u32,
        /// The content without padding.
        data: &'a [u8],
        /// What the frame takes from the windows: content, padding and its length.
        flow: u32,
        /// Whether it is the last frame.
        end: End,
    },
    /// The start of a header block; priority is dropped.
    Headers {
        /// The stream.
        stream: u32,
        /// This frame's part of the block.
        block: &'a [u8],
        /// Whether the stream ends with this message.
        end: End,
        /// Whether the block is whole.
        rest: Block,
    },
    /// Advice on priority; ignored.
    Priority {
        /// The stream.
        stream: u32,
    },
    /// The end of a stream by an error.
    Reset {
        /// The stream.
        stream: u32,
        /// Why.
        code: ErrorCode,
    },
    /// Parameters of the peer.
    Settings(SettingsFrame<'a>),
    /// The peer has applied our parameters.
    SettingsAck,
    /// A promised stream; always an error for us.
    PushPromise {
        /// The stream that it came on.
        stream: u32,
    },
    /// A question for liveness.
    Ping([u8; 8]),
    /// The answer to one of ours.
    Pong([u8; 8]),
    /// The peer ends the connection.
    GoAway {
        /// The highest of our streams that it may have processed.
        last_stream: u32,
        /// Why.
        code: ErrorCode,
        /// Words for a log.
        debug: &'a [u8],
    },
    /// More room for data; stream 0 is the connection.
    WindowUpdate {
        /// The stream, or 0.
        stream: u32,
        /// How many octets more, never 0.
        increment: u32,
    },
    /// More of a header block.
    Continuation {
        /// The stream.
        stream: u32,
        /// This frame's part of the block.
        block: &'a [u8],
        /// Whether the block is whole.
        rest: Block,
    },
    /// A type that the standard does not know; ignored.
    Unknown {
        /// The type.
        kind: u8,
    },
}

/// What the start of the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A frame and the octets that it takes.
    Frame(Frame<'a>, usize),
    /// A frame that breaks the protocol, and the octets to skip if the error reaches one stream only.
    Bad(FrameError, usize),
    /// Not a whole frame; `needed` octets in total would be one, as far as is known.
    Partial {
        /// Octets that the input has to have.
        needed: usize,
    },
}

struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

/// Parses the frame at the start of `input`; a payload may have up to `max_frame_size` octets.
///
/// A frame that is too long is refused as soon as its header is there.
#[inline]
#[must_use]
pub fn parse(input: &[u8], max_frame_size: u32) -> Parsed<'_> {
    let Some(bytes) = input.first_chunk::<HEADER_LEN>() else {
        return Parsed::Partial { needed: HEADER_LEN };
    };
    let head = Head {
        length: u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize,
        kind: bytes[3],
        flags: bytes[4],
        stream: u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]) & MAX_STREAM_ID,
    };
    let total = HEADER_LEN + head.length;
    if head.length > max_frame_size as usize {
        return Parsed::Bad(FrameError::connection(ErrorCode::FRAME_SIZE_ERROR, Reason::FrameTooLong), total);
    }
    let Some(payload) = input.get(HEADER_LEN..total) else {
        return Parsed::Partial { needed: total };
    };
    match classify(&head, payload) {
        Ok(frame) => Parsed::Frame(frame, total),
        Err(error) => Parsed::Bad(error, total),
    }
}

#[inline]
fn classify<'a>(head: &Head, payload: &'a [u8]) -> Result<Frame<'a>, FrameError> {
    let stream = head.stream;
    match head.kind {
        kind::DATA => {
            on_stream(head)?;
            let data = unpad(head, payload)?;
            Ok(Frame::Data { stream, data, flow: head.length as u32, end: end(head) })
        }
        kind::HEADERS => {
            on_stream(head)?;
            let block = without_priority(head, unpad(head, payload)?)?;
            Ok(Frame::Headers { stream, block, end: end(head), rest: rest(head) })
        }
        kind::CONTINUATION => {
            on_stream(head)?;
            Ok(Frame::Continuation { stream, block: payload, rest: rest(head) })
        }
        kind::WINDOW_UPDATE => window_update(stream, payload),
        kind::RST_STREAM => {
            on_stream(head)?;
            Ok(Frame::Reset { stream, code: ErrorCode(u32::from_be_bytes(*exactly(payload)?)) })
        }
        kind::SETTINGS => settings(head, payload),
        kind::PING => {
            on_connection(head)?;
            let opaque = *exactly(payload)?;
            Ok(if head.flags & ACK == 0 { Frame::Ping(opaque) } else { Frame::Pong(opaque) })
        }
        kind::GOAWAY => {
            on_connection(head)?;
            let (fixed, debug) = payload.split_first_chunk::<8>().ok_or_else(bad_length)?;
            let [a, b, c, d, e, f, g, h] = *fixed;
            let last_stream = u32::from_be_bytes([a, b, c, d]) & MAX_STREAM_ID;
            Ok(Frame::GoAway { last_stream, code: ErrorCode(u32::from_be_bytes([e, f, g, h])), debug })
        }
        kind::PRIORITY => {
            on_stream(head)?;
            let fixed: &[u8; 5] = payload
                .try_into()
                .map_err(|_| FrameError::stream(stream, ErrorCode::FRAME_SIZE_ERROR, Reason::FrameLength))?;
            depends_on_other(stream, [fixed[0], fixed[1], fixed[2], fixed[3]], Dependent::PriorityFrame)?;
            Ok(Frame::Priority { stream })
        }
        kind::PUSH_PROMISE => {
            on_stream(head)?;
            Ok(Frame::PushPromise { stream })
        }
        other => Ok(Frame::Unknown { kind: other }),
    }
}

fn settings<'a>(head: &Head, payload: &'a [u8]) -> Result<Frame<'a>, FrameError> {
    on_connection(head)?;
    match (head.flags & ACK != 0, payload.len()) {
        (true, 0) => Ok(Frame::SettingsAck),
        (false, length) if length % 6 == 0 => Ok(Frame::Settings(SettingsFrame(payload))),
        _ => Err(bad_length()),
    }
}

fn window_update(stream: u32, payload: &[u8]) -> Result<Frame<'_>, FrameError> {
    let increment = u32::from_be_bytes(*exactly(payload)?) & MAX_STREAM_ID;
    match (increment, stream) {
        (0, 0) => Err(FrameError::protocol(Reason::WindowZero)),
        (0, _) => Err(FrameError::stream(stream, ErrorCode::PROTOCOL_ERROR, Reason::WindowZero)),
        _ => Ok(Frame::WindowUpdate { stream, increment }),
    }
}

fn on_stream(head: &Head) -> Result<(), FrameError> {
    if head.stream == 0 { Err(FrameError::protocol(Reason::StreamZero)) } else { Ok(()) }
}

fn on_connection(head: &Head) -> Result<(), FrameError> {
    if head.stream == 0 { Ok(()) } else { Err(FrameError::protocol(Reason::StreamNotZero)) }
}

fn exactly<const N: usize>(payload: &[u8]) -> Result<&[u8; N], FrameError> {
    payload.try_into().map_err(|_| bad_length())
}

fn bad_length() -> FrameError {
    FrameError::connection(ErrorCode::FRAME_SIZE_ERROR, Reason::FrameLength)
}

fn end(head: &Head) -> End {
    if head.flags & END_STREAM == 0 { End::More } else { End::Stream }
}

fn rest(head: &Head) -> Block {
    if head.flags & END_HEADERS == 0 { Block::Open } else { Block::Whole }
}

#[inline]
fn unpad<'a>(head: &Head, payload: &'a [u8]) -> Result<&'a [u8], FrameError> {
    if head.flags & PADDED == 0 {
        return Ok(payload);
    }
    let (padding, content) = payload.split_first().ok_or_else(bad_length)?;
    let length =
        content.len().checked_sub(usize::from(*padding)).ok_or(FrameError::protocol(Reason::Padding))?;
    Ok(&content[..length])
}

fn without_priority<'a>(head: &Head, content: &'a [u8]) -> Result<&'a [u8], FrameError> {
    if head.flags & PRIORITY == 0 {
        return Ok(content);
    }
    let (fixed, block) = content.split_first_chunk::<5>().ok_or_else(bad_length)?;
    depends_on_other(head.stream, [fixed[0], fixed[1], fixed[2], fixed[3]], Dependent::HeadersFrame)?;
    Ok(block)
}

/// Where a dependency stands: one in HEADERS cannot fail a stream alone, as its block would be missing from the tables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dependent {
    PriorityFrame,
    HeadersFrame,
}

fn depends_on_other(stream: u32, dependency: [u8; 4], place: Dependent) -> Result<(), FrameError> {
    if u32::from_be_bytes(dependency) & MAX_STREAM_ID != stream {
        return Ok(());
    }
    Err(match place {
        Dependent::PriorityFrame => {
            FrameError::stream(stream, ErrorCode::PROTOCOL_ERROR, Reason::SelfDependency)
        }
        Dependent::HeadersFrame => FrameError::protocol(Reason::SelfDependency),
    })
}

/// Appends a frame header whose length [`close`] fills in; the result goes there.
#[inline]
pub(super) fn open(kind: u8, flags: u8, stream: u32, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    head(0, kind, flags, stream, out);
    start
}

/// Fills in the length of the frame that starts at `start` and ends here.
#[inline]
pub(super) fn close(start: usize, out: &mut [u8]) {
    let length = (out.len() - start - HEADER_LEN) as u32;
    out[start..start + 3].copy_from_slice(&length.to_be_bytes()[1..]);
}

/// Appends the header of a frame.
#[inline]
pub fn head(length: u32, kind: u8, flags: u8, stream: u32, out: &mut Vec<u8>) {
    let [_, a, b, c] = length.to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, d, e, f, g]);
}

/// Appends a DATA frame.
#[inline]
pub fn write_data(stream: u32, data: &[u8], end: End, out: &mut Vec<u8>) {
    let flags = if end == End::Stream { END_STREAM } else { 0 };
    head(data.len() as u32, kind::DATA, flags, stream, out);
    out.extend_from_slice(data);
}

/// Appends HEADERS, and CONTINUATION where the block that `encode` appends is longer than `max_frame_size`.
#[inline]
pub fn write_headers(
    stream: u32,
    end: End,
    max_frame_size: u32,
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>),
) {
    let flags = if end == End::Stream { END_STREAM } else { 0 };
    let start = open(kind::HEADERS, flags | END_HEADERS, stream, out);
    encode(out);
    let max = max_frame_size as usize;
    if out.len() - start - HEADER_LEN <= max {
        close(start, out);
        return;
    }
    split_block(start, max, flags, stream, out);
}

#[cold]
fn split_block(start: usize, max: usize, flags: u8, stream: u32, out: &mut Vec<u8>) {
    let block = out.split_off(start + HEADER_LEN);
    out.truncate(start);
    let count = block.len().div_ceil(max);
    for (index, piece) in block.chunks(max).enumerate() {
        let (kind, first) = if index == 0 { (kind::HEADERS, flags) } else { (kind::CONTINUATION, 0) };
        let last = if index + 1 == count { END_HEADERS } else { 0 };
        head(piece.len() as u32, kind, first | last, stream, out);
        out.extend_from_slice(piece);
    }
}

/// Appends `RST_STREAM`.
pub fn write_reset(stream: u32, code: ErrorCode, out: &mut Vec<u8>) {
    head(4, kind::RST_STREAM, 0, stream, out);
    out.extend_from_slice(&code.0.to_be_bytes());
}

/// Appends an acknowledgement of SETTINGS.
pub fn write_settings_ack(out: &mut Vec<u8>) {
    head(0, kind::SETTINGS, ACK, 0, out);
}

/// Appends PING, or with [`ACK`] in `flags` its answer.
pub fn write_ping(opaque: [u8; 8], flags: u8, out: &mut Vec<u8>) {
    head(8, kind::PING, flags, 0, out);
    out.extend_from_slice(&opaque);
}

/// Appends GOAWAY.
pub fn write_go_away(last_stream: u32, code: ErrorCode, debug: &[u8], out: &mut Vec<u8>) {
    let start = open(kind::GOAWAY, 0, 0, out);
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(debug);
    close(start, out);
}

/// Appends `WINDOW_UPDATE`; stream 0 is the connection.
#[inline]
pub fn write_window_update(stream: u32, increment: u32, out: &mut Vec<u8>) {
    head(4, kind::WINDOW_UPDATE, 0, stream, out);
    out.extend_from_slice(&increment.to_be_bytes());
}

#[cfg(test)]
mod tests;
