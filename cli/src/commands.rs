//! The commands; the path of a file is the words typed.

pub mod check;
pub mod inject;
pub mod install;
pub mod uninject;
pub mod uninstall;
pub mod version;
