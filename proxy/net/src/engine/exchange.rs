//! A request and its response, and the octets of theirs that are under way.

use std::time::{Duration, Instant};

use super::arena::Key;
use super::timer::Timer;
use super::{Direction, Failure, HttpVersion, Summary, Timeouts, Upstream};
use crate::h2::{End, StreamKey};
use crate::headers::HeaderList;
use crate::http1;

/// A request and its response.
pub(super) struct Exchange {
    pub(super) client: Leg,
    pub(super) version: HttpVersion,
    pub(super) method: http1::Method,
    pub(super) upgrade: http1::Upgrade,
    /// The request's head where it may be needed again.
    pub(super) head: HeaderList,
    /// The response's head while it is held for its trailers.
    pub(super) held: Option<HeaderList>,
    pub(super) phase: Phase,
    pub(super) endpoint: Option<Key>,
    pub(super) protocol: Upstream,
    pub(super) timeouts: Timeouts,
    pub(super) hold: bool,
    pub(super) attempt: Attempted,
    pub(super) replay: Replay,
    /// How often a server has refused the stream without looking at it.
    pub(super) refusals: u32,
    pub(super) expect: Expect,
    /// From the client.
    pub(super) up: Pipe,
    /// To the client.
    pub(super) down: Pipe,
    /// Whether the client has a final head.
    pub(super) answered: bool,
    pub(super) timer: Timer,
    pub(super) wait_until: Option<Instant>,
    pub(super) active: Instant,
    pub(super) started: Instant,
    pub(super) request_sent: Option<Instant>,
    pub(super) response_head: Option<Instant>,
    pub(super) first_octet: Option<Instant>,
    pub(super) request_octets: u64,
    pub(super) response_octets: u64,
    pub(super) failure: Option<Failure>,
}

/// One side of an exchange: a connection, and on HTTP/2 a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) conn: Key,
    pub(super) stream: Option<StreamKey>,
}

/// Where an exchange stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The handler wants it to wait, or to be tried again later.
    Waiting,
    /// For a connection.
    Queued,
    /// A moment, as a server has refused it without looking at it; then it goes to the same endpoint again.
    Refused,
    /// On its way.
    Sent,
    /// The response, or what stands for it, has been passed on completely.
    Over,
    /// It has become a tunnel.
    Upgraded,
}

/// The present attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempted {
    pub(super) leg: Option<Leg>,
    pub(super) number: u32,
    pub(super) started: Instant,
    pub(super) version: HttpVersion,
    /// Whether it went on an HTTP/1 connection that had served before, which the server may have been about to close.
    pub(super) reused: bool,
    /// Whether anything of a response has come.
    pub(super) heard: bool,
}

/// Whether the client holds its content back until it is told to go on (`Expect: 100-continue`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// It does not, or no longer.
    Nothing,
    /// It does. Where the server says nothing for so long after it got the head, we tell it.
    Continue(Duration),
    /// We have told it; the server's own word would be the second.
    Told,
}

/// What of a request's body is kept to be sent again.
#[derive(Default)]
pub(super) struct Replay {
    /// What the handler allows for attempts that it may ask for.
    pub(super) limit: usize,
    /// What is kept at all: on HTTP/2 a little in any case, for streams that are refused.
    pub(super) room: usize,
    pub(super) kept: Vec<u8>,
    pub(super) trailers: Option<HeaderList>,
    /// Whether more was sent than may be kept.
    pub(super) lost: bool,
}

/// One direction.
#[derive(Default)]
pub(super) struct Pipe {
    /// Octets that the target cannot take yet.
    pub(super) pending: Vec<u8>,
    pub(super) at: usize,
    pub(super) end: PipeEnd,
    /// Octets that the source has not been given back.
    pub(super) unreleased: usize,
    /// Octets at the start of what is pending that the source has been given back already: they are sent for another time.
    pub(super) repeated: usize,
}

/// How far the end of a direction has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum PipeEnd {
    /// The source goes on.
    #[default]
    Open,
    /// The source has ended; the target has not been told.
    Ended,
    /// The source has ended with these, and the target has not been told.
    Trailers(Box<HeaderList>),
    /// The target has been told.
    Passed,
}

// === impl Exchange ===

impl Exchange {
    pub(super) fn new(client: Leg, version: HttpVersion, now: Instant) -> Self {
        Self {
            client,
            version,
            method: http1::Method::Other,
            upgrade: http1::Upgrade::None,
            head: HeaderList::new(),
            held: None,
            phase: Phase::Waiting,
            endpoint: None,
            protocol: Upstream::Http2,
            timeouts: Timeouts::default(),
            hold: false,
            attempt: Attempted {
                leg: None,
                number: 0,
                started: now,
                version: HttpVersion::Http2,
                reused: false,
                heard: false,
            },
            replay: Replay::default(),
            refusals: 0,
            expect: Expect::Nothing,
            up: Pipe::default(),
            down: Pipe::default(),
            answered: false,
            timer: Timer::UNSET,
            wait_until: None,
            active: now,
            started: now,
            request_sent: None,
            response_head: None,
            first_octet: None,
            request_octets: 0,
            response_octets: 0,
            failure: None,
        }
    }

