//! The durations of a ServiceProfile: Go's, not negative, kept as they were written.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::duration::{DurationError, GoDuration};

/// A Go duration such as `300ms` or `1m30s`, not negative, with the text it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenDuration {
    text: String,
    length: Duration,
}

/// Why a text is not a duration that a ServiceProfile takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// It is no duration at all.
    #[error("{0}, it should look like 300ms, 10s or 1m30s")]
    Form(#[from] DurationError),
    /// It is less than nothing.
    #[error("duration \"{0}\" is negative")]
    Negative(String),
}

impl WrittenDuration {
    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its length.
    pub const fn length(&self) -> Duration {
        self.length
    }
}

impl fmt::Display for WrittenDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for WrittenDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let length = text.parse::<GoDuration>()?.to_std();
        let length = length.ok_or_else(|| InvalidDuration::Negative(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), length })
    }
}
