//! One stream.

use super::End;

/// Names a stream of one connection; a key of a stream that is gone names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamKey {
    pub(super) index: u32,
    pub(super) id: u32,
}

pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) token: u32,
    pub(super) send_window: i64,
    pub(super) recv_window: i64,
    pub(super) recv_pending: u32,
    pub(super) local: Side,
    pub(super) remote: Side,
    /// Content that is still to come, where it was announced.
    pub(super) expected: Option<u64>,
    pub(super) method: Method,
    pub(super) waiting: Waiting,
    /// Octets that were given back in a measurement of the path, and in which.
    pub(super) passed: u32,
    pub(super) epoch: u32,
}

/// How far one direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// No final header fields yet.
    Head,
    Body,
    Done,
}

/// What of a request changes the meaning of the response's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Head,
    Other,
}

/// Whether the sender waits for a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    No,
    Blocked,
    Listed,
}

// === impl StreamKey ===

impl StreamKey {
    /// The stream's identifier in the protocol.
    #[must_use]
    pub const fn id(self) -> u32 {
        self.id
    }
}

// === impl Stream ===

impl Stream {
    pub(super) fn new(id: u32, send_window: u32, recv_window: u32) -> Self {
        Self {
            id,
            token: 0,
            send_window: i64::from(send_window),
            recv_window: i64::from(recv_window),
            recv_pending: 0,
            local: Side::Head,
            remote: Side::Head,
            expected: None,
            method: Method::Other,
            waiting: Waiting::No,
            passed: 0,
            epoch: 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.local == Side::Done && self.remote == Side::Done
    }
}

// === impl Side ===

impl Side {
    pub(super) fn after(end: End) -> Self {
        match end {
            End::More => Self::Body,
            End::Stream => Self::Done,
        }
    }
}
