//! The configuration in force as `/config.json` shows it: values after defaults, without secrets.

use std::time::Duration;

use proxy_net::backoff::Backoff;
use serde_json::{Value, json};

use crate::config::{
    Config, Http1Pool, Http2Server, Inbound, Listen, Outbound, Queue, Service, TcpOptions, Trace,
};
use crate::identity::Id;

/// What the process was told, by name.
pub fn configuration(config: &Config) -> Value {
    json!({
        "process": {
            "workers": { "min": config.process.min_workers, "max": config.process.max_workers, "ratio": config.process.ratio },
            "shutdown": {
                "grace_period": time(config.process.grace_period),
                "endpoint": config.process.shutdown_endpoint,
                "when_alone": config.process.shutdown_when_alone,
            },
            "metrics_retain_idle": time(config.process.metrics_retain_idle),
        },
        "log": {
            "filter": config.log.filter,
            "format": debug(config.log.format),
            "access": config.log.access.map(debug),
            "headers": config.log.headers,
        },
        "admin": { "listen": listen(&config.admin.listen) },
        "tap": config.tap.as_ref().map(|tap| json!({ "listen": tap.listen, "allowed": tap.allowed.as_str() })),
        "identity": {
            "id": config.identity.id.as_str(),
            "server_name": config.identity.server_name,
            "anchors": config.identity.anchors.names(),
            "source": format!("{:?}", config.identity.source),
            "min_refresh": time(config.identity.min_refresh),
            "max_refresh": time(config.identity.max_refresh),
            "min_version": debug(config.identity.min_version),
        },
        "destination": {
            "service": service(&config.destination.service),
            "context": config.destination.context,
            "profile_suffixes": debug(&config.destination.profile_suffixes),
            "profile_networks": config.destination.profile_networks,
        },
        "policy": { "service": service(&config.policy.service), "workload": config.policy.workload },
        "cluster_networks": config.cluster_networks,
        "inbound": inbound(&config.inbound),
        "outbound": outbound(&config.outbound),
        "trace": config.trace.as_ref().map(trace),
        "warnings": config.warnings,
    })
}

fn inbound(config: &Inbound) -> Value {
    json!({
        "listen": listen(&config.listen),
        "targets": config.targets.iter().map(|it| json!({ "listen": it.listen, "target": it.target })).collect::<Vec<_>>(),
        "accept": tcp(&config.accept),
        "connect": tcp(&config.connect),
        "connect_timeout": time(config.connect_timeout),
        "backoff": backoff(config.backoff),
        "detect_timeout": time(config.detect_timeout),
        "allowed_ips": config.allowed_ips,
        "ports": config.ports.to_string(),
        "opaque_ports": config.opaque_ports.to_string(),
        "identity_ports": config.identity_ports.to_string(),
        "default_policy": debug(config.default_policy),
        "discovery_idle": time(config.discovery_idle),
        "profile_timeout": time(config.profile_timeout),
        "queue": queue(config.queue),
        "max_in_flight": config.max_in_flight,
        "pool": pool(config.pool),
        "http2": http2(&config.server),
        "gateway": debug(&config.gateway),
        "proxy_protocol": config.proxy_protocol,
        "trusted_forwarders": config.trusted_forwarders,
    })
}

fn outbound(config: &Outbound) -> Value {
    json!({
        "listen": listen(&config.listen),
        "targets": config.targets.iter()
            .map(|it| json!({ "listen": it.listen, "target": it.target.to_string() })).collect::<Vec<_>>(),
        "accept": tcp(&config.accept),
        "connect": tcp(&config.connect),
        "connect_timeout": time(config.connect_timeout),
        "backoff": backoff(config.backoff),
        "detect_timeout": time(config.detect_timeout),
        "discovery_idle": time(config.discovery_idle),
        "tcp_queue": queue(config.tcp_queue),
        "http_queue": queue(config.http_queue),
        "max_in_flight": config.max_in_flight,
        "pool": pool(config.pool),
        "http2": http2(&config.server),
        "ingress": config.ingress,
        "informational_headers": config.informational_headers,
        "hostname_labels": config.hostname_labels,
    })
}

fn trace(config: &Trace) -> Value {
    let attributes = config.attributes.iter().map(|(key, value)| (key.clone(), json!(value)));
    json!({
        "collector": service(&config.collector),
        "service_name": config.service_name,
        "attributes_path": config.attributes_path,
        "attributes": attributes.collect::<serde_json::Map<_, _>>(),
    })
}

fn listen(listen: &Listen) -> Value {
    json!({ "addrs": listen.addrs, "backlog": listen.backlog })
}

fn service(service: &Service) -> Value {
    json!({ "address": service.address.to_string(), "identity": service.identity.as_ref().map(Id::as_str) })
}

fn tcp(options: &TcpOptions) -> Value {
    json!({ "keep_alive": options.keep_alive.map(time), "user_timeout": options.user_timeout.map(time) })
}

fn queue(queue: Queue) -> Value {
    json!({ "capacity": queue.capacity, "failfast": time(queue.failfast) })
}

fn pool(pool: Http1Pool) -> Value {
    json!({ "max_idle": pool.max_idle, "idle_timeout": time(pool.idle_timeout) })
}

fn backoff(backoff: Backoff) -> Value {
    json!({ "min": time(backoff.min()), "max": time(backoff.max()) })
}

fn http2(server: &Http2Server) -> Value {
    json!({
        "max_concurrent_streams": server.max_concurrent_streams,
        "max_frame_size": server.max_frame_size,
        "max_header_list_size": server.max_header_list_size,
        "keep_alive": server.keep_alive.map(|it| json!({ "interval": time(it.interval), "timeout": time(it.timeout) })),
        "windows": server.windows,
    })
}

/// As configuration is written: `10s`, `250ms`.
fn time(time: Duration) -> String {
    match time.as_millis() {
        millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}

fn debug(value: impl std::fmt::Debug) -> String {
    format!("{value:?}")
}
