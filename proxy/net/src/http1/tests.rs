//! Heads and bodies that are right, and those that two readers could take apart in two ways.

use proptest::prelude::*;

use super::*;
use crate::h2::End;
use crate::headers::HeaderList;

fn request(text: &str) -> Result<(RequestHead, HeaderList), Http1Error> {
    let mut list = HeaderList::new();
    for end in 0..text.len() {
        // A head that is cut may be refused early but is never whole.
        if let Ok(parsed) = parse_request(&text.as_bytes()[..end], HeadLimits::default(), &mut list) {
            assert_eq!(parsed, Parsed::Partial, "whole at {end} of {text:?}");
        }
    }
    match parse_request(text.as_bytes(), HeadLimits::default(), &mut list)? {
        Parsed::Whole(head, taken) => {
            assert_eq!(taken, text.len());
            Ok((head, list))
        }
        Parsed::Partial => panic!("partial: {text:?}"),
    }
}

fn response(text: &str, method: Method) -> Result<(ResponseHead, HeaderList), Http1Error> {
    let mut list = HeaderList::new();
    match parse_response(text.as_bytes(), method, HeadLimits::default(), &mut list)? {
        Parsed::Whole(head, _) => Ok((head, list)),
        Parsed::Partial => panic!("partial: {text:?}"),
    }
}

fn pairs(list: &HeaderList) -> Vec<(String, String)> {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    list.iter().map(|header| (text(header.name), text(header.value))).collect()
}

fn shown(list: &HeaderList) -> String {
    pairs(list).into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("|")
}

#[test]
fn a_request_becomes_the_same_list_as_in_http2() {
    let (head, list) =
        request("GET /a?b HTTP/1.1\r\nHost: A.test:80\r\nX-One:  1 \r\nTE: gzip, trailers\r\n\r\n").unwrap();
    assert_eq!(shown(&list), ":method=GET|:authority=A.test:80|:path=/a?b|x-one=1|te=trailers");
    assert_eq!((head.body, head.reuse, head.upgrade), (Body::Empty, Reuse::KeepAlive, Upgrade::None));
    let (_, list) = request("GET http://b.test?q HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    assert_eq!(shown(&list), ":method=GET|:scheme=http|:authority=b.test|:path=/?q");
    let (_, list) = request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(shown(&list), ":method=OPTIONS|:authority=a|:path=*");
    let (head, list) = request("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    assert_eq!(
        (head.upgrade, shown(&list).as_str()),
        (Upgrade::Tunnel, ":method=CONNECT|:authority=a.test:443")
    );
}

#[test]
fn fields_of_the_connection_stay_on_it() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: x-hop, close\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: foo\r\nA: b\r\n\r\n";
    let (head, list) = request(text).unwrap();
    assert_eq!((head.reuse, shown(&list).as_str()), (Reuse::Close, ":method=GET|:authority=a|:path=/|a=b"));
    let (head, list) =
        request("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").unwrap();
    assert_eq!((head.upgrade, list.value(b"upgrade")), (Upgrade::Protocol, Some(&b"websocket"[..])));
    let (head, list) = request("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n").unwrap();
    assert_eq!((head.upgrade, shown(&list).as_str()), (Upgrade::None, ":method=GET|:authority=a|:path=/"));
    let (_, list) =
        request("POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\nContent-Length: 3\r\n\r\n")
            .unwrap();
    assert_eq!(list.value(b"content-length"), Some(&b"3"[..]), "framing was named away");
}

#[test]
fn versions_and_options_decide_on_reuse() {
    let reuse = |text: &str| request(text).unwrap().0.reuse;
    assert_eq!(reuse("GET / HTTP/1.0\r\n\r\n"), Reuse::Close);
    assert_eq!(reuse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), Reuse::KeepAlive);
    assert_eq!(reuse("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n"), Reuse::Close);
    let (head, _) =
        request("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n").unwrap();
    assert_eq!((head.expect, head.body), (Expect::Continue, Body::Length(5)));
    assert_eq!(
        request("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n").unwrap().0.expect,
        Expect::Nothing
    );
}

