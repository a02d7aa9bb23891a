//! Our rendering of the charts against Helm's own.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod addons;
mod expressions;
mod golden;
mod helm;
mod language;
mod parity;
mod schema;
mod setting;
mod tidy;
mod variants;
