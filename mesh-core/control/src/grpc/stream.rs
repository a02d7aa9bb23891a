//! What a connection keeps of a stream.

use std::sync::Arc;

use bytes::Bytes;
use proxy_net::h2::StreamKey;

use super::Method;
use crate::index::cell::{Change, Subscription};
use crate::index::outbox::Outbox;
use crate::index::shared::Shared;
use crate::index::snapshot::Snapshot;
use crate::index::{Refusal, Request};

/// A stream: its name in the codec, and how far it is. What it holds is in one box, so that free places cost little.
pub(super) struct Stream {
    pub(super) key: StreamKey,
    pub(super) state: State,
}

/// How far a stream is.
pub(super) enum State {
    /// Its request is on the way.
    Reading(Box<Reading>),
    /// It is answered.
    Sending(Box<Sending>),
}

/// A request of which a part has come.
pub(super) struct Reading {
    pub(super) method: &'static Method,
    pub(super) body: Vec<u8>,
    /// What is told of the request, until it is answered.
    pub(super) span: tracing::Span,
}

/// A stream of snapshots: the newest, then what differs from what was sent.
pub(super) struct Sending {
    /// For finding the topic again when the request belongs to another one.
    request: Request,
    /// None when there is nothing to follow.
    subscription: Option<Subscription>,
    sent: Option<Arc<Snapshot>>,
    /// Frames that are chosen and not yet with the codec.
    unsent: Bytes,
    /// How it ends, once `unsent` is gone.
    ending: Option<Box<Refusal>>,
}

/// What a stream has for its client.
pub(super) enum Next<'a> {
    /// Octets.
    Frames(&'a mut Bytes),
    /// The status.
    Ending(Box<Refusal>),
    /// Nothing now; the outbox is told when there is.
    Nothing,
}

// === impl Sending ===

impl Sending {
    /// All answers of a request, the first of which is there at once.
    pub(super) fn all(request: Request, subscription: Subscription) -> Self {
        let subscription = Some(subscription);
        Self { request, subscription, sent: None, unsent: Bytes::new(), ending: None }
    }

    /// One answer.
    pub(super) fn one(request: Request, answer: Bytes) -> Self {
        let ending = Some(Box::new(Refusal::ok()));
        Self { request, subscription: None, sent: None, unsent: answer, ending }
    }

    /// What is to be sent now. A slow reader costs nothing but its place: it gets one difference when it reads again.
    pub(super) fn next(&mut self, index: &Shared, outbox: &Arc<Outbox>, token: u32) -> Next<'_> {
        while self.unsent.is_empty() {
            if let Some(refusal) = self.ending.take() {
                return Next::Ending(refusal);
            }
            let Some(subscription) = &mut self.subscription else { return Next::Nothing };
            let known = self.sent.as_ref().map(|snapshot| snapshot.number());
            match subscription.changed(known, outbox, token) {
                None => return Next::Nothing,
                Some(Change::Newer(newest)) => {
                    let frames = match &self.sent {
                        None => Some(newest.full()),
                        Some(sent) => newest.since(sent),
                    };
                    self.sent = Some(newest);
                    self.unsent = frames.unwrap_or_default();
                }
                Some(Change::Moved) => match index.subscribe(&self.request) {
                    Ok(found) => *subscription = found,
                    Err(refusal) => self.ending = Some(Box::new(refusal)),
                },
                Some(Change::Ended(refusal)) => self.ending = Some(Box::new(refusal)),
            }
        }
        Next::Frames(&mut self.unsent)
    }
}
