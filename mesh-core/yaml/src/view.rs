//! One way to look at a document, whether it was read into values or only scanned for spans.
//!
//! Logic written against [`View`] runs on a [`serde_json::Value`] (an admission request) and on a
//! node of a span tree (a manifest on disk) alike.

use std::borrow::Cow;

use serde_json::Value;

/// What a node is, in JSON's terms: aliases are followed and scalars resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`, or nothing where a value may stand.
    Null,
    /// A truth value.
    Bool,
    /// An integer or a float.
    Number,
    /// Text.
    String,
    /// An ordered list.
    Sequence,
    /// Keys and values.
    Mapping,
}

/// What to do with a collection once all that was added to it is removed again, so that the text is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Emptied {
    /// Remove it with its key: it came with what was in it.
    Remove,
    /// Leave it empty: it was written as an empty `{}` or `[]`.
    Keep,
    /// Replace it by null: there was a key without a value.
    Null,
}

/// A read-only look at one node of a document.
///
/// Handles are small copies. What a node is not, it has none of: `items` of a string is empty, `get` on a list finds nothing.
pub trait View<'a>: Copy + Sized {
    /// Iterator over the entries of a mapping.
    type Entries: Iterator<Item = (Cow<'a, str>, Self)>;
    /// Iterator over the items of a sequence.
    type Items: Iterator<Item = Self>;

    /// What this node is.
    fn kind(self) -> Kind;
    /// The value under `key`, if this is a mapping that has it.
    fn get(self, key: &str) -> Option<Self>;
    /// Keys and values in the order they are written; empty unless this is a mapping.
    fn entries(self) -> Self::Entries;
    /// Items in order; empty unless this is a sequence.
    fn items(self) -> Self::Items;
    /// The text, if this is a string.
    fn as_str(self) -> Option<Cow<'a, str>>;
    /// The node and all below it as a value of its own.
    fn to_value(self) -> Value;

    /// What to do with this collection when its last entry goes.
    fn emptied(self) -> Emptied {
        Emptied::Remove
    }

    /// How an alias or a null is written, with the comment behind a null, where there is a text.
    fn written(self) -> Option<Cow<'a, str>> {
        None
    }

    /// The truth value, if this is one.
    fn as_bool(self) -> Option<bool> {
        if self.kind() == Kind::Bool { self.to_value().as_bool() } else { None }
    }

    /// The number, if this is an integer that fits.
    fn as_i64(self) -> Option<i64> {
        if self.kind() == Kind::Number { self.to_value().as_i64() } else { None }
    }

    /// Whether this is `null`.
    fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The value at the end of a chain of keys; `at(&[])` is the node itself.
    fn at(self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text at the end of a chain of keys.
    fn str_at(self, keys: &[&str]) -> Option<Cow<'a, str>> {
        self.at(keys)?.as_str()
    }

    /// How many items or entries this holds; 0 for scalars.
    fn count(self) -> usize {
        match self.kind() {
            Kind::Sequence => self.items().count(),
            Kind::Mapping => self.entries().count(),
            Kind::Null | Kind::Bool | Kind::Number | Kind::String => 0,
        }
    }
}

impl<'a> View<'a> for &'a Value {
    type Entries = ValueEntries<'a>;
    type Items = std::slice::Iter<'a, Value>;

    fn kind(self) -> Kind {
        match self {
            Value::Null => Kind::Null,
            Value::Bool(_) => Kind::Bool,
            Value::Number(_) => Kind::Number,
            Value::String(_) => Kind::String,
            Value::Array(_) => Kind::Sequence,
            Value::Object(_) => Kind::Mapping,
        }
    }

    fn get(self, key: &str) -> Option<Self> {
        self.as_object()?.get(key)
    }

    fn entries(self) -> Self::Entries {
        ValueEntries(self.as_object().map(serde_json::Map::iter))
    }

    fn items(self) -> Self::Items {
        self.as_array().map_or(&[][..], Vec::as_slice).iter()
    }

    fn as_str(self) -> Option<Cow<'a, str>> {
        Value::as_str(self).map(Cow::Borrowed)
    }

    fn to_value(self) -> Value {
        self.clone()
    }
}

/// Entries of an object value.
pub struct ValueEntries<'a>(Option<serde_json::map::Iter<'a>>);

impl<'a> Iterator for ValueEntries<'a> {
    type Item = (Cow<'a, str>, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.as_mut()?.next().map(|(key, value)| (Cow::Borrowed(key.as_str()), value))
    }
}
