//! What annotations of Services, egress networks and routes say about retries, timeouts, balancing and failures.
//!
//! Each is judged on its own: a value that cannot be read is passed over and named in the log; the webhook refuses it
//! on routes.

use std::time::Duration;

use linkerd2_proxy_api::http_route::Timeouts;
use linkerd2_proxy_api::outbound::{
    ExponentialBackoff, FailureAccrual, failure_accrual, grpc_route, http_route,
};

use crate::record::Labels;

/// Longest request body that is kept for a retry, in bytes.
const RETRY_BODY: u32 = 64 << 10;
/// Between two retries: from this, up to that.
const RETRY_BACKOFF: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

/// A value that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("annotation {name}: {value:?} {rule}")]
pub struct Invalid {
    /// Name of the annotation.
    pub name: &'static str,
    /// Its value, shortened.
    pub value: String,
    /// What it should be.
    pub rule: &'static str,
}

/// How requests are retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often at most.
    pub limit: u32,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// Statuses after which another attempt is made; for HTTP.
    pub statuses: Vec<(u32, u32)>,
    /// Codes after which another attempt is made; for gRPC.
    pub codes: Vec<Code>,
}

/// A gRPC code that can be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// `cancelled`.
    Cancelled,
    /// `deadline-exceeded`.
    DeadlineExceeded,
    /// `internal`.
    Internal,
    /// `resource-exhausted`.
    ResourceExhausted,
    /// `unavailable`.
    Unavailable,
}

/// Which of the two retries are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP.
    Http,
    /// gRPC.
    Grpc,
}

/// A duration: a whole number and one of `ms s m h d`, or a bare 0.
pub fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (digits, unit) = text.split_at(at);
    let number: u64 = digits.parse().ok()?;
    let milliseconds = match unit {
        "ms" => number,
        "s" => number.checked_mul(1000)?,
        "m" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        "d" => number.checked_mul(86_400_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(milliseconds))
}

/// Everything wrong with the annotations of a route or a parent.
pub fn problems(annotations: &Labels) -> Vec<Invalid> {
    let mut found = Vec::new();
    let mut note = |result: Result<(), Invalid>| found.extend(result.err());
    note(retry(annotations, Spoken::Http).map(drop));
    note(retry(annotations, Spoken::Grpc).map(drop));
    note(timeouts(annotations).map(drop));
    note(accrual(annotations).map(drop));
    found.dedup();
    found
}

/// How requests are retried; none when they are not.
///
/// # Errors
/// The first value that cannot be read.
pub fn retry(annotations: &Labels, spoken: Spoken) -> Result<Option<Retry>, Invalid> {
    let (mut statuses, mut codes) = (Vec::new(), Vec::new());
    match spoken {
        Spoken::Http => {
            let name = "retry.linkerd.io/http";
            let Some(value) = annotations.value(name) else { return Ok(None) };
            let rule = "is no list of 5xx, gateway-error, statuses and ranges of them";
            for item in value.split(',').map(str::trim) {
                statuses.push(status_range(item).ok_or_else(|| invalid(name, value, rule))?);
            }
        }
        Spoken::Grpc => {
            let name = "retry.linkerd.io/grpc";
            let Some(value) = annotations.value(name) else { return Ok(None) };
            let rule =
                "is no list of cancelled, deadline-exceeded, internal, resource-exhausted and unavailable";
            for item in value.split(',').map(str::trim) {
                codes.push(code(item).ok_or_else(|| invalid(name, value, rule))?);
            }
        }
    }
    let limit = number(annotations, "retry.linkerd.io/limit", "is no whole number")?.unwrap_or(1);
    let timeout = span(annotations, "retry.linkerd.io/timeout")?;
    Ok(Some(Retry { limit, timeout, statuses, codes }))
}

/// How long requests may take.
///
/// # Errors
/// The first value that cannot be read.
pub fn timeouts(annotations: &Labels) -> Result<Timeouts, Invalid> {
    let proto = |duration: Option<Duration>| duration.and_then(|it| prost_types::Duration::try_from(it).ok());
    Ok(Timeouts {
        request: proto(span(annotations, "timeout.linkerd.io/request")?),
        response: proto(span(annotations, "timeout.linkerd.io/response")?),
        idle: proto(span(annotations, "timeout.linkerd.io/idle")?),
    })
}

