//! What the user set, as chart values: sparse, mergeable, and recorded in the cluster for the next upgrade.

use serde_json::{Map, Value};

/// Sparse chart values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides(Map<String, Value>);

impl Overrides {
    /// Overrides out of a values document; anything but a mapping (or nothing) is refused.
    pub fn from_value(value: Value) -> Result<Self, NotAMapping> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::Object(map) => Ok(Self(map)),
            _ => Err(NotAMapping),
        }
    }

    /// Sets the value at a dotted path of plain keys, making the mappings on the way.
    pub fn set(&mut self, path: &str, value: impl Into<Value>) {
        let mut map = &mut self.0;
        let mut keys = path.split('.').peekable();
        while let Some(key) = keys.next() {
            if keys.peek().is_none() {
                map.insert(key.to_owned(), value.into());
                return;
            }
            let slot = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            map = slot.as_object_mut().expect("made an object above");
        }
    }

    /// Sets the value if the flag was given.
    pub fn set_if(&mut self, given: bool, path: &str, value: impl Into<Value>) {
        if given {
            self.set(path, value);
        }
    }

    /// Sets the value if there is one.
    pub fn set_some(&mut self, path: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(path, value);
        }
    }

    /// Takes the value at a dotted path out, and with it the mappings it leaves empty.
    pub fn remove(&mut self, path: &str) -> Option<Value> {
        fn remove(map: &mut Map<String, Value>, path: &str) -> Option<Value> {
            let Some((key, rest)) = path.split_once('.') else {
                return map.shift_remove(path);
            };
            let inner = map.get_mut(key)?.as_object_mut()?;
            let removed = remove(inner, rest);
            if inner.is_empty() {
                map.shift_remove(key);
            }
            removed
        }
        remove(&mut self.0, path)
    }

    /// The value at a dotted path.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let mut keys = path.split('.');
        let first = self.0.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.get(key))
    }

    /// Lays `other` over these: mappings merge, everything else is replaced.
    pub fn merge(&mut self, other: Self) {
        merge(&mut self.0, other.0);
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The overrides as a values document.
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// A values document that is a list or a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("values must be a mapping of keys to values")]
pub struct NotAMapping;

fn merge(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(more)) => merge(inner, more),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Overrides;

    #[test]
    fn sets_merges_and_removes_without_leaving_husks() {
        let mut first = Overrides::default();
        first.set("global.proxy.logLevel", "debug");
        first.set("controllerReplicas", 2);
        let mut second = Overrides::default();
        second.set("global.proxy.uid", 7);
        second.set("controllerReplicas", 3);
        first.merge(second);
        assert_eq!(first.get("global.proxy.uid"), Some(&json!(7)));
        assert_eq!(first.remove("global.proxy.logLevel"), Some(json!("debug")));
        assert_eq!(first.remove("global.proxy.uid"), Some(json!(7)));
        assert_eq!(first.into_value(), json!({"controllerReplicas": 3}));
    }
}
