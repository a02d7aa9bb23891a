//! The reference page of values, made of the schemas and the defaults.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema;
use crate::chart::Chart;
use crate::render::RenderError;

/// The page as Markdown: one table per chart, one row per value.
///
/// # Errors
///
/// A chart's own files cannot be read, which tests exclude.
pub fn reference() -> Result<String, RenderError> {
    let mut page = String::from(
        "# Values\n\nWhat `--set`, `--set-string`, `--set-file` and `-f` of `linkerd install` and of `helm install` take. \
         Keys that are not listed are refused, except below maps whose keys are free.\n",
    );
    for chart in Chart::ALL {
        write!(
            page,
            "\n## Chart `{}`\n\n| key | type | default | meaning |\n|---|---|---|---|\n",
            chart.name()
        )
        .expect("writing to a String cannot fail");
        rows(&mut page, schema(chart)?, Some(chart.defaults()?), "");
    }
    Ok(page)
}

/// Appends the rows of what lies below a path.
fn rows(page: &mut String, schema: &Value, defaults: Option<&Value>, path: &str) {
    for (key, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let default = defaults.and_then(|defaults| defaults.get(key));
        if inner.get("properties").is_some()
            && default.is_none_or(|default| default != &Value::Object(serde_json::Map::new()))
        {
            rows(page, inner, default, &path);
            continue;
        }
        let meaning = inner.get("description").and_then(Value::as_str).unwrap_or_default();
        writeln!(page, "| `{path}` | {} | {} | {} |", kind(inner), shown(default), cell(meaning))
            .expect("writing to a String cannot fail");
    }
}

/// The type, or the values allowed.
fn kind(schema: &Value) -> String {
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        return allowed.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" ");
    }
    super::types(schema).into_iter().map(super::in_words).collect::<Vec<_>>().join(" or ")
}

fn shown(default: Option<&Value>) -> String {
    match default {
        None | Some(Value::Null) => String::new(),
        Some(value) => format!("`{}`", cell(&value.to_string())),
    }
}

/// Text that cannot break out of a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}
