//! The control plane: one program, one component per process.
//!
//! Reading order: [`args`] (what the charts start each component with), [`runtime`] (what every component shares: admin
//! port, readiness, drain, metrics, leases, events), then the component itself, whose `run` is its whole life. What several
//! stand on: [`files`] (mounts that change) and [`webhook`] (a TLS server that looks after its own certificate).

pub mod args;
pub mod files;
pub mod identity;
pub mod injector;
pub mod runtime;
pub mod sp_validator;
pub mod tap;
pub mod webhook;

pub use runtime::{RunError, Runtime};
