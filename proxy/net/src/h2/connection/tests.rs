//! Two ends joined in memory, and one end against hostile frames.

use super::*;
use crate::h2::error::Reason;
use crate::h2::frame::kind;
use crate::headers::{Header, HeaderList};

fn fields(list: &[(&str, &str)]) -> HeaderList {
    list.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

fn get(path: &str) -> HeaderList {
    fields(&[(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "a.test")])
}

/// What one end saw, with borrowed parts copied.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Headers(u32, Part, HeaderList, End),
    Data(u32, Vec<u8>, End),
    Reset(u32, ErrorCode, Origin),
    GoAway(ErrorCode),
    Other,
}

struct Side {
    conn: Connection,
    out: Vec<u8>,
}

impl Side {
    fn key(&self, id: u32) -> StreamKey {
        self.conn.key_of(id).expect("an open stream")
    }

    /// Takes `input` in pieces of `step` octets.
    fn take(&mut self, input: &[u8], step: usize) -> Result<Vec<Seen>, FrameError> {
        let mut seen = Vec::new();
        let mut held = Vec::new();
        let mut fields = HeaderList::new();
        for piece in input.chunks(step) {
            held.extend_from_slice(piece);
            let mut at = 0;
            loop {
                let polled = self.conn.poll(&held[at..], &mut fields, &mut self.out)?;
                at += polled.consumed;
                let Some(event) = polled.event else { break };
                let mut freed = None;
                seen.push(match event {
                    Event::Headers { stream, part, end, .. } => {
                        Seen::Headers(stream.id, part, fields.clone(), end)
                    }
                    Event::Data { stream, data, end, .. } => {
                        freed = Some((stream, data.len()));
                        Seen::Data(stream.id, data.to_vec(), end)
                    }
                    Event::Reset { stream, code, by, .. } => Seen::Reset(stream.id, code, by),
                    Event::GoAway { code, .. } => Seen::GoAway(code),
                    _ => Seen::Other,
                });
                if let Some((stream, octets)) = freed {
                    self.conn.release(stream, octets, &mut self.out);
                }
            }
            held.drain(..at);
        }
        seen.retain(|event| *event != Seen::Other);
        Ok(seen)
    }
}

/// Moves octets both ways until nothing is left; what the client and the server saw.
fn settle(client: &mut Side, server: &mut Side, step: usize) -> (Vec<Seen>, Vec<Seen>) {
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    while !client.out.is_empty() || !server.out.is_empty() {
        let sent = std::mem::take(&mut client.out);
        at_server.extend(server.take(&sent, step).unwrap());
        let sent = std::mem::take(&mut server.out);
        at_client.extend(client.take(&sent, step).unwrap());
    }
    (at_client, at_server)
}

fn pair_with(config: Config) -> (Side, Side) {
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let client = Connection::client(config, &mut to_server);
    let server = Connection::server(config, &mut to_client);
    (Side { conn: client, out: to_server }, Side { conn: server, out: to_client })
}

fn pair() -> (Side, Side) {
    let (mut client, mut server) = pair_with(Config::default());
    settle(&mut client, &mut server, 7);
    (client, server)
}

/// A server that has seen the preface and empty settings.
fn lone_server(config: Config) -> Side {
    let mut out = Vec::new();
    let mut server = Side { conn: Connection::server(config, &mut out), out };
    let mut hello = PREFACE.to_vec();
    frame::head(0, kind::SETTINGS, 0, 0, &mut hello);
    server.take(&hello, 1).unwrap();
    server
}

fn request_block(list: &HeaderList, id: u32, end: End, out: &mut Vec<u8>) {
    let mut encoder = Encoder::new();
    // Without a table, so that blocks may be repeated.
    encoder.set_table_size(0);
    frame::write_headers(id, end, 16_384, out, |out| encoder.encode(list.iter(), out));
}

