//! The command against a real API server: what it prints is applied, taken back, upgraded and refused there.
//!
//! Two clusters are shared by all tests: control planes are installed into one, turn by turn, for some of their
//! objects have fixed names; the other has the definitions only and takes everything else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accepted;
mod certs;
mod check;
mod crds;
mod helm;
mod identity;
mod inject;
mod install;
mod kit;
mod migration;
mod profile;
mod rights;
mod upgrade;
