//! What the test tiers share.
//!
//! [`cluster`] brings up a real Kubernetes on this machine; `tests/cluster/README.md` explains it.

pub mod cluster;
