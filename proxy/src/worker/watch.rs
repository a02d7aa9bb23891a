//! What taps and traces see of the requests of a worker.
//!
//! With nobody watching and no collector a request costs one comparison, and eight octets that stay empty.

use std::net::SocketAddr;
use std::time::Instant;

use proxy_net::engine::{Failure, HttpVersion, Reply, RequestStep, Summary};
use proxy_net::headers::HeaderList;

use crate::identity::Id;
use crate::metrics::{ClientTls, Direction, NoClientTls, NoServerTls, ServerTls};
use crate::model::Labels;
use crate::tap::{Observed, Tapped, Taps};
use crate::trace::{Hop, Traced, Tracer};

/// Those who watch a worker.
pub(crate) struct Watching {
    pub(crate) taps: Taps,
    tracer: Option<Tracer>,
}

/// What is remembered of a request for them.
#[derive(Default)]
pub(crate) struct Watched(Option<Box<State>>);

/// Where a request comes from.
pub(crate) struct Source {
    pub(crate) direction: Direction,
    pub(crate) client: SocketAddr,
    pub(crate) tls: SourceTls,
    /// Where the client wanted to go.
    pub(crate) target: SocketAddr,
}

/// What is known of the TLS of a client.
pub(crate) enum SourceTls {
    /// It has this identity, or none.
    Meshed(Option<Id>),
    /// It has none, for this reason.
    None(NoServerTls),
}

/// Where a request goes.
pub(crate) struct Place {
    pub(crate) addr: SocketAddr,
    /// Whom TLS has to find there.
    pub(crate) peer: Option<Id>,
    pub(crate) labels: Labels,
    pub(crate) route: Labels,
}

struct State {
    source: Source,
    tapped: Option<Box<Tapped>>,
    traced: Option<Box<Traced>>,
    /// Whether taps have been asked.
    shown: bool,
}

// === impl Watching ===

impl Watching {
    pub(crate) fn new(taps: Taps, tracer: Option<Tracer>) -> Self {
        Self { taps, tracer }
    }

    /// A request's head is there. If it is traced, the head gets the new context.
    #[inline]
    pub(crate) fn begin(
        &self,
        now: Instant,
        version: HttpVersion,
        random: impl FnMut() -> u64,
        source: impl FnOnce() -> Source,
        head: &mut HeaderList,
    ) -> Watched {
        if self.tracer.is_none() && !self.taps.is_watched() {
            return Watched(None);
        }
        self.watched(now, version, random, source(), head)
    }

    #[cold]
    fn watched(
        &self,
        now: Instant,
        version: HttpVersion,
        random: impl FnMut() -> u64,
        source: Source,
        head: &mut HeaderList,
    ) -> Watched {
        let hop = Hop {
            direction: source.direction,
            client: source.client,
            server: source.target,
            version: match version {
                HttpVersion::Http10 => "1.0",
                HttpVersion::Http11 => "1.1",
                HttpVersion::Http2 => "2",
            },
            client_id: match &source.tls {
                SourceTls::Meshed(Some(id)) => id.as_str(),
                SourceTls::Meshed(None) | SourceTls::None(_) => "",
            },
        };
        let traced = self.tracer.as_ref().and_then(|tracer| tracer.request(random, now, &hop, head));
        if traced.is_none() && !self.taps.is_watched() {
            return Watched(None);
        }
        Watched(Some(Box::new(State { source, tapped: None, traced, shown: false })))
    }

    /// It is known what happens to a request: it is sent on to `place`, or answered here.
    #[inline]
    pub(crate) fn decided(
        &mut self,
        watched: &mut Watched,
        now: Instant,
        step: &RequestStep,
        head: &HeaderList,
        place: impl FnOnce() -> Option<Place>,
    ) {
        let Some(state) = watched.0.as_deref_mut() else { return };
        match step {
            RequestStep::Forward(_) => {
                let place = place();
                if let (Some(traced), Some(place)) = (&mut state.traced, &place) {
                    traced.sent_to(place.addr);
                }
                self.show(state, now, head, place);
            }
            RequestStep::Reply(reply) => {
                self.show(state, now, head, place());
                self.replied(state, now, reply);
            }
            RequestStep::Wait { .. } | RequestStep::Reset(_) => {}
        }
    }

