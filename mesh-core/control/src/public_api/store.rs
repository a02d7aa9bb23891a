//! A short window of numbers in memory: what was scraped directly, rolled up as it comes in.
//!
//! Of a proxy's series only the labels in [`KEPT`] stay, so addresses, status codes and endpoints fall together: what is
//! left is per pod, route and edge. Counters are kept as what they grew by between two scrapes, and minute by minute where
//! that is a while ago (`history`). Everything counts against one limit in bytes; when it is reached the oldest numbers go first, and what does not fit even then is counted.

use std::collections::{BTreeMap, HashMap};
use std::mem::size_of;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::exposition;
use super::history::{History, Tenths};
use super::query::{Answer, Group, Metric, Query, histogram_quantile};

/// Labels of proxies that stay, beside those of the pod.
pub const KEPT: &[&str] = &[
    "direction",
    "peer",
    "classification",
    "tls",
    "no_tls_reason",
    "client_id",
    "server_id",
    "authority",
    "dst",
    "rt_route",
    "dst_namespace",
    "dst_service",
    "dst_pod",
    "dst_deployment",
    "dst_daemonset",
    "dst_statefulset",
    "dst_replicaset",
    "dst_replicationcontroller",
    "dst_k8s_job",
    "dst_cronjob",
];
/// Upper bounds of latencies in milliseconds: those of the proxy.
const BOUNDS: [f64; BUCKETS] = [
    1.0,
    2.0,
    3.0,
    4.0,
    5.0,
    10.0,
    20.0,
    30.0,
    40.0,
    50.0,
    100.0,
    200.0,
    300.0,
    400.0,
    500.0,
    1_000.0,
    2_000.0,
    3_000.0,
    4_000.0,
    5_000.0,
    10_000.0,
    20_000.0,
    30_000.0,
    40_000.0,
    50_000.0,
    f64::INFINITY,
];
/// How many of [`BOUNDS`] there are.
const BUCKETS: usize = 26;
/// Bytes that a series takes beside its numbers and labels: the map's slot and the queue's.
const SERIES_OVERHEAD: usize = 96;

