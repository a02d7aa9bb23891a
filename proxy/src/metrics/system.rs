//! What the kernel and the runtime know of the process, read when somebody scrapes.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use tokio::runtime::Handle;

use super::control::{Process, ProcessLabels, Runtime, RuntimeLabels};
use super::{Level, Metrics, Seconds};

/// Ticks of `/proc/PID/stat` in a second: `USER_HZ`, which is 100 on every architecture that we run on.
const TICKS: f64 = 100.0;

/// Reads `/proc/self` and the counters of these runtimes into `metrics`. What cannot be read keeps its last value.
pub fn sample(metrics: &mut Metrics, started: SystemTime, now: SystemTime, runtimes: &[Handle]) {
    let id = metrics.process.register(&ProcessLabels);
    let process = &mut metrics.process[id];
    let since_epoch =
        |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    process.start_time = Level(since_epoch(started));
    process.clock_time = Level(since_epoch(now));
    process.uptime = Seconds(now.duration_since(started).unwrap_or_default().as_secs_f64());
    read_proc(process, Path::new("/proc/self"));

    let id = metrics.runtime.register(&RuntimeLabels);
    metrics.runtime[id] = runtime(runtimes);
}

fn read_proc(process: &mut Process, proc: &Path) {
    let text = |file: &str| fs::read_to_string(proc.join(file)).unwrap_or_default();
    if let Some(ticks) = cpu_ticks(&text("stat")) {
        process.cpu = Seconds(ticks as f64 / TICKS);
    }
    let status = text("status");
    let kilobytes = |name: &str| field(&status, name).map(|value| Level(value as f64 * 1024.0));
    process.virtual_memory = kilobytes("VmSize:").unwrap_or(process.virtual_memory);
    process.resident_memory = kilobytes("VmRSS:").unwrap_or(process.resident_memory);
    process.threads = field(&status, "Threads:").map_or(process.threads, |value| Level(value as f64));
    process.max_fds =
        field(&text("limits"), "Max open files").map_or(process.max_fds, |value| Level(value as f64));
    if let Ok(open) = fs::read_dir(proc.join("fd")) {
        // One of them is the one that lists them.
        process.open_fds = Level(open.count().saturating_sub(1) as f64);
    }
    if let Some((received, sent)) = network(&text("net/dev")) {
        process.network_receive = received;
        process.network_transmit = sent;
    }
}

/// User and system time. The name of the program, in brackets, may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The first number behind a name that starts a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// Octets received and sent by all interfaces of the pod but the loopback.
fn network(dev: &str) -> Option<(u64, u64)> {
    let mut sum = None;
    for line in dev.lines().skip(2) {
        let (name, counters) = line.split_once(':')?;
        if name.trim() == "lo" {
            continue;
        }
        let counters: Vec<u64> = counters.split_ascii_whitespace().filter_map(|it| it.parse().ok()).collect();
        let (received, sent) = sum.unwrap_or((0, 0));
        sum = Some((received + counters.first()?, sent + counters.get(8)?));
    }
    sum
}

fn runtime(runtimes: &[Handle]) -> Runtime {
    let mut sum = Runtime::default();
    for handle in runtimes {
        let metrics = handle.metrics();
        let workers = metrics.num_workers();
        sum.workers.0 = sum.workers.0.max(0.0) + workers as f64;
        sum.tasks.0 = sum.tasks.0.max(0.0) + metrics.num_alive_tasks() as f64;
        sum.injection_queue_depth.0 =
            sum.injection_queue_depth.0.max(0.0) + metrics.global_queue_depth() as f64;
        for worker in 0..workers {
            sum.parks += metrics.worker_park_count(worker);
            sum.busy.0 += metrics.worker_total_busy_duration(worker).as_secs_f64();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read() {
        let mut process = Process::default();
        read_proc(&mut process, Path::new("/proc/self"));
        assert!(process.resident_memory.0 > 1e6 && process.virtual_memory.0 >= process.resident_memory.0);
        assert!(process.open_fds.0 >= 3.0 && process.max_fds.0 >= process.open_fds.0);
        assert!(process.threads.0 >= 2.0);
    }

    #[test]
    fn what_the_kernel_writes_is_understood() {
        let stat = "8142 (a) b) R 7754 7754 30076 0 -1 4194304 99 0 0 0 12 30 0 0 20 0 1 0 173330 3133440";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks(""), None);
        let dev = "Inter-| Receive\n face |bytes\n    lo: 9 9 0 0 0 0 0 0 9 9 0\n  eth0: 403 15 0 0 0 0 0 0 103 10 0\n  eth1:1 0 0 0 0 0 0 0 2 0\n";
        assert_eq!(network(dev), Some((404, 105)));
        assert_eq!(network(""), None);
        let limits = "Limit                     Soft Limit\nMax open files            20000                20000                files\n";
        assert_eq!(field(limits, "Max open files"), Some(20_000));
    }

    #[test]
    fn sampling_twice_makes_one_series() {
        let mut metrics = Metrics::default();
        let start = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        for seconds in [10, 20] {
            sample(&mut metrics, start, start + std::time::Duration::from_secs(seconds), &[]);
        }
        let text = crate::metrics::Aggregate::default().write(
            vec![metrics.snapshot(std::time::Instant::now(), std::time::Duration::ZERO)],
            crate::metrics::Format::Text,
        );
        assert!(text.contains("process_uptime_seconds_total 20\n"), "{text}");
        assert!(text.contains("process_start_time_seconds 1700000000\n"), "{text}");
    }
}
