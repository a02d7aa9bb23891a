//! One end of a connection with HTTP/2: whatever the peer sends, in whatever pieces, the outcome is the same and the answer bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy_net::h2::{Config, Connection, End, Event, PREFACE};
use proxy_net::headers::HeaderList;

/// What an end said and how it ended when the input came in pieces of this size.
fn run(client: bool, input: &[u8], step: usize) -> (Vec<u8>, Vec<String>, bool) {
    let mut out = Vec::new();
    let mut connection = if client {
        Connection::client(Config::default(), &mut out)
    } else {
        Connection::server(Config::default(), &mut out)
    };
    if client {
        let mut request = HeaderList::new();
        let fields: [(&[u8], &[u8]); 4] =
            [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")];
        fields.iter().for_each(|(name, value)| request.push(name, value));
        for end in [End::Stream, End::More, End::Stream] {
            let _ = connection.open(request.iter(), end, &mut out);
        }
    }
    let (mut fields, mut events) = (HeaderList::new(), Vec::new());
    let (mut at, mut seen) = (0, 0);
    loop {
        let polled = match connection.poll(&input[at..seen], &mut fields, &mut out) {
            Ok(polled) => polled,
            Err(error) => {
                events.push(format!("{error:?}"));
                return (out, events, true);
            }
        };
        at += polled.consumed;
        match polled.event {
            Some(event) => {
                events.push(format!("{event:?} {fields:?}"));
                if let Event::Data { stream, data, .. } = event {
                    let octets = data.len();
                    connection.release(stream, octets, &mut out);
                }
            }
            None if seen == input.len() => return (out, events, false),
            None => seen = input.len().min(seen + step),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, frames)) = input.split_first() else { return };
    let client = kind % 2 == 1;
    let mut bytes = if client { Vec::new() } else { PREFACE.to_vec() };
    // Most inputs begin as a connection must: with settings.
    if kind & 2 == 0 {
        bytes.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    }
    bytes.extend_from_slice(frames);
    let whole = run(client, &bytes, usize::MAX >> 1);
    // An answer costs the peer about what it costs us: a ping is answered by one as long, a header by a reset.
    assert!(whole.0.len() <= 512 + 2 * bytes.len(), "{} octets for {}", whole.0.len(), bytes.len());
    assert_eq!(run(client, &bytes, 1), whole);
});
