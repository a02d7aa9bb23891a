//! Receive windows that grow with what a path can carry, measured by pings.
//!
//! A sender that fills its window has to wait for a round trip. So what one stream has taken in during a round trip is compared
//! with the window: where it is half of it or more, the window was the limit, and it is doubled up to a bound. Only octets that
//! were given back count, so a stream that nobody reads makes no window grow, however fast its peer sends.

use std::time::{Duration, Instant};

use super::Connection;
use super::stream::{Side, Stream};
use crate::h2::{frame, settings};

/// Measures round trips, and what passes in one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adaptive {
    /// Octets that the window of a stream may grow to.
    most: u32,
    probe: Probe,
    /// Which measurement runs; a stream's count belongs to the one it carries.
    epoch: u32,
    /// The most octets that one stream was given back in the present measurement.
    stream: u32,
    /// Octets that came in the present measurement on all streams.
    connection: u32,
    pause: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// None runs; the next may begin at this time, or with the first octets.
    Rests(Option<Instant>),
    /// A ping is out since then.
    Runs(Instant),
    /// Its answer is there.
    Answered(Instant),
}

/// The opaque data of the pings that measure.
const PING: [u8; 8] = *b"measure.";

/// Between two measurements: at least, and at most where nothing grows.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How much larger the connection's window may become than that of a stream.
const STREAMS: u32 = 4;

// === impl Adaptive ===

impl Adaptive {
    pub(super) fn new(most: u32) -> Self {
        Self { most, probe: Probe::Rests(None), epoch: 0, stream: 0, connection: 0, pause: PAUSE.0 }
    }

    /// Octets have come.
    #[inline]
    pub(super) fn came(&mut self, octets: u32) {
        self.connection = self.connection.saturating_add(octets);
    }

    /// Octets of a stream have been given back.
    #[inline]
    pub(super) fn passed(&mut self, stream: &mut Stream, octets: u32) {
        if stream.epoch != self.epoch {
            stream.epoch = self.epoch;
            stream.passed = 0;
        }
        stream.passed = stream.passed.saturating_add(octets);
        self.stream = self.stream.max(stream.passed);
    }

    /// Whether a pong is the answer to a measurement.
    pub(super) fn answered(&mut self, opaque: [u8; 8]) -> bool {
        match self.probe {
            Probe::Runs(since) if opaque == PING => {
                self.probe = Probe::Answered(since);
                true
            }
            _ => false,
        }
    }
}

// === impl Connection ===

impl Connection {
    /// Goes on with the measurement of the path, if the configuration asks for one; to be called when what was read has been
    /// polled. Whether settings were sent, which the peer has to acknowledge.
    pub fn adapt(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let Some(adaptive) = &mut self.adaptive else { return false };
        match adaptive.probe {
            Probe::Rests(at) if adaptive.connection > 0 && at.is_none_or(|at| at <= now) => {
                adaptive.probe = Probe::Runs(now);
                adaptive.epoch = adaptive.epoch.wrapping_add(1);
                (adaptive.stream, adaptive.connection) = (0, 0);
                frame::write_ping(PING, 0, out);
                false
            }
            Probe::Rests(_) | Probe::Runs(_) => false,
            Probe::Answered(since) => {
                let trip = now.saturating_duration_since(since);
                let (stream, connection) = (adaptive.stream, adaptive.connection);
                (adaptive.stream, adaptive.connection) = (0, 0);
                let most = adaptive.most;
                let grown = self.grow(stream, connection, most, out);
                if let Some(adaptive) = &mut self.adaptive {
                    let pause = if grown { PAUSE.0 } else { (adaptive.pause * 2).min(PAUSE.1) };
                    adaptive.pause = pause;
                    adaptive.probe = Probe::Rests(Some(now + pause.max(trip)));
                }
                grown
            }
        }
    }

