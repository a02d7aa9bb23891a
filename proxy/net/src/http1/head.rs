//! Heads of requests and responses.

use super::{Body, Expect, Http1Error, Method, Reuse, Upgrade, Version};
use crate::h2::message::{is_token, parse_length};
use crate::headers::HeaderList;

/// Fields that the parser has room for; [`HeadLimits::count`] may ask for fewer.
const MAX_FIELDS: usize = 128;

/// Bounds on a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Octets up to the empty line.
    pub octets: usize,
    /// Fields, at most 128.
    pub count: usize,
}

/// The start of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// A head and the octets that it takes.
    Whole(T, usize),
    /// More has to be read.
    Partial,
}

/// What a request's head says beside its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The version.
    pub version: Version,
    /// What the method means for the response.
    pub method: Method,
    /// How the body ends.
    pub body: Body,
    /// Whether the client keeps the connection.
    pub reuse: Reuse,
    /// Whether the client waits for `100 Continue`.
    pub expect: Expect,
    /// Whether the client asks for another protocol.
    pub upgrade: Upgrade,
}

/// What a response's head says beside its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The version.
    pub version: Version,
    /// The status; 100 to 199 except 101 is followed by another head.
    pub status: u16,
    /// How the body ends.
    pub body: Body,
    /// Whether the server keeps the connection.
    pub reuse: Reuse,
    /// Whether the connection now carries another protocol.
    pub upgrade: Upgrade,
}

/// What the fields of one connection said.
struct Hop<'a> {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    length: Option<u64>,
    chunked: bool,
    host: Option<&'a [u8]>,
    expect: Expect,
    protocol: Option<&'a [u8]>,
}

// === impl HeadLimits ===

impl Default for HeadLimits {
    fn default() -> Self {
        Self { octets: 16 * 1024, count: 100 }
    }
}

/// Parses a request's head at the start of `input` and puts its fields into `list`, which is cleared first.
///
/// # Errors
/// When the message is to be refused with 400 (431 for [`Http1Error::TooLarge`]) and the connection closed.
pub fn parse_request(
    input: &[u8],
    limits: HeadLimits,
    list: &mut HeaderList,
) -> Result<Parsed<RequestHead>, Http1Error> {
    list.clear();
    let mut room = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut room[..limits.count.min(MAX_FIELDS)]);
    let Some(taken) = complete(request.parse(input), input, limits)? else {
        return Ok(Parsed::Partial);
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Http1Error::Head);
    };
    let version = version_of(minor);
    let hop = scan(request.headers)?;
    let kind = match method {
        "HEAD" => Method::Head,
        "CONNECT" => Method::Connect,
        _ => Method::Other,
    };
    let body = match (hop.chunked, hop.length) {
        (true, _) if version == Version::Http10 => return Err(Http1Error::TransferEncoding),
        (true, Some(_)) => return Err(Http1Error::BothFramings),
        (true, None) => Body::Chunked,
        (false, length) => Body::of_length(length.unwrap_or(0)),
    };
    let upgrade = match (kind, version) {
        (Method::Connect, Version::Http10) => return Err(Http1Error::Target),
        (Method::Connect, Version::Http11) if body != Body::Empty => return Err(Http1Error::ContentLength),
        (Method::Connect, Version::Http11) => Upgrade::Tunnel,
        (_, Version::Http11) if hop.wants_upgrade() => Upgrade::Protocol,
        _ => Upgrade::None,
    };
    list.push(b":method", method.as_bytes());
    push_target(target.as_bytes(), kind, method, hop.host, list)?;
    push_fields(request.headers, upgrade, list);
    let reuse = hop.reuse(version);
    let expect = if version == Version::Http11 && body != Body::Empty { hop.expect } else { Expect::Nothing };
    Ok(Parsed::Whole(RequestHead { version, method: kind, body, reuse, expect, upgrade }, taken))
}

