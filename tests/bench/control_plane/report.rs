//! What is told, beside the goal.

use std::time::Duration;

use crate::content::Size;
use crate::server::{Server, Usage};

/// Writes figures as they come.
pub(crate) struct Report {
    idle: u64,
}

impl Report {
    pub(crate) fn new(size: &Size) -> Self {
        println!(
            "{} services, {} endpoints, {} proxies with {} destinations: {} streams",
            size.services,
            size.pods(),
            size.proxies,
            size.destinations,
            size.proxies * size.destinations * 3,
        );
        Self { idle: 0 }
    }

    pub(crate) fn idle(&mut self, server: &Server) {
        self.idle = server.usage().resident;
        line("resident without streams", &mib(self.idle));
        line("peak while reading the cluster", &mib(server.peak));
        line("CPU until it is known", &seconds(server.usage().cpu));
    }

    pub(crate) fn connected(&self, server: &Server, before: &Usage, took: Duration, streams: usize) {
        let now = server.usage();
        line("resident with all streams (goal 600 MiB, aim 400)", &mib(now.resident));
        let each = now.resident.saturating_sub(self.idle) / streams as u64;
        line("bytes a stream", &each.to_string());
        let cpu = now.cpu.saturating_sub(before.cpu);
        line(
            "CPU a stream until its first message",
            &format!("{:.1} µs", cpu.as_secs_f64() * 1e6 / streams as f64),
        );
        line("all first messages after", &seconds(took));
    }

    pub(crate) fn changes(&self, what: &str, mut times: Vec<Duration>) {
        times.sort_unstable();
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
        let name = format!("change of {what} to last subscriber (goal p99 250 ms)");
        line(&name, &format!("p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms", at(0.5), at(0.99), at(1.0)));
    }

    pub(crate) fn rolled_out(
        &self,
        server: &Server,
        before: &Usage,
        took: Duration,
        pods: usize,
        messages: usize,
        ended: usize,
    ) {
        let cpu = server.usage().cpu.saturating_sub(before.cpu);
        line(&format!("rollout of {pods} pods, everybody up to date after"), &seconds(took));
        line("CPU of the rollout", &seconds(cpu));
        line("messages sent for it", &messages.to_string());
        line("streams that were cut off (goal 0)", &ended.to_string());
        line("resident after it", &mib(server.usage().resident));
        assert_eq!(ended, 0, "a rollout must not cut a stream off");
    }

    pub(crate) fn restarted(&self, server: &Server, before: &Usage, started: Duration, all: Duration) {
        line("restart: cluster read again after", &seconds(started));
        line("restart: all proxies served after (goal 30 s)", &seconds(all));
        line("restart: CPU for the proxies", &seconds(server.usage().cpu.saturating_sub(before.cpu)));
        line("restart: resident", &mib(server.usage().resident));
        line("restart: reading took", &seconds(server.loaded));
    }
}

fn line(name: &str, value: &str) {
    println!("{name:<62} {value}");
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
