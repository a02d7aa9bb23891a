//! Arithmetic on whole numbers, and conversions.

use super::{Outcome, Row, as_int, as_text, exactly};
use crate::render::data::Data;

pub(super) const TABLE: &[Row] = &[
    ("int", |values| exactly::<1>(values).map(|[value]| Data::Int(as_int(value)))),
    ("int64", |values| exactly::<1>(values).map(|[value]| Data::Int(as_int(value)))),
    ("float64", |values| exactly::<1>(values).map(|[value]| Data::Float(as_float(value)))),
    ("atoi", |values| {
        let [text] = exactly(values)?;
        Ok(Data::Int(as_text(text)?.parse().unwrap_or(0)))
    }),
    ("add", |values| Ok(Data::Int(values.iter().map(as_int).fold(0, i64::wrapping_add)))),
    ("add1", |values| exactly::<1>(values).map(|[value]| Data::Int(as_int(value).wrapping_add(1)))),
    ("sub", |values| {
        exactly::<2>(values).map(|[left, right]| Data::Int(as_int(left).wrapping_sub(as_int(right))))
    }),
    ("mul", |values| {
        let (first, rest) = values.split_first().ok_or("wants numbers")?;
        Ok(Data::Int(rest.iter().map(as_int).fold(as_int(first), i64::wrapping_mul)))
    }),
    ("div", |values| divide(values, i64::checked_div)),
    ("mod", |values| divide(values, i64::checked_rem)),
    ("max", |values| extreme(values, Ord::max)),
    ("min", |values| extreme(values, Ord::min)),
    ("floor", |values| rounded(values, f64::floor)),
    ("ceil", |values| rounded(values, f64::ceil)),
];

fn as_float(value: &Data) -> f64 {
    match value {
        Data::Float(number) => *number,
        Data::Text(text) => text.parse().unwrap_or(0.0),
        #[expect(clippy::cast_precision_loss, reason = "Go's conversion is as lossy")]
        other => as_int(other) as f64,
    }
}

fn divide(values: &[Data], run: fn(i64, i64) -> Option<i64>) -> Outcome {
    let [left, right] = exactly(values)?;
    run(as_int(left), as_int(right)).map(Data::Int).ok_or_else(|| "division by zero".to_owned())
}

fn extreme(values: &[Data], choose: fn(i64, i64) -> i64) -> Outcome {
    values.iter().map(as_int).reduce(choose).map(Data::Int).ok_or_else(|| "wants numbers".to_owned())
}

fn rounded(values: &[Data], run: fn(f64) -> f64) -> Outcome {
    let [value] = exactly(values)?;
    Ok(Data::Float(run(as_float(value))))
}
