//! The checks of `linkerd check`, without the printing.
//!
//! Reading order: [`check`] (what a check is and what it can find), [`facts`] (what checks ask about, each kind
//! listed once), [`runner`] (order, concurrency, retries), then a file for each category under [`categories`].

pub mod categories;
pub mod check;
pub mod facts;
mod pods;
pub mod runner;

pub use check::{Category, Check, Finding, Level};
pub use facts::Facts;
pub use runner::{CategoryReport, CheckReport, Limits, Observer, run};
