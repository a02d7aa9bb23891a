//! Tells HTTP/1, HTTP/2 and anything else apart by the first octets.

use super::Detected;
use crate::h2::PREFACE;

/// Octets of a method's name that are waited for; the longest that is registered has 17.
const MAX_METHOD: usize = 24;
/// Octets of a request line that are looked at before it counts as one.
const MAX_LINE: usize = 8 * 1024;

/// What the client speaks, or nothing while that cannot be told.
pub(super) fn detect(input: &[u8]) -> Option<Detected> {
    let length = input.len().min(PREFACE.len());
    if input[..length] == PREFACE[..length] {
        // The first 14 octets are no request line of HTTP/1: nobody else says `PRI * HTTP/2.0`.
        return (length >= 14).then_some(Detected::Http2);
    }
    let method = input.iter().take_while(|octet| is_method(**octet)).count();
    match input.get(method) {
        Some(b' ') if method > 0 => {}
        None if method <= MAX_METHOD => return None,
        _ => return Some(Detected::Opaque),
    }
    let rest = &input[method + 1..];
    let Some(line_end) = rest.iter().position(|octet| matches!(octet, b'\r' | b'\n')) else {
        let plausible = !rest.iter().any(|octet| *octet < b' ' || *octet == 0x7f);
        return match (plausible, input.len() < MAX_LINE) {
            (true, true) => None,
            (true, false) => Some(Detected::Http1),
            (false, _) => Some(Detected::Opaque),
        };
    };
    let line = &rest[..line_end];
    let version = line.rsplit(|octet| *octet == b' ').next().unwrap_or_default();
    let spaces = line.iter().filter(|octet| **octet == b' ').count();
    let known = matches!(version, b"HTTP/1.1" | b"HTTP/1.0") && spaces == 1 && line.len() > version.len() + 1;
    Some(if known { Detected::Http1 } else { Detected::Opaque })
}

/// Registered methods are upper case; others use lower case and dashes too.
fn is_method(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_told_apart_as_soon_as_possible() {
        let found = Some(Detected::Http1);
        assert_eq!(detect(b"GET /a?b HTTP/1.1\r\nhost: x\r\n\r\n"), found);
        assert_eq!(detect(b"CONNECT a.test:443 HTTP/1.1\r"), found);
        assert_eq!(detect(b"M-SEARCH * HTTP/1.0\r\n"), found);
        assert_eq!(detect(PREFACE), Some(Detected::Http2));
        for opaque in [
            &b"\x16\x03\x01"[..],
            b"EHLO there\r\n",
            b"GET /\r\n",
            b"GET / HTTP/2.0\r\n",
            b"*3\r\n$3\r\nSET",
            b"GET \x00",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            b" / HTTP/1.1\r\n",
            b"\r\n",
        ] {
            assert_eq!(detect(opaque), Some(Detected::Opaque), "{:?}", opaque.escape_ascii().to_string());
        }
    }

    #[test]
    fn a_part_of_a_start_is_waited_for() {
        let line = b"GET /some/path HTTP/1.1\r\n";
        for cut in 0..line.len() - 2 {
            assert_eq!(detect(&line[..cut]), None, "at {cut}");
        }
        for cut in 0..14 {
            assert_eq!(detect(&PREFACE[..cut]), None, "at {cut}");
        }
        assert_eq!(detect(&[b'A'; MAX_METHOD + 1]), Some(Detected::Opaque));
    }
}
