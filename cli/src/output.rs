//! Reports become text. No cluster access here, and no decision but layout.
//!
//! A command's work returns a report: a value that serializes (for `-o json` and `-o yaml`) and can lay itself
//! out as a [`table::Table`]. Because both come from one value, they cannot drift apart.

pub mod cert;
pub mod check;
pub mod inject;
pub mod manifest;
pub mod stat;
pub mod table;
pub mod tap;

use serde::Serialize;

use crate::args::output::Format;
use crate::error::CommandError;
use crate::ui::Ui;
use table::{Table, Width};

/// What a command found out.
pub trait Report: Serialize {
    /// The report for people.
    fn table(&self, width: Width) -> Table;
}

/// Prints a report to stdout.
pub fn print(ui: &mut Ui, format: Format, report: &impl Report) -> Result<(), CommandError> {
    let text = match format {
        Format::Table => report.table(Width::Usual).to_string(),
        Format::Wide => report.table(Width::Wide).to_string(),
        Format::Json => json(report)?,
        Format::Yaml => yaml(report)?,
    };
    ui.data(&text)
}

/// Any value as indented JSON with a final newline.
pub fn json(value: &impl Serialize) -> Result<String, CommandError> {
    let text = serde_json::to_string_pretty(value).map_err(CommandError::failure)?;
    Ok(text + "\n")
}

/// Any value as YAML.
pub fn yaml(value: &impl Serialize) -> Result<String, CommandError> {
    let value = serde_json::to_value(value).map_err(CommandError::failure)?;
    Ok(mesh_yaml::to_string(&value)?)
}