#[test]
fn requests_that_readers_disagree_on_are_refused() {
    use Http1Error::*;
    let with = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    let cases = [
        (with("Content-Length: 1\r\nContent-Length: 2"), ContentLength),
        (with("Content-Length: 1\r\nContent-Length: 1"), ContentLength),
        (with("Content-Length: 1, 1"), ContentLength),
        (with("Content-Length: +1"), ContentLength),
        (with("Content-Length: -1"), ContentLength),
        (with("Content-Length: 0x1"), ContentLength),
        (with("Content-Length: 1 2"), ContentLength),
        (with("Content-Length:"), ContentLength),
        (with("Content-Length: 99999999999999999999"), ContentLength),
        (with("Content-Length: 1\r\nTransfer-Encoding: chunked"), BothFramings),
        (with("Transfer-Encoding: chunked\r\nContent-Length: 0"), BothFramings),
        (with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), TransferEncoding),
        (with("Transfer-Encoding: chunked, identity"), TransferEncoding),
        (with("Transfer-Encoding: gzip, chunked"), TransferEncoding),
        (with("Transfer-Encoding: xchunked"), TransferEncoding),
        (with("Transfer-Encoding: \x0bchunked"), Head),
        (with("Transfer-Encoding : chunked"), Head),
        (with(" Transfer-Encoding: chunked"), Head),
        (with("A: b\r\n folded"), Head),
        (with("A: b\r\n\tfolded"), Head),
        (with("A: b\0c"), Head),
        (with("A: b\rTransfer-Encoding: chunked"), Head),
        (with("A: b\nTransfer-Encoding: chunked"), BareLineFeed),
        (with("Host: b"), Http1Error::Host),
        (with("No colon"), Head),
        (with(": no name"), Head),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(), TransferEncoding),
        ("GET / HTTP/1.1\nHost: a\n\n".into(), BareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".into(), Http1Error::Host),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n".into(), Http1Error::Host),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n".into(), Target),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n".into(), Target),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n".into(), Target),
        ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n".into(), Target),
        ("GET http://u@a/x HTTP/1.1\r\nHost: a\r\n\r\n".into(), Target),
        ("CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n".into(), Target),
        ("CONNECT a:1 HTTP/1.0\r\nHost: a\r\n\r\n".into(), Target),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n".into(), ContentLength),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".into(), Head),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n".into(), Head),
        ("GE\x01T / HTTP/1.1\r\nHost: a\r\n\r\n".into(), Head),
    ];
    for (text, error) in cases {
        assert_eq!(request(&text).map(|_| ()), Err(error), "{text:?}");
    }
}

#[test]
fn heads_over_the_limits_are_refused_before_they_are_whole() {
    let limits = HeadLimits { octets: 100, count: 3 };
    let mut list = HeaderList::new();
    let long = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(100));
    assert_eq!(parse_request(long.as_bytes(), limits, &mut list), Err(Http1Error::TooLarge));
    let many = "GET / HTTP/1.1\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n";
    assert_eq!(parse_request(many.as_bytes(), limits, &mut list), Err(Http1Error::TooLarge));
    let empty = "\r\n".repeat(60);
    assert_eq!(parse_request(empty.as_bytes(), limits, &mut list), Err(Http1Error::TooLarge));
}

#[test]
fn bodies_of_responses_follow_status_and_method() {
    let body = |text: &str, method| response(text, method).map(|(head, _)| (head.body, head.reuse));
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
    assert_eq!(body(length, Method::Other), Ok((Body::Length(7), Reuse::KeepAlive)));
    assert_eq!(body(length, Method::Head), Ok((Body::Empty, Reuse::KeepAlive)));
    assert_eq!(
        body("HTTP/1.1 304 x\r\nContent-Length: 7\r\n\r\n", Method::Other),
        Ok((Body::Empty, Reuse::KeepAlive))
    );
    assert_eq!(body("HTTP/1.1 204 x\r\n\r\n", Method::Other), Ok((Body::Empty, Reuse::KeepAlive)));
    assert_eq!(body("HTTP/1.1 103 x\r\n\r\n", Method::Other), Ok((Body::Empty, Reuse::KeepAlive)));
    assert_eq!(body("HTTP/1.1 200 x\r\n\r\n", Method::Other), Ok((Body::UntilClose, Reuse::Close)));
    assert_eq!(body("HTTP/1.0 200\r\n\r\n", Method::Other), Ok((Body::UntilClose, Reuse::Close)));
    assert_eq!(
        body("HTTP/1.1 200 x\r\nTransfer-Encoding: Chunked\r\n\r\n", Method::Other),
        Ok((Body::Chunked, Reuse::KeepAlive))
    );
    let both = "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(body(both, Method::Other), Err(Http1Error::BothFramings));
    let (head, list) = response("HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n", Method::Connect).unwrap();
    assert_eq!((head.upgrade, head.body, list.len()), (Upgrade::Tunnel, Body::Empty, 1));
    let (head, list) =
        response("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", Method::Other)
            .unwrap();
    assert_eq!((head.upgrade, list.value(b"upgrade")), (Upgrade::Protocol, Some(&b"websocket"[..])));
}

/// Content, trailers and octets taken of a body that arrives in pieces of `step`.
fn unchunk(input: &[u8], body: Body, step: usize) -> Result<(Vec<u8>, HeaderList, usize), Http1Error> {
    let mut decoder = BodyDecoder::new(body);
    let (mut content, mut trailers, mut at) = (Vec::new(), HeaderList::new(), 0);
    let mut seen = 0;
    while seen < input.len() && !decoder.is_done() {
        seen = input.len().min(seen + step);
        loop {
            let part = decoder.decode(&input[at..seen], &mut trailers)?;
            at += part.consumed;
            content.extend_from_slice(part.data);
            if part.consumed == 0 || part.end == End::Stream {
                break;
            }
        }
    }
    decoder.finish()?;
    Ok((content, trailers, at))
}

