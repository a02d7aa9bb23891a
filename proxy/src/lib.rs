//! The data plane.

pub mod config;
pub mod identity;
pub mod metrics;
#[cfg(test)]
mod testing;
