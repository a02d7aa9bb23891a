//! Our rendering of the charts against Helm's own.

mod addons;
mod expressions;
mod helm;
mod language;
mod parity;
mod schema;
mod setting;
mod variants;
