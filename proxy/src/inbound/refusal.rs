//! What the proxy answers itself, and why.
//!
//! Each reason has one label. It is in the metric, in the log line and, for peers of the mesh, in `l5d-proxy-error`.

use std::time::Duration;

use proxy_net::engine::{ConnectError, Failure, Reply, TimeoutKind};
use proxy_net::headers::HeaderList;

use super::headers;
use crate::metrics::Resource;

/// Why a request is not answered by the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No route matches it.
    RouteNotFound,
    /// Policy does not let its client in.
    Unauthorized,
    /// Its client, or all together, send too many; the next is taken after this time.
    RateLimited(Duration),
    /// A route sends the client elsewhere: status and `location`.
    Redirected(u16, Vec<u8>),
    /// A route fails it on purpose: status and message.
    Injected(u16, Box<str>),
    /// A gRPC route fails it on purpose: code and message.
    InjectedGrpc(u8, Box<str>),
    /// Its route has a filter that this version does not know, or one that cannot be applied to it.
    Filter,
    /// Too many requests are in flight.
    Overloaded,
    /// The application cannot be reached or broke the connection.
    Io,
    /// The application has not been ready for too long.
    FailFast,
    /// Connecting to the application took too long.
    ConnectTimeout,
    /// The application took too long to answer.
    ResponseTimeout,
    /// The gateway does not serve this name.
    GatewayDomain,
    /// The request has been here before.
    GatewayLoop,
    /// Anything else; the text says what.
    Unexpected(&'static str),
}

/// How a refusal looks to a client.
struct Shape {
    label: &'static str,
    message: &'static str,
    status: u16,
    grpc: u8,
    close: bool,
}

/// Who asks: it decides how an answer looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    /// Whether the request is one of gRPC on HTTP/2.
    pub(crate) grpc: bool,
    /// Whether it came from a peer with an identity, which alone is told more than the status.
    pub(crate) meshed: bool,
}

// === impl Refusal ===

impl Refusal {
    /// What a failed attempt means; none where the client's stream is to end as the application's did.
    pub(crate) fn of_failure(failure: Failure) -> Option<Self> {
        match failure {
            Failure::Connect(ConnectError::TimedOut) => Some(Self::ConnectTimeout),
            Failure::Connect(ConnectError::Full) => Some(Self::Overloaded),
            Failure::Connect(ConnectError::Busy) => Some(Self::FailFast),
            Failure::Connect(_) | Failure::Closed => Some(Self::Io),
            Failure::Protocol => Some(Self::Io),
            Failure::Timeout(TimeoutKind::Request | TimeoutKind::Response | TimeoutKind::ResponseHeaders) => {
                Some(Self::ResponseTimeout)
            }
            Failure::Timeout(TimeoutKind::Idle) => Some(Self::ResponseTimeout),
            Failure::Reset(_) | Failure::ClientGone => None,
        }
    }

    /// The reason as metrics and logs name it.
    pub(crate) fn label(&self) -> &'static str {
        self.shape().label
    }

    /// The answer for this asker.
    pub(crate) fn reply(&self, asker: Asker) -> Reply {
        let shape = self.shape();
        let mut reply = Reply { status: shape.status, close: shape.close, ..Reply::default() };
        let message = self.message();
        match self {
            Self::Redirected(_, location) => reply.headers.push(b"location", location),
            Self::RateLimited(wait) => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                reply.headers.push(b"retry-after", seconds.to_string().as_bytes());
            }
            _ => {}
        }
        if asker.grpc {
            reply.status = 200;
            reply.grpc = Some((shape.grpc, message.clone()));
        }
        if asker.meshed {
            self.explain(&message, &mut reply.headers);
        }
        reply
    }

    /// What those are told who watch this proxy: the sentence, and the server where its policy decided.
    pub(crate) fn reason(&self, server: Resource<'_>) -> Option<Box<str>> {
        let message = self.message();
        match self {
            Self::Redirected(..) => None,
            Self::RouteNotFound | Self::Unauthorized | Self::RateLimited(_) => {
                let Resource { kind, namespace, name, .. } = server;
                let server = match namespace.is_empty() {
                    true => format!("{kind} {name}"),
                    false => format!("{kind} {namespace}/{name}"),
                };
                Some(format!("{message} ({server})").into())
            }
            _ => Some(message.into()),
        }
    }

    /// What peers of the mesh are told beside the status.
    fn explain(&self, message: &str, headers: &mut HeaderList) {
        if matches!(self, Self::Redirected(..)) {
            return;
        }
        headers.push(headers::PROXY_ERROR, message.as_bytes());
        if self.shape().close {
            headers.push(headers::PROXY_CONNECTION, b"close");
        }
    }

    /// A sentence of octets that may stand in a header.
    fn message(&self) -> String {
        let text: &str = match self {
            Self::Injected(_, message) | Self::InjectedGrpc(_, message) if !message.is_empty() => message,
            Self::Unexpected(text) => text,
            _ => self.shape().message,
        };
        text.chars()
            .map(|char| if char.is_ascii_graphic() { char } else { ' ' })
            .collect::<String>()
            .trim()
            .to_owned()
    }

    fn shape(&self) -> Shape {
        let shape = |label, message, status, grpc| Shape { label, message, status, grpc, close: false };
        let closing = |label, message, status, grpc| Shape { label, message, status, grpc, close: true };
        // The numbers of gRPC: 4 DEADLINE_EXCEEDED, 5 NOT_FOUND, 7 PERMISSION_DENIED, 8 RESOURCE_EXHAUSTED, 9 FAILED_PRECONDITION,
        // 10 ABORTED, 13 INTERNAL, 14 UNAVAILABLE.
        match self {
            Self::RouteNotFound => shape("route not found", "no route of the server policy matches", 404, 5),
            Self::Unauthorized => shape("unauthorized", "the client is not authorized by policy", 403, 7),
            Self::RateLimited(_) => shape("rate limited", "the local rate limit is exceeded", 429, 8),
            Self::Redirected(status, _) => shape("redirected", "redirected by a route", *status, 9),
            Self::Injected(status, _) => {
                let grpc = proxy_status_of(*status);
                shape("injected", "failed on purpose by a route", *status, grpc)
            }
            Self::InjectedGrpc(code, _) => shape("injected", "failed on purpose by a route", 500, *code),
            Self::Filter => shape("filter", "a filter of the route cannot be applied", 500, 13),
            Self::Overloaded => closing("loadshed", "too many requests are in flight", 503, 14),
            Self::Io => closing("i/o", "the application cannot be reached or broke the connection", 502, 14),
            Self::FailFast => closing("failfast", "the application has not been ready for too long", 504, 4),
            Self::ConnectTimeout => {
                closing("connect timeout", "connecting to the application took too long", 504, 4)
            }
            Self::ResponseTimeout => {
                shape("response timeout", "the application took too long to answer", 504, 4)
            }
            Self::GatewayDomain => {
                shape("gateway domain invalid", "the gateway does not serve this name", 404, 5)
            }
            Self::GatewayLoop => shape("gateway loop", "the request has been here before", 508, 10),
            Self::Unexpected(text) => closing("unexpected", text, 500, 13),
        }
    }
}

