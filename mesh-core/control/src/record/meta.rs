//! What every object has: its place, its identity, its age.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Labels, Text};

/// Namespace and name; the namespace is empty for what belongs to the cluster.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The namespace.
    pub namespace: Text,
    /// The name.
    pub name: Text,
}

/// The identity an object keeps for its life; one that is made again under the same name has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Uid(u128);

/// Metadata as it stands in JSON, without what nobody asks for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The name.
    #[serde(default)]
    pub name: Text,
    /// The namespace; empty for what belongs to the cluster.
    #[serde(default)]
    pub namespace: Text,
    /// The identity, empty in manifests.
    #[serde(default)]
    pub uid: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
    /// Annotations; whoever keeps them picks those it needs.
    #[serde(default)]
    pub annotations: Labels,
    /// When it was made.
    #[serde(default)]
    pub creation_timestamp: Option<String>,
    /// Set from the moment its deletion was asked for.
    #[serde(default)]
    pub deletion_timestamp: Option<String>,
    /// Whom it belongs to.
    #[serde(default)]
    pub owner_references: Vec<OwnerReference>,
    /// Counts changes of the spec.
    #[serde(default)]
    pub generation: i64,
}

/// Whom an object belongs to.
#[derive(Clone, Debug, Deserialize)]
pub struct OwnerReference {
    /// Kind of the owner.
    pub kind: Text,
    /// Its name.
    pub name: Text,
}

// === impl Key ===

impl Key {
    /// A key from its two parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl Uid ===

impl Uid {
    /// Reads the hexadecimal digits of a UUID; other texts are hashed, since they only have to differ.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let digits: String = text.chars().filter(|letter| *letter != '-').collect();
        if digits.len() == 32
            && let Ok(number) = u128::from_str_radix(&digits, 16)
        {
            return Some(Self(number));
        }
        let mut hash = 0xcbf2_9ce4_8422_2325_u128;
        for byte in text.bytes() {
            hash = (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Some(Self(hash))
    }
}

// === impl Meta ===

impl Meta {
    /// Namespace and name.
    pub fn key(&self) -> Key {
        Key { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// The identity, if it has one.
    pub fn uid(&self) -> Option<Uid> {
        self.uid.as_deref().and_then(Uid::parse)
    }

    /// When it was made, in seconds since 1970; objects of manifests come last, so that the order of names decides.
    pub fn created(&self) -> i64 {
        let time = self.creation_timestamp.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        time.map_or(i64::MAX, Timestamp::as_second)
    }

    /// An annotation that is set, empty ones included.
    pub fn annotation(&self, name: &str) -> Option<&Text> {
        self.annotations.value(name)
    }
}
