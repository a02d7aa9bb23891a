//! The PROXY protocol, versions 1 and 2: a load balancer's word about the client behind it.
//!
//! Only what such a balancer sends first is read here. Whether to believe it is for the caller, who knows the networks.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::http1::Parsed;

/// The longest line of version 1, with CRLF.
const V1_LINE: usize = 107;
/// What version 2 begins with.
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets of version 2 before its addresses.
const V2_FIXED: usize = 16;
/// The most octets of addresses and extensions of version 2 that are read. Addresses are up to 216; the extensions that
/// balancers send (names, TLS facts, identifiers) stay far below the rest.
const V2_MAX: usize = 4096;

/// The longest header of either version.
pub const MAX_OCTETS: usize = V2_FIXED + V2_MAX;

/// What the balancer says of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The real client; none where the balancer speaks for itself (LOCAL, health checks) or the client has no IP address.
    pub source: Option<SocketAddr>,
    /// Where the client connected to; none as for `source`.
    pub destination: Option<SocketAddr>,
}

/// Why a connection does not begin with a PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProxyHeaderError {
    /// Neither version's first octets.
    #[error("the connection does not start with a PROXY protocol header")]
    Missing,
    /// Longer than the limits.
    #[error("the PROXY protocol header is too long")]
    TooLong,
    /// A line of version 1 that is malformed.
    #[error("the PROXY protocol line is malformed")]
    Line,
    /// A version, command, family or length of version 2 that does not exist.
    #[error("the binary PROXY protocol header is malformed")]
    Binary,
}

// === impl ProxyHeader ===

impl ProxyHeader {
    const UNKNOWN: Self = Self { source: None, destination: None };

    /// Reads a header at the start of `input`; the octets behind it are the client's.
    ///
    /// # Errors
    /// As soon as what is there cannot become a header.
    pub fn decode(input: &[u8]) -> Result<Parsed<Self>, ProxyHeaderError> {
        match input.first() {
            None => Ok(Parsed::Partial),
            Some(b'P') => line(input),
            Some(b'\r') => binary(input),
            Some(_) => Err(ProxyHeaderError::Missing),
        }
    }

    fn of(
        source: (impl Into<std::net::IpAddr>, u16),
        destination: (impl Into<std::net::IpAddr>, u16),
    ) -> Self {
        let socket = |ip: std::net::IpAddr, port| SocketAddr::new(ip.to_canonical(), port);
        Self {
            source: Some(socket(source.0.into(), source.1)),
            destination: Some(socket(destination.0.into(), destination.1)),
        }
    }
}

/// Whether `input` begins with `expected`, as far as it goes.
fn begins(input: &[u8], expected: &[u8]) -> bool {
    let known = input.len().min(expected.len());
    input[..known] == expected[..known]
}

fn line(input: &[u8]) -> Result<Parsed<ProxyHeader>, ProxyHeaderError> {
    if !begins(input, b"PROXY ") {
        return Err(ProxyHeaderError::Missing);
    }
    let window = &input[..input.len().min(V1_LINE)];
    let Some(end) = window.iter().position(|octet| *octet == b'\n') else {
        return if input.len() < V1_LINE { Ok(Parsed::Partial) } else { Err(ProxyHeaderError::TooLong) };
    };
    let text = window[..end].strip_suffix(b"\r").ok_or(ProxyHeaderError::Line)?;
    let text = std::str::from_utf8(text).map_err(|_| ProxyHeaderError::Line)?;
    let mut words = text.split(' ').skip(1);
    let family = words.next().ok_or(ProxyHeaderError::Line)?;
    let header = match family {
        // What follows UNKNOWN is to be ignored.
        "UNKNOWN" => ProxyHeader::UNKNOWN,
        "TCP4" => addresses::<Ipv4Addr>(words)?,
        "TCP6" => addresses::<Ipv6Addr>(words)?,
        _ => return Err(ProxyHeaderError::Line),
    };
    Ok(Parsed::Whole(header, end + 1))
}

fn addresses<'a, T>(mut words: impl Iterator<Item = &'a str>) -> Result<ProxyHeader, ProxyHeaderError>
where
    T: std::str::FromStr + Into<std::net::IpAddr>,
{
    let (source, destination) = (address::<T>(words.next())?, address::<T>(words.next())?);
    let (from, to) = (port(words.next())?, port(words.next())?);
    match words.next() {
        None => Ok(ProxyHeader::of((source, from), (destination, to))),
        Some(_) => Err(ProxyHeaderError::Line),
    }
}

fn address<T: std::str::FromStr>(word: Option<&str>) -> Result<T, ProxyHeaderError> {
    word.and_then(|word| word.parse().ok()).ok_or(ProxyHeaderError::Line)
}

/// A port in decimal without sign or leading zeros.
fn port(word: Option<&str>) -> Result<u16, ProxyHeaderError> {
    word.filter(|word| {
        word.bytes().all(|octet| octet.is_ascii_digit()) && (*word == "0" || !word.starts_with('0'))
    })
    .and_then(|word| word.parse().ok())
    .ok_or(ProxyHeaderError::Line)
}