    /// Doubles the windows that were the limit.
    fn grow(&mut self, stream: u32, connection: u32, most: u32, out: &mut Vec<u8>) -> bool {
        // Windows are announced by halves, so at least a half passes in each round trip where the window is the limit.
        let is_limit = |octets: u32, window: u32| u64::from(octets) * 2 >= u64::from(window);
        let whole = self.config.connection_window;
        let bound = most.saturating_mul(STREAMS).min(crate::h2::MAX_WINDOW);
        if is_limit(connection, whole) && whole < bound {
            let wider = whole.saturating_mul(2).min(bound);
            frame::write_window_update(0, wider - whole, out);
            self.recv_window += i64::from(wider - whole);
            self.config.connection_window = wider;
        }
        let window = self.config.settings.initial_window_size;
        if !is_limit(stream, window) || window >= most {
            return false;
        }
        let wider = window.saturating_mul(2).min(most);
        settings::write_initial_window(wider, out);
        self.unacknowledged += 1;
        self.config.settings.initial_window_size = wider;
        for (_, stream) in self.streams.iter_mut().filter(|(_, stream)| stream.remote != Side::Done) {
            // The peer adds as much to each of its own when it learns of it.
            stream.recv_window += i64::from(wider - window);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Event, StreamKey};
    use super::*;
    use crate::h2::frame::End;
    use crate::headers::HeaderList;

    const MOST: u32 = 1 << 20;
    const TRIP: Duration = Duration::from_millis(50);

    /// A client that sends one body to a server that adapts, in rounds of one trip each.
    struct Path {
        client: Connection,
        server: Connection,
        /// What is on its way to each.
        to_client: Vec<u8>,
        to_server: Vec<u8>,
        stream: StreamKey,
        now: Instant,
    }

    impl Path {
        fn new() -> Self {
            let config = Config { adaptive: Some(MOST), ..Config::default() };
            let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
            let mut client = Connection::client(Config::default(), &mut to_server);
            let server = Connection::server(config, &mut to_client);
            let mut request = HeaderList::new();
            for (name, value) in
                [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
            {
                request.push(name.as_bytes(), value.as_bytes());
            }
            let stream = client.open(request.iter(), End::More, &mut to_server).unwrap();
            Self { client, server, to_client, to_server, stream, now: Instant::now() }
        }

        /// The client sends what it may, at most so much; the server gives it back if it is read. How much was sent.
        fn round(&mut self, most: usize, reads: bool) -> usize {
            let body = vec![0; most];
            let sent = self.client.send_data(self.stream, &body, End::More, &mut self.to_server).unwrap();
            self.now += TRIP;
            let mut fields = HeaderList::new();
            let (input, mut at) = (std::mem::take(&mut self.to_server), 0);
            loop {
                let polled = self.server.poll(&input[at..], &mut fields, &mut self.to_client).unwrap();
                at += polled.consumed;
                match polled.event {
                    None => break,
                    Some(Event::Data { stream, data, .. }) if reads => {
                        let octets = data.len();
                        self.server.release(stream, octets, &mut self.to_client);
                    }
                    Some(_) => {}
                }
            }
            self.server.adapt(self.now, &mut self.to_client);
            let (input, mut at) = (std::mem::take(&mut self.to_client), 0);
            loop {
                let polled = self.client.poll(&input[at..], &mut fields, &mut self.to_server).unwrap();
                at += polled.consumed;
                if polled.event.is_none() {
                    break;
                }
            }
            sent
        }

        fn window(&self) -> u32 {
            self.server.config.settings.initial_window_size
        }
    }

    #[test]
    fn a_window_that_limits_a_transfer_grows_to_the_bound_and_no_further() {
        let mut path = Path::new();
        assert_eq!(path.round(8 << 20, true), 65_535);
        let sent = (0..60).map(|_| path.round(8 << 20, true)).max().unwrap();
        assert_eq!(path.window(), MOST);
        assert!(sent > 500_000, "{sent} octets in a round trip");
        assert!(path.server.is_acknowledged() && path.server.config.connection_window <= MOST * STREAMS);
    }

    #[test]
    fn what_nobody_reads_makes_no_window_grow() {
        let mut path = Path::new();
        let sent: usize = (0..60).map(|_| path.round(8 << 20, false)).sum();
        assert_eq!((path.window(), sent), (65_535, 65_535));
    }

    #[test]
    fn a_slow_sender_makes_no_window_grow_and_is_pinged_less_and_less() {
        let mut path = Path::new();
        let mut pings = 0;
        for _ in 0..2000 {
            let before = path.server.adaptive.unwrap().epoch;
            path.round(1000, true);
            pings += path.server.adaptive.unwrap().epoch - before;
        }
        assert_eq!(path.window(), 65_535);
        assert!((8..25).contains(&pings), "{pings} pings in 100 seconds");
    }
}
