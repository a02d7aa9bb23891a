//! The commands; the path of a file is the words typed.

pub mod authz;
pub mod certs;
pub mod check;
pub mod completion;
pub mod diagnostics;
pub mod doc;
pub mod identity;
pub mod inject;
pub mod install;
pub mod install_cni;
pub mod install_sp;
pub mod profile;
pub mod prune;
pub mod stat;
pub mod tap;
pub mod uninject;
pub mod uninstall;
pub mod upgrade;
pub mod version;
