//! Retries.

use std::time::Duration;

use linkerd2_proxy_api::outbound as api;

use super::backend::Backoff;
use crate::model::error::{InvalidMessage, Problem, Within, each, required};
use crate::model::limit;

/// Most ranges of statuses.
const RANGES_MAX: usize = 64;
/// Most retries of one request.
const RETRIES_MAX: u32 = 1000;
/// Most octets of a request's body that are kept for the next attempt.
const BODY_MAX: u32 = 16 * 1024 * 1024;

/// When a request is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// How often, not 0.
    pub max_retries: u32,
    /// A larger body is sent only once. In octets.
    pub max_request_octets: usize,
    /// After which responses.
    pub on: RetryOn,
    /// For the response head of one attempt.
    pub timeout: Option<Duration>,
    /// Between attempts; none is at once.
    pub backoff: Option<Backoff>,
}

/// Responses after which a request is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryOn {
    /// HTTP statuses.
    Http(StatusRanges),
    /// gRPC statuses, one bit each.
    Grpc(u32),
}

/// Inclusive ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusRanges(Vec<(u16, u16)>);

// === impl RetryOn ===

impl RetryOn {
    /// Whether an HTTP status is one.
    #[must_use]
    pub fn http(&self, status: u16) -> bool {
        matches!(self, Self::Http(ranges) if ranges.contains(status))
    }

    /// Whether a gRPC status is one.
    #[must_use]
    pub fn grpc(&self, code: u32) -> bool {
        matches!(self, Self::Grpc(bits) if code < 32 && bits & (1 << code) != 0)
    }
}

// === impl StatusRanges ===

impl StatusRanges {
    /// Whether a status is in one of them.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(start, end)| (*start..=*end).contains(&status))
    }

    /// Reads the value of `l5d-retry-http`: `5xx`, `gateway-error`, `N` and `N-M` with commas between.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let ranges: Option<Vec<_>> =
            text.split(',').take(RANGES_MAX + 1).map(|item| range(item.trim())).collect();
        ranges.filter(|ranges| ranges.len() <= RANGES_MAX).map(Self)
    }
}

fn range(item: &str) -> Option<(u16, u16)> {
    let status = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|octet| octet.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().filter(|status| (100..=599).contains(status))
    };
    match item {
        "gateway-error" => Some((502, 504)),
        _ if item.eq_ignore_ascii_case("5xx") => Some((500, 599)),
        _ => match item.split_once('-') {
            Some((start, end)) => Some((status(start.trim())?, status(end.trim())?)).filter(|(a, b)| a <= b),
            None => status(item).map(|status| (status, status)),
        },
    }
}

/// Reads the value of `l5d-retry-grpc`: names of the five statuses that may be tried again, with commas between. A bit each.
#[must_use]
pub fn parse_grpc(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    text.split(',').try_fold(0, |bits, item| {
        let code = match item.trim() {
            "cancelled" => 1,
            "deadline-exceeded" => 4,
            "resource-exhausted" => 8,
            "internal" => 13,
            "unavailable" => 14,
            _ => return None,
        };
        Some(bits | 1 << code)
    })
}

// === impl Retry ===

impl Retry {
    fn new(
        (max_retries, max_octets): (u32, u32),
        on: RetryOn,
        timeout: Option<prost_types::Duration>,
        backoff: Option<api::ExponentialBackoff>,
    ) -> Result<Self, InvalidMessage> {
        Ok(Self {
            max_retries: max_retries.min(RETRIES_MAX),
            max_request_octets: max_octets.min(BODY_MAX) as usize,
            on,
            timeout: limit(timeout, "timeout")?,
            backoff: backoff.map(Backoff::try_from).transpose()?,
        })
    }

    /// None where no retry is allowed at all.
    pub(super) fn http(message: Option<api::http_route::Retry>) -> Result<Option<Self>, InvalidMessage> {
        let Some(message) = message.filter(|retry| retry.max_retries > 0) else { return Ok(None) };
        let conditions = required(message.conditions, "conditions").within("retry")?;
        if conditions.status_ranges.len() > RANGES_MAX {
            return Err(InvalidMessage::new("retry.conditions.status_ranges", Problem::TooLarge));
        }
        let ranges = each(conditions.status_ranges, "status_ranges", |range| {
            let valid =
                |status: u32| u16::try_from(status).ok().filter(|status| (100..=599).contains(status));
            match (valid(range.start), valid(range.end)) {
                (Some(start), Some(end)) if start <= end => Ok((start, end)),
                _ => {
                    let value = format_args!("{}-{}", range.start, range.end);
                    Err(InvalidMessage::with_value("status", Problem::Range, value))
                }
            }
        });
        let on = RetryOn::Http(StatusRanges(ranges.within("retry.conditions")?));
        let sizes = (message.max_retries, message.max_request_bytes);
        Self::new(sizes, on, message.timeout, message.backoff).within("retry").map(Some)
    }

    /// None where no retry is allowed at all.
    pub(super) fn grpc(message: Option<api::grpc_route::Retry>) -> Result<Option<Self>, InvalidMessage> {
        let Some(message) = message.filter(|retry| retry.max_retries > 0) else { return Ok(None) };
        let it = required(message.conditions, "conditions").within("retry")?;
        let bit = |on: bool, code: u32| u32::from(on) << code;
        let bits = bit(it.cancelled, 1)
            | bit(it.deadine_exceeded, 4)
            | bit(it.resource_exhausted, 8)
            | bit(it.internal, 13)
            | bit(it.unavailable, 14);
        let sizes = (message.max_retries, message.max_request_bytes);
        Self::new(sizes, RetryOn::Grpc(bits), message.timeout, message.backoff).within("retry").map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_from_a_header() {
        let ranges = StatusRanges::parse(b"5xx, 429,408-410").unwrap();
        for (status, want) in [(500, true), (599, true), (429, true), (409, true), (411, false), (200, false)]
        {
            assert_eq!(ranges.contains(status), want, "{status}");
        }
        assert!(StatusRanges::parse(b"gateway-error").unwrap().contains(503));
        for text in ["", "6xx", "5xx,", "50", "500-400", "+500", "999", "a-b"] {
            assert_eq!(StatusRanges::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(StatusRanges::parse("500,".repeat(10_000).as_bytes()), None);
        assert_eq!(parse_grpc(b"cancelled, unavailable"), Some(1 << 1 | 1 << 14));
        assert_eq!(parse_grpc(b"ok"), None);
    }
}
