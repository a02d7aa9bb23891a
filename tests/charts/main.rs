//! Our rendering of the charts against Helm's own.

mod helm;
mod parity;
mod variants;
