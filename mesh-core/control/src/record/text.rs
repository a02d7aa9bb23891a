//! Shared text: equal names are kept once, however many objects carry them.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A text that is shared with all equal ones.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Arc<str>);

/// Labels in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Box<[(Text, Text)]>);

/// The texts in use, and how many there may be before those nobody holds are dropped.
struct Pool {
    texts: ahash::AHashSet<Arc<str>>,
    sweep_at: usize,
}

static POOL: LazyLock<Mutex<Pool>> =
    LazyLock::new(|| Mutex::new(Pool { texts: ahash::AHashSet::new(), sweep_at: 4096 }));

// === impl Text ===

impl Text {
    /// The text, from the pool or put there.
    pub fn new(text: &str) -> Self {
        let mut pool = POOL.lock();
        if let Some(known) = pool.texts.get(text) {
            return Self(Arc::clone(known));
        }
        if pool.texts.len() >= pool.sweep_at {
            // Names of pods and hashes of templates come and go; what no record holds is forgotten.
            pool.texts.retain(|text| Arc::strong_count(text) > 1);
            pool.sweep_at = (pool.texts.len() * 2).max(4096);
        }
        let text: Arc<str> = Arc::from(text);
        pool.texts.insert(Arc::clone(&text));
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new("")
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text::new(text))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

// === impl Labels ===

impl Labels {
    /// The value of a label.
    pub fn value(&self, key: &str) -> Option<&Text> {
        let at = self.0.binary_search_by(|(name, _)| name.as_str().cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Every label, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Only the labels that `keep` accepts.
    pub fn filtered(self, keep: impl Fn(&str) -> bool) -> Self {
        self.0.into_iter().filter(|(key, _)| keep(key)).collect()
    }
}

impl FromIterator<(Text, Text)> for Labels {
    fn from_iter<I: IntoIterator<Item = (Text, Text)>>(labels: I) -> Self {
        let mut labels: Vec<(Text, Text)> = labels.into_iter().collect();
        labels.sort_unstable();
        labels.dedup_by(|a, b| a.0 == b.0);
        Self(labels.into_boxed_slice())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut labels = Vec::with_capacity(map.size_hint().unwrap_or(0).min(64));
                while let Some(entry) = map.next_entry::<Text, Text>()? {
                    labels.push(entry);
                }
                Ok(labels.into_iter().collect())
            }

            fn visit_unit<E>(self) -> Result<Labels, E> {
                Ok(Labels::default())
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_and_forgotten_ones_go() {
        let (one, other) = (Text::new("shared-name"), Text::new("shared-name"));
        assert!(Arc::ptr_eq(&one.0, &other.0));
        for number in 0..50_000 {
            drop(Text::from(format!("passing-{number}")));
        }
        // Flaw it answers: keys of objects long gone stay in memory for ever.
        assert!(POOL.lock().texts.len() < 40_000, "{}", POOL.lock().texts.len());
        assert!(Arc::ptr_eq(&one.0, &Text::new("shared-name").0));
    }

    #[test]
    fn labels_are_found_whatever_their_order() {
        let labels: Labels = serde_json::from_str(r#"{"b":"2","a":"1"}"#).unwrap();
        assert_eq!(labels.value("a").map(Text::as_str), Some("1"));
        assert_eq!(labels.value("c"), None);
        assert!(serde_json::from_str::<Labels>("null").unwrap().is_empty());
    }
}
