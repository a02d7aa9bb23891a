//! Policy: who may reach a port, and where traffic to a target goes.
//!
//! [`request`] parses what proxies send. [`inbound`] answers with the Server that claims a port, the clients it
//! lets in ([`authorization`]) and its routes; [`outbound`] with routes, backends and what [`annotations`] say about
//! retries, timeouts and failure accrual. [`faults`] are delays and resets on purpose. [`convert`] writes matches and filters. All of it is computed from
//! records: a route is in force when its parent is there, whether or not anybody has written so into its status.
//! [`admission`] refuses objects that could not be followed, for the [`webhook`]; [`status`] is what the leader writes; [`server`] serves the streams.

pub mod admission;
pub mod annotations;
pub mod authorization;
pub mod convert;
pub mod faults;
pub mod inbound;
pub mod outbound;
pub mod request;
pub mod server;
pub mod status;
pub mod webhook;
