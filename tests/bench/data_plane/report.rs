//! The table, the ratios and the bars.

use std::collections::BTreeMap;
use std::fmt;

use crate::client::Run;
use crate::system::{OURS, OURS_TWICE, REFERENCE, System};
use crate::workload::Workload;

/// All runs.
#[derive(Default)]
pub(crate) struct Report {
    /// By workload and name, then by round: a system that failed in one is compared in the others.
    runs: BTreeMap<(Workload, String), BTreeMap<usize, Run>>,
    failures: Vec<String>,
    order: Vec<String>,
}

/// Resident octets of one proxy without load, at most.
const IDLE_BAR: f64 = 8.0 * 1024.0 * 1024.0;

/// Octets of both proxies for an idle connection, at most.
const CONNECTION_BAR: f64 = 4096.0;

/// CPU for a request with two worker threads, as a ratio to that with one, at most.
const SECOND_WORKER_GOAL: f64 = 1.15;

/// Envoy's rate of opaque octets, times this, at least.
const TCP_BAR: f64 = 1.25;

// === impl Report ===

impl Report {
    pub(crate) fn add(&mut self, workload: Workload, system: &System, round: usize, run: Run) {
        let name = system.name().to_owned();
        if !self.order.contains(&name) {
            self.order.push(name.clone());
        }
        self.runs.entry((workload, name)).or_default().insert(round, run);
    }

    pub(crate) fn fail(&mut self, workload: Workload, system: &System, round: usize) {
        self.failures.push(format!("{} of {} failed in round {round}", workload.name(), system.name()));
    }

    /// The bars that were missed, and what failed.
    pub(crate) fn missed(&self) -> Vec<String> {
        let missed = self.bars().into_iter().filter(|bar| !bar.is_goal && !bar.is_met()).map(|bar| bar.name);
        missed.chain(self.failures.iter().cloned()).collect()
    }

    /// The median over rounds of a figure.
    fn median(&self, workload: Workload, name: &str, figure: impl Fn(&Run) -> f64) -> Option<f64> {
        median(self.runs.get(&(workload, name.to_owned()))?.values().map(figure).collect())
    }

    /// The median over rounds of the ratio of a figure to another system's in the same round.
    fn ratio(&self, workload: Workload, name: &str, to: &str, figure: impl Fn(&Run) -> f64) -> Option<f64> {
        let runs = self.runs.get(&(workload, name.to_owned()))?;
        let others = self.runs.get(&(workload, to.to_owned()))?;
        let pairs = runs.iter().filter_map(|(round, run)| Some((run, others.get(round)?)));
        median(pairs.map(|(run, other)| figure(run) / figure(other)).collect())
    }

    fn bars(&self) -> Vec<Bar> {
        let mut bars = Vec::new();
        let mut add = |name: String, value: Option<f64>, limit: f64, most: bool| {
            if let Some(value) = value {
                bars.push(Bar { name, value, limit, most, is_goal: false });
            }
        };
        for workload in Workload::ALL {
            if let Some(limit) = workload.bar() {
                let ratio = self.ratio(workload, OURS, REFERENCE, Run::cpu);
                add(format!("{}: CPU a request / HAProxy", workload.name()), ratio, limit, true);
            }
            if workload.rate().is_some() {
                for (name, figure) in PERCENTILES {
                    let added = |system: &str| {
                        Some(
                            self.median(workload, system, figure)?
                                - self.median(workload, "direct", figure)?,
                        )
                    };
                    let ratio =
                        added(OURS).zip(added(REFERENCE)).map(|(ours, theirs)| ours / theirs.max(1.0));
                    add(format!("{}: added {name} / HAProxy", workload.name()), ratio, 1.0, true);
                }
            }
        }
        let tcp = self.ratio(Workload::Tcp, OURS, "envoy", Run::gigabits);
        add("tcp: rate / Envoy".to_owned(), tcp, TCP_BAR, false);
        let idle = self.median(Workload::Http1, OURS, |run| run.resident_idle / 2.0);
        add("idle: octets a proxy".to_owned(), idle, IDLE_BAR, true);
        let connection = self.median(Workload::Idle, OURS, |run| run.per_connection);
        add("idle: octets a connection".to_owned(), connection, CONNECTION_BAR, true);
        for workload in Workload::ALL {
            if let Some(value) = self.ratio(workload, OURS_TWICE, OURS, Run::cpu) {
                let name = format!("{}: CPU a request with two workers / one", workload.name());
                bars.push(Bar { name, value, limit: SECOND_WORKER_GOAL, most: true, is_goal: true });
            }
        }
        bars
    }
}

