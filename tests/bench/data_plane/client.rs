//! The client: makes load, and takes the proxies' CPU at the edges of the time that counts.

mod http1;
mod http2;
mod open;
mod tcp;

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;

use crate::workload::Workload;

/// The word that makes this program a client.
pub(crate) const COMMAND: &str = "load";

/// The time before the time that counts.
const WARM_UP: Duration = Duration::from_millis(400);

/// What one run gave.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Requests that were answered.
    pub(crate) requests: u64,
    /// Requests that failed.
    pub(crate) errors: u64,
    /// Octets of opaque streams.
    pub(crate) octets: u64,
    /// How long it took.
    pub(crate) seconds: f64,
    /// CPU of the proxies.
    pub(crate) cpu_seconds: f64,
    /// Latencies in microseconds: median, 99 %, 99.9 %.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Resident octets of both proxies: before any load, after this run; for idle connections, of each.
    pub(crate) resident_idle: f64,
    pub(crate) resident: f64,
    pub(crate) per_connection: f64,
}

/// What all connections of a client share.
pub(crate) struct Tally {
    counts: Cell<bool>,
    requests: Cell<u64>,
    errors: Cell<u64>,
    octets: Cell<u64>,
    latencies: std::cell::RefCell<Histogram<u64>>,
}

// === impl Run ===

impl Run {
    /// CPU of both proxies for a request, in microseconds.
    pub(crate) fn cpu(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.requests.max(1) as f64
    }

    /// Requests per second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds.max(1e-9)
    }

    /// Gigabits per second of opaque streams.
    pub(crate) fn gigabits(&self) -> f64 {
        self.octets as f64 * 8e-9 / self.seconds.max(1e-9)
    }

    /// CPU seconds of both proxies for a gigabyte.
    pub(crate) fn cpu_per_gigabyte(&self) -> f64 {
        self.cpu_seconds * 1e9 / self.octets.max(1) as f64
    }

    /// One line for the impatient.
    pub(crate) fn line(&self) -> String {
        if self.octets > 0 {
            return format!("{:.2} Gbit/s, {:.2} CPU s/GB", self.gigabits(), self.cpu_per_gigabyte());
        }
        if self.per_connection > 0.0 {
            return format!("{:.1} KiB a connection of both proxies", self.per_connection / 1024.0);
        }
        format!(
            "{:.0}/s, {:.1} us CPU, p50 {:.0} p99 {:.0} p99.9 {:.0} us, {} errors",
            self.rate(),
            self.cpu(),
            self.p50,
            self.p99,
            self.p999,
            self.errors
        )
    }
}

// === impl Tally ===

impl Tally {
    fn new() -> Result<Self> {
        Ok(Self {
            counts: Cell::new(false),
            requests: Cell::new(0),
            errors: Cell::new(0),
            octets: Cell::new(0),
            latencies: Histogram::new_with_bounds(1, 60_000_000, 3).context("no histogram")?.into(),
        })
    }

    fn answered(&self, since: Instant) {
        if self.counts.get() {
            self.requests.set(self.requests.get() + 1);
            let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.latencies.borrow_mut().saturating_record(micros);
        }
    }

    fn failed(&self) {
        if self.counts.get() {
            self.errors.set(self.errors.get() + 1);
        }
    }

    fn came(&self, octets: usize) {
        if self.counts.get() {
            self.octets.set(self.octets.get() + octets as u64);
        }
    }
}

/// `load WORKLOAD ADDRESS SECONDS PID,PID,…`: prints a [`Run`] as JSON.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let [workload, address, seconds, pids] = words else {
        anyhow::bail!("usage: {COMMAND} WORKLOAD ADDRESS SECONDS PIDS");
    };
    let workload: Workload = workload.parse()?;
    let address: SocketAddr = address.parse().context("ADDRESS")?;
    let seconds = Duration::from_secs_f64(seconds.parse().context("SECONDS")?);
    let pids: Vec<u32> = pids.split(',').filter_map(|pid| pid.parse().ok()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    let run = local.block_on(&runtime, load(workload, address, seconds, &pids))?;
    println!("{}", serde_json::to_string(&run)?);
    Ok(())
}

async fn load(workload: Workload, address: SocketAddr, length: Duration, pids: &[u32]) -> Result<Run> {
    // The tally outlives all tasks: they end with the process.
    let tally: &'static Tally = Box::leak(Box::new(Tally::new()?));
    match workload {
        Workload::Http1 => http1::keep_alive(address, "/small", 64, tally),
        Workload::Http1Large => http1::keep_alive(address, "/large", 64, tally),
        Workload::NewConnections => http1::new_connections(address, 16, tally),
        Workload::Http2 => http2::closed(address, http2::Kind::Plain, tally),
        Workload::Grpc => http2::closed(address, http2::Kind::Grpc, tally),
        Workload::Rate1000 | Workload::Rate2000 => {
            open::start(address, workload.rate().unwrap_or(1000), 64, tally)?;
        }
        Workload::Tcp => tcp::start(address, 4, tally),
        Workload::Idle => return idle(address, pids).await,
    }
    tokio::time::sleep(WARM_UP).await;
    tally.counts.set(true);
    let (begin, cpu) = (Instant::now(), cpu_of(pids)?);
    tokio::time::sleep(length).await;
    tally.counts.set(false);
    let (seconds, cpu_seconds) = (begin.elapsed().as_secs_f64(), (cpu_of(pids)? - cpu).as_secs_f64());
    let latencies = tally.latencies.borrow();
    let at = |quantile| latencies.value_at_quantile(quantile) as f64;
    Ok(Run {
        requests: tally.requests.get(),
        errors: tally.errors.get(),
        octets: tally.octets.get(),
        seconds,
        cpu_seconds,
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
        resident: resident_of(pids)?,
        ..Run::default()
    })
}

async fn idle(address: SocketAddr, pids: &[u32]) -> Result<Run> {
    let count = crate::workload::IDLE_CONNECTIONS;
    // Caches and pools are warm before what a connection costs is taken.
    let warm = http1::idle(address, 50).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = resident_of(pids)?;
    let connections = http1::idle(address, count).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = resident_of(pids)?;
    drop((warm, connections));
    Ok(Run { resident: after, per_connection: (after - before).max(1.0) / count as f64, ..Run::default() })
}

fn cpu_of(pids: &[u32]) -> Result<Duration> {
    let mut nanoseconds = 0;
    for pid in pids {
        for task in fs::read_dir(format!("/proc/{pid}/task")).context("a proxy has ended")? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds +=
                text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Resident octets of processes.
pub(crate) fn resident_of(pids: &[u32]) -> Result<f64> {
    let mut sum = 0;
    for pid in pids {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).context("a proxy has ended")?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        sum += line.trim().trim_end_matches("kB").trim().parse::<u64>().context("no VmRSS")? * 1024;
    }
    Ok(sum as f64)
}
