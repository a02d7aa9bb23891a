//! Counters, gauges and histograms, and the text in which Prometheus reads them.
//!
//! A family has a fixed list of label names and at most [`MAX_SERIES`] sets of values; what comes later is counted under
//! the value `other`, so that no peer can make the process grow.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Sets of label values a family keeps apart.
pub const MAX_SERIES: usize = 512;
/// Bounds in seconds for things that take milliseconds.
pub const LATENCY_SECONDS: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// All families of a process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Registry {
    families: Arc<Mutex<Vec<Box<dyn Collect>>>>,
}

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

/// How often a value fell under each bound.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    bounds: &'static [f64],
    counts: Vec<AtomicU64>,
    /// Bits of a float.
    sum: AtomicU64,
}

/// Series of one name, told apart by label values. Cheap to clone.
#[derive(Clone)]
pub struct Family<M> {
    inner: Arc<Series<M>>,
}

struct Series<M> {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    make: fn() -> M,
    series: Mutex<BTreeMap<Vec<String>, M>>,
}

/// Something that adds its lines to the exposition.
trait Collect: Send + Sync {
    fn write(&self, out: &mut String);
}

/// A kind of metric.
pub trait Metric: Clone + Send + Sync + 'static {
    /// Its name in a `# TYPE` line.
    const TYPE: &'static str;
    /// Adds the lines of one series.
    fn write(&self, name: &str, labels: &str, out: &mut String);
}

// === impl Registry ===

impl Registry {
    /// A counter without labels.
    pub fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        self.counters(name, help, &[]).with(&[])
    }

    /// A gauge without labels.
    pub fn gauge(&self, name: &'static str, help: &'static str) -> Gauge {
        self.gauges(name, help, &[]).with(&[])
    }

    /// Counters told apart by labels.
    pub fn counters(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Family<Counter> {
        self.family(name, help, labels, Counter::default)
    }

    /// Gauges told apart by labels.
    pub fn gauges(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Family<Gauge> {
        self.family(name, help, labels, Gauge::default)
    }

    /// Histograms of durations in seconds, told apart by labels.
    pub fn latencies(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Family<Histogram> {
        self.family(name, help, labels, || Histogram::new(LATENCY_SECONDS))
    }

    /// Adds lines that `write` makes at each scrape; it gives their `# HELP` and `# TYPE` itself.
    pub fn collector(&self, write: impl Fn(&mut String) + Send + Sync + 'static) {
        self.families.lock().push(Box::new(write));
    }

    /// The exposition text.
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(4_096);
        for family in self.families.lock().iter() {
            family.write(&mut out);
        }
        out
    }

    fn family<M: Metric>(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        make: fn() -> M,
    ) -> Family<M> {
        let inner = Arc::new(Series { name, help, labels, make, series: Mutex::default() });
        self.families.lock().push(Box::new(Family { inner: Arc::clone(&inner) }));
        Family { inner }
    }
}

// === impl Family ===

impl<M: Metric> Family<M> {
    /// The series of these label values, in the order of the label names.
    pub fn with(&self, values: &[&str]) -> M {
        debug_assert_eq!(values.len(), self.inner.labels.len(), "{}: one value a label", self.inner.name);
        let mut series = self.inner.series.lock();
        let mut key: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
        if !series.contains_key(&key) && series.len() >= MAX_SERIES {
            key = vec!["other".to_owned(); values.len()];
        }
        series.entry(key).or_insert_with(self.inner.make).clone()
    }
}

impl<M: Metric> Collect for Family<M> {
    fn write(&self, out: &mut String) {
        let Series { name, help, labels, series, .. } = &*self.inner;
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {}", M::TYPE);
        for (values, metric) in series.lock().iter() {
            let mut text = String::new();
            for (label, value) in labels.iter().zip(values) {
                let comma = if text.is_empty() { "" } else { "," };
                let _ = write!(text, "{comma}{label}=\"{}\"", Escaped(value));
            }
            metric.write(name, &text, out);
        }
    }
}

impl<F: Fn(&mut String) + Send + Sync> Collect for F {
    fn write(&self, out: &mut String) {
        self(out);
    }
}

// === impl Counter ===

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metric for Counter {
    const TYPE: &'static str = "counter";

    fn write(&self, name: &str, labels: &str, out: &mut String) {
        line(out, name, labels, "", format_args!("{}", self.value()));
    }
}

// === impl Gauge ===

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds to it, or takes from it.
    pub fn add(&self, delta: f64) {
        add_float(&self.0, delta);
    }

    /// Its value.
    pub fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Metric for Gauge {
    const TYPE: &'static str = "gauge";

    fn write(&self, name: &str, labels: &str, out: &mut String) {
        line(out, name, labels, "", format_args!("{}", self.value()));
    }
}

// === impl Histogram ===

impl Histogram {
    /// One with these upper bounds, ascending.
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::default()).collect();
        Self(Arc::new(Buckets { bounds, counts, sum: AtomicU64::default() }))
    }

    /// Counts one value.
    pub fn observe(&self, value: f64) {
        let index = self.0.bounds.partition_point(|bound| *bound < value);
        self.0.counts[index].fetch_add(1, Ordering::Relaxed);
        add_float(&self.0.sum, value);
    }
}

