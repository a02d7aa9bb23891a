//! The data plane.

pub mod access_log;
pub mod admin;
pub mod command;
pub mod config;
pub mod discovery;
pub mod dns;
pub mod identity;
pub mod inbound;
pub mod logging;
pub mod metrics;
pub mod model;
pub mod outbound;
pub mod runtime;
pub mod tap;
#[cfg(test)]
mod testing;
pub mod trace;
pub mod worker;
