//! Headers there and back, and headers that are none.

use proptest::prelude::*;

use super::*;

fn header(port: u16, name: Option<&str>, session: Option<Session>) -> Header {
    let name = name.map(|name| DnsName::try_from(name).unwrap().to_owned());
    Header { port, name, session }
}

fn encoded(header: &Header) -> Vec<u8> {
    let mut out = Vec::new();
    header.encode(&mut out);
    out
}

/// A header around any message.
fn around(message: &[u8]) -> Vec<u8> {
    [PREFACE, &(message.len() as u32).to_be_bytes(), message].concat()
}

fn read(message: &[u8]) -> Result<Header, HeaderError> {
    match Header::decode(&around(message))? {
        Parsed::Whole(header, taken) => {
            assert_eq!(taken, PREFIX + message.len());
            Ok(header)
        }
        Parsed::Partial => panic!("a whole header was called partial"),
    }
}

#[test]
fn the_octets_on_the_wire_are_fixed() {
    let octets = encoded(&header(8080, None, None));
    assert_eq!(octets, b"transport.l5d.io/v1\r\n\r\n\0\0\0\x03\x08\x90\x3f");
    let octets = encoded(&header(4143, Some("web.emojivoto.svc.cluster.local"), Some(Session::Http2)));
    assert_eq!(
        octets[PREFACE.len()..],
        *b"\0\0\0\x28\x08\xaf\x20\x12\x1fweb.emojivoto.svc.cluster.local\x1a\x02\x12\0"
    );
    assert_eq!(encoded(&header(80, None, Some(Session::Http1)))[PREFIX..], *b"\x08\x50\x1a\x02\x0a\0");
}

#[test]
fn a_header_may_come_octet_by_octet() {
    let header = header(4143, Some("a.b"), Some(Session::Http1));
    let mut octets = encoded(&header);
    for end in 0..octets.len() {
        assert_eq!(Header::decode(&octets[..end]), Ok(Parsed::Partial), "after {end} octets");
    }
    let whole = octets.len();
    octets.extend_from_slice(b"GET / HTTP/1.1\r\n");
    assert_eq!(Header::decode(&octets), Ok(Parsed::Whole(header, whole)));
}

#[test]
fn fields_that_are_not_known_are_skipped() {
    let message = b"\x20\x01\x08\x50\x29abcdefgh\x2a\x03xyz\x35abcd";
    assert_eq!(read(message), Ok(header(80, None, None)));
}

#[test]
fn the_last_of_repeated_fields_counts() {
    assert_eq!(read(b"\x08\x50\x08\x51\x12\x01a\x12\x01b"), Ok(header(81, Some("b"), None)));
    assert_eq!(read(b"\x08\x50\x1a\x02\x0a\0\x1a\x02\x12\0"), Ok(header(80, None, Some(Session::Http2))));
    assert_eq!(read(b"\x08\x50\x1a\x02\x0a\0\x1a\0"), Ok(header(80, None, Some(Session::Http1))));
}

#[test]
fn names_are_lowered_and_an_empty_one_is_none() {
    assert_eq!(read(b"\x08\x50\x12\x05A.Svc"), Ok(header(80, Some("a.svc"), None)));
    assert_eq!(read(b"\x08\x50\x12\0"), Ok(header(80, None, None)));
}

#[test]
fn what_is_no_header_says_why() {
    for (message, error) in [
        (&b""[..], HeaderError::Port),
        (b"\x08\0", HeaderError::Port),
        (b"\x08\x80\x80\x04", HeaderError::Port),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", HeaderError::Port),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", HeaderError::Malformed),
        (b"\x08", HeaderError::Malformed),
        (b"\x0a\x01P", HeaderError::Malformed),
        (b"\0\0", HeaderError::Malformed),
        (b"\x0b", HeaderError::Malformed),
        (b"\x08\x50\x12\x05ab", HeaderError::Malformed),
        (b"\x08\x50\x12\x03a b", HeaderError::Name),
        (b"\x08\x50\x12\x07\x31.2.3.4", HeaderError::Name),
        (b"\x08\x50\x12\x02\xff\xfe", HeaderError::Name),
        (b"\x08\x50\x1a\0", HeaderError::Session),
        (b"\x08\x50\x1a\x02\x1a\0", HeaderError::Session),
        (b"\x08\x50\x1a\x02\x08\0", HeaderError::Malformed),
    ] {
        assert_eq!(read(message), Err(error), "{}", message.escape_ascii());
    }
}

#[test]
fn a_wrong_octet_is_seen_as_soon_as_it_is_there() {
    assert_eq!(Header::decode(b"transport.l5d.io/v2"), Err(HeaderError::Preface));
    assert_eq!(Header::decode(b"G"), Err(HeaderError::Preface));
    let long = [PREFACE, &(MAX_MESSAGE as u32 + 1).to_be_bytes()].concat();
    assert_eq!(Header::decode(&long), Err(HeaderError::TooLong));
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(
        port in 1u16.., name in proptest::option::of("[a-z][a-z0-9]{0,20}(\\.[a-z][a-z0-9-]{0,20}[a-z0-9]){0,5}"), kind in 0u8..3,
    ) {
        let session = [None, Some(Session::Http1), Some(Session::Http2)][usize::from(kind)];
        let header = header(port, name.as_deref(), session);
        let octets = encoded(&header);
        prop_assert!(octets.len() <= MAX_OCTETS);
        prop_assert_eq!(Header::decode(&octets), Ok(Parsed::Whole(header, octets.len())));
    }

    #[test]
    fn any_message_is_read_or_refused(message in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(Parsed::Whole(header, _)) = Header::decode(&around(&message)) {
            let octets = encoded(&header);
            prop_assert_eq!(Header::decode(&octets), Ok(Parsed::Whole(header, octets.len())));
        }
    }
}
