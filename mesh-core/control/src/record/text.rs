//! Shared text and shared lists: what is equal is kept once, however many objects carry it.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A text that is shared with all equal ones.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Arc<str>);

/// A list that is shared with all equal ones: the pods of a Deployment differ in their names and addresses alone.
pub struct List<T: 'static>(Arc<[T]>);

/// Labels in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(List<(Text, Text)>);

/// What lists can be shared of.
pub trait Pooled: Hash + Eq + Sized + 'static {
    /// The lists in use.
    fn pool() -> &'static Pool<[Self]>;
}

/// A text that is looked at and not kept; where the input allows, it is not even copied.
pub(super) struct Passing<'a>(Cow<'a, str>);

/// The values in use, and how many there may be before those nobody holds are dropped.
pub struct Pool<T: ?Sized>(Mutex<Kept<T>>);

struct Kept<T: ?Sized> {
    values: ahash::AHashSet<Arc<T>>,
    sweep_at: usize,
}

static POOL: LazyLock<Pool<str>> = LazyLock::new(Pool::default);

macro_rules! pooled {
    ($($item:ty)*) => {
        $(impl Pooled for $item {
            fn pool() -> &'static Pool<[Self]> {
                static POOL: LazyLock<Pool<[$item]>> = LazyLock::new(Pool::default);
                &POOL
            }
        })*
    };
}

pooled!((Text, Text) (u16, Text) IpAddr super::ContainerPort super::Hint);

// === impl Pool ===

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::new(Kept { values: ahash::AHashSet::new(), sweep_at: 4096 }))
    }
}

impl<T: Hash + Eq + ?Sized> Pool<T> {
    /// The value from the pool, or put there.
    fn share<O: Borrow<T> + Into<Arc<T>>>(&self, value: O) -> Arc<T> {
        let mut kept = self.0.lock();
        if let Some(known) = kept.values.get(value.borrow()) {
            return Arc::clone(known);
        }
        if kept.values.len() >= kept.sweep_at {
            // Names of pods and hashes of templates come and go; what no record holds is forgotten.
            kept.values.retain(|value| Arc::strong_count(value) > 1);
            kept.sweep_at = (kept.values.len() * 2).max(4096);
        }
        let value: Arc<T> = value.into();
        kept.values.insert(Arc::clone(&value));
        value
    }
}

// === impl Text ===

impl Text {
    /// The text, from the pool or put there.
    pub fn new(text: &str) -> Self {
        Self(POOL.share(text))
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

// === impl List ===

impl<T: Pooled> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self(T::pool().share(items))
    }
}

impl<T: Pooled> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        items.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T: Pooled> Default for List<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl<T: Eq> Eq for List<T> {}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

// === impl Passing ===

impl Deref for Passing<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Passing<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text))
            }
        }
        deserializer.deserialize_str(Reader).map(Self)
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
        self.0.iter().filter(|(key, _)| keep(key)).cloned().collect()
    }
}

impl FromIterator<(Text, Text)> for Labels {
    fn from_iter<I: IntoIterator<Item = (Text, Text)>>(labels: I) -> Self {
        let mut labels: Vec<(Text, Text)> = labels.into_iter().collect();
        labels.sort_unstable();
        labels.dedup_by(|a, b| a.0 == b.0);
        Self(labels.into())
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
        assert!(POOL.0.lock().values.len() < 40_000);
        assert!(Arc::ptr_eq(&one.0, &Text::new("shared-name").0));
    }

    #[test]
    fn equal_lists_are_one() {
        let labels = |value: &str| -> Labels { [("app".into(), value.into())].into_iter().collect() };
        assert!(Arc::ptr_eq(&labels("web").0.0, &labels("web").0.0));
        assert_ne!(labels("web"), labels("api"));
    }

    #[test]
    fn labels_are_found_whatever_their_order() {
        let labels: Labels = serde_json::from_str(r#"{"b":"2","a":"1"}"#).unwrap();
        assert_eq!(labels.value("a").map(Text::as_str), Some("1"));
        assert_eq!(labels.value("c"), None);
        assert!(serde_json::from_str::<Labels>("null").unwrap().is_empty());
    }
}
