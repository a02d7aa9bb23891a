//! The vocabulary of the mesh: names, addresses, identities, profiles.
//!
//! Pure: no IO, no clock, no environment. Everything here can be tested in microseconds.

pub mod dns;
pub mod duration;
pub mod identity;
pub mod names;
pub mod port;
pub mod profile;
pub mod quantity;
pub mod suggest;
pub mod version;
