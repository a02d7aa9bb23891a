//! Contexts of traces in request headers: W3C `traceparent`, `grpc-trace-bin`, and B3 in several headers or one.

use std::fmt::Write as _;

use proxy_net::headers::HeaderList;

const TRACEPARENT: &[u8] = b"traceparent";
const GRPC: &[u8] = b"grpc-trace-bin";
const B3_TRACE: &[u8] = b"x-b3-traceid";
const B3_SPAN: &[u8] = b"x-b3-spanid";
const B3_SAMPLED: &[u8] = b"x-b3-sampled";
const B3: &[u8] = b"b3";

/// Names a trace; never all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

/// Names a span; never all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(pub [u8; 8]);

/// What a request says of the trace that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace: TraceId,
    /// The span of whoever sent the request.
    pub parent: SpanId,
    /// Whether spans are wanted.
    pub sampled: bool,
    format: Format,
}

/// Where it was found; it is passed on the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Format {
    /// With its flags, as they came.
    W3c(u8),
    Grpc(u8),
    B3Multi,
    /// Whatever followed the span: sampling, and the parent of the parent.
    B3Single {
        trace_digits: usize,
        state: Option<char>,
    },
}

// === impl Context ===

impl Context {
    /// The context of a request; none where there is none, or one that cannot be read. A broken one does not hide one in
    /// another format.
    pub fn parse(head: &HeaderList) -> Option<Self> {
        let text =
            |name: &[u8]| head.value(name).and_then(|value| std::str::from_utf8(value).ok()).map(str::trim);
        text(TRACEPARENT)
            .and_then(w3c)
            .or_else(|| text(GRPC).and_then(grpc))
            .or_else(|| b3_multi(text(B3_TRACE)?, text(B3_SPAN)?, text(B3_SAMPLED)))
            .or_else(|| text(B3).and_then(b3_single))
    }

    /// Makes `span` the parent that the next hop sees.
    pub fn write(&self, span: SpanId, head: &mut HeaderList) {
        match self.format {
            Format::W3c(flags) => {
                let mut value = String::with_capacity(55);
                value.push_str("00-");
                hex(&self.trace.0, &mut value);
                value.push('-');
                hex(&span.0, &mut value);
                // Writing into a `String` does not fail.
                let _ = write!(value, "-{flags:02x}");
                head.set(TRACEPARENT, value.as_bytes());
            }
            Format::Grpc(flags) => head.set(GRPC, encode_grpc(self.trace, span, flags).as_bytes()),
            Format::B3Multi => {
                let mut value = String::with_capacity(16);
                hex(&span.0, &mut value);
                head.set(B3_SPAN, value.as_bytes());
            }
            Format::B3Single { trace_digits, state } => {
                let mut value = String::with_capacity(70);
                hex(&self.trace.0, &mut value);
                value.drain(..32 - trace_digits);
                value.push('-');
                hex(&span.0, &mut value);
                if let Some(state) = state {
                    let _ = write!(value, "-{state}-");
                    hex(&self.parent.0, &mut value);
                }
                head.set(B3, value.as_bytes());
            }
        }
    }
}

// === impl SpanId ===

impl SpanId {
    /// A new one out of a random number.
    pub fn new(random: u64) -> Self {
        Self(random.max(1).to_be_bytes())
    }
}

