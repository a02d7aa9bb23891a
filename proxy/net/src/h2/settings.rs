//! SETTINGS: parameters of an endpoint and the frame that carries them (RFC 9113 §6.5).

use super::error::{ErrorCode, FrameError, Reason};
use super::{MAX_WINDOW, frame};

/// Parameters of one endpoint; the default is what the protocol assumes before any SETTINGS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Octets of the decoder's dynamic table.
    pub header_table_size: u32,
    /// Streams that the peer may have open at once.
    pub max_concurrent_streams: u32,
    /// Octets of data that a new stream accepts.
    pub initial_window_size: u32,
    /// Octets of the longest payload that is accepted, 16,384 to 16,777,215.
    pub max_frame_size: u32,
    /// Octets of the largest header list that is accepted.
    pub max_header_list_size: u32,
    /// Whether extended CONNECT (RFC 8441) is accepted.
    pub extended_connect: ExtendedConnect,
}

/// Whether an endpoint accepts extended CONNECT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtendedConnect {
    /// It does not.
    #[default]
    Off,
    /// It does.
    On,
}

/// The payload of a SETTINGS frame, checked for its length and borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingsFrame<'a>(pub(super) &'a [u8]);

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            header_table_size: 4096,
            max_concurrent_streams: u32::MAX,
            initial_window_size: 65_535,
            max_frame_size: 16_384,
            max_header_list_size: u32::MAX,
            extended_connect: ExtendedConnect::Off,
        }
    }
}

impl Settings {
    /// Appends a SETTINGS frame of what differs from the defaults. Push is always switched off by a client.
    pub fn write(&self, push: PushSetting, out: &mut Vec<u8>) {
        let start = frame::open(frame::kind::SETTINGS, 0, 0, out);
        let default = Self::default();
        let mut put = |id: u16, value: u32| {
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        };
        if push == PushSetting::Disable {
            put(ENABLE_PUSH, 0);
        }
        let fields = [
            (HEADER_TABLE_SIZE, self.header_table_size, default.header_table_size),
            (MAX_CONCURRENT_STREAMS, self.max_concurrent_streams, default.max_concurrent_streams),
            (INITIAL_WINDOW_SIZE, self.initial_window_size, default.initial_window_size),
            (MAX_FRAME_SIZE, self.max_frame_size, default.max_frame_size),
            (MAX_HEADER_LIST_SIZE, self.max_header_list_size, default.max_header_list_size),
        ];
        for (id, value, usual) in fields {
            if value != usual {
                put(id, value);
            }
        }
        if self.extended_connect == ExtendedConnect::On {
            put(ENABLE_CONNECT_PROTOCOL, 1);
        }
        frame::close(start, out);
    }
}

/// Appends a SETTINGS frame that changes the window of streams, and nothing else.
pub(super) fn write_initial_window(octets: u32, out: &mut Vec<u8>) {
    let start = frame::open(frame::kind::SETTINGS, 0, 0, out);
    out.extend_from_slice(&INITIAL_WINDOW_SIZE.to_be_bytes());
    out.extend_from_slice(&octets.to_be_bytes());
    frame::close(start, out);
}

/// Whether a SETTINGS frame says that push is off, as a client's must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushSetting {
    /// Says so.
    Disable,
    /// Does not mention it, as a server's must not.
    Silent,
}

// === impl SettingsFrame ===

impl SettingsFrame<'_> {
    /// Changes `settings` to what the frame says; unknown parameters are ignored.
    ///
    /// # Errors
    /// When a value is outside its range; `settings` may then be changed in part, and the connection has to end.
    pub fn apply(&self, from: Sender, settings: &mut Settings) -> Result<(), FrameError> {
        for entry in self.0.chunks_exact(6) {
            let id = u16::from_be_bytes([entry[0], entry[1]]);
            let value = u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]);
            match id {
                HEADER_TABLE_SIZE => settings.header_table_size = value,
                // A server may say 0, which changes nothing; only a client may ask for push, and we never do push.
                ENABLE_PUSH if value > 1 || (value == 1 && from == Sender::Server) => {
                    return Err(FrameError::protocol(Reason::SettingValue));
                }
                MAX_CONCURRENT_STREAMS => settings.max_concurrent_streams = value,
                INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                    return Err(FrameError::connection(ErrorCode::FLOW_CONTROL_ERROR, Reason::SettingValue));
                }
                INITIAL_WINDOW_SIZE => settings.initial_window_size = value,
                MAX_FRAME_SIZE if !(16_384..=16_777_215).contains(&value) => {
                    return Err(FrameError::protocol(Reason::SettingValue));
                }
                MAX_FRAME_SIZE => settings.max_frame_size = value,
                MAX_HEADER_LIST_SIZE => settings.max_header_list_size = value,
                ENABLE_CONNECT_PROTOCOL => match (value, settings.extended_connect) {
                    (0, ExtendedConnect::Off) => {}
                    (1, _) => settings.extended_connect = ExtendedConnect::On,
                    _ => return Err(FrameError::protocol(Reason::SettingValue)),
                },
                _ => {}
            }
        }
        Ok(())
    }

    /// Number of parameters in the frame.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len() / 6
    }

    /// Whether the frame changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Which side wrote a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The client.
    Client,
    /// The server.
    Server,
}
