//! The same tests of discovery on a real API server, and what only an API server can do wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod classes;
mod faults;
mod faults_api;
mod gateway;
mod get;
mod inbound;
#[allow(dead_code, reason = "each of the two programs uses a part")]
mod kit;
mod outages;
mod outbound;
mod owners;
mod profile;
mod remote;
mod remote_api;
mod selected;
mod watches;

/// The cluster is a real API server.
const PLACE: kit::Place = kit::Place::ApiServer;
