//! HTTP/1 (RFC 9112) without input or output: heads, bodies and their writing.
//!
//! Heads become the same list that HTTP/2 gives: `:method`, `:scheme` where the target has one, `:authority`, `:path` or `:status`
//! first, then the fields in lower case without `host` and without those that belong to one connection. What those said is in
//! [`RequestHead`] and [`ResponseHead`]. Whatever two readers could understand in two ways is refused.

mod body;
mod head;
mod write;

pub use body::{Body, BodyDecoder, BodyStep};
pub use head::{HeadLimits, Parsed, RequestHead, ResponseHead, parse_request, parse_response};
pub use write::{write_chunk, write_last_chunk, write_request, write_response};

/// The version of a message; the minor number is all that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// Whether the connection carries another message after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// It does.
    KeepAlive,
    /// It ends.
    Close,
}

/// Whether a client waits for `100 Continue` before it sends its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It does.
    Continue,
    /// It does not.
    Nothing,
}

/// Whether a message turns the connection into another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// It does not.
    None,
    /// It asks for, or agrees to, the protocol in the field `upgrade` of the list.
    Protocol,
    /// CONNECT: the connection becomes a tunnel.
    Tunnel,
}

/// What a request's method means for the response to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The response has no body.
    Head,
    /// A successful response starts a tunnel.
    Connect,
    /// Any other.
    Other,
}

/// Why a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Http1Error {
    /// Not HTTP/1, a wrong octet in a name or value, a folded line, or a space before a colon.
    #[error("malformed message head")]
    Head,
    /// A line that ends with LF alone.
    #[error("line ends without CR")]
    BareLineFeed,
    /// More octets or fields than allowed.
    #[error("message head exceeds the limits")]
    TooLarge,
    /// A request target that does not fit its method.
    #[error("malformed request target")]
    Target,
    /// More than one `host`, or one that is not a host.
    #[error("malformed or repeated host field")]
    Host,
    /// `content-length` that is repeated, a list, signed or too large.
    #[error("malformed or repeated content-length field")]
    ContentLength,
    /// `transfer-encoding` other than `chunked` alone, or in HTTP/1.0.
    #[error("unsupported transfer-encoding field")]
    TransferEncoding,
    /// Both `content-length` and `transfer-encoding`.
    #[error("content-length and transfer-encoding in one message")]
    BothFramings,
    /// A chunk whose size is not hexadecimal, too large, or not followed by CRLF.
    #[error("malformed chunk")]
    Chunk,
    /// Chunk extensions beyond any use.
    #[error("chunk extensions exceed the limit")]
    ChunkExtensions,
    /// A body that ends before its length.
    #[error("connection ended within a body")]
    Truncated,
}

#[cfg(test)]
mod tests;
