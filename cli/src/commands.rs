//! The commands; the path of a file is the words typed.

pub mod check;
pub mod completion;
pub mod doc;
pub mod inject;
pub mod install;
pub mod profile;
pub mod uninject;
pub mod uninstall;
pub mod upgrade;
pub mod version;
