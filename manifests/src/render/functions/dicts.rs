//! Functions on maps. None changes its arguments.

use std::sync::Arc;

use super::{Outcome, Row, as_list, as_text, exactly, stringly};
use crate::render::data::{Data, Dict};

pub(super) const TABLE: &[Row] = &[
    ("dict", dict),
    ("get", get),
    ("hasKey", |values| {
        let [map, key] = exactly(values)?;
        Ok(Data::Bool(as_map(map)?.contains_key(&**as_text(key)?)))
    }),
    ("keys", keys),
    ("values", |values| {
        let [map] = exactly(values)?;
        Ok(Data::list(as_map(map)?.values().cloned().collect()))
    }),
    ("pick", |values| chosen(values, true)),
    ("omit", |values| chosen(values, false)),
    ("merge", |values| merged(values, |old, _| !old.is_true())),
    ("mustMerge", |values| merged(values, |old, _| !old.is_true())),
    ("mergeOverwrite", |values| merged(values, |_, _| true)),
    ("mustMergeOverwrite", |values| merged(values, |_, _| true)),
    ("dig", dig),
    ("pluck", pluck),
    ("deepCopy", |values| exactly::<1>(values).map(|[value]| value.clone())),
    ("lookup", |_| Ok(Data::map(Dict::new()))),
];

fn as_map(value: &Data) -> Result<&Dict, String> {
    match value {
        Data::Map(entries) => Ok(entries),
        other => Err(format!("expected map; found {}", other.kind())),
    }
}

fn dict(values: &[Data]) -> Outcome {
    let mut entries = Dict::new();
    for pair in values.chunks(2) {
        let key = match &pair[0] {
            Data::Text(key) => Arc::clone(key),
            other => Arc::from(stringly(other)),
        };
        entries.insert(key, pair.get(1).cloned().unwrap_or_else(|| Data::text("")));
    }
    Ok(Data::map(entries))
}

fn get(values: &[Data]) -> Outcome {
    let [map, key] = exactly(values)?;
    Ok(as_map(map)?.get(&**as_text(key)?).cloned().unwrap_or_else(|| Data::text("")))
}

fn keys(values: &[Data]) -> Outcome {
    let mut keys = Vec::new();
    for map in values {
        keys.extend(as_map(map)?.keys().map(|key| Data::Text(Arc::clone(key))));
    }
    Ok(Data::list(keys))
}

/// `pick` keeps the named keys, `omit` the others.
fn chosen(values: &[Data], keep: bool) -> Outcome {
    let (map, names) = values.split_first().ok_or("wants a map")?;
    let mut wanted = Vec::with_capacity(names.len());
    for name in names {
        wanted.push(&**as_text(name)?);
    }
    let entries = as_map(map)?.iter().filter(|(key, _)| wanted.contains(&&***key) == keep);
    Ok(Data::map(entries.map(|(key, value)| (Arc::clone(key), value.clone())).collect()))
}

/// Merges maps into the first; `replaces` says whether a value of a later map takes the place of one that is there.
fn merged(values: &[Data], replaces: fn(&Data, &Data) -> bool) -> Outcome {
    let (first, rest) = values.split_first().ok_or("wants a map")?;
    let mut entries = as_map(first)?.clone();
    for other in rest {
        merge_into(&mut entries, as_map(other)?, replaces);
    }
    Ok(Data::map(entries))
}

fn merge_into(target: &mut Dict, source: &Dict, replaces: fn(&Data, &Data) -> bool) {
    for (key, value) in source {
        match (target.get_mut(key), value) {
            (None, _) => {
                target.insert(Arc::clone(key), value.clone());
            }
            (Some(Data::Map(old)), Data::Map(new)) => merge_into(Arc::make_mut(old), new, replaces),
            (Some(old), new) => {
                if replaces(old, new) {
                    *old = new.clone();
                }
            }
        }
    }
}

fn dig(values: &[Data]) -> Outcome {
    let [path @ .., fallback, map] = values else { return Err("wants keys, a default and a map".to_owned()) };
    let mut current = map;
    for key in path {
        match as_map(current)?.get(&**as_text(key)?) {
            Some(next) => current = next,
            None => return Ok(fallback.clone()),
        }
    }
    Ok(current.clone())
}

fn pluck(values: &[Data]) -> Outcome {
    let (name, maps) = values.split_first().ok_or("wants a key")?;
    let name = as_text(name)?;
    let mut found = Vec::new();
    for map in maps {
        found.extend(as_map(map)?.get(name).cloned());
    }
    Ok(Data::list(found))
}

/// Kept beside the maps because Go's `index` walks maps and lists alike.
pub(super) fn index(values: &[Data]) -> Outcome {
    let (first, path) = values.split_first().ok_or("wants a value")?;
    let mut current = first.clone();
    for key in path {
        current = match (&current, key) {
            (Data::Map(entries), Data::Text(key)) => entries.get(key).cloned().unwrap_or(Data::Nil),
            (Data::List(_), Data::Int(position)) => {
                let items = as_list(&current)?;
                let item = usize::try_from(*position).ok().and_then(|position| items.get(position));
                item.cloned().ok_or_else(|| format!("index out of range: {position}"))?
            }
            (Data::Nil, _) => return Err("index of untyped nil".to_owned()),
            (value, key) => return Err(format!("cannot index {} with {}", value.kind(), key.kind())),
        };
    }
    Ok(current)
}
