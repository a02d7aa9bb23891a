//! Values: a chart's defaults, what the user sets over them, and how Helm puts the two together.

mod strvals;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::chart::Chart;
use crate::render::RenderError;

pub use strvals::{MAX_INDEX, MAX_NESTING};

/// Most characters of an expression that an error shows.
const MOST_SHOWN: usize = 200;

/// Why something the user set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    /// A values file is not YAML, or not a map.
    #[error("values file {file}: {cause}")]
    File {
        /// Name of the file.
        file: String,
        /// What is wrong with it.
        cause: String,
    },
    /// An expression of `--set` and its kin does not parse.
    #[error("{flag} {:?}: {cause}", beginning(.expression))]
    Expression {
        /// The flag, such as `--set`.
        flag: &'static str,
        /// The expression as given.
        expression: String,
        /// What is wrong with it.
        cause: String,
    },
}

/// Enough of an expression to tell which one it is.
fn beginning(expression: &str) -> Cow<'_, str> {
    match expression.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", &expression[..end])),
        None => Cow::Borrowed(expression),
    }
}

/// What the user sets, collected from files and expressions.
///
/// Helm reads all files first, then the expressions by kind: `--set`, `--set-string`, `--set-file`. Call the methods in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    tree: Map<String, Value>,
}

impl Overrides {
    /// Nothing set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lays the content of a values file (`-f`) over what is there.
    ///
    /// # Errors
    ///
    /// The text is not YAML or not a map.
    pub fn file(&mut self, name: &str, text: &str) -> Result<(), ValuesError> {
        let wrong = |cause: String| ValuesError::File { file: name.to_owned(), cause };
        match mesh_yaml::from_str(text).map_err(|error| wrong(error.to_string()))? {
            Value::Object(entries) => overlay(&mut self.tree, entries),
            Value::Null => {}
            _ => return Err(wrong("not a map of values".to_owned())),
        }
        Ok(())
    }

    /// Lays values over what is there, as if they stood in a file.
    pub fn merge(&mut self, values: Map<String, Value>) {
        overlay(&mut self.tree, values);
    }

    /// Applies a `--set` expression: `a.b=1,c[0]=x,d={p,q}`, with `true`, `null` and whole numbers recognised.
    ///
    /// # Errors
    ///
    /// The expression does not parse, or goes through something that is no map or list; nothing is changed then.
    pub fn set(&mut self, expression: &str) -> Result<(), ValuesError> {
        self.apply("--set", expression, |text| Ok(strvals::typed(text)))
    }

    /// Applies a `--set-string` expression: as [`Overrides::set`], every value being text.
    ///
    /// # Errors
    ///
    /// As [`Overrides::set`].
    pub fn set_string(&mut self, expression: &str) -> Result<(), ValuesError> {
        self.apply("--set-string", expression, |text| Ok(Value::String(text)))
    }

    /// Applies a `--set-file` expression: as [`Overrides::set`], every value being the content of the file it names.
    ///
    /// # Errors
    ///
    /// As [`Overrides::set`], or what `read` says.
    pub fn set_file(
        &mut self,
        expression: &str,
        read: impl Fn(&str) -> Result<String, String>,
    ) -> Result<(), ValuesError> {
        self.apply("--set-file", expression, |path| read(&path).map(Value::String))
    }

    fn apply(
        &mut self,
        flag: &'static str,
        expression: &str,
        convert: impl Fn(String) -> Result<Value, String>,
    ) -> Result<(), ValuesError> {
        let mut tree = self.tree.clone();
        strvals::apply(&mut tree, expression, &convert).map_err(|cause| ValuesError::Expression {
            flag,
            expression: expression.to_owned(),
            cause,
        })?;
        self.tree = tree;
        Ok(())
    }

    /// What was set, nulls included.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.tree
    }

    /// What was set, nulls included.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Object(self.tree)
    }

    /// The effective values of a chart: its defaults under what was set.
    ///
    /// # Errors
    ///
    /// As [`Chart::package`].
    pub fn over(&self, chart: Chart) -> Result<Value, RenderError> {
        Ok(coalesce(chart.defaults()?, &Value::Object(self.tree.clone())))
    }
}

