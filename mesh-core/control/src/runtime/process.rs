//! What every process tells of itself: age, memory, CPU time.

use std::fmt::Write as _;
use std::fs;

use jiff::Timestamp;

/// Clock ticks a second in `/proc`, fixed by the kernel's interface to user space on all our platforms.
const TICKS: f64 = 100.0;
/// Bytes of a page on all our platforms (amd64, and arm64 as built for Kubernetes).
const PAGE: u64 = 4_096;

/// Registers the process's own metrics.
pub(super) fn register(registry: &super::metrics::Registry, started: Timestamp) {
    registry.collector(move |out| {
        let _ = write!(
            out,
            "# HELP process_start_time_seconds When the process started, in seconds since 1970.\n\
             # TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {}\n",
            started.as_second()
        );
        if let Some(pages) = resident_pages() {
            let _ = write!(
                out,
                "# HELP process_resident_memory_bytes Resident memory in bytes.\n\
                 # TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {}\n",
                pages * PAGE
            );
        }
        if let Some(seconds) = cpu_seconds() {
            let _ = write!(
                out,
                "# HELP process_cpu_seconds_total User and system time in seconds.\n\
                 # TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total {seconds}\n"
            );
        }
    });
}

fn resident_pages() -> Option<u64> {
    fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may hold blanks.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}
