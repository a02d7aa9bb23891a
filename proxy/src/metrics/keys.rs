//! Labels with few values that are known only when something has happened: statuses, errors, kinds of results.

use super::labels::LabelText;
use super::value::Key;

/// A status code of HTTP, as label `status_code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusCode(pub u16);

/// How a response is classified: labels `status_code`, `classification`, `grpc_status`, `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// The status code of HTTP; 0 where no response came.
    pub status: u16,
    /// Whether it is a success.
    pub success: bool,
    /// The status of gRPC, for gRPC.
    pub grpc: Option<u16>,
    /// Why the stream failed, if it did.
    pub error: Option<RouteError>,
}

/// A status of an inbound request: label `status`, a number for HTTP, a name for gRPC; `error` where there is no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InboundStatus {
    /// HTTP.
    Http(u16),
    /// gRPC.
    Grpc(u16),
    /// The stream failed.
    Error,
}

/// The outcome of a request or attempt of an outbound route: labels `http_status` or `grpc_status`, and `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteStatus {
    /// On an HTTP route: the status if there was one.
    Http(Option<u16>, Option<RouteError>),
    /// On a gRPC route: the status if there was one.
    Grpc(Option<u16>, Option<RouteError>),
}

/// Why a request of a route failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteError {
    /// No endpoint was ready in time.
    FailFast,
    /// Too many requests were waiting.
    LoadShed,
    /// The request took too long.
    RequestTimeout,
    /// No response head in time.
    ResponseHeadersTimeout,
    /// The response took too long.
    ResponseStreamTimeout,
    /// Nothing passed for too long.
    IdleTimeout,
    /// Stream reset with CANCEL.
    Cancel,
    /// Stream reset with REFUSED_STREAM.
    Refused,
    /// Stream reset with ENHANCE_YOUR_CALM.
    EnhanceYourCalm,
    /// Stream reset for another reason.
    Reset,
    /// The connection ended by GOAWAY.
    GoAway,
    /// The connection broke.
    Io,
    /// Anything else.
    Unknown,
}

/// Whether a profile's retry was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RetryKind {
    /// The request was sent again.
    Retried,
    /// It was not, for lack of budget: label `skipped`.
    NoBudget,
    /// It was not, as its body is beyond what is kept to be sent again.
    BodyTooLarge,
}

/// An error number of the operating system as label `errno`; empty for an ordinary end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Errno(pub i32);

/// What detection found: label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DetectResult {
    /// Neither version of HTTP.
    NotHttp,
    /// HTTP/1.
    Http1,
    /// HTTP/2.
    Http2,
    /// The client was silent for too long.
    ReadTimeout,
    /// The connection broke.
    Error,
}

/// Whether endpoints can take requests: label `endpoint_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndpointState {
    /// They can.
    Ready,
    /// They cannot yet.
    Pending,
}

/// A change to the endpoints of a balancer: label `op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UpdateOp {
    /// All replaced.
    Reset,
    /// Some added.
    Add,
    /// Some removed.
    Remove,
}

/// How a connection or span of a route ended: label `error`, empty for an ordinary end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseError {
    /// It ended.
    None,
    /// It was refused by policy.
    Forbidden,
    /// The connection broke or could not be made.
    Io,
    /// Policy is invalid.
    Invalid,
    /// Anything else.
    Unknown,
}

// === impl StatusCode ===

impl Key for StatusCode {
    const LABELS: &'static [&'static str] = &["status_code"];
    const OTHER: Self = Self(u16::MAX);

    fn write(&self, labels: &mut LabelText) {
        write_code("status_code", self.0, labels);
    }
}

// === impl Class ===

impl Key for Class {
    const LABELS: &'static [&'static str] = &["status_code", "classification", "grpc_status", "error"];
    const OTHER: Self = Self { status: u16::MAX, success: false, grpc: None, error: None };

    fn write(&self, labels: &mut LabelText) {
        write_code("status_code", self.status, labels);
        labels.add("classification", if self.success { "success" } else { "failure" });
        match self.grpc {
            Some(status) => labels.add("grpc_status", status),
            None => labels.add("grpc_status", ""),
        }
        labels.add("error", self.error.map_or("", RouteError::lower));
    }
}

// === impl InboundStatus ===

impl Key for InboundStatus {
    const LABELS: &'static [&'static str] = &["status"];
    const OTHER: Self = Self::Http(u16::MAX);

    fn write(&self, labels: &mut LabelText) {
        match self {
            Self::Http(code) => write_code("status", *code, labels),
            Self::Grpc(code) => labels.add("status", grpc_name(*code)),
            Self::Error => labels.add("status", "error"),
        }
    }
}

// === impl RouteStatus ===

impl Key for RouteStatus {
    const LABELS: &'static [&'static str] = &["http_status or grpc_status", "error"];
    const OTHER: Self = Self::Http(Some(u16::MAX), None);

    fn write(&self, labels: &mut LabelText) {
        let error = match self {
            Self::Http(status, error) => {
                write_code("http_status", status.unwrap_or(0), labels);
                error
            }
            Self::Grpc(status, error) => {
                // A stream that ends without a status is UNKNOWN to every client of gRPC.
                labels.add("grpc_status", status.map_or("UNKNOWN", grpc_name));
                error
            }
        };
        labels.add("error", error.map_or("", RouteError::upper));
    }
}

