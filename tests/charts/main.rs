//! Our rendering of the charts against Helm's own.

mod expressions;
mod helm;
mod language;
mod parity;
mod setting;
mod variants;
