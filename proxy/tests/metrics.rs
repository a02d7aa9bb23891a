//! The exposition of every family: its exact text, and whether Prometheus takes it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use linkerd2_proxy::metrics::*;
use linkerd2_proxy::model::Labels;

#[expect(clippy::unwrap_used, reason = "a test")]
fn labels<const N: usize>(labels: [(&str, &str); N]) -> Labels {
    Labels::new(labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
        .unwrap()
}

/// Everything is counted once.
fn filled() -> Metrics {
    let mut metrics = Metrics::default();
    inbound(&mut metrics);
    outbound(&mut metrics);
    transport(&mut metrics);
    control(&mut metrics);
    metrics
}

const SERVER: Resource<'static> = Resource {
    group: "policy.linkerd.io",
    kind: "server",
    namespace: "",
    name: "web",
    section: "",
    port: Some(8080),
};
const ROUTE: Resource<'static> = Resource {
    group: "gateway.networking.k8s.io",
    kind: "HTTPRoute",
    namespace: "ns",
    name: "books",
    section: "",
    port: None,
};
const AUTHZ: Resource<'static> = Resource {
    group: "policy.linkerd.io",
    kind: "authorizationpolicy",
    namespace: "",
    name: "web-from-books",
    section: "",
    port: None,
};
const SERVICE: Resource<'static> = Resource {
    group: "core",
    kind: "Service",
    namespace: "ns",
    name: "authors",
    section: "",
    port: Some(7001),
};
const CLIENT: ServerTls<'static> =
    ServerTls::Established("books.ns.serviceaccount.identity.linkerd.cluster.local");
const TARGET: ([u8; 4], u16) = ([10, 0, 0, 1], 8080);

fn inbound(metrics: &mut Metrics) {
    let now = Instant::now();
    let target = TARGET.into();
    let requests = metrics.requests.register(&RequestLabels::Inbound(InboundEndpoint {
        authority: None,
        target,
        tls: CLIENT,
        server: SERVER,
        route: ROUTE,
        authz: AUTHZ,
    }));
    let series = &mut metrics.requests[requests];
    series.requests += 2;
    *series.responses.at(Class { status: 200, success: true, grpc: Some(0), error: None }) += 1;
    *series.responses.at(Class {
        status: 504,
        success: false,
        grpc: None,
        error: Some(RouteError::FailFast),
    }) += 1;
    series.latency.at(StatusCode(200)).observe(Duration::from_micros(2500));

    for kind in [RouteKind::Http, RouteKind::Grpc] {
        let labels = InboundRouteLabels { kind, parent: SERVER, route: ROUTE };
        let route = metrics.inbound_route.once(&labels, now);
        route.requests += 1;
        *route.statuses.at(match kind {
            RouteKind::Http => InboundStatus::Http(200),
            RouteKind::Grpc => InboundStatus::Grpc(5),
        }) += 1;
        route.request_duration.observe(Duration::from_millis(30));
        route.response_duration.observe(Duration::from_millis(30));
        route.request_frames.observe_octets(0);
        route.response_frames.observe_octets(5000);
    }

    let ratelimit = Resource { kind: "httplocalratelimitpolicy", name: "slow", ..SERVER };
    let decisions = [
        Decision::HttpAllow { route: ROUTE, authz: AUTHZ },
        Decision::HttpDeny { route: ROUTE },
        Decision::HttpRouteNotFound,
        Decision::HttpRateLimit { ratelimit, scope: "total" },
        Decision::TcpAllow { authz: AUTHZ },
        Decision::TcpDeny,
        Decision::TcpTerminate,
    ];
    for decision in decisions {
        let tls = ServerTls::None(NoServerTls::NoTlsFromRemote);
        let series = metrics.authz.once(&AuthzLabels { decision, target, server: SERVER, tls }, now);
        let field = match decision {
            Decision::HttpAllow { .. } => &mut series.http_allow,
            Decision::HttpDeny { .. } => &mut series.http_deny,
            Decision::HttpRouteNotFound => &mut series.http_route_not_found,
            Decision::HttpRateLimit { .. } => &mut series.http_ratelimit,
            Decision::TcpAllow { .. } => &mut series.tcp_allow,
            Decision::TcpDeny => &mut series.tcp_deny,
            Decision::TcpTerminate => &mut series.tcp_terminate,
        };
        *field += 1;
    }
    let detect = metrics.detect.once(&DetectLabels::Inbound(SERVER), now);
    *detect.results.at(DetectResult::Http1) += 1;
    detect.duration.observe(Duration::from_micros(500));
    let header = TransportHeaderLabels {
        session_protocol: "http/2",
        target_port: 8080,
        target_name: "web.ns.svc.cluster.local",
        client_id: "books.ns.serviceaccount.identity.linkerd.cluster.local",
    };
    metrics.transport_headers.once(&header, now).connections += 1;
}

