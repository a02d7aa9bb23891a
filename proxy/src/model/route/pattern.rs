//! Regular expressions of routes.

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use crate::model::error::{InvalidMessage, Problem};

/// Longest text of an expression.
const TEXT_MAX: usize = 4096;
/// Octets that a compiled expression may take.
const SIZE_MAX: usize = 256 * 1024;

/// An expression that has to match the whole of a text. Time is linear in the text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Arc<str>,
    regex: Regex,
}

// === impl Pattern ===

impl Pattern {
    /// Compiles an expression; anchors are implied.
    ///
    /// # Errors
    /// When it does not compile, or is too large.
    pub fn new(text: &str) -> Result<Self, InvalidMessage> {
        let wrong = || InvalidMessage::with_value("regex", Problem::Regex, text);
        if text.len() > TEXT_MAX {
            return Err(InvalidMessage::with_value("regex", Problem::TooLarge, text));
        }
        // Alone first: `a)(b` is none, though it would be one between the parentheses below.
        let build = |text: &str| RegexBuilder::new(text).size_limit(SIZE_MAX).build().map_err(|_| wrong());
        build(text)?;
        let regex = build(&format!("^(?:{text})$"))?;
        Ok(Self { text: text.into(), regex })
    }

    /// Whether all of the text matches.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let pattern = Pattern::new("/a|/a/[^/]+").unwrap();
        assert!(pattern.matches(b"/a") && pattern.matches(b"/a/b"));
        assert!(!pattern.matches(b"/a/") && !pattern.matches(b"x/a") && !pattern.matches(b"/a/b/c"));
        assert!(!pattern.matches(b"/a\n"));
        assert!(Pattern::new("^/a$").unwrap().matches(b"/a"));
        assert!(Pattern::new("").unwrap().matches(b"") && !Pattern::new("").unwrap().matches(b"x"));
    }

    #[test]
    fn wrong_and_huge_expressions_are_errors() {
        for (text, problem) in [
            ("(", Problem::Regex),
            ("a)(b", Problem::Regex),
            ("(a{1000}){1000}", Problem::Regex),
            (&"a".repeat(1 << 20), Problem::TooLarge),
        ] {
            assert_eq!(Pattern::new(text).unwrap_err().problem(), problem);
        }
    }
}