/// When an endpoint is left alone for a while; none when never.
///
/// # Errors
/// The first value that cannot be read.
pub fn accrual(annotations: &Labels) -> Result<Option<FailureAccrual>, Invalid> {
    let name = "balancer.linkerd.io/failure-accrual";
    let Some(mode) = annotations.value(name) else { return Ok(None) };
    let backoff = backoff(annotations)?;
    let max = "balancer.linkerd.io/failure-accrual-consecutive-max-failures";
    let max = number(annotations, max, "is no whole number")?.unwrap_or(7);
    let kind = match mode.as_str() {
        "consecutive" => failure_accrual::Kind::ConsecutiveFailures(failure_accrual::ConsecutiveFailures {
            max_failures: max,
            backoff: Some(backoff),
        }),
        "unified" => failure_accrual::Kind::Unified(unified(annotations, max, backoff)?),
        _ => return Err(invalid(name, mode, "is neither consecutive nor unified")),
    };
    Ok(Some(FailureAccrual { kind: Some(kind), ejection: None }))
}

fn backoff(annotations: &Labels) -> Result<ExponentialBackoff, Invalid> {
    let (min_name, max_name) = (
        "balancer.linkerd.io/failure-accrual-consecutive-min-penalty",
        "balancer.linkerd.io/failure-accrual-consecutive-max-penalty",
    );
    let min = span(annotations, min_name)?.unwrap_or(Duration::from_secs(1));
    let max = span(annotations, max_name)?.unwrap_or(Duration::from_secs(60));
    if min.is_zero() || min > max {
        let value = annotations.value(min_name).map_or("1s", |value| value.as_str());
        return Err(invalid(min_name, value, "must be above 0 and not above the max-penalty"));
    }
    let jitter_name = "balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio";
    let jitter = ratio(annotations, jitter_name, 100.0, "is no number from 0 to 100")?.unwrap_or(0.5);
    let hint = annotations.value("balancer.alpha.linkerd.io/failure-accrual-honor-retry-after");
    #[expect(clippy::cast_possible_truncation, reason = "the wire has 32 bits for the ratio")]
    let jitter_ratio = jitter as f32;
    Ok(ExponentialBackoff {
        min_backoff: prost_types::Duration::try_from(min).ok(),
        max_backoff: prost_types::Duration::try_from(max).ok(),
        jitter_ratio,
        respect_retry_after_hint: hint.is_some_and(|value| value == "true"),
    })
}

fn unified(
    annotations: &Labels,
    max: u32,
    backoff: ExponentialBackoff,
) -> Result<failure_accrual::Unified, Invalid> {
    let threshold = "balancer.alpha.linkerd.io/failure-accrual-success-rate-threshold";
    let window_name = "balancer.alpha.linkerd.io/failure-accrual-window";
    let window = span(annotations, window_name)?.unwrap_or(Duration::from_secs(10));
    if window < Duration::from_millis(10) {
        let value = annotations.value(window_name).map_or("", |value| value.as_str());
        return Err(invalid(window_name, value, "must be 10ms or more"));
    }
    let requests_name = "balancer.alpha.linkerd.io/failure-accrual-min-requests";
    let requests = number(annotations, requests_name, "is no whole number up to 1000000")?.unwrap_or(5);
    if requests > 1_000_000 {
        let value = annotations.value(requests_name).map_or("", |value| value.as_str());
        return Err(invalid(requests_name, value, "is no whole number up to 1000000"));
    }
    Ok(failure_accrual::Unified {
        success_rate_threshold: ratio(annotations, threshold, 1.0, "is no number from 0 to 1")?
            .unwrap_or(0.8),
        decay: prost_types::Duration::try_from(window).ok(),
        min_requests: requests,
        max_consecutive_failures: max,
        backoff: Some(backoff),
    })
}

/// What a balancer adds to endpoints that fail: the penalty and the longest hint that is followed.
pub fn penalty(annotations: &Labels) -> Option<(Duration, Duration)> {
    let on =
        annotations.value("balancer.alpha.linkerd.io/penalize-failures").is_some_and(|value| value == "true");
    let span = |name, default| span(annotations, name).ok().flatten().unwrap_or(default);
    on.then(|| {
        (
            span("balancer.alpha.linkerd.io/load-biaser-penalty", Duration::from_secs(5)),
            span("balancer.alpha.linkerd.io/load-biaser-max-retry-after", Duration::from_secs(300)),
        )
    })
}

impl Retry {
    /// For HTTP routes.
    pub fn http(&self) -> http_route::Retry {
        let range = |(start, end): &(u32, u32)| http_route::retry::conditions::StatusRange {
            start: *start,
            end: *end,
        };
        http_route::Retry {
            max_retries: self.limit,
            max_request_bytes: RETRY_BODY,
            conditions: Some(http_route::retry::Conditions {
                status_ranges: self.statuses.iter().map(range).collect(),
            }),
            timeout: self.timeout.and_then(|it| prost_types::Duration::try_from(it).ok()),
            backoff: Some(retry_backoff()),
        }
    }

