//! How much of Kubernetes a test needs.

use std::fmt;
use std::str::FromStr;

use anyhow::bail;

/// How much of Kubernetes is brought up. Each level contains the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// etcd, kube-apiserver and kube-controller-manager: objects are stored, admitted and collected, but no pod runs.
    ApiServer,
    /// The above with a scheduler and two nodes on which pods really run.
    Node,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::ApiServer => "apiserver",
            Level::Node => "node",
        })
    }
}

impl FromStr for Level {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "apiserver" => Ok(Level::ApiServer),
            "node" => Ok(Level::Node),
            _ => bail!("unknown level {text:?}: expected apiserver or node"),
        }
    }
}
