//! Comparison, choice and questions about kinds.

use std::cmp::Ordering;

use super::{Outcome, Row, as_text, exactly};
use crate::render::data::Data;

pub(super) const TABLE: &[Row] = &[
    ("eq", equal),
    ("ne", |values| {
        let [left, right] = exactly(values)?;
        Ok(Data::Bool(!same(left, right)?))
    }),
    ("lt", |values| ordered(values, Ordering::is_lt)),
    ("le", |values| ordered(values, Ordering::is_le)),
    ("gt", |values| ordered(values, Ordering::is_gt)),
    ("ge", |values| ordered(values, Ordering::is_ge)),
    ("not", |values| exactly::<1>(values).map(|[value]| Data::Bool(!value.is_true()))),
    ("default", default),
    ("empty", |values| exactly::<1>(values).map(|[value]| Data::Bool(!value.is_true()))),
    ("coalesce", |values| Ok(values.iter().find(|value| value.is_true()).cloned().unwrap_or(Data::Nil))),
    ("all", |values| Ok(Data::Bool(values.iter().all(Data::is_true)))),
    ("any", |values| Ok(Data::Bool(values.iter().any(Data::is_true)))),
    ("ternary", ternary),
    ("kindOf", |values| exactly::<1>(values).map(|[value]| Data::text(value.kind()))),
    ("kindIs", |values| {
        let [kind, value] = exactly(values)?;
        Ok(Data::Bool(&**as_text(kind)? == value.kind()))
    }),
    ("typeOf", |values| exactly::<1>(values).map(|[value]| Data::text(value.type_name()))),
    ("typeIs", |values| {
        let [name, value] = exactly(values)?;
        Ok(Data::Bool(&**as_text(name)? == value.type_name()))
    }),
    ("deepEqual", |values| exactly::<2>(values).map(|[left, right]| Data::Bool(left == right))),
    ("semverCompare", semver_compare),
];

fn equal(values: &[Data]) -> Outcome {
    let (first, rest) = values.split_first().ok_or("missing argument for comparison")?;
    if rest.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in rest {
        if same(first, other)? {
            return Ok(Data::Bool(true));
        }
    }
    Ok(Data::Bool(false))
}

/// Go's `eq` on two values: different kinds are an error unless one is nil.
fn same(left: &Data, right: &Data) -> Result<bool, String> {
    match (left, right) {
        (Data::Nil, Data::Nil) => Ok(true),
        (Data::Nil, _) | (_, Data::Nil) => Ok(false),
        (Data::Bool(left), Data::Bool(right)) => Ok(left == right),
        (Data::Int(left), Data::Int(right)) => Ok(left == right),
        (Data::Float(left), Data::Float(right)) => Ok(left == right),
        (Data::Text(left), Data::Text(right)) => Ok(left == right),
        (Data::List(_) | Data::Map(_), _) | (_, Data::List(_) | Data::Map(_)) => {
            Err(format!("non-comparable types {} and {}", left.kind(), right.kind()))
        }
        _ => Err(format!("incompatible types for comparison: {} and {}", left.kind(), right.kind())),
    }
}

fn ordered(values: &[Data], accept: fn(Ordering) -> bool) -> Outcome {
    let [left, right] = exactly(values)?;
    let ordering = match (left, right) {
        (Data::Int(left), Data::Int(right)) => Some(left.cmp(right)),
        (Data::Float(left), Data::Float(right)) => left.partial_cmp(right),
        (Data::Text(left), Data::Text(right)) => Some(left.cmp(right)),
        _ => return Err(format!("incompatible types for comparison: {} and {}", left.kind(), right.kind())),
    };
    Ok(Data::Bool(ordering.is_some_and(accept)))
}

fn default(values: &[Data]) -> Outcome {
    match values {
        [fallback] => Ok(fallback.clone()),
        [fallback, given] => Ok(if given.is_true() { given.clone() } else { fallback.clone() }),
        _ => Err(format!("wants 2 arguments, got {}", values.len())),
    }
}

fn ternary(values: &[Data]) -> Outcome {
    let [yes, no, condition] = exactly(values)?;
    match condition {
        Data::Bool(true) => Ok(yes.clone()),
        Data::Bool(false) => Ok(no.clone()),
        other => Err(format!("expected bool; found {}", other.kind())),
    }
}

/// A single comparison (`>=1.29-0`) of `major.minor.patch`; charts need no more.
fn semver_compare(values: &[Data]) -> Outcome {
    let [constraint, version] = exactly(values)?;
    let constraint = as_text(constraint)?.trim();
    let number = constraint.trim_start_matches(['<', '>', '=', '!', 'v', ' ']);
    let operator = constraint[..constraint.len() - number.len()].trim_end_matches(['v', ' ']);
    let ordering = triple(as_text(version)?)?.cmp(&triple(number)?);
    Ok(Data::Bool(match operator {
        "" | "=" => ordering.is_eq(),
        "!=" => ordering.is_ne(),
        ">" => ordering.is_gt(),
        ">=" | "=>" => ordering.is_ge(),
        "<" => ordering.is_lt(),
        "<=" | "=<" => ordering.is_le(),
        other => return Err(format!("unknown operator {other:?}")),
    }))
}

fn triple(version: &str) -> Result<[u64; 3], String> {
    let core = version.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
    let mut numbers = [0; 3];
    for (index, part) in core.split('.').enumerate() {
        let slot = numbers.get_mut(index).ok_or_else(|| format!("invalid version {version:?}"))?;
        *slot = part.parse().map_err(|_| format!("invalid version {version:?}"))?;
    }
    Ok(numbers)
}
