//! Values of annotations as the chart takes them, and where it takes them.

use std::collections::BTreeMap;

use mesh_core::{
    duration::GoDuration,
    names::{ValueType, annotations as names, annotations::Annotation},
    port::{PortRange, PortRanges, is_port_name, parse_port},
    quantity::Quantity,
};
use serde_json::Value;

use crate::settings::is_log_level;

/// What the names of container ports stand for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NamedPorts {
    /// Those of one pod.
    Known(BTreeMap<String, u16>),
    /// Whatever a pod may say: names pass unread.
    Any,
}

type Paths = &'static [&'static [&'static str]];

/// Where in the chart's values an annotation counts.
pub(super) fn paths(annotation: &str) -> Paths {
    TARGETS.iter().find(|(name, _)| *name == annotation).map_or(&[], |(_, paths)| paths)
}

macro_rules! proxy {
    ($($key:literal),+) => { &[&["global", "proxy", $($key),+]] };
}

macro_rules! init {
    ($($key:literal),+) => { &[&["global", "proxyInit", $($key),+]] };
}

macro_rules! debug {
    ($($key:literal),+) => { &[&["global", "debugContainer", $($key),+]] };
}

const TARGETS: &[(&str, Paths)] = &[
    (names::PROXY_IMAGE, proxy!("image", "name")),
    (names::PROXY_VERSION, proxy!("image", "version")),
    (
        names::IMAGE_PULL_POLICY,
        &[
            &["global", "proxy", "image", "pullPolicy"],
            &["global", "proxyInit", "image", "pullPolicy"],
            &["global", "debugContainer", "image", "pullPolicy"],
        ],
    ),
    (names::INIT_IMAGE, init!("image", "name")),
    (names::INIT_IMAGE_VERSION, init!("image", "version")),
    (names::DEBUG_IMAGE, debug!("image", "name")),
    (names::DEBUG_IMAGE_VERSION, debug!("image", "version")),
    (names::DEBUG_IMAGE_PULL_POLICY, debug!("image", "pullPolicy")),
    (names::CONTROL_PORT, proxy!("ports", "control")),
    (names::INBOUND_PORT, proxy!("ports", "inbound")),
    (names::OUTBOUND_PORT, proxy!("ports", "outbound")),
    (names::ADMIN_PORT, proxy!("ports", "admin")),
    (names::SKIP_INBOUND_PORTS, init!("ignoreInboundPorts")),
    (names::SKIP_OUTBOUND_PORTS, init!("ignoreOutboundPorts")),
    (names::SKIP_SUBNETS, init!("skipSubnets")),
    (names::POD_INBOUND_PORTS, proxy!("podInboundPorts")),
    (names::PROXY_CPU_REQUEST, proxy!("resources", "cpu", "request")),
    (names::PROXY_CPU_LIMIT, proxy!("resources", "cpu", "limit")),
    (names::PROXY_CPU_RATIO_LIMIT, proxy!("cores", "maximumRatio")),
    (names::PROXY_MEMORY_REQUEST, proxy!("resources", "memory", "request")),
    (names::PROXY_MEMORY_LIMIT, proxy!("resources", "memory", "limit")),
    (names::PROXY_EPHEMERAL_STORAGE_REQUEST, proxy!("resources", "ephemeral-storage", "request")),
    (names::PROXY_EPHEMERAL_STORAGE_LIMIT, proxy!("resources", "ephemeral-storage", "limit")),
    (names::PROXY_UID, proxy!("uid")),
    (names::PROXY_GID, proxy!("gid")),
    (names::PROXY_LOG_LEVEL, proxy!("logLevel")),
    (names::PROXY_LOG_FORMAT, proxy!("logFormat")),
    (names::PROXY_LOG_HTTP_HEADERS, proxy!("logHTTPHeaders")),
    (names::ACCESS_LOG, proxy!("accessLog")),
    (names::ENABLE_EXTERNAL_PROFILES, proxy!("enableExternalProfiles")),
    (names::PROXY_REQUIRE_IDENTITY_INBOUND_PORTS, proxy!("requireIdentityOnInboundPorts")),
    (names::PROXY_DESTINATION_GET_NETWORKS, proxy!("destinationGetNetworks")),
    (names::ENABLE_GATEWAY, proxy!("isGateway")),
    (names::DISABLE_TAP, proxy!("disableTap")),
    (names::VIZ_DISABLE_TAP, proxy!("disableTap")),
    (names::TRACE_COLLECTOR, proxy!("trace", "collectorSvcAddr")),
    (names::TRACE_COLLECTOR_SERVICE_ACCOUNT, proxy!("trace", "collectorSvcAccount")),
    (names::CLOSE_WAIT_TIMEOUT, init!("closeWaitTimeoutSecs")),
    (names::OPAQUE_PORTS, proxy!("opaquePorts")),
    (names::PROXY_INBOUND_CONNECT_TIMEOUT, proxy!("inboundConnectTimeout")),
    (names::PROXY_OUTBOUND_CONNECT_TIMEOUT, proxy!("outboundConnectTimeout")),
    (names::PROXY_AWAIT, proxy!("await")),
    (names::DEFAULT_INBOUND_POLICY, proxy!("defaultInboundPolicy")),
    (names::SHUTDOWN_GRACE_PERIOD, proxy!("shutdownGracePeriod")),
    (names::PROXY_ADDITIONAL_ENV, proxy!("additionalEnv")),
    (names::PROXY_ENABLE_NATIVE_SIDECAR_ALPHA, proxy!("nativeSidecar")),
    (names::PROXY_ENABLE_NATIVE_SIDECAR_BETA, proxy!("nativeSidecar")),
    (names::PROXY_ENABLE_NATIVE_SIDECAR, proxy!("nativeSidecar")),
    (names::PROXY_ADMIN_SHUTDOWN, proxy!("enableShutdownEndpoint")),
    (names::PROXY_DISABLE_INBOUND_PROTOCOL_DETECT_TIMEOUT, proxy!("disableInboundProtocolDetectTimeout")),
    (names::PROXY_DISABLE_OUTBOUND_PROTOCOL_DETECT_TIMEOUT, proxy!("disableOutboundProtocolDetectTimeout")),
    (names::PROXY_INBOUND_DISCOVERY_CACHE_UNUSED_TIMEOUT, proxy!("inboundDiscoveryCacheUnusedTimeout")),
    (names::PROXY_OUTBOUND_DISCOVERY_CACHE_UNUSED_TIMEOUT, proxy!("outboundDiscoveryCacheUnusedTimeout")),
    (names::PROXY_METRICS_HOSTNAME_LABELS, proxy!("metrics", "hostnameLabels")),
    (names::PROXY_WAIT_BEFORE_EXIT_SECONDS, proxy!("waitBeforeExitSeconds")),
];

/// The value of an annotation as the chart takes it, or what is wrong with it.
pub(super) fn convert(annotation: &Annotation, text: &str, ports: &NamedPorts) -> Result<Value, String> {
    match annotation.value {
        ValueType::Text
        | ValueType::Address
        | ValueType::Image
        | ValueType::ImageVersion
        | ValueType::Time => plain(text),
        ValueType::OneOf(words) => one_of(words, text),
        ValueType::Boolean => boolean(text).map(Value::Bool),
        ValueType::Integer => {
            text.parse::<u32>().map(Value::from).map_err(|_| "not a whole number".to_owned())
        }
        ValueType::Ratio => ratio(text),
        ValueType::Port => parse_port(text).map(Value::from).map_err(|error| error.to_string()),
        ValueType::PortRanges => text
            .parse::<PortRanges>()
            .map(|ports| ports.to_string().into())
            .map_err(|error| error.to_string()),
        ValueType::NamedPortRanges => named_ports(text, ports),
        ValueType::Quantity => {
            let quantity = text.parse::<Quantity>().map_err(|error| error.to_string())?;
            if quantity.is_negative() { Err("below zero".to_owned()) } else { Ok(text.into()) }
        }
        ValueType::Duration => duration(annotation.name, text),
        ValueType::Networks => networks(text),
        ValueType::LogLevel => {
            if is_log_level(text) {
                Ok(text.into())
            } else {
                Err("not a log level".to_owned())
            }
        }
        ValueType::EnvJson => environment(text),
        _ => Ok(text.into()),
    }
}

fn plain(text: &str) -> Result<Value, String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("blanks and control characters are not allowed".to_owned());
    }
    Ok(text.into())
}

