//! What plain text means: scalars resolved the way Kubernetes' reader (YAML 1.1, JSON values) does.
//!
//! - `y yes on true` and `n no off false` in lower, upper and title case are booleans; `~ null` and nothing are null.
//! - Integers may be decimal, hexadecimal (`0x`), octal (`0o17`, and `017` as of old) or binary (`0b`), with `_` anywhere.
//! - Floats that are whole become integers, as they do on their way through JSON.
//! - Dates stay text. Infinities and not-a-number have no place in JSON and are refused.
//! - A key is always text: `1: x` is under `"1"`, `on: x` under `"true"`; a null key is refused.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// A scalar's meaning.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    /// Infinite or not a number.
    NonFinite,
    String,
}

impl Scalar {
    /// The value, with `text` for a string; `None` where JSON has none.
    pub(crate) fn into_value(self, text: Cow<'_, str>) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(truth),
            Self::Number(number) => Value::Number(number),
            Self::NonFinite => return None,
            Self::String => Value::String(text.into_owned()),
        })
    }
}

/// What a plain scalar means.
pub(crate) fn resolve(text: &str) -> Scalar {
    let Some(&first) = text.as_bytes().first() else { return Scalar::Null };
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => number_like(text),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        _ => Scalar::String,
    }
}

/// The key that a plain scalar stands for; `None` for keys that JSON cannot have.
pub(crate) fn key(text: &str) -> Option<Cow<'_, str>> {
    match resolve(text) {
        Scalar::String => Some(Cow::Borrowed(text)),
        Scalar::Bool(truth) => Some(Cow::Borrowed(if truth { "true" } else { "false" })),
        Scalar::Number(number) => {
            if is_float(text) {
                return Some(Cow::Owned(float_key(number.as_f64()?)));
            }
            // The reader refuses unsigned keys beyond the signed range.
            number.as_i64().map(|integer| Cow::Owned(integer.to_string()))
        }
        Scalar::NonFinite => Some(Cow::Borrowed(match text.as_bytes().first() {
            Some(b'-') => "-.inf",
            _ if text.ends_with(['n', 'N']) => ".nan",
            _ => ".inf",
        })),
        Scalar::Null => None,
    }
}

fn word(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => Scalar::String,
    }
}

fn number_like(text: &str) -> Scalar {
    match text {
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => return Scalar::NonFinite,
        _ => {}
    }
    // No number has other characters: most image names, addresses and quantities end here.
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit() || b"+-._xXoObBpP".contains(&byte)) {
        return Scalar::String;
    }
    if text.starts_with('.') {
        return match text.contains('_') {
            true => Scalar::String,
            false => float(text),
        };
    }
    if is_date(text) {
        return Scalar::String;
    }
    let plain: Cow<'_, str> = match text.contains('_') {
        true => Cow::Owned(text.replace('_', "")),
        false => Cow::Borrowed(text),
    };
    match integer(&plain) {
        Some(number) => Scalar::Number(number),
        None => float(&plain),
    }
}

/// An integer in Go's base-0 syntax, signed or (without a sign) unsigned 64 bits.
fn integer(text: &str) -> Option<Number> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("+", &text[1..]),
        _ => ("", text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // A second sign is no digit, though Rust's parser would take it; Go takes one after `0b` alone.
    if digits.starts_with(['+', '-']) {
        if !text.starts_with("0b") && !text.starts_with("-0b") {
            return None;
        }
        if text.starts_with("-0b") {
            return None;
        }
        return i64::from_str_radix(digits, 2).ok().map(Number::from);
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match sign {
        "-" => i64::try_from(-i128::from(magnitude)).ok().map(Number::from),
        "+" => i64::try_from(magnitude).ok().map(Number::from),
        _ => Some(Number::from(magnitude)),
    }
}

/// A float in YAML's own syntax; whole ones that fit become integers.
fn float(text: &str) -> Scalar {
    if !is_float(text) {
        return Scalar::String;
    }
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() => Scalar::Number(shrink(float)),
        _ => Scalar::String,
    }
}

fn is_float(text: &str) -> bool {
    let plain: Cow<'_, str> = match text.contains('_') {
        true => Cow::Owned(text.replace('_', "")),
        false => Cow::Borrowed(text),
    };
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    if exponent.is_some_and(|part| !is_digits(part.strip_prefix(['+', '-']).unwrap_or(part))) {
        return false;
    }
    let has_shape = match mantissa.split_once('.') {
        Some(("", fraction)) => is_digits(fraction),
        Some((whole, fraction)) => is_digits(whole) && (fraction.is_empty() || is_digits(fraction)),
        None => is_digits(mantissa),
    };
    has_shape && integer(&plain).is_none()
}

/// An integer where the float is whole and fits 64 bits, as JSON would print it.
pub(crate) fn shrink(float: f64) -> Number {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if float.fract() == 0.0 && float.abs() <= WHOLE {
        // The bound makes the conversion exact.
        #[expect(clippy::cast_possible_truncation, reason = "within 2^53 and whole")]
        return Number::from(float as i64);
    }
    if float.fract() == 0.0 && float.abs() < 1e21 {
        let digits = format!("{float:.0}");
        if let Ok(integer) = digits.parse::<u64>() {
            return Number::from(integer);
        }
        if let Ok(integer) = digits.parse::<i64>() {
            return Number::from(integer);
        }
    }
    Number::from_f64(float).unwrap_or_else(|| Number::from(0))
}

/// `2001-12-14` and its longer forms: text, though its parts are digits.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 5 && bytes[4] == b'-' && bytes[..4].iter().all(u8::is_ascii_digit)
}

/// A float as a key: the shortest digits of its 32-bit form, an exponent below 1e-4 and from 1e6 on.
fn float_key(float: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "keys are printed in 32 bits")]
    let short = float as f32;
    if short.is_infinite() {
        return if short > 0.0 { ".inf".to_owned() } else { "-.inf".to_owned() };
    }
    let scientific = format!("{short:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    format!("{short}")
}
