//! One connection: requests in, shared frames out, as the client takes them.
//!
//! A round reads once, answers what came, sends what is new, and writes all of it together. While the client has not
//! taken what was written, nothing more is read and nothing more is chosen, so a slow client is behind by one round
//! and never by a queue.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf as _;
use proxy_net::h2::{self, End, ErrorCode, Event, FloodLimits, Part, Settings, StreamKey};
use proxy_net::headers::{Header, HeaderList, Sensitivity};
use proxy_net::hpack;
use slab::Slab;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::outgoing::Outgoing;
use super::stream::{Next, Reading, Sending, State, Stream};
use super::{Answers, Api, Limits, Method, api};
use crate::index::Refusal;
use crate::index::outbox::Outbox;
use crate::runtime::spans;

/// Longest request: a request names a target and a token.
const LONGEST_REQUEST: usize = 64 << 10;
/// Octets of unfinished requests that a connection holds.
const MOST_UNFINISHED: usize = 4 << 20;
/// Octets of one stream in one go, so that streams with much to say take turns.
const PIECE: usize = 64 << 10;
/// Octets after which a round is written.
const ROUND: usize = 256 << 10;
/// Octets that are read at once.
const READ: usize = 64 << 10;
/// Budgets against floods count for so long.
const INTERVAL: Duration = Duration::from_secs(1);
/// What requests and answers say they are.
const GRPC: &[u8] = b"application/grpc";

thread_local! {
    /// Buffers of a round; between rounds there is nothing in them.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: vec![0; READ].into_boxed_slice(),
        fields: HeaderList::new(),
        out: Vec::new(),
    });
}

struct Scratch {
    input: Box<[u8]>,
    fields: HeaderList,
    out: Vec<u8>,
}

/// One connection.
pub(super) struct Connection {
    io: TcpStream,
    codec: h2::Connection,
    api: Arc<Api>,
    limits: Limits,
    outbox: Arc<Outbox>,
    /// By token less one; the codec's token 0 is no stream of ours.
    streams: Slab<Stream>,
    /// Tokens of streams that may have something to send.
    ready: VecDeque<u32>,
    /// A frame of which a part has come.
    input: Vec<u8>,
    outgoing: Outgoing,
    /// What the codec wrote outside a round.
    first: Vec<u8>,
    /// Streams whose request is not whole, oldest first, and when it has to be.
    unfinished: VecDeque<(Instant, u32, StreamKey)>,
    unfinished_octets: usize,
    heard: Instant,
    pinged: bool,
    refilled: Instant,
    timer: Pin<Box<Sleep>>,
}

// === impl Connection ===

impl Connection {
    pub(super) fn new(io: TcpStream, api: Arc<Api>, limits: Limits) -> Self {
        let mut first = Vec::new();
        let codec = h2::Connection::server(config(&limits), &mut first);
        let now = Instant::now();
        Self {
            io,
            codec,
            api,
            limits,
            outbox: Arc::default(),
            streams: Slab::new(),
            ready: VecDeque::new(),
            input: Vec::new(),
            outgoing: Outgoing::default(),
            first,
            unfinished: VecDeque::new(),
            unfinished_octets: 0,
            heard: now,
            pinged: false,
            refilled: now,
            timer: Box::pin(tokio::time::sleep_until(now + limits.keep_alive)),
        }
    }

    /// Begins a graceful end: streams in flight finish.
    pub(super) fn shut_down(&mut self) {
        self.codec.shutdown(&mut self.first);
    }

