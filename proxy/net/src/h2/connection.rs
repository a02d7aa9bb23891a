//! The state machine of one HTTP/2 connection, as client or as server.
//!
//! The caller reads octets and passes them, with a list for the fields of a message, to [`Connection::poll`] until it returns no event; answers that the protocol asks
//! for (acknowledgements, window updates, resets) are appended to the caller's output, which it writes once at the end of its poll
//! round. Before it reads more, the caller should wait until a slow peer has taken that output: what the peer can make us write
//! is bounded by [`FloodLimits`] per interval, not in total.
//!
//! Every octet of a [`Event::Data`] has to be given back with [`Connection::release`] once it has left for its
//! target: that is the backpressure from end to end. It is one of streams: the connection's window opens as octets come, so that
//! a stream that nobody reads holds up no other, and what waits is at most a window for each stream. Nothing to send is held here:
//! [`Connection::send_data`] takes what the windows allow, and [`Connection::next_writable`] names the streams that may go on.

mod adaptive;
mod flood;
mod receive;
mod send;
mod stream;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use slab::Slab;

use super::error::{ErrorCode, FrameError};
use super::frame::{self, End};
use super::message::Part;
use super::settings::{PushSetting, Settings};
use super::{MAX_STREAM_ID, PREFACE};
use crate::hpack::{self, Decoder, Encoder};

pub use flood::FloodLimits;
pub use send::SendError;
pub use stream::StreamKey;

use adaptive::Adaptive;
use flood::Budgets;
use stream::Stream;

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opens streams.
    Client,
    /// Answers them.
    Server,
}

/// What a connection is made of.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Our side's settings.
    pub settings: Settings,
    /// Octets that all streams together may have in flight to us, at least 65,535.
    pub connection_window: u32,
    /// Bounds on a decoded header list; its size is announced.
    pub headers: hpack::Limits,
    /// What a peer may do in an interval.
    pub floods: FloodLimits,
    /// Octets that the receive window of a stream may grow to where it is found to be what limits a transfer, and the connection's
    /// to four times as many; none keeps both as they are.
    pub adaptive: Option<u32>,
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A message began, or its trailers came; the fields, checked, are in the list that was given to the poll.
    Headers {
        /// The stream; new when the part is a request.
        stream: StreamKey,
        /// The caller's number for the stream, which may be gone if this was its end.
        token: u32,
        /// What kind of message it is.
        part: Part,
        /// Whether nothing follows.
        end: End,
    },
    /// A message whose fields exceed the limits. A server may answer it (431); its body is to be expected.
    HeadersTooLarge {
        /// The stream.
        stream: StreamKey,
        /// Whether nothing follows.
        end: End,
    },
    /// Content; to be released.
    Data {
        /// The stream.
        stream: StreamKey,
        /// The caller's number for the stream, which may be gone if this was its end.
        token: u32,
        /// The octets, which may be none at the end.
        data: &'a [u8],
        /// Whether nothing follows.
        end: End,
    },
    /// The stream is gone: the peer reset it, refused it by GOAWAY, or broke the protocol on it.
    Reset {
        /// The stream; its key is no longer valid.
        stream: StreamKey,
        /// The caller's number for it.
        token: u32,
        /// Why.
        code: ErrorCode,
        /// Who ended it.
        by: Origin,
    },
    /// The peer ends the connection; streams that it will not process follow as [`Event::Reset`].
    GoAway {
        /// Why.
        code: ErrorCode,
        /// Words for a log.
        debug: &'a [u8],
    },
    /// The peer's settings have arrived.
    Settings,
    /// The answer to our ping.
    Pong([u8; 8]),
}

/// Who ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The peer asked for it.
    Peer,
    /// We did, because of the peer's error.
    Us,
}

/// The result of one [`Connection::poll`].
#[derive(Debug)]
pub struct Polled<'a> {
    /// Octets of the input that are done with.
    pub consumed: usize,
    /// What happened; without an event, the rest of the input is a part of a frame and more has to be read.
    pub event: Option<Event<'a>>,
}

