//! linkerd-version: is this command the expected version?
//!
//! No server is asked: the expected version is the one the user names. Without it there is nothing to compare
//! with, which is no failure.

use mesh_core::version;

use crate::check::{Category, Check, Finding};

/// Said where no version was named to compare with.
pub(super) const NOT_NAMED: &str = "no version to compare with: name one with --expected-version";

/// The category.
pub fn category() -> Category {
    let latest = Check::new("can determine the latest version", "l5d-version-latest", |facts| async move {
        match &facts.known().expected_version {
            Some(_) => Finding::Pass,
            None => Finding::Unknown(NOT_NAMED.into()),
        }
    });
    let cli = Check::new("cli is up-to-date", "l5d-version-cli", |facts| async move {
        let known = facts.known();
        match &known.expected_version {
            Some(expected) => Finding::from_result(version::compare(&known.cli_version, expected)),
            None => Finding::Unknown(NOT_NAMED.into()),
        }
    });
    Category { id: "linkerd-version", checks: vec![latest.warning(), cli.warning()] }
}
