//! Paths: exact, by prefix, by regular expression.

use std::cmp::Ordering;

use linkerd2_proxy_api::http_route as api;

use super::pattern::Pattern;
use crate::model::error::{InvalidMessage, Problem, required};

/// Longest path of a match.
const PATH_MAX: usize = 4096;

/// How a path has to look, without its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// This one.
    Exact(Box<str>),
    /// This one and those below it, by whole segments.
    Prefix(Box<str>),
    /// By an expression.
    Regex(Pattern),
}

/// How closely a path matches: the more octets, the closer. Of as many octets, an exact match is closer than the others, as the
/// Gateway API wants it; the original takes them for equal, and the first route wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathScore {
    /// Exactly.
    Exact(usize),
    /// By a prefix of so many octets.
    Prefix(usize),
    /// By an expression, which matches all octets.
    Regex(usize),
}

// === impl PathMatch ===

impl PathMatch {
    /// How closely the path matches.
    #[must_use]
    pub fn score(&self, path: &[u8]) -> Option<PathScore> {
        match self {
            Self::Exact(exact) => (path == exact.as_bytes()).then_some(PathScore::Exact(path.len())),
            Self::Prefix(prefix) => {
                let rest = path.strip_prefix(prefix.as_bytes())?;
                let whole = rest.is_empty() || rest.starts_with(b"/");
                // `/` is kept as the empty prefix, which matches one octet.
                whole.then_some(PathScore::Prefix(prefix.len().max(1)))
            }
            Self::Regex(pattern) => pattern.matches(path).then_some(PathScore::Regex(path.len())),
        }
    }
}

impl TryFrom<api::PathMatch> for PathMatch {
    type Error = InvalidMessage;

    fn try_from(message: api::PathMatch) -> Result<Self, InvalidMessage> {
        match required(message.kind, "kind")? {
            api::path_match::Kind::Exact(text) => Ok(Self::Exact(absolute(text, "exact")?.into())),
            api::path_match::Kind::Prefix(text) => {
                let prefix = absolute(text, "prefix")?;
                Ok(Self::Prefix(prefix.strip_suffix('/').unwrap_or(&prefix).into()))
            }
            api::path_match::Kind::Regex(text) => Pattern::new(&text).map(Self::Regex),
        }
    }
}

// === impl PathScore ===

impl PathScore {
    /// Of a rule that names no path.
    pub const ANY: Self = Self::Prefix(1);

    /// Octets of a prefix that matched, none for other kinds.
    #[must_use]
    pub fn prefix(self) -> Option<usize> {
        match self {
            Self::Prefix(octets) => Some(octets),
            Self::Exact(_) | Self::Regex(_) => None,
        }
    }

    fn rank(self) -> (usize, bool) {
        match self {
            Self::Exact(octets) => (octets, true),
            Self::Prefix(octets) | Self::Regex(octets) => (octets, false),
        }
    }
}

impl Ord for PathScore {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for PathScore {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

// === helpers ===

fn absolute(text: String, field: &'static str) -> Result<String, InvalidMessage> {
    if text.len() > PATH_MAX {
        return Err(InvalidMessage::with_value(field, Problem::TooLarge, text));
    }
    if !text.starts_with('/') {
        return Err(InvalidMessage::with_value(field, Problem::Name, text));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> PathMatch {
        PathMatch::try_from(api::PathMatch { kind: Some(api::path_match::Kind::Prefix(text.into())) })
            .unwrap()
    }

    fn exact(text: &str) -> PathMatch {
        PathMatch::try_from(api::PathMatch { kind: Some(api::path_match::Kind::Exact(text.into())) }).unwrap()
    }

    #[test]
    fn prefixes_end_at_segments() {
        for text in ["/a/b", "/a/b/"] {
            let prefix = prefix(text);
            assert_eq!(prefix.score(b"/a/b"), Some(PathScore::Prefix(4)));
            assert_eq!(prefix.score(b"/a/b/c"), Some(PathScore::Prefix(4)));
            assert_eq!(prefix.score(b"/a/bc"), None);
            assert_eq!(prefix.score(b"/a"), None);
        }
        assert_eq!(prefix("/").score(b"/x"), Some(PathScore::ANY));
        assert_eq!(prefix("/").score(b"*"), None);
    }

    #[test]
    fn longer_is_closer_and_exact_wins_a_tie() {
        assert!(PathScore::Prefix(3) > PathScore::Exact(2));
        assert!(PathScore::Exact(2) > PathScore::Prefix(2));
        assert_eq!(PathScore::Prefix(2).cmp(&PathScore::Regex(2)), Ordering::Equal);
    }

    #[test]
    fn wrong_paths_are_errors() {
        let convert = |kind| PathMatch::try_from(api::PathMatch { kind }).map_err(|error| error.problem());
        assert_eq!(convert(None), Err(Problem::Missing));
        assert_eq!(convert(Some(api::path_match::Kind::Exact("a".into()))), Err(Problem::Name));
        assert_eq!(convert(Some(api::path_match::Kind::Prefix(String::new()))), Err(Problem::Name));
        assert_eq!(convert(Some(api::path_match::Kind::Prefix("/".repeat(1 << 20)))), Err(Problem::TooLarge));
        assert_eq!(convert(Some(api::path_match::Kind::Regex("[".into()))), Err(Problem::Regex));
    }

    proptest! {
        #[test]
        fn a_prefix_matches_just_what_continues_it_by_segments(
            segments in prop::collection::vec("[a-c]{1,2}", 1..4),
            path in prop::collection::vec("[a-c]{1,2}", 0..6),
        ) {
            let text = format!("/{}", segments.join("/"));
            let candidate = format!("/{}", path.join("/"));
            let want = path.starts_with(&segments);
            prop_assert_eq!(prefix(&text).score(candidate.as_bytes()).is_some(), want);
            prop_assert_eq!(exact(&text).score(candidate.as_bytes()).is_some(), path == segments);
        }
    }
}
