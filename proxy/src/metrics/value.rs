//! What a field of a group can be: counters, gauges, histograms, and small tables of these by a label with few values.

use std::marker::PhantomData;
use std::ops::{AddAssign, SubAssign};
use std::time::Duration;

use super::exposition::Samples;
use super::labels::LabelText;

/// What a family is to a reader.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram(Scale),
}

/// How raw integers of a histogram are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The upper bounds, in raw units, increasing.
    pub bounds: &'static [u64],
    /// How many raw units make one of what is written.
    pub per_unit: f64,
    /// Whether a whole bound is written with `.0`.
    pub decimals: bool,
}

/// A field of a group.
pub trait Value: Clone + Default {
    /// What the family is.
    const KIND: Kind;
    /// Labels that this field adds to those of the series.
    const LABELS: &'static [&'static str] = &[];

    /// Adds what another worker counted.
    fn merge(&mut self, other: &Self);

    /// Writes the samples.
    fn write(&self, out: &mut Samples<'_>);
}

/// The buckets of a histogram.
pub trait Buckets: Clone + Default + 'static {
    /// How values are written.
    const SCALE: Scale;
    /// One counter a bound, and one for what is above the last.
    type Counts: Clone + Default + AsRef<[u64]> + AsMut<[u64]>;
}

/// A key of [`ByKey`]: a label, or a few, with a small number of values.
pub trait Key: Copy + Ord + 'static {
    /// The names of the labels.
    const LABELS: &'static [&'static str];
    /// Stands for every value beyond [`ByKey::LIMIT`].
    const OTHER: Self;

    /// Appends the labels.
    fn write(&self, labels: &mut LabelText);
}

/// A counter that is not written as long as it is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rare(pub u64);

/// A gauge whose values in several workers add up: connections open, requests queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauge(pub i64);

/// A gauge of which the largest of all workers is taken: endpoints known, a point in time. Not a number is not written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level(pub f64);

/// Observations counted in fixed buckets.
#[derive(Clone, Debug, Default)]
pub struct Histogram<B: Buckets> {
    counts: B::Counts,
    sum: u64,
    buckets: PhantomData<B>,
}

/// Values by a label with few values, such as a status.
#[derive(Clone, Debug)]
pub struct ByKey<K, V> {
    entries: Vec<(K, V)>,
}

