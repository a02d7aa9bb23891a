//! HPACK (RFC 7541): header compression on slices.

mod decoder;
mod encoder;
pub mod huffman;
pub mod integer;
mod statics;
mod table;

pub use decoder::{Decoded, Decoder, Limits};
pub use encoder::Encoder;

/// Why a header block cannot be decoded. Each is a connection error of type `COMPRESSION_ERROR`: the tables no longer agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HpackError {
    /// The block ends within a field.
    #[error("header block ends within a field")]
    Truncated,
    /// A prefixed integer does not fit in 32 bits or is written with more octets than it can need.
    #[error("integer in a header block is too large")]
    IntegerOverflow,
    /// An index of zero or beyond both tables.
    #[error("index {0} is in neither header table")]
    BadIndex(u32),
    /// Huffman padding that is longer than 7 bits or not all ones, or an encoded end-of-string symbol.
    #[error("invalid Huffman code in a header string")]
    BadHuffman,
    /// A table size beyond the one that our settings allow.
    #[error("header table size {asked} exceeds the limit of {limit}")]
    TableSize {
        /// What the peer wrote.
        asked: u32,
        /// What the settings allow.
        limit: u32,
    },
    /// A table size update after the first field of a block, or a required one that is missing.
    #[error("header table size update is missing or misplaced")]
    MisplacedSizeUpdate,
    /// More size updates at the start of a block than two, the most that can mean something.
    #[error("too many header table size updates in a block")]
    SizeUpdateFlood,
}

#[cfg(test)]
mod tests;