    /// Ready when the connection has ended.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let polled = self.rounds(context, scratch);
            scratch.out.clear();
            scratch.out.shrink_to(2 * ROUND);
            polled
        })
    }

    fn rounds(&mut self, context: &mut Context<'_>, scratch: &mut Scratch) -> Poll<io::Result<()>> {
        loop {
            // Before the rest, so that a client that takes nothing is given up as well.
            let mut progress = self.tick(context)?;
            ready!(self.outgoing.flush(&mut self.io, context))?;
            scratch.out.append(&mut self.first);
            self.first = Vec::new();
            match self.read(context, scratch) {
                Ok(read) => progress |= read,
                Err(error) => {
                    // What the codec has to say at the end is said before the end.
                    let _ = self.outgoing.write(&mut self.io, &mut scratch.out, context);
                    return Poll::Ready(Err(error));
                }
            }
            self.outbox.take(&mut self.ready, context.waker());
            progress |= !self.ready.is_empty();
            self.send(&mut scratch.out);
            ready!(self.outgoing.write(&mut self.io, &mut scratch.out, context))?;
            if self.codec.is_drained() {
                return Poll::Ready(Ok(()));
            }
            if !progress {
                return Poll::Pending;
            }
        }
    }

    /// Reads once and handles every whole frame; whether something came.
    fn read(&mut self, context: &mut Context<'_>, scratch: &mut Scratch) -> io::Result<bool> {
        let Scratch { input, fields, out } = scratch;
        let mut buffer = ReadBuf::new(input);
        match Pin::new(&mut self.io).poll_read(context, &mut buffer) {
            Poll::Pending => return Ok(false),
            Poll::Ready(read) => read?,
        }
        let chunk = buffer.filled();
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.heard = Instant::now();
        self.pinged = false;
        if self.heard - self.refilled >= INTERVAL {
            self.codec.refill();
            self.refilled = self.heard;
        }
        if self.input.is_empty() {
            let used = self.frames(chunk, fields, out)?;
            self.input.extend_from_slice(chunk.get(used..).unwrap_or_default());
        } else {
            let mut whole = std::mem::take(&mut self.input);
            whole.extend_from_slice(chunk);
            let used = self.frames(&whole, fields, out)?;
            self.input = whole.get(used..).unwrap_or_default().to_vec();
        }
        Ok(true)
    }

    /// Handles frames; how many octets that were.
    fn frames(&mut self, input: &[u8], fields: &mut HeaderList, out: &mut Vec<u8>) -> io::Result<usize> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let polled = self.codec.poll(rest, fields, out).map_err(io::Error::other)?;
            used += polled.consumed;
            match polled.event {
                None => break,
                Some(Event::Headers { stream, part: Part::Request, end, .. }) => {
                    self.begin(stream, end, fields, out);
                }
                // Trailers of a request say nothing but that it is whole.
                Some(Event::Headers { token, .. }) => self.finish(token, &[], out),
                Some(Event::HeadersTooLarge { stream, end }) => self.deny(stream, end, b"431", out),
                Some(Event::Data { stream, token, data, end }) => {
                    self.codec.release(stream, data.len(), out);
                    match end {
                        End::Stream => self.finish(token, data, out),
                        End::More => self.gather(token, data, out),
                    }
                }
                Some(Event::Reset { token, .. }) => self.forget(token),
                Some(Event::GoAway { .. } | Event::Settings | Event::Pong(_)) => {}
            }
        }
        while let Some(key) = self.codec.next_writable() {
            self.ready.extend(self.codec.token(key));
        }
        Ok(used)
    }

    /// A request begins.
    fn begin(&mut self, key: StreamKey, end: End, fields: &HeaderList, out: &mut Vec<u8>) {
        if !fields.value(b"content-type").is_some_and(|value| value.starts_with(GRPC)) {
            return self.deny(key, end, b"415", out);
        }
        match self.api.method(fields.value(b":path").unwrap_or_default()) {
            Err(refusal) => self.refuse(key, end, &refusal, out),
            Ok(_) if end == End::Stream => {
                self.refuse(key, end, &Refusal::invalid("the request has no message"), out);
            }
            Ok(method) => {
                let text = |name: &str| std::str::from_utf8(fields.value(name.as_bytes())?).ok();
                let span = spans::begin_call(text(":path").unwrap_or_default(), "POST", text);
                let state = State::Reading(Box::new(Reading { method, body: Vec::new(), span }));
                let token = token(self.streams.insert(Stream { key, state }));
                self.codec.set_token(key, token);
                let deadline = self.heard + self.limits.request;
                self.unfinished.push_back((deadline, token, key));
                if deadline < self.timer.deadline() {
                    self.timer.as_mut().reset(deadline);
                }
            }
        }
    }

    /// A part of a request came, and more will.
    fn gather(&mut self, token: u32, data: &[u8], out: &mut Vec<u8>) {
        let Some(stream) = self.streams.get_mut(place(token)) else { return };
        let State::Reading(reading) = &mut stream.state else { return };
        let key = stream.key;
        reading.body.extend_from_slice(data);
        self.unfinished_octets += data.len();
        if reading.body.len() > LONGEST_REQUEST || self.unfinished_octets > MOST_UNFINISHED {
            self.forget(token);
            let refusal = Refusal::exhausted("the request is longer than any that means something");
            self.refuse(key, End::More, &refusal, out);
        }
    }

    /// A request is whole with these last octets.
    fn finish(&mut self, token: u32, last: &[u8], out: &mut Vec<u8>) {
        let Some(stream) = self.streams.get_mut(place(token)) else { return };
        let State::Reading(reading) = &mut stream.state else { return };
        let (key, method, mut body) = (stream.key, reading.method, std::mem::take(&mut reading.body));
        let span = std::mem::replace(&mut reading.span, tracing::Span::none());
        self.unfinished_octets -= body.len();
        // Most requests come whole, so they are the last that began.
        if self.unfinished.back().is_some_and(|(.., last)| *last == key) {
            self.unfinished.pop_back();
        }
        let answer = if body.is_empty() {
            self.answer(method, last)
        } else {
            body.extend_from_slice(last);
            self.answer(method, &body)
        };
        match answer {
            Ok(sending) => {
                if let Some(stream) = self.streams.get_mut(place(token)) {
                    stream.state = State::Sending(Box::new(sending));
                }
                let head = [plain(b":status", b"200"), plain(b"content-type", GRPC)];
                if self.codec.send_headers(key, head, End::More, out).is_ok() {
                    self.ready.push_back(token);
                }
            }
            Err(refusal) => {
                self.forget(token);
                spans::end_call(&span, refusal.code.into());
                self.refuse(key, End::Stream, &refusal, out);
            }
        }
    }

    fn answer(&self, method: &Method, body: &[u8]) -> Result<Sending, Refusal> {
        let request = self.api.request(method, body)?;
        let subscription = self.api.index().subscribe(&request)?;
        Ok(match method.answers {
            Answers::One => Sending::one(request, subscription.newest().full()),
            Answers::All => Sending::all(request, subscription),
        })
    }

    /// Sends what streams have for their client, until a round is full or nothing is left.
    fn send(&mut self, out: &mut Vec<u8>) {
        while out.len() < ROUND {
            let Some(token) = self.ready.pop_front() else { break };
            self.send_stream(token, out);
        }
        if self.ready.is_empty() {
            self.ready.shrink_to(16);
        }
    }

    fn send_stream(&mut self, token: u32, out: &mut Vec<u8>) {
        let Some(stream) = self.streams.get_mut(place(token)) else { return };
        let State::Sending(sending) = &mut stream.state else { return };
        match sending.next(self.api.index(), &self.outbox, token) {
            Next::Nothing => {}
            Next::Frames(frames) => {
                let piece = frames.get(..PIECE).unwrap_or(frames);
                match self.codec.send_data(stream.key, piece, End::More, out) {
                    Ok(taken) => {
                        let all = taken == piece.len();
                        frames.advance(taken);
                        // A stream without window is named by the codec once it has one.
                        if all {
                            self.ready.push_back(token);
                        }
                    }
                    Err(_) => self.forget(token),
                }
            }
            Next::Ending(refusal) => {
                let key = stream.key;
                self.forget(token);
                let code = refusal.code.to_string();
                let text = api::escaped(&refusal.message);
                let fields = status(&code, &text).into_iter().flatten();
                let _ = self.codec.send_headers(key, fields, End::Stream, out);
            }
        }
    }

    /// Answers with a status alone.
    fn refuse(&mut self, key: StreamKey, end: End, refusal: &Refusal, out: &mut Vec<u8>) {
        let code = refusal.code.to_string();
        let text = api::escaped(&refusal.message);
        let head = [plain(b":status", b"200"), plain(b"content-type", GRPC)];
        let fields = head.into_iter().chain(status(&code, &text).into_iter().flatten());
        let _ = self.codec.send_headers(key, fields, End::Stream, out);
        self.no_more(key, end, out);
    }

    /// Answers what is no gRPC.
    fn deny(&mut self, key: StreamKey, end: End, code: &[u8], out: &mut Vec<u8>) {
        let _ = self.codec.send_headers(key, [plain(b":status", code)], End::Stream, out);
        self.no_more(key, end, out);
    }

    /// The rest of a request that is answered already is not wanted.
    fn no_more(&mut self, key: StreamKey, end: End, out: &mut Vec<u8>) {
        if end == End::More {
            self.codec.reset(key, ErrorCode::NO_ERROR, out);
        }
    }

    fn forget(&mut self, token: u32) {
        if let Some(stream) = self.streams.try_remove(place(token))
            && let State::Reading(reading) = stream.state
        {
            self.unfinished_octets -= reading.body.len();
        }
    }

    /// What has to happen after some time: asking for a sign of life, giving up what does not come. Whether it did.
    fn tick(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        if self.timer.as_mut().poll(context).is_pending() {
            return Ok(false);
        }
        let now = Instant::now();
        let mut out = std::mem::take(&mut self.first);
        while let Some((deadline, token, key)) = self.unfinished.front().copied() {
            let stream = self.streams.get(place(token)).filter(|stream| stream.key == key);
            let reading = stream.is_some_and(|stream| matches!(stream.state, State::Reading(_)));
            if reading && deadline > now {
                break;
            }
            self.unfinished.pop_front();
            if reading {
                self.forget(token);
                let limit = self.limits.request.as_secs();
                let refusal = Refusal::exhausted(format!("the request did not arrive within {limit} s"));
                self.refuse(key, End::More, &refusal, &mut out);
            }
        }
        let silent = now - self.heard;
        if self.pinged && silent >= self.limits.keep_alive * 2 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the client gives no sign of life"));
        }
        if !self.pinged && silent >= self.limits.keep_alive {
            self.pinged = true;
            self.codec.ping(*b"areyouok", &mut out);
        }
        self.first = out;
        let word = self.heard + if self.pinged { self.limits.keep_alive * 2 } else { self.limits.keep_alive };
        let next = self.unfinished.front().map_or(word, |(deadline, ..)| word.min(*deadline));
        self.timer.as_mut().reset(next);
        Ok(true)
    }
}

