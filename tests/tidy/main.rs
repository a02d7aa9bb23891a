//! The rules of the workspace, executed. `docs/STYLE.md` and `docs/ARCHITECTURE.md` say why each is there.
//!
//! `UPDATE_GENERATED=1 cargo tidy` writes the generated files anew instead of comparing them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dependencies;
mod failures;
mod forgotten;
mod generated;
mod rust;
mod tree;
mod workspace;
