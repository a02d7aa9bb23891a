//! The definitions of the Gateway API, out of its Go module. They are not the project's, so only tests install them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::stdout_of;

/// The module and its digest.
const MODULE: (&str, &str) =
    ("sigs.k8s.io/gateway-api@v1.3.0", "h1:q6okN+/UKDATola4JY7zXzx40WO4VISk7i9DIfOvr9M=");

/// Which of its two sets of definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// What is stable.
    Standard,
    /// With the kinds and fields that may still change.
    Experimental,
}

/// The file that defines `plural`.
///
/// # Errors
/// When Go is missing or the module cannot be had.
pub fn definition(channel: Channel, plural: &str) -> Result<PathBuf> {
    let folder = match channel {
        Channel::Standard => "standard",
        Channel::Experimental => "experimental",
    };
    let file = format!("config/crd/{folder}/gateway.networking.k8s.io_{plural}.yaml");
    Ok(module()?.join(file))
}

/// The folder of the module in Go's cache, fetched if need be.
fn module() -> Result<PathBuf> {
    let (module, sum) = MODULE;
    let folder = tempfile::tempdir().context("cannot create a folder")?;
    let go = ["go", "/usr/local/go/bin/go"]
        .into_iter()
        .find(|go| Command::new(go).arg("version").output().is_ok());
    let go = go.context("Go is needed to fetch the Gateway API: unpack a release of Go to /usr/local/go")?;
    let mut download = Command::new(go);
    download.current_dir(folder.path()).args(["mod", "download", "-json", module]);
    let answer: Value = serde_json::from_str(&stdout_of(&mut download)?).context("Go says something odd")?;
    ensure!(answer["Sum"] == sum, "{module} is not what it was");
    let dir = Path::new(answer["Dir"].as_str().unwrap_or_default()).to_owned();
    ensure!(dir.is_dir(), "{} is gone", dir.display());
    Ok(dir)
}
