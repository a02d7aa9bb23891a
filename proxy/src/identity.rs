//! Who the proxy is, and how it proves that to others and they to it.
//!
//! [`Trust`] is what can be done without a certificate: the anchors, and clients that name themselves to nobody.
//! [`Credentials`] is one generation of leaf, key and anchors with the TLS configurations made of them. A new leaf or a
//! changed bundle is a new generation, with new ticket keys, so that no session outlives what it was verified against.

mod credentials;
mod id;
mod tickets;
mod trust;
mod verify;

pub use self::credentials::{Credentials, CredentialsError, Leaf};
pub use self::id::{Id, InvalidId};
pub use self::trust::{Alpn, TRANSPORT_ALPN, Trust, TrustError};
pub use self::verify::{PeerError, peer_id};

#[cfg(test)]
mod tests;