fn one_of(words: &[&str], text: &str) -> Result<Value, String> {
    if !words.contains(&text) {
        return Err(format!("not one of {}", words.join(", ")));
    }
    Ok(match text {
        "enabled" if words == ["enabled", "disabled"] => true.into(),
        "disabled" if words == ["enabled", "disabled"] => false.into(),
        "none" => "".into(),
        _ => text.into(),
    })
}

/// The words Go takes for truth values.
fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("not true or false".to_owned()),
    }
}

fn ratio(text: &str) -> Result<Value, String> {
    match text.parse::<f64>() {
        Ok(ratio) if ratio > 0.0 && ratio <= 1.0 => Ok(text.into()),
        _ => Err("not a number above 0 and at most 1".to_owned()),
    }
}

/// Durations as the proxy's environment takes them; the kernel's timeout in whole seconds.
fn duration(name: &str, text: &str) -> Result<Value, String> {
    let duration = text.parse::<GoDuration>().map_err(|error| error.to_string())?;
    if duration.as_nanos() < 0 {
        return Err("below zero".to_owned());
    }
    Ok(if name == names::CLOSE_WAIT_TIMEOUT { duration.as_secs().into() } else { duration.to_proxy().into() })
}

fn networks(text: &str) -> Result<Value, String> {
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (address, bits) =
            item.split_once('/').ok_or_else(|| format!("\"{item}\" is not a network such as 10.0.0.0/8"))?;
        let address: std::net::IpAddr =
            address.parse().map_err(|_| format!("\"{item}\" is not a network"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if bits.parse::<u8>().is_ok_and(|bits| bits <= most) {
            continue;
        }
        return Err(format!("\"{item}\": the prefix is at most {most}"));
    }
    Ok(text.into())
}

/// Ports, ranges and names; a name the pod does not have is an error that says so.
fn named_ports(text: &str, names: &NamedPorts) -> Result<Value, String> {
    let mut ranges = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        match names {
            NamedPorts::Known(known) if is_port_name(item) => match known.get(item) {
                Some(port) => ranges.push(PortRange::single(*port)),
                None => return Err(format!("no container has a port named \"{item}\"")),
            },
            NamedPorts::Any if is_port_name(item) => {}
            _ => ranges.push(item.parse().map_err(|error: mesh_core::port::PortError| error.to_string())?),
        }
    }
    Ok(ranges.into_iter().collect::<PortRanges>().to_string().into())
}

fn environment(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let named = |item: &Value| item.get("name").is_some_and(Value::is_string);
    match value.as_array() {
        Some(items) if items.iter().all(named) => Ok(value),
        _ => Err("not a list of variables, each with a name".to_owned()),
    }
}
