//! The redirection in real network namespaces: a pod, the outside, and a cable between them.
//!
//! Needs root, a kernel with nftables and iptables NAT, and the Debian packages `iproute2`, `nftables`, `iptables`,
//! `libcap2-bin` and `util-linux`. Whatever is missing fails the tests with a message.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod privileges;
mod traffic;
mod validator;
mod world;
