//! Kubernetes resource quantities: parsed and compared.
//!
//! A quantity is a decimal number with a decimal (`n u m k M G T P E`), binary (`Ki Mi Gi Ti Pi Ei`) or exponent
//! (`1e3`) suffix. It keeps the text it was written in and compares by value, so `1000m` equals `1`.

use std::{cmp::Ordering, fmt, str::FromStr};

/// The longest text taken for a quantity, in bytes; no real one comes near.
const MAX_LENGTH: usize = 64;
/// Values are held in billionths, the finest step Kubernetes knows.
const NANO: i128 = 1_000_000_000;
/// Kubernetes caps what is larger than this.
const MAX_VALUE: i128 = i64::MAX as i128;

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// No number at the start, or something after the suffix.
    #[error("\"{0}\" is not a quantity such as 100m, 0.5, 64Mi or 1e3")]
    Shape(String),
    /// The suffix is none of those known.
    #[error(
        "\"{suffix}\" in \"{text}\" is not a unit of a quantity (one of n u m k M G T P E Ki Mi Gi Ti Pi Ei, or an exponent such as e3)"
    )]
    Unit {
        /// The whole text.
        text: String,
        /// The part that is not a unit.
        suffix: String,
    },
    /// More text than a quantity can need.
    #[error("a quantity of {0} characters is too long")]
    TooLong(usize),
}

/// A resource quantity: the text it was written in, and its value.
#[derive(Clone, Debug)]
pub struct Quantity {
    text: String,
    nanos: i128,
}

impl Quantity {
    /// The text it was written in.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value in billionths, rounded away from zero as Kubernetes does.
    pub fn nanos(&self) -> i128 {
        self.nanos
    }

    /// Whether the value is below zero.
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.len() > MAX_LENGTH {
            return Err(QuantityError::TooLong(text.len()));
        }
        let shape = || QuantityError::Shape(text.to_owned());
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return Err(shape());
        }
        let scale = Scale::parse(suffix)
            .ok_or_else(|| QuantityError::Unit { text: text.to_owned(), suffix: suffix.to_owned() })?;
        let nanos = scale.nanos(whole, fraction);
        Ok(Self { text: text.to_owned(), nanos: if negative { -nanos } else { nanos } })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// What a suffix multiplies by.
#[derive(Clone, Copy)]
enum Scale {
    Decimal(i32),
    Binary(u32),
}

impl Scale {
    fn parse(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "n" => Self::Decimal(-9),
            "u" => Self::Decimal(-6),
            "m" => Self::Decimal(-3),
            "" => Self::Decimal(0),
            "k" => Self::Decimal(3),
            "M" => Self::Decimal(6),
            "G" => Self::Decimal(9),
            "T" => Self::Decimal(12),
            "P" => Self::Decimal(15),
            "E" => Self::Decimal(18),
            "Ki" => Self::Binary(10),
            "Mi" => Self::Binary(20),
            "Gi" => Self::Binary(30),
            "Ti" => Self::Binary(40),
            "Pi" => Self::Binary(50),
            "Ei" => Self::Binary(60),
            _ => Self::Decimal(exponent(suffix)?),
        })
    }

    /// `whole.fraction` times the scale in billionths, rounded up and capped.
    fn nanos(self, whole: &str, fraction: &str) -> i128 {
        let (shift, factor) = match self {
            Self::Decimal(exponent) => (exponent, 1_i128),
            Self::Binary(bits) => (0, 1_i128 << bits),
        };
        // The decimal point moves by the exponent and by nine places for billionths.
        let point = i64::try_from(whole.len()).unwrap_or(i64::MAX) + i64::from(shift) + 9;
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0').collect();
        scaled(&digits, point, factor).min(MAX_VALUE * NANO)
    }
}

/// The number whose digits are `digits` with the point after `point` of them, times `factor`, rounded up.
fn scaled(digits: &[u8], point: i64, factor: i128) -> i128 {
    let cap = MAX_VALUE * NANO;
    let first = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len());
    if first == digits.len() {
        return 0;
    }
    if point - i64::try_from(first).unwrap_or(0) > 30 {
        return cap;
    }
    let mut value = 0_i128;
    for place in 0..point.max(0) {
        let digit = usize::try_from(place).ok().and_then(|place| digits.get(place)).copied().unwrap_or(0);
        value = value.saturating_mul(10).saturating_add(i128::from(digit));
    }
    value = value.saturating_mul(factor);
    // What is left of the point is multiplied digit by digit, so that 0.1Ki is 102.4 and not 0.
    let mut carry = 0_i128;
    let mut inexact = false;
    for place in (point.max(0)..i64::try_from(digits.len()).unwrap_or(0)).rev() {
        let digit = usize::try_from(place).ok().and_then(|place| digits.get(place)).copied().unwrap_or(0);
        let sum = i128::from(digit) * factor + carry;
        inexact |= sum % 10 != 0;
        carry = sum / 10;
    }
    for _ in point..0 {
        inexact |= carry % 10 != 0;
        carry /= 10;
    }
    value.saturating_add(carry).saturating_add(i128::from(inexact)).min(cap)
}

/// The number of `e3`, `E-3` or `e+3`; exponents beyond what matters are clamped.
fn exponent(suffix: &str) -> Option<i32> {
    let number = suffix.strip_prefix(['e', 'E'])?;
    let unsigned = number.strip_prefix(['-', '+']).unwrap_or(number);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = unsigned.parse::<i32>().unwrap_or(10_000).min(10_000);
    Some(if number.starts_with('-') { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn compares_by_value() {
        for (left, right) in [
            ("1000m", "1"),
            ("1Ki", "1024"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("1.", "1"),
            ("1e3", "1k"),
            ("1E3", "1000"),
            ("1E", "1e18"),
            ("1.5Gi", "1536Mi"),
            ("+1", "1"),
            ("-0", "0"),
            ("12e-1", "1200m"),
            ("0.1Ki", "102.4"),
        ] {
            assert_eq!(quantity(left), quantity(right), "{left} {right}");
        }
        assert!(quantity("100Mi") < quantity("1Gi"));
        assert!(quantity("-1") < quantity("0") && quantity("-1").is_negative());
        assert!(quantity("1e9999") >= quantity("9E"));
        assert_eq!(quantity("0.1n").nanos(), 1, "rounds up");
        assert_eq!(quantity("1e-9999").nanos(), 1);
        assert_eq!(quantity("100m").to_string(), "100m");
    }

    #[test]
    fn refuses_and_names_what_is_wrong() {
        for text in ["", "m", "1.2.3", "-", "one", "1 Mi", "1mi", "1e", "1e+", "1Mib", "--1", "\0"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
        let error = "64MB".parse::<Quantity>().unwrap_err().to_string();
        assert!(error.starts_with("\"MB\" in \"64MB\" is not a unit"), "{error}");
        assert!("9".repeat(100_000).parse::<Quantity>().is_err());
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(text in "[+-]?[0-9]{1,12}(\\.[0-9]{0,9})?(n|u|m|k|M|G|T|Ki|Mi|Gi|e[0-9])?") {
            let read = quantity(&text);
            prop_assert_eq!(read.to_string(), text);
            prop_assert_eq!(quantity(&read.to_string()), read);
        }

        #[test]
        fn milli_is_a_thousandth(number in 0_i64..1_000_000_000) {
            prop_assert_eq!(quantity(&format!("{number}m")).nanos(), i128::from(number) * 1_000_000);
            prop_assert_eq!(quantity(&format!("{number}Ki")).nanos(), i128::from(number) * 1024 * NANO);
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = text.parse::<Quantity>();
        }
    }
}
