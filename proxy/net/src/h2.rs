//! HTTP/2 (RFC 9113) without input or output: frames, and the state machine of a connection.

pub mod connection;
pub mod error;
pub mod frame;
pub mod message;
pub mod settings;

pub use connection::{Config, Connection, Event, FloodLimits, Origin, Polled, Role, SendError, StreamKey};
pub use error::{ErrorCode, FrameError, Reason, Scope};
pub use frame::{End, Frame, Parsed};
pub use message::Part;
pub use settings::{Settings, SettingsFrame};

/// What a client sends first.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest identifier of a stream.
pub const MAX_STREAM_ID: u32 = (1 << 31) - 1;

/// The largest flow-control window.
pub const MAX_WINDOW: u32 = (1 << 31) - 1;
