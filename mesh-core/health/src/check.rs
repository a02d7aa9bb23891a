//! What a check is and what it can find.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};

use crate::facts::Facts;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// As it should be.
    Pass,
    /// Not as it should be; the text says how.
    Fail(String),
    /// Could not be determined; the text says why.
    Unknown(String),
    /// Does not apply here; not shown.
    Skip,
}

impl Finding {
    /// `Pass`, or `Fail` with the error's text.
    pub fn from_result<E: std::fmt::Display>(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::Pass,
            Err(error) => Self::Fail(error.to_string()),
        }
    }
}

/// What a failure of a check means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing after it can be judged: what follows is not shown.
    Fatal,
    /// The check as a whole fails.
    Error,
    /// Shown, but the check as a whole passes.
    Warning,
}

/// Whether a failure may still heal while we wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The first answer stands.
    Never,
    /// Asked again until the limit of `--wait`.
    UntilLimit,
}

type Ask = Arc<dyn Fn(Facts) -> BoxFuture<'static, Finding> + Send + Sync>;

/// One question about the cluster.
#[derive(Clone)]
pub struct Check {
    /// The line shown, in Linkerd's words where Linkerd has the check.
    pub description: String,
    /// Where its hints are: the id of a heading on the page of hints.
    pub anchor: &'static str,
    /// What a failure means.
    pub level: Level,
    /// Whether to ask again.
    pub retry: Retry,
    pub(crate) ask: Ask,
}

impl Check {
    /// A check that fails the whole.
    pub fn new<F>(
        description: impl Into<String>,
        anchor: &'static str,
        ask: impl Fn(Facts) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Finding> + Send + 'static,
    {
        Self {
            description: description.into(),
            anchor,
            level: Level::Error,
            retry: Retry::Never,
            ask: Arc::new(move |facts| ask(facts).boxed()),
        }
    }

    /// The same check, after whose failure nothing else is asked.
    #[must_use]
    pub fn fatal(mut self) -> Self {
        self.level = Level::Fatal;
        self
    }

    /// The same check, as a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.level = Level::Warning;
        self
    }

    /// The same check, asked again until it passes or the time is up.
    #[must_use]
    pub fn retried(mut self) -> Self {
        self.retry = Retry::UntilLimit;
        self
    }
}

/// Checks that belong together, in the order shown.
#[derive(Clone)]
pub struct Category {
    /// Its id, which is its title too.
    pub id: &'static str,
    /// Its checks.
    pub checks: Vec<Check>,
}