// === impl RouteError ===

impl RouteError {
    /// As families of routes spell it.
    pub fn upper(self) -> &'static str {
        match self {
            Self::FailFast => "FAIL_FAST",
            Self::LoadShed => "LOAD_SHED",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::ResponseHeadersTimeout => "RESPONSE_HEADERS_TIMEOUT",
            Self::ResponseStreamTimeout => "RESPONSE_STREAM_TIMEOUT",
            Self::IdleTimeout => "IDLE_TIMEOUT",
            Self::Cancel => "CANCEL",
            Self::Refused => "REFUSED",
            Self::EnhanceYourCalm => "ENHANCE_YOUR_CALM",
            Self::Reset => "RESET",
            Self::GoAway => "GO_AWAY",
            Self::Io => "IO",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// As the families of the proxy's own errors spell it.
    pub fn lower(self) -> &'static str {
        match self {
            Self::FailFast => "failfast",
            Self::LoadShed => "loadshed",
            Self::RequestTimeout
            | Self::ResponseHeadersTimeout
            | Self::ResponseStreamTimeout
            | Self::IdleTimeout => "response timeout",
            Self::Cancel | Self::Refused | Self::EnhanceYourCalm | Self::Reset | Self::GoAway => "h2",
            Self::Io => "i/o",
            Self::Unknown => "unexpected",
        }
    }
}

// === impl RetryKind ===

impl Key for RetryKind {
    const LABELS: &'static [&'static str] = &["[skipped]"];
    const OTHER: Self = Self::Retried;

    fn write(&self, labels: &mut LabelText) {
        match self {
            Self::Retried => {}
            Self::NoBudget => labels.add("skipped", "no_budget"),
            Self::BodyTooLarge => labels.add("skipped", "body_too_large"),
        }
    }
}

// === impl Errno ===

impl Key for Errno {
    const LABELS: &'static [&'static str] = &["errno"];
    const OTHER: Self = Self(i32::MAX);

    fn write(&self, labels: &mut LabelText) {
        let name = match self.0 {
            0 => "",
            libc::ECONNRESET => "ECONNRESET",
            libc::ECONNREFUSED => "ECONNREFUSED",
            libc::ECONNABORTED => "ECONNABORTED",
            libc::EPIPE => "EPIPE",
            libc::ETIMEDOUT => "ETIMEDOUT",
            libc::EHOSTUNREACH => "EHOSTUNREACH",
            libc::ENETUNREACH => "ENETUNREACH",
            libc::ENOTCONN => "ENOTCONN",
            libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
            libc::EMFILE => "EMFILE",
            libc::ENOBUFS => "ENOBUFS",
            libc::ENOMEM => "ENOMEM",
            i32::MAX => "other",
            number => return labels.add("errno", number),
        };
        labels.add("errno", name);
    }
}

// === impl DetectResult ===

impl Key for DetectResult {
    const LABELS: &'static [&'static str] = &["result"];
    const OTHER: Self = Self::Error;

    fn write(&self, labels: &mut LabelText) {
        let text = match self {
            Self::NotHttp => "not_http",
            Self::Http1 => "http/1",
            Self::Http2 => "http/2",
            Self::ReadTimeout => "read_timeout",
            Self::Error => "error",
        };
        labels.add("result", text);
    }
}

// === impl EndpointState ===

impl Key for EndpointState {
    const LABELS: &'static [&'static str] = &["endpoint_state"];
    const OTHER: Self = Self::Pending;

    fn write(&self, labels: &mut LabelText) {
        labels.add("endpoint_state", if *self == Self::Ready { "ready" } else { "pending" });
    }
}

// === impl UpdateOp ===

impl Key for UpdateOp {
    const LABELS: &'static [&'static str] = &["op"];
    const OTHER: Self = Self::Reset;

    fn write(&self, labels: &mut LabelText) {
        let text = match self {
            Self::Reset => "Reset",
            Self::Add => "Add",
            Self::Remove => "Remove",
        };
        labels.add("op", text);
    }
}

// === impl CloseError ===

impl Key for CloseError {
    const LABELS: &'static [&'static str] = &["error"];
    const OTHER: Self = Self::Unknown;

    fn write(&self, labels: &mut LabelText) {
        let text = match self {
            Self::None => "",
            Self::Forbidden => "forbidden",
            Self::Io => "i/o",
            Self::Invalid => "invalid_policy",
            Self::Unknown => "unexpected",
        };
        labels.add("error", text);
    }
}

/// A code of HTTP: empty where there was none, `other` where a series had too many.
fn write_code(name: &str, code: u16, labels: &mut LabelText) {
    match code {
        0 => labels.add(name, ""),
        u16::MAX => labels.add(name, "other"),
        code => labels.add(name, code),
    }
}

/// The name of a gRPC status.
pub fn grpc_name(code: u16) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    NAMES.get(usize::from(code)).copied().unwrap_or("UNKNOWN")
}