/// `00-TRACE-SPAN-FLAGS`. Later versions may mean something else by the same fields, so they are passed on untouched.
fn w3c(value: &str) -> Option<Context> {
    let mut parts = value.split('-');
    let version = parts.next()?;
    let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
    if version != "00" || parts.next().is_some() || flags.len() != 2 || has_upper(value) {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some(Context {
        trace: trace_id(trace, 32)?,
        parent: span_id(span)?,
        sampled: flags & 1 == 1,
        format: Format::W3c(flags),
    })
}

/// Base64 of: version 0, then fields by number: 0 the trace (16 octets), 1 the span (8), 2 the flags (1).
fn grpc(value: &str) -> Option<Context> {
    let octets = decode_base64(value)?;
    let mut rest = octets.strip_prefix(&[0])?;
    let (mut trace, mut span, mut flags) = (None, None, 0);
    while let Some((field, after)) = rest.split_first() {
        rest = match field {
            0 => {
                let (value, after) = after.split_first_chunk::<16>()?;
                trace = Some(TraceId(*value)).filter(|id| id.0 != [0; 16]);
                after
            }
            1 => {
                let (value, after) = after.split_first_chunk::<8>()?;
                span = Some(SpanId(*value)).filter(|id| id.0 != [0; 8]);
                after
            }
            2 => {
                let (value, after) = after.split_first()?;
                flags = *value;
                after
            }
            // By the format, nothing behind a field that is not known can be understood.
            _ => break,
        };
    }
    Some(Context { trace: trace?, parent: span?, sampled: flags & 1 == 1, format: Format::Grpc(flags) })
}

fn encode_grpc(trace: TraceId, span: SpanId, flags: u8) -> String {
    let mut octets = [0; 29];
    octets[2..18].copy_from_slice(&trace.0);
    octets[18] = 1;
    octets[19..27].copy_from_slice(&span.0);
    octets[27] = 2;
    octets[28] = flags;
    encode_base64(&octets)
}

fn b3_multi(trace: &str, span: &str, sampled: Option<&str>) -> Option<Context> {
    Some(Context {
        trace: b3_trace(trace)?,
        parent: span_id(span)?,
        sampled: matches!(sampled, Some("1" | "true" | "d")),
        format: Format::B3Multi,
    })
}

/// `TRACE-SPAN`, `TRACE-SPAN-STATE` or `TRACE-SPAN-STATE-PARENT`.
fn b3_single(value: &str) -> Option<Context> {
    let mut parts = value.split('-');
    let (trace, span) = (parts.next()?, parts.next()?);
    let state = match (parts.next(), parts.next()) {
        (None, _) => None,
        (Some("0"), _) => Some('0'),
        (Some("1"), _) => Some('1'),
        (Some("d"), _) => Some('d'),
        _ => return None,
    };
    if parts.next().is_some() {
        return None;
    }
    let format = Format::B3Single { trace_digits: trace.len(), state };
    Some(Context {
        trace: b3_trace(trace)?,
        parent: span_id(span)?,
        sampled: matches!(state, Some('1' | 'd')),
        format,
    })
}

/// 128 bits, or 64 that are padded on the left.
fn b3_trace(text: &str) -> Option<TraceId> {
    trace_id(text, 32).or_else(|| trace_id(text, 16))
}

fn trace_id(text: &str, digits: usize) -> Option<TraceId> {
    let mut id = [0; 16];
    unhex(text, &mut id[16 - digits / 2..])?;
    Some(TraceId(id)).filter(|id| id.0 != [0; 16])
}

fn span_id(text: &str) -> Option<SpanId> {
    let mut id = [0; 8];
    unhex(text, &mut id)?;
    Some(SpanId(id)).filter(|id| id.0 != [0; 8])
}

fn has_upper(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn unhex(text: &str, into: &mut [u8]) -> Option<()> {
    let digits = text.as_bytes();
    if digits.len() != into.len() * 2 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    for (octet, pair) in into.iter_mut().zip(digits.chunks_exact(2)) {
        *octet = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(())
}

fn hex(octets: &[u8], out: &mut String) {
    for octet in octets {
        let _ = write!(out, "{octet:02x}");
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Without padding, as gRPC wants it of metadata.
fn encode_base64(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, octet| (bits << 8) | u32::from(*octet))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * place)) & 0x3f;
            text.push(char::from(BASE64[index as usize]));
        }
    }
    text
}

/// With padding or without.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    // 29 octets are 39 letters; nothing much longer is a context.
    if text.len() > 128 {
        return None;
    }
    let mut octets = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text {
        let index = BASE64.iter().position(|known| known == letter)?;
        bits = (bits << 6) | index as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests;
