//! How much is measured.

/// How much work one run is.
pub(crate) struct Size {
    /// Documents of the file of Deployments.
    pub(crate) deployments: usize,
    /// Documents of the large file.
    pub(crate) stream: usize,
    /// Bytes of the stream that is made while it is read.
    pub(crate) pipe: u64,
    /// Operations of the OpenAPI document.
    pub(crate) operations: usize,
    /// How often everything is run.
    pub(crate) runs: usize,
    /// How much slower than the goal is still taken, so that a busy machine fails nothing. Memory has no such slack.
    pub(crate) slack: f64,
}

impl Size {
    /// What `docs/performance.md` shows.
    pub(crate) const FULL: Self =
        Self { deployments: 5_000, stream: 90_000, pipe: 1 << 30, operations: 14_000, runs: 7, slack: 1.0 };
    /// For CI.
    pub(crate) const QUICK: Self =
        Self { deployments: 500, stream: 20_000, pipe: 256 << 20, operations: 2_000, runs: 3, slack: 3.0 };
}
