//! Durations of messages.

use std::time::Duration;

use super::error::{InvalidMessage, Problem, required};

/// Longer durations are taken as this one: a sum of it and any clock stays far from overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A duration that has to be there and may be zero.
pub(crate) fn required_duration(
    value: Option<prost_types::Duration>,
    field: &'static str,
) -> Result<Duration, InvalidMessage> {
    convert(required(value, field)?, field)
}

/// A time limit: absent and zero are no limit.
pub(crate) fn limit(
    value: Option<prost_types::Duration>,
    field: &'static str,
) -> Result<Option<Duration>, InvalidMessage> {
    let converted = value.map(|value| convert(value, field)).transpose()?;
    Ok(converted.filter(|duration| !duration.is_zero()))
}

fn convert(value: prost_types::Duration, field: &'static str) -> Result<Duration, InvalidMessage> {
    let wrong = || {
        InvalidMessage::with_value(
            field,
            Problem::Duration,
            format_args!("{}s {}ns", value.seconds, value.nanos),
        )
    };
    let seconds = u64::try_from(value.seconds).map_err(|_| wrong())?;
    let nanos = u32::try_from(value.nanos).ok().filter(|nanos| *nanos < 1_000_000_000).ok_or_else(wrong)?;
    Ok(Duration::new(seconds, nanos).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proto(seconds: i64, nanos: i32) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos })
    }

    #[test]
    fn durations_are_positive_normalised_and_bounded() {
        assert_eq!(limit(proto(1, 5), "t").unwrap(), Some(Duration::new(1, 5)));
        assert_eq!(limit(proto(0, 0), "t").unwrap(), None);
        assert_eq!(limit(None, "t").unwrap(), None);
        assert_eq!(limit(proto(i64::MAX, 0), "t").unwrap(), Some(LONGEST));
        for (seconds, nanos) in [(-1, 0), (0, -1), (0, 1_000_000_000), (i64::MIN, i32::MIN)] {
            assert_eq!(limit(proto(seconds, nanos), "t").unwrap_err().problem(), Problem::Duration);
        }
        assert_eq!(required_duration(None, "t").unwrap_err().problem(), Problem::Missing);
    }
}
