//! Tables of series: a label set is turned into an index once, and counted by index ever after.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;

use super::exposition::Samples;
use super::labels::{LabelSet, LabelText, Variant};
use super::value::Kind;

/// Families that share a label set; a value of the type is what one series of it holds.
pub trait Group: Clone + Default + 'static {
    /// The label set that a series is registered with.
    type Labels<'a>: LabelSet;
    /// The families, in the order in which they are written.
    const FAMILIES: &'static [Family];
    /// The labels in their order, for the reference page; those in brackets are not always there.
    const LABELS: &'static str;

    /// Adds what another worker counted.
    fn merge(&mut self, other: &Self);

    /// Writes the samples of the family with this index in `FAMILIES`.
    fn write(&self, family: usize, out: &mut Samples<'_>);
}

/// What is said of a family.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name without the prefix of the variant.
    pub name: &'static str,
    /// What it counts; one sentence.
    pub help: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Labels beyond those of the group.
    pub labels: &'static [&'static str],
}

/// Which series of a table; valid as long as the reference that `register` gave has not been released.
pub struct Id<G> {
    slot: u32,
    generation: u32,
    group: PhantomData<fn() -> G>,
}

/// What identifies a series in all workers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// Which prefix.
    pub variant: Variant,
    /// The labels as they are written.
    pub labels: Arc<str>,
}

/// All series of a group in one worker.
pub struct Table<G: Group> {
    /// The first slot takes what is counted with an identifier that is no longer valid; it is never written.
    slots: Vec<Slot<G>>,
    by_key: AHashMap<SeriesKey, u32>,
    free: Vec<u32>,
    retired: Vec<(SeriesKey, G)>,
}

/// A table as it was at one moment, for another thread.
#[derive(Clone)]
pub struct Part<G> {
    /// What is there.
    pub(super) live: Vec<(SeriesKey, G)>,
    /// What has been dropped since the last time.
    pub(super) retired: Vec<(SeriesKey, G)>,
}

struct Slot<G> {
    generation: u32,
    references: u32,
    /// When the last reference was released.
    released: Option<Instant>,
    key: Option<SeriesKey>,
    values: G,
}

/// The label of the series that takes whatever would exceed [`Table::LIMIT`].
pub const OVERFLOW: &str = "overflow=\"true\"";

// === impl Id ===

impl<G> Clone for Id<G> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<G> Copy for Id<G> {}

impl<G> PartialEq for Id<G> {
    fn eq(&self, other: &Self) -> bool {
        (self.slot, self.generation) == (other.slot, other.generation)
    }
}

impl<G> Eq for Id<G> {}

impl<G> fmt::Debug for Id<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

impl<G> Default for Id<G> {
    /// Names no series: what is counted with it is not written.
    fn default() -> Self {
        Self { slot: 0, generation: 0, group: PhantomData }
    }
}

// === impl Table ===

impl<G: Group> Default for Table<G> {
    fn default() -> Self {
        let sink = Slot { generation: 0, references: 1, released: None, key: None, values: G::default() };
        Self { slots: vec![sink], by_key: AHashMap::new(), free: Vec::new(), retired: Vec::new() }
    }
}

impl<G: Group> Table<G> {
    /// How many series a table holds. Past it, new label sets share one series, labelled [`OVERFLOW`].
    pub const LIMIT: usize = 8192;

    /// The series with these labels, made if it is not there. Takes a reference: what is registered has to be released. Not for
    /// the hot path, since it writes and hashes the labels.
    pub fn register(&mut self, labels: &G::Labels<'_>) -> Id<G> {
        let mut text = LabelText::default();
        labels.write(&mut text);
        let key = SeriesKey { variant: labels.variant(), labels: text.into() };
        let slot = match self.by_key.get(&key) {
            Some(slot) => *slot,
            None if self.by_key.len() >= Self::LIMIT => {
                let key = SeriesKey { variant: key.variant, labels: OVERFLOW.into() };
                match self.by_key.get(&key) {
                    Some(slot) => *slot,
                    None => self.insert(key),
                }
            }
            None => self.insert(key),
        };
        let entry = &mut self.slots[slot as usize];
        entry.references = entry.references.saturating_add(1);
        entry.released = None;
        Id { slot, generation: entry.generation, group: PhantomData }
    }

