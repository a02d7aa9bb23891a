//! Rendering a chart into objects.

use serde_json::Value;

use crate::chart::{Chart, Package, Release};
use crate::order::{self, Stage};
use crate::render::RenderError;

/// One document a template rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Path of the template within the chart.
    pub template: String,
    /// The document as rendered, comments included, without `---` and surrounding blank lines.
    pub text: String,
    /// The document as data.
    pub value: Value,
    /// Half of the install it belongs to.
    pub stage: Stage,
}

impl Object {
    /// The kind, or an empty text.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.value.get("kind").and_then(Value::as_str).unwrap_or_default()
    }

    /// The name, or an empty text.
    #[must_use]
    pub fn name(&self) -> &str {
        self.value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
    }

    /// The namespace, where the document names one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.value.pointer("/metadata/namespace").and_then(Value::as_str)
    }
}

/// Renders a chart with its effective values (defaults and everything set, already merged) into objects, in the order of installation.
///
/// # Errors
///
/// The first template that fails, or whose output is not YAML.
pub fn render(chart: Chart, values: &Value, release: &Release<'_>) -> Result<Vec<Object>, RenderError> {
    let package = chart.package()?;
    let mut paths: Vec<&String> = package.documents().iter().collect();
    paths.sort_by_key(|path| (order::place(chart, path).0, path.as_str()));
    let stage = |path: &str| order::place(chart, path).1;
    render_paths(package, paths.into_iter().map(|path| (path.as_str(), stage(path))), values, release)
}

impl Package {
    /// Renders a chart that is not embedded, by the names of its templates.
    ///
    /// # Errors
    ///
    /// As [`render`].
    pub fn render(&self, values: &Value, release: &Release<'_>) -> Result<Vec<Object>, RenderError> {
        render_paths(
            self,
            self.documents().iter().map(|path| (path.as_str(), Stage::Config)),
            values,
            release,
        )
    }
}

impl Package {
    /// The whole text of every template, as path and text: what Helm's renderer returns.
    ///
    /// # Errors
    ///
    /// The first template that fails.
    pub fn texts(&self, values: &Value, release: &Release<'_>) -> Result<Vec<(String, String)>, RenderError> {
        let context = self.context(values, release);
        self.documents().iter().map(|path| Ok((path.clone(), self.render_file(path, &context)?))).collect()
    }
}

fn render_paths<'p>(
    package: &Package,
    paths: impl Iterator<Item = (&'p str, Stage)>,
    values: &Value,
    release: &Release<'_>,
) -> Result<Vec<Object>, RenderError> {
    let context = package.context(values, release);
    let mut objects = Vec::new();
    for (path, stage) in paths {
        let rendered = package.render_file(path, &context)?;
        for (text, line) in documents(&rendered) {
            // A block scalar at the end keeps its line break only if the text has one, as it will where it is written.
            let value = mesh_yaml::from_str(&format!("{text}\n")).map_err(|error| RenderError {
                chart: package.name().to_owned(),
                template: path.to_owned(),
                line,
                cause: format!("the rendered document is not YAML (line counted in the output): {error}"),
                via: Vec::new(),
            })?;
            if !value.is_null() {
                objects.push(Object { template: path.to_owned(), text: text.to_owned(), value, stage });
            }
        }
    }
    Ok(objects)
}

/// The documents of a stream with the line each starts on, blank ones left out.
fn documents(stream: &str) -> Vec<(&str, u32)> {
    let mut found = Vec::new();
    let (mut start, mut first, mut offset, mut number) = (0, 1, 0, 1);
    let mut take = |start: usize, end: usize, line: u32| {
        let text = stream[start..end].trim_matches('\n').trim_end();
        if !text.trim().is_empty() {
            found.push((text, line));
        }
    };
    for line in stream.split_inclusive('\n') {
        let end = offset + line.len();
        let content = line.trim_end();
        if content == "---" || content.starts_with("--- ") {
            take(start, offset, first);
            (start, first) = (offset + 3, number);
        }
        offset = end;
        number += 1;
    }
    take(start, stream.len(), first);
    found
}
