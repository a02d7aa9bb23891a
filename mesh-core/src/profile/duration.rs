//! The durations of a ServiceProfile: Go's, kept as they were written.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A Go duration such as `300ms` or `1m30s`, not negative, with the text it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoDuration {
    text: String,
    length: Duration,
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a duration: {cause}")]
pub struct InvalidDuration {
    text: String,
    cause: &'static str,
}

/// Units in nanoseconds, the longer of two with the same first letter first.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

// === impl GoDuration ===

impl GoDuration {
    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its length.
    pub const fn length(&self) -> Duration {
        self.length
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let fail = |cause| InvalidDuration { text: text.chars().take(40).collect(), cause };
        let unsigned = match text.strip_prefix('-') {
            Some("0") => "0",
            Some(_) => return Err(fail("it is negative")),
            None => text.strip_prefix('+').unwrap_or(text),
        };
        let nanos = nanoseconds(unsigned).map_err(fail)?;
        let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos <= i64::MAX as u64);
        let nanos = nanos.ok_or_else(|| fail("it is longer than 292 years"))?;
        Ok(Self { text: text.to_owned(), length: Duration::from_nanos(nanos) })
    }
}

fn nanoseconds(text: &str) -> Result<u128, &'static str> {
    const FORM: &str = "it should look like 300ms, 10s or 1m30s";
    if text == "0" {
        return Ok(0);
    }
    if text.is_empty() || text.len() > 100 {
        return Err(FORM);
    }
    let mut rest = text;
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(FORM);
        }
        let (name, unit) = UNITS
            .iter()
            .find(|(name, _)| after.starts_with(name))
            .ok_or(if after.is_empty() { "the unit is missing (ns, us, ms, s, m, h)" } else { FORM })?;
        rest = &after[name.len()..];
        let number = if whole.is_empty() { Some(0) } else { whole.parse::<u64>().ok() };
        let number = number.ok_or("it is longer than 292 years")?;
        total = total.saturating_add(u128::from(number) * unit).saturating_add(part(fraction, *unit));
    }
    Ok(total)
}

/// `0.fraction` of a unit; digits beyond the eighteenth are worth nothing.
fn part(fraction: &str, unit: u128) -> u128 {
    let digits = &fraction[..fraction.len().min(18)];
    let number: u128 = digits.parse::<u64>().unwrap_or(0).into();
    number * unit / 10u128.pow(digits.len() as u32)
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}
