//! A proxy between a client, a server and a scripted control plane: what comes out at the other end, in headers, metrics and tap events.
//!
//! `README.md` beside this file says how to run the same against another binary. Needs root and the Debian packages `iproute2`,
//! `nftables`, `util-linux`, `tcpdump` and `faketime`; what is missing fails the tests with a message.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod admin;
mod balance;
mod breakers;
mod clients;
mod clock;
mod conformance;
mod direct;
mod discovery;
mod egress;
mod failover;
mod families;
mod faults;
mod frames;
mod gateway;
mod grpc;
mod grpc_routes;
#[path = "../../proxy/net/tests/h2spec/mod.rs"]
mod h2spec;
mod handshakes;
mod headers;
mod http;
mod identity;
mod ingress;
mod ipv6;
mod kept;
mod kit;
mod lifecycle;
mod logs;
mod matches;
mod metrics;
mod opaque;
mod policy;
mod pressure;
mod refused;
mod retries;
mod rotation;
mod routes;
mod settings;
mod slow;
mod spiffe;
mod streams;
mod stress;
mod tap;
mod targets;
mod tls;
mod traces;
mod upgrade;
mod vanish;
mod wire;
