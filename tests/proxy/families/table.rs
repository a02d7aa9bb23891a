//! What dashboards of Linkerd 2 know: families, the labels of one of their series, and the bounds of their buckets.

const FINE: &str = "0.025 0.05 0.1 0.25 0.5 1 10 +Inf";
const COARSE: &str = "0.05 0.5 1 10 +Inf";
const FRAMES: &str = "128 1024 10240 +Inf";
const QUEUE: &str = "0.0005 0.005 0.05 0.5 1 3 +Inf";
const MILLIS: &str = "1 2 3 4 5 10 20 30 40 50 100 200 300 400 500 1000 2000 3000 4000 5000 10000 20000 30000 40000 50000 +Inf";

const TARGET: &str = "target_addr target_ip target_port";
const SRV: &str = "srv_group srv_kind srv_name srv_port";
const ROUTE: &str = "route_group route_kind route_name";
const AUTHZ: &str = "authz_group authz_kind authz_name";
const PARENT: &str = "parent_group parent_kind parent_namespace parent_name parent_port parent_section_name";
const OUT_ROUTE: &str = "route_group route_kind route_namespace route_name";
const BACKEND: &str =
    "backend_group backend_kind backend_namespace backend_name backend_port backend_section_name";
const CLIENT_TLS: &str = "tls client_id";
const SERVER_TLS: &str = "tls server_id";

/// A family: which proxy shows it, its labels in one of its series, and the bounds of its buckets.
pub(crate) struct Expected {
    pub(crate) family: String,
    pub(crate) labels: String,
    pub(crate) buckets: &'static str,
}

fn expect(family: impl Into<String>, labels: &[&str]) -> Expected {
    Expected { family: family.into(), labels: labels.join(" "), buckets: "" }
}

fn histogram(family: impl Into<String>, labels: &[&str], buckets: &'static str) -> Expected {
    Expected { family: family.into(), labels: labels.join(" "), buckets }
}

fn with<'a>(labels: &[&'a str], more: &'a str) -> Vec<&'a str> {
    [labels, &[more]].concat()
}

/// What the proxy of the client shows.
pub(crate) fn of_client() -> Vec<Expected> {
    let endpoint = ["direction authority", TARGET, SERVER_TLS, "dst_pod"];
    let mut all = vec![
        expect("request_total", &endpoint),
        expect("response_total", &with(&endpoint, "status_code classification grpc_status error")),
        histogram("response_latency_ms", &with(&endpoint, "status_code"), MILLIS),
        expect("tcp_open_total", &with(&endpoint, "peer")),
        expect("tcp_open_connections", &with(&endpoint, "peer")),
        expect("tcp_read_bytes_total", &with(&endpoint, "peer")),
        expect("tcp_write_bytes_total", &with(&endpoint, "peer")),
        expect("tcp_open_total", &["direction peer", TARGET, "tls no_tls_reason"]),
        expect("tcp_close_total", &["direction peer", TARGET, "tls no_tls_reason errno"]),
        expect("route_request_total", &["direction dst rt_route"]),
        expect(
            "route_response_total",
            &["direction dst rt_route status_code classification grpc_status error"],
        ),
        histogram("route_response_latency_ms", &["direction dst rt_route status_code"], MILLIS),
        expect("route_actual_request_total", &["direction dst rt_route"]),
        expect(
            "route_actual_response_total",
            &["direction dst rt_route status_code classification grpc_status error"],
        ),
        expect("route_retryable_total", &["direction dst rt_route"]),
        expect("control_request_total", &["addr tls server_id"]),
        expect(
            "control_response_total",
            &["addr tls server_id status_code classification grpc_status error"],
        ),
        histogram("control_response_latency_ms", &["addr tls server_id status_code"], MILLIS),
        expect("outbound_http_errors_total", &["error"]),
        expect("outbound_tcp_errors_total", &[TARGET, "error"]),
        expect("outbound_tcp_protocol_connections_total", &["protocol", PARENT]),
        expect("outbound_tcp_detect_http_results_total", &["result", PARENT]),
        histogram("outbound_tcp_detect_http_duration_seconds", &[PARENT], "0.001 0.1 +Inf"),
        expect("outbound_tcp_route_open_total", &[PARENT, OUT_ROUTE]),
        expect("outbound_tcp_route_close_total", &[PARENT, OUT_ROUTE, "error"]),
        expect("outbound_tls_route_open_total", &[PARENT, OUT_ROUTE]),
        expect("outbound_tls_route_close_total", &[PARENT, OUT_ROUTE, "error"]),
        expect("outbound_tcp_transfer_cost_bytes_total", &["op zone_locality"]),
        expect("stack_create_total", &["direction protocol name"]),
        expect("stack_drop_total", &["direction protocol name"]),
        expect("opentelemetry_span_export_streams", &[]),
        expect("opentelemetry_span_export_requests", &[]),
        expect("opentelemetry_span_export_exports", &[]),
    ];
    all.extend(["http", "grpc"].into_iter().flat_map(outbound_routes));
    for prefix in ["outbound_http", "outbound_tcp", "outbound_tls"] {
        all.extend(balancer(prefix, &[PARENT, BACKEND]));
    }
    for prefix in ["control_identity", "control_destination", "control_policy", "opentelemetry"] {
        all.extend(balancer(prefix, &["addr"]));
    }
    all.extend(of_any());
    all
}