fn outbound(metrics: &mut Metrics) {
    let now = Instant::now();
    let from_discovery =
        labels([("namespace", "ns"), ("service", "authors"), ("app.kubernetes.io/name", "a \"name\"")]);
    let endpoint = OutboundEndpoint {
        authority: Some("authors.ns.svc.cluster.local:7001"),
        target: TARGET.into(),
        tls: ClientTls::Established("authors.ns.serviceaccount.identity.linkerd.cluster.local"),
        labels: &from_discovery,
    };
    metrics.requests.once(&RequestLabels::Outbound(endpoint), now).requests += 1;
    let client = metrics.transport.once(&TransportLabels::OutboundClient(endpoint), now);
    client.opened += 2;
    client.open += 1;
    *client.closed.at(Errno(libc::ECONNRESET)) += 1;

    let profile = ProfileRoute {
        direction: Direction::Outbound,
        dst: "authors.ns.svc.cluster.local:7001",
        labels: &labels([("route", "GET /authors/{id}")]),
    };
    let route = metrics.requests.once(&RequestLabels::Route(profile), now);
    route.requests += 1;
    route.latency.at(StatusCode(200)).observe(Duration::from_millis(60_000));
    metrics.requests.once(&RequestLabels::RouteActual(profile), now).requests += 2;
    let retries = metrics.profile_retries.once(&profile, now);
    *retries.retryable.at(RetryKind::Retried) += 1;
    *retries.retryable.at(RetryKind::NoBudget) += 3;

    for kind in [RouteKind::Http, RouteKind::Grpc] {
        let status = match kind {
            RouteKind::Http => RouteStatus::Http(None, Some(RouteError::ResponseHeadersTimeout)),
            RouteKind::Grpc => RouteStatus::Grpc(Some(0), None),
        };
        let labels = OutboundRouteLabels { kind, parent: SERVICE, route: ROUTE, hostname: "" };
        let route = metrics.outbound_route.once(&labels, now);
        *route.request_statuses.at(status) += 1;
        route.request_duration.observe(Duration::from_secs(11));
        route.retry_requests += 1;
        let labels = OutboundBackendLabels { kind, parent: SERVICE, route: ROUTE, backend: SERVICE };
        let backend = metrics.outbound_backend.once(&labels, now);
        backend.requests += 1;
        *backend.response_statuses.at(status) += 1;
    }
    let parent = BalancerParent { parent: SERVICE, backend: SERVICE };
    for labels in [BalancerLabels::Http(parent), BalancerLabels::ControlPolicy("policy.linkerd.svc:8090")] {
        let balancer = metrics.balancer.once(&labels, now);
        balancer.endpoints.at(EndpointState::Ready).0 = 3.0;
        balancer.endpoints.at(EndpointState::Pending).0 = 0.0;
        balancer.p2c_endpoints.0 = 3.0;
        *balancer.updates.at(UpdateOp::Add) += 3;
        balancer.queue_requests += 1;
        balancer.queue_latency.observe(Duration::from_micros(10));
        balancer.gate_timeout.0 = 3.0;
    }
    let route = TransportRouteLabels { kind: TransportRouteKind::Tls, parent: SERVICE, route: ROUTE };
    let route = metrics.transport_route.once(&route, now);
    route.opened += 1;
    *route.closed.at(CloseError::None) += 1;
    let host = TlsHostLabels { parent: SERVICE, route: ROUTE, hostname: "example.com" };
    let host = metrics.tls_host.once(&host, now);
    host.connections += 1;
    host.handshake.observe(Duration::from_millis(30));
    metrics.protocols.once(&ProtocolLabels { protocol: "http/1", parent: SERVICE }, now).connections += 1;
    let cost = TransferCostLabels { op: TransferOp::Recv, zone: ZoneLocality::Remote };
    metrics.transfer_cost.once(&cost, now).octets += 1000;
}

