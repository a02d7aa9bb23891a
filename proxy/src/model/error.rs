//! Why a message of the control plane was not taken.

use std::fmt;

/// How much of a wrong value an error shows.
const SHOWN: usize = 64;

/// A message that is not taken: which field, what is wrong with it, and the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidMessage {
    at: String,
    problem: Problem,
    value: String,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Problem {
    /// A field that is required is not there, or a `oneof` is empty.
    Missing,
    /// A value or kind that this version does not know.
    Unknown,
    /// Not an IP address or network.
    Address,
    /// Port 0, or beyond 65535.
    Port,
    /// A duration that is negative or not normalised.
    Duration,
    /// Not a DNS name, authority, identity or method.
    Name,
    /// A regular expression that does not compile or is too large.
    Regex,
    /// A header whose name or value HTTP does not allow, or that a route must not touch.
    Header,
    /// A status code that HTTP or gRPC does not have.
    Status,
    /// A number outside its range.
    Range,
    /// Text or a list beyond its limit.
    TooLarge,
    /// A list with another number of items than the only one allowed.
    Count,
}

/// Adds the name of a field to an error, from the inside out.
pub(crate) trait Within<T> {
    /// Says in which field the error was found.
    fn within(self, field: impl fmt::Display) -> Result<T, InvalidMessage>;
}

// === impl InvalidMessage ===

impl InvalidMessage {
    /// An error of this field.
    pub fn new(field: impl fmt::Display, problem: Problem) -> Self {
        Self { at: field.to_string(), problem, value: String::new() }
    }

    /// The same with the start of the wrong value.
    pub fn with_value(field: impl fmt::Display, problem: Problem, value: impl fmt::Display) -> Self {
        let mut error = Self::new(field, problem);
        error.value = value.to_string();
        if error.value.len() > SHOWN {
            let end = error.value.floor_char_boundary(SHOWN);
            error.value.truncate(end);
            error.value.push('…');
        }
        error
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> Problem {
        self.problem
    }

    /// The reason as a metric label.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.problem.label()
    }
}

impl fmt::Display for InvalidMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem.text())?;
        if !self.value.is_empty() {
            write!(f, " ({:?})", self.value)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidMessage {}

// === impl Problem ===

impl Problem {
    /// The reason as a metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Address => "address",
            Self::Port => "port",
            Self::Duration => "duration",
            Self::Name => "name",
            Self::Regex => "regex",
            Self::Header => "header",
            Self::Status => "status",
            Self::Range => "range",
            Self::TooLarge => "too_large",
            Self::Count => "count",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Missing => "required, but not there",
            Self::Unknown => "a value that this version does not know",
            Self::Address => "not an IP address",
            Self::Port => "not a port from 1 to 65535",
            Self::Duration => "not a duration",
            Self::Name => "not a valid name",
            Self::Regex => "not a regular expression, or too large a one",
            Self::Header => "not a header that may be matched or changed",
            Self::Status => "not a status code that can be sent",
            Self::Range => "out of range",
            Self::TooLarge => "larger than allowed",
            Self::Count => "another number of items than allowed",
        }
    }
}

// === impl Within ===

impl<T> Within<T> for Result<T, InvalidMessage> {
    fn within(self, field: impl fmt::Display) -> Self {
        self.map_err(|mut error| {
            let separator = if error.at.starts_with('[') { "" } else { "." };
            error.at = format!("{field}{separator}{}", error.at);
            error
        })
    }
}

// === helpers ===

/// The value of a field that has to be there.
pub(crate) fn required<T>(value: Option<T>, field: &'static str) -> Result<T, InvalidMessage> {
    value.ok_or_else(|| InvalidMessage::new(field, Problem::Missing))
}

/// Converts each item of a list; an error names the place.
pub(crate) fn each<T, U>(
    items: Vec<T>,
    field: &str,
    mut convert: impl FnMut(T) -> Result<U, InvalidMessage>,
) -> Result<Vec<U>, InvalidMessage> {
    items
        .into_iter()
        .enumerate()
        .map(|(index, item)| convert(item).within(format_args!("{field}[{index}]")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_field_and_shows_the_start_of_the_value() {
        let error = InvalidMessage::with_value("regex", Problem::Regex, "ä".repeat(1_000_000));
        let error = Err::<(), _>(error).within("rules[1]").within("routes[0]").unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("routes[0].rules[1].regex: not a regular expression"), "{text}");
        assert!(text.len() < 250, "{}", text.len());
        assert_eq!(error.reason(), "regex");
    }

    #[test]
    fn an_item_is_named_by_its_place() {
        let wrong = |_: u8| Err::<(), _>(InvalidMessage::new("port", Problem::Port));
        assert!(each(vec![1], "addrs", wrong).unwrap_err().to_string().starts_with("addrs[0].port: "));
    }
}
