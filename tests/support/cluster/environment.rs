//! What the environment says about test clusters, read here and nowhere else.

#![expect(clippy::disallowed_methods, reason = "the one place where the test kit reads the environment")]

use std::path::PathBuf;

use anyhow::{Context, Result};

/// A cluster to use instead of starting one: the path of its kubeconfig (`KUBECONFIG_E2E`).
pub(super) fn external_kubeconfig() -> Option<PathBuf> {
    std::env::var_os("KUBECONFIG_E2E").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where built binaries are kept: `LINKERD_TESTS_CACHE`, else `linkerd-tests` in the user's cache directory.
///
/// # Errors
/// When neither that variable nor `XDG_CACHE_HOME` nor `HOME` is set.
pub(super) fn cache_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("LINKERD_TESTS_CACHE").filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(dir));
    }
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => {
            let home = std::env::var_os("HOME")
                .context("no place for the cache: set LINKERD_TESTS_CACHE, XDG_CACHE_HOME or HOME")?;
            PathBuf::from(home).join(".cache")
        }
    };
    Ok(base.join("linkerd-tests"))
}

/// The folders in which programs are looked for: `PATH`, then those that a user's `PATH` may lack.
pub(super) fn program_dirs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    dirs.extend(["/usr/local/go/bin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    dirs
}