/// One HTTP/2 connection.
pub struct Connection {
    role: Role,
    config: Config,
    peer: Settings,
    decoder: Decoder,
    encoder: Encoder,
    streams: Slab<Stream>,
    ids: HashMap<u32, u32, BuildHasherDefault<IdHasher>>,
    /// Streams that ended a short while ago, and how.
    closed: VecDeque<(u32, Closing)>,
    /// The next stream of ours.
    next_id: u32,
    /// The highest stream of the peer.
    highest: u32,
    send_window: i64,
    recv_window: i64,
    /// Octets that were released but not yet announced.
    recv_pending: u32,
    block: Assembly,
    events: VecDeque<Pending>,
    blocked: VecDeque<StreamKey>,
    writable: VecDeque<StreamKey>,
    budgets: Budgets,
    phase: Phase,
    unacknowledged: u32,
    peer_settings: PeerSettings,
    leaving: Leaving,
    adaptive: Option<Adaptive>,
    /// The last stream that the peer's GOAWAY lets us keep.
    peer_last: Option<u32>,
}

/// How far the start of a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Preface,
    FirstSettings,
    Open,
    Failed(FrameError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerSettings {
    Assumed,
    Known,
}

/// How far our own farewell has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    /// GOAWAY with the highest identifier is out; the peer may not know it yet.
    Announced,
    /// GOAWAY with this last stream is out.
    Final(u32),
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Ended,
    ResetByPeer,
    ResetByUs,
}

/// A header block in pieces.
#[derive(Default)]
struct Assembly {
    stream: u32,
    end: Option<End>,
    bytes: Vec<u8>,
    pieces: u32,
}

/// An event that waits for the next poll.
#[derive(Clone, Copy, Debug)]
struct Pending {
    stream: StreamKey,
    token: u32,
    code: ErrorCode,
    by: Origin,
}

/// The opaque data of the ping that follows the first GOAWAY of a graceful end.
const FAREWELL: [u8; 8] = *b"farewell";

/// Streams that a peer is assumed to allow before its settings have come.
const ASSUMED_STREAMS: u32 = 100;

/// How many ended streams are remembered.
const REMEMBERED: usize = 64;

/// The window of the protocol before any settings.
const INITIAL_WINDOW: u32 = 65_535;

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            settings: Settings { max_concurrent_streams: 250, ..Settings::default() },
            connection_window: 1 << 20,
            headers: hpack::Limits::default(),
            floods: FloodLimits::default(),
            adaptive: None,
        }
    }
}

// === impl Connection ===

impl Connection {
    /// A client's connection; its preface and settings are appended to `out`.
    #[must_use]
    pub fn client(config: Config, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(PREFACE);
        Self::start(Role::Client, config, out)
    }

    /// A server's connection; its settings are appended to `out`.
    #[must_use]
    pub fn server(config: Config, out: &mut Vec<u8>) -> Self {
        Self::start(Role::Server, config, out)
    }

    fn start(role: Role, mut config: Config, out: &mut Vec<u8>) -> Self {
        config.settings.max_header_list_size = u32::try_from(config.headers.list_size).unwrap_or(u32::MAX);
        config.settings.max_frame_size = config.settings.max_frame_size.clamp(16_384, 16_777_215);
        config.settings.initial_window_size = config.settings.initial_window_size.min(super::MAX_WINDOW);
        config.connection_window = config.connection_window.clamp(INITIAL_WINDOW, super::MAX_WINDOW);
        let (push, phase) = match role {
            Role::Client => (PushSetting::Disable, Phase::FirstSettings),
            Role::Server => (PushSetting::Silent, Phase::Preface),
        };
        config.settings.write(push, out);
        if config.connection_window > INITIAL_WINDOW {
            frame::write_window_update(0, config.connection_window - INITIAL_WINDOW, out);
        }
        Self {
            role,
            config,
            peer: Settings { max_concurrent_streams: ASSUMED_STREAMS, ..Settings::default() },
            decoder: Decoder::new(config.settings.header_table_size),
            encoder: Encoder::new(),
            streams: Slab::new(),
            ids: HashMap::default(),
            closed: VecDeque::new(),
            next_id: 1,
            highest: 0,
            send_window: i64::from(INITIAL_WINDOW),
            recv_window: i64::from(config.connection_window),
            recv_pending: 0,
            block: Assembly::default(),
            events: VecDeque::new(),
            blocked: VecDeque::new(),
            writable: VecDeque::new(),
            budgets: Budgets::new(config.floods),
            phase,
            unacknowledged: 1,
            peer_settings: PeerSettings::Assumed,
            leaving: Leaving::No,
            adaptive: config.adaptive.map(|most| Adaptive::new(most.min(super::MAX_WINDOW))),
            peer_last: None,
        }
    }

    /// Number of open streams.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// What the peer has announced, or what is assumed until then.
    #[must_use]
    pub fn peer_settings(&self) -> &Settings {
        &self.peer
    }