/// What the codec allows. Floods are bounded by what a stream costs here, which is little: the streams of a thousand
/// proxies may come over one connection, and end together.
fn config(limits: &Limits) -> h2::Config {
    let each = limits.streams.max(1000);
    h2::Config {
        settings: Settings { max_concurrent_streams: limits.streams, ..Settings::default() },
        connection_window: 1 << 20,
        headers: hpack::Limits::default(),
        // What clients send here is a request of some octets.
        adaptive: None,
        floods: FloodLimits {
            resets: each,
            ignored: each,
            window_updates: each.saturating_mul(4),
            ..FloodLimits::default()
        },
    }
}

fn place(token: u32) -> usize {
    (token as usize).wrapping_sub(1)
}

fn token(place: usize) -> u32 {
    u32::try_from(place + 1).unwrap_or(u32::MAX)
}

fn plain<'a>(name: &'a [u8], value: &'a [u8]) -> Header<'a> {
    Header { name, value, sensitivity: Sensitivity::Plain }
}

/// The fields of a status; the message is left out when there is none.
fn status<'a>(code: &'a str, message: &'a str) -> [Option<Header<'a>>; 2] {
    let message = (!message.is_empty()).then(|| plain(b"grpc-message", message.as_bytes()));
    [Some(plain(b"grpc-status", code.as_bytes())), message]
}
