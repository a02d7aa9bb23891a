//! The control plane: one program, one component per process.
//!
//! Reading order: [`args`] (what the charts start each component with), [`runtime`] (what every component shares: admin
//! port, readiness, drain, metrics, leases, events), then the component itself, whose `run` is its whole life. What several
//! stand on: [`files`] (mounts that change) and [`webhook`] (a TLS server that looks after its own certificate).
//!
//! Discovery and policy, from a watch event to a stream: [`record`] (what is kept of an object), [`source`] (where events
//! come from), [`index`] (records, the answers that depend on them, their encoded frames), [`destination`]
//! (answers: endpoints and profiles), [`policy`] (answers: who may reach a port, where traffic goes), [`grpc`] (frames on
//! the wire), [`config`] (what answers depend on beside the cluster), [`writer`] (what the leader writes).

pub mod args;
pub mod config;
pub mod destination;
pub mod files;
pub mod grpc;
pub mod heartbeat;
pub mod identity;
pub mod index;
pub mod injector;
pub mod policy;
pub mod public_api;
pub mod record;
pub mod runtime;
pub mod source;
pub mod sp_validator;
pub mod tap;
pub mod web;
pub mod webhook;
pub mod workloads;
pub mod writer;

pub use runtime::{RunError, Runtime};
