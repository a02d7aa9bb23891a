//! Errors of HTTP/2: what went wrong, how far it reaches, and the code that the peer is told.

/// An error code (RFC 9113 §7); unknown ones are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

/// How far an error reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The connection ends with GOAWAY.
    Connection,
    /// The stream ends with `RST_STREAM`; the connection goes on.
    Stream(u32),
}

/// A frame, or a sequence of frames, that breaks the protocol or a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FrameError {
    /// How far it reaches.
    pub scope: Scope,
    /// What the peer is told.
    pub code: ErrorCode,
    /// What was wrong.
    pub reason: Reason,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident = $label:literal, $text:literal;)*) => {
        /// What was wrong, one name for each check; [`label`](Self::label) is the same for metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $doc])* $name,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// A short name for metrics and logs.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// The client did not start with the preface.
    BadPreface = "bad_preface", "the connection does not start with the HTTP/2 preface";
    /// The first frame was not SETTINGS.
    SettingsMissing = "settings_missing", "the first frame is not SETTINGS";
    /// A frame longer than our `SETTINGS_MAX_FRAME_SIZE`.
    FrameTooLong = "frame_too_long", "frame is longer than the announced maximum";
    /// A frame whose length does not fit its type.
    FrameLength = "frame_length", "frame has a length that its type does not allow";
    /// A frame on stream 0 that needs a stream.
    StreamZero = "stream_zero", "frame of this type needs a stream";
    /// A frame on a stream that belongs to stream 0.
    StreamNotZero = "stream_not_zero", "frame of this type belongs to the connection, not to a stream";
    /// Padding as long as the payload or longer.
    Padding = "padding", "padding is longer than the payload";
    /// A setting outside its range.
    SettingValue = "setting_value", "setting has a value outside its range";
    /// A window that grows beyond 2^31-1.
    WindowOverflow = "window_overflow", "flow-control window exceeds 2^31-1";
    /// A window increment of zero.
    WindowZero = "window_zero", "flow-control window increment is zero";
    /// More data than the window allows.
    FlowControl = "flow_control", "data exceeds the flow-control window";
    /// A frame between HEADERS and the CONTINUATION that has to follow.
    ContinuationExpected = "continuation_expected", "a header block is interrupted by another frame";
    /// CONTINUATION with nothing to continue.
    ContinuationUnexpected = "continuation_unexpected", "CONTINUATION follows no open header block";
    /// A header block that HPACK cannot decode.
    Compression = "compression", "header block cannot be decoded";
    /// A promised stream, which we never allow.
    PushPromise = "push_promise", "PUSH_PROMISE although push is disabled";
    /// A stream that depends on itself.
    SelfDependency = "self_dependency", "stream depends on itself";
    /// A stream of the wrong parity, or lower than one before.
    StreamId = "stream_id", "stream identifier is not a new one of the peer";
    /// A frame on a stream that was never opened.
    StreamIdle = "stream_idle", "frame on a stream that is idle";
    /// A frame on a stream whose peer side has ended.
    StreamClosed = "stream_closed", "frame on a stream that is closed";
    /// More streams than allowed.
    TooManyStreams = "too_many_streams", "more concurrent streams than announced";
    /// A malformed message: pseudo-header fields, names or values.
    MalformedHeaders = "malformed_headers", "malformed header fields";
    /// Trailers without the end of the stream, or with pseudo-header fields.
    MalformedTrailers = "malformed_trailers", "malformed trailer fields";
    /// A body whose length is not the announced one.
    ContentLength = "content_length", "body length differs from content-length";
    /// A header list larger than allowed.
    HeadersTooLarge = "headers_too_large", "header list exceeds the announced maximum";
    /// GOAWAY whose last stream is higher than the one before.
    GoAwayRaised = "goaway_raised", "GOAWAY raises the last stream identifier";
    /// An acknowledgement of settings that were not sent.
    SettingsAck = "settings_ack", "acknowledgement of settings that were not sent";
    /// Settings were not acknowledged in time.
    SettingsTimeout = "settings_timeout", "settings were not acknowledged in time";
    /// A header block in more or larger pieces than any list needs.
    ContinuationFlood = "continuation_flood", "too many or too large CONTINUATION frames";
    /// Streams opened and reset again and again.
    RapidReset = "rapid_reset", "too many streams were reset";
    /// Errors that make us reset streams again and again.
    StreamErrorFlood = "stream_error_flood", "too many streams failed";
    /// SETTINGS again and again.
    SettingsFlood = "settings_flood", "too many SETTINGS frames";
    /// PING again and again.
    PingFlood = "ping_flood", "too many PING frames";
    /// DATA without content again and again.
    EmptyDataFlood = "empty_data_flood", "too many empty DATA frames";
    /// Tiny window updates again and again.
    WindowFlood = "window_flood", "too many WINDOW_UPDATE frames";
    /// PRIORITY and unknown frames again and again.
    IgnoredFlood = "ignored_flood", "too many frames that have no effect";
}

