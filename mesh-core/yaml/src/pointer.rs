//! Paths into a document and the changes made there: JSON pointers (RFC 6901) and JSON patches (RFC 6902).

use std::{fmt, str::FromStr};

use serde_json::{Value, json};

use crate::error::Error;

/// A path of keys and indices. Displays as `/spec/template/metadata`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// The document itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path of these keys or indices, none of them escaped.
    pub fn new<T: Into<String>>(tokens: impl IntoIterator<Item = T>) -> Self {
        Self(tokens.into_iter().map(Into::into).collect())
    }

    /// The path one step further down.
    #[must_use]
    pub fn join(&self, token: impl Into<String>) -> Self {
        let mut tokens = self.0.clone();
        tokens.push(token.into());
        Self(tokens)
    }

    /// Keys and indices from the top down.
    pub fn tokens(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

impl FromStr for Pointer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self::root());
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(Error::Patch { op: "patch", path: text.to_owned(), reason: "a path starts with /" });
        };
        Ok(Self(rest.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect()))
    }
}

/// One change. A list of them means what the same list means as a JSON patch.
///
/// Editing text is fastest when large values are added whole, as later changes inside of an added value copy it.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Sets a key, or puts an item before the one at the index (`-` is behind the last).
    Add {
        /// Where; the parent must exist.
        path: Pointer,
        /// What.
        value: Value,
    },
    /// Takes out what is there.
    Remove {
        /// Where; must exist.
        path: Pointer,
    },
    /// Puts another value in place of what is there.
    Replace {
        /// Where; must exist.
        path: Pointer,
        /// What.
        value: Value,
    },
}

impl Op {
    /// The path this changes.
    pub fn path(&self) -> &Pointer {
        match self {
            Self::Add { path, .. } | Self::Remove { path } | Self::Replace { path, .. } => path,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
            Self::Replace { .. } => "replace",
        }
    }

    pub(crate) fn error(&self, reason: &'static str) -> Error {
        Error::Patch { op: self.name(), path: self.path().to_string(), reason }
    }
}

/// The list as RFC 6902 has it, for an admission response.
pub fn to_json_patch(ops: &[Op]) -> Value {
    let op = |op: &Op| match op {
        Op::Add { path, value } => json!({"op": "add", "path": path.to_string(), "value": value}),
        Op::Remove { path } => json!({"op": "remove", "path": path.to_string()}),
        Op::Replace { path, value } => {
            json!({"op": "replace", "path": path.to_string(), "value": value})
        }
    };
    Value::Array(ops.iter().map(op).collect())
}

/// Applies the list to a value.
///
/// # Errors
/// At the first change that does not fit; the value then holds those before it.
pub fn apply_to_value(value: &mut Value, ops: &[Op]) -> Result<(), Error> {
    ops.iter().try_for_each(|op| apply_at(value, op.path().tokens(), op).map_err(|reason| op.error(reason)))
}

/// Why a change does not fit.
pub(crate) type Fit<T> = Result<T, &'static str>;

/// Applies one change at the rest of its path below `value`.
pub(crate) fn apply_at(value: &mut Value, tokens: &[String], op: &Op) -> Fit<()> {
    let Some((last, parents)) = tokens.split_last() else {
        return match op {
            Op::Add { value: new, .. } | Op::Replace { value: new, .. } => {
                *value = new.clone();
                Ok(())
            }
            Op::Remove { .. } => Err("a document cannot be removed"),
        };
    };
    let mut parent = value;
    for token in parents {
        parent = match parent {
            Value::Object(map) => map.get_mut(token).ok_or("no such key on the way")?,
            Value::Array(items) => {
                let index = index(token, items.len())?;
                items.get_mut(index).ok_or("no such item on the way")?
            }
            _ => return Err("a scalar on the way"),
        };
    }
    match (parent, op) {
        (Value::Object(map), Op::Add { value, .. }) => {
            map.insert(last.clone(), value.clone());
        }
        (Value::Object(map), Op::Remove { .. }) => {
            map.shift_remove(last).ok_or("no such key")?;
        }
        (Value::Object(map), Op::Replace { value, .. }) => {
            *map.get_mut(last).ok_or("no such key")? = value.clone();
        }
        (Value::Array(items), Op::Add { value, .. }) => {
            items.insert(index(last, items.len())?, value.clone());
        }
        (Value::Array(items), Op::Remove { .. }) => {
            let index = existing(last, items.len())?;
            items.remove(index);
        }
        (Value::Array(items), Op::Replace { value, .. }) => {
            let index = existing(last, items.len())?;
            items[index] = value.clone();
        }
        _ => return Err("the parent is neither mapping nor list"),
    }
    Ok(())
}

/// An index up to `count`, which `-` stands for.
pub(crate) fn index(token: &str, count: usize) -> Fit<usize> {
    if token == "-" {
        return Ok(count);
    }
    let is_number = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
    match token.parse::<usize>() {
        Ok(index) if is_number && index <= count && (token == "0" || !token.starts_with('0')) => Ok(index),
        _ => Err("no such index"),
    }
}

/// An index below `count`.
pub(crate) fn existing(token: &str, count: usize) -> Fit<usize> {
    index(token, count).and_then(|index| if index < count { Ok(index) } else { Err("no such item") })
}
