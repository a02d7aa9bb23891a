//! What a connection of HTTP/2 owes its peer and may hold for it: acknowledgements, windows, output, and content that waits.

use std::time::{Duration, Instant};

use http::Request;
use hyper::body::Bytes;
use proxy_net::engine::{Direction, Failure, Upstream};
use proxy_net::h2::{End, ErrorCode, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::kit::{self, Mode, Note, Script};
use crate::peers::{self, full};
use crate::raw::{Raw, Server};
use crate::stress::{Frames, farewell, goaway};

const PATIENCE: Duration = Duration::from_millis(300);

fn http2(addr: std::net::SocketAddr, upstream: Upstream) -> Script {
    let mut script = Script::to(kit::endpoint(addr), upstream);
    script.mode = Mode::Http2;
    script
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_acknowledges_settings_is_told_so() {
    let server = peers::serve().await;
    let mut script = http2(server, Upstream::Http1);
    script.config.settings_timeout = PATIENCE;
    let mut engine = script.run();
    // It is served all the while.
    let mut frames = Frames::new();
    frames.request("/never", End::Stream);
    let start = Instant::now();
    let mut client = Raw::connect(engine.addr).await;
    client.send(&frames.bytes).await;
    assert_eq!(farewell(&mut client).await, Some(ErrorCode::SETTINGS_TIMEOUT.0));
    assert!(start.elapsed() >= PATIENCE);
    engine.wait_for(|note| matches!(note, Note::Finished(Some(Failure::ClientGone), ..)));
    engine.wait_for(|note| *note == Note::Closed(Some("settings timeout"), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_acknowledges_settings_is_left() {
    let server = Server::bind().await;
    let mut script = http2(server.addr(), Upstream::Http2);
    script.config.settings_timeout = PATIENCE;
    // The client is patient.
    script.mode = Mode::Http1;
    let mut engine = script.run();
    let mut client = Raw::connect(engine.addr).await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut served = server.accept().await;
    let mut settings = Vec::new();
    frame::head(0, frame::kind::SETTINGS, 0, 0, &mut settings);
    served.send(&settings).await;
    served.preface().await;
    assert_eq!(farewell(&mut served).await, Some(ErrorCode::SETTINGS_TIMEOUT.0));
    engine.wait_for(|note| *note == Note::Failed(0, Failure::Protocol));
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 502 "));
}

/// What a client begins with: the preface, settings, and the acknowledgement of the engine's.
fn opening() -> Vec<u8> {
    let mut bytes = proxy_net::h2::PREFACE.to_vec();
    frame::head(0, frame::kind::SETTINGS, 0, 0, &mut bytes);
    frame::head(0, frame::kind::SETTINGS, frame::ACK, 0, &mut bytes);
    bytes
}

/// Sends an octet at a time until the other side has ended; the code of its GOAWAY, and how long that took.
async fn drip(client: &mut Raw, octets: &[u8]) -> (Option<u32>, Duration) {
    let start = Instant::now();
    let (mut reader, mut writer) = client.0.split();
    let sending = async {
        for octet in octets.iter().cycle() {
            if writer.write_all(&[*octet]).await.is_err() {
                break;
            }
            tokio::time::sleep(PATIENCE / 20).await;
        }
        std::future::pending::<()>().await;
    };
    let mut seen = Vec::new();
    tokio::select! {
        _ = reader.read_to_end(&mut seen) => {}
        () = sending => {}
        () = tokio::time::sleep(PATIENCE * 20) => {}
    }
    (goaway(&seen), start.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_come_octet_by_octet_have_the_time_of_a_head() {
    let server = peers::serve().await;
    let frame = |length, kind, rest: &[u8]| {
        let mut bytes = Vec::new();
        frame::head(length, kind, 0, 1, &mut bytes);
        bytes.extend_from_slice(rest);
        bytes
    };
    let mut request = Frames::new();
    request.request("/echo", End::More);
    let request = &request.bytes[proxy_net::h2::PREFACE.len() + 9..];
    for (what, begin, then) in [
        ("HEADERS", frame(8_000, frame::kind::HEADERS, &[]), vec![0]),
        // Each of these frames is whole and in time, the block is not.
        (
            "CONTINUATION",
            frame(1, frame::kind::HEADERS, &[0x82]),
            frame(1, frame::kind::CONTINUATION, &[0x82]),
        ),
        ("DATA", [request, &frame(9_000, frame::kind::DATA, &[])].concat(), vec![0]),
    ] {
        let mut script = http2(server, Upstream::Http2);
        script.config.head_timeout = PATIENCE;
        let mut engine = script.run();
        let mut client = Raw::connect(engine.addr).await;
        client.send(&opening()).await;
        client.send(&begin).await;
        let (said, took) = drip(&mut client, &then).await;
        assert_eq!(said, Some(ErrorCode::ENHANCE_YOUR_CALM.0), "{what}");
        assert!((PATIENCE..PATIENCE * 8).contains(&took), "{what}: {took:?}");
        engine.wait_for(|note| *note == Note::Closed(Some("frame timeout"), 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_frames_are_whole_may_be_slow() {
    let server = peers::serve().await;
    let mut script = http2(server, Upstream::Http2);
    script.config.head_timeout = PATIENCE;
    let engine = script.run();
    let mut client = Raw::connect(engine.addr).await;
    let mut frames = Frames::new();
    frames.request("/echo", End::More);
    let ack = {
        let mut ack = Vec::new();
        frame::head(0, frame::kind::SETTINGS, frame::ACK, 0, &mut ack);
        ack
    };
    client.send(&frames.bytes).await;
    client.send(&ack).await;
    for _ in 0..20 {
        let mut data = Vec::new();
        frame::head(1, frame::kind::DATA, 0, 1, &mut data);
        data.push(b'a');
        // Each in two parts, which come soon after each other.
        client.send(&data[..5]).await;
        tokio::time::sleep(PATIENCE / 8).await;
        client.send(&data[5..]).await;
    }
    let mut end = Vec::new();
    frame::head(0, frame::kind::DATA, 1, 1, &mut end);
    client.send(&end).await;
    // Nothing is said but what the request asks for.
    let mut seen = vec![0; 1];
    client.0.read_exact(&mut seen).await.unwrap();
    tokio::time::sleep(PATIENCE * 2).await;
    let mut again = Vec::new();
    frame::head(8, frame::kind::PING, 0, 0, &mut again);
    again.extend_from_slice(b"anything");
    client.send(&again).await;
    let mut rest = Vec::new();
    while !rest.windows(8).any(|octets| octets == b"anything") {
        let count = client.0.read_buf(&mut rest).await.unwrap();
        assert!(count > 0, "the connection has ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_acknowledges_stays() {
    let server = peers::serve().await;
    let mut script = http2(server, Upstream::Http2);
    script.config.settings_timeout = PATIENCE * 5;
    let engine = script.run();
    let mut client = peers::http2(engine.addr).await;
    let get = || Request::builder().uri("http://web.test/").body(full("")).unwrap();
    assert_eq!(client.send_request(get()).await.unwrap().status(), 200);
    tokio::time::sleep(PATIENCE * 7).await;
    assert_eq!(client.send_request(get()).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_grow_for_a_client_that_fills_them_where_that_is_asked_for() {
    let server = peers::serve().await;
    for (adaptive, grows) in [(None, false), (Some(1 << 20), true)] {
        let mut script = http2(server, Upstream::Http2);
        script.h2.config.adaptive = adaptive;
        let engine = script.run();
        // A window is the limit only where its acknowledgement takes a while; else it is the speed of either side.
        let far = peers::distant(engine.addr, Duration::from_millis(50)).await;
        let socket = tokio::net::TcpStream::connect(far).await.unwrap();
        let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().method("POST").uri("http://web.test/echo").body(()).unwrap();
        let (_answer, mut sender) = client.send_request(request, false).unwrap();
        let until = Instant::now() + Duration::from_secs(if grows { 30 } else { 2 });
        let mut widest = 0;
        while Instant::now() < until && widest <= 200_000 {
            sender.reserve_capacity(1 << 20);
            let Some(Ok(room)) = std::future::poll_fn(|cx| sender.poll_capacity(cx)).await else { break };
            widest = widest.max(room);
            sender.send_data(Bytes::from(vec![0; room]), false).unwrap();
        }
        assert_eq!(widest > 200_000, grows, "a window of {widest} octets with {adaptive:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_nobody_reads_holds_at_most_its_window() {
    // Of a server with HTTP/2, its window; with HTTP/1, what is read ahead, and the read that passed that.
    for (upstream, most) in [(Upstream::Http2, 65_535), (Upstream::Http1, 2 * 64 * 1024)] {
        for streams in [1, 100] {
            let server = peers::serve().await;
            let mut engine = http2(server, upstream).run();
            let mut frames = Frames::new();
            // A window of no octets for each stream: SETTINGS with INITIAL_WINDOW_SIZE 0, and the acknowledgement of ours.
            frame::head(6, frame::kind::SETTINGS, 0, 0, &mut frames.bytes);
            frames.bytes.extend_from_slice(&[0, 4, 0, 0, 0, 0]);
            frame::write_settings_ack(&mut frames.bytes);
            for _ in 0..streams {
                frames.request("/big/3000000", End::Stream);
            }
            let mut client = Raw::connect(engine.addr).await;
            client.send(&frames.bytes).await;
            let taken = engine.settled(Direction::Response).await;
            assert!(taken <= streams * most, "{taken} octets for {streams} streams behind {upstream:?}");
            // And others are served, also over the same connection to the server.
            let mut other = peers::http2(engine.addr).await;
            let get = Request::builder().uri("http://web.test/big/500000").body(full("")).unwrap();
            let answer = other.send_request(get).await.unwrap();
            assert_eq!(peers::collect(answer.into_body()).await.unwrap().0.len(), 500_000);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_its_server_does_not_read_holds_at_most_its_window() {
    const STREAMS: usize = 50;
    let server = Server::bind().await;
    let mut script = http2(server.addr(), Upstream::Http2);
    script.config.max_http2_connections = 1;
    let mut engine = script.run();
    tokio::spawn(async move {
        let served = server.accept().await;
        let mut builder = h2::server::Builder::new();
        builder.initial_window_size(0);
        let mut connection = builder.handshake::<_, Bytes>(served.0).await.unwrap();
        let mut held = Vec::new();
        while let Some(Ok(request)) = connection.accept().await {
            held.push(request);
        }
    });
    let mut client = peers::http2(engine.addr).await;
    let calls: Vec<_> = (0..STREAMS)
        .map(|_| {
            let body = full(vec![0; 3_000_000]);
            let request = Request::builder().method("POST").uri("http://web.test/").body(body).unwrap();
            tokio::spawn(client.send_request(request))
        })
        .collect();
    let taken = engine.settled(Direction::Request).await;
    // And what was sent before the server's settings were there: a window of the connection.
    assert!(taken <= (STREAMS + 1) * 65_535, "{taken} octets");
    calls.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_output_of_a_connection_is_bounded_as_configured() {
    let server = peers::serve().await;
    let mut waits = Vec::new();
    for send_buffer in [1, 8 << 20] {
        let mut spec = kit::endpoint(server);
        spec.h2.settings.initial_window_size = 1 << 20;
        spec.h2.connection_window = 64 << 20;
        let mut script = Script::to(spec, Upstream::Http2);
        script.mode = Mode::Http2;
        script.h2.send_buffer = Some(send_buffer);
        let mut engine = script.run();
        let mut frames = Frames::new();
        // Only the output bounds.
        frames.unbounded("/big/3000000", 20);
        let mut client = Raw::connect(engine.addr).await;
        client.send(&frames.bytes).await;
        engine.settled(Direction::Response).await;
        // A small response now waits behind what is in the output already.
        frames.bytes.clear();
        let id = frames.request("/status/204", End::Stream);
        client.send(&frames.bytes).await;
        engine.wait_for(|note| matches!(note, Note::Response(_, status) if status == "204"));
        let head =
            |frame: &frame::Frame<'_>| matches!(frame, frame::Frame::Headers { stream, .. } if *stream == id);
        waits.push(client.frames_until(head).await);
    }
    // The kernel's buffers are before both; one frame and 8 MiB, as configured, differ by more.
    assert!(waits[0] + (4 << 20) < waits[1], "behind a small and a large output: {waits:?} octets");
}
