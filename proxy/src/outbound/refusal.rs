//! What the proxy answers itself, and why.
//!
//! Each reason has one label, which is in the metric and in the log line; the sentence beside it is in `l5d-proxy-error` (and
//! `grpc-message`), where the application may see it.

use std::borrow::Cow;

use proxy_net::engine::{ConnectError, Failure, Reply, TimeoutKind};
use proxy_net::headers::HeaderList;

use super::headers;
use crate::metrics::RouteError;

/// Why a request or connection of the application is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Discovery did not answer in time.
    DiscoveryTimeout,
    /// Discovery may not be asked about this destination.
    DiscoveryRejected(&'static str),
    /// No route matches.
    RouteNotFound,
    /// The rule has no backend, or none that this version can reach.
    NoBackend,
    /// No endpoint was ready in time; which backend.
    FailFast(Box<str>),
    /// No backend of the rule has been ready for a while; which.
    LoadShed(Box<str>),
    /// Too many wait for the backend.
    QueueFull(Box<str>),
    /// Too many requests are in flight.
    TooManyInFlight,
    /// The endpoint is not whom the request wants.
    IdentityRequired(Box<str>),
    /// `l5d-dst-override` is not a name.
    OverrideInvalid,
    /// This proxy is no gateway for the name.
    GatewayDomain,
    /// In ingress mode: the destination is not one for HTTP.
    NotHttp,
    /// The endpoint broke the connection or the protocol.
    Io,
    /// The endpoint refused the connection.
    ConnectRefused,
    /// Connecting took too long.
    ConnectTimeout,
    /// The endpoint could not prove who it is.
    ConnectTls,
    /// The endpoint reset the stream.
    Reset,
    /// A limit of the route was reached.
    Timeout(TimeoutKind),
    /// The limit of a profile's route was reached.
    ProfileTimeout,
    /// A route sends the client elsewhere: status and `location`.
    Redirected(u16, Vec<u8>),
    /// A route cannot send the client elsewhere, since the request has no host or did not match by prefix.
    RedirectInvalid,
    /// A route fails it on purpose: status and message.
    Injected(u16, Box<str>),
    /// A gRPC route fails it on purpose: code and message.
    InjectedGrpc(u8, Box<str>),
    /// Policy forbids it.
    Forbidden,
    /// The policy is wrong.
    InvalidPolicy,
}

/// How a refusal looks.
struct Shape {
    label: &'static str,
    status: u16,
    grpc: u8,
    close: bool,
    text: Cow<'static, str>,
}

/// Who asks: it decides how an answer looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    /// Whether the request is one of gRPC over HTTP/2.
    pub(crate) grpc: bool,
    /// Whether the application is told why.
    pub(crate) informed: bool,
}

// === impl Refusal ===

