//! Ports, port ranges and lists of them.
//!
//! The error texts are those Linkerd's users know from `--skip-inbound-ports` and its annotation.

use std::{fmt, str::FromStr};

/// Why a text is not a port, a range or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// More than one dash.
    #[error("ranges expected as <lower>-<upper>")]
    Shape,
    /// The part before the dash is not a port.
    #[error("\"{0}\" is not a valid lower-bound")]
    LowerBound(String),
    /// The part after the dash is not a port.
    #[error("\"{0}\" is not a valid upper-bound")]
    UpperBound(String),
    /// The bounds are the wrong way round.
    #[error("\"{0}\": upper-bound must be greater than or equal to lower-bound")]
    Order(String),
    /// Neither a port nor a range.
    #[error("\"{0}\" is not a valid port nor port-range")]
    Neither(String),
}

/// Reads one port, 0 to 65535, written in decimal digits alone.
pub fn parse_port(text: &str) -> Result<u16, PortError> {
    digits(text).ok_or_else(|| PortError::Neither(shortened(text)))
}

/// Whether a text can be the name of a port: up to 15 of `a-z 0-9 -`, with a letter, no dash at an end or doubled.
pub fn is_port_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=15).contains(&text.len())
        && text.bytes().all(allowed)
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

/// The ports from `low` to `high`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    low: u16,
    high: u16,
}

impl PortRange {
    /// A range of one port.
    pub const fn single(port: u16) -> Self {
        Self { low: port, high: port }
    }

    /// A range from `low` to `high`; `None` when they are the wrong way round.
    pub const fn new(low: u16, high: u16) -> Option<Self> {
        if low <= high { Some(Self { low, high }) } else { None }
    }

    /// The first port of the range.
    pub const fn low(self) -> u16 {
        self.low
    }

    /// The last port of the range.
    pub const fn high(self) -> u16 {
        self.high
    }

    /// Whether `port` lies in the range.
    pub const fn contains(self, port: u16) -> bool {
        self.low <= port && port <= self.high
    }

    /// How many ports the range covers, 1 to 65536.
    pub const fn count(self) -> u32 {
        (self.high - self.low) as u32 + 1
    }
}

impl FromStr for PortRange {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let mut parts = text.split('-');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(port), None, _) => parse_port(port).map(Self::single),
            (Some(low), Some(high), None) => {
                let low = digits(low).ok_or_else(|| PortError::LowerBound(shortened(low)))?;
                let high = digits(high).ok_or_else(|| PortError::UpperBound(shortened(high)))?;
                Self::new(low, high).ok_or_else(|| PortError::Order(text.to_owned()))
            }
            _ => Err(PortError::Shape),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high {
            write!(f, "{}", self.low)
        } else {
            write!(f, "{}-{}", self.low, self.high)
        }
    }
}

/// Ranges in the order they were written, `25,3306,4000-4010`; empty items and blanks are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PortRanges(Vec<PortRange>);

impl PortRanges {
    /// The ranges in the order they were written.
    pub fn as_slice(&self) -> &[PortRange] {
        &self.0
    }

    /// Whether the list names no port.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the ranges covers `port`.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(port))
    }
}

impl FromIterator<PortRange> for PortRanges {
    fn from_iter<I: IntoIterator<Item = PortRange>>(ranges: I) -> Self {
        Self(ranges.into_iter().collect())
    }
}

impl FromStr for PortRanges {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::parse).collect()
    }
}

impl fmt::Display for PortRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{range}")?;
        }
        Ok(())
    }
}

/// A decimal number up to 65535 without sign; more digits than any port has are refused unread.
fn digits(text: &str) -> Option<u16> {
    let plain = !text.is_empty() && text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// The start of a text too long to repeat in an error.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(64) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        text.parse::<PortRanges>().unwrap_err().to_string()
    }

    #[test]
    fn says_what_is_wrong_in_the_known_words() {
        assert_eq!(error("1-2-3"), "ranges expected as <lower>-<upper>");
        assert_eq!(error("x-3"), "\"x\" is not a valid lower-bound");
        assert_eq!(error("-3"), "\"\" is not a valid lower-bound");
        assert_eq!(error("3-65536"), "\"65536\" is not a valid upper-bound");
        assert_eq!(error("9-8"), "\"9-8\": upper-bound must be greater than or equal to lower-bound");
        assert_eq!(error("80,http"), "\"http\" is not a valid port nor port-range");
        assert_eq!(error("+80"), "\"+80\" is not a valid port nor port-range");
        assert!(error(&"9".repeat(1 << 20)).len() < 200);
    }

    #[test]
    fn reads_lists_with_blanks_and_empty_items() {
        let ports: PortRanges = " 25, ,3306,4000-4010, ".parse().unwrap();
        assert_eq!(ports.to_string(), "25,3306,4000-4010");
        assert!(ports.contains(4005) && ports.contains(25) && !ports.contains(26));
        assert!("".parse::<PortRanges>().unwrap().is_empty());
        assert_eq!(PortRange::new(0, 65535).unwrap().count(), 65536);
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(bounds in proptest::collection::vec((any::<u16>(), any::<u16>()), 0..8)) {
            let ports: PortRanges =
                bounds.iter().map(|(a, b)| PortRange::new(*a.min(b), *a.max(b)).unwrap()).collect();
            prop_assert_eq!(ports.to_string().parse::<PortRanges>().unwrap(), ports);
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = text.parse::<PortRanges>();
        }
    }
}
