//! Functions on lists.

use super::{Outcome, Row, as_int, as_list, bounded, exactly, stringly};
use crate::render::data::Data;

pub(super) const TABLE: &[Row] = &[
    ("list", |values| Ok(Data::list(values.to_vec()))),
    ("tuple", |values| Ok(Data::list(values.to_vec()))),
    ("index", super::dicts::index),
    ("len", len),
    ("first", |values| {
        exactly::<1>(values).and_then(|[items]| Ok(as_list(items)?.first().cloned().unwrap_or(Data::Nil)))
    }),
    ("last", |values| {
        exactly::<1>(values).and_then(|[items]| Ok(as_list(items)?.last().cloned().unwrap_or(Data::Nil)))
    }),
    ("rest", |values| part(values, |items| items.get(1..).unwrap_or_default().to_vec())),
    ("initial", |values| part(values, |items| items[..items.len().saturating_sub(1)].to_vec())),
    ("reverse", |values| part(values, |items| items.iter().rev().cloned().collect())),
    ("uniq", |values| part(values, unique)),
    ("compact", |values| part(values, |items| items.iter().filter(|item| item.is_true()).cloned().collect())),
    ("append", |values| {
        let [items, item] = exactly(values)?;
        Ok(Data::list([as_list(items)?, std::slice::from_ref(item)].concat()))
    }),
    ("prepend", |values| {
        let [items, item] = exactly(values)?;
        Ok(Data::list([std::slice::from_ref(item), as_list(items)?].concat()))
    }),
    ("concat", concat),
    ("has", |values| {
        let [item, items] = exactly(values)?;
        Ok(Data::Bool(as_list(items)?.contains(item)))
    }),
    ("without", without),
    ("slice", slice),
    ("sortAlpha", sort_alpha),
    ("until", |values| {
        let [count] = exactly(values)?;
        steps(0, as_int(count), 1)
    }),
    ("untilStep", |values| {
        let [start, stop, step] = exactly(values)?;
        steps(as_int(start), as_int(stop), as_int(step))
    }),
    ("seq", seq),
];

fn part(values: &[Data], run: impl Fn(&[Data]) -> Vec<Data>) -> Outcome {
    let [items] = exactly(values)?;
    Ok(Data::list(run(as_list(items)?)))
}

fn len(values: &[Data]) -> Outcome {
    let [value] = exactly(values)?;
    let length = match value {
        Data::Text(text) => text.len(),
        Data::List(items) => items.len(),
        Data::Map(entries) => entries.len(),
        Data::Nil => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.kind())),
    };
    Ok(Data::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn unique(items: &[Data]) -> Vec<Data> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(item) {
            seen.push(item.clone());
        }
    }
    seen
}

fn concat(values: &[Data]) -> Outcome {
    let mut joined = Vec::new();
    for items in values {
        joined.extend_from_slice(as_list(items)?);
    }
    Ok(Data::list(joined))
}

fn without(values: &[Data]) -> Outcome {
    let (items, unwanted) = values.split_first().ok_or("wants a list")?;
    Ok(Data::list(as_list(items)?.iter().filter(|item| !unwanted.contains(item)).cloned().collect()))
}

/// Sprig's `slice` on lists and Go's on text.
fn slice(values: &[Data]) -> Outcome {
    let (subject, bounds) = values.split_first().ok_or("wants a list")?;
    let length = match subject {
        Data::Text(text) => text.len(),
        other => as_list(other)?.len(),
    };
    let bound = |position: usize, fallback: usize| match bounds.get(position) {
        Some(value) => {
            usize::try_from(as_int(value)).ok().filter(|bound| *bound <= length).ok_or("out of range")
        }
        None => Ok(fallback),
    };
    let (start, end) = (bound(0, 0)?, bound(1, length)?);
    match subject {
        Data::Text(text) => text.get(start..end).map(Data::text).ok_or_else(|| "out of range".to_owned()),
        other => as_list(other)?
            .get(start..end)
            .map(|items| Data::list(items.to_vec()))
            .ok_or_else(|| "out of range".to_owned()),
    }
}

fn sort_alpha(values: &[Data]) -> Outcome {
    let [items] = exactly(values)?;
    let mut texts: Vec<String> = as_list(items)?.iter().map(stringly).collect();
    texts.sort();
    Ok(Data::list(texts.into_iter().map(Data::text).collect()))
}

fn steps(start: i64, stop: i64, step: i64) -> Outcome {
    let backwards = start > stop;
    let step = if step == 0 || (step < 0) != backwards {
        if step == 1 && backwards { -1 } else { return Ok(Data::list(Vec::new())) }
    } else {
        step
    };
    bounded(stop.saturating_sub(start).saturating_abs() / step.saturating_abs())?;
    let mut items = Vec::new();
    let mut current = start;
    while if backwards { current > stop } else { current < stop } {
        items.push(Data::Int(current));
        current = current.saturating_add(step);
    }
    Ok(Data::list(items))
}

/// `seq`: numbers parted by blanks, both ends included.
fn seq(values: &[Data]) -> Outcome {
    let (start, stop, step) = match values {
        [stop] => (1, as_int(stop), 1),
        [start, stop] => (as_int(start), as_int(stop), 1),
        [start, step, stop] => (as_int(start), as_int(stop), as_int(step)),
        _ => return Err("wants 1 to 3 numbers".to_owned()),
    };
    let step = if values.len() < 3 && stop < start { -1 } else { step };
    let end = stop.saturating_add(step.signum());
    let Data::List(items) = steps(start, end, step)? else { return Ok(Data::text("")) };
    let words: Vec<String> = items.iter().map(stringly).collect();
    Ok(Data::text(words.join(" ")))
}
