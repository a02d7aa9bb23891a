//! Discovery over real gRPC: the index fed by a source, asked by generated clients.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admission;
mod classes;
mod faults;
mod faults_api;
mod gateway;
mod get;
mod inbound;
#[allow(dead_code, reason = "each of the two programs uses a part")]
mod kit;
mod outbound;
mod owners;
mod profile;
mod refused;
mod remote;
mod selected;
mod teardown;
mod wire;

/// The cluster is a directory of manifests.
const PLACE: kit::Place = kit::Place::Files;