    /// The client gets this head.
    #[inline]
    pub(crate) fn response(
        &self,
        watched: &mut Watched,
        now: Instant,
        head: &HeaderList,
        trailers: Option<&HeaderList>,
    ) {
        let Some(state) = watched.0.as_deref_mut() else { return };
        if let Some(tapped) = &mut state.tapped {
            tapped.response(now, head, None);
            if let Some(trailers) = trailers {
                tapped.trailers(trailers);
            }
        }
        self.answered(state, now, status(head));
    }

    /// The client gets an answer that was made here.
    #[inline]
    pub(crate) fn reply(&self, watched: &mut Watched, now: Instant, reply: &Reply) {
        if let Some(state) = watched.0.as_deref_mut() {
            self.replied(state, now, reply);
        }
    }

    /// The exchange is over.
    #[inline]
    pub(crate) fn finished(&self, watched: Watched, summary: &Summary) {
        let Some(state) = watched.0 else { return };
        if let Some(tapped) = state.tapped {
            tapped.end(summary);
        }
        if let (Some(tracer), Some(traced)) = (&self.tracer, state.traced) {
            tracer.failed(traced, summary.ended, error(summary.failure));
        }
    }

    fn show(&mut self, state: &mut State, now: Instant, head: &HeaderList, place: Option<Place>) {
        // Of several attempts the first is shown.
        if std::mem::replace(&mut state.shown, true) || !self.taps.is_watched() {
            return;
        }
        let nothing = Labels::default();
        let observed = Observed {
            direction: state.source.direction,
            source: state.source.client,
            source_tls: match &state.source.tls {
                SourceTls::Meshed(id) => ServerTls::Established(id.as_ref().map_or("", Id::as_str)),
                SourceTls::None(reason) => ServerTls::None(*reason),
            },
            destination: place.as_ref().map_or(state.source.target, |place| place.addr),
            destination_tls: match (&place, state.source.direction) {
                (Some(Place { peer: Some(id), .. }), _) => ClientTls::Established(id.as_str()),
                (_, Direction::Inbound) => ClientTls::None(NoClientTls::Loopback),
                (_, Direction::Outbound) => ClientTls::None(NoClientTls::NotProvidedByServiceDiscovery),
            },
            destination_labels: place.as_ref().map_or(&nothing, |place| &place.labels),
            route_labels: place.as_ref().map_or(&nothing, |place| &place.route),
        };
        state.tapped = self.taps.request(now, &observed, head);
    }

    #[cold]
    fn replied(&self, state: &mut State, now: Instant, reply: &Reply) {
        if let Some(tapped) = &mut state.tapped {
            let mut head = HeaderList::new();
            let status = if reply.grpc.is_some() { 200 } else { reply.status };
            head.push(b":status", status.to_string().as_bytes());
            for field in reply.headers.iter() {
                head.push(field.name, field.value);
            }
            if let Some((code, message)) = &reply.grpc {
                head.push(b"grpc-status", code.to_string().as_bytes());
                head.push(b"grpc-message", message.as_bytes());
            }
            tapped.response(now, &head, reply.reason.as_deref());
        }
        self.answered(state, now, reply.status);
    }

    fn answered(&self, state: &mut State, now: Instant, status: u16) {
        if let (Some(tracer), Some(traced)) = (&self.tracer, state.traced.take()) {
            tracer.response(traced, now, status);
        }
    }
}

// === impl Watched ===

impl Watched {
    /// Trailers of the response pass.
    #[inline]
    pub(crate) fn trailers(&mut self, trailers: &HeaderList) {
        if let Some(tapped) = self.0.as_deref_mut().and_then(|state| state.tapped.as_mut()) {
            tapped.trailers(trailers);
        }
    }
}

fn status(head: &HeaderList) -> u16 {
    head.value(b":status").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0)
}

/// Why there was no response, for the span.
fn error(failure: Option<Failure>) -> &'static str {
    match failure {
        None => "none",
        Some(Failure::Connect(_)) => "connect",
        Some(Failure::Reset(_)) => "reset",
        Some(Failure::Closed) => "closed",
        Some(Failure::Protocol) => "protocol",
        Some(Failure::Timeout(_)) => "timeout",
        Some(Failure::ClientGone) => "client gone",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watching_nobody_takes_eight_octets_of_a_request() {
        assert_eq!(size_of::<Watched>(), 8);
    }
}
