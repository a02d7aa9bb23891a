//! What we send.

use super::stream::{Method, Side, Stream, Waiting};
use super::{Closing, Connection, StreamKey};
use crate::h2::error::ErrorCode;
use crate::h2::frame::{self, End};
use crate::headers::Header;

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No stream can be opened now: the peer's limit is reached, or either side is leaving. Use another connection.
    #[error("no stream can be opened on this connection now")]
    NoStream,
    /// The stream is gone.
    #[error("the stream is gone")]
    Gone,
    /// The stream's own side has ended, or its message has not begun.
    #[error("the stream is not in a state to send this")]
    State,
}

impl Connection {
    /// Opens a stream with a request of these fields (pseudo-header fields first, names in lower case).
    ///
    /// # Errors
    /// [`SendError::NoStream`]; [`Self::open_capacity`] says so beforehand.
    pub fn open<'a>(
        &mut self,
        fields: impl IntoIterator<Item = Header<'a>>,
        end: End,
        out: &mut Vec<u8>,
    ) -> Result<StreamKey, SendError> {
        if self.open_capacity() == 0 {
            return Err(SendError::NoStream);
        }
        let id = self.next_id;
        self.next_id += 2;
        let mut stream =
            Stream::new(id, self.peer.initial_window_size, self.config.settings.initial_window_size);
        stream.local = Side::after(end);
        let encoder = &mut self.encoder;
        let method = &mut stream.method;
        frame::write_headers(id, end, self.peer.max_frame_size, out, |out| {
            let seen = fields.into_iter().inspect(|field| {
                if field.name == b":method" && field.value == b"HEAD" {
                    *method = Method::Head;
                }
            });
            encoder.encode(seen, out);
        });
        Ok(self.insert(stream))
    }

    /// Sends a response, an informational response, or trailers (with [`End::Stream`]).
    ///
    /// # Errors
    /// When the stream is gone or its own side has ended.
    pub fn send_headers<'a>(
        &mut self,
        key: StreamKey,
        fields: impl IntoIterator<Item = Header<'a>>,
        end: End,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        let stream = self.stream_mut(key).ok_or(SendError::Gone)?;
        if stream.local == Side::Done || (stream.local == Side::Body && end == End::More) {
            return Err(SendError::State);
        }
        let encoder = &mut self.encoder;
        let mut informational = false;
        frame::write_headers(key.id, end, self.peer.max_frame_size, out, |out| {
            let seen = fields.into_iter().inspect(|field| {
                informational |= field.name == b":status" && field.value.first() == Some(&b'1')
            });
            encoder.encode(seen, out);
        });
        if let Some(stream) = self.stream_mut(key).filter(|_| !informational || end == End::Stream) {
            stream.local = Side::after(end);
        }
        self.remove_if_done(key);
        Ok(())
    }

    /// Sends as much of `data` as the windows allow and returns how much that was; the end is sent with the last octet.
    ///
    /// When not all was taken, [`Self::next_writable`] names the stream once more may be sent.
    ///
    /// # Errors
    /// When the stream is gone, its message has not begun or its own side has ended.
    #[inline]
    pub fn send_data(
        &mut self,
        key: StreamKey,
        data: &[u8],
        end: End,
        out: &mut Vec<u8>,
    ) -> Result<usize, SendError> {
        let max_frame = self.peer.max_frame_size as usize;
        let room = self.send_window.max(0);
        let stream = self
            .streams
            .get_mut(key.index as usize)
            .filter(|stream| stream.id == key.id)
            .ok_or(SendError::Gone)?;
        if stream.local != Side::Body {
            return Err(SendError::State);
        }
        let allowed = usize::try_from(room.min(stream.send_window).max(0)).unwrap_or(0);
        let taken = data.len().min(allowed);
        let all = taken == data.len();
        let mut pieces = data[..taken].chunks(max_frame).peekable();
        while let Some(piece) = pieces.next() {
            let last = if all && pieces.peek().is_none() { end } else { End::More };
            frame::write_data(key.id, piece, last, out);
        }
        if data.is_empty() && end == End::Stream {
            frame::write_data(key.id, b"", end, out);
        }
        stream.send_window -= taken as i64;
        self.send_window -= taken as i64;
        if !all && stream.waiting != Waiting::Blocked {
            stream.waiting = Waiting::Blocked;
            self.blocked.push_back(key);
        }
        if all && end == End::Stream {
            stream.local = Side::Done;
            self.remove_if_done(key);
        }
        Ok(taken)
    }

    /// Octets that [`Self::send_data`] would take now.
    #[must_use]
    pub fn send_capacity(&self, key: StreamKey) -> usize {
        let Some(stream) = self.stream(key) else { return 0 };
        usize::try_from(self.send_window.min(stream.send_window).max(0)).unwrap_or(0)
    }

    /// Whether the window of the whole connection is used up, so that no stream can send content.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.send_window <= 0
    }

    /// The next stream that was held back by a window and may send again.
    pub fn next_writable(&mut self) -> Option<StreamKey> {
        while let Some(key) = self.writable.pop_front() {
            if self.send_capacity(key) == 0 {
                if let Some(stream) = self.stream_mut(key) {
                    stream.waiting = Waiting::Blocked;
                    self.blocked.push_back(key);
                }
                if self.send_window <= 0 {
                    return None;
                }
                continue;
            }
            if let Some(stream) = self.stream_mut(key) {
                stream.waiting = Waiting::No;
                return Some(key);
            }
        }
        None
    }

    /// Ends a stream by an error; nothing more is reported of it.
    pub fn reset(&mut self, key: StreamKey, code: ErrorCode, out: &mut Vec<u8>) {
        if self.stream(key).is_some() {
            frame::write_reset(key.id, code, out);
            self.remove(key, Closing::ResetByUs);
        }
    }

    /// Asks the peer for a sign of life.
    pub fn ping(&mut self, opaque: [u8; 8], out: &mut Vec<u8>) {
        frame::write_ping(opaque, 0, out);
    }

    /// Gives back octets of [`super::Event::Data`] that have left for their target; windows are announced by halves.
    #[inline]
    pub fn release(&mut self, key: StreamKey, octets: usize, out: &mut Vec<u8>) {
        let octets = u32::try_from(octets).unwrap_or(u32::MAX);
        let window = self.config.settings.initial_window_size;
        let Some(stream) = self
            .streams
            .get_mut(key.index as usize)
            .filter(|stream| stream.id == key.id && stream.remote != Side::Done)
        else {
            return;
        };
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.passed(stream, octets);
        }
        stream.recv_pending = stream.recv_pending.saturating_add(octets);
        if stream.recv_pending > 0 && stream.recv_pending >= window / 2 {
            stream.recv_window += i64::from(stream.recv_pending);
            frame::write_window_update(key.id, stream.recv_pending, out);
            stream.recv_pending = 0;
        }
    }

    pub(super) fn release_connection(&mut self, octets: u32, out: &mut Vec<u8>) {
        self.recv_pending = self.recv_pending.saturating_add(octets);
        if self.recv_pending >= self.config.connection_window / 2 {
            self.recv_window += i64::from(self.recv_pending);
            frame::write_window_update(0, self.recv_pending, out);
            self.recv_pending = 0;
        }
    }

    /// Lists one stream, or all, whose window has grown.
    pub(super) fn unblock(&mut self, id: u32) {
        if id == 0 {
            while let Some(key) = self.blocked.pop_front() {
                self.list(key);
            }
        } else if let Some(key) = self.key_of(id) {
            self.list(key);
        }
    }

    fn list(&mut self, key: StreamKey) {
        if let Some(stream) = self.stream_mut(key).filter(|stream| stream.waiting == Waiting::Blocked) {
            stream.waiting = Waiting::Listed;
            self.writable.push_back(key);
        }
    }
}