    /// Whether the peer has acknowledged our settings. A caller that has waited too long may
    /// [`close`](Self::close) with `SETTINGS_TIMEOUT`.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.unacknowledged == 0
    }

    /// Sets how many streams a client assumes to be allowed until the peer's settings are there, where more is known than nothing.
    pub fn assume_streams(&mut self, streams: u32) {
        if self.peer_settings == PeerSettings::Assumed {
            self.peer.max_concurrent_streams = streams;
        }
    }

    /// How many more streams a client may open now.
    #[must_use]
    pub fn open_capacity(&self) -> usize {
        if self.role == Role::Server
            || self.peer_last.is_some()
            || self.leaving != Leaving::No
            || self.next_id > MAX_STREAM_ID
        {
            return 0;
        }
        (self.peer.max_concurrent_streams as usize).saturating_sub(self.streams.len())
    }

    /// Whether the connection is ending and the last stream is done: write what is left and close the socket.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let leaving = matches!(self.leaving, Leaving::Final(_)) || self.peer_last.is_some();
        matches!(self.phase, Phase::Failed(_))
            || (leaving && self.streams.is_empty() && self.events.is_empty())
    }

    /// The caller's number for a stream, 0 until it is set.
    #[must_use]
    pub fn token(&self, key: StreamKey) -> Option<u32> {
        self.stream(key).map(|stream| stream.token)
    }

    /// Sets the caller's number for a stream.
    pub fn set_token(&mut self, key: StreamKey, token: u32) {
        if let Some(stream) = self.stream_mut(key) {
            stream.token = token;
        }
    }

    /// All open streams, for a caller that ends them.
    pub fn keys(&self) -> impl Iterator<Item = StreamKey> {
        self.streams.iter().map(|(index, stream)| StreamKey { index: index as u32, id: stream.id })
    }

    /// Starts a new interval of [`FloodLimits`]; to be called about once a second.
    pub fn refill(&mut self) {
        self.budgets = Budgets::new(self.config.floods);
    }

    /// Begins a graceful end: no new streams once the peer knows; streams in flight finish.
    pub fn shutdown(&mut self, out: &mut Vec<u8>) {
        if self.leaving != Leaving::No || matches!(self.phase, Phase::Failed(_)) {
            return;
        }
        match self.role {
            Role::Server => {
                frame::write_go_away(MAX_STREAM_ID, ErrorCode::NO_ERROR, b"", out);
                frame::write_ping(FAREWELL, 0, out);
                self.leaving = Leaving::Announced;
            }
            Role::Client => {
                frame::write_go_away(0, ErrorCode::NO_ERROR, b"", out);
                self.leaving = Leaving::Final(0);
            }
        }
    }

    /// Ends the connection at once.
    pub fn close(&mut self, code: ErrorCode, out: &mut Vec<u8>) {
        if !matches!(self.phase, Phase::Failed(_)) {
            frame::write_go_away(self.highest, code, b"", out);
            self.phase = Phase::Failed(FrameError::connection(code, super::Reason::SettingsTimeout));
        }
    }

    fn stream(&self, key: StreamKey) -> Option<&Stream> {
        self.streams.get(key.index as usize).filter(|stream| stream.id == key.id)
    }

    fn stream_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        self.streams.get_mut(key.index as usize).filter(|stream| stream.id == key.id)
    }

    fn key_of(&self, id: u32) -> Option<StreamKey> {
        self.ids.get(&id).map(|index| StreamKey { index: *index, id })
    }

    fn insert(&mut self, stream: Stream) -> StreamKey {
        let id = stream.id;
        let index = self.streams.insert(stream) as u32;
        self.ids.insert(id, index);
        StreamKey { index, id }
    }

    fn remove(&mut self, key: StreamKey, closing: Closing) {
        if self.stream(key).is_none() {
            return;
        }
        self.streams.remove(key.index as usize);
        self.ids.remove(&key.id);
        if self.closed.len() == REMEMBERED {
            self.closed.pop_front();
        }
        self.closed.push_back((key.id, closing));
        if closing == Closing::Ended {
            self.budgets.completed();
        }
    }

    fn remove_if_done(&mut self, key: StreamKey) {
        if self.stream(key).is_some_and(Stream::is_done) {
            self.remove(key, Closing::Ended);
        }
    }
}

/// Stream identifiers are small and of one parity; a multiplication spreads them.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = (self.0 ^ u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

#[cfg(test)]
mod tests;
