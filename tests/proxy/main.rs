//! A proxy between a client, a server and a scripted control plane: what comes out at the other end, in headers, metrics and tap events.
//!
//! `README.md` beside this file says how to run the same against another binary. Needs root and the Debian packages `iproute2`,
//! `nftables`, `util-linux` and `tcpdump`; what is missing fails the tests with a message.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod admin;
mod balance;
mod clients;
mod clock;
mod direct;
mod discovery;
mod egress;
mod families;
mod gateway;
mod grpc;
mod headers;
mod http;
mod identity;
mod ingress;
mod ipv6;
mod kit;
mod lifecycle;
mod logs;
mod metrics;
mod opaque;
mod policy;
mod routes;
mod settings;
mod spiffe;
mod stress;
mod tap;
mod tls;
mod traces;
mod upgrade;
mod wire;
