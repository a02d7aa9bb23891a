//! Discovery over real gRPC: the index fed by a source, asked by generated clients.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod classes;
mod faults;
mod get;
mod kit;
mod profile;
