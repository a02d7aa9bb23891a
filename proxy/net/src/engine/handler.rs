//! The seam between the engine, which moves octets, and its [`Handler`], which decides where they go.
//!
//! The engine calls; the handler answers with a value and keeps nothing of the engine. What a handler has to remember of a
//! connection, an exchange or an endpoint is kept by the engine in slots of the handler's own types, so that no call
//! looks anything up in a map. A call must not block and should take well under a microsecond.

mod conn;
mod endpoint;
mod exchange;

use std::time::Instant;

pub use conn::*;
pub use endpoint::*;
pub use exchange::*;

use super::{ConnId, Control, EndpointId, ExchangeId};
use crate::h2::frame::End;
use crate::headers::HeaderList;

/// Decides about connections and requests. One value per worker; nothing here crosses threads but [`Handler::Message`].
pub trait Handler: Sized + 'static {
    /// What is remembered of an accepted connection.
    type Conn;
    /// What is remembered of one request and its response.
    type Exchange;
    /// What is remembered of an endpoint.
    type Endpoint;
    /// What other threads may tell this worker.
    type Message: Send + 'static;

    /// A connection was accepted. The step says what to do first.
    fn accepted(&mut self, ctl: &mut Control<'_, Self>, accepted: &Accepted) -> (Self::Conn, Step);

    /// The last step of a connection has an outcome; the answer is the next step.
    fn advance(
        &mut self,
        ctl: &mut Control<'_, Self>,
        id: ConnId,
        conn: &mut Self::Conn,
        event: Progress<'_>,
    ) -> Step;

    /// A request's head is complete. The handler may change `head`, which is then what the upstream gets.
    fn request(
        &mut self,
        ctl: &mut Control<'_, Self>,
        request: &Request,
        conn: &mut Self::Conn,
        head: &mut HeaderList,
    ) -> (Self::Exchange, RequestStep);

    /// A request that was told to wait was resumed, or its wait has run out. `head` is as `request` left it.
    fn resumed(
        &mut self,
        ctl: &mut Control<'_, Self>,
        id: ExchangeId,
        exchange: &mut Self::Exchange,
        head: &mut HeaderList,
        why: Woken,
    ) -> RequestStep;

    /// An attempt has its response head (final, not informational). The handler may change `head`, which the client then gets.
    ///
    /// `trailers` are there where the response was held for them ([`Forward::hold_for_trailers`]) and has no content.
    #[allow(clippy::too_many_arguments, reason = "each is borrowed from another place")]
    fn response(
        &mut self,
        ctl: &mut Control<'_, Self>,
        attempt: &Attempt,
        exchange: &mut Self::Exchange,
        endpoint: Option<&mut Self::Endpoint>,
        head: &mut HeaderList,
        end: End,
        trailers: Option<&HeaderList>,
    ) -> ResponseStep;

    /// An attempt failed before a response head, or ended after one without being complete.
    fn failed(
        &mut self,
        ctl: &mut Control<'_, Self>,
        attempt: &Attempt,
        exchange: &mut Self::Exchange,
        endpoint: Option<&mut Self::Endpoint>,
        failure: Failure,
    ) -> ResponseStep;

    /// Octets of a body pass. Called once a frame or read.
    fn data(&mut self, exchange: &mut Self::Exchange, direction: Direction, octets: usize);

    /// Trailers pass; the handler may change them.
    fn trailers(&mut self, exchange: &mut Self::Exchange, direction: Direction, trailers: &mut HeaderList);

    /// The exchange is over; nothing is called for it any more.
    fn finished(
        &mut self,
        ctl: &mut Control<'_, Self>,
        exchange: Self::Exchange,
        endpoint: Option<(EndpointId, &mut Self::Endpoint)>,
        summary: &Summary,
    );

    /// An accepted connection is gone.
    fn closed(&mut self, ctl: &mut Control<'_, Self>, conn: Self::Conn, report: &CloseReport);

    /// Octets of a tunnel (opaque connection or upgrade) pass, once per write. `Direction::Request` is from the accepted side, `now` the
    /// time of this round.
    fn tunneled(&mut self, conn: &mut Self::Conn, direction: Direction, octets: &[u8], now: Instant);

    /// Something happened to a connection of an endpoint, or to its state.
    fn endpoint(
        &mut self,
        ctl: &mut Control<'_, Self>,
        id: EndpointId,
        endpoint: &mut Self::Endpoint,
        event: EndpointEvent,
    );

    /// A message of another thread.
    fn message(&mut self, ctl: &mut Control<'_, Self>, message: Self::Message);

    /// About once a second: evict what is idle, publish what others read.
    fn tick(&mut self, ctl: &mut Control<'_, Self>);
}
