//! The poll round: sockets, timers, messages, what follows from them, and one write for each connection with output.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::time::Sleep;

use super::arena::Key;
use super::conn::{Addresses, Awaited, Conn, Deciding, Ending, Origin, Stage};
use super::core::{Action, Core};
use super::forward::control;
use super::io::{LISTENERS, errno};
use super::mailbox::Inbox;
use super::pool::BUFFER;
use super::timer::{Target, Timer};
use super::{
    CloseReport, Config, ConnectError, Control, EndpointEvent, Failure, Handler, Listener, Progress, Woken,
};
use crate::transport::{configure, original_dst, reset_on_close, unmapped};

/// One worker's engine. It stays on the thread that runs it.
pub struct Engine<H: Handler> {
    pub(super) core: Core,
    pub(super) handler: H,
    /// The handler's data, by the places of connections, exchanges and endpoints.
    pub(super) conn_data: Vec<Option<H::Conn>>,
    pub(super) exchange_data: Vec<Option<H::Exchange>>,
    pub(super) endpoints: Vec<Option<Box<H::Endpoint>>>,
    inbox: Inbox<H::Message>,
    messages: VecDeque<H::Message>,
    listeners: Vec<Listening>,
    queue: Vec<u32>,
    due: Vec<Target>,
    second: Timer,
    accept: Timer,
    drain: Timer,
}

struct Listening {
    socket: TcpListener,
    listener: Listener,
}

