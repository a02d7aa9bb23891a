//! What we receive.

use super::stream::{Method, Side, Stream};
use super::{
    Closing, Connection, Event, FAREWELL, INITIAL_WINDOW, Leaving, Origin, PeerSettings, Pending, Phase,
    Polled, Role, StreamKey,
};
use crate::h2::error::{ErrorCode, FrameError, Reason, Scope};
use crate::h2::frame::{self, Block, End, Frame, Parsed};
use crate::h2::message::{self, Checked, Part};
use crate::h2::settings::{Sender, SettingsFrame};
use crate::h2::{MAX_WINDOW, PREFACE};
use crate::headers::HeaderList;
use crate::hpack::Decoded;

/// CONTINUATION frames that a block may need at most.
const MAX_PIECES: u32 = 32;

/// An event before it borrows the header list.
enum Outcome<'i> {
    Nothing,
    Headers { stream: StreamKey, token: u32, part: Part, end: End },
    TooLarge { stream: StreamKey, end: End },
    Data { stream: StreamKey, token: u32, data: &'i [u8], end: End },
    Reset { stream: StreamKey, token: u32, code: ErrorCode, by: Origin },
    GoAway { code: ErrorCode, debug: &'i [u8] },
    Settings,
    Pong([u8; 8]),
}

impl Connection {
    /// Handles frames at the start of `input` until one is an event or no whole frame is left.
    ///
    /// # Errors
    /// When the connection has to end: GOAWAY is in `out`; write it and close. Every later call fails alike.
    #[inline]
    pub fn poll<'a>(
        &mut self,
        input: &'a [u8],
        fields: &mut HeaderList,
        out: &mut Vec<u8>,
    ) -> Result<Polled<'a>, FrameError> {
        let (consumed, outcome) = match self.advance(input, fields, out) {
            Ok(step) => step,
            Err(error) => {
                if !matches!(self.phase, Phase::Failed(_)) {
                    frame::write_go_away(self.highest, error.code, error.reason.label().as_bytes(), out);
                    self.phase = Phase::Failed(error);
                }
                return Err(error);
            }
        };
        let event = match outcome {
            Outcome::Nothing => None,
            Outcome::Headers { stream, token, part, end } => {
                Some(Event::Headers { stream, token, part, end })
            }
            Outcome::TooLarge { stream, end } => Some(Event::HeadersTooLarge { stream, end }),
            Outcome::Data { stream, token, data, end } => Some(Event::Data { stream, token, data, end }),
            Outcome::Reset { stream, token, code, by } => Some(Event::Reset { stream, token, code, by }),
            Outcome::GoAway { code, debug } => Some(Event::GoAway { code, debug }),
            Outcome::Settings => Some(Event::Settings),
            Outcome::Pong(opaque) => Some(Event::Pong(opaque)),
        };
        Ok(Polled { consumed, event })
    }

    fn advance<'i>(
        &mut self,
        input: &'i [u8],
        fields: &mut HeaderList,
        out: &mut Vec<u8>,
    ) -> Result<(usize, Outcome<'i>), FrameError> {
        if let Some(Pending { stream, token, code, by }) = self.events.pop_front() {
            return Ok((0, Outcome::Reset { stream, token, code, by }));
        }
        let mut consumed = 0;
        match self.phase {
            Phase::Failed(error) => return Err(error),
            Phase::Preface => {
                let length = input.len().min(PREFACE.len());
                if input[..length] != PREFACE[..length] {
                    return Err(FrameError::protocol(Reason::BadPreface));
                }
                if length < PREFACE.len() {
                    return Ok((0, Outcome::Nothing));
                }
                consumed = length;
                self.phase = Phase::FirstSettings;
            }
            Phase::FirstSettings | Phase::Open => {}
        }
        loop {
            let (result, taken) = match frame::parse(&input[consumed..], self.config.settings.max_frame_size)
            {
                Parsed::Partial { .. } => return Ok((consumed, Outcome::Nothing)),
                Parsed::Frame(frame, taken) => (self.handle(frame, fields, out), taken),
                Parsed::Bad(error, taken) => (self.bad_frame(error), taken),
            };
            consumed += taken;
            let outcome = match result {
                Ok(outcome) => outcome,
                Err(error) => self.stream_error(error, out)?,
            };
            if !matches!(outcome, Outcome::Nothing) {
                return Ok((consumed.min(input.len()), outcome));
            }
        }
    }

    /// An error within a frame must not hide that the frame should not be there at all.
    fn bad_frame<'i>(&mut self, error: FrameError) -> Result<Outcome<'i>, FrameError> {
        if self.phase == Phase::FirstSettings {
            return Err(FrameError::protocol(Reason::SettingsMissing));
        }
        if self.block.end.is_some() {
            return Err(FrameError::protocol(Reason::ContinuationExpected));
        }
        Err(error)
    }

    /// Resets the stream of an error that reaches no further.
    fn stream_error<'i>(&mut self, error: FrameError, out: &mut Vec<u8>) -> Result<Outcome<'i>, FrameError> {
        let Scope::Stream(id) = error.scope else { return Err(error) };
        self.budgets.spend(Reason::StreamErrorFlood)?;
        frame::write_reset(id, error.code, out);
        let Some(stream) = self.key_of(id) else { return Ok(Outcome::Nothing) };
        let token = self.token(stream).unwrap_or_default();
        self.remove(stream, Closing::ResetByUs);
        Ok(Outcome::Reset { stream, token, code: error.code, by: Origin::Us })
    }

    #[inline]
    fn handle<'i>(
        &mut self,
        frame: Frame<'i>,
        fields: &mut HeaderList,
        out: &mut Vec<u8>,
    ) -> Result<Outcome<'i>, FrameError> {
        if self.phase == Phase::FirstSettings {
            if !matches!(frame, Frame::Settings(_)) {
                return Err(FrameError::protocol(Reason::SettingsMissing));
            }
            self.phase = Phase::Open;
        }
        if self.block.end.is_some()
            && !matches!(frame, Frame::Continuation { stream, .. } if stream == self.block.stream)
        {
            return Err(FrameError::protocol(Reason::ContinuationExpected));
        }
        match frame {
            Frame::Data { stream, data, flow, end } => self.data(stream, data, flow, end, out),
            Frame::Headers { stream, block, end, rest: Block::Whole } => {
                self.headers(stream, block, end, fields)
            }
            Frame::Headers { stream, block, end, rest: Block::Open } => {
                self.block.stream = stream;
                self.block.end = Some(end);
                self.block.pieces = 0;
                self.block.bytes.clear();
                self.assemble(block)?;
                Ok(Outcome::Nothing)
            }
            Frame::Continuation { block, rest, .. } => self.continuation(block, rest, fields),
            Frame::WindowUpdate { stream, increment } => self.window_update(stream, increment),
            Frame::Reset { stream, code } => self.peer_reset(stream, code),
            Frame::Settings(settings) => self.settings(settings, out),
            Frame::SettingsAck => self.settings_ack(),
            Frame::Ping(opaque) => {
                self.budgets.spend(Reason::PingFlood)?;
                frame::write_ping(opaque, frame::ACK, out);
                Ok(Outcome::Nothing)
            }
            Frame::Pong(opaque) => self.pong(opaque, out),
            Frame::GoAway { last_stream, code, debug } => self.go_away(last_stream, code, debug),
            Frame::PushPromise { .. } => Err(FrameError::protocol(Reason::PushPromise)),
            Frame::Priority { .. } | Frame::Unknown { .. } => {
                self.budgets.spend(Reason::IgnoredFlood)?;
                Ok(Outcome::Nothing)
            }
        }
    }

    /// The stream whose header block has begun and not ended, if there is one.
    pub fn open_block(&self) -> Option<u32> {
        self.block.end.map(|_| self.block.stream)
    }

    fn continuation<'i>(
        &mut self,
        block: &[u8],
        rest: Block,
        fields: &mut HeaderList,
    ) -> Result<Outcome<'i>, FrameError> {
        let Some(end) = self.block.end else {
            return Err(FrameError::protocol(Reason::ContinuationUnexpected));
        };
        self.assemble(block)?;
        if rest == Block::Open {
            return Ok(Outcome::Nothing);
        }
        self.block.end = None;
        let bytes = std::mem::take(&mut self.block.bytes);
        self.headers(self.block.stream, &bytes, end, fields)
    }

    /// Keeps a piece of a block. What is compressed may be as large as what it is allowed to become.
    fn assemble(&mut self, piece: &[u8]) -> Result<(), FrameError> {
        self.block.pieces += 1;
        let limit = self.config.headers.list_size.max(self.config.settings.max_frame_size as usize) * 2;
        if self.block.pieces > MAX_PIECES || self.block.bytes.len() + piece.len() > limit {
            return Err(FrameError::flood(Reason::ContinuationFlood));
        }
        self.block.bytes.extend_from_slice(piece);
        Ok(())
    }

    fn headers<'i>(
        &mut self,
        id: u32,
        block: &[u8],
        end: End,
        fields: &mut HeaderList,
    ) -> Result<Outcome<'i>, FrameError> {
        fields.clear();
        let decoded = self
            .decoder
            .decode(block, self.config.headers, fields)
            .map_err(|_| FrameError::connection(ErrorCode::COMPRESSION_ERROR, Reason::Compression))?;
        match self.key_of(id) {
            Some(key) => self.later_headers(key, decoded, end, fields),
            None if self.is_new(id) => self.request(id, decoded, end, fields),
            None => self.late_headers(id, end),
        }
    }

    fn is_new(&self, id: u32) -> bool {
        self.role == Role::Server && id % 2 == 1 && id > self.highest
    }

    fn is_idle(&self, id: u32) -> bool {
        match self.role {
            Role::Server => id.is_multiple_of(2) || id > self.highest,
            Role::Client => id.is_multiple_of(2) || id >= self.next_id,
        }
    }

    fn request<'i>(
        &mut self,
        id: u32,
        decoded: Decoded,
        end: End,
        fields: &HeaderList,
    ) -> Result<Outcome<'i>, FrameError> {
        self.highest = id;
        if matches!(self.leaving, Leaving::Final(last) if id > last) {
            // The peer knows from our GOAWAY that nobody will answer.
            self.budgets.spend(Reason::IgnoredFlood)?;
            self.remember(id, Closing::ResetByUs);
            return Ok(Outcome::Nothing);
        }
        let fail = |code, reason| Err(FrameError::stream(id, code, reason));
        if self.streams.len() >= self.config.settings.max_concurrent_streams as usize {
            self.remember(id, Closing::ResetByUs);
            return fail(ErrorCode::REFUSED_STREAM, Reason::TooManyStreams);
        }
        let mut window = self.config.settings.initial_window_size;
        if self.unacknowledged > 0 {
            window = window.max(INITIAL_WINDOW);
        }
        let mut stream = Stream::new(id, self.peer.initial_window_size, window);
        stream.remote = Side::after(end);
        if decoded == Decoded::OverLimit {
            let stream = self.insert(stream);
            return Ok(Outcome::TooLarge { stream, end });
        }
        let checked = match message::check_request(fields, self.config.settings.extended_connect) {
            Ok(checked) if !is_short(checked.content_length, end) => checked,
            _ => {
                self.remember(id, Closing::ResetByUs);
                return fail(ErrorCode::PROTOCOL_ERROR, Reason::MalformedHeaders);
            }
        };
        stream.expected = checked.content_length;
        if fields.get(0).is_some_and(|first| first.value == b"HEAD")
            || fields.value(b":method") == Some(b"HEAD")
        {
            stream.method = Method::Head;
        }
        let stream = self.insert(stream);
        Ok(Outcome::Headers { stream, token: 0, part: Part::Request, end })
    }

    fn later_headers<'i>(
        &mut self,
        key: StreamKey,
        decoded: Decoded,
        end: End,
        fields: &HeaderList,
    ) -> Result<Outcome<'i>, FrameError> {
        let id = key.id;
        let malformed = |reason| FrameError::stream(id, ErrorCode::PROTOCOL_ERROR, reason);
        let role = self.role;
        let Some(stream) = self.streams.get_mut(key.index as usize) else {
            return Ok(Outcome::Nothing);
        };
        if stream.remote == Side::Done {
            return Err(FrameError::stream(id, ErrorCode::STREAM_CLOSED, Reason::StreamClosed));
        }
        if decoded == Decoded::OverLimit {
            return Err(malformed(Reason::HeadersTooLarge));
        }
        if stream.remote == Side::Body {
            message::check_trailers(fields).map_err(|_| malformed(Reason::MalformedTrailers))?;
            if end == End::More {
                return Err(malformed(Reason::MalformedTrailers));
            }
            if stream.expected.is_some_and(|left| left > 0) {
                return Err(malformed(Reason::ContentLength));
            }
            stream.remote = Side::Done;
            let token = stream.token;
            self.remove_if_done(key);
            return Ok(Outcome::Headers { stream: key, token, part: Part::Trailers, end });
        }
        debug_assert_eq!(role, Role::Client, "a server's streams begin with their request");
        let Checked { part, content_length, status } =
            message::check_response(fields).map_err(|_| malformed(Reason::MalformedHeaders))?;
        if part == Part::Informational {
            if end == End::Stream {
                return Err(malformed(Reason::MalformedHeaders));
            }
            return Ok(Outcome::Headers { stream: key, token: stream.token, part, end });
        }
        let bodyless = stream.method == Method::Head || status == 304 || status == 204;
        stream.expected = if bodyless { Some(0) } else { content_length };
        if is_short(stream.expected, end) {
            return Err(malformed(Reason::ContentLength));
        }
        stream.remote = Side::after(end);
        let token = stream.token;
        self.remove_if_done(key);
        Ok(Outcome::Headers { stream: key, token, part, end })
    }

    /// HEADERS of a stream that is not open: its block has been decoded, for the tables.
    fn late_headers<'i>(&mut self, id: u32, _end: End) -> Result<Outcome<'i>, FrameError> {
        match self.closing_of(id) {
            Some(Closing::ResetByUs) => {
                self.budgets.spend(Reason::IgnoredFlood)?;
                Ok(Outcome::Nothing)
            }
            Some(Closing::ResetByPeer) => {
                Err(FrameError::stream(id, ErrorCode::STREAM_CLOSED, Reason::StreamClosed))
            }
            Some(Closing::Ended) => {
                Err(FrameError::connection(ErrorCode::STREAM_CLOSED, Reason::StreamClosed))
            }
            None if self.role == Role::Client && !self.is_idle(id) => {
                Err(FrameError::stream(id, ErrorCode::STREAM_CLOSED, Reason::StreamClosed))
            }
            None => Err(FrameError::protocol(Reason::StreamId)),
        }
    }

    #[inline]
    fn data<'i>(
        &mut self,
        id: u32,
        data: &'i [u8],
        flow: u32,
        end: End,
        out: &mut Vec<u8>,
    ) -> Result<Outcome<'i>, FrameError> {
        if self.is_idle(id) {
            return Err(FrameError::protocol(Reason::StreamIdle));
        }
        self.recv_window -= i64::from(flow);
        if self.recv_window < 0 {
            return Err(FrameError::connection(ErrorCode::FLOW_CONTROL_ERROR, Reason::FlowControl));
        }
        let Some(key) = self.key_of(id) else {
            return self.late_data(id, flow, out);
        };
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.came(flow);
        }
        // Streams that nobody reads stop themselves by their own windows; they must not stop the others.
        self.release_connection(flow, out);
        if data.is_empty() && end == End::More {
            self.budgets.spend(Reason::EmptyDataFlood)?;
        }
        let result = self.data_of(key, data, flow, end);
        // What no event carries is given back here.
        let unseen = flow - data.len() as u32;
        if unseen > 0 && result.is_ok() {
            self.release(key, unseen as usize, out);
        }
        result?;
        let token = self.token(key).unwrap_or_default();
        self.remove_if_done(key);
        if data.is_empty() && end == End::More {
            return Ok(Outcome::Nothing);
        }
        Ok(Outcome::Data { stream: key, token, data, end })
    }

    fn data_of(&mut self, key: StreamKey, data: &[u8], flow: u32, end: End) -> Result<(), FrameError> {
        let Some(stream) = self.stream_mut(key) else { return Ok(()) };
        let fail = |code, reason| Err(FrameError::stream(key.id, code, reason));
        match stream.remote {
            Side::Done => return fail(ErrorCode::STREAM_CLOSED, Reason::StreamClosed),
            Side::Head => return fail(ErrorCode::PROTOCOL_ERROR, Reason::MalformedHeaders),
            Side::Body => {}
        }
        stream.recv_window -= i64::from(flow);
        if stream.recv_window < 0 {
            return fail(ErrorCode::FLOW_CONTROL_ERROR, Reason::FlowControl);
        }
        if let Some(left) = &mut stream.expected {
            match left.checked_sub(data.len() as u64) {
                Some(rest) if rest == 0 || end == End::More => *left = rest,
                _ => return fail(ErrorCode::PROTOCOL_ERROR, Reason::ContentLength),
            }
        }
        if end == End::Stream {
            stream.remote = Side::Done;
        }
        Ok(())
    }

    fn late_data<'i>(&mut self, id: u32, flow: u32, out: &mut Vec<u8>) -> Result<Outcome<'i>, FrameError> {
        self.release_connection(flow, out);
        match self.closing_of(id) {
            Some(Closing::ResetByUs) => {
                // As much as its window held may be on the way; empty frames cost a budget.
                if flow == 0 {
                    self.budgets.spend(Reason::EmptyDataFlood)?;
                }
                Ok(Outcome::Nothing)
            }
            Some(Closing::Ended) => {
                Err(FrameError::connection(ErrorCode::STREAM_CLOSED, Reason::StreamClosed))
            }
            Some(Closing::ResetByPeer) | None => {
                Err(FrameError::stream(id, ErrorCode::STREAM_CLOSED, Reason::StreamClosed))
            }
        }
    }

    fn window_update<'i>(&mut self, id: u32, increment: u32) -> Result<Outcome<'i>, FrameError> {
        self.budgets.spend(Reason::WindowFlood)?;
        let increment = i64::from(increment);
        if id == 0 {
            self.send_window += increment;
            if self.send_window > i64::from(MAX_WINDOW) {
                return Err(FrameError::connection(ErrorCode::FLOW_CONTROL_ERROR, Reason::WindowOverflow));
            }
        } else if let Some(stream) = self.key_of(id).and_then(|key| self.stream_mut(key)) {
            stream.send_window += increment;
            if stream.send_window > i64::from(MAX_WINDOW) {
                return Err(FrameError::stream(id, ErrorCode::FLOW_CONTROL_ERROR, Reason::WindowOverflow));
            }
        } else if self.is_idle(id) {
            return Err(FrameError::protocol(Reason::StreamIdle));
        }
        self.unblock(id);
        Ok(Outcome::Nothing)
    }

    fn peer_reset<'i>(&mut self, id: u32, code: ErrorCode) -> Result<Outcome<'i>, FrameError> {
        if self.is_idle(id) {
            return Err(FrameError::protocol(Reason::StreamIdle));
        }
        if self.role == Role::Server {
            self.budgets.spend(Reason::RapidReset)?;
        }
        let Some(stream) = self.key_of(id) else {
            // What crossed our reset was excused; a peer that has reset the stream too has no more to say (RFC 9113 §5.1).
            let known = self.closed.iter_mut().rev().find(|(closed, _)| *closed == id);
            if let Some((_, closing @ Closing::ResetByUs)) = known {
                *closing = Closing::ResetByPeer;
            }
            return Ok(Outcome::Nothing);
        };
        let token = self.token(stream).unwrap_or_default();
        self.remove(stream, Closing::ResetByPeer);
        Ok(Outcome::Reset { stream, token, code, by: Origin::Peer })
    }

    fn settings<'i>(
        &mut self,
        frame: SettingsFrame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Outcome<'i>, FrameError> {
        self.budgets.spend(Reason::SettingsFlood)?;
        let before = self.peer;
        if self.peer_settings == PeerSettings::Assumed {
            self.peer_settings = PeerSettings::Known;
            self.peer.max_concurrent_streams = u32::MAX;
        }
        let from = if self.role == Role::Server { Sender::Client } else { Sender::Server };
        frame.apply(from, &mut self.peer)?;
        if self.peer.header_table_size != before.header_table_size {
            self.encoder.set_table_size(self.peer.header_table_size);
        }
        let change = i64::from(self.peer.initial_window_size) - i64::from(before.initial_window_size);
        if change != 0 {
            for (_, stream) in &mut self.streams {
                stream.send_window += change;
                if stream.send_window > i64::from(MAX_WINDOW) {
                    return Err(FrameError::connection(
                        ErrorCode::FLOW_CONTROL_ERROR,
                        Reason::WindowOverflow,
                    ));
                }
            }
            if change > 0 {
                self.unblock(0);
            }
        }
        frame::write_settings_ack(out);
        Ok(Outcome::Settings)
    }

    fn settings_ack<'i>(&mut self) -> Result<Outcome<'i>, FrameError> {
        self.unacknowledged =
            self.unacknowledged.checked_sub(1).ok_or(FrameError::protocol(Reason::SettingsAck))?;
        self.decoder.acknowledge_table_size(self.config.settings.header_table_size);
        Ok(Outcome::Nothing)
    }

    fn pong<'i>(&mut self, opaque: [u8; 8], out: &mut Vec<u8>) -> Result<Outcome<'i>, FrameError> {
        self.budgets.spend(Reason::PingFlood)?;
        if opaque == FAREWELL && self.leaving == Leaving::Announced {
            frame::write_go_away(self.highest, ErrorCode::NO_ERROR, b"", out);
            self.leaving = Leaving::Final(self.highest);
            return Ok(Outcome::Nothing);
        }
        if self.adaptive.as_mut().is_some_and(|adaptive| adaptive.answered(opaque)) {
            return Ok(Outcome::Nothing);
        }
        Ok(Outcome::Pong(opaque))
    }

    fn go_away<'i>(
        &mut self,
        last: u32,
        code: ErrorCode,
        debug: &'i [u8],
    ) -> Result<Outcome<'i>, FrameError> {
        self.budgets.spend(Reason::SettingsFlood)?;
        if self.peer_last.is_some_and(|before| last > before) {
            return Err(FrameError::protocol(Reason::GoAwayRaised));
        }
        self.peer_last = Some(last);
        if self.role == Role::Client {
            let unprocessed: Vec<StreamKey> = self.keys().filter(|key| key.id > last).collect();
            for stream in unprocessed {
                let token = self.token(stream).unwrap_or_default();
                self.remove(stream, Closing::ResetByPeer);
                let code = ErrorCode::REFUSED_STREAM;
                self.events.push_back(Pending { stream, token, code, by: Origin::Peer });
            }
        }
        Ok(Outcome::GoAway { code, debug })
    }

    fn closing_of(&self, id: u32) -> Option<Closing> {
        self.closed.iter().rev().find(|(closed, _)| *closed == id).map(|(_, closing)| *closing)
    }

    /// Notes a stream that ends before it is in the slab.
    fn remember(&mut self, id: u32, closing: Closing) {
        if self.closed.len() == super::REMEMBERED {
            self.closed.pop_front();
        }
        self.closed.push_back((id, closing));
    }
}

/// Whether a message ends at its head although content was announced.
fn is_short(announced: Option<u64>, end: End) -> bool {
    end == End::Stream && announced.is_some_and(|length| length > 0)
}
