//! What install and upgrade share: from flags and files to values, from values to manifests.

pub mod diff;
pub mod existing;
pub mod overrides;
pub mod recorded;
