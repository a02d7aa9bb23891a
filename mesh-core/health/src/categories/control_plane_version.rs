//! control-plane-version: is the control plane the expected version, and this command's?

use mesh_core::version;

use crate::check::{Category, Check, Finding};

/// The category.
pub fn category() -> Category {
    let latest = Check::new("control plane is up-to-date", "l5d-version-control", |facts| async move {
        let known = facts.known();
        match (&known.control_plane_version, &known.expected_version) {
            (Some(running), Some(expected)) => Finding::from_result(version::compare(running, expected)),
            (None, _) => Finding::Unknown("the control plane's version is not recorded".into()),
            (_, None) => Finding::Unknown(super::linkerd_version::NOT_NAMED.into()),
        }
    });
    let same =
        Check::new("control plane and cli versions match", "l5d-version-control", |facts| async move {
            let known = facts.known();
            match &known.control_plane_version {
                Some(running) if *running == known.cli_version => Finding::Pass,
                Some(running) => Finding::Fail(format!(
                    "control plane running {running} but cli running {}",
                    known.cli_version
                )),
                None => Finding::Unknown("the control plane's version is not recorded".into()),
            }
        });
    Category { id: "control-plane-version", checks: vec![latest.warning(), same.warning()] }
}