impl Refusal {
    /// The reason as a label.
    pub(crate) fn label(&self) -> &'static str {
        self.shape().label
    }

    /// A sentence for people.
    pub(crate) fn text(&self) -> Cow<'static, str> {
        self.shape().text
    }

    /// As families of routes know it.
    pub(crate) fn route_error(&self) -> Option<RouteError> {
        match self {
            Self::FailFast(_) => Some(RouteError::FailFast),
            Self::LoadShed(_) | Self::QueueFull(_) | Self::TooManyInFlight => Some(RouteError::LoadShed),
            Self::Timeout(TimeoutKind::Request) => Some(RouteError::RequestTimeout),
            Self::Timeout(TimeoutKind::Response) => Some(RouteError::ResponseStreamTimeout),
            Self::Timeout(TimeoutKind::ResponseHeaders) | Self::ProfileTimeout => {
                Some(RouteError::ResponseHeadersTimeout)
            }
            Self::Timeout(TimeoutKind::Idle) => Some(RouteError::IdleTimeout),
            Self::Reset => Some(RouteError::Reset),
            Self::Io | Self::ConnectRefused | Self::ConnectTimeout | Self::ConnectTls => Some(RouteError::Io),
            Self::Redirected(..) | Self::Injected(..) | Self::InjectedGrpc(..) | Self::Forbidden => None,
            _ => Some(RouteError::Unknown),
        }
    }

    /// Whether the proxy itself is to blame, so that it counts as an error.
    pub(crate) fn is_error(&self) -> bool {
        !matches!(self, Self::Redirected(..) | Self::Injected(..) | Self::InjectedGrpc(..))
    }

    /// The status that an HTTP client gets.
    pub(crate) fn status(&self) -> u16 {
        self.shape().status
    }

    /// The answer.
    pub(crate) fn reply(&self, asker: Asker) -> Box<Reply> {
        let shape = self.shape();
        let mut headers = HeaderList::new();
        if let Self::Redirected(_, location) = self {
            headers.push(b"location", location);
        }
        let is_said = !matches!(self, Self::Redirected(..)) && !shape.text.is_empty();
        if asker.informed && is_said {
            headers.push(headers::PROXY_ERROR, shape.text.as_bytes());
            if shape.close {
                headers.push(headers::PROXY_CONNECTION, b"close");
            }
        }
        let reason = is_said.then(|| shape.text.as_ref().into());
        let grpc = asker.grpc.then(|| (shape.grpc, shape.text.into_owned()));
        Box::new(Reply { status: shape.status, headers, grpc, reason, close: shape.close })
    }

    fn shape(&self) -> Shape {
        const DEADLINE_EXCEEDED: u8 = 4;
        const NOT_FOUND: u8 = 5;
        const PERMISSION_DENIED: u8 = 7;
        const INVALID_ARGUMENT: u8 = 3;
        const INTERNAL: u8 = 13;
        const UNAVAILABLE: u8 = 14;
        let (label, status, grpc, close, text): (_, _, _, _, Cow<'static, str>) = match self {
            Self::DiscoveryTimeout => (
                "discovery timeout",
                504,
                DEADLINE_EXCEEDED,
                true,
                "discovery of the destination took too long".into(),
            ),
            Self::DiscoveryRejected(why) => {
                let text = format!("discovery of the destination was rejected: {why}");
                ("discovery rejected", 502, UNAVAILABLE, false, text.into())
            }
            Self::RouteNotFound => {
                ("route not found", 404, NOT_FOUND, false, "no route found for request".into())
            }
            Self::NoBackend => ("no backend", 502, UNAVAILABLE, false, "the route has no backend".into()),
            Self::FailFast(which) => (
                "failfast",
                504,
                DEADLINE_EXCEEDED,
                true,
                format!("no endpoint of {which} was ready in time").into(),
            ),
            Self::LoadShed(which) => {
                ("loadshed", 503, UNAVAILABLE, true, format!("no endpoint of {which} is ready").into())
            }
            Self::QueueFull(which) => {
                let text = format!("too many requests wait for an endpoint of {which}");
                ("loadshed", 503, UNAVAILABLE, true, text.into())
            }
            Self::TooManyInFlight => {
                ("loadshed", 503, UNAVAILABLE, true, "too many requests are in flight".into())
            }
            Self::IdentityRequired(which) => {
                let text = format!("the endpoint is not {which}, which l5d-require-id asks for");
                ("identity required", 502, UNAVAILABLE, true, text.into())
            }
            Self::OverrideInvalid => {
                ("override invalid", 400, INVALID_ARGUMENT, false, "l5d-dst-override must be a name".into())
            }
            Self::GatewayDomain => {
                ("gateway domain invalid", 404, NOT_FOUND, false, "bad gateway domain".into())
            }
            Self::NotHttp => {
                ("not http", 502, UNAVAILABLE, false, "the destination is not one for HTTP".into())
            }
            Self::Io => ("i/o", 502, UNAVAILABLE, true, "the connection to the endpoint broke".into()),
            Self::ConnectRefused => {
                ("i/o", 502, UNAVAILABLE, true, "the endpoint cannot be connected to".into())
            }
            Self::ConnectTimeout => {
                ("i/o", 504, DEADLINE_EXCEEDED, true, "connecting to the endpoint took too long".into())
            }
            Self::ConnectTls => {
                ("i/o", 502, UNAVAILABLE, true, "the endpoint's identity was not proven".into())
            }
            Self::Reset => ("i/o", 502, UNAVAILABLE, false, "the endpoint reset the stream".into()),
            Self::Timeout(kind) => ("response timeout", 504, DEADLINE_EXCEEDED, false, timeout(*kind).into()),
            Self::ProfileTimeout => {
                ("response timeout", 504, DEADLINE_EXCEEDED, true, "the response took too long".into())
            }
            Self::Redirected(status, _) => {
                ("redirected", *status, NOT_FOUND, false, "request redirected".into())
            }
            Self::RedirectInvalid => {
                ("unexpected", 500, INTERNAL, true, "the redirect of the route fails".into())
            }
            Self::Injected(status, text) => {
                ("injected", *status, grpc_of(*status), false, text.to_string().into())
            }
            Self::InjectedGrpc(code, text) => ("injected", 200, *code, false, text.to_string().into()),
            Self::Forbidden => ("forbidden", 403, PERMISSION_DENIED, false, "policy forbids it".into()),
            Self::InvalidPolicy => ("unexpected", 500, INTERNAL, true, "the policy is invalid".into()),
        };
        Shape { label, status, grpc, close, text }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Connect(ConnectError::Io(_)) => Self::ConnectRefused,
            Failure::Connect(ConnectError::TimedOut | ConnectError::Full | ConnectError::Busy) => {
                Self::ConnectTimeout
            }
            Failure::Connect(ConnectError::Tls { .. }) => Self::ConnectTls,
            Failure::Reset(_) => Self::Reset,
            Failure::Closed | Failure::Protocol | Failure::ClientGone => Self::Io,
            Failure::Timeout(kind) => Self::Timeout(kind),
        }
    }
}

