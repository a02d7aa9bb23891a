//! What hostile, slow and many peers may do to a worker.

use std::net::TcpStream;
use std::time::Duration;

use proxy_net::engine::{Direction, Failure, Upstream};
use proxy_net::h2::{End, ErrorCode, PREFACE, frame};
use proxy_net::headers::HeaderList;
use proxy_net::hpack::{Decoder, Encoder, Limits};
use tokio::io::AsyncReadExt;

use crate::kit::{self, Mode, Note, Script};
use crate::peers;
use crate::raw::{MAX_FRAME, Raw, Server};
use crate::refused::request_of;

const GET: &str = "GET / HTTP/1.1\r\nhost: web.test\r\n\r\n";

/// A connection's start and one request after the other.
pub(crate) struct Frames {
    pub(crate) bytes: Vec<u8>,
    encoder: Encoder,
    next: u32,
}

impl Frames {
    pub(crate) fn new() -> Self {
        let mut bytes = PREFACE.to_vec();
        frame::head(0, frame::kind::SETTINGS, 0, 0, &mut bytes);
        Self { bytes, encoder: Encoder::new(), next: 1 }
    }

    pub(crate) fn request(&mut self, path: &str, end: End) -> u32 {
        let list: HeaderList = [
            (&b":method"[..], &b"GET"[..]),
            (b":scheme", b"http"),
            (b":authority", b"web.test"),
            (b":path", path.as_bytes()),
        ]
        .into_iter()
        .collect();
        self.open(&list, end)
    }

    /// Requests with windows as large as they can be, so that those bound nothing.
    pub(crate) fn unbounded(&mut self, path: &str, count: usize) {
        frame::write_window_update(0, 0x7fff_0000, &mut self.bytes);
        for _ in 0..count {
            let id = self.request(path, End::Stream);
            frame::write_window_update(id, 0x7fff_0000, &mut self.bytes);
        }
    }

    /// Opens a stream with any fields.
    pub(crate) fn open(&mut self, list: &HeaderList, end: End) -> u32 {
        let id = self.next;
        self.next += 2;
        let encoder = &mut self.encoder;
        frame::write_headers(id, end, 16_384, &mut self.bytes, |out| encoder.encode(list.iter(), out));
        id
    }
}

/// Reads until the peer closes; the code of its GOAWAY.
pub(crate) async fn farewell(client: &mut Raw) -> Option<u32> {
    let mut seen = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), client.0.read_to_end(&mut seen)).await.unwrap();
    goaway(&seen)
}

