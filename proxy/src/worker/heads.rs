//! Heads of requests and responses in the log, for those who look for an error.
//!
//! Each is an event at debug level with a field `headers`, which the filter `[{headers}]=off` leaves out. Values that let whoever
//! reads the log act for somebody else are hidden.

use std::fmt;

use proxy_net::headers::HeaderList;

use super::Side;
use crate::logging::HEADS;

/// Fields whose values are hidden.
const SECRET: [&[u8]; 4] = [b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"];
/// Octets of a value that are shown.
const MAX_VALUE: usize = 256;
/// Fields that are shown.
const MAX_FIELDS: usize = 64;

/// Logs heads where that is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    wanted: bool,
}

/// A head for people.
struct Shown<'a>(&'a HeaderList);

// === impl Heads ===

impl Heads {
    pub(super) fn new(wanted: bool) -> Self {
        Self { wanted }
    }

    /// A request's head is there.
    #[inline]
    pub(super) fn request(self, side: &Side, head: &HeaderList) {
        if self.wanted {
            tracing::debug!(target: HEADS, side = side.name(), headers = ?Shown(head), "request");
        }
    }

    /// The client gets this head.
    #[inline]
    pub(super) fn response(self, side: &Side, head: &HeaderList) {
        if self.wanted {
            tracing::debug!(target: HEADS, side = side.name(), headers = ?Shown(head), "response");
        }
    }
}

// === impl Shown ===

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for field in self.0.iter().take(MAX_FIELDS) {
            let name = String::from_utf8_lossy(field.name);
            if SECRET.contains(&field.name) {
                map.entry(&name, &"(hidden)");
            } else {
                let value = &field.value[..field.value.len().min(MAX_VALUE)];
                map.entry(&name, &String::from_utf8_lossy(value));
            }
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_long_values_cut() {
        let long = vec![b'x'; 1000];
        let head: HeaderList = [
            (&b":path"[..], &b"/a\n"[..]),
            (b"authorization", b"Bearer s3cret"),
            (b"cookie", b"s3cret"),
            (b"x-long", &long),
        ]
        .into_iter()
        .collect();
        let text = format!("{:?}", Shown(&head));
        assert!(!text.contains("s3cret") && text.contains(r#""authorization": "(hidden)""#), "{text}");
        assert!(text.contains(r#"":path": "/a\n""#) && text.len() < 500, "{text}");
    }
}