#[test]
fn a_request_and_its_response_cross_in_pieces_of_any_size() {
    for step in [1, 3, 1000] {
        let (mut client, mut server) = pair();
        let request = get("/one");
        let key = client.conn.open(request.iter(), End::More, &mut client.out).unwrap();
        assert_eq!(client.conn.send_data(key, b"hello", End::More, &mut client.out), Ok(5));
        let trailers = fields(&[("x-sum", "5")]);
        client.conn.send_headers(key, trailers.iter(), End::Stream, &mut client.out).unwrap();
        let (_, seen) = settle(&mut client, &mut server, step);
        assert_eq!(
            seen,
            [
                Seen::Headers(1, Part::Request, request, End::More),
                Seen::Data(1, b"hello".to_vec(), End::More),
                Seen::Headers(1, Part::Trailers, trailers, End::Stream),
            ]
        );
        let key = server.key(1);
        let early = fields(&[(":status", "103")]);
        let answer = fields(&[(":status", "200"), ("content-length", "2")]);
        server.conn.send_headers(key, early.iter(), End::More, &mut server.out).unwrap();
        server.conn.send_headers(key, answer.iter(), End::More, &mut server.out).unwrap();
        server.conn.send_data(key, b"ok", End::Stream, &mut server.out).unwrap();
        let (seen, _) = settle(&mut client, &mut server, step);
        assert_eq!(
            seen,
            [
                Seen::Headers(1, Part::Informational, early, End::More),
                Seen::Headers(1, Part::Response, answer, End::More),
                Seen::Data(1, b"ok".to_vec(), End::Stream),
            ]
        );
        assert_eq!((client.conn.open_streams(), server.conn.open_streams()), (0, 0));
        assert!(client.conn.is_acknowledged() && server.conn.is_acknowledged());
    }
}

#[test]
fn windows_hold_data_back_and_open_again() {
    let (mut client, mut server) = pair();
    let key = client.conn.open(get("/").iter(), End::More, &mut client.out).unwrap();
    let body: Vec<u8> = (0..=250).cycle().take(300_000).collect();
    let mut sent = client.conn.send_data(key, &body, End::Stream, &mut client.out).unwrap();
    assert_eq!(sent, 65_535);
    assert_eq!(client.conn.send_capacity(key), 0);
    let mut received = Vec::new();
    loop {
        let (_, seen) = settle(&mut client, &mut server, 4096);
        for event in seen {
            if let Seen::Data(_, data, _) = event {
                received.extend_from_slice(&data);
            }
        }
        let Some(next) = client.conn.next_writable() else { break };
        assert_eq!(next, key);
        sent += client.conn.send_data(key, &body[sent..], End::Stream, &mut client.out).unwrap();
    }
    assert_eq!(sent, body.len());
    assert_eq!(received, body);
}

#[test]
fn what_is_not_released_stops_the_sender() {
    let mut server = lone_server(Config::default());
    let mut input = Vec::new();
    request_block(&get("/"), 1, End::More, &mut input);
    for _ in 0..4 {
        frame::write_data(1, &[0; 16_383], End::More, &mut input);
    }
    let mut at = 0;
    server.out.clear();
    let mut fields = HeaderList::new();
    while let Polled { consumed, event: Some(_) } =
        server.conn.poll(&input[at..], &mut fields, &mut server.out).unwrap()
    {
        at += consumed;
    }
    assert!(server.out.is_empty(), "a window was opened for data that nobody has taken");
    let mut more = Vec::new();
    frame::write_data(1, &[0; 4], End::More, &mut more);
    let seen = server.take(&more, 100).unwrap();
    assert_eq!(seen, [Seen::Reset(1, ErrorCode::FLOW_CONTROL_ERROR, Origin::Us)]);
}

#[test]
fn the_peers_stream_limit_is_kept() {
    let mut config = Config::default();
    config.settings.max_concurrent_streams = 2;
    let (mut client, mut server) = pair_with(config);
    settle(&mut client, &mut server, 100);
    assert_eq!(client.conn.open_capacity(), 2);
    for _ in 0..2 {
        client.conn.open(get("/").iter(), End::Stream, &mut client.out).unwrap();
    }
    assert_eq!(client.conn.open(get("/").iter(), End::Stream, &mut client.out), Err(SendError::NoStream));
    settle(&mut client, &mut server, 100);
    let mut third = Vec::new();
    request_block(&get("/"), 5, End::Stream, &mut third);
    server.take(&third, 100).unwrap();
    let mut expected = Vec::new();
    frame::write_reset(5, ErrorCode::REFUSED_STREAM, &mut expected);
    assert_eq!(server.out, expected);
}