impl Metric for Histogram {
    const TYPE: &'static str = "histogram";

    fn write(&self, name: &str, labels: &str, out: &mut String) {
        let mut total = 0;
        let comma = if labels.is_empty() { "" } else { "," };
        let bounds = self.0.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&self.0.counts) {
            total += count.load(Ordering::Relaxed);
            let labels = format!("{labels}{comma}le=\"{bound}\"");
            line(out, name, &labels, "_bucket", format_args!("{total}"));
        }
        let sum = f64::from_bits(self.0.sum.load(Ordering::Relaxed));
        line(out, name, labels, "_sum", format_args!("{sum}"));
        line(out, name, labels, "_count", format_args!("{total}"));
    }
}

/// A label value with what would end it escaped.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}

fn line(out: &mut String, name: &str, labels: &str, suffix: &str, value: std::fmt::Arguments<'_>) {
    let _ = match labels {
        "" => writeln!(out, "{name}{suffix} {value}"),
        labels => writeln!(out, "{name}{suffix}{{{labels}}} {value}"),
    };
}

fn add_float(cell: &AtomicU64, delta: f64) {
    let add = |bits| Some((f64::from_bits(bits) + delta).to_bits());
    // The closure always answers, so this cannot fail.
    let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let registry = Registry::default();
        registry.counters("a_total", "Things.", &["kind"]).with(&["x\"y\\\n"]).add(3);
        registry.gauge("b", "Level.").set(1.5);
        let latency = registry.latencies("c_seconds", "Time.", &["code"]).with(&["OK"]);
        latency.observe(0.002);
        latency.observe(60.0);
        let text = registry.text();
        assert!(
            text.contains(
                "# HELP a_total Things.\n# TYPE a_total counter\na_total{kind=\"x\\\"y\\\\\\n\"} 3\n"
            ),
            "{text}"
        );
        assert!(text.contains("\nb 1.5\n"), "{text}");
        assert!(text.contains("c_seconds_bucket{code=\"OK\",le=\"0.0025\"} 1\n"), "{text}");
        assert!(text.contains("c_seconds_bucket{code=\"OK\",le=\"+Inf\"} 2\n"), "{text}");
        assert!(text.contains("c_seconds_sum{code=\"OK\"} 60.002\n"), "{text}");
    }

    #[test]
    fn a_family_does_not_grow_without_end() {
        let registry = Registry::default();
        let family = registry.counters("a_total", "Things.", &["peer"]);
        for peer in 0..MAX_SERIES + 100 {
            family.with(&[&peer.to_string()]).inc();
        }
        let text = registry.text();
        assert!(text.contains("a_total{peer=\"other\"} 100\n"));
        assert_eq!(text.lines().count(), MAX_SERIES + 3);
    }
}
