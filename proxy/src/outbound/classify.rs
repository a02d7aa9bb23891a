//! What responses and failures are called, by breakers and in metrics.

use std::time::Duration;

use proxy_net::balance::{grpc_pushback, retry_after};
use proxy_net::breaker::Outcome as Verdict;
use proxy_net::engine::{ConnectError, Failure, TimeoutKind};
use proxy_net::h2::error::ErrorCode;
use proxy_net::headers::HeaderList;

use super::exchange::Outcome;
use super::plan::Stack;
use crate::metrics::{RouteError, RouteStatus};
use crate::worker::Cx;

pub(super) fn status_of(head: &HeaderList) -> u16 {
    let text = head.value(b":status").unwrap_or_default();
    text.iter().fold(0, |status: u16, octet| {
        status.saturating_mul(10).saturating_add(u16::from(octet.wrapping_sub(b'0')))
    })
}

pub(super) fn grpc_status(head: &HeaderList) -> Option<u16> {
    std::str::from_utf8(head.value(b"grpc-status")?).ok()?.parse().ok()
}

/// How long the server asks to be left alone.
pub(super) fn hint(cx: &Cx<'_, '_>, head: &HeaderList, trailers: Option<&HeaderList>) -> Option<Duration> {
    let of = |list: &HeaderList| {
        let pushback = list.value(b"grpc-retry-pushback-ms").and_then(grpc_pushback);
        pushback.or_else(|| {
            let value = list.value(b"retry-after")?;
            retry_after(value, cx.shared.unix_seconds() as u64)
        })
    };
    of(head).or_else(|| trailers.and_then(of))
}

/// What an outcome says of the endpoint.
pub(super) fn verdict_of(outcome: Outcome) -> Verdict {
    /// UNKNOWN, DEADLINE_EXCEEDED, PERMISSION_DENIED, INTERNAL, UNAVAILABLE, DATA_LOSS.
    const FAILURES: [u16; 6] = [2, 4, 7, 13, 14, 15];
    const RESOURCE_EXHAUSTED: u16 = 8;
    match outcome {
        Outcome { status: Some(429), .. } | Outcome { grpc: Some(RESOURCE_EXHAUSTED), .. } => {
            Verdict::Limited
        }
        Outcome { status: Some(500..=599), .. } => Verdict::Failure,
        Outcome { grpc: Some(code), .. } if FAILURES.contains(&code) => Verdict::Failure,
        Outcome { error: Some(_), .. } => Verdict::Failure,
        _ => Verdict::Success,
    }
}

pub(super) fn route_status(stack: &Stack, outcome: Outcome) -> RouteStatus {
    if stack.is_grpc() {
        // Without a status it ended well, as far as anybody can tell.
        let status = outcome.grpc.or(outcome.error.is_none().then_some(0));
        RouteStatus::Grpc(status, outcome.error)
    } else {
        RouteStatus::Http(outcome.status, outcome.error)
    }
}

pub(super) fn error_of(failure: Failure) -> RouteError {
    match failure {
        Failure::Connect(ConnectError::Full | ConnectError::Busy) => RouteError::FailFast,
        Failure::Connect(ConnectError::Io(_) | ConnectError::TimedOut | ConnectError::Tls { .. }) => {
            RouteError::Io
        }
        Failure::Reset(ErrorCode::CANCEL) => RouteError::Cancel,
        Failure::Reset(ErrorCode::REFUSED_STREAM) => RouteError::Refused,
        Failure::Reset(ErrorCode::ENHANCE_YOUR_CALM) => RouteError::EnhanceYourCalm,
        Failure::Reset(_) => RouteError::Reset,
        Failure::Closed => RouteError::Io,
        Failure::Protocol => RouteError::Unknown,
        Failure::Timeout(TimeoutKind::Request) => RouteError::RequestTimeout,
        Failure::Timeout(TimeoutKind::Response) => RouteError::ResponseStreamTimeout,
        Failure::Timeout(TimeoutKind::ResponseHeaders) => RouteError::ResponseHeadersTimeout,
        Failure::Timeout(TimeoutKind::Idle) => RouteError::IdleTimeout,
        Failure::ClientGone => RouteError::Cancel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, grpc: Option<u16>) -> Verdict {
        verdict_of(Outcome { status: Some(status), grpc, error: None, is_refused: false })
    }

    #[test]
    fn breakers_count_failures_of_http_and_of_grpc() {
        assert_eq!((outcome(200, None), outcome(404, None)), (Verdict::Success, Verdict::Success));
        assert_eq!((outcome(500, None), outcome(599, None)), (Verdict::Failure, Verdict::Failure));
        assert_eq!((outcome(429, None), outcome(200, Some(8))), (Verdict::Limited, Verdict::Limited));
        for (code, verdict) in
            [(0, Verdict::Success), (5, Verdict::Success), (2, Verdict::Failure), (14, Verdict::Failure)]
        {
            assert_eq!(outcome(200, Some(code)), verdict, "{code}");
        }
        let broken = Outcome { error: Some(RouteError::Io), ..Outcome::default() };
        assert_eq!(verdict_of(broken), Verdict::Failure);
    }

    #[test]
    fn statuses_are_read_from_heads() {
        let head: HeaderList =
            [(&b":status"[..], &b"503"[..]), (b"grpc-status", b"14")].into_iter().collect();
        assert_eq!((status_of(&head), grpc_status(&head)), (503, Some(14)));
        let odd: HeaderList = [(&b"grpc-status"[..], &b"x"[..])].into_iter().collect();
        assert_eq!((status_of(&odd), grpc_status(&odd)), (0, None));
    }
}
