//! The control plane against a real API server: the components run as the charts start them, with the rights that the
//! charts give them, and are asked as proxies, users and the API server ask them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a test that fails shows the log of the component")]

mod destination;
mod faults;
mod front_proxy;
mod heartbeat;
mod identity;
mod injector;
mod injector_cost;
mod interop;
mod interop_tap;
mod kit;
mod manifests;
mod outage;
mod public_api;
mod replicas;
mod sp_validator;
mod spans;
mod start;
mod tap;
mod webhook;
