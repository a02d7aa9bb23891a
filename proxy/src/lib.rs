//! The data plane.

pub mod config;
pub mod identity;
pub mod metrics;
pub mod model;
#[cfg(test)]
mod testing;
