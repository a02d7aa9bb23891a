//! How memory and CPU time grow with Services, endpoints and streams; and the sizes at which the original was measured.

use std::time::Instant;

use crate::LIMIT;
use crate::api_server::ApiServer;
use crate::content::Size;
use crate::proxies::Fleet;
use crate::report::{Report, mib, seconds};
use crate::server::{Server, Usage};
use crate::source::Origin;

/// The original at 2,000 services, 21,000 pods and 40,000 streams of addresses (version of August 2026).
mod original {
    /// Resident without streams, in MiB.
    pub(super) const IDLE: f64 = 347.0;
    /// Resident with all streams, in MiB.
    pub(super) const ALL: f64 = 1912.0;
    /// CPU seconds for all first answers.
    pub(super) const CPU: f64 = 10.1;
    /// Seconds until all first answers were there.
    pub(super) const TIME: f64 = 7.9;
}

/// One measurement: how many of something, bytes, and microseconds of CPU.
struct Point {
    count: f64,
    bytes: f64,
    micros: f64,
}

/// The same sizes as the original's, on one connection for each proxy.
pub(crate) async fn beside(full: bool) {
    let part = if full { 1 } else { 100 };
    let size = Size {
        services: 2000 / part,
        endpoints: 10,
        large: 1000 / part + 10,
        proxies: 1000 / part,
        destinations: if full { 40 } else { 10 },
        apis: 1,
    };
    let report = Report::of(&size);
    let api = ApiServer::start(&size).await;
    let server = Server::start(&Origin::Kubeconfig(api.kubeconfig()));
    report.line("cluster known after", &seconds(server.ready(LIMIT).await));
    let idle = server.usage();
    let begun = Instant::now();
    let fleet = Fleet::connect(&server, &size);
    fleet.served(LIMIT).await;
    let (took, now) = (begun.elapsed().as_secs_f64(), server.usage());
    let of = |name: &str, ours: f64, theirs: f64, unit: &str| {
        let text = format!("{ours:.2} {unit}, the original {theirs} {unit}: 1/{:.1}", theirs / ours);
        report.line(name, &text);
    };
    let in_mib = |usage: Usage| usage.resident as f64 / f64::from(1 << 20);
    of("resident, no stream", in_mib(idle), original::IDLE, "MiB");
    of("resident, all streams (bar 1/5, aim 1/10)", in_mib(now), original::ALL, "MiB");
    let cpu = now.cpu.saturating_sub(idle.cpu).as_secs_f64();
    of("CPU for all first answers (bar 1/5, aim 1/10)", cpu, original::CPU, "s");
    of("all first answers after", took, original::TIME, "s");
}

pub(crate) async fn measure(full: bool) {
    let unit = if full { 1 } else { 40 };
    let base = Size {
        services: 4000 / unit,
        endpoints: 8,
        large: 8,
        proxies: 400 / unit,
        destinations: 20,
        apis: 3,
    };
    let report = Report::of(&Size { proxies: 0, ..base.clone() });
    // Services: the same endpoints over more of them.
    let mut points = Vec::new();
    for (services, endpoints) in [(2000, 16), (4000, 8), (8000, 4), (16_000, 2)] {
        let large = endpoints;
        points.push(
            cluster(&Size { services: services / unit, endpoints, large, ..base.clone() }, |size| {
                size.services
            })
            .await,
        );
    }
    line(&report, "Service", "Services", &points);
    let mut points = Vec::new();
    for endpoints in [4, 8, 16, 24] {
        points.push(cluster(&Size { endpoints, large: endpoints, ..base.clone() }, Size::pods).await);
    }
    line(&report, "endpoint with its pod", "endpoints with their pods", &points);
    line(&report, "stream", "streams", &streams(&base).await);
}

/// A cluster nobody asks about.
async fn cluster(size: &Size, of: fn(&Size) -> usize) -> Point {
    let api = ApiServer::start(size).await;
    let server = Server::start(&Origin::Kubeconfig(api.kubeconfig()));
    server.ready(LIMIT).await;
    point(of(size), server.usage())
}

/// More and more proxies over one cluster.
async fn streams(base: &Size) -> Vec<Point> {
    let api = ApiServer::start(base).await;
    let server = Server::start(&Origin::Kubeconfig(api.kubeconfig()));
    server.ready(LIMIT).await;
    let mut fleets = Vec::new();
    let mut points = Vec::new();
    let mut from = 0;
    for times in [1, 2, 3, 4] {
        let until = base.proxies * times;
        let fleet = Fleet::connect_some(&server, base, from..until);
        fleet.served(LIMIT).await;
        fleets.push(fleet);
        from = until;
        points.push(point(until * base.destinations * base.apis, server.usage()));
    }
    points
}

fn point(count: usize, usage: Usage) -> Point {
    Point { count: count as f64, bytes: usage.resident as f64, micros: usage.cpu.as_secs_f64() * 1e6 }
}

/// Tells the slope, and how far the farthest point is from the line: growth that is not linear shows there.
fn line(report: &Report, one: &str, many: &str, points: &[Point]) {
    for point in points {
        let text = format!("{}, {:.2} CPU s", mib(point.bytes as u64), point.micros / 1e6);
        report.line(&format!("  {} {many}", point.count), &text);
    }
    let (bytes, off) = fit(points, |point| point.bytes);
    let (micros, _) = fit(points, |point| point.micros);
    report.line(
        &format!("each {one}"),
        &format!(
            "{:.2} KiB (points off the line by {:.1} %), {micros:.1} µs of CPU",
            bytes / 1024.0,
            off * 100.0
        ),
    );
}

/// The slope of the line through points, by least squares, and the largest distance from it as a part of the value.
fn fit(points: &[Point], of: impl Fn(&Point) -> f64) -> (f64, f64) {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|point| point.count).sum::<f64>() / count;
    let mean_y = points.iter().map(&of).sum::<f64>() / count;
    let over: f64 = points.iter().map(|point| (point.count - mean_x) * (of(point) - mean_y)).sum();
    let under: f64 = points.iter().map(|point| (point.count - mean_x).powi(2)).sum();
    let slope = over / under;
    let off = |point: &Point| (of(point) - mean_y - slope * (point.count - mean_x)).abs() / of(point);
    (slope, points.iter().map(off).fold(0.0, f64::max))
}
