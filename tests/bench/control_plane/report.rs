//! What is told, beside the goal.

use std::time::Duration;

use crate::content::Size;

/// Writes figures as they come.
pub(crate) struct Report;

impl Report {
    pub(crate) fn of(size: &Size) -> Self {
        println!(
            "\n{} services, {} endpoints, {} proxies with {} destinations: {} streams",
            size.services,
            size.pods(),
            size.proxies,
            size.destinations,
            size.streams(),
        );
        Self
    }

    pub(crate) fn titled(title: &str) -> Self {
        println!("\n{title}");
        Self
    }

    pub(crate) fn line(&self, name: &str, value: &str) {
        println!("{name:<62} {value}");
    }

    /// Memory with the most it may be, and the most it should be, in MiB.
    pub(crate) fn bar(&self, name: &str, bytes: u64, bar: u64, aim: u64) {
        self.line(&format!("{name} (bar {bar} MiB, aim {aim})"), &mib(bytes));
        assert!(bytes <= bar << 20, "{name}: {} are more than {bar} MiB", mib(bytes));
    }

    pub(crate) fn changes(&self, what: &str, times: Vec<Duration>) {
        self.times(&format!("change of {what} to last subscriber (bar p99 250 ms)"), times);
    }

    /// Tells how long something takes; the time within which 99 of 100 are done.
    pub(crate) fn times(&self, what: &str, mut times: Vec<Duration>) -> Duration {
        times.sort_unstable();
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        let text = |part: f64| format!("{:.2} ms", at(part).as_secs_f64() * 1e3);
        self.line(what, &format!("p50 {}, p99 {}, most {}", text(0.5), text(0.99), text(1.0)));
        at(0.99)
    }
}

pub(crate) fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
