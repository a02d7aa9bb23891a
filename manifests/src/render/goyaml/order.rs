//! The order of keys: Go's YAML library sorts them as people do, numbers by value and letters last.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::render::data::{Data, Dict};

/// The entries of a map in the order they are written.
pub(super) fn sorted(entries: &Dict) -> Vec<(&Arc<str>, &Data)> {
    let mut sorted: Vec<_> = entries.iter().collect();
    let plain = |key: &str| key.bytes().all(|byte| byte.is_ascii_lowercase());
    if !sorted.iter().all(|(key, _)| plain(key)) {
        sorted.sort_by(|(left, _), (right, _)| compare(left, right));
    }
    sorted
}

/// Compares two keys.
fn compare(left: &str, right: &str) -> Ordering {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let Some(at) = left.iter().zip(&right).position(|(left, right)| left != right) else {
        return left.len().cmp(&right.len());
    };
    let (first, second) = (left[at], right[at]);
    let after_digit = at > 0 && left[at - 1].is_numeric();
    match (first.is_alphabetic(), second.is_alphabetic()) {
        (true, true) => return first.cmp(&second),
        // Letters come after everything else, except behind a digit: `a1b` before `a10`.
        (true, false) => return if after_digit { Ordering::Less } else { Ordering::Greater },
        (false, true) => return if after_digit { Ordering::Greater } else { Ordering::Less },
        (false, false) => {}
    }
    // A zero within a number counts only when something stands before it.
    let leading = (first == '0' || second == '0')
        && left[..at].iter().rev().take_while(|digit| digit.is_ascii_digit()).any(|digit| *digit != '0');
    let (first_value, first_end) = number(&left, at, leading);
    let (second_value, second_end) = number(&right, at, leading);
    first_value.cmp(&second_value).then(first_end.cmp(&second_end)).then(first.cmp(&second))
}

/// The number that starts at a place, and where it ends.
fn number(key: &[char], at: usize, leading: bool) -> (i64, usize) {
    let digits = key[at..].iter().map_while(|character| character.to_digit(10));
    let length = digits.clone().count();
    let value =
        digits.fold(i64::from(leading), |value, digit| value.wrapping_mul(10).wrapping_add(i64::from(digit)));
    (value, at + length)
}
