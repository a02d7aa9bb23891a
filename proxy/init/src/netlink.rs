//! nftables over netlink: the same table as `nft` would program, without any program.
//!
//! [`wire`] knows messages and attributes, [`ruleset`] what a set of rules is in expressions of the kernel's packet filter,
//! [`socket`] how both get in and out of the kernel. Numbers are those of the kernel's public headers `linux/netlink.h`,
//! `linux/netfilter/nfnetlink.h` and `linux/netfilter/nf_tables.h`.

pub mod ruleset;
pub mod socket;
pub mod wire;

use std::io;

/// What is asked of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Messages that take effect together, or not at all.
    Transaction(Vec<u8>),
    /// One message that is answered by any number of others.
    Dump(Vec<u8>),
}

/// Speaks to the kernel.
pub trait Kernel {
    /// Sends a request and returns the messages of the answer; a transaction has none.
    ///
    /// # Errors
    /// The error that the kernel answers; [`io::ErrorKind::NotFound`] when a named object does not exist.
    fn ask(&mut self, request: &Request) -> io::Result<Vec<u8>>;
}
