//! Which values a chart takes: its `values.schema.json`, the errors it leads to, and the reference page made of it.
//!
//! Helm validates with the same file. Our own walk over it names every problem at once, by the full path of the key, with the nearest
//! known key beside an unknown one.

mod reference;

use std::fmt;
use std::sync::OnceLock;

use mesh_core::suggest;
use regex::Regex;
use serde_json::{Map, Value};

use crate::chart::Chart;
use crate::render::RenderError;

pub use reference::reference;

/// One value that a chart does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key, such as `global.proxy.uid` or `tolerations[0]`.
    pub path: String,
    /// What is wrong with it.
    pub cause: Cause,
}

/// Why a value is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The chart has no such key.
    UnknownKey {
        /// The known key nearest to it, as a full path.
        suggestion: Option<String>,
    },
    /// The value is of another type.
    WrongType {
        /// The types the key takes, in words.
        wanted: String,
        /// What was given, in words.
        given: String,
    },
    /// The value is none of those allowed.
    NotAllowed {
        /// The values allowed.
        allowed: Vec<String>,
        /// What was given.
        given: String,
    },
    /// The number is out of bounds, or the text not of the form it has to have.
    OutOfRange {
        /// What it has to be.
        wanted: String,
        /// What was given.
        given: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.path)?;
        match &self.cause {
            Cause::UnknownKey { suggestion: None } => out.write_str("unknown key"),
            Cause::UnknownKey { suggestion: Some(suggestion) } => {
                write!(out, "unknown key; did you mean {suggestion}?")
            }
            Cause::WrongType { wanted, given } | Cause::OutOfRange { wanted, given } => {
                write!(out, "must be {wanted}, not {given}")
            }
            Cause::NotAllowed { allowed, given } => {
                let allowed: Vec<String> = allowed.iter().map(|value| format!("{value:?}")).collect();
                write!(out, "must be one of {}, not {given}", allowed.join(", "))
            }
        }
    }
}

/// Everything that is wrong with a set of values, in the order of the tree; empty when the chart takes them.
///
/// Nulls are always taken: they remove a default.
///
/// # Errors
///
/// The chart's own schema cannot be read, which its tests exclude.
pub fn check(chart: Chart, values: &Value) -> Result<Vec<Problem>, RenderError> {
    let mut walk = Walk { problems: Vec::new() };
    walk.value(schema(chart)?, values, "");
    Ok(walk.problems)
}

/// A chart's `values.schema.json`.
///
/// # Errors
///
/// The file is missing or not JSON, which tests exclude.
pub fn schema(chart: Chart) -> Result<&'static Value, RenderError> {
    static SCHEMAS: [OnceLock<Result<Value, RenderError>>; Chart::ALL.len()] =
        [const { OnceLock::new() }; Chart::ALL.len()];
    let slot = SCHEMAS[chart as usize].get_or_init(|| {
        let text = chart.file("values.schema.json").unwrap_or_default();
        serde_json::from_str(&text).map_err(|error| RenderError {
            chart: chart.name().to_owned(),
            template: "values.schema.json".to_owned(),
            line: u32::try_from(error.line()).unwrap_or(u32::MAX),
            cause: error.to_string(),
            via: Vec::new(),
        })
    });
    slot.as_ref().map_err(Clone::clone)
}

/// Problems listed at most; more would only repeat themselves.
const MOST: usize = 1000;

struct Walk {
    problems: Vec<Problem>,
}

impl Walk {
    fn add(&mut self, path: &str, cause: Cause) {
        if self.problems.len() < MOST {
            let path = if path.is_empty() { "values" } else { path };
            self.problems.push(Problem { path: path.to_owned(), cause });
        }
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        if value.is_null() {
            return;
        }
        let types = types(schema);
        if !types.is_empty() && !types.iter().any(|name| is_of(value, name)) {
            let wanted = types.iter().map(|name| in_words(name)).collect::<Vec<_>>().join(" or ");
            return self.add(path, Cause::WrongType { wanted, given: describe(value) });
        }
        match value {
            Value::Object(entries) => self.map(schema, entries, path),
            Value::Array(items) => {
                if let Some(inner) = schema.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        self.value(inner, item, &format!("{path}[{index}]"));
                    }
                }
            }
            scalar => self.scalar(schema, scalar, path),
        }
    }

    fn map(&mut self, schema: &Value, entries: &Map<String, Value>, path: &str) {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let additional = schema.get("additionalProperties");
        for (key, value) in entries {
            let inner = join(path, key);
            match (properties.get(key), additional) {
                (Some(schema), _) => self.value(schema, value, &inner),
                (None, Some(Value::Bool(false))) => {
                    let known = properties.keys().map(String::as_str);
                    let suggestion = suggest::nearest(key, known).map(|known| join(path, known));
                    self.add(&inner, Cause::UnknownKey { suggestion });
                }
                (None, Some(schema @ Value::Object(_))) => self.value(schema, value, &inner),
                (None, _) => {}
            }
        }
    }

    fn scalar(&mut self, schema: &Value, value: &Value, path: &str) {
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
            if !allowed.contains(value) {
                let allowed = allowed
                    .iter()
                    .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                self.add(path, Cause::NotAllowed { allowed: allowed.collect(), given: describe(value) });
            }
            return;
        }
        if let Some(wanted) = bound(schema, value) {
            self.add(path, Cause::OutOfRange { wanted, given: describe(value) });
        }
    }
}

/// The bound a value breaks, in words.
fn bound(schema: &Value, value: &Value) -> Option<String> {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(number) = value.as_f64() {
        let (low, high) = (limit("minimum"), limit("maximum"));
        let inside = low.is_none_or(|low| number >= low) && high.is_none_or(|high| number <= high);
        return (!inside).then(|| match (low, high) {
            (Some(low), Some(high)) => format!("between {low} and {high}"),
            (Some(low), None) => format!("at least {low}"),
            (_, high) => format!("at most {}", high.unwrap_or_default()),
        });
    }
    let text = value.as_str()?;
    let pattern = schema.get("pattern").and_then(Value::as_str)?;
    let matches = Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
    let words = schema.get("x-form").and_then(Value::as_str).unwrap_or("of the form");
    (!matches).then(|| format!("{words} ({pattern})"))
}

fn join(path: &str, key: &str) -> String {
    let key = if key.contains(['.', '[']) { format!("{key:?}") } else { key.to_owned() };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The types a schema names.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

fn in_words(name: &str) -> &str {
    match name {
        "object" => "a map",
        "array" => "a list",
        "string" => "text",
        "boolean" => "true or false",
        "number" => "a number",
        "integer" => "a whole number",
        other => other,
    }
}

/// A value as a message names it.
fn describe(value: &Value) -> String {
    match value {
        Value::Object(_) => "a map".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) if text.chars().count() > 60 => {
            format!("the text {:?}…", text.chars().take(60).collect::<String>())
        }
        Value::String(text) => format!("the text {text:?}"),
        Value::Number(number) => format!("the number {number}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
