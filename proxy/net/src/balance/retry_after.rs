//! How long a server asks to be left alone.

use std::time::Duration;

/// The value of `retry-after` (RFC 9110 §10.2.3): seconds, or a date in the preferred form; `now` is seconds since 1970. A date
/// that has passed is zero.
#[must_use]
pub fn retry_after(value: &[u8], now: u64) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    let seconds = match number(text) {
        Some(seconds) => seconds,
        None => date(text)?.saturating_sub(now),
    };
    Some(Duration::from_secs(seconds))
}

/// The value of `grpc-retry-pushback-ms`; a negative one asks not to try again and is none.
#[must_use]
pub fn grpc_pushback(value: &[u8]) -> Option<Duration> {
    number(std::str::from_utf8(value).ok()?).map(Duration::from_millis)
}

/// Digits alone; what is too large for 64 bits is none.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` as seconds since 1970.
fn date(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let day = number(words.next()?)?;
    let month = words.next()?;
    let year = number(words.next()?)?;
    let mut clock = words.next()?.splitn(3, ':').map(number);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if words.next() != Some("GMT") || words.next().is_some() {
        return None;
    }
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month)? as u64;
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    Some(((days(year, month) + day - 1) * 24 + hour) * 3600 + minute * 60 + second)
}

/// Days from 1970 to the first of a month; `month` is from 0.
fn days(year: u64, month: u64) -> u64 {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let ahead = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][month as usize];
    (year - 1970) * 365 + leaps + ahead + u64::from(month > 1 && leap(year))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let read = |value: &str, now| retry_after(value.as_bytes(), now).map(|it| it.as_secs());
        assert_eq!(read("120", 0), Some(120));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_770), Some(7));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777_000), Some(0));
        assert_eq!(read("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800), Some(0));
        assert_eq!(read("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_164_800), Some(86_400));
        for wrong in [
            "",
            "-1",
            "1.5",
            "soon",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "99999999999999999999",
        ] {
            assert_eq!(read(wrong, 0), None, "{wrong}");
        }
    }

    #[test]
    fn a_negative_pushback_is_none() {
        assert_eq!(grpc_pushback(b"1500"), Some(Duration::from_millis(1500)));
        assert_eq!(grpc_pushback(b"-1"), None);
        assert_eq!(grpc_pushback(b"\xff"), None);
    }
}