fn binary(input: &[u8]) -> Result<Parsed<ProxyHeader>, ProxyHeaderError> {
    if !begins(input, V2_SIGNATURE) {
        return Err(ProxyHeaderError::Missing);
    }
    let Some((fixed, rest)) = input.split_first_chunk::<V2_FIXED>() else {
        return Ok(Parsed::Partial);
    };
    let (command, family) = (fixed[12], fixed[13]);
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if !matches!(command, 0x20 | 0x21) {
        return Err(ProxyHeaderError::Binary);
    }
    if length > V2_MAX {
        return Err(ProxyHeaderError::TooLong);
    }
    let Some(body) = rest.get(..length) else {
        return Ok(Parsed::Partial);
    };
    let header = match (command, family) {
        (0x20, _) => ProxyHeader::UNKNOWN,
        (_, 0x11) => binary_v4(body).ok_or(ProxyHeaderError::Binary)?,
        (_, 0x21) => binary_v6(body).ok_or(ProxyHeaderError::Binary)?,
        // Datagrams and UNIX sockets have no TCP address; any other is to be taken as unspecified.
        _ => ProxyHeader::UNKNOWN,
    };
    Ok(Parsed::Whole(header, V2_FIXED + length))
}

fn binary_v4(body: &[u8]) -> Option<ProxyHeader> {
    let (source, rest) = body.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    let ports = rest.first_chunk::<4>()?;
    let (from, to) = ports_of(*ports);
    Some(ProxyHeader::of((Ipv4Addr::from(*source), from), (Ipv4Addr::from(*destination), to)))
}

fn binary_v6(body: &[u8]) -> Option<ProxyHeader> {
    let (source, rest) = body.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let ports = rest.first_chunk::<4>()?;
    let (from, to) = ports_of(*ports);
    Some(ProxyHeader::of((Ipv6Addr::from(*source), from), (Ipv6Addr::from(*destination), to)))
}

fn ports_of([a, b, c, d]: [u8; 4]) -> (u16, u16) {
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(input: &[u8]) -> Result<(Option<String>, usize), ProxyHeaderError> {
        match ProxyHeader::decode(input)? {
            Parsed::Whole(header, taken) => Ok((header.source.map(|source| source.to_string()), taken)),
            Parsed::Partial => panic!("{} was called partial", input.escape_ascii()),
        }
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16).to_be_bytes();
        [V2_SIGNATURE, &[command, family], &length, body].concat()
    }

    #[test]
    fn lines_of_version_1() {
        let input = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET /";
        assert_eq!(whole(input), Ok((Some("192.0.2.1:56324".to_owned()), input.len() - 5)));
        let input = b"PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n";
        assert_eq!(whole(input), Ok((Some("[2001:db8::1]:0".to_owned()), input.len())));
        assert_eq!(whole(b"PROXY UNKNOWN\r\n"), Ok((None, 15)));
        assert_eq!(whole(b"PROXY UNKNOWN any thing\r\n"), Ok((None, 25)));
    }

    #[test]
    fn a_mapped_address_is_written_as_ipv4() {
        let input = b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n";
        assert_eq!(whole(input), Ok((Some("192.0.2.1:1".to_owned()), input.len())));
    }

    #[test]
    fn lines_that_are_malformed() {
        for input in [
            &b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n"[..],
            b"PROXY TCP4 2001:db8::1 198.51.100.2 1 2\r\n",
            b"PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n",
            b"PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n",
            b"PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
            b"PROXY \r\n",
        ] {
            assert_eq!(whole(input), Err(ProxyHeaderError::Line), "{}", input.escape_ascii());
        }
        assert_eq!(
            whole(&[b"PROXY UNKNOWN ", &b"x".repeat(100)[..]].concat()),
            Err(ProxyHeaderError::TooLong)
        );
        assert_eq!(whole(b"GET / HTTP/1.1"), Err(ProxyHeaderError::Missing));
        assert_eq!(whole(b"POST"), Err(ProxyHeaderError::Missing));
    }

    #[test]
    fn headers_of_version_2() {
        let body = [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0, 80];
        let mut input = v2(0x21, 0x11, &[&body[..], &[0x04, 0, 1, 9]].concat());
        let taken = input.len();
        input.extend_from_slice(b"hello");
        assert_eq!(whole(&input), Ok((Some("192.0.2.1:4660".to_owned()), taken)));
        let mut body = [0; 36];
        (body[0], body[15], body[33]) = (0x20, 7, 9);
        assert_eq!(whole(&v2(0x21, 0x21, &body)), Ok((Some("[2000::7]:9".to_owned()), 52)));
        assert_eq!(whole(&v2(0x20, 0x00, &[])), Ok((None, 16)));
        assert_eq!(whole(&v2(0x21, 0x31, &[0; 216])), Ok((None, 232)));
        assert_eq!(whole(&v2(0x21, 0x11, &body[..11])), Err(ProxyHeaderError::Binary));
        assert_eq!(whole(&v2(0x11, 0x11, &body[..12])), Err(ProxyHeaderError::Binary));
        assert_eq!(whole(&v2(0x22, 0x11, &body[..12])), Err(ProxyHeaderError::Binary));
        assert_eq!(whole(&v2(0x21, 0x11, &[0; V2_MAX + 1])), Err(ProxyHeaderError::TooLong));
    }

    #[test]
    fn a_header_may_come_octet_by_octet() {
        let body = [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0, 80];
        for input in [b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n".to_vec(), v2(0x21, 0x11, &body)] {
            for end in 0..input.len() {
                assert_eq!(ProxyHeader::decode(&input[..end]), Ok(Parsed::Partial), "after {end} octets");
            }
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(input in proptest::collection::vec(any::<u8>(), 0..64), version in 0u8..3) {
            let start: &[u8] = [&b""[..], b"PROXY TCP4 ", V2_SIGNATURE][usize::from(version)];
            let input = [start, &input].concat();
            if let Ok(Parsed::Whole(_, taken)) = ProxyHeader::decode(&input) {
                prop_assert!(taken <= input.len());
                // Octets of the client behind the header change nothing.
                prop_assert_eq!(ProxyHeader::decode(&input[..taken]), ProxyHeader::decode(&input));
            }
        }
    }
}
