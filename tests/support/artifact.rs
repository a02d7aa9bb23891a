//! Programs of this workspace that a test of another package runs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As tests are.
    Dev,
    /// As images hold it: optimised, and static.
    Release,
}

/// Builds the program `binary` of `package` unless it is up to date, and returns where it is.
///
/// # Errors
/// When cargo is missing or the program does not build.
pub fn build(package: &str, binary: &str, profile: Profile) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--package", package, "--bin", binary]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    if profile == Profile::Release {
        // As `manifests/images/build` has it; with the target named, what runs during the build stays dynamic.
        cargo.args(["--release", "--target", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)]);
        cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    }
    let output = cargo
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("{binary} of {package} does not build");
    }
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        if message["reason"] == "compiler-artifact"
            && message["target"]["name"] == binary
            && let Some(path) = message["executable"].as_str()
        {
            return Ok(path.into());
        }
    }
    bail!("cargo did not say where {binary} of {package} is")
}
