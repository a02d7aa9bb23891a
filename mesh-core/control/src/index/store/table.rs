//! Records of one kind by their places.

use std::sync::Arc;

use ahash::AHashMap;

use crate::record::Key;

/// Records of one kind.
pub(super) struct Table<T>(AHashMap<Key, Arc<T>>);

/// What became of a record; at least one of the two is there, and they differ.
pub(super) struct Change<T> {
    pub(super) old: Option<Arc<T>>,
    pub(super) new: Option<Arc<T>>,
}

/// A record that knows its place.
pub(super) trait Keyed {
    /// Its place.
    fn key(&self) -> &Key;
}

macro_rules! keyed {
    ($($record:ident)*) => {
        $(impl Keyed for crate::record::$record {
            fn key(&self) -> &Key {
                &self.key
            }
        })*
    };
}

keyed!(Node Namespace Service Pod EndpointSlice Endpoints Owned Profile TrafficSplit ExternalWorkload Server);
keyed!(Fault ServerAuthorization AuthorizationPolicy MeshTlsAuthentication NetworkAuthentication RateLimit EgressNetwork Route);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(AHashMap::new())
    }
}

impl<T: Keyed + PartialEq> Table<T> {
    pub(super) fn find(&self, key: &Key) -> Option<&Arc<T>> {
        self.0.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.0.values()
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// None when nothing differs: an object that is told again touches nothing.
    pub(super) fn put(&mut self, new: Arc<T>) -> Option<Change<T>> {
        if let Some(known) = self.0.get_mut(new.key()) {
            if **known == *new {
                return None;
            }
            let old = std::mem::replace(known, Arc::clone(&new));
            return Some(Change { old: Some(old), new: Some(new) });
        }
        self.0.insert(new.key().clone(), Arc::clone(&new));
        Some(Change { old: None, new: Some(new) })
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Change<T>> {
        let old = self.0.remove(key)?;
        // A cluster that shrinks gives its memory back.
        if self.0.capacity() > 4096 && self.0.len() < self.0.capacity() / 4 {
            let kept = self.0.len() * 2;
            self.0.shrink_to(kept);
        }
        Some(Change { old: Some(old), new: None })
    }
}

impl<T> Change<T> {
    /// The old record, then the new one.
    pub(super) fn sides(&self) -> impl Iterator<Item = &Arc<T>> {
        self.old.iter().chain(&self.new)
    }
}
