//! Channels and versions: parsed and compared.

/// The version of this build, `<channel>-<version>`, as Linkerd writes them.
pub const CLI: &str = concat!("stable-", env!("CARGO_PKG_VERSION"));