#[test]
fn a_graceful_end_lets_streams_finish() {
    let (mut client, mut server) = pair();
    client.conn.open(get("/").iter(), End::Stream, &mut client.out).unwrap();
    settle(&mut client, &mut server, 100);
    server.conn.shutdown(&mut server.out);
    let (seen, _) = settle(&mut client, &mut server, 100);
    assert_eq!(seen, [Seen::GoAway(ErrorCode::NO_ERROR), Seen::GoAway(ErrorCode::NO_ERROR)]);
    assert_eq!(client.conn.open_capacity(), 0);
    assert!(!server.conn.is_drained() && !client.conn.is_drained());
    let key = server.key(1);
    server
        .conn
        .send_headers(key, fields(&[(":status", "204")]).iter(), End::Stream, &mut server.out)
        .unwrap();
    settle(&mut client, &mut server, 100);
    assert!(server.conn.is_drained() && client.conn.is_drained());
}

#[test]
fn streams_above_the_last_of_a_goaway_are_refused() {
    let (mut client, _) = pair();
    for _ in 0..2 {
        client.conn.open(get("/").iter(), End::Stream, &mut client.out).unwrap();
    }
    let mut farewell = Vec::new();
    frame::write_go_away(1, ErrorCode::NO_ERROR, b"bye", &mut farewell);
    let seen = client.take(&farewell, 100).unwrap();
    assert_eq!(
        seen,
        [Seen::GoAway(ErrorCode::NO_ERROR), Seen::Reset(3, ErrorCode::REFUSED_STREAM, Origin::Peer)]
    );
    frame::write_go_away(3, ErrorCode::NO_ERROR, b"", &mut farewell);
    assert_eq!(client.take(&farewell[20..], 100).unwrap_err().reason, Reason::GoAwayRaised);
}

#[test]
fn each_flood_is_named() {
    type Write = fn(u32, &mut Vec<u8>);
    let floods: [(Reason, Write); 8] = [
        (Reason::PingFlood, |_, out| frame::write_ping([0; 8], 0, out)),
        (Reason::SettingsFlood, |_, out| frame::head(0, kind::SETTINGS, 0, 0, out)),
        (Reason::EmptyDataFlood, |round, out| {
            if round == 0 {
                request_block(&get("/"), 1, End::More, out);
            }
            frame::write_data(1, b"", End::More, out);
        }),
        (Reason::WindowFlood, |_, out| frame::write_window_update(0, 1, out)),
        (Reason::IgnoredFlood, |_, out| frame::head(0, 0x77, 0, 0, out)),
        (Reason::RapidReset, |round, out| {
            request_block(&get("/"), round * 2 + 1, End::More, out);
            frame::write_reset(round * 2 + 1, ErrorCode::CANCEL, out);
        }),
        (Reason::StreamErrorFlood, |round, out| {
            request_block(&fields(&[("x", "y")]), round * 2 + 1, End::Stream, out)
        }),
        (Reason::ContinuationFlood, |round, out| {
            let kind = if round == 0 { kind::HEADERS } else { kind::CONTINUATION };
            frame::head(0, kind, 0, 1, out);
        }),
    ];
    for (reason, write) in floods {
        let mut server = lone_server(Config::default());
        let mut ended = None;
        for round in 0..60_000 {
            let mut input = Vec::new();
            write(round, &mut input);
            if let Err(error) = server.take(&input, usize::MAX) {
                ended = Some(error);
                break;
            }
        }
        let error = ended.unwrap_or_else(|| panic!("{reason:?} never ended"));
        assert_eq!((error.reason, error.code), (reason, ErrorCode::ENHANCE_YOUR_CALM));
        assert!(server.conn.is_drained());
        assert!(
            server.conn.poll(b"", &mut HeaderList::new(), &mut Vec::new()).is_err(),
            "an ended connection went on"
        );
    }
}

#[test]
fn a_refill_allows_another_interval() {
    let mut server = lone_server(Config::default());
    let mut ping = Vec::new();
    frame::write_ping([1; 8], 0, &mut ping);
    for _ in 0..10 {
        for _ in 0..FloodLimits::default().pings {
            server.take(&ping, 100).unwrap();
        }
        server.conn.refill();
    }
}

