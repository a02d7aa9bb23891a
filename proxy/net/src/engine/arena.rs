//! Values under identifiers of index and generation, so that an identifier of something that is gone names nothing.

/// Where a value is, and the how-many-eth of its place it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// Values in a vector with a list of free places.
pub(super) struct Arena<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

struct Place<T> {
    generation: u32,
    value: Option<T>,
}

// === impl Arena ===

impl<T> Arena<T> {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// The key that the next [`insert`](Self::insert) will return.
    pub(super) fn next_key(&self) -> Key {
        match self.free.last() {
            Some(index) => Key { index: *index, generation: self.places[*index as usize].generation },
            None => Key { index: self.places.len() as u32, generation: 0 },
        }
    }

    pub(super) fn insert(&mut self, value: T) -> Key {
        let key = self.next_key();
        if self.free.pop().is_some() {
            self.places[key.index as usize].value = Some(value);
        } else {
            self.places.push(Place { generation: 0, value: Some(value) });
        }
        key
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.places.get(key.index as usize).filter(|place| place.generation == key.generation)?.value.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let place = self.places.get_mut(key.index as usize)?;
        if place.generation == key.generation { place.value.as_mut() } else { None }
    }

    /// The key of what is at a place now.
    pub(super) fn key_at(&self, index: u32) -> Option<Key> {
        let place = self.places.get(index as usize)?;
        place.value.as_ref().map(|_| Key { index, generation: place.generation })
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let place =
            self.places.get_mut(key.index as usize).filter(|place| place.generation == key.generation)?;
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    /// The keys of all values.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.places
            .iter()
            .enumerate()
            .filter(|(_, place)| place.value.is_some())
            .map(|(index, place)| Key { index: index as u32, generation: place.generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_names_nothing() {
        let mut arena = Arena::new();
        let first = arena.insert("a");
        assert_eq!(arena.remove(first), Some("a"));
        let expected = arena.next_key();
        let second = arena.insert("b");
        assert_eq!(second, expected);
        assert_eq!((first.index, arena.get(first)), (second.index, None));
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.keys().collect::<Vec<_>>(), [second]);
    }
}
