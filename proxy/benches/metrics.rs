//! What counting costs: on the way of a request, when a label set is registered, and when somebody scrapes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use linkerd2_proxy::metrics::{
    Aggregate, ClientTls, Format, InboundRouteLabels, InboundStatus, Metrics, OutboundEndpoint,
    RequestLabels, Resource, RouteKind, StatusCode,
};
use linkerd2_proxy::model::Labels;
use linkerd2_proxy::tap::Taps;

/// Endpoints that a busy proxy knows.
const SERIES: u16 = 1000;

fn route() -> InboundRouteLabels<'static> {
    let parent = Resource {
        group: "policy.linkerd.io",
        kind: "server",
        name: "web",
        port: Some(8080),
        ..Resource::default()
    };
    let route = Resource { kind: "default", name: "default", ..Resource::default() };
    InboundRouteLabels { kind: RouteKind::Http, parent, route }
}

fn endpoint(labels: &Labels, port: u16) -> RequestLabels<'_> {
    RequestLabels::Outbound(OutboundEndpoint {
        authority: Some("authors.ns.svc.cluster.local:7001"),
        target: ([10, 0, 0, 1], port).into(),
        tls: ClientTls::Established("authors.ns.serviceaccount.identity.linkerd.cluster.local"),
        labels,
    })
}

fn labels() -> Labels {
    let labels = ["namespace", "service", "pod", "deployment", "serviceaccount", "control_plane_ns"];
    Labels::new(labels.iter().map(|name| ((*name).to_owned(), format!("value-of-{name}"))).collect())
        .unwrap_or_default()
}

fn request(criterion: &mut Criterion) {
    let mut metrics = Metrics::default();
    let route = metrics.inbound_route.register(&route());
    let labels = labels();
    let requests = metrics.requests.register(&endpoint(&labels, 1));
    criterion.bench_function("count one request", |bench| {
        bench.iter(|| {
            let took = black_box(Duration::from_micros(1500));
            let series = &mut metrics.requests[black_box(requests)];
            series.requests += 1;
            series.latency.at(StatusCode(200)).observe(took);
            let series = &mut metrics.inbound_route[black_box(route)];
            series.requests += 1;
            *series.statuses.at(InboundStatus::Http(200)) += 1;
            series.request_duration.observe(took);
            series.response_duration.observe(took);
            series.response_frames.observe_octets(128);
        });
    });
    let taps = Taps::new(1);
    criterion
        .bench_function("ask whether anybody watches", |bench| bench.iter(|| black_box(&taps).is_watched()));
}

fn registration(criterion: &mut Criterion) {
    let mut metrics = Metrics::default();
    let labels = labels();
    criterion.bench_function("register a label set that is known", |bench| {
        bench.iter(|| metrics.requests.register(black_box(&endpoint(&labels, 1))));
    });
}

fn scrape(criterion: &mut Criterion) {
    let mut metrics = Metrics::default();
    let labels = labels();
    for port in 0..SERIES {
        let id = metrics.requests.register(&endpoint(&labels, port));
        metrics.requests[id].latency.at(StatusCode(200)).observe(Duration::from_millis(3));
    }
    let now = Instant::now();
    let mut snapshot = || metrics.snapshot(now, Duration::from_secs(600));
    let one = snapshot();
    criterion.bench_function("copy 1,000 series", |bench| bench.iter(&mut snapshot));
    let mut aggregate = Aggregate::default();
    criterion.bench_function("write 1,000 series of two workers", |bench| {
        bench.iter(|| aggregate.write(vec![one.clone(), one.clone()], Format::Text));
    });
}

criterion_group!(benches, request, registration, scrape);
criterion_main!(benches);
