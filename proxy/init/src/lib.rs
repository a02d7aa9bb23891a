//! The redirection of a pod's TCP traffic into its proxy.
//!
//! [`rules`] computes what has to be programmed as a value, without IO. [`render`] writes that value for `nft` and for
//! `iptables-restore`, and compares it with what the latter lists; [`netlink`] programs nftables without any tool. [`apply`] chooses a tool, programs each family of addresses
//! in one transaction and reads it back. [`validate`] proves from inside a pod that connections do arrive at the proxy's
//! port. [`host`] and the socket of
//! [`netlink`] are the only modules that touch the machine.
//!
//! A family that cannot be programmed is an error: traffic that silently bypasses the proxy would be neither encrypted nor
//! authorized.

pub mod apply;
pub mod host;
pub mod log;
pub mod netlink;
pub mod render;
pub mod rules;
pub mod validate;

/// What the processes of this package exit with.
pub mod exit {
    /// Everything asked for is in force.
    pub const OK: u8 = 0;
    /// The packet filter refused the rules, or holds others than were asked for.
    pub const FAILED: u8 = 1;
    /// The arguments are wrong.
    pub const USAGE: u8 = 64;
    /// A tool, a capability or a namespace that is needed is not there.
    pub const MISSING: u8 = 69;
    /// The network validator did not hear itself.
    pub const NOT_REDIRECTED: u8 = 95;
}
