//! Paths and changes as injection makes them: the one list for text edits and for the webhook's JSON patch.

use mesh_yaml::{Op, Pointer};

/// Steps of a [`Pointer`] that injection takes often.
pub(crate) trait Steps {
    /// The node at the end of a chain of keys that starts here.
    fn below(&self, keys: &[&str]) -> Pointer;
    /// This path seen from the root of a document in which its own root is at `base`.
    fn under(&self, base: &Pointer) -> Pointer;
    /// As error messages name a field: `spec.template.spec`.
    fn dotted(&self) -> String;
    /// The keys, to look the node up.
    fn keys(&self) -> Vec<&str>;
}

impl Steps for Pointer {
    fn below(&self, keys: &[&str]) -> Pointer {
        let own = self.tokens().iter().map(String::as_str);
        Pointer::new(own.chain(keys.iter().copied()))
    }

    fn under(&self, base: &Pointer) -> Pointer {
        Pointer::new(base.tokens().iter().chain(self.tokens()).cloned())
    }

    fn dotted(&self) -> String {
        self.tokens().join(".")
    }

    fn keys(&self) -> Vec<&str> {
        self.tokens().iter().map(String::as_str).collect()
    }
}

/// The change seen from the root of a document in which its own root is at `base`.
pub(crate) fn under(op: Op, base: &Pointer) -> Op {
    match op {
        Op::Add { path, value } => Op::Add { path: path.under(base), value },
        Op::Replace { path, value } => Op::Replace { path: path.under(base), value },
        Op::Remove { path } => Op::Remove { path: path.under(base) },
    }
}
