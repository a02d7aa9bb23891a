//! Durations as Go and the Gateway API write them: parsed and printed.
//!
//! [`GoDuration`] is what annotations, flags and ServiceProfiles carry (`1h30m`, `1.5s`, `20ms`). The Gateway API takes
//! a subset of it, [`GatewayDuration`]. The proxy's own environment takes integers with one unit, [`GoDuration::to_proxy`].

use std::{fmt, str::FromStr, time::Duration};

const MICROSECOND: i64 = 1_000;
const MILLISECOND: i64 = 1_000 * MICROSECOND;
const SECOND: i64 = 1_000 * MILLISECOND;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// The longest text taken for a duration, in bytes.
const MAX_LENGTH: usize = 256;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// Not numbers with units.
    #[error("invalid duration \"{0}\"")]
    Shape(String),
    /// A number with no unit after it.
    #[error("missing unit in duration \"{0}\"")]
    MissingUnit(String),
    /// A unit that is none of h, m, s, ms, us, ns.
    #[error("unknown unit \"{unit}\" in duration \"{text}\"")]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// The part that is not a unit.
        unit: String,
    },
    /// More than 292 years.
    #[error("duration \"{0}\" is too large")]
    TooLarge(String),
    /// Not of the form the Gateway API takes.
    #[error(
        "\"{0}\" is not a Gateway API duration (up to four of h, m, s, ms with at most five digits each)"
    )]
    Gateway(String),
}

/// A span of time with a sign, in nanoseconds, written as Go writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(i64);

impl GoDuration {
    /// A duration of so many nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A duration of so many seconds, capped at what can be held.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND))
    }

    /// The whole span in nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The whole span in full seconds, cut towards zero.
    pub const fn as_secs(self) -> i64 {
        self.0 / SECOND
    }

    /// Whether the span is nothing at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The same span as the standard library holds it; `None` when below zero.
    pub fn to_std(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }

    /// As the proxy's environment takes it: whole milliseconds, rounded up, `1500ms`.
    pub fn to_proxy(self) -> String {
        let millis = self.0 / MILLISECOND + i64::from(self.0 % MILLISECOND > 0);
        format!("{millis}ms")
    }
}

impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let shape = || DurationError::Shape(shortened(text));
        if text.len() > MAX_LENGTH {
            return Err(shape());
        }
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(shape());
        }
        let mut total = 0_i128;
        while !rest.is_empty() {
            let (nanos, after) = component(text, rest)?;
            total += nanos;
            rest = after;
        }
        let signed = if negative { -total } else { total };
        i64::try_from(signed).map(Self).map_err(|_| DurationError::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if nanos == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let second = SECOND.unsigned_abs();
        if nanos < second {
            return match nanos {
                0..1_000 => write!(f, "{nanos}ns"),
                1_000..1_000_000 => write!(f, "{}µs", decimal(nanos, 1_000)),
                _ => write!(f, "{}ms", decimal(nanos, 1_000_000)),
            };
        }
        let (hours, minutes) = (nanos / HOUR.unsigned_abs(), nanos / MINUTE.unsigned_abs());
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{}m", minutes % 60)?;
        }
        write!(f, "{}s", decimal(nanos % MINUTE.unsigned_abs(), second))
    }
}

/// A duration as the Gateway API takes it: up to four of `h m s ms`, whole numbers of at most five digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayDuration(Duration);

impl GatewayDuration {
    /// The largest duration the form can hold.
    pub const MAX_HOURS: u64 = 99_999;

    /// The span in the terms of the Gateway API: whole milliseconds, rounded up; `None` when it does not fit.
    pub fn new(duration: Duration) -> Option<Self> {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        let millis = u64::try_from(millis).ok()?;
        let fits = millis / 3_600_000 <= Self::MAX_HOURS;
        fits.then(|| Self(Duration::from_millis(millis)))
    }

    /// The span.
    pub const fn as_std(self) -> Duration {
        self.0
    }
}

impl FromStr for GatewayDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let wrong = || DurationError::Gateway(shortened(text));
        let mut rest = text;
        let mut total = Duration::ZERO;
        let mut parts = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, after) = after.split_at(letters);
            let millis = match unit {
                "h" => 3_600_000,
                "m" => 60_000,
                "s" => 1_000,
                "ms" => 1,
                _ => return Err(wrong()),
            };
            parts += 1;
            if !(1..=5).contains(&digits) || parts > 4 {
                return Err(wrong());
            }
            total += Duration::from_millis(number.parse::<u64>().map_err(|_| wrong())? * millis);
            rest = after;
        }
        if parts == 0 { Err(wrong()) } else { Ok(Self(total)) }
    }
}

impl fmt::Display for GatewayDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis == 0 {
            return f.write_str("0s");
        }
        let parts = [
            (millis / 3_600_000, "h"),
            (millis / 60_000 % 60, "m"),
            (millis / 1_000 % 60, "s"),
            (millis % 1_000, "ms"),
        ];
        for (number, unit) in parts.iter().filter(|(number, _)| *number > 0) {
            write!(f, "{number}{unit}")?;
        }
        Ok(())
    }
}