    /// Gives a reference back. With the last one the series begins to age; see [`Table::sweep`].
    pub fn release(&mut self, id: Id<G>, now: Instant) {
        if id.slot == 0 {
            return;
        }
        if let Some(slot) =
            self.slots.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation)
        {
            slot.references = slot.references.saturating_sub(1);
            if slot.references == 0 {
                slot.released = Some(now);
            }
        }
    }

    /// The values of a label set that nobody keeps an index of: for what is rare, such as an error.
    pub fn once(&mut self, labels: &G::Labels<'_>, now: Instant) -> &mut G {
        let id = self.register(labels);
        self.release(id, now);
        &mut self[id]
    }

    /// Drops series without a reference that have been idle for `retain`. Their values go into the next [`Table::part`], so that the
    /// sum over all workers does not shrink while another worker still has the series.
    pub fn sweep(&mut self, now: Instant, retain: Duration) {
        for index in 1..self.slots.len() {
            let slot = &mut self.slots[index];
            let idle = slot.released.is_some_and(|at| now.saturating_duration_since(at) >= retain);
            if slot.references != 0 || !idle {
                continue;
            }
            slot.generation = slot.generation.wrapping_add(1);
            slot.released = None;
            let values = std::mem::take(&mut slot.values);
            if let Some(key) = slot.key.take() {
                self.by_key.remove(&key);
                self.retired.push((key, values));
            }
            self.free.push(u32::try_from(index).unwrap_or(0));
        }
    }

    /// A copy for another thread.
    pub fn part(&mut self) -> Part<G> {
        let live =
            self.slots.iter().filter_map(|slot| Some((slot.key.clone()?, slot.values.clone()))).collect();
        Part { live, retired: std::mem::take(&mut self.retired) }
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    fn insert(&mut self, key: SeriesKey) -> u32 {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let new =
                    Slot { generation: 0, references: 0, released: None, key: None, values: G::default() };
                self.slots.push(new);
                u32::try_from(self.slots.len() - 1).unwrap_or(0)
            }
        };
        self.slots[slot as usize].key = Some(key.clone());
        self.by_key.insert(key, slot);
        slot
    }

    fn slot_of(&self, id: Id<G>) -> usize {
        match self.slots.get(id.slot as usize) {
            Some(slot) if slot.generation == id.generation => id.slot as usize,
            _ => 0,
        }
    }
}

impl<G: Group> Index<Id<G>> for Table<G> {
    type Output = G;

    fn index(&self, id: Id<G>) -> &G {
        &self.slots[self.slot_of(id)].values
    }
}

impl<G: Group> IndexMut<Id<G>> for Table<G> {
    fn index_mut(&mut self, id: Id<G>) -> &mut G {
        let slot = self.slot_of(id);
        &mut self.slots[slot].values
    }
}

/// Declares a group: its type, its label set, and for each field the name of its family. The comment of a field is its help.
macro_rules! group {
    (
        $(#[$about:meta])+
        $group:ident($labels:ident $(<$life:lifetime>)?): $order:literal;
        $( $(#[doc = $help:literal])+ $field:ident: $value:ty = $name:literal, )+
    ) => {
        $(#[$about])+
        #[derive(Clone, Debug, Default)]
        pub struct $group {
            $( $(#[doc = $help])+ pub $field: $value, )+
        }

        impl $crate::metrics::table::Group for $group {
            type Labels<'a> = $labels $(<$life>)?;
            const LABELS: &'static str = $order;
            const FAMILIES: &'static [$crate::metrics::table::Family] = &[
                $( $crate::metrics::table::Family {
                    name: $name,
                    help: concat!($($help),+),
                    kind: <$value as $crate::metrics::value::Value>::KIND,
                    labels: <$value as $crate::metrics::value::Value>::LABELS,
                }, )+
            ];

            fn merge(&mut self, other: &Self) {
                $( $crate::metrics::value::Value::merge(&mut self.$field, &other.$field); )+
            }

            fn write(&self, family: usize, out: &mut $crate::metrics::exposition::Samples<'_>) {
                let mut index = 0;
                $(
                    if index == family {
                        return $crate::metrics::value::Value::write(&self.$field, out);
                    }
                    index += 1;
                )+
                let _ = index;
            }
        }
    };
}
pub(crate) use group;

#[cfg(test)]
mod tests;
