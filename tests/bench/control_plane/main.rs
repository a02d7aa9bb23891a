//! How much a control plane of that size takes: `cargo bench-control-plane [--services N] [--proxies N] …`.
//!
//! The index and its servers run in a process of their own (this program, asked to `serve`), fed with the JSON that an
//! API server would send. Simulated proxies hold real gRPC streams: for each destination one of addresses, one of
//! profiles and one of policy, on one connection for each API. Told are resident memory, bytes and CPU time a
//! stream, the time from a change to its last subscriber, the time until all are served after a restart, and whether
//! a rollout cuts a stream off.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and fails by panicking"
)]

mod content;
mod proxies;
mod report;
mod server;

use std::time::{Duration, Instant};

use content::Size;
use proxies::Fleet;
use report::Report;
use server::Server;

/// How long anything may take before the run is given up.
const LIMIT: Duration = Duration::from_secs(300);

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` says so; without it the program only shows that it works.
    let measured = words.iter().any(|word| word == "--bench");
    words.retain(|word| word != "--bench");
    if words.first().is_some_and(|word| word == "serve") {
        return server::serve(&Size::read(&words[1..], true));
    }
    let size = Size::read(&words, measured);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(size));
}

async fn measure(size: Size) {
    let mut report = Report::new(&size);
    let server = Server::start(&size);
    report.idle(&server);

    let before = server.usage();
    let begun = Instant::now();
    let fleet = Fleet::connect(&server, &size).await;
    fleet.served(LIMIT).await;
    report.connected(&server, &before, begun.elapsed(), fleet.streams());

    let changes = if size.quick() { 20 } else { 300 };
    // The last of the first proxy's destinations: few share it.
    let few = size.used_by(0).last().unwrap_or(content::SHARED);
    report.changes("one few share", change_latency(&server, &fleet, few, changes).await);
    report.changes("one all share", change_latency(&server, &fleet, content::SHARED, changes).await);

    rollout(&server, &fleet, &size, &mut report).await;

    // All replicas of the control plane are started again at once, and no proxy waits: the worst that can be asked for.
    drop(server);
    let begun = Instant::now();
    let server = Server::start(&size);
    let started = begun.elapsed();
    let before = server.usage();
    let fleet = Fleet::connect(&server, &size).await;
    fleet.served(LIMIT).await;
    report.restarted(&server, &before, started, begun.elapsed());
}

/// From the word to the server until the last subscriber has it, for each change.
async fn change_latency(server: &Server, fleet: &Fleet, service: usize, changes: usize) -> Vec<Duration> {
    let subscribers = fleet.subscribers(service);
    let mut times = Vec::with_capacity(changes);
    for _ in 0..changes {
        let known = fleet.received(service);
        let begun = Instant::now();
        server.say(&format!("toggle {service}"));
        fleet.received_all(service, known + subscribers, LIMIT).await;
        times.push(begun.elapsed());
    }
    times
}

/// Every pod of a large Deployment is replaced, one after the other, while everybody watches.
async fn rollout(server: &Server, fleet: &Fleet, size: &Size, report: &mut Report) {
    let before = server.usage();
    let (ended, received) = (fleet.ended(), fleet.received(content::LARGE));
    let begun = Instant::now();
    server.say(&format!("rollout {}", content::LARGE));
    server.said("rolled out");
    // Until every subscriber has the last state, told by an address that comes last of all.
    let known = fleet.received(content::LARGE);
    server.say(&format!("toggle {}", content::LARGE));
    fleet.received_all(content::LARGE, known + fleet.subscribers(content::LARGE), LIMIT).await;
    let messages = fleet.received(content::LARGE) - received;
    report.rolled_out(server, &before, begun.elapsed(), size.large, messages, fleet.ended() - ended);
}