    /// For gRPC routes.
    pub fn grpc(&self) -> grpc_route::Retry {
        let has = |code| self.codes.contains(&code);
        grpc_route::Retry {
            max_retries: self.limit,
            max_request_bytes: RETRY_BODY,
            conditions: Some(grpc_route::retry::Conditions {
                cancelled: has(Code::Cancelled),
                // Misspelt in the published interface; the number of the field is what counts.
                deadine_exceeded: has(Code::DeadlineExceeded),
                resource_exhausted: has(Code::ResourceExhausted),
                internal: has(Code::Internal),
                unavailable: has(Code::Unavailable),
            }),
            timeout: self.timeout.and_then(|it| prost_types::Duration::try_from(it).ok()),
            backoff: Some(retry_backoff()),
        }
    }
}

fn retry_backoff() -> ExponentialBackoff {
    ExponentialBackoff {
        min_backoff: prost_types::Duration::try_from(RETRY_BACKOFF.0).ok(),
        max_backoff: prost_types::Duration::try_from(RETRY_BACKOFF.1).ok(),
        jitter_ratio: 1.0,
        respect_retry_after_hint: false,
    }
}

fn status_range(item: &str) -> Option<(u32, u32)> {
    let status = |text: &str| text.parse::<u32>().ok().filter(|status| (100..600).contains(status));
    match item {
        "5xx" => Some((500, 599)),
        "gateway-error" => Some((502, 504)),
        _ => match item.split_once('-') {
            Some((low, high)) => {
                let (low, high) = (status(low)?, status(high)?);
                (low <= high).then_some((low, high))
            }
            None => status(item).map(|status| (status, status)),
        },
    }
}

fn code(item: &str) -> Option<Code> {
    Some(match item {
        "cancelled" => Code::Cancelled,
        "deadline-exceeded" => Code::DeadlineExceeded,
        "internal" => Code::Internal,
        "resource-exhausted" => Code::ResourceExhausted,
        "unavailable" => Code::Unavailable,
        _ => return None,
    })
}

fn span(annotations: &Labels, name: &'static str) -> Result<Option<Duration>, Invalid> {
    let rule = "is no duration: a whole number and one of ms, s, m, h, d";
    let Some(value) = annotations.value(name) else { return Ok(None) };
    duration(value).map(Some).ok_or_else(|| invalid(name, value, rule))
}

fn number(annotations: &Labels, name: &'static str, rule: &'static str) -> Result<Option<u32>, Invalid> {
    let Some(value) = annotations.value(name) else { return Ok(None) };
    value.parse().map(Some).map_err(|_| invalid(name, value, rule))
}

fn ratio(
    annotations: &Labels,
    name: &'static str,
    most: f64,
    rule: &'static str,
) -> Result<Option<f64>, Invalid> {
    let Some(value) = annotations.value(name) else { return Ok(None) };
    let number = value.parse::<f64>().ok().filter(|number| (0.0..=most).contains(number));
    number.map(Some).ok_or_else(|| invalid(name, value, rule))
}

fn invalid(name: &'static str, value: &str, rule: &'static str) -> Invalid {
    Invalid { name, value: value.chars().take(64).collect(), rule }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    #[test]
    fn durations_are_whole_numbers_with_a_unit() {
        assert_eq!(duration("0"), Some(Duration::ZERO));
        assert_eq!(duration("2d"), Some(Duration::from_secs(172_800)));
        for bad in ["", "5", "1.5s", "s", "-1s", "1us", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_bad_value_names_itself_and_costs_only_what_it_is_about() {
        let bad = of(&[("retry.linkerd.io/http", "5xx,700"), ("timeout.linkerd.io/request", "5s")]);
        let problem = retry(&bad, Spoken::Http).unwrap_err().to_string();
        assert!(problem.starts_with("annotation retry.linkerd.io/http: \"5xx,700\""), "{problem}");
        assert_eq!(timeouts(&bad).unwrap().request.unwrap().seconds, 5);
        assert_eq!(problems(&bad).len(), 1);
        let good = of(&[("retry.linkerd.io/http", "gateway-error,429"), ("retry.linkerd.io/limit", "3")]);
        let found = retry(&good, Spoken::Http).unwrap().unwrap();
        assert_eq!((found.limit, found.statuses), (3, vec![(502, 504), (429, 429)]));
        let reversed = of(&[
            ("balancer.linkerd.io/failure-accrual", "consecutive"),
            ("balancer.linkerd.io/failure-accrual-consecutive-min-penalty", "2m"),
        ]);
        assert!(accrual(&reversed).is_err());
    }
}
