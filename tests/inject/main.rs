//! Injection of the corpus: golden results, and promises that hold for every manifest of it.
//!
//! `UPDATE_GOLDEN=1 cargo test -p mesh-inject --test inject` writes the golden files anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside the functions clippy knows as tests")]

mod corpus;
mod generated;
mod golden;
mod identity;
