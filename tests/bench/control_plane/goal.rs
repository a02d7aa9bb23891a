//! A mesh of the size of the goal, from its start over changes and a rollout to a restart of the control plane.

use std::time::{Duration, Instant};

use crate::LIMIT;
use crate::content::{LARGE, SHARED, Size};
use crate::proxies::Fleet;
use crate::report::{Report, mib, seconds};
use crate::server::Server;
use crate::source::Source;

/// Between two pods of a rollout: two hundred pods a second.
const POD: Duration = Duration::from_millis(5);

pub(crate) async fn measure(size: Size, from: &str) {
    let report = Report::of(&size);
    let begun = Instant::now();
    let source = Source::start(from, &size).await;
    report.line(&format!("written to the source `{from}` in"), &seconds(begun.elapsed()));
    let server = Server::start(&source.origin());
    let known = server.ready(LIMIT).await;
    let idle = server.usage();
    report.line("cluster known after", &seconds(known));
    report.line("CPU until then", &seconds(idle.cpu));
    report.line("resident, no stream", &mib(idle.resident));
    report.line("peak until then", &mib(server.peak()));

    let begun = Instant::now();
    let fleet = Fleet::connect(&server, &size);
    fleet.served(LIMIT).await;
    let (took, now) = (begun.elapsed(), server.usage());
    report.bar("resident, all streams", now.resident, 600, 400);
    let each = now.resident.saturating_sub(idle.resident) as f64 / size.streams() as f64;
    report.line("memory a stream", &format!("{:.2} KiB", each / 1024.0));
    let cpu = now.cpu.saturating_sub(idle.cpu).as_secs_f64() * 1e6 / size.streams() as f64;
    report.line("CPU a stream until its first message", &format!("{cpu:.1} µs"));
    report.line("all first messages after", &seconds(took));

    let changes = if size.quick() { 20 } else { 300 };
    // The last of the first proxy's destinations: few share it.
    let few = size.used_by(0).last().unwrap_or(SHARED);
    report.changes("a Service that few use", change_latency(&source, &fleet, few, changes).await);
    report.changes("a Service that all use", change_latency(&source, &fleet, SHARED, changes).await);
    rollout(&source, &server, &fleet, &size, &report).await;
    report.line("peak", &mib(server.peak()));

    // All replicas of the control plane are started again at once, and no proxy waits: the worst that can be asked for.
    drop(server);
    drop(fleet);
    let server = Server::start(&source.origin());
    let fleet = Fleet::connect(&server, &size);
    let known = server.ready(LIMIT).await;
    fleet.served(LIMIT).await;
    let all = server.begun().elapsed();
    report.line("restart: cluster known after", &seconds(known));
    report.line("restart: all proxies served after (bar 30 s, aim 10 s)", &seconds(all));
    report.line("restart: CPU", &seconds(server.usage().cpu));
    report.bar("restart: resident", server.usage().resident, 600, 400);
    report.line("restart: peak", &mib(server.peak()));
}

/// From before the change is written until the last subscriber has it, for each change.
async fn change_latency(source: &Source, fleet: &Fleet, service: usize, changes: usize) -> Vec<Duration> {
    let subscribers = fleet.subscribers(service);
    let mut times = Vec::with_capacity(changes);
    for _ in 0..changes {
        let known = fleet.received(service);
        let begun = Instant::now();
        // A real API server tells watchers before it answers the writer.
        let told = async {
            fleet.received_all(service, known + subscribers, LIMIT).await;
            begun.elapsed()
        };
        let ((), took) = tokio::join!(source.toggle(service), told);
        times.push(took);
    }
    times
}

/// Every pod of a large Deployment is replaced, one after the other, while everybody watches.
async fn rollout(source: &Source, server: &Server, fleet: &Fleet, size: &Size, report: &Report) {
    let before = server.usage();
    let (ended, received) = (fleet.ended(), fleet.received(LARGE));
    let begun = Instant::now();
    let mut next = tokio::time::interval(POD);
    for at in 0..size.large {
        next.tick().await;
        source.replace(at).await;
    }
    let rolled = begun.elapsed();
    // Until every subscriber has the last state: all that was on its way, and one change more.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let known = fleet.received(LARGE);
    source.toggle(LARGE).await;
    fleet.received_all(LARGE, known + fleet.subscribers(LARGE), LIMIT).await;
    let took = begun.elapsed();
    let (messages, ended) = (fleet.received(LARGE) - received, fleet.ended() - ended);
    report.line(&format!("rollout of {} pods took", size.large), &seconds(rolled));
    report.line("everybody up to date after", &seconds(took));
    report.line("CPU for it", &seconds(server.usage().cpu.saturating_sub(before.cpu)));
    report.line("messages for it", &messages.to_string());
    report.line("streams that it cut off (bar 0)", &ended.to_string());
    assert_eq!(ended, 0, "a rollout must not cut a stream off");
}
