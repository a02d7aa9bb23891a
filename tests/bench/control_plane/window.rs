//! The window of numbers that `public-api` keeps where there is no Prometheus: what it takes with 200 proxies, held
//! against the limit it is given.
//!
//! An hour of scrapes every ten seconds leaves 78 numbers of each counter that always grows: those of the last three
//! minutes, and one a minute of the time before. As many scrapes two seconds apart leave as many, within three minutes, so
//! that is what is measured; every counter grows from each to the next, which is the most that can be.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::LIMIT;
use crate::report::{Report, mib};
use crate::server::Component;
use crate::source::Origin;

/// Scrapes after which a counter has as many numbers as an hour leaves.
const SCRAPES: u64 = 78;
/// The chart's limit of the window.
const CAP: u64 = 64 << 20;
/// What the process may take beside it: the program, connections, and the pages of one round.
const BESIDE: u64 = 48 << 20;
/// Services that a proxy sends requests to, and pods behind each.
const DESTINATIONS: usize = 10;
const PODS: usize = 3;
/// Upper bounds of latencies.
const BOUNDS: [&str; 26] = [
    "1", "2", "3", "4", "5", "10", "20", "30", "40", "50", "100", "200", "300", "400", "500", "1000", "2000",
    "3000", "4000", "5000", "10000", "20000", "30000", "40000", "50000", "+Inf",
];

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The metrics of a proxy that is played.
struct Proxy {
    /// Each line without its number.
    lines: Vec<String>,
    scrapes: AtomicU64,
}

pub(crate) async fn measure(full: bool) {
    let report = Report::titled("The window of numbers without a Prometheus, beside played proxies");
    let (count, interval, scrapes) = if full { (200, "2s", SCRAPES) } else { (10, "200ms", 5) };
    let mut proxies = Vec::new();
    let mut pods = Vec::new();
    for number in 0..count {
        let proxy = Arc::new(Proxy::new(number));
        let served = Arc::clone(&proxy);
        let address = serve(move |_| whole(StatusCode::OK, served.page())).await;
        pods.push(pod(number, address));
        proxies.push(proxy);
    }
    let list =
        json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": pods});
    let list = Bytes::from(list.to_string());
    let api = serve(move |request| answer(&list, request)).await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let text = json!({"apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": format!("http://{api}")}}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}]});
    std::fs::write(&kubeconfig, text.to_string()).unwrap();
    let component = Component::start("public-api", &Origin::Kubeconfig(&kubeconfig), |address| {
        vec![
            format!("--grpc-addr={address}"),
            format!("--direct-scrape-interval={interval}"),
            "--direct-window=1h".to_owned(),
            format!("--direct-memory-limit={CAP}"),
        ]
    });
    component.ready(LIMIT).await;
    let ready = component.usage();
    let begun = Instant::now();
    while proxies.iter().any(|proxy| proxy.scrapes.load(Ordering::Relaxed) < scrapes) {
        assert!(begun.elapsed() < LIMIT, "the proxies were not scraped {scrapes} times");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let usage = component.usage();
    let figure = async |name: &str| component.metric(name).await.unwrap() as u64;
    let (bytes, series) = (figure("direct_window_bytes").await, figure("direct_window_series").await);
    let refused = figure("direct_window_refused_total").await;
    let scraped: u64 = proxies.iter().map(|proxy| proxy.scrapes.load(Ordering::Relaxed)).sum();
    report.line("proxies, and scrapes of each", &format!("{count}, {scrapes}"));
    report.line(
        "the page of a proxy",
        &format!("{} KiB, {} lines", proxies[0].page().len() >> 10, proxies[0].lines.len()),
    );
    report.line("series that are kept", &series.to_string());
    report.line("resident before the first scrape", &mib(ready.resident));
    report.line("what the window says it takes", &mib(bytes));
    report.bar("resident with the window", usage.resident, (CAP + BESIDE) >> 20, CAP >> 20);
    report.line("peak", &mib(component.peak()));
    report.line("samples that did not fit", &refused.to_string());
    let cpu = usage.cpu.saturating_sub(ready.cpu).as_secs_f64() * 1e3 / scraped as f64;
    report.line("CPU of a scrape", &format!("{cpu:.2} ms"));
    assert!(bytes <= CAP, "the window takes more than its limit");
}

/// Serves HTTP on a port of its own for as long as the run lasts.
async fn serve(answer: impl Fn(&Request<Incoming>) -> Response<Body> + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answer = answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let serving = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// The pods, and a watch of them in which nothing happens.
fn answer(list: &Bytes, request: &Request<Incoming>) -> Response<Body> {
    if request.uri().path() != "/api/v1/pods" {
        return whole(
            StatusCode::NOT_FOUND,
            r#"{"kind":"Status","status":"Failure","reason":"NotFound","code":404}"#,
        );
    }
    let watches =
        request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("watch=")));
    if watches {
        let quiet = futures::stream::pending::<Result<Frame<Bytes>, Infallible>>();
        return Response::new(StreamBody::new(quiet).boxed_unsync());
    }
    whole(StatusCode::OK, list.clone())
}