/// Parses a response's head at the start of `input`, in answer to a request with `method`; `list` is cleared first.
///
/// # Errors
/// When the response cannot be passed on: the client gets 502 and the connection is closed.
pub fn parse_response(
    input: &[u8],
    method: Method,
    limits: HeadLimits,
    list: &mut HeaderList,
) -> Result<Parsed<ResponseHead>, Http1Error> {
    list.clear();
    let mut room = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut room[..limits.count.min(MAX_FIELDS)]);
    let Some(taken) = complete(response.parse(input), input, limits)? else {
        return Ok(Parsed::Partial);
    };
    let (Some(status), Some(minor)) = (response.code.filter(|code| *code >= 100), response.version) else {
        return Err(Http1Error::Head);
    };
    let version = version_of(minor);
    let hop = scan(response.headers)?;
    let upgrade = match (status, method) {
        (101, _) => Upgrade::Protocol,
        (200..=299, Method::Connect) => Upgrade::Tunnel,
        _ => Upgrade::None,
    };
    let bodyless =
        upgrade != Upgrade::None || status < 200 || matches!(status, 204 | 304) || method == Method::Head;
    let body = match (hop.chunked, hop.length) {
        (true, Some(_)) => return Err(Http1Error::BothFramings),
        (true, None) if version == Version::Http10 => return Err(Http1Error::TransferEncoding),
        _ if bodyless => Body::Empty,
        (true, None) => Body::Chunked,
        (false, Some(length)) => Body::of_length(length),
        (false, None) => Body::UntilClose,
    };
    let digits = [b'0' + (status / 100) as u8, b'0' + (status / 10 % 10) as u8, b'0' + (status % 10) as u8];
    list.push(b":status", &digits);
    push_fields(response.headers, upgrade, list);
    let reuse =
        if body == Body::UntilClose || upgrade != Upgrade::None { Reuse::Close } else { hop.reuse(version) };
    Ok(Parsed::Whole(ResponseHead { version, status, body, reuse, upgrade }, taken))
}

fn complete(
    result: httparse::Result<usize>,
    input: &[u8],
    limits: HeadLimits,
) -> Result<Option<usize>, Http1Error> {
    let seen = match result {
        Ok(httparse::Status::Complete(taken)) => taken,
        Ok(httparse::Status::Partial) => input.len(),
        Err(httparse::Error::TooManyHeaders) => return Err(Http1Error::TooLarge),
        Err(_) => return Err(Http1Error::Head),
    };
    if seen > limits.octets {
        return Err(Http1Error::TooLarge);
    }
    if result != Ok(httparse::Status::Partial) {
        no_bare_line_feed(&input[..seen])?;
        return Ok(Some(seen));
    }
    Ok(None)
}

pub(super) fn no_bare_line_feed(head: &[u8]) -> Result<(), Http1Error> {
    let bare = |(at, octet): (usize, &u8)| *octet == b'\n' && (at == 0 || head[at - 1] != b'\r');
    if head.iter().enumerate().any(bare) { Err(Http1Error::BareLineFeed) } else { Ok(()) }
}

fn version_of(minor: u8) -> Version {
    if minor == 0 { Version::Http10 } else { Version::Http11 }
}

fn scan<'a>(fields: &[httparse::Header<'a>]) -> Result<Hop<'a>, Http1Error> {
    let mut hop = Hop {
        close: false,
        keep_alive: false,
        upgrade: false,
        length: None,
        chunked: false,
        host: None,
        expect: Expect::Nothing,
        protocol: None,
    };
    for field in fields {
        let value = field.value;
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let length = parse_length(value).ok_or(Http1Error::ContentLength)?;
            if hop.length.replace(length).is_some() {
                return Err(Http1Error::ContentLength);
            }
        } else if is("transfer-encoding") {
            if hop.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Http1Error::TransferEncoding);
            }
            hop.chunked = true;
        } else if is("host") {
            if hop.host.replace(value).is_some() || !value.iter().all(is_authority_octet) {
                return Err(Http1Error::Host);
            }
        } else if is("connection") {
            for option in options(value) {
                hop.close |= option.eq_ignore_ascii_case(b"close");
                hop.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                hop.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
            }
        } else if is("expect") && value.eq_ignore_ascii_case(b"100-continue") {
            hop.expect = Expect::Continue;
        } else if is("upgrade") {
            hop.protocol = Some(value);
        }
    }
    Ok(hop)
}

