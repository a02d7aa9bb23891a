//! Our rendering of the charts against Helm's own.

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