fn whole(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// A pod of one of twenty workloads, whose proxy serves its metrics at `address`.
fn pod(number: usize, address: SocketAddr) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("web-{number}"), "namespace": format!("shop-{}", number % 5), "uid": number.to_string(),
            "resourceVersion": "1", "labels": {"linkerd.io/control-plane-ns": "linkerd",
                "linkerd.io/proxy-deployment": format!("web-{}", number % 20)}},
        "spec": {"containers": [{"name": "linkerd-proxy", "image": "proxy",
            "ports": [{"name": "linkerd-admin", "containerPort": address.port()}]}]},
        "status": {"phase": "Running", "podIP": address.ip().to_string(), "podIPs": [{"ip": address.ip().to_string()}]}})
}

// === impl Proxy ===

impl Proxy {
    fn new(number: usize) -> Self {
        let mut lines = Vec::new();
        for client in 0..3 {
            let from = format!(
                "direction=\"inbound\",target_addr=\"10.1.0.{number}:8080\",target_ip=\"10.1.0.{number}\",target_port=\"8080\",\
                 tls=\"true\",client_id=\"account-{client}.shop-{client}.serviceaccount.identity.linkerd.cluster.local\",\
                 srv_group=\"policy.linkerd.io\",srv_kind=\"server\",srv_name=\"web\",srv_port=\"8080\""
            );
            traffic(&mut lines, &from, "src");
        }
        for destination in 0..DESTINATIONS {
            let service = (number + destination * 7) % 50;
            for pod in 0..PODS {
                let to = format!(
                    "direction=\"outbound\",authority=\"service-{service}.shop-{n}.svc.cluster.local:8080\",\
                     target_addr=\"10.1.{service}.{pod}:8080\",target_ip=\"10.1.{service}.{pod}\",target_port=\"8080\",tls=\"true\",\
                     server_id=\"service-{service}.shop-{n}.serviceaccount.identity.linkerd.cluster.local\",\
                     dst_control_plane_ns=\"linkerd\",dst_namespace=\"shop-{n}\",dst_service=\"service-{service}\",\
                     dst_deployment=\"service-{service}\",dst_pod=\"service-{service}-7d4b9c6f5-{pod}\",\
                     dst_serviceaccount=\"service-{service}\",dst_pod_template_hash=\"7d4b9c6f5\",dst_zone=\"east\"",
                    n = service % 5
                );
                traffic(&mut lines, &to, "dst");
            }
            // What the window does not keep is on every page too.
            for bound in BOUNDS.iter().take(8) {
                lines.push(format!(
                    "outbound_http_route_backend_response_duration_seconds_bucket{{parent_group=\"core\",parent_kind=\"Service\",\
                     parent_namespace=\"shop\",parent_name=\"service-{service}\",parent_port=\"8080\",route_kind=\"default\",\
                     route_name=\"http\",backend_name=\"service-{service}\",backend_port=\"8080\",le=\"{bound}\"}}"
                ));
            }
        }
        Self { lines, scrapes: AtomicU64::new(0) }
    }

    /// What it says now; every counter has grown since it said something last.
    fn page(&self) -> String {
        let now = self.scrapes.fetch_add(1, Ordering::Relaxed) + 1;
        let mut page = String::with_capacity(self.lines.iter().map(|line| line.len() + 12).sum());
        for (at, line) in self.lines.iter().enumerate() {
            let _ = writeln!(page, "{line} {}", now * (at as u64 + 1));
        }
        page
    }
}

/// What there is of each peer that a proxy talks to.
fn traffic(lines: &mut Vec<String>, labels: &str, peer: &str) {
    for (status, class) in [("200", "success"), ("404", "success"), ("500", "failure")] {
        lines.push(format!("response_total{{{labels},status_code=\"{status}\",classification=\"{class}\",grpc_status=\"\",error=\"\"}}"));
    }
    lines.push(format!("request_total{{{labels}}}"));
    for bound in BOUNDS {
        lines.push(format!("response_latency_ms_bucket{{{labels},status_code=\"200\",le=\"{bound}\"}}"));
    }
    for name in ["tcp_open_total", "tcp_open_connections", "tcp_read_bytes_total", "tcp_write_bytes_total"] {
        lines.push(format!("{name}{{{labels},peer=\"{peer}\"}}"));
    }
}