/// Declares the buckets of histograms.
macro_rules! buckets {
    ($($(#[$doc:meta])+ $vis:vis $name:ident = $unit:ident [$($bound:expr),+ $(,)?];)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, Default)]
        $vis struct $name;

        impl $crate::metrics::value::Buckets for $name {
            const SCALE: $crate::metrics::value::Scale = $crate::metrics::value::Scale {
                bounds: &[$($crate::metrics::value::$unit($bound)),+],
                per_unit: $crate::metrics::value::$unit(1.0) as f64,
                decimals: $crate::metrics::value::decimals(stringify!($unit)),
            };
            type Counts = [u64; [$(stringify!($bound)),+].len() + 1];
        }
    )+};
}
pub(crate) use buckets;

/// Seconds as nanoseconds, the raw unit of durations.
pub(crate) const fn seconds(value: f64) -> u64 {
    (value * 1e9 + 0.5) as u64
}

/// Milliseconds as nanoseconds.
pub(crate) const fn milliseconds(value: f64) -> u64 {
    (value * 1e6 + 0.5) as u64
}

/// Octets, the raw unit of sizes.
pub(crate) const fn octets(value: f64) -> u64 {
    value as u64
}

/// Bounds in milliseconds are written as whole numbers, as they always were; those in base units with a decimal point.
pub(crate) const fn decimals(unit: &str) -> bool {
    unit.as_bytes()[0] != b'm'
}

// === impl u64 ===

impl Value for u64 {
    const KIND: Kind = Kind::Counter;

    fn merge(&mut self, other: &Self) {
        *self = self.wrapping_add(*other);
    }

    fn write(&self, out: &mut Samples<'_>) {
        out.integer(*self);
    }
}

// === impl Rare ===

impl Value for Rare {
    const KIND: Kind = Kind::Counter;

    fn merge(&mut self, other: &Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    fn write(&self, out: &mut Samples<'_>) {
        if self.0 != 0 {
            out.integer(self.0);
        }
    }
}

impl AddAssign<u64> for Rare {
    fn add_assign(&mut self, more: u64) {
        self.0 += more;
    }
}

// === impl Gauge ===

impl Value for Gauge {
    const KIND: Kind = Kind::Gauge;

    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
    }

    fn write(&self, out: &mut Samples<'_>) {
        out.signed(self.0);
    }
}

impl AddAssign<i64> for Gauge {
    fn add_assign(&mut self, more: i64) {
        self.0 += more;
    }
}

impl SubAssign<i64> for Gauge {
    fn sub_assign(&mut self, less: i64) {
        self.0 -= less;
    }
}

// === impl Level ===

impl Default for Level {
    fn default() -> Self {
        Self(f64::NAN)
    }
}

impl Value for Level {
    const KIND: Kind = Kind::Gauge;

    fn merge(&mut self, other: &Self) {
        self.0 = self.0.max(other.0);
    }

    fn write(&self, out: &mut Samples<'_>) {
        if !self.0.is_nan() {
            out.float(self.0);
        }
    }
}

// === impl Histogram ===

impl<B: Buckets> Histogram<B> {
    /// Counts a duration; for buckets in seconds or milliseconds.
    pub fn observe(&mut self, value: Duration) {
        self.observe_raw(u64::try_from(value.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts a size; for buckets in octets.
    pub fn observe_octets(&mut self, octets: u64) {
        self.observe_raw(octets);
    }

    /// How many observations there were.
    pub fn count(&self) -> u64 {
        self.counts.as_ref().iter().sum()
    }

    fn observe_raw(&mut self, raw: u64) {
        let bucket = B::SCALE.bounds.partition_point(|bound| *bound < raw);
        if let Some(count) = self.counts.as_mut().get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.wrapping_add(raw);
    }
}

impl<B: Buckets> Value for Histogram<B> {
    const KIND: Kind = Kind::Histogram(B::SCALE);

    fn merge(&mut self, other: &Self) {
        for (mine, more) in self.counts.as_mut().iter_mut().zip(other.counts.as_ref()) {
            *mine += more;
        }
        self.sum = self.sum.wrapping_add(other.sum);
    }

    fn write(&self, out: &mut Samples<'_>) {
        out.histogram(&B::SCALE, self.counts.as_ref(), self.sum);
    }
}

// === impl ByKey ===

impl<K, V> Default for ByKey<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Key, V: Default> ByKey<K, V> {
    /// How many different keys one series holds; the rest is counted under [`Key::OTHER`], because a peer may choose them.
    pub const LIMIT: usize = 64;

    /// The value of a key. What is asked for often moves to the front, so that the search is short; memory is taken only
    /// when a key is seen for the first time.
    pub fn at(&mut self, key: K) -> &mut V {
        match self.entries.iter().position(|(have, _)| *have == key) {
            Some(0) => &mut self.entries[0].1,
            Some(found) => {
                self.entries.swap(found, found - 1);
                &mut self.entries[found - 1].1
            }
            None if self.entries.len() >= Self::LIMIT && key != K::OTHER => self.at(K::OTHER),
            None => {
                self.entries.push((key, V::default()));
                let last = self.entries.len() - 1;
                &mut self.entries[last].1
            }
        }
    }

    /// What is there, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.entries.iter().map(|(key, value)| (*key, value))
    }
}

impl<K: Key, V: Value> Value for ByKey<K, V> {
    const KIND: Kind = V::KIND;
    const LABELS: &'static [&'static str] = K::LABELS;

    fn merge(&mut self, other: &Self) {
        for (key, value) in &other.entries {
            self.at(*key).merge(value);
        }
    }

    fn write(&self, out: &mut Samples<'_>) {
        let mut entries: Vec<&(K, V)> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        for (key, value) in entries {
            out.with(|labels| key.write(labels), |out| value.write(out));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    buckets! {
        /// For these tests.
        Few = seconds [0.5, 1.0];
    }

    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    struct Number(u16);

    impl Key for Number {
        const LABELS: &'static [&'static str] = &["number"];
        const OTHER: Self = Self(u16::MAX);

        fn write(&self, labels: &mut LabelText) {
            labels.add("number", self.0);
        }
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::<Few>::default();
        for millis in [500, 501, 1000, 1001, 9000] {
            histogram.observe(Duration::from_millis(millis));
        }
        assert_eq!(histogram.counts, [1, 2, 2]);
        assert_eq!(histogram.count(), 5);
    }

    #[test]
    fn keys_beyond_the_limit_are_counted_together() {
        let mut counts = ByKey::<Number, u64>::default();
        for number in 0..200 {
            *counts.at(Number(number)) += 1;
        }
        let total: u64 = counts.iter().map(|(_, count)| *count).sum();
        let other = counts.iter().find(|(key, _)| *key == Number::OTHER).map(|(_, count)| *count);
        assert_eq!((total, other, counts.entries.len()), (200, Some(136), 65));
    }

    #[test]
    fn a_level_is_the_largest_of_the_workers() {
        let mut level = Level::default();
        level.merge(&Level(3.0));
        level.merge(&Level(2.0));
        level.merge(&Level::default());
        assert_eq!(level, Level(3.0));
    }
}
