//! What the test tiers share.
//!
//! [`cluster`] brings up a real Kubernetes on this machine; `tests/cluster/README.md` explains it. [`mesh`] puts proxies between
//! clients, servers and a scripted control plane, in network namespaces; `tests/proxy/README.md` explains it.

pub mod admission;
pub mod artifact;
pub mod cluster;
pub mod gateway_api;
pub mod mesh;