/// Merges maps as Helm merges values files: deeply, anything else replaces; nulls stay.
fn overlay(target: &mut Map<String, Value>, source: Map<String, Value>) {
    for (key, value) in source {
        match (target.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => overlay(old, new),
            (_, value) => drop(target.insert(key, value)),
        }
    }
}

/// Puts what was set over defaults, as Helm does before it renders: maps merge deeply, null takes a default away, anything else
/// replaces. A default of null is none at all.
#[must_use]
pub fn coalesce(defaults: &Value, set: &Value) -> Value {
    let (Value::Object(defaults), Value::Object(set)) = (defaults, set) else { return set.clone() };
    let mut result = Map::new();
    for (key, default) in defaults.iter().filter(|(_, default)| !default.is_null()) {
        match set.get(key) {
            None => drop(result.insert(key.clone(), without_nulls(default))),
            Some(Value::Null) => {}
            Some(value @ Value::Object(_)) if default.is_object() => {
                result.insert(key.clone(), coalesce(default, value));
            }
            Some(value) => drop(result.insert(key.clone(), value.clone())),
        }
    }
    for (key, value) in set {
        if defaults.get(key).is_none_or(Value::is_null) {
            result.insert(key.clone(), value.clone());
        }
    }
    Value::Object(result)
}

/// A copy of a default without the nulls in its maps.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let kept = entries.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn set(expression: &str) -> Result<Value, String> {
        let mut overrides = Overrides::new();
        overrides.set(expression).map(|()| overrides.into_value()).map_err(|error| error.to_string())
    }

    #[test]
    fn layers_files_and_expressions() {
        let mut overrides = Overrides::new();
        overrides.file("a.yaml", "a: {b: 1, c: 2}\nlist: [1]").unwrap();
        overrides.file("b.yaml", "a: {c: 3}\nlist: [2]").unwrap();
        overrides.set("a.d=x,gone=null").unwrap();
        overrides.set_string("a.b=1").unwrap();
        overrides.set_file("pem=ca.crt", |path| Ok(format!("content of {path}"))).unwrap();
        let expected =
            json!({"a": {"b": "1", "c": 3, "d": "x"}, "list": [2], "gone": null, "pem": "content of ca.crt"});
        assert_eq!(overrides.into_value(), expected);
    }

    #[test]
    fn errors_name_file_or_flag() {
        let mut overrides = Overrides::new();
        assert_eq!(
            overrides.file("v.yaml", "- 1").unwrap_err().to_string(),
            "values file v.yaml: not a map of values"
        );
        assert_eq!(overrides.set("a").unwrap_err().to_string(), "--set \"a\": key \"a\" has no value");
        let error = overrides.set_file("a=x", |_| Err("no such file".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "--set-file \"a=x\": no such file");
        assert_eq!(overrides, Overrides::new());
    }

    #[test]
    fn hostile_expressions_end_in_an_error() {
        assert!(set("a[999999999]=x").unwrap_err().contains("greater than maximum"));
        assert!(set("a[65536][65536][65536][65536]=x").is_ok());
        let many: String = (0..40).map(|index| format!("k{index}[65536]=x,")).collect();
        assert!(set(&many).unwrap_err().contains("too long"));
        assert!(set(&format!("{}=1", "a.".repeat(100_000))).unwrap_err().contains("nested level"));
        assert!(set(&format!("a{}=1", "[0]".repeat(100_000))).unwrap_err().contains("nested level"));
        assert_eq!(set("a=x\0y").unwrap(), json!({"a": "x\0y"}));
    }

    proptest! {
        #[test]
        fn no_expression_makes_it_panic(expression in "[ab.,=\\[\\]{}\\\\0-9\\-\\x00é]{0,40}") {
            let _ = set(&expression);
        }

        #[test]
        fn escaped_text_is_set_as_it_is(text in "[ -~é]{1,30}") {
            let escaped: String = text.chars().flat_map(|character| ['\\', character]).collect();
            let mut overrides = Overrides::new();
            overrides.set_string(&format!("a.b={escaped}")).unwrap();
            prop_assert_eq!(overrides.into_value(), json!({"a": {"b": text}}));
        }
    }
}