/// The code of the GOAWAY in what a peer has said.
pub(crate) fn goaway(seen: &[u8]) -> Option<u32> {
    let mut at = 0;
    let mut code = None;
    while let frame::Parsed::Frame(found, taken) = frame::parse(&seen[at..], MAX_FRAME) {
        if let frame::Frame::GoAway { code: given, .. } = found {
            code = Some(given.0);
        }
        at += taken;
    }
    code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_are_told_to_calm_down_and_others_are_served_on() {
    let server = peers::serve().await;
    let mut script = Script::to(kit::endpoint(server), Upstream::Http2);
    script.mode = Mode::Detect;
    let mut engine = script.run();
    let mut rapid = Frames::new();
    for _ in 0..1000 {
        let id = rapid.request("/never", End::Stream);
        frame::write_reset(id, ErrorCode::CANCEL, &mut rapid.bytes);
    }
    let mut pings = Frames::new();
    for _ in 0..1000 {
        frame::write_ping([0; 8], 0, &mut pings.bytes);
    }
    let mut settings = Frames::new();
    for _ in 0..1000 {
        frame::head(0, frame::kind::SETTINGS, 0, 0, &mut settings.bytes);
    }
    let mut continuation = Frames::new();
    frame::head(0, frame::kind::HEADERS, 0, 1, &mut continuation.bytes);
    for _ in 0..1000 {
        frame::head(0, frame::kind::CONTINUATION, 0, 1, &mut continuation.bytes);
    }
    let mut windows = Frames::new();
    for _ in 0..60_000 {
        frame::write_window_update(0, 1, &mut windows.bytes);
    }
    let mut empty = Frames::new();
    let id = empty.request("/never", End::More);
    for _ in 0..1000 {
        frame::write_data(id, b"", End::More, &mut empty.bytes);
    }
    let mut ignored = Frames::new();
    for _ in 0..2000 {
        frame::head(5, frame::kind::PRIORITY, 0, 1, &mut ignored.bytes);
        ignored.bytes.extend_from_slice(&[0, 0, 0, 3, 7]);
    }
    let mut malformed = Frames::new();
    for _ in 0..1000 {
        malformed.open(&[(&b"x"[..], &b"y"[..])].into_iter().collect(), End::Stream);
    }
    // A block that changes the size of the table again and again.
    let mut tables = Frames::new();
    frame::head(1000, frame::kind::HEADERS, 0x5, 1, &mut tables.bytes);
    tables.bytes.extend_from_slice(&[0x20; 1000]);
    let calm = ErrorCode::ENHANCE_YOUR_CALM;
    for (name, flood, wanted) in [
        ("resets", rapid, calm),
        ("pings", pings, calm),
        ("settings", settings, calm),
        ("continuation", continuation, calm),
        ("windows", windows, calm),
        ("empty data", empty, calm),
        ("priorities", ignored, calm),
        ("malformed requests", malformed, calm),
        ("header tables", tables, ErrorCode::COMPRESSION_ERROR),
    ] {
        let mut client = Raw::connect(engine.addr).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.0, &flood.bytes).await;
        let code = farewell(&mut client).await;
        // What is sent after the end may be answered by a reset, which takes the farewell with it.
        assert!(code.is_none_or(|code| code == wanted.0), "{name}: {code:?}");
        engine.wait_for(|note| matches!(note, Note::Closed(..)));
        let mut other = Raw::connect(engine.addr).await;
        other.send(GET).await;
        other.until("GET /").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_vanish_at_any_octet() {
    let server = peers::serve().await;
    for upstream in [Upstream::Http1, Upstream::Http2] {
        let mut engine = Script::to(kit::endpoint(server), upstream).run();
        let mut http2 = Frames::new();
        let id = http2.request("/big/2000000", End::More);
        frame::write_data(id, b"abc", End::Stream, &mut http2.bytes);
        let http1 = b"POST /big/2000000 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc".to_vec();
        let mut begun = 0;
        for bytes in [http1, http2.bytes] {
            for cut in 1..=bytes.len() {
                let client = TcpStream::connect(engine.addr).unwrap();
                std::io::Write::write_all(&mut &client, &bytes[..cut]).unwrap();
                if cut % 3 == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // Every other one by a reset.
                if cut % 2 == 0 {
                    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
                }
            }
        }
        let mut other = Raw::connect(engine.addr).await;
        other.send("GET /last HTTP/1.1\r\nhost: web.test\r\nconnection: close\r\n\r\n").await;
        assert!(other.rest().await.ends_with("GET /last"));
        // Each that began is over.
        while engine.has(|note| matches!(note, Note::Request(_))) {
            engine.wait_for(|note| matches!(note, Note::Request(_)));
            engine.wait_for(|note| matches!(note, Note::Finished(..)));
            begun += 1;
        }
        assert!(begun > 2, "only {begun} requests were whole enough to begin");
    }
}

/// Has a server vanish after each octet of its answer, whose head ends at `head`; every other time by a reset.
async fn vanishes(upstream: Upstream, answer: &[u8], head: usize) {
    let server = Server::bind().await;
    let mut engine = Script::to(kit::endpoint(server.addr()), upstream).run();
    for cut in 0..answer.len() {
        let mut client = Raw::connect(engine.addr).await;
        client.send(GET).await;
        let mut served = server.accept().await;
        if upstream == Upstream::Http2 {
            request_of(&mut served).await;
        } else {
            served.until("\r\n\r\n").await;
        }
        served.send(&answer[..cut]).await;
        if cut % 2 == 0 {
            served.0.set_zero_linger().unwrap();
        }
        drop(served);
        if cut < head {
            assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 502 "), "at {cut}");
        } else {
            let seen = client.rest().await;
            assert!(!seen.ends_with("hello"), "at {cut}");
        }
        engine.wait_for(|note| *note == Note::Failed(0, Failure::Closed));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_vanish_in_any_phase() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    vanishes(Upstream::Http1, answer, answer.len() - b"hello".len()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_http2_may_vanish_in_any_phase() {
    let mut answer = Vec::new();
    frame::head(0, frame::kind::SETTINGS, 0, 0, &mut answer);
    frame::write_settings_ack(&mut answer);
    let list: HeaderList = [(&b":status"[..], &b"200"[..]), (b"content-length", b"5")].into_iter().collect();
    frame::write_headers(1, End::More, 16_384, &mut answer, |out| Encoder::new().encode(list.iter(), out));
    let head = answer.len();
    frame::write_data(1, b"hello", End::Stream, &mut answer);
    vanishes(Upstream::Http2, &answer, head).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_stops_its_server() {
    let server = peers::serve().await;
    for upstream in [Upstream::Http1, Upstream::Http2] {
        let mut engine = Script::to(kit::endpoint(server), upstream).run();
        let mut http1 = Raw::connect(engine.addr).await;
        http1.send("GET /big/60000000 HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut frames = Frames::new();
        // Only the socket holds it back.
        frames.unbounded("/big/60000000", 5);
        let mut http2 = Raw::connect(engine.addr).await;
        http2.send(&frames.bytes).await;
        let taken = engine.settled(Direction::Response).await;
        // Two sockets' buffers of the kernel, which may grow to 6 MB on either side, and what we hold: the rest of 360 MB has to wait.
        assert!(taken < 40_000_000, "{taken} octets were taken for clients that read none");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_unfolds_beyond_the_limits_is_refused_alone() {
    let server = peers::serve().await;
    let mut script = Script::to(kit::endpoint(server), Upstream::Http2);
    script.mode = Mode::Http2;
    let engine = script.run();
    let mut frames = Frames::new();
    let mut next = 1_u32;
    let mut open = |block: &[u8], bytes: &mut Vec<u8>| {
        frame::head(block.len() as u32, frame::kind::HEADERS, 0x5, next, bytes);
        bytes.extend_from_slice(block);
        next += 2;
    };
    // GET, http, `/` and an authority.
    let request = [0x82, 0x86, 0x84, 0x01, 1, b'a'];
    // One entry of nearly the whole table. Its length is an integer of HPACK: 127, and the rest in groups of seven bits.
    let fill = [0x40, 1, b'x', 0x7f, 0xbd, 0x1d];
    open(&[&request[..], &fill, &[b'y'; 3900]].concat(), &mut frames.bytes);
    // Blocks that name the entry 4,000 times each: 16 MB, were they unfolded.
    for _ in 0..50 {
        open(&[&request[..], &[0xbe; 4000]].concat(), &mut frames.bytes);
    }
    let mut client = Raw::connect(engine.addr).await;
    let mut answers = Statuses::default();
    client.send(&frames.bytes).await;
    // The first is served, and the others are told that their fields are too many.
    let statuses = answers.read(&mut client, 51).await;
    let count = |wanted: &str| statuses.iter().filter(|status| *status == wanted).count();
    assert_eq!((count("200"), count("431")), (1, 50), "{statuses:?}");
    // The connection lives, and both sides still mean the same by the entry.
    let mut last = Vec::new();
    open(&[&request[..], &[0xbe]].concat(), &mut last);
    client.send(&last).await;
    assert_eq!(answers.read(&mut client, 1).await, ["200"]);
}

/// The statuses that come on a connection of HTTP/2.
struct Statuses {
    seen: Vec<u8>,
    decoder: Decoder,
}

impl Default for Statuses {
    fn default() -> Self {
        Self { seen: Vec::new(), decoder: Decoder::new(4096) }
    }
}

impl Statuses {
    /// Reads until so many more have come.
    async fn read(&mut self, client: &mut Raw, count: usize) -> Vec<String> {
        let mut statuses = Vec::new();
        while statuses.len() < count {
            let read = client.0.read_buf(&mut self.seen);
            let read = tokio::time::timeout(Duration::from_secs(10), read).await;
            let read = read.unwrap_or_else(|_| panic!("no more answers than {statuses:?}"));
            assert!(read.unwrap() > 0, "closed after {statuses:?}");
            let mut at = 0;
            while let frame::Parsed::Frame(found, taken) = frame::parse(&self.seen[at..], MAX_FRAME) {
                at += taken;
                match found {
                    frame::Frame::Headers { block, .. } => {
                        let mut list = HeaderList::new();
                        self.decoder.decode(block, Limits::default(), &mut list).unwrap();
                        let status = list.value(b":status").unwrap_or_default();
                        statuses.push(String::from_utf8_lossy(status).into_owned());
                    }
                    frame::Frame::GoAway { code, .. } => panic!("the connection ended: {code:?}"),
                    _ => {}
                }
            }
            self.seen.drain(..at);
        }
        statuses
    }
}
