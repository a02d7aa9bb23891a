//! The one error type at the edge, and the exit codes.
//!
//! | code | mirrored commands | new commands |
//! |---:|---|---|
//! | 0 | success | success, no findings |
//! | 1 | any failure | findings or differences |
//! | 2 | – | usage error, unusable input |
//! | 3 | – | the cluster cannot be reached, or denied it |
//! | 4 | – | timed out |
//! | 5 | – | partial: some targets failed |
//! | 130 | interrupted | interrupted |
//! | 141 | the reader of stdout went away | the same |
//!
//! Mirrored commands are those of Linkerd, whose scripts expect 0 and 1. `upgrade --diff` follows `diff`: 0 no
//! difference, 1 differences, 2 trouble.

use std::fmt;
use std::io;

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 0.
    Success,
    /// The command said what it found; this is its exit code.
    Exit(u8),
}

/// Which table of exit codes a command follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exits {
    /// Linkerd's: 0 or 1.
    Linkerd,
    /// The richer one.
    Detailed,
    /// That of `diff`: 0 no difference, 1 differences, 2 trouble.
    Diff,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command line or a given input is wrong.
    Usage,
    /// The work failed.
    Failure,
    /// The cluster cannot be reached, or said no.
    Cluster,
    /// Something did not answer in time.
    Timeout,
    /// Some of several targets failed.
    Partial,
    /// The user interrupted.
    Interrupted,
    /// Whoever read stdout closed it.
    BrokenPipe,
}

/// A failed command: what to print and with which code to end.
#[derive(Debug)]
pub struct CommandError {
    kind: Kind,
    message: String,
    hints: Vec<String>,
    verbatim: bool,
}

impl CommandError {
    /// An error of the given kind; printed behind `Error: `.
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string(), hints: Vec::new(), verbatim: false }
    }

    /// The command line or an input is wrong.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The work failed.
    pub fn failure(message: impl fmt::Display) -> Self {
        Self::new(Kind::Failure, message)
    }

    /// Prints `message` as it is, without `Error: `: for texts that Linkerd words itself.
    pub fn verbatim(kind: Kind, message: impl fmt::Display) -> Self {
        Self { verbatim: true, ..Self::new(kind, message) }
    }

    /// Adds a next step, printed as `hint: …` below the message.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The next steps.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// True when the message stands alone, without `Error: `.
    pub fn is_verbatim(&self) -> bool {
        self.verbatim
    }

    /// The process's exit code.
    pub fn exit_code(&self, exits: Exits) -> u8 {
        match (self.kind, exits) {
            (Kind::BrokenPipe, _) => 141,
            (Kind::Interrupted, _) => 130,
            (_, Exits::Linkerd) => 1,
            (_, Exits::Diff) => 2,
            (Kind::Usage | Kind::Failure, Exits::Detailed) => 2,
            (Kind::Cluster, Exits::Detailed) => 3,
            (Kind::Timeout, Exits::Detailed) => 4,
            (Kind::Partial, Exits::Detailed) => 5,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CommandError {}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Kind::BrokenPipe, "output closed"),
            _ => Self::failure(error),
        }
    }
}

impl From<mesh_k8s::Error> for CommandError {
    fn from(error: mesh_k8s::Error) -> Self {
        let kind = match &error {
            mesh_k8s::Error::Timeout { .. } => Kind::Timeout,
            mesh_k8s::Error::Answer { .. } => Kind::Failure,
            _ => Kind::Cluster,
        };
        let hint = match &error {
            mesh_k8s::Error::Kubeconfig(_) => {
                Some("name one with --kubeconfig or $KUBECONFIG, and a context with --context")
            }
            mesh_k8s::Error::Unreachable { .. } | mesh_k8s::Error::Timeout { .. } => {
                Some("is the cluster up? `kubectl version` asks the same server")
            }
            mesh_k8s::Error::Denied { .. } => Some("`kubectl auth can-i --list` shows what this user may do"),
            _ => None,
        };
        let error = Self::new(kind, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<mesh_yaml::Error> for CommandError {
    fn from(error: mesh_yaml::Error) -> Self {
        Self::usage(error)
    }
}

#[cfg(test)]
mod tests {
    use super::{CommandError, Exits, Kind};

    #[test]
    fn mirrored_commands_end_with_one_and_new_ones_say_more() {
        let code = |kind, exits| CommandError::new(kind, "x").exit_code(exits);
        assert_eq!(code(Kind::Usage, Exits::Linkerd), 1);
        assert_eq!(code(Kind::Cluster, Exits::Linkerd), 1);
        assert_eq!(code(Kind::Usage, Exits::Detailed), 2);
        assert_eq!(code(Kind::Cluster, Exits::Detailed), 3);
        assert_eq!(code(Kind::Timeout, Exits::Detailed), 4);
        assert_eq!(code(Kind::Partial, Exits::Detailed), 5);
        assert_eq!(code(Kind::Interrupted, Exits::Linkerd), 130);
        assert_eq!(code(Kind::BrokenPipe, Exits::Detailed), 141);
    }
}