/// Routes of HTTP or gRPC.
fn outbound_routes(prefix: &str) -> Vec<Expected> {
    let route = [PARENT, OUT_ROUTE, "hostname"];
    let backend = [PARENT, OUT_ROUTE, BACKEND];
    let status = if prefix == "http" { "http_status error" } else { "grpc_status error" };
    let name = |rest: &str| format!("outbound_{prefix}_route_{rest}");
    vec![
        histogram(name("request_duration_seconds"), &route, COARSE),
        expect(name("request_statuses_total"), &with(&route, status)),
        histogram(name("request_frame_size_bytes"), &route, FRAMES),
        expect(name("retry_limit_exceeded_total"), &route),
        expect(name("retry_overflow_total"), &route),
        expect(name("retry_requests_total"), &route),
        expect(name("retry_successes_total"), &route),
        expect(name("backend_requests_total"), &backend),
        expect(name("backend_response_statuses_total"), &with(&backend, status)),
        histogram(name("backend_response_duration_seconds"), &backend, FINE),
        histogram(name("backend_response_frame_size_bytes"), &backend, FRAMES),
    ]
}

/// A balancer of the data path, or of the proxy's own clients.
fn balancer(prefix: &str, labels: &[&str]) -> Vec<Expected> {
    let name = |rest: &str| format!("{prefix}_balancer_{rest}");
    vec![
        expect(name("endpoints"), &with(labels, "endpoint_state")),
        expect(name("p2c_endpoints"), labels),
        expect(name("p2c_updates_total"), &with(labels, "op")),
        expect(name("queue_length"), labels),
        expect(name("queue_requests_total"), labels),
        histogram(name("queue_latency_seconds"), labels, QUEUE),
        expect(name("queue_gate_open_total"), labels),
        expect(name("queue_gate_shut_total"), labels),
        expect(name("queue_gate_timeout_seconds"), labels),
    ]
}

/// What the proxy of the server shows.
pub(crate) fn of_server() -> Vec<Expected> {
    let endpoint = ["direction", TARGET, CLIENT_TLS, SRV, ROUTE, AUTHZ];
    let parent = ["parent_group parent_kind parent_name parent_port", ROUTE];
    let mut all = vec![
        expect("request_total", &endpoint),
        expect("response_total", &with(&endpoint, "status_code classification grpc_status error")),
        histogram("response_latency_ms", &with(&endpoint, "status_code"), MILLIS),
        expect("tcp_open_total", &["direction peer", TARGET, CLIENT_TLS, SRV]),
        expect("tcp_open_total", &["direction peer", TARGET, "tls no_tls_reason", SRV]),
        expect("tcp_close_total", &["direction peer", TARGET, "tls no_tls_reason", SRV, "errno"]),
        expect("inbound_http_authz_allow_total", &[TARGET, SRV, ROUTE, AUTHZ, CLIENT_TLS]),
        expect("inbound_http_authz_deny_total", &[TARGET, SRV, ROUTE, "tls no_tls_reason"]),
        expect("inbound_http_route_not_found_total", &[TARGET, SRV, "tls no_tls_reason"]),
        expect(
            "inbound_http_local_ratelimit_total",
            &[TARGET, SRV, "tls no_tls_reason ratelimit_group ratelimit_kind ratelimit_name ratelimit_scope"],
        ),
        expect("inbound_tcp_authz_allow_total", &[TARGET, SRV, AUTHZ, CLIENT_TLS]),
        expect("inbound_tcp_authz_deny_total", &[TARGET, SRV, "tls no_tls_reason"]),
        expect("inbound_tcp_authz_terminate_total", &[TARGET, SRV, CLIENT_TLS]),
        expect("inbound_http_errors_total", &["error", TARGET, SRV]),
        expect("inbound_tcp_errors_total", &["error", TARGET]),
        expect("inbound_tcp_detect_http_results_total", &["result", SRV]),
        histogram("inbound_tcp_detect_http_duration_seconds", &[SRV], "0.001 0.1 +Inf"),
        expect(
            "inbound_tcp_transport_header_connections_total",
            &["session_protocol target_port target_name client_id"],
        ),
    ];
    for prefix in ["http", "grpc"] {
        let name = |rest: &str| format!("inbound_{prefix}_{rest}");
        all.extend([
            expect(name("requests_total"), &parent),
            expect(name("statuses_total"), &with(&parent, "status")),
            histogram(name("request_duration_seconds"), &parent, FINE),
            histogram(name("response_duration_seconds"), &parent, COARSE),
            histogram(name("request_frame_size_bytes"), &parent, FRAMES),
            histogram(name("response_frame_size_bytes"), &parent, FRAMES),
        ]);
    }
    all.extend(of_any());
    all
}

/// What every proxy shows.
fn of_any() -> Vec<Expected> {
    let plain = |family: &str| expect(family, &[]);
    let mut all = vec![
        expect("control_identity_cert_expiration_timestamp_seconds", &[]),
        expect("control_identity_cert_refresh_timestamp_seconds", &[]),
        expect("control_identity_cert_refreshes_total", &["result"]),
        expect("proxy_build_info", &["date git_sha profile vendor version"]),
        expect("rustls_info", &["tls_suites tls_kx_groups tls_rand tls_key_provider tls_fips"]),
    ];
    all.extend(
        [
            "process_start_time_seconds",
            "process_clock_time_seconds",
            "process_uptime_seconds_total",
            "process_cpu_seconds_total",
            "process_virtual_memory_bytes",
            "process_resident_memory_bytes",
            "process_open_fds",
            "process_max_fds",
            "process_network_receive_bytes_total",
            "process_network_transmit_bytes_total",
            "process_threads",
            "tokio_rt_workers",
            "tokio_rt_park_total",
            "tokio_rt_busy_seconds_total",
            "tokio_rt_injection_queue_depth",
        ]
        .map(plain),
    );
    all
}