// === impl ErrorCode ===

impl ErrorCode {
    /// No error.
    pub const NO_ERROR: Self = Self(0);
    /// A protocol error without a better name.
    pub const PROTOCOL_ERROR: Self = Self(1);
    /// An error of our own.
    pub const INTERNAL_ERROR: Self = Self(2);
    /// A peer exceeded its window.
    pub const FLOW_CONTROL_ERROR: Self = Self(3);
    /// Settings were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: Self = Self(4);
    /// A frame on a closed stream.
    pub const STREAM_CLOSED: Self = Self(5);
    /// A frame of a wrong size.
    pub const FRAME_SIZE_ERROR: Self = Self(6);
    /// A stream that was not processed at all.
    pub const REFUSED_STREAM: Self = Self(7);
    /// A stream that nobody needs any more.
    pub const CANCEL: Self = Self(8);
    /// Header compression failed.
    pub const COMPRESSION_ERROR: Self = Self(9);
    /// A connection made by CONNECT was reset.
    pub const CONNECT_ERROR: Self = Self(10);
    /// A peer causes too much load.
    pub const ENHANCE_YOUR_CALM: Self = Self(11);
    /// TLS properties are not sufficient.
    pub const INADEQUATE_SECURITY: Self = Self(12);
    /// The peer should use HTTP/1.1.
    pub const HTTP_1_1_REQUIRED: Self = Self(13);

    /// The name in the standard, if the code is known.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "NO_ERROR",
            1 => "PROTOCOL_ERROR",
            2 => "INTERNAL_ERROR",
            3 => "FLOW_CONTROL_ERROR",
            4 => "SETTINGS_TIMEOUT",
            5 => "STREAM_CLOSED",
            6 => "FRAME_SIZE_ERROR",
            7 => "REFUSED_STREAM",
            8 => "CANCEL",
            9 => "COMPRESSION_ERROR",
            10 => "CONNECT_ERROR",
            11 => "ENHANCE_YOUR_CALM",
            12 => "INADEQUATE_SECURITY",
            13 => "HTTP_1_1_REQUIRED",
            _ => return None,
        })
    }
}

impl std::fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "ErrorCode({:#x})", self.0),
        }
    }
}

// === impl Reason ===

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

// === impl FrameError ===

impl FrameError {
    /// An error that ends the connection.
    #[must_use]
    pub const fn connection(code: ErrorCode, reason: Reason) -> Self {
        Self { scope: Scope::Connection, code, reason }
    }

    /// An error that ends one stream.
    #[must_use]
    pub const fn stream(id: u32, code: ErrorCode, reason: Reason) -> Self {
        Self { scope: Scope::Stream(id), code, reason }
    }

    /// A connection error of type `PROTOCOL_ERROR`.
    #[must_use]
    pub const fn protocol(reason: Reason) -> Self {
        Self::connection(ErrorCode::PROTOCOL_ERROR, reason)
    }

    /// A connection error of type `ENHANCE_YOUR_CALM`.
    #[must_use]
    pub const fn flood(reason: Reason) -> Self {
        Self::connection(ErrorCode::ENHANCE_YOUR_CALM, reason)
    }
}