    pub(super) fn pipe(&mut self, direction: Direction) -> &mut Pipe {
        match direction {
            Direction::Request => &mut self.up,
            Direction::Response => &mut self.down,
        }
    }

    /// Where octets of a direction come from.
    pub(super) fn source(&self, direction: Direction) -> Option<Leg> {
        match direction {
            Direction::Request => Some(self.client),
            Direction::Response => self.attempt.leg,
        }
    }

    /// Where octets of a direction go.
    pub(super) fn target(&self, direction: Direction) -> Option<Leg> {
        match direction {
            Direction::Request => self.attempt.leg,
            Direction::Response => Some(self.client),
        }
    }

    /// Whether the request could be sent again as it is, within what the handler allows.
    pub(super) fn is_replayable(&self) -> bool {
        self.replay.kept.len() <= self.replay.limit && self.is_whole()
    }

    /// Whether all that was sent of the request is still there, and nothing of a response has been passed on.
    pub(super) fn is_whole(&self) -> bool {
        !self.answered && !self.replay.lost && !self.head.is_empty()
    }

    /// The earliest of the times at which something has to happen.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let limits = self.limits().into_iter().flatten().map(|(at, _)| at);
        limits.chain(self.wait_until).chain(self.continue_at()).min()
    }

    /// When a client that holds its content back is told to go on.
    pub(super) fn continue_at(&self) -> Option<Instant> {
        match self.expect {
            Expect::Continue(after) if self.phase == Phase::Sent && !self.answered => {
                Some(self.attempt.started + after)
            }
            _ => None,
        }
    }

    /// Each limit that runs, with what it is.
    pub(super) fn limits(&self) -> [Option<(Instant, super::TimeoutKind)>; 4] {
        use super::TimeoutKind::{Idle, Request, Response, ResponseHeaders};
        let running = matches!(self.phase, Phase::Sent | Phase::Queued | Phase::Refused);
        let after = |start: Option<Instant>, limit: Option<Duration>| Some(start? + limit?);
        let begun = match (self.request_sent, self.response_head) {
            (Some(sent), Some(head)) => Some(sent.min(head)),
            (sent, head) => sent.or(head),
        };
        let attempt = (running && self.response_head.is_none()).then_some(self.attempt.started);
        [
            after(Some(self.started).filter(|_| self.phase != Phase::Upgraded), self.timeouts.request)
                .map(|at| (at, Request)),
            after(begun.filter(|_| running), self.timeouts.response).map(|at| (at, Response)),
            after(attempt, self.timeouts.response_headers).map(|at| (at, ResponseHeaders)),
            after(Some(self.active).filter(|_| running), self.timeouts.idle).map(|at| (at, Idle)),
        ]
    }

    pub(super) fn summary(&self, now: Instant) -> Summary {
        Summary {
            started: self.started,
            request_sent: self.request_sent,
            response_head: self.response_head,
            first_octet: self.first_octet,
            ended: now,
            request_octets: self.request_octets,
            response_octets: self.response_octets,
            failure: self.failure,
        }
    }
}

// === impl Pipe ===

impl Pipe {
    /// Octets that wait.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.pending[self.at..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at == self.pending.len()
    }

    /// Whether the source has ended without trailers and the target does not know.
    pub(super) fn ends_here(&self) -> End {
        if self.end == PipeEnd::Ended { End::Stream } else { End::More }
    }

    /// Drops what the target has taken.
    pub(super) fn advance(&mut self, taken: usize) {
        self.at += taken;
        if self.is_empty() {
            self.pending = Vec::new();
            self.at = 0;
        } else if self.at > 64 * 1024 {
            self.pending.drain(..self.at);
            self.at = 0;
        }
    }
}

// === impl Replay ===

impl Replay {
    /// Octets of a body that are kept until its response begins, in case that the server refuses the stream unseen: a message of
    /// gRPC as they usually are.
    const REFUSED: usize = 8 * 1024;

    /// Sets how much is kept by an attempt.
    pub(super) fn set_room(&mut self, shared: bool) {
        self.room = if shared { self.limit.max(Self::REFUSED) } else { self.limit };
    }

    /// Keeps what was sent, if it still fits.
    pub(super) fn keep(&mut self, data: &[u8]) {
        if self.lost || data.is_empty() {
            return;
        }
        if self.kept.len() + data.len() > self.room {
            self.lost = true;
            self.kept = Vec::new();
            return;
        }
        self.kept.extend_from_slice(data);
    }
}
