//! What every source is read into.

use mesh_core::profile::{StatusRange, WrittenDuration};

use crate::path::PathPattern;

/// What was read from a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operations {
    /// In the order in which their routes are tried.
    pub operations: Vec<Operation>,
    /// What was odd, but no reason to stop; a sentence each.
    pub warnings: Vec<String>,
}

/// One kind of request that a service answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The name of its route, and the label of its metrics.
    pub name: String,
    /// The HTTP method, in capitals.
    pub method: &'static str,
    /// The paths.
    pub path: PathPattern,
    /// The gRPC method it is, if it is one.
    pub rpc: Option<Rpc>,
    /// The statuses that are declared, ascending.
    pub statuses: Vec<StatusRange>,
    /// Whether the source says that it may be tried again.
    pub retryable: bool,
    /// How long it may take, if the source says so.
    pub timeout: Option<WrittenDuration>,
}

/// A gRPC method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpc {
    /// `package.Service`.
    pub service: String,
    /// The method's own name.
    pub method: String,
}
