//! The data plane.

pub mod metrics;
