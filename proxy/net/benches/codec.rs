//! Header blocks and frames per second, next to the crate h2's codec in the same run.
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::Stream;
use proxy_net::h2::frame::{self, Frame, Parsed};
use proxy_net::h2::{End, PREFACE};
use proxy_net::headers::HeaderList;
use proxy_net::hpack::{Decoder, Encoder, Limits};

/// Messages in one input.
const COUNT: usize = 2000;
/// Interleaved rounds, of which the median counts.
const ROUNDS: usize = 15;

fn main() {
    let requests: Vec<HeaderList> = (0..COUNT).map(request).collect();
    let mut blocks = Vec::new();
    let mut encoder = Encoder::new();
    for (index, list) in requests.iter().enumerate() {
        frame::write_headers(index as u32 * 2 + 1, End::Stream, 16_384, &mut blocks, |out| {
            encoder.encode(list.iter(), out)
        });
    }
    let mut data = Vec::new();
    for _ in 0..COUNT {
        frame::write_data(1, &[7; 1000], End::More, &mut data);
    }
    // Its frames are consumed by writing, so each round has its own.
    let mut maps: Vec<Vec<h2::frame::Headers>> = (0..ROUNDS)
        .map(|_| requests.iter().enumerate().map(|(index, list)| of_h2(index, list)).collect())
        .collect();
    println!(
        "{} octets of header blocks for {COUNT} requests of {} fields; preface {}",
        blocks.len(),
        requests[0].len(),
        PREFACE.len()
    );
    compare("decode headers", || ours_decode(&blocks), || theirs_read(&blocks));
    compare("encode headers", || ours_encode(&requests), || theirs_write(maps.pop().expect("a set a round")));
    compare("read data frames of 1000", || ours_decode(&data), || theirs_read(&data));
}

fn compare(name: &str, mut ours: impl FnMut(), mut theirs: impl FnMut()) {
    let mut times: Vec<(Duration, Duration)> =
        (0..ROUNDS).map(|_| (time(&mut ours), time(&mut theirs))).collect();
    times.sort_by(|one, other| ratio(*one).total_cmp(&ratio(*other)));
    let (ours, theirs) = times[ROUNDS / 2];
    let each = |whole: Duration| whole.as_nanos() as usize / COUNT;
    println!("{name}: ours {} ns, h2 {} ns, ratio {:.2}", each(ours), each(theirs), ratio((ours, theirs)));
}

fn ratio((ours, theirs): (Duration, Duration)) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}

fn time(work: &mut impl FnMut()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// A request as services send it: most fields repeat, three do not.
fn request(seed: usize) -> HeaderList {
    let path = format!("/api/v1/items/{seed}?page={}", seed % 17);
    let trace = format!("00-{:032x}-{:016x}-01", seed * 7919, seed * 104_729);
    let id = format!("{:08x}-7c1f-4a4e-9f11-{:012x}", seed * 31, seed * 65_537);
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "items.shop.svc.cluster.local:8080"),
        (":path", path.as_str()),
        ("user-agent", "shop-client/3.1 (linux; x86_64)"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate, br"),
        ("content-type", "application/json"),
        ("traceparent", trace.as_str()),
        ("x-request-id", id.as_str()),
        ("x-tenant", "blue"),
        ("x-forwarded-for", "10.42.0.17"),
    ];
    fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

fn of_h2(index: usize, list: &HeaderList) -> h2::frame::Headers {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("text");
    let path = text(list.value(b":path").expect("a path"));
    let uri = format!("http://items.shop.svc.cluster.local:8080{path}").parse().expect("a URI");
    let mut fields = http::HeaderMap::new();
    for header in list.iter().filter(|header| header.name[0] != b':') {
        fields.append(
            http::HeaderName::from_bytes(header.name).expect("a name"),
            http::HeaderValue::from_bytes(header.value).expect("a value"),
        );
    }
    let mut frame = h2::frame::Headers::new(
        (index as u32 * 2 + 1).into(),
        h2::frame::Pseudo::request(http::Method::GET, uri, None),
        fields,
    );
    frame.set_end_stream();
    frame
}

fn ours_decode(mut input: &[u8]) {
    let mut decoder = Decoder::new(4096);
    let mut list = HeaderList::new();
    while let Parsed::Frame(frame, taken) = frame::parse(input, 16_384) {
        if let Frame::Headers { block, .. } = frame {
            list.clear();
            decoder.decode(block, Limits::default(), &mut list).expect("a block");
            black_box(&list);
        }
        black_box(&frame);
        input = &input[taken..];
    }
    assert!(input.is_empty());
}

fn theirs_read(input: &[u8]) {
    let mut codec = pin!(h2::Codec::<_, Bytes>::new(tokio::io::join(input, tokio::io::sink())));
    let mut context = Context::from_waker(Waker::noop());
    let mut count = 0;
    while let Poll::Ready(Some(frame)) = codec.as_mut().poll_next(&mut context) {
        black_box(frame.expect("a frame"));
        count += 1;
    }
    assert_eq!(count, COUNT);
}

fn ours_encode(requests: &[HeaderList]) {
    let mut encoder = Encoder::new();
    let mut out = Vec::new();
    for (index, list) in requests.iter().enumerate() {
        // As a flush at the end of a poll round would.
        if index % 32 == 0 {
            out.clear();
        }
        frame::write_headers(index as u32 * 2 + 1, End::Stream, 16_384, &mut out, |out| {
            encoder.encode(list.iter(), out)
        });
    }
    black_box(&out);
}

fn theirs_write(frames: Vec<h2::frame::Headers>) {
    let mut codec = h2::Codec::<_, Bytes>::new(tokio::io::join(tokio::io::empty(), tokio::io::sink()));
    let mut context = Context::from_waker(Waker::noop());
    for frame in frames {
        assert!(codec.poll_ready(&mut context).is_ready());
        codec.buffer(frame.into()).expect("room");
    }
    assert!(codec.flush(&mut context).is_ready());
}