/// One number with its unit from the start of `rest`: its nanoseconds, and what follows.
fn component<'a>(text: &str, rest: &'a str) -> Result<(i128, &'a str), DurationError> {
    let end = rest.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.').unwrap_or(rest.len());
    let (number, after) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return Err(DurationError::Shape(text.to_owned()));
    }
    let unit_end =
        after.bytes().position(|byte| byte == b'.' || byte.is_ascii_digit()).unwrap_or(after.len());
    let (unit, after) = after.split_at(unit_end);
    let scale = match unit {
        "" => return Err(DurationError::MissingUnit(text.to_owned())),
        "ns" => 1,
        "us" | "µs" | "μs" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return Err(DurationError::UnknownUnit { text: text.to_owned(), unit: unit.to_owned() }),
    };
    let whole = if whole.is_empty() { "0" } else { whole };
    // Nineteen digits hold every span that fits.
    let whole = whole.trim_start_matches('0');
    if whole.len() > 19 {
        return Err(DurationError::TooLarge(text.to_owned()));
    }
    let mut nanos = i128::from(if whole.is_empty() { 0 } else { whole.parse::<u64>().unwrap_or(u64::MAX) });
    nanos *= i128::from(scale);
    let mut place = i128::from(scale);
    let mut part = 0_i128;
    let mut divisor = 1_i128;
    for digit in fraction.bytes().take(18) {
        part = part * 10 + i128::from(digit - b'0');
        divisor *= 10;
    }
    place = place * part / divisor;
    Ok((nanos + place, after))
}

/// `nanos / unit` as a decimal number without trailing zeros.
fn decimal(nanos: u64, unit: u64) -> String {
    let (whole, part) = (nanos / unit, nanos % unit);
    if part == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{part:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// The start of a text too long to repeat in an error.
fn shortened(text: &str) -> String {
    if text.len() <= MAX_LENGTH {
        return text.to_owned();
    }
    let start: String = text.chars().take(40).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn go(text: &str) -> GoDuration {
        text.parse().unwrap()
    }

    #[test]
    fn reads_and_prints_as_go_does() {
        for (text, printed) in [
            ("0", "0s"),
            ("24h", "24h0m0s"),
            ("90s", "1m30s"),
            ("1.5s", "1.5s"),
            (".5s", "500ms"),
            ("1h15m30.918s", "1h15m30.918s"),
            ("-1m", "-1m0s"),
            ("+5s", "5s"),
            ("100us", "100µs"),
            ("2540400h", "2540400h0m0s"),
            ("1.1µs", "1.1µs"),
            ("9007199254.740993ms", "2501h59m59.254740993s"),
        ] {
            assert_eq!(go(text).to_string(), printed, "{text}");
        }
        assert_eq!(go("1.0001s").to_proxy(), "1001ms");
        assert_eq!(go("365d".replace("365d", "8760h").as_str()).to_proxy(), "31536000000ms");
    }

    #[test]
    fn names_what_is_wrong() {
        let error = |text: &str| text.parse::<GoDuration>().unwrap_err().to_string();
        assert_eq!(error(""), "invalid duration \"\"");
        assert_eq!(error("3"), "missing unit in duration \"3\"");
        assert_eq!(error("1d"), "unknown unit \"d\" in duration \"1d\"");
        assert_eq!(error("s"), "invalid duration \"s\"");
        assert_eq!(error("1.2.3s"), "invalid duration \"1.2.3s\"");
        assert_eq!(error("9999999h"), "duration \"9999999h\" is too large");
        assert!(error(&"9".repeat(100_000)).len() < 500);
        for text in ["", "1", "1d", "123456s", "1h1m1s1ms1h", "1.5s", "-1s", " 1s"] {
            assert!(text.parse::<GatewayDuration>().is_err(), "{text}");
        }
        assert_eq!("10s500ms".parse::<GatewayDuration>().unwrap().to_string(), "10s500ms");
        assert_eq!("0s".parse::<GatewayDuration>().unwrap().to_string(), "0s");
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(nanos in any::<i64>()) {
            let duration = GoDuration::from_nanos(nanos);
            prop_assert_eq!(go(&duration.to_string()), duration);
        }

        #[test]
        fn gateway_printing_and_reading_agree(millis in 0_u64..359_996_400_000) {
            let duration = GatewayDuration::new(Duration::from_millis(millis)).unwrap();
            prop_assert_eq!(duration.to_string().parse::<GatewayDuration>().unwrap(), duration);
            prop_assert_eq!(go(&duration.to_string()).to_std().unwrap(), duration.as_std());
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = text.parse::<GoDuration>();
            let _ = text.parse::<GatewayDuration>();
        }
    }
}
