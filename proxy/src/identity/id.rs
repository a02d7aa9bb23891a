//! Names of identities.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of an identity: a DNS name or a URI in a certificate. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// A domain name, in lower case and without a dot at its end.
    Dns(Arc<str>),
    /// A URI, as SPIFFE has it, compared octet by octet.
    Uri(Arc<str>),
}

/// Why a text is no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither a domain name nor a URI that can be in a certificate")]
pub struct InvalidId;

/// Longest identity, in octets, as SPIFFE bounds it.
const LONGEST: usize = 2_048;

// === impl Id ===

impl Id {
    /// A domain name; none where the text is not one.
    pub fn dns(name: &str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(allowed);
        let good = name.len() <= 253 && name.split('.').all(label);
        good.then(|| Self::Dns(name.to_ascii_lowercase().into()))
    }

    /// A URI; none where the text has no scheme, or octets that no URI has.
    pub fn uri(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let rest = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic());
        (scheme && rest && text.len() <= LONGEST).then(|| Self::Uri(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Dns(name) | Self::Uri(name) => name,
        }
    }
}

impl FromStr for Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::uri(text).or_else(|| Self::dns(text)).ok_or(InvalidId)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
