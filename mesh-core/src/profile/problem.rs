//! What can be wrong with a ServiceProfile.

use std::fmt;

/// A ServiceProfile that is refused: its name, where known, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// `metadata.name`, if it could be read.
    pub name: Option<String>,
    /// In the order of the fields; at least one, at most [`Invalid::MOST`].
    pub problems: Vec<Problem>,
}

/// One field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {cause}")]
pub struct Problem {
    /// The path from the top of the object, such as `spec.routes[3].condition`.
    pub field: String,
    /// What is wrong.
    pub cause: Cause,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// There is no field of this name here.
    #[error("unknown field{}", Suggestion(*.suggestion))]
    Unknown {
        /// The field that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// The field has to be there.
    #[error("required, but missing")]
    Missing,
    /// The value is of another type.
    #[error("{found} where {expected} is expected")]
    Type {
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// The value is of the right type, but not allowed; the text says why.
    #[error("{0}")]
    Value(String),
    /// A profile has to have a route.
    #[error("a profile needs at least one route")]
    NoRoutes,
    /// A condition on requests that sets nothing.
    #[error("a condition needs at least one of all, any, not, method and pathRegex")]
    EmptyRequestMatch,
    /// A condition on responses that sets nothing.
    #[error("a response condition needs at least one of all, any, not and status")]
    EmptyResponseMatch,
    /// Conditions within conditions, without end.
    #[error("conditions are nested more than {0} deep")]
    TooDeep(usize),
}

struct Suggestion(Option<&'static str>);

// === impl Invalid ===

impl Invalid {
    /// No more problems than these are collected.
    pub const MOST: usize = 50;
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceProfile")?;
        if let Some(name) = &self.name {
            write!(f, " \"{name}\"")?;
        }
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { " " } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

// === impl Suggestion ===

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, " (did you mean \"{name}\"?)"),
            None => Ok(()),
        }
    }
}
