//! The one list of changes: edits of a manifest's text for the command, a JSON patch for the webhook.

use std::fmt;

use serde_json::{Map, Value};

/// Where a node is in a document: the keys and indices that lead to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// The document itself.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The node at the end of a chain of keys.
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| (*key).to_owned()).collect())
    }

    /// The node at the end of a chain of keys that starts here.
    pub fn join(&self, keys: &[&str]) -> Self {
        Self(self.0.iter().cloned().chain(keys.iter().map(|key| (*key).to_owned())).collect())
    }

    /// This pointer seen from the root of a document in which its own root is at `base`.
    pub fn under(&self, base: &Self) -> Self {
        Self(base.0.iter().chain(&self.0).cloned().collect())
    }

    /// Whether this node is at `base` or below it.
    pub fn starts_with(&self, base: &Self) -> bool {
        self.0.starts_with(&base.0)
    }

    /// The keys and indices.
    pub fn steps(&self) -> &[String] {
        &self.0
    }

    /// As error messages name a field: `spec.template.spec`.
    pub fn dotted(&self) -> String {
        self.0.join(".")
    }
}

impl fmt::Display for Pointer {
    /// As JSON patches write it (RFC 6901).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            write!(f, "/{}", step.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

/// One change, meant as in RFC 6902; ops of a list apply one after the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Puts a value under a new key, or before the item at an index (`-`: after the last).
    Add {
        /// Where.
        path: Pointer,
        /// What.
        value: Value,
    },
    /// Puts a value in the place of another.
    Replace {
        /// Where.
        path: Pointer,
        /// What.
        value: Value,
    },
    /// Takes a value away, with its key.
    Remove {
        /// Where.
        path: Pointer,
    },
}

impl Op {
    /// Where the change is.
    pub fn path(&self) -> &Pointer {
        match self {
            Self::Add { path, .. } | Self::Replace { path, .. } | Self::Remove { path } => path,
        }
    }

    /// The change seen from the root of a document in which its own root is at `base`.
    pub fn under(self, base: &Pointer) -> Self {
        match self {
            Self::Add { path, value } => Self::Add { path: path.under(base), value },
            Self::Replace { path, value } => Self::Replace { path: path.under(base), value },
            Self::Remove { path } => Self::Remove { path: path.under(base) },
        }
    }

    /// The change as an operation of a JSON patch.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        let (op, path, value) = match self {
            Self::Add { path, value } => ("add", path, Some(value)),
            Self::Replace { path, value } => ("replace", path, Some(value)),
            Self::Remove { path } => ("remove", path, None),
        };
        object.insert("op".to_owned(), op.into());
        object.insert("path".to_owned(), path.to_string().into());
        if let Some(value) = value {
            object.insert("value".to_owned(), value.clone());
        }
        Value::Object(object)
    }
}

/// Makes the changes on a value; `false` if one of them does not fit it (the value is then half changed).
pub fn apply(document: &mut Value, ops: &[Op]) -> bool {
    ops.iter().all(|op| apply_one(document, op).is_some())
}

fn apply_one(document: &mut Value, op: &Op) -> Option<()> {
    let Some((last, parents)) = op.path().steps().split_last() else {
        if let Op::Add { value, .. } | Op::Replace { value, .. } = op {
            *document = value.clone();
        }
        return Some(());
    };
    let mut node = document;
    for step in parents {
        node = match node {
            Value::Object(map) => map.get_mut(step)?,
            Value::Array(list) => list.get_mut(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    match (node, op) {
        (Value::Object(map), Op::Add { value, .. } | Op::Replace { value, .. }) => {
            map.insert(last.clone(), value.clone());
        }
        (Value::Object(map), Op::Remove { .. }) => {
            map.shift_remove(last)?;
        }
        (Value::Array(list), Op::Add { value, .. }) => {
            let index = if last == "-" { list.len() } else { last.parse().ok()? };
            if index > list.len() {
                return None;
            }
            list.insert(index, value.clone());
        }
        (Value::Array(list), Op::Replace { value, .. }) => {
            *list.get_mut(last.parse::<usize>().ok()?)? = value.clone();
        }
        (Value::Array(list), Op::Remove { .. }) => {
            let index = last.parse::<usize>().ok().filter(|index| *index < list.len())?;
            list.remove(index);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn applies_as_a_json_patch_does() {
        let mut document = json!({"a": {"b/c": [1, 2]}, "d": null});
        let ops = [
            Op::Add { path: Pointer::of(&["a", "b/c", "0"]), value: json!(0) },
            Op::Add { path: Pointer::of(&["a", "b/c", "-"]), value: json!(3) },
            Op::Replace { path: Pointer::of(&["d"]), value: json!({"e": "f"}) },
            Op::Remove { path: Pointer::of(&["a", "b/c", "1"]) },
        ];
        let patch: Vec<Value> = ops.iter().map(Op::to_json).collect();
        let mut library = document.clone();
        let patch: json_patch::Patch = serde_json::from_value(Value::Array(patch)).unwrap();
        json_patch::patch(&mut library, &patch).unwrap();
        assert!(apply(&mut document, &ops));
        assert_eq!(document, library);
        assert_eq!(document, json!({"a": {"b/c": [0, 2, 3]}, "d": {"e": "f"}}));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let mut document = json!({"a": [1]});
        assert!(!apply(&mut document, &[Op::Remove { path: Pointer::of(&["b"]) }]));
        assert!(!apply(&mut document, &[Op::Add { path: Pointer::of(&["a", "9"]), value: json!(1) }]));
        assert!(!apply(&mut document, &[Op::Remove { path: Pointer::of(&["a", "0", "x"]) }]));
    }
}