#[test]
fn chunks_that_readers_disagree_on_are_refused() {
    use Http1Error::*;
    let cases: [(&str, Http1Error); 16] = [
        ("g\r\n", Chunk),
        ("\r\n", Chunk),
        ("-1\r\n", Chunk),
        ("0x1\r\na\r\n", Chunk),
        (" 1\r\na\r\n", Chunk),
        ("1 \r\na\r\n", Chunk),
        ("1\na\r\n0\r\n\r\n", BareLineFeed),
        ("1\r\nab\r\n", Chunk),
        ("1\r\na\n0\r\n\r\n", Chunk),
        ("1\r\na\r0\r\n\r\n", Chunk),
        ("10000000000000000\r\n", Chunk),
        ("ffffffffffffffff\r\n", Chunk),
        ("1;a\rb\r\na\r\n", Chunk),
        ("0\r\nA: b\n\r\n", BareLineFeed),
        ("0\r\n folded: b\r\n\r\n", Head),
        ("5\r\nabc", Truncated),
    ];
    for (text, error) in cases {
        for step in [1, 1000] {
            assert_eq!(
                unchunk(text.as_bytes(), Body::Chunked, step).map(|_| ()),
                Err(error),
                "{text:?} by {step}"
            );
        }
    }
    let flood = format!("1;{}\r\na\r\n", "x".repeat(400)).repeat(20);
    assert_eq!(unchunk(flood.as_bytes(), Body::Chunked, 1000).unwrap_err(), ChunkExtensions);
    let endless = format!("1;{}", "x".repeat(600));
    assert_eq!(unchunk(endless.as_bytes(), Body::Chunked, 1000).unwrap_err(), Chunk);
    let trailers = format!("0\r\nA: {}", "x".repeat(9000));
    assert_eq!(unchunk(trailers.as_bytes(), Body::Chunked, 10_000).unwrap_err(), TooLarge);
}

#[test]
fn trailers_cannot_change_the_head_and_the_next_message_is_left_alone() {
    let text = "3;x=y\r\nabc\r\n0\r\nX-Sum: 3\r\nContent-Length: 9\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\n";
    let (content, trailers, taken) = unchunk(text.as_bytes(), Body::Chunked, 1000).unwrap();
    assert_eq!((content.as_slice(), shown(&trailers).as_str()), (&b"abc"[..], "x-sum=3"));
    assert_eq!(&text[taken..], "GET / HTTP/1.1\r\n");
    let (content, _, taken) = unchunk(b"abcdef", Body::Length(4), 100).unwrap();
    assert_eq!((content.as_slice(), taken), (&b"abcd"[..], 4));
    assert_eq!(unchunk(b"abc", Body::Length(4), 1).unwrap_err(), Http1Error::Truncated);
}

#[test]
fn written_heads_are_read_back() {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a:1"),
        (":path", "/x"),
        ("cookie", "a=b"),
        ("x", "y"),
        ("cookie", "c=d"),
    ];
    let list: HeaderList = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let mut out = Vec::new();
    write_request(&list, Body::Chunked, Reuse::KeepAlive, &mut out);
    let text = String::from_utf8(out).unwrap();
    let (head, back) = request(&text).unwrap();
    assert_eq!(head.body, Body::Chunked);
    assert_eq!(shown(&back), ":method=POST|:scheme=http|:authority=a:1|:path=/x|x=y|cookie=a=b; c=d");
    let list: HeaderList = [(&b":status"[..], &b"200"[..]), (b"content-length", b"2")].into_iter().collect();
    let mut out = Vec::new();
    write_response(&list, Body::Length(2), Reuse::Close, Version::Http11, &mut out);
    let (head, back) = response(std::str::from_utf8(&out).unwrap(), Method::Other).unwrap();
    assert_eq!(
        (head.body, head.reuse, shown(&back).as_str()),
        (Body::Length(2), Reuse::Close, ":status=200|content-length=2")
    );
}

proptest! {
    #[test]
    fn chunks_come_back_in_pieces_of_any_size(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8), step in 1usize..50) {
        let mut out = Vec::new();
        for piece in &pieces {
            write_chunk(piece, &mut out);
        }
        let trailers: HeaderList = [(&b"x-end"[..], &b"yes"[..])].into_iter().collect();
        write_last_chunk(&trailers, &mut out);
        let (content, back, taken) = unchunk(&out, Body::Chunked, step).unwrap();
        prop_assert_eq!(content, pieces.concat());
        prop_assert_eq!(back, trailers);
        prop_assert_eq!(taken, out.len());
    }

    #[test]
    fn any_octets_are_a_head_an_error_or_partial(text in "[GET /HTP1.0:\r\n\t;a-zA-Z0-9]{0,200}", step in 1usize..20) {
        let mut list = HeaderList::new();
        if let Ok(Parsed::Whole(_, taken)) = parse_request(text.as_bytes(), HeadLimits::default(), &mut list) {
            prop_assert!(taken <= text.len());
        }
        let _ = unchunk(text.as_bytes(), Body::Chunked, step);
    }
}
