//! The Helm-compatible renderer: chart, values and release in, objects out.

use std::sync::Arc;

pub(crate) mod data;
pub(crate) mod format;
pub(crate) mod functions;
pub(crate) mod goyaml;
pub(crate) mod machine;
pub(crate) mod program;

/// What Go's templates print for nil, and Helm removes from the finished text.
const NO_VALUE: &str = "<no value>";

use data::Data;
use machine::{Fault, Machine};
use program::{CompileError, Program};

/// Why a chart does not render.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("chart {chart}: {template}:{line}: {cause}{}", included(.via))]
pub struct RenderError {
    /// Name of the chart.
    pub chart: String,
    /// File within the chart in which the cause stands.
    pub template: String,
    /// Line in that file, from 1.
    pub line: u32,
    /// What is wrong there.
    pub cause: String,
    /// The files and lines through which the template was included, the nearest first.
    pub via: Vec<(String, u32)>,
}

/// The tail of a message that says who included the faulty template.
fn included(via: &[(String, u32)]) -> String {
    via.iter().map(|(file, line)| format!(", included from {file}:{line}")).collect()
}

/// A compiled set of templates, ready to be rendered any number of times.
#[derive(Debug)]
pub(crate) struct Engine {
    chart: String,
    program: Program,
}

impl Engine {
    /// Compiles the templates of a chart, given as path within the chart and text.
    pub(crate) fn compile<'a>(
        chart: &str,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, RenderError> {
        let program = Program::compile(files).map_err(|CompileError { file, line, cause }| RenderError {
            chart: chart.to_owned(),
            template: file.to_string(),
            line,
            cause,
            via: Vec::new(),
        })?;
        Ok(Self { chart: chart.to_owned(), program })
    }

    /// Renders a file or a named template over a value.
    pub(crate) fn render(&self, name: &str, dot: &Data) -> Result<String, RenderError> {
        let text = Machine::new(&self.program).run(name, dot).map_err(|fault| self.error(name, fault))?;
        // Helm does this to the whole text, too, wherever the words come from.
        Ok(if text.contains(NO_VALUE) { text.replace(NO_VALUE, "") } else { text })
    }

    fn error(&self, name: &str, fault: Fault) -> RenderError {
        let mut trace = fault.trace.into_iter();
        let (template, line) = trace.next().unwrap_or_else(|| (Arc::from(name), 1));
        RenderError {
            chart: self.chart.clone(),
            template: template.to_string(),
            line,
            cause: fault.cause,
            via: trace.map(|(file, line)| (file.to_string(), line)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
