//! Writing: block style, quoted so that a YAML 1.1 reader reads back the same value.

use serde_json::{Map, Value};

use crate::error::Error;

/// In which order keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyOrder {
    /// As the value has them.
    #[default]
    Given,
    /// By bytes, as Go's writer does.
    Sorted,
}

/// Writes one document in block style, quoted so that Kubernetes (YAML 1.1) reads back the same value.
///
/// # Errors
/// When the value is nested deeper than can be read back.
pub fn to_string(value: &Value) -> Result<String, Error> {
    to_string_ordered(value, KeyOrder::Given)
}

/// Writes one document with its keys in the order asked for.
///
/// # Errors
/// As [`to_string`].
pub fn to_string_ordered(value: &Value, order: KeyOrder) -> Result<String, Error> {
    check_depth(value, 0)?;
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let text = match order {
        KeyOrder::Given => serde_saphyr::to_string_with_options(value, options),
        KeyOrder::Sorted => serde_saphyr::to_string_with_options(&sorted(value), options),
    };
    text.map_err(|error| Error::Write(error.to_string()))
}

/// Writes documents one after another, each opened by `---`.
///
/// # Errors
/// As [`to_string`].
pub fn to_stream<'a>(values: impl IntoIterator<Item = &'a Value>) -> Result<String, Error> {
    let mut text = String::new();
    for value in values {
        text.push_str("---\n");
        text.push_str(&to_string(value)?);
    }
    Ok(text)
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries = entries.into_iter().map(|(key, value)| (key.clone(), sorted(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        scalar => scalar.clone(),
    }
}

fn check_depth(value: &Value, depth: usize) -> Result<(), Error> {
    if depth > crate::read::MAX_DEPTH {
        return Err(Error::Write("nested too deep".to_owned()));
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| check_depth(item, depth + 1)),
        Value::Object(map) => map.values().try_for_each(|value| check_depth(value, depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}
