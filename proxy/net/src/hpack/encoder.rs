//! The encoder: fields into header blocks.

use super::table::{FieldHash, Found, Table};
use super::{huffman, integer, statics};
use crate::headers::{Header, Sensitivity};

/// The table we keep at most, whatever the peer allows: large enough for the fields of a route, small for many connections.
const OWN_LIMIT: u32 = 4096;

/// Cookies below this length are guessable from their compressed size, so they are never indexed.
const SHORT_COOKIE: usize = 20;

/// Encodes the header blocks of one connection.
pub struct Encoder {
    table: Table,
    /// The smallest size since the last block, and the present one, if the peer has to be told.
    announce: Option<(u32, u32)>,
}

/// What to do with a field that is in no table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Index,
    Literal,
    Never,
}

// === impl Encoder ===

impl Default for Encoder {
    fn default() -> Self {
        Self { table: Table::new(4096), announce: None }
    }
}

impl Encoder {
    /// An encoder with the protocol's initial table size of 4,096 octets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Follows the peer's `SETTINGS_HEADER_TABLE_SIZE`; the next block announces a change.
    pub fn set_table_size(&mut self, peer: u32) {
        let size = peer.min(OWN_LIMIT);
        if size as usize == self.table.max_size() && self.announce.is_none() {
            return;
        }
        let smallest = self.announce.map_or(size, |(smallest, _)| smallest.min(size));
        self.announce = Some((smallest, size));
        self.table.set_max_size(size as usize);
    }

    /// Appends a block of these fields to `out`.
    pub fn encode<'a>(&mut self, fields: impl IntoIterator<Item = Header<'a>>, out: &mut Vec<u8>) {
        if let Some((smallest, size)) = self.announce.take() {
            if smallest < size {
                integer::write(smallest, 5, 0x20, out);
            }
            integer::write(size, 5, 0x20, out);
        }
        for field in fields {
            self.field(field, out);
        }
    }

    #[inline]
    fn field(&mut self, field: Header<'_>, out: &mut Vec<u8>) {
        let Header { name, value, sensitivity } = field;
        let static_name = statics::index_of_name(name);
        let exact = statics::index_of_value(static_name, value);
        if exact != 0 && sensitivity == Sensitivity::Plain {
            integer::write(exact as u32, 7, 0x80, out);
            return;
        }
        let policy = policy(static_name, name, value, sensitivity, self.table.max_size());
        if policy != Policy::Index {
            let pattern = if policy == Policy::Never { 0x10 } else { 0x00 };
            literal(static_name, 4, pattern, name, value, out);
            return;
        }
        let hash = hash(name, value);
        let name_index = match self.table.find(name, value, hash) {
            Found::Field(position) => {
                integer::write((statics::COUNT + 1 + position) as u32, 7, 0x80, out);
                return;
            }
            Found::Name(position) if static_name == 0 => statics::COUNT + 1 + position,
            Found::Name(_) | Found::Nothing => static_name,
        };
        literal(name_index, 6, 0x40, name, value, out);
        self.table.insert(name, value, hash);
    }
}

/// Values that hardly ever come again would only push others out of the table.
#[inline]
fn policy(static_name: usize, name: &[u8], value: &[u8], sensitivity: Sensitivity, table: usize) -> Policy {
    if sensitivity == Sensitivity::Secret {
        return Policy::Never;
    }
    // Three quarters of the table for one field is not worth it.
    if (name.len() + value.len() + 32) * 4 > table * 3 {
        return Policy::Literal;
    }
    match static_name {
        // authorization, proxy-authorization
        23 | 49 => Policy::Never,
        32 if value.len() < SHORT_COOKIE => Policy::Never,
        // :path, age, content-length, etag, if-modified-since, if-none-match, location, set-cookie
        4 | 21 | 28 | 34 | 40 | 41 | 46 | 55 => Policy::Literal,
        0 if matches!(
            name,
            b"traceparent"
                | b"x-request-id"
                | b"x-b3-spanid"
                | b"x-b3-traceid"
                | b"grpc-trace-bin"
                | b"grpc-message"
        ) =>
        {
            Policy::Literal
        }
        _ => Policy::Index,
    }
}

#[inline]
fn literal(name_index: usize, bits: u32, pattern: u8, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    integer::write(name_index as u32, bits, pattern, out);
    if name_index == 0 {
        string(name, out);
    }
    string(value, out);
}

#[inline]
fn string(text: &[u8], out: &mut Vec<u8>) {
    let coded = huffman::encoded_len(text);
    if coded < text.len() {
        integer::write(coded as u32, 7, 0x80, out);
        huffman::encode(text, out);
    } else {
        integer::write(text.len() as u32, 7, 0x00, out);
        out.extend_from_slice(text);
    }
}

/// Speed matters here and a collision costs one comparison: a multiply per 8 octets.
#[inline]
fn hash(name: &[u8], value: &[u8]) -> FieldHash {
    let of_name = mix(name.len() as u64, name);
    let of_field = mix(of_name, value);
    FieldHash { name: (of_name >> 32) as u32, field: (of_field >> 32) as u32 }
}

#[inline]
fn mix(seed: u64, text: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = seed.wrapping_mul(FACTOR);
    let mut chunks = text.chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes([
            chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7],
        ]);
        state = (state.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    }
    for octet in chunks.remainder() {
        state = (state.rotate_left(9) ^ u64::from(*octet)).wrapping_mul(FACTOR);
    }
    state
}
