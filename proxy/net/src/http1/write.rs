//! Heads and chunks as they are sent.

use super::{Body, Reuse, Version};
use crate::headers::HeaderList;

/// Appends a request's head made of a list with `:method`, `:path` and `:authority`; without an authority, `host` stands for it.
///
/// A list that has a `:scheme` is of a request whose target is to be absolute.
///
/// With [`Body::Chunked`] the field that says so is added; `content-length` is taken from the list otherwise.
pub fn write_request(list: &HeaderList, body: Body, reuse: Reuse, out: &mut Vec<u8>) {
    let authority = list.value(b":authority").or_else(|| list.value(b"host")).unwrap_or_default();
    out.extend_from_slice(list.value(b":method").unwrap_or(b"GET"));
    out.push(b' ');
    let path = list.value(b":path");
    if let Some(scheme) = list.value(b":scheme")
        && path.is_some_and(|path| path.starts_with(b"/"))
    {
        out.extend_from_slice(scheme);
        out.extend_from_slice(b"://");
        out.extend_from_slice(authority);
    }
    out.extend_from_slice(path.unwrap_or(authority));
    out.extend_from_slice(b" HTTP/1.1\r\n");
    field(b"host", authority, out);
    fields(list, body, reuse, Version::Http11, out);
}

/// Appends a response's head made of a list with `:status`, for a client that speaks `version`.
pub fn write_response(list: &HeaderList, body: Body, reuse: Reuse, version: Version, out: &mut Vec<u8>) {
    let status = list.value(b":status").unwrap_or(b"502");
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status);
    out.push(b' ');
    out.extend_from_slice(phrase(status));
    out.extend_from_slice(b"\r\n");
    fields(list, body, reuse, version, out);
}

/// Appends a chunk; none for no content, as that would end the body.
pub fn write_chunk(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    let mut digits = [0; 16];
    let mut at = digits.len();
    let mut left = data.len();
    while left > 0 {
        at -= 1;
        digits[at] = b"0123456789abcdef"[left & 15];
        left >>= 4;
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a chunked body with its trailers.
pub fn write_last_chunk(trailers: &HeaderList, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for header in trailers.iter().filter(|header| !header.name.starts_with(b":")) {
        field(header.name, header.value, out);
    }
    out.extend_from_slice(b"\r\n");
}

fn fields(list: &HeaderList, body: Body, reuse: Reuse, version: Version, out: &mut Vec<u8>) {
    let mut cookies = 0;
    let mut upgrade = false;
    for header in list.iter() {
        match header.name {
            [b':', ..]
            | b"host"
            | b"connection"
            | b"keep-alive"
            | b"proxy-connection"
            | b"transfer-encoding" => {}
            b"content-length" if matches!(body, Body::Chunked | Body::UntilClose) => {}
            b"cookie" => cookies += 1,
            name => {
                upgrade |= name == b"upgrade";
                field(name, header.value, out);
            }
        }
    }
    if cookies > 0 {
        // HTTP/2 may split this one field (RFC 9113 §8.2.3).
        out.extend_from_slice(b"cookie: ");
        for (index, value) in list.values(b"cookie").enumerate() {
            out.extend_from_slice(if index == 0 { b"" } else { b"; " });
            out.extend_from_slice(value);
        }
        out.extend_from_slice(b"\r\n");
    }
    if body == Body::Chunked {
        field(b"transfer-encoding", b"chunked", out);
    }
    match reuse {
        _ if upgrade => field(b"connection", b"upgrade", out),
        Reuse::Close => field(b"connection", b"close", out),
        // A client of HTTP/1.0 has asked for it and expects an answer.
        Reuse::KeepAlive if version == Version::Http10 => field(b"connection", b"keep-alive", out),
        Reuse::KeepAlive => {}
    }
    out.extend_from_slice(b"\r\n");
}

fn field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The usual words for a status; they mean nothing to a program.
fn phrase(status: &[u8]) -> &'static [u8] {
    match status {
        b"100" => b"Continue",
        b"101" => b"Switching Protocols",
        b"200" => b"OK",
        b"201" => b"Created",
        b"202" => b"Accepted",
        b"204" => b"No Content",
        b"206" => b"Partial Content",
        b"301" => b"Moved Permanently",
        b"302" => b"Found",
        b"304" => b"Not Modified",
        b"400" => b"Bad Request",
        b"401" => b"Unauthorized",
        b"403" => b"Forbidden",
        b"404" => b"Not Found",
        b"429" => b"Too Many Requests",
        b"431" => b"Request Header Fields Too Large",
        b"500" => b"Internal Server Error",
        b"502" => b"Bad Gateway",
        b"503" => b"Service Unavailable",
        b"504" => b"Gateway Timeout",
        _ => b"",
    }
}
