//! The dynamic table (RFC 7541 §2.3.2) in one byte buffer.

use crate::headers::FIELD_OVERHEAD;

/// Fields in order of insertion, evicted from the oldest end by size.
///
/// New fields are appended to `bytes`; the gap that evictions leave at its start is closed when it has grown to half of the
/// buffer, so that a field is moved at most about once in its life.
#[derive(Default)]
pub(super) struct Table {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Index in `entries` of the oldest field that is still in the table.
    oldest: usize,
    size: usize,
    max_size: usize,
}

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    name_len: u32,
    value_len: u32,
    /// Of the whole field and of the name alone, for the encoder's search.
    hash: FieldHash,
}

/// What the encoder compares before it compares octets.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FieldHash {
    pub(super) name: u32,
    pub(super) field: u32,
}

/// Where a search ended. Positions count from 0, the newest field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Field(usize),
    Name(usize),
    Nothing,
}

// === impl Table ===

impl Table {
    pub(super) fn new(max_size: usize) -> Self {
        Self { max_size, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.oldest
    }

    pub(super) fn max_size(&self) -> usize {
        self.max_size
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict_to(max_size);
        if max_size == 0 {
            *self = Self::default();
        }
    }

    /// Name and value of the field `position` places before the newest.
    #[inline]
    pub(super) fn get(&self, position: usize) -> Option<(&[u8], &[u8])> {
        if position >= self.len() {
            return None;
        }
        Some(self.view(&self.entries[self.entries.len() - 1 - position]))
    }

    /// Adds a field; one that is larger than the table empties it (RFC 7541 §4.4).
    #[inline]
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8], hash: FieldHash) {
        let size = name.len() + value.len() + FIELD_OVERHEAD;
        if size > self.max_size {
            self.evict_to(0);
            return;
        }
        self.evict_to(self.max_size - size);
        self.close_gap();
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.entries.push(Entry { start, name_len: name.len() as u32, value_len: value.len() as u32, hash });
        self.size += size;
    }

    /// The newest field equal to the given one, else the newest of that name.
    #[inline]
    pub(super) fn find(&self, name: &[u8], value: &[u8], hash: FieldHash) -> Found {
        let mut of_name = Found::Nothing;
        for (position, entry) in self.entries[self.oldest..].iter().rev().enumerate() {
            if entry.hash.name != hash.name {
                continue;
            }
            let (its_name, its_value) = self.view(entry);
            if its_name != name {
                continue;
            }
            if entry.hash.field == hash.field && its_value == value {
                return Found::Field(position);
            }
            if of_name == Found::Nothing {
                of_name = Found::Name(position);
            }
        }
        of_name
    }

    fn view(&self, entry: &Entry) -> (&[u8], &[u8]) {
        let name_end = (entry.start + entry.name_len) as usize;
        (
            &self.bytes[entry.start as usize..name_end],
            &self.bytes[name_end..name_end + entry.value_len as usize],
        )
    }

    fn evict_to(&mut self, limit: usize) {
        while self.size > limit {
            let entry = self.entries[self.oldest];
            self.size -= entry.name_len as usize + entry.value_len as usize + FIELD_OVERHEAD;
            self.oldest += 1;
        }
        if self.oldest == self.entries.len() {
            self.entries.clear();
            self.bytes.clear();
            self.oldest = 0;
        }
    }

    fn close_gap(&mut self) {
        if self.oldest < 16 || self.oldest * 2 < self.entries.len() {
            return;
        }
        let gap = self.entries[self.oldest].start;
        self.bytes.drain(..gap as usize);
        self.entries.drain(..self.oldest);
        self.oldest = 0;
        for entry in &mut self.entries {
            entry.start -= gap;
        }
    }
}