impl Hop<'_> {
    /// `h2c` is never passed on: HTTP/2 between others is none of our business.
    fn wants_upgrade(&self) -> bool {
        self.upgrade && self.protocol.is_some_and(|name| !name.eq_ignore_ascii_case(b"h2c"))
    }

    fn reuse(&self, version: Version) -> Reuse {
        match version {
            _ if self.close => Reuse::Close,
            Version::Http10 if !self.keep_alive => Reuse::Close,
            _ => Reuse::KeepAlive,
        }
    }
}

/// Target and host as `:scheme`, `:authority` and `:path`; a target with an authority wins over `host` (RFC 9112 §3.2.2).
fn push_target(
    target: &[u8],
    kind: Method,
    method: &str,
    host: Option<&[u8]>,
    list: &mut HeaderList,
) -> Result<(), Http1Error> {
    if kind == Method::Connect {
        let valid = target.iter().all(is_authority_octet) && target.contains(&b':');
        list.push(b":authority", target);
        return if valid { Ok(()) } else { Err(Http1Error::Target) };
    }
    if target.starts_with(b"/") || (target == b"*" && method == "OPTIONS") {
        if let Some(host) = host.filter(|host| !host.is_empty()) {
            list.push(b":authority", host);
        }
        list.push(b":path", target);
        return Ok(());
    }
    let colon = target.windows(3).position(|three| three == b"://").ok_or(Http1Error::Target)?;
    let (scheme, rest) = (&target[..colon], &target[colon + 3..]);
    let end = rest.iter().position(|octet| matches!(octet, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let known = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    if !known || authority.is_empty() || !authority.iter().all(is_authority_octet) {
        return Err(Http1Error::Target);
    }
    list.push(b":scheme", if scheme.len() == 4 { b"http" } else { b"https" });
    list.push(b":authority", authority);
    match path.first() {
        Some(b'/') => list.push(b":path", path),
        None if method == "OPTIONS" => list.push(b":path", b"*"),
        None => list.push(b":path", b"/"),
        Some(b'?') => list.push(b":path", &[b"/", path].concat()),
        Some(_) => return Err(Http1Error::Target),
    }
    Ok(())
}

/// Host, port and brackets; no user, no path.
fn is_authority_octet(octet: &u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(octet)
}

fn push_fields(fields: &[httparse::Header<'_>], upgrade: Upgrade, list: &mut HeaderList) {
    for field in fields {
        let name = field.name.as_bytes();
        let is = |other: &str| field.name.eq_ignore_ascii_case(other);
        if is("host")
            || is("connection")
            || is("keep-alive")
            || is("proxy-connection")
            || is("transfer-encoding")
        {
            continue;
        }
        if is("upgrade") && upgrade != Upgrade::Protocol {
            continue;
        }
        // Settings of HTTP/2 in an upgrade are of no use to anybody behind us.
        if is("http2-settings") || (is("content-length") && upgrade == Upgrade::Tunnel) {
            continue;
        }
        if is("te") {
            if options(field.value).any(|option| option.eq_ignore_ascii_case(b"trailers")) {
                list.push(b"te", b"trailers");
            }
            continue;
        }
        if !is("upgrade") && named_by_connection(fields, name) {
            continue;
        }
        list.push_lowered(name, field.value);
    }
}

/// Whether `connection` names this field; framing and host cannot be named away.
fn named_by_connection(fields: &[httparse::Header<'_>], name: &[u8]) -> bool {
    if name.eq_ignore_ascii_case(b"content-length") {
        return false;
    }
    fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("connection"))
        .any(|field| options(field.value).any(|option| option.eq_ignore_ascii_case(name)))
}

fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|octet| *octet == b',').map(<[u8]>::trim_ascii).filter(|option| is_token(option))
}