/// Turns of follow-up work in one round.
const TURNS: usize = 256;
/// A place of no listener and no connection, which only has the worker run another round.
const NOBODY: u32 = LISTENERS - 1;
/// Connections accepted in one round from one listener.
const ACCEPTS: usize = 64;
/// How long nothing is accepted when the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl<H: Handler> Engine<H> {
    /// An engine without listeners.
    #[must_use]
    pub fn new(config: Config, inbox: Inbox<H::Message>, handler: H) -> Self {
        Self {
            core: Core::new(config, Instant::now()),
            handler,
            conn_data: Vec::new(),
            exchange_data: Vec::new(),
            endpoints: Vec::new(),
            inbox,
            messages: VecDeque::new(),
            listeners: Vec::new(),
            queue: Vec::new(),
            due: Vec::new(),
            second: Timer::UNSET,
            accept: Timer::UNSET,
            drain: Timer::UNSET,
        }
    }

    /// Adds a listener; to be called on the runtime that runs the engine.
    ///
    /// # Errors
    /// When the socket cannot be registered, or there are 15 already.
    pub fn listen(&mut self, listener: Listener) -> io::Result<()> {
        if self.listeners.len() >= NOBODY as usize {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an engine has at most 15 listeners"));
        }
        let socket = TcpListener::from_std(listener.socket.try_clone()?)?;
        self.core.ready.push(self.listeners.len() as u32);
        self.listeners.push(Listening { socket, listener });
        Ok(())
    }

    /// The handler, and what it may ask for, outside of a call of the engine.
    pub fn handler(&mut self) -> (&mut H, Control<'_, H>) {
        (&mut self.handler, Control { core: &mut self.core, endpoints: &mut self.endpoints })
    }

    /// Runs until a drain is over. Poll it without a budget (`tokio::task::unconstrained`), as it shares its time fairly itself.
    pub async fn run(mut self) {
        let sleep = tokio::time::sleep(Duration::from_secs(1));
        let mut sleep = std::pin::pin!(sleep);
        let mut armed = None;
        let start = self.core.now + Duration::from_secs(1);
        self.core.wheel.set(&mut self.second, start, Target::Second);
        poll_fn(|context| {
            if self.round(context) {
                return Poll::Ready(());
            }
            self.arm(sleep.as_mut(), &mut armed, context)
        })
        .await;
    }

    /// Has the runtime wake us for the next timer.
    fn arm(
        &mut self,
        mut sleep: Pin<&mut Sleep>,
        armed: &mut Option<Instant>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(next) = self.core.wheel.next() else { return Poll::Pending };
        if *armed != Some(next) {
            sleep.as_mut().reset(next.into());
            *armed = Some(next);
        }
        if sleep.poll(context).is_ready() {
            *armed = None;
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// One round; whether it was the last.
    fn round(&mut self, context: &mut Context<'_>) -> bool {
        self.core.now = Instant::now();
        let mut queue = std::mem::take(&mut self.queue);
        self.core.ready.take(&mut queue, context.waker());
        for place in &queue {
            match place.checked_sub(LISTENERS) {
                Some(index) => {
                    if let Some(key) = self.core.conns.key_at(index) {
                        self.socket_ready(key);
                    }
                }
                None => self.accept(*place as usize),
            }
        }
        self.queue = queue;
        self.timers();
        let mut messages = std::mem::take(&mut self.messages);
        self.inbox.take(&mut messages, context.waker());
        for message in messages.drain(..) {
            self.handler.message(&mut control!(self), message);
        }
        self.messages = messages;
        self.settle();
        self.report_octets();
        self.core.drain_until.is_some_and(|until| self.core.accepted == 0 || until <= self.core.now)
    }

    /// Does what follows from what has happened until nothing more does, and writes. What still goes on after many turns is left to
    /// the next round, so that one busy pair of connections does not keep the others waiting.
    fn settle(&mut self) {
        for _ in 0..TURNS {
            if self.follow_up() {
                continue;
            }
            let mut dirty = std::mem::take(&mut self.core.work.dirty);
            let mut quiet = dirty.is_empty();
            for key in dirty.drain(..) {
                self.core.flush(key);
            }
            put_back(&mut self.core.work.dirty, dirty);
            let mut drained = std::mem::take(&mut self.core.work.drained);
            quiet &= drained.is_empty();
            for key in drained.drain(..) {
                self.drained(key);
            }
            put_back(&mut self.core.work.drained, drained);
            if quiet {
                return;
            }
        }
        self.core.ready.push(NOBODY);
    }

    /// One turn of what follows before anything is written; whether there was anything.
    fn follow_up(&mut self) -> bool {
        let work = &mut self.core.work;
        if work.over.is_empty()
            && work.again.is_empty()
            && work.doomed.is_empty()
            && self.core.actions.is_empty()
        {
            return false;
        }
        let mut over = std::mem::take(&mut self.core.work.over);
        for key in over.drain(..) {
            self.finish(key);
        }
        put_back(&mut self.core.work.over, over);
        for action in std::mem::take(&mut self.core.actions) {
            self.act(action);
        }
        let mut again = std::mem::take(&mut self.core.work.again);
        for key in again.drain(..) {
            if let Some(conn) = self.core.conns.get_mut(key) {
                conn.state.again = false;
            }
            self.look_again(key);
        }
        put_back(&mut self.core.work.again, again);
        let mut doomed = std::mem::take(&mut self.core.work.doomed);
        for key in doomed.drain(..) {
            self.reap(key);
        }
        put_back(&mut self.core.work.doomed, doomed);
        true
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::ResumeConn(key) => {
                let waits = |conn: &Conn| {
                    matches!(&conn.stage, Stage::Deciding(Deciding { awaited: Awaited::Resume, .. }))
                };
                if self.core.conns.get(key).is_some_and(waits) {
                    self.advance(key, Progress::Resumed);
                }
            }
            Action::ResumeExchange(key) => self.resume(key, Woken::Resumed),
            Action::CloseConn(key, reason) => {
                self.close_reason(key, reason);
                self.close_gracefully(key);
            }
            Action::AddedEndpoint(key) => self.ensure(key),
            Action::RemovedEndpoint(key) => self.endpoint_removed(key),
            Action::Drain(grace) => self.begin_drain(grace),
        }
    }

    /// Ends an accepted connection as soon as what is in flight on it is done.
    fn close_gracefully(&mut self, key: Key) {
        let Some(conn) = self.core.conns.get_mut(key).filter(|conn| conn.origin == Origin::Accepted) else {
            return;
        };
        match &mut conn.stage {
            Stage::Http1Server(server) => {
                server.reuse = crate::http1::Reuse::Close;
                if let Some(head) = &mut server.head {
                    head.reuse = crate::http1::Reuse::Close;
                }
                if server.exchange.is_none() {
                    self.core.linger(key);
                }
            }
            Stage::Http2(_) => self.end_http2(key),
            Stage::Lingering => {}
            _ => {
                let reason = conn.reason;
                self.core.doom(key, Ending { reason, errno: 0, reset: false });
            }
        }
    }

    fn begin_drain(&mut self, grace: Duration) {
        let until = self.core.now + grace;
        if self.core.drain_until.is_some_and(|known| known <= until) {
            return;
        }
        self.core.drain_until = Some(until);
        self.core.wheel.set(&mut self.drain, until, Target::Drain);
        self.listeners.clear();
        let keys: Vec<Key> = self.core.conns.keys().collect();
        for key in keys {
            let Some(conn) = self.core.conns.get(key).filter(|conn| conn.origin == Origin::Accepted) else {
                continue;
            };
            // A client that has said nothing yet has nothing in flight.
            let silent = matches!(conn.stage, Stage::Deciding(_)) && conn.read == 0;
            if silent || matches!(conn.stage, Stage::Http1Server(_) | Stage::Http2(_)) {
                self.close_gracefully(key);
            }
        }
    }

    fn timers(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        let now = self.core.now;
        self.core.wheel.expire(now, &mut due);
        for target in due.drain(..) {
            match target {
                Target::Conn(key) => self.conn_timer(key),
                Target::Exchange(key) => self.exchange_timer(key),
                Target::Endpoint(key) => self.endpoint_timer(key),
                Target::Second => {
                    self.second = Timer::UNSET;
                    self.core.wheel.set(&mut self.second, now + Duration::from_secs(1), Target::Second);
                    self.handler.tick(&mut control!(self));
                }
                Target::Drain => self.drain = Timer::UNSET,
                Target::Accept => {
                    self.accept = Timer::UNSET;
                    for place in 0..self.listeners.len() {
                        self.accept(place);
                    }
                }
            }
        }
        self.due = due;
    }

    fn conn_timer(&mut self, key: Key) {
        let now = self.core.now;
        let Some(conn) = self.core.conns.get_mut(key) else { return };
        conn.timer = Timer::UNSET;
        match conn.deadline {
            None => return,
            Some(at) if at > now => {
                self.core.set_conn_deadline(key, Some(at));
                return;
            }
            Some(_) => conn.deadline = None,
        }
        match &conn.stage {
            Stage::Deciding(_) => self.deciding_timer(key),
            Stage::Connecting(_) | Stage::Securing(_) => self.connect_failed(key, ConnectError::TimedOut),
            Stage::Http2(_) => self.http2_timer(key),
            Stage::Tunnel(_) => self.tunnel_timer(key),
            Stage::Http1Server(server) => {
                let reason = if server.head_began.is_some() { "header timeout" } else { "idle timeout" };
                if server.exchange.is_none() {
                    self.core.doom(key, Ending { reason: Some(reason), errno: 0, reset: false });
                }
            }
            Stage::Http1Client(client) => {
                if client.exchange.is_none() {
                    self.core.drop_conn(key);
                }
            }
            Stage::Lingering => self.core.drop_conn(key),
        }
    }

    fn accept(&mut self, place: usize) {
        for _ in 0..ACCEPTS {
            let Some(listening) = self.listeners.get(place) else { return };
            let waker = self.core.ready.waker(place as u32).clone();
            let (socket, peer) = match listening.socket.poll_accept(&mut Context::from_waker(&waker)) {
                Poll::Pending => return,
                Poll::Ready(Ok(accepted)) => accepted,
                Poll::Ready(Err(error)) => {
                    let gone = matches!(errno(&error), libc::ECONNABORTED | libc::EPROTO | libc::EINTR);
                    if !gone {
                        tracing::warn!(%error, "nothing can be accepted; trying again in {ACCEPT_PAUSE:?}");
                        let at = self.core.now + ACCEPT_PAUSE;
                        self.core.wheel.set(&mut self.accept, at, Target::Accept);
                        return;
                    }
                    continue;
                }
            };
            let listener = &listening.listener;
            let addresses = socket.local_addr().and_then(|local| {
                configure(&socket, listener.options)?;
                let (peer, local) = (unmapped(peer), unmapped(local));
                let original = original_dst(&socket, peer, local, listener.original)?;
                Ok(Addresses { listener: listener.id, peer, local, original })
            });
            match addresses {
                Ok(addresses) => self.accepted(socket, addresses),
                Err(error) => {
                    tracing::warn!(%peer, %error, "connection without an original destination closed")
                }
            }
        }
        self.core.ready.push(place as u32);
    }

    /// Takes a connection out of the engine.
    fn reap(&mut self, key: Key) {
        let Some(conn) = self.core.conns.get(key) else { return };
        let Some(ending) = conn.ending else { return };
        match &conn.stage {
            Stage::Http2(_) => self.fail_streams(key, Failure::Closed),
            Stage::Http1Server(server) => {
                if let Some(exchange) = server.exchange {
                    self.client_gone(exchange);
                }
            }
            Stage::Http1Client(client) => {
                if let Some(exchange) = client.exchange {
                    self.detach_http1(key, exchange);
                    self.attempt_failed(exchange, Failure::Closed);
                }
            }
            Stage::Tunnel(tunnel) => {
                let tunnel = *tunnel;
                self.tunnel_gone(tunnel, ending);
            }
            Stage::Connecting(purpose) | Stage::Securing(purpose) => {
                // Dropped before it was up, by somebody who has told those who waited.
                let purpose = *purpose;
                self.core.forget_opening(key, purpose);
            }
            Stage::Deciding(_) => self.drop_first_octet(key),
            Stage::Lingering => {}
        }
        let Some(mut conn) = self.core.conns.remove(key) else { return };
        self.core.wheel.cancel(&mut conn.timer);
        for waiter in std::mem::take(&mut conn.waiters) {
            // What they are owed is of no use to a connection that is gone, but to its source.
            self.core.release_owed(waiter, key);
        }
        if ending.reset {
            reset_on_close(&conn.socket);
        }
        for buffer in [conn.out, conn.wire, conn.input, conn.sealed] {
            self.core.pool.give(buffer);
        }
        match conn.origin {
            Origin::Accepted => {
                self.core.accepted -= 1;
                let report = CloseReport {
                    reason: ending.reason.or(conn.reason),
                    errno: ending.errno,
                    read: conn.read,
                    written: conn.written,
                    opened: conn.opened,
                };
                if let Some(data) = self.conn_data.get_mut(key.index as usize).and_then(Option::take) {
                    self.handler.closed(&mut control!(self), data, &report);
                }
            }
            Origin::Endpoint(endpoint) => {
                let up = !matches!(conn.stage, Stage::Connecting(_) | Stage::Securing(_));
                let up_for = up.then(|| self.core.now.saturating_duration_since(conn.opened));
                self.endpoint_lost(endpoint, key, ending.errno, up_for);
            }
        }
    }

    fn report_octets(&mut self) {
        let mut touched = std::mem::take(&mut self.core.work.touched);
        for endpoint in touched.drain(..) {
            let Some(place) = self.core.endpoints.get_mut(endpoint) else { continue };
            let (read, written) = (std::mem::take(&mut place.read), std::mem::take(&mut place.written));
            self.endpoint_event(endpoint, EndpointEvent::Octets { read, written });
        }
        put_back(&mut self.core.work.touched, touched);
        // What a handler has asked for in those calls is done in this round too.
        if !self.core.actions.is_empty() {
            self.settle();
        }
    }
}

/// Gives a list its memory back, behind which something may have been put meanwhile.
fn put_back<T>(place: &mut Vec<T>, mut emptied: Vec<T>) {
    emptied.append(place);
    *place = emptied;
}

/// The largest output of a connection before its feeders are held back, in reads.
pub(super) const DEFAULT_UNWRITTEN: usize = 4 * BUFFER;