/// The code that a client of gRPC makes of a status (gRPC's `http-grpc-status-mapping`).
fn proxy_status_of(status: u16) -> u8 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Asker = Asker { grpc: false, meshed: false };
    const MESHED: Asker = Asker { grpc: false, meshed: true };
    const GRPC: Asker = Asker { grpc: true, meshed: true };

    #[test]
    fn statuses_and_codes_of_refusals() {
        for (refusal, status, grpc, close) in [
            (Refusal::RouteNotFound, 404, 5, false),
            (Refusal::Unauthorized, 403, 7, false),
            (Refusal::RateLimited(Duration::from_millis(1)), 429, 8, false),
            (Refusal::Injected(503, "".into()), 503, 14, false),
            (Refusal::GatewayDomain, 404, 5, false),
            (Refusal::GatewayLoop, 508, 10, false),
            (Refusal::Overloaded, 503, 14, true),
            (Refusal::Io, 502, 14, true),
            (Refusal::ConnectTimeout, 504, 4, true),
            (Refusal::FailFast, 504, 4, true),
            (Refusal::Unexpected("x"), 500, 13, true),
        ] {
            let reply = refusal.reply(PLAIN);
            assert_eq!((reply.status, reply.close, reply.grpc), (status, close, None), "{refusal:?}");
            let reply = refusal.reply(GRPC);
            let code = reply.grpc.map(|(code, _)| code);
            assert_eq!((reply.status, reply.close, code), (200, close, Some(grpc)), "{refusal:?}");
        }
    }

    #[test]
    fn only_peers_with_an_identity_are_told_why() {
        assert!(Refusal::Io.reply(PLAIN).headers.is_empty());
        let headers = Refusal::Io.reply(MESHED).headers;
        assert!(headers.value(b"l5d-proxy-error").is_some());
        assert_eq!(headers.value(b"l5d-proxy-connection"), Some(&b"close"[..]));
        assert_eq!(Refusal::Unauthorized.reply(MESHED).headers.value(b"l5d-proxy-connection"), None);
    }

    #[test]
    fn who_watches_is_told_which_server_decided() {
        let server = Resource { kind: "server", namespace: "shop", name: "web-http", ..Resource::default() };
        let reason = Refusal::Unauthorized.reason(server);
        assert_eq!(reason.as_deref(), Some("the client is not authorized by policy (server shop/web-http)"));
        let default = Resource { kind: "default", name: "deny", ..Resource::default() };
        let reason = Refusal::Unauthorized.reason(default);
        assert_eq!(reason.as_deref(), Some("the client is not authorized by policy (default deny)"));
        assert_eq!(Refusal::Redirected(302, Vec::new()).reason(server), None);
    }

    #[test]
    fn a_limited_client_learns_when_to_come_back() {
        let reply = Refusal::RateLimited(Duration::from_millis(1200)).reply(PLAIN);
        assert_eq!(reply.headers.value(b"retry-after"), Some(&b"2"[..]));
    }

    #[test]
    fn a_message_cannot_break_out_of_its_header() {
        let headers = Refusal::Injected(500, "a\r\nset-cookie: x\u{e9}".into()).reply(MESHED).headers;
        assert_eq!(headers.value(b"l5d-proxy-error"), Some(&b"a  set-cookie: x"[..]));
    }
}
