//! How much of Kubernetes a test needs.

use std::fmt;
use std::str::FromStr;

use anyhow::bail;

/// How much of Kubernetes is brought up. Each level contains the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// etcd and kube-apiserver: objects are stored and admitted, and nobody but the test touches them.
    Storage,
    /// The above with kube-controller-manager: objects are collected and completed too, but no pod runs.
    ApiServer,
    /// The above with a scheduler and two nodes on which pods really run.
    Node,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Storage => "storage",
            Level::ApiServer => "apiserver",
            Level::Node => "node",
        })
    }
}

impl FromStr for Level {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "storage" => Ok(Level::Storage),
            "apiserver" => Ok(Level::ApiServer),
            "node" => Ok(Level::Node),
            _ => bail!("unknown level {text:?}: expected storage, apiserver or node"),
        }
    }
}