/// Labels of one series, sorted by name.
type Labels = Arc<[(&'static str, Arc<str>)]>;

/// What a series is told apart by before its labels are shared.
type RawKey = (Metric, Vec<(&'static str, String)>);

/// Cumulative counts of one histogram.
type Counts = [f64; BUCKETS];

/// A histogram: only its last step is asked for.
struct Histogram {
    counts: Counts,
    grown: [u32; BUCKETS],
    /// When it grew, if it did between the last two scrapes.
    at: Option<Tenths>,
}

/// The window.
pub struct Store {
    window: Duration,
    limit: usize,
    bytes: usize,
    started: Instant,
    series: HashMap<(Metric, Labels), Series>,
    texts: HashMap<Arc<str>, ()>,
    made_room: Option<Instant>,
    /// Series that did not fit.
    pub refused: u64,
}

struct Series {
    /// What the pod said last: to tell growth by.
    last: Last,
    grown: History,
    seen: Instant,
}

enum Last {
    Number(f64),
    Histogram(Box<Histogram>),
}

/// The sums of one scrape, before they are held against those of the scrape before.
#[derive(Default)]
pub struct Scrape {
    numbers: HashMap<RawKey, f64>,
    histograms: HashMap<RawKey, Counts>,
}

// === impl Scrape ===

impl Scrape {
    /// Reads a line and adds it to what it falls together with. `own` are the labels of the pod.
    pub fn line(&mut self, line: &str, own: &[(&'static str, String)]) {
        let Some(metric) = Metric::of(exposition::name(line)) else { return };
        let Some(sample) = exposition::sample(line) else { return };
        let mut labels: Vec<(&'static str, String)> = own.to_vec();
        let mut bound = None;
        for (key, value) in &sample.labels {
            if *key == "le" {
                bound = Some(value.as_ref());
            } else if let Some(kept) = KEPT.iter().find(|kept| *kept == key) {
                labels.push((kept, value.clone().into_owned()));
            }
        }
        labels.sort_unstable();
        match (metric, bound) {
            (Metric::Latency | Metric::RouteLatency, Some(bound)) => {
                let bound = if bound == "+Inf" { Some(f64::INFINITY) } else { bound.parse().ok() };
                let index = bound.and_then(|bound| BOUNDS.iter().position(|it| *it == bound));
                if let Some(index) = index {
                    let counts = self.histograms.entry((metric, labels)).or_insert([0.0; BUCKETS]);
                    counts[index] += sample.value;
                }
            }
            (Metric::Latency | Metric::RouteLatency, None) => {}
            _ => *self.numbers.entry((metric, labels)).or_default() += sample.value,
        }
    }
}

// === impl Store ===

impl Store {
    /// An empty one that looks back `window` and takes up to `limit` bytes.
    pub fn new(window: Duration, limit: usize, now: Instant) -> Self {
        Self {
            window,
            limit,
            bytes: 0,
            started: now,
            series: HashMap::new(),
            texts: HashMap::new(),
            made_room: None,
            refused: 0,
        }
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many series it has.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// How far back it can look.
    pub fn covers(&self, window: Duration, now: Instant) -> Duration {
        window.min(self.window).min(now.duration_since(self.started))
    }

    /// Takes in what a pod said.
    pub fn add(&mut self, scrape: Scrape, now: Instant) {
        for ((metric, labels), value) in scrape.numbers {
            self.number(metric, labels, value, now);
        }
        for ((metric, labels), counts) in scrape.histograms {
            self.histogram(metric, labels, &counts, now);
        }
    }

    /// Lets go of what is too old.
    pub fn expire(&mut self, now: Instant) {
        let Some(oldest) = now.checked_sub(self.window) else { return };
        self.drop_before(oldest);
        let mut freed = 0;
        self.series.retain(|(_, labels), series| {
            let keep = series.seen >= oldest || !series.grown.is_empty();
            if !keep {
                freed += cost(labels, &series.last) + series.grown.bytes();
            }
            keep
        });
        self.bytes = self.bytes.saturating_sub(freed);
        self.texts.retain(|text, ()| Arc::strong_count(text) > 1);
    }

    fn number(&mut self, metric: Metric, labels: Vec<(&'static str, String)>, value: f64, now: Instant) {
        let fits = self.fits(History::MORE, now);
        let started = self.started;
        let Some(series) = self.series(metric, labels, || Last::Number(value), now) else { return };
        let Last::Number(last) = &mut series.last else { return };
        let grown = growth(*last, value);
        *last = value;
        let before = std::mem::replace(&mut series.seen, now);
        if metric != Metric::OpenConnections && grown > 0.0 && !fits {
            self.refused += 1;
        } else if metric != Metric::OpenConnections && grown > 0.0 {
            let added = series.add(before, now, started, grown);
            self.bytes = self.bytes.saturating_add_signed(added);
        }
    }

    fn histogram(
        &mut self,
        metric: Metric,
        labels: Vec<(&'static str, String)>,
        counts: &Counts,
        now: Instant,
    ) {
        let started = self.started;
        let first =
            || Last::Histogram(Box::new(Histogram { counts: *counts, grown: [0; BUCKETS], at: None }));
        let Some(series) = self.series(metric, labels, first, now) else { return };
        series.seen = now;
        let Last::Histogram(last) = &mut series.last else { return };
        for ((slot, last), count) in last.grown.iter_mut().zip(last.counts.iter()).zip(counts) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "counts between scrapes"
            )]
            let value = growth(*last, *count) as u32;
            *slot = value;
        }
        last.counts = *counts;
        last.at = (last.grown[BUCKETS - 1] > 0).then(|| tenths(started, now));
    }

    /// The series of these labels; made where there is room for it.
    fn series(
        &mut self,
        metric: Metric,
        labels: Vec<(&'static str, String)>,
        last: impl FnOnce() -> Last,
        now: Instant,
    ) -> Option<&mut Series> {
        let labels: Labels = labels.into_iter().map(|(key, value)| (key, self.text(value))).collect();
        let key = (metric, labels);
        if !self.series.contains_key(&key) {
            let last = last();
            let cost = cost(&key.1, &last);
            if self.bytes + cost > self.limit {
                self.make_room(cost, now);
            }
            if self.bytes + cost > self.limit {
                self.refused += 1;
                return None;
            }
            self.bytes += cost;
            let series = Series { last, grown: History::default(), seen: now };
            self.series.insert(key.clone(), series);
        }
        self.series.get_mut(&key)
    }

    /// Whether so many bytes more are within the limit, after making room if need be.
    fn fits(&mut self, needed: usize, now: Instant) -> bool {
        if self.bytes + needed > self.limit {
            self.make_room(needed, now);
        }
        self.bytes + needed <= self.limit
    }

    /// Gives up the older half of the window; once a moment, for it looks at every series.
    fn make_room(&mut self, needed: usize, now: Instant) {
        if self.made_room == Some(now) {
            return;
        }
        self.made_room = Some(now);
        let mut keep = self.window / 2;
        while self.bytes + needed > self.limit && keep > Duration::from_secs(1) {
            if let Some(oldest) = now.checked_sub(keep) {
                self.drop_before(oldest);
            }
            keep /= 2;
        }
    }

    fn drop_before(&mut self, oldest: Instant) {
        let mut freed = 0;
        let oldest = tenths(self.started, oldest);
        for series in self.series.values_mut() {
            let before = series.grown.bytes();
            series.grown.drop_before(oldest);
            freed += before - series.grown.bytes();
        }
        self.bytes = self.bytes.saturating_sub(freed);
    }

    /// Where a window begins.
    fn oldest(&self, window: Duration, now: Instant) -> Tenths {
        now.checked_sub(window).map_or(0, |oldest| tenths(self.started, oldest))
    }

    /// One copy of each text.
    fn text(&mut self, text: String) -> Arc<str> {
        if let Some((known, ())) = self.texts.get_key_value(text.as_str()) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text), ());
        text
    }

    fn matching<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = (Group, &'a Series)> {
        self.series.iter().filter_map(|((metric, labels), series)| {
            if *metric != query.metric {
                return None;
            }
            let value = |key: &str| {
                labels.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value.as_ref())
            };
            if !query.labels.iter().all(|(key, is)| is.holds(value(key))) {
                return None;
            }
            Some((query.by.iter().map(|key| (*key, value(key).to_owned())).collect(), series))
        })
    }

    /// By how much counters grew, summed.
    pub fn increase(&self, query: &Query, now: Instant) -> Answer {
        let oldest = self.oldest(query.window, now);
        let mut sums: BTreeMap<Group, f64> = BTreeMap::new();
        for (group, series) in self.matching(query) {
            *sums.entry(group).or_default() += series.grown.since(oldest);
        }
        sums.into_iter().collect()
    }

    /// What gauges say now; of pods that still say anything.
    pub fn level(&self, query: &Query, fresh: Duration, now: Instant) -> Answer {
        self.fold(query, fresh, now, |series| match &series.last {
            Last::Number(value) => *value,
            Last::Histogram(_) => 0.0,
        })
    }

    /// How many series there are now.
    pub fn count(&self, query: &Query, fresh: Duration, now: Instant) -> Answer {
        self.fold(query, fresh, now, |_| 1.0)
    }

    fn fold(&self, query: &Query, fresh: Duration, now: Instant, value: impl Fn(&Series) -> f64) -> Answer {
        let mut sums: BTreeMap<Group, f64> = BTreeMap::new();
        for (group, series) in self.matching(query) {
            if now.duration_since(series.seen) <= fresh {
                *sums.entry(group).or_default() += value(series);
            }
        }
        sums.into_iter().collect()
    }

    /// A quantile of what grew between each pod's last two scrapes.
    pub fn quantile(&self, query: &Query, quantile: f64, now: Instant) -> Answer {
        let oldest = self.oldest(query.window, now);
        let mut sums: BTreeMap<Group, Counts> = BTreeMap::new();
        for (group, series) in self.matching(query) {
            // A pod that said nothing new in its last scrape adds nothing.
            let Last::Histogram(last) = &series.last else { continue };
            if last.at.is_none_or(|at| at <= oldest) {
                continue;
            }
            let sum = sums.entry(group).or_insert([0.0; BUCKETS]);
            sum.iter_mut().zip(last.grown.iter()).for_each(|(sum, grown)| *sum += f64::from(*grown));
        }
        let quantiles = sums
            .into_iter()
            .filter_map(|(group, counts)| Some((group, histogram_quantile(&BOUNDS, &counts, quantile)?)));
        quantiles.collect()
    }
}

// === impl Series ===

impl Series {
    /// Notes growth between two scrapes; the bytes that takes more, or less where entries fell together.
    fn add(&mut self, from: Instant, to: Instant, started: Instant, growth: f64) -> isize {
        let before = self.grown.bytes();
        self.grown.push(tenths(started, from), tenths(started, to), growth);
        self.grown.bytes().cast_signed() - before.cast_signed()
    }
}

/// A moment as the time since the store was made; one before that is its beginning.
fn tenths(started: Instant, at: Instant) -> Tenths {
    Tenths::try_from(at.saturating_duration_since(started).as_millis() / 100).unwrap_or(Tenths::MAX)
}

/// By how much a counter grew. One that fell has started anew, or parts of it have gone for being idle: what is less
/// than half of before is a new start, all else is nothing.
fn growth(last: f64, value: f64) -> f64 {
    if value >= last {
        value - last
    } else if value < last / 2.0 {
        value
    } else {
        0.0
    }
}

fn cost(labels: &Labels, last: &Last) -> usize {
    let histogram = matches!(last, Last::Histogram(_));
    SERIES_OVERHEAD
        + size_of::<Series>()
        + usize::from(histogram) * size_of::<Histogram>()
        + labels.iter().map(|(_, value)| size_of::<(&str, Arc<str>)>() + value.len() / 4).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::query::Is;
    use super::*;

    fn own(pod: &str) -> Vec<(&'static str, String)> {
        vec![("deployment", "web".into()), ("namespace", "ns".into()), ("pod", pod.into())]
    }

    fn query(metric: Metric, by: &[&'static str]) -> Query {
        Query {
            metric,
            labels: vec![("direction", Is::Equal("inbound".into())), ("deployment", Is::Present)],
            by: by.to_vec(),
            window: Duration::from_secs(60),
        }
    }

    fn scrape(text: &str, own: &[(&'static str, String)]) -> Scrape {
        let mut scrape = Scrape::default();
        text.lines().for_each(|line| scrape.line(line, own));
        scrape
    }

    fn text(success: u32, failure: u32) -> String {
        let mut out = String::new();
        for (class, status, count) in
            [("success", "200", success), ("success", "204", success), ("failure", "500", failure)]
        {
            let labels = format!("direction=\"inbound\",status_code=\"{status}\",classification=\"{class}\"");
            writeln!(out, "response_total{{{labels}}} {count}").unwrap();
        }
        for (bound, count) in [("1", 0), ("10", success), ("+Inf", success)] {
            writeln!(out, "response_latency_ms_bucket{{direction=\"inbound\",le=\"{bound}\"}} {count}")
                .unwrap();
        }
        out + "tcp_open_connections{direction=\"inbound\",peer=\"src\"} 3\nirrelevant 1\n"
    }

    #[tokio::test(start_paused = true)]
    async fn growth_is_summed_over_pods_and_series() {
        let mut store = Store::new(Duration::from_secs(600), 1 << 20, Instant::now());
        for round in 0..7 {
            for pod in ["a", "b"] {
                store.add(scrape(&text(100 + round * 10, round), &own(pod)), Instant::now());
            }
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        let now = Instant::now();
        let answer = store.increase(&query(Metric::Responses, &["deployment", "classification"]), now);
        let get = |class: &str| {
            answer.iter().find(|(group, _)| group["classification"] == class).map(|(_, value)| *value)
        };
        // Five of the six steps lie within the last minute; two status codes fall together.
        assert_eq!(get("success"), Some(2.0 * 2.0 * 50.0));
        assert_eq!(get("failure"), Some(2.0 * 5.0));
        let open =
            store.level(&query(Metric::OpenConnections, &["deployment"]), Duration::from_secs(60), now);
        assert_eq!(open[0].1, 6.0);
        let median = store.quantile(&query(Metric::Latency, &["pod"]), 0.5, now);
        assert_eq!(median.len(), 2);
        assert_eq!(median[0].1, 7.5, "half way between 5 and 10, all are below 10");
        assert_eq!(store.count(&query(Metric::Responses, &["pod"]), Duration::from_secs(60), now)[0].1, 2.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_counts_anew_and_old_numbers_go() {
        let mut store = Store::new(Duration::from_secs(60), 1 << 20, Instant::now());
        for value in [1_000, 1_100, 5, 25] {
            store.add(scrape(&text(value, 0), &own("a")), Instant::now());
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        let success = |store: &Store| {
            let answer = store.increase(&query(Metric::Responses, &["classification"]), Instant::now());
            answer.iter().find(|(group, _)| group["classification"] == "success").map_or(0.0, |it| it.1)
        };
        assert_eq!(success(&store), 2.0 * (100.0 + 5.0 + 20.0));
        tokio::time::advance(Duration::from_secs(120)).await;
        store.expire(Instant::now());
        assert_eq!((success(&store), store.len(), store.bytes()), (0.0, 0, 0));
        assert!(store.texts.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_holds_whatever_comes() {
        let mut store = Store::new(Duration::from_secs(600), 64 * 1024, Instant::now());
        for round in 0..50 {
            for pod in 0..100 {
                store.add(scrape(&text(round * 10, round), &own(&pod.to_string())), Instant::now());
                assert!(store.bytes() <= 64 * 1024 + 1_024, "{}", store.bytes());
            }
            tokio::time::advance(Duration::from_secs(10)).await;
            store.expire(Instant::now());
        }
        assert!(store.refused > 0);
    }

    /// What a proxy with 20 destinations and three clients says after `rounds` scrapes of steady traffic.
    fn busy(rounds: u32) -> String {
        let mut out = String::new();
        let mut all = |labels: &str| {
            for class in ["success", "failure"] {
                writeln!(out, "response_total{{{labels},classification=\"{class}\"}} {}", rounds * 7)
                    .unwrap();
            }
            for bound in ["5", "10", "20", "50", "100", "+Inf"] {
                writeln!(out, "response_latency_ms_bucket{{{labels},le=\"{bound}\"}} {}", rounds * 14)
                    .unwrap();
            }
            for name in ["tcp_read_bytes_total", "tcp_write_bytes_total"] {
                writeln!(out, "{name}{{{labels}}} {}", rounds * 9_000).unwrap();
            }
        };
        for client in 0..3 {
            all(&format!(
                "direction=\"inbound\",tls=\"true\",client_id=\"client-{client}.ns.serviceaccount.x\""
            ));
        }
        for target in 0..20 {
            all(&format!(
                "direction=\"outbound\",authority=\"t{target}.ns.svc.cluster.local:80\",dst_deployment=\"t{target}\",\
                 dst_namespace=\"ns\",dst_service=\"t{target}\",server_id=\"t{target}.ns.serviceaccount.x\",tls=\"true\""
            ));
        }
        out
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_of_two_hundred_busy_proxies_fits_into_the_charts_limit() {
        // A fiftieth of both: what is kept of a proxy does not depend on the others.
        let (proxies, limit) = (200 / 50, (64 << 20) / 50);
        let mut store = Store::new(Duration::from_secs(3_600), limit, Instant::now());
        // Every ten seconds for seventy minutes, so that the window is full and moves on.
        for round in 0..420 {
            let text = busy(round);
            for pod in 0..proxies {
                store.add(scrape(&text, &own(&format!("web-{pod}"))), Instant::now());
            }
            tokio::time::advance(Duration::from_secs(10)).await;
            store.expire(Instant::now());
        }
        let (bytes, refused) = (store.bytes(), store.refused);
        println!("{} KiB a proxy in {} series", bytes / 1024 / proxies, store.len() / proxies);
        assert!(bytes <= limit && refused == 0, "{bytes} bytes in {} series, {refused} refused", store.len());
        // Three clients of each, 7 successes a scrape.
        let mut hour = query(Metric::Responses, &["classification"]);
        hour.window = Duration::from_secs(3_600);
        let answer = store.increase(&hour, Instant::now());
        let success = answer.iter().find(|(group, _)| group["classification"] == "success").unwrap().1;
        let expected = f64::from(u32::try_from(proxies).unwrap()) * 3.0 * 7.0 * 360.0;
        assert!((success - expected).abs() / expected < 0.01, "{success} instead of {expected}");
    }
}
