//! YAML for Kubernetes: read, write, split streams, and edit text by spans.
//!
//! The only module that knows the YAML library. Values are [`serde_json::Value`] with the order of keys kept.

pub mod check;
pub mod edit;
pub mod error;
pub mod pointer;
mod read;
mod scalar;
pub mod split;
pub mod tree;
pub mod view;
mod write;

pub use edit::{Applied, apply, edit};
pub use error::Error;
pub use pointer::{Op, Pointer, apply_to_value, to_json_patch};
pub use read::{MAX_ALIAS_BYTES, MAX_ALIAS_NODES, MAX_DEPTH, from_str, from_stream};
pub use split::{Document, MAX_DOCUMENT, SplitError, Splitter};
pub use tree::{Buffer, Node, Style, Tree};
pub use view::{Emptied, Kind, View};
pub use write::{KeyOrder, to_stream, to_string, to_string_ordered};

/// Line and column, both from 1 and the column in characters, of a byte offset.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    let column = before[start..].iter().filter(|&&byte| byte & 0xC0 != 0x80).count() + 1;
    (line, column)
}
