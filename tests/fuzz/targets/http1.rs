//! Messages of HTTP/1: a head and its body mean the same however they arrive, and stay within limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy_net::h2::End;
use proxy_net::headers::HeaderList;
use proxy_net::http1::{
    Body, BodyDecoder, HeadLimits, Method, Parsed, parse_request, parse_response, write_request,
};

/// All content of a body that arrives in pieces of this size, its trailers, and how much of the input it was; nothing where it is malformed.
fn body(input: &[u8], body: Body, step: usize) -> Option<(Vec<u8>, HeaderList, usize, bool)> {
    let (mut decoder, mut trailers) = (BodyDecoder::new(body), HeaderList::new());
    let (mut content, mut at, mut seen) = (Vec::new(), 0, 0);
    loop {
        let part = decoder.decode(&input[at..seen], &mut trailers).ok()?;
        content.extend_from_slice(part.data);
        at += part.consumed;
        if part.end == End::Stream {
            return Some((content, trailers, at, true));
        }
        if part.consumed == 0 {
            if seen == input.len() {
                return Some((content, trailers, at, false));
            }
            seen = input.len().min(seen + step);
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let limits = HeadLimits::default();
    let mut fields = HeaderList::new();
    let whole = parse_request(input, limits, &mut fields);
    if let Ok(Parsed::Whole(request, taken)) = whole {
        assert!(taken <= input.len() && fields.len() <= limits.count + 4);
        // No prefix of it is a whole head, and none is refused for what comes later.
        for cut in [1, taken / 2, taken - 1] {
            let early = parse_request(&input[..cut.min(taken - 1)], limits, &mut HeaderList::new());
            assert!(matches!(early, Ok(Parsed::Partial)), "{early:?} of a part");
        }
        // What we write is read as what we read. HTTP/1.0 may leave out the authority, which we do not pass on.
        if fields.value(b":authority").is_none() {
            return;
        }
        let mut out = Vec::new();
        let framing = if request.method == Method::Connect { Body::Empty } else { request.body };
        write_request(&fields, framing, request.reuse, &mut out);
        let mut again = HeaderList::new();
        let second = parse_request(&out, HeadLimits { octets: usize::MAX, count: usize::MAX }, &mut again);
        let Ok(Parsed::Whole(second, all)) = second else { panic!("{second:?} of {:?}", out.escape_ascii()) };
        assert_eq!((all, second.body), (out.len(), request.body), "{}", out.escape_ascii());
        assert_eq!(again.value(b":path"), fields.value(b":path"));
        let rest = &input[taken..];
        assert_eq!(body(rest, request.body, 1), body(rest, request.body, usize::MAX >> 1));
    }
    for method in [Method::Head, Method::Connect, Method::Other] {
        if let Ok(Parsed::Whole(response, taken)) = parse_response(input, method, limits, &mut fields) {
            let rest = &input[taken..];
            assert_eq!(body(rest, response.body, 1), body(rest, response.body, usize::MAX >> 1));
        }
    }
});