fn transport(metrics: &mut Metrics) {
    let now = Instant::now();
    let target = TARGET.into();
    let accepted = TransportLabels::InboundServer { target, tls: CLIENT, server: SERVER };
    for labels in [accepted, TransportLabels::InboundClient, TransportLabels::OutboundServer { target }] {
        let series = metrics.transport.once(&labels, now);
        series.opened += 1;
        series.read += 10;
        series.written += 20;
        *series.closed.at(Errno(0)) += 1;
    }
    let errors = [
        ErrorLabels::InboundHttp { error: "unexpected", target, server: SERVER },
        ErrorLabels::InboundTcp { error: "tls detection timeout", target },
        ErrorLabels::OutboundHttp { error: "failfast" },
        ErrorLabels::OutboundTcp { target, error: "i/o" },
    ];
    for labels in errors {
        metrics.errors.once(&labels, now).errors += 1;
    }
    let stack = StackLabels { direction: Direction::Outbound, protocol: "http", name: "balance" };
    metrics.stacks.once(&stack, now).created += 1;
}

fn control(metrics: &mut Metrics) {
    let now = Instant::now();
    let client =
        ControlClient { addr: "policy.linkerd.svc:8090", tls: ClientTls::None(NoClientTls::Loopback) };
    let requests = metrics.requests.once(&RequestLabels::Control(client), now);
    requests.requests += 1;
    requests.latency.at(StatusCode(200)).observe(Duration::from_millis(7));
    metrics.dns.once(&DnsLabels { client: "policy", record_type: "SRV", result: "ok" }, now).resolutions += 1;
    let certificate = metrics.identity.once(&IdentityLabels::Certificate, now);
    certificate.expiration.0 = 1_900_000_000.5;
    certificate.refreshed.0 = 1_899_900_000.0;
    metrics.identity.once(&IdentityLabels::Refreshed, now).refreshes += 1;
    let discovery = metrics.discovery.once(&DiscoveryLabels { kind: "endpoints", reason: "port 0" }, now);
    discovery.messages += 1;
    discovery.invalid += 1;
    metrics.span_export.once(&SpanExportLabels, now).requests += 1;
    metrics.tap.once(&TapLabels, now).active.0 = 0.0;
    let build = [("date", ""), ("git_sha", ""), ("profile", "release"), ("vendor", ""), ("version", "0.1.0")];
    metrics.constants.once(&ConstantLabels::Build(&build), now).info.0 = 1.0;
    let process = metrics.process.once(&ProcessLabels, now);
    process.cpu.0 += 0.25;
    process.resident_memory.0 = 8_388_608.0;
}

fn text(format: Format) -> String {
    let snapshot = filled().snapshot(Instant::now(), Duration::from_secs(600));
    Aggregate::default().write(vec![snapshot], format)
}

#[test]
fn names_labels_and_buckets_stay_as_they_are() {
    for (format, name) in [(Format::Text, "metrics.txt"), (Format::OpenMetrics, "openmetrics.txt")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        let text = text(format);
        #[expect(clippy::disallowed_methods, reason = "how a person asks for the file to be written")]
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        let differs = golden.lines().zip(text.lines()).find(|(golden, text)| golden != text);
        assert_eq!(differs, None, "{name}: first line that differs; UPDATE_GOLDEN=1 writes it anew");
        assert_eq!(golden.len(), text.len(), "{name}");
    }
}

/// `promtool check metrics` exits with 3 when it has advice, with 1 when it cannot parse.
#[test]
fn prometheus_parses_it_and_advises_only_against_inherited_names() {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool has to be installed: apt-get install prometheus");
    promtool.stdin.take().unwrap().write_all(text(Format::Text).as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    let advised = said.lines().filter_map(|line| line.split_whitespace().next());
    let new: Vec<&str> = advised.filter(|name| !INHERITED.iter().any(|(known, _)| known == name)).collect();
    assert_eq!(new, Vec::<&str>::new(), "{said}");
    for (name, _) in INHERITED {
        assert!(
            said.contains(&format!("{name} ")),
            "{name} is no longer advised against: take it off the list"
        );
    }
}

#[test]
fn every_family_is_counted_here() {
    let text = text(Format::Text);
    for (prefixes, families, _) in families() {
        for family in families {
            let written =
                prefixes.iter().any(|prefix| text.contains(&format!("# TYPE {prefix}{} ", family.name)));
            let absent = matches!(
                family.name,
                "stream_ends_total" | "answer_age_seconds" | "queue_gate_open_time_seconds"
            ) || family.name == "queue_gate_shut_time_seconds"
                || prefixes == ["process_"]
                || prefixes == ["tokio_rt_"];
            assert!(written || absent, "{prefixes:?} {}", family.name);
        }
    }
}