#[test]
fn malformed_requests_end_their_stream_alone() {
    let base = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a.test")];
    let with = |extra: &[(&'static str, &'static str)]| [&base[..], extra].concat();
    let bad: Vec<Vec<(&str, &str)>> = vec![
        base[1..].to_vec(),
        base[..2].to_vec(),
        with(&[("X-Upper", "a")]),
        with(&[("connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("te", "gzip")]),
        with(&[("a", "b"), (":path", "/")]),
        with(&[(":path", "/again")]),
        with(&[(":unknown", "x")]),
        with(&[("content-length", "1"), ("content-length", "1")]),
        with(&[("content-length", "+1")]),
        with(&[("content-length", "7")]),
        with(&[("host", "b.test")]),
        with(&[("a", "x\r\ny: z")]),
        with(&[("a", " x")]),
        with(&[("a b", "x")]),
        with(&[("", "x")]),
        with(&[(":status", "200")]),
        vec![(":method", "CONNECT"), (":authority", "a:1"), (":path", "/")],
        vec![(":method", "GET"), (":scheme", "http"), (":path", "no-slash")],
    ];
    let mut server = lone_server(Config::default());
    for (index, list) in bad.iter().enumerate() {
        let id = index as u32 * 2 + 1;
        let mut input = Vec::new();
        request_block(&fields(list), id, End::Stream, &mut input);
        server.out.clear();
        assert_eq!(server.take(&input, 50).unwrap(), [], "{list:?} was let through");
        let mut expected = Vec::new();
        frame::write_reset(id, ErrorCode::PROTOCOL_ERROR, &mut expected);
        assert_eq!(server.out, expected, "{list:?}");
    }
    let mut input = Vec::new();
    request_block(&fields(&with(&[("te", "trailers"), ("host", "A.test")])), 99, End::Stream, &mut input);
    assert_eq!(server.take(&input, 50).unwrap().len(), 1);
}

#[test]
fn a_list_over_the_limits_is_reported_and_the_connection_goes_on() {
    let mut config = Config::default();
    config.headers.list_size = 300;
    let mut server = lone_server(config);
    let mut input = Vec::new();
    let long = "x".repeat(400);
    request_block(
        &fields(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), ("a", &long)]),
        1,
        End::Stream,
        &mut input,
    );
    let polled = server.conn.poll(&input, &mut HeaderList::new(), &mut server.out).unwrap();
    let Some(Event::HeadersTooLarge { stream, end: End::Stream }) = polled.event else {
        panic!("{polled:?}")
    };
    let answer =
        [Header { name: b":status", value: b"431", sensitivity: crate::headers::Sensitivity::Plain }];
    server.conn.send_headers(stream, answer, End::Stream, &mut server.out).unwrap();
    assert_eq!(server.conn.open_streams(), 0);
}

proptest::proptest! {
    #[test]
    fn any_octets_end_in_bounded_output(input in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400), kind in 0u8..10) {
        let mut server = lone_server(Config::default());
        let mut shaped = Vec::new();
        for chunk in input.chunks(12) {
            frame::head(chunk.len() as u32, kind.wrapping_add(chunk[0] % 3) % 10, chunk[0], u32::from(chunk[0] % 6), &mut shaped);
            shaped.extend_from_slice(chunk);
        }
        server.out.clear();
        let _ = server.take(&shaped, 64);
        proptest::prop_assert!(server.out.len() <= 4 * shaped.len() + 200);
    }
}

#[test]
fn a_stream_that_both_sides_have_reset_takes_no_more_frames() {
    let mut server = lone_server(Config::default());
    let mut input = Vec::new();
    request_block(&get("/"), 1, End::More, &mut input);
    server.take(&input, 1).unwrap();
    let stream = server.key(1);
    server.conn.reset(stream, ErrorCode::NO_ERROR, &mut server.out);
    server.out.clear();
    // On the way when ours came.
    let mut late = Vec::new();
    frame::write_data(1, b"late", End::More, &mut late);
    request_block(&get("/"), 1, End::Stream, &mut late);
    assert_eq!(server.take(&late, 1).unwrap(), []);
    assert_eq!(server.out, b"");
    let mut reset = Vec::new();
    frame::write_reset(1, ErrorCode::CANCEL, &mut reset);
    assert_eq!(server.take(&reset, 1).unwrap(), []);
    assert_eq!(server.take(&late, 1).unwrap(), []);
    let mut expected = Vec::new();
    for _ in 0..2 {
        frame::write_reset(1, ErrorCode::STREAM_CLOSED, &mut expected);
    }
    assert_eq!(server.out, expected);
}
