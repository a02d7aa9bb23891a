//! What the control plane said, as types that decisions are made from.
//!
//! A message is converted once, where it arrives; what comes out is immutable and shared. Every rule of a message is
//! checked then, so that nothing on the path of a request can find it malformed. A message that does not convert is an
//! [`InvalidMessage`] with a reason, and whoever holds the last good state keeps it.

pub mod endpoint;
pub mod error;
pub mod fault;
pub mod inbound;
pub mod labels;
pub mod meta;
pub mod name;
pub mod outbound;
pub mod profile;
pub mod route;
mod time;

pub use endpoint::{Endpoint, EndpointsUpdate};
pub use error::{InvalidMessage, Problem};
pub use fault::FaultSet;
pub use inbound::InboundPolicy;
pub use labels::Labels;
pub use meta::Meta;
pub use name::{Authority, DnsName, NameAddr};
pub use outbound::OutboundPolicy;
pub use profile::Profile;
pub(crate) use time::{limit, required_duration};
