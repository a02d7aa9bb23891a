//! Where a document is wrong: lines for texts that do not parse, fields for values of the wrong type.

use serde::Deserialize;
use serde_json::Value;

use super::model::{Document, PathItem, Strict};
use crate::error::Error;

/// A JSON text that does not parse.
pub(super) fn syntax(file: &str, error: &serde_json::Error) -> Error {
    Error::Syntax {
        file: file.to_owned(),
        line: error.line(),
        column: error.column(),
        cause: without_place(error),
    }
}

/// A YAML text that does not parse.
pub(super) fn yaml(file: &str, error: mesh_yaml::Error) -> Error {
    let file = file.to_owned();
    match error {
        mesh_yaml::Error::Invalid { line, column, reason } => {
            Error::Syntax { file, line, column, cause: format!("invalid YAML: {reason}") }
        }
        error => Error::Text { file, cause: error.to_string() },
    }
}

/// A JSON text that parses, but not as OpenAPI: with the field where it can be found, and the line.
pub(super) fn wrong_field(file: &str, source: &str, error: &serde_json::Error) -> Error {
    let field = serde_json::from_str::<Value>(source).ok().and_then(|value| field_of(&value));
    match (field, syntax(file, error)) {
        (Some((field, cause)), Error::Syntax { file, line, column, .. }) => {
            Error::Syntax { file, line, column, cause: format!("{field}: {cause}") }
        }
        (_, error) => error,
    }
}

/// A document read from YAML whose fields are of the wrong type.
pub(super) fn wrong_value(file: &str, value: &Value, error: &serde_json::Error) -> Error {
    let file = file.to_owned();
    match field_of(value) {
        Some((field, cause)) => Error::Field { file, field, cause },
        None => Error::Text { file, cause: without_place(error) },
    }
}

/// Reads the parts one by one until one fails: slow, but only for documents that are refused anyway.
fn field_of(value: &Value) -> Option<(String, String)> {
    let fields = value.as_object()?;
    if let Some(Value::Object(paths)) = fields.get("paths") {
        for (path, item) in paths.iter().filter(|(path, item)| !path.starts_with("x-") && !item.is_null()) {
            if path == "$ref" {
                let cause = format!("{item} points outside this document; bundle it into one file first");
                return Some(("paths.$ref".to_owned(), cause));
            }
            let Err(error) = Strict::<PathItem<'_>>::deserialize(item) else { continue };
            let at = format!("paths[{path:?}]");
            let inner = item.as_object().and_then(|fields| {
                fields.iter().find_map(|(key, value)| {
                    let error =
                        PathItem::deserialize(&one(key, value)).err().map(|error| without_place(&error))?;
                    let deeper = value.as_object().and_then(|fields| {
                        fields.iter().find_map(|(inner, value)| {
                            let alone = one(key, &one(inner, value));
                            PathItem::deserialize(&alone).is_err().then(|| format!(".{inner}"))
                        })
                    });
                    Some((format!("{at}.{key}{}", deeper.unwrap_or_default()), error))
                })
            });
            return Some(inner.unwrap_or_else(|| (at, without_place(&error))));
        }
    }
    fields.iter().find_map(|(key, value)| {
        let error = Document::deserialize(&one(key, value)).err()?;
        let inner = value.as_object().and_then(|fields| {
            let wrong = |(name, value): (&String, &Value)| {
                let alone = one(key, &one(name, value));
                Document::deserialize(&alone).is_err().then(|| format!("{key}.{name}"))
            };
            fields.iter().find_map(wrong)
        });
        Some((inner.unwrap_or_else(|| key.clone()), without_place(&error)))
    })
}

fn one(key: &str, value: &Value) -> Value {
    Value::Object([(key.to_owned(), value.clone())].into_iter().collect())
}

/// The reader's own words without the place, which is told apart.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}
