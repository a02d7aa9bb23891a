//! What can be wrong with a text, and where.

/// Why a text is not the YAML that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text does not parse, or holds what JSON cannot.
    #[error("invalid YAML at line {line}, column {column}: {reason}")]
    Invalid {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The text asks for more than a reader should give: nesting, expansion of aliases, size.
    #[error("YAML too large at line {line}: {reason}")]
    Limit {
        /// Line, from 1.
        line: usize,
        /// Which bound was passed.
        reason: String,
    },
    /// The text may be fine, but the span scanner does not fully understand it; read it with [`from_str`](crate::from_str).
    #[error("YAML at line {line} is beyond the span scanner: {reason}")]
    Unsupported {
        /// Line, from 1.
        line: usize,
        /// The construct.
        reason: &'static str,
    },
    /// A value cannot be written as YAML.
    #[error("cannot write YAML: {0}")]
    Write(String),
    /// A patch does not fit the document.
    #[error("cannot apply {op} at {path:?}: {reason}")]
    Patch {
        /// `add`, `remove` or `replace`.
        op: &'static str,
        /// The JSON pointer.
        path: String,
        /// What is missing there.
        reason: &'static str,
    },
}

impl Error {
    /// The same error for a text that starts `lines` lines into a file.
    #[must_use]
    pub fn shifted(mut self, lines: usize) -> Self {
        match &mut self {
            Self::Invalid { line, .. } | Self::Limit { line, .. } | Self::Unsupported { line, .. } => {
                *line += lines;
            }
            Self::Write(_) | Self::Patch { .. } => {}
        }
        self
    }

    /// Whether only the scanner gave up, so that the library may still read the text.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. })
    }
}