// === helpers ===

fn timeout(kind: TimeoutKind) -> &'static str {
    match kind {
        TimeoutKind::Request => "the request took too long",
        TimeoutKind::Response => "the response took too long",
        TimeoutKind::ResponseHeaders => "the response head took too long",
        TimeoutKind::Idle => "nothing passed for too long",
    }
}

/// The gRPC status that clients make of an HTTP status (gRPC, "HTTP to gRPC Status Code Mapping").
fn grpc_of(status: u16) -> u8 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: Asker = Asker { grpc: false, informed: true };

    #[test]
    fn an_answer_says_why_to_who_may_know() {
        let refusal = Refusal::FailFast("Service/ns/web".into());
        let reply = refusal.reply(HTTP);
        assert_eq!((reply.status, reply.close, reply.grpc.is_none()), (504, true, true));
        let said = reply.headers.value(headers::PROXY_ERROR).map(<[u8]>::to_vec);
        assert_eq!(said, Some(b"no endpoint of Service/ns/web was ready in time".to_vec()));
        assert_eq!(reply.headers.value(headers::PROXY_CONNECTION), Some(&b"close"[..]));
        let silent = refusal.reply(Asker { informed: false, ..HTTP });
        assert!(silent.headers.is_empty());
    }

    #[test]
    fn grpc_clients_get_a_status_of_grpc() {
        let asker = Asker { grpc: true, informed: true };
        let reply = Refusal::Injected(429, "slow down".into()).reply(asker);
        assert_eq!(reply.grpc, Some((14, "slow down".to_owned())));
        let reply = Refusal::InjectedGrpc(7, "no".into()).reply(asker);
        assert_eq!((reply.status, reply.grpc), (200, Some((7, "no".to_owned()))));
    }

    #[test]
    fn redirects_and_injected_failures_are_no_errors_of_the_proxy() {
        let reply = Refusal::Redirected(302, b"http://web/".to_vec()).reply(HTTP);
        assert_eq!(reply.headers.value(b"location"), Some(&b"http://web/"[..]));
        assert_eq!(reply.headers.value(headers::PROXY_ERROR), None);
        assert!(!Refusal::Injected(503, "".into()).is_error());
    }

    #[test]
    fn failures_of_an_attempt_have_reasons() {
        let of = |failure| Refusal::from(failure).label();
        assert_eq!(of(Failure::Connect(ConnectError::Io(111))), "i/o");
        assert_eq!(of(Failure::Timeout(TimeoutKind::Request)), "response timeout");
        assert_eq!(Refusal::from(Failure::Connect(ConnectError::TimedOut)).status(), 504);
    }
}