type Figure = fn(&Run) -> f64;

/// The percentiles that have bars.
const PERCENTILES: [(&str, Figure); 2] = [("p50", |run| run.p50), ("p99", |run| run.p99)];

/// One bar of the project.
struct Bar {
    name: String,
    value: f64,
    limit: f64,
    /// Whether the value may be at most, or has to be at least, the limit.
    most: bool,
    /// Whether it is only aimed at.
    is_goal: bool,
}

// === impl Bar ===

impl Bar {
    fn is_met(&self) -> bool {
        if self.most { self.value <= self.limit } else { self.value >= self.limit }
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| workload | system | rate | CPU | rate / HAProxy | CPU / HAProxy | p50 | p99 | p99.9 | RSS idle | RSS loaded |"
        )?;
        writeln!(f, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for workload in Workload::ALL {
            for name in &self.order {
                let of = |figure: Figure| self.median(workload, name, figure).unwrap_or(f64::NAN);
                let to = |figure: Figure| {
                    self.ratio(workload, name, REFERENCE, figure)
                        .map_or("–".to_owned(), |ratio| format!("{ratio:.2}"))
                };
                if !self.runs.contains_key(&(workload, name.clone())) {
                    continue;
                }
                let (rate, cpu, rates, cpus) = match workload {
                    Workload::Tcp => (
                        format!("{:.2} Gbit/s", of(Run::gigabits)),
                        format!("{:.2} s/GB", of(Run::cpu_per_gigabyte)),
                        to(Run::gigabits),
                        to(Run::cpu_per_gigabyte),
                    ),
                    Workload::Idle => (
                        format!("{:.1} KiB/conn", of(|run| run.per_connection / 1024.0)),
                        "–".to_owned(),
                        to(|run| run.per_connection),
                        "–".to_owned(),
                    ),
                    _ => (
                        format!("{:.0}/s", of(Run::rate)),
                        format!("{:.1} us", of(Run::cpu)),
                        to(Run::rate),
                        to(Run::cpu),
                    ),
                };
                let mib = |figure: Figure| format!("{:.1} MiB", of(figure) / 2.0 / 1024.0 / 1024.0);
                writeln!(
                    f,
                    "| {} | {name} | {rate} | {cpu} | {rates} | {cpus} | {:.0} | {:.0} | {:.0} | {} | {} |",
                    workload.name(),
                    of(|run| run.p50),
                    of(|run| run.p99),
                    of(|run| run.p999),
                    mib(|run| run.resident_idle),
                    mib(|run| run.resident),
                )?;
            }
        }
        writeln!(
            f,
            "\nMedians of rounds; latencies in us; CPU of both proxies; memory of one proxy, but of both for a connection.\n"
        )?;
        for bar in self.bars() {
            let word = match (bar.is_met(), bar.is_goal) {
                (true, _) => "PASS",
                (false, false) => "MISS",
                (false, true) => "GOAL",
            };
            let sign = if bar.most { "at most" } else { "at least" };
            writeln!(f, "{word}  {}: {:.2} ({sign} {})", bar.name, bar.value, bar.limit)?;
        }
        for failure in &self.failures {
            writeln!(f, "FAIL  {failure}")?;
        }
        Ok(())
    }
}
