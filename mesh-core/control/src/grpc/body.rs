//! Bodies of responses: nothing, one message, or a stream of shared frames.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use super::status_headers;
use crate::index::cell::{Change, Subscription};
use crate::index::shared::Shared;
use crate::index::snapshot::Snapshot;
use crate::index::{Refusal, Request};

/// The body of a response.
pub enum Body {
    /// The status is in the headers already.
    Empty,
    /// One message, then the status.
    Once(Option<Bytes>),
    /// A stream.
    Stream(Box<Stream>),
    /// The status, then the end.
    Ending(Refusal),
}

/// A stream of snapshots: the newest, then what differs from what was sent.
pub struct Stream {
    index: Shared,
    /// For finding the topic again when the request belongs to another one.
    request: Request,
    subscription: Subscription,
    sent: Option<Arc<Snapshot>>,
}

// === impl Body ===

impl Body {
    /// A stream of the answers to a request, the first of which is there at once.
    pub(crate) fn stream(index: Shared, request: Request, subscription: Subscription) -> Self {
        Self::Stream(Box::new(Stream { index, request, subscription, sent: None }))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Once(message) => {
                let message = message.take();
                *this = Self::Ending(Refusal::ok());
                Poll::Ready(message.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Ending(refusal) => {
                let trailers = status_headers(refusal);
                *this = Self::Empty;
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Self::Stream(stream) => match stream.poll_next(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(frames)) => Poll::Ready(Some(Ok(Frame::data(frames)))),
                Poll::Ready(Err(refusal)) => {
                    let trailers = status_headers(&refusal);
                    *this = Self::Empty;
                    Poll::Ready(Some(Ok(Frame::trailers(trailers))))
                }
            },
        }
    }

    /// A refusal ends with its headers. An empty frame after them would meet clients that have hung up already, and
    /// thousands of those make a client give up the connection.
    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

// === impl Stream ===

impl Stream {
    /// Polled by the connection only while the client's window has room, so a slow reader costs nothing but its place
    /// and gets one difference when it reads again.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Refusal>> {
        loop {
            let known = self.sent.as_ref().map(|snapshot| snapshot.number());
            match self.subscription.poll_changed(known, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Change::Newer(newest)) => {
                    let frames = match &self.sent {
                        None => Some(newest.full()),
                        Some(sent) => newest.since(sent),
                    };
                    self.sent = Some(newest);
                    if let Some(frames) = frames {
                        return Poll::Ready(Ok(frames));
                    }
                }
                Poll::Ready(Change::Moved) => match self.index.subscribe(&self.request) {
                    Ok(subscription) => self.subscription = subscription,
                    Err(refusal) => return Poll::Ready(Err(refusal)),
                },
                Poll::Ready(Change::Ended(refusal)) => return Poll::Ready(Err(refusal)),
            }
        }
    }
}
