//! The values a template computes with: Go's untyped data, as far as charts use it.
//!
//! Maps are sorted by key, which is how Go's templates and `toYaml` walk them. Everything shared is behind an [`Arc`], so handing a
//! value to a function or to a nested template copies a pointer.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// A map from text to values, sorted by key.
pub(crate) type Dict = BTreeMap<Arc<str>, Data>;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    Nil,
    Bool(bool),
    /// An integer made by the template itself: a literal, `int`, `len`, `add`.
    Int(i64),
    /// Every number that comes from a values file: Helm reads them all as floating point.
    Float(f64),
    Text(Arc<str>),
    List(Arc<Vec<Data>>),
    Map(Arc<Dict>),
}

impl Data {
    pub(crate) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn list(items: Vec<Data>) -> Self {
        Self::List(Arc::new(items))
    }

    pub(crate) fn map(entries: Dict) -> Self {
        Self::Map(Arc::new(entries))
    }

    /// Whether Go's `if` takes the value for true.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(flag) => *flag,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
        }
    }

    /// The kind as sprig's `kindOf` names it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "slice",
            Self::Map(_) => "map",
        }
    }

    /// The type as Go's `%T` writes it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            other => other.kind(),
        }
    }
}

impl From<&Value> for Data {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nil,
            Value::Bool(flag) => Self::Bool(*flag),
            // Helm decodes YAML through JSON into `interface{}`, where every number is a float64.
            Value::Number(number) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Self::text(text.as_str()),
            Value::Array(items) => Self::list(items.iter().map(Self::from).collect()),
            Value::Object(entries) => Self::map(
                entries.iter().map(|(key, value)| (Arc::from(key.as_str()), Self::from(value))).collect(),
            ),
        }
    }
}
