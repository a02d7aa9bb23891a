//! Running programs: finding them, and errors that show what they said.

use std::io::{Seek, Write};
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

use super::environment;

/// Finds a program in `PATH` and in the system's own folders.
pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    environment::program_dirs().into_iter().map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// Runs a command to its end and returns what it wrote to standard output.
///
/// # Errors
/// When it cannot be started or ends with a status other than 0; the error carries what it wrote to standard error.
pub fn stdout_of(command: &mut Command) -> Result<String> {
    let output = output_of(command)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {}", output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of {command:?} is no UTF-8"))
}

/// Runs a command to its end, whatever its status.
///
/// # Errors
/// When it cannot be started.
pub fn output_of(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("cannot run {command:?}"))
}

/// Runs a command that reads `input` and returns what it wrote to standard output.
///
/// # Errors
/// As [`stdout_of`].
pub fn stdout_with_input(command: &mut Command, input: &str) -> Result<String> {
    let mut file = tempfile::tempfile().context("cannot create a temporary file")?;
    file.write_all(input.as_bytes()).context("cannot write a temporary file")?;
    file.rewind().context("cannot rewind a temporary file")?;
    stdout_of(command.stdin(file))
}
