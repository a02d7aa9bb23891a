//! The process itself: threads, its end, logs, admin and tap.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_core::names::env as injected;

use super::env::{Form, Reader};
use super::inbound::Inbound;
use super::sockets::{Http2Server, Listen, TcpOptions, duration, flag};
use super::{names, parse};
use crate::identity::Id;
use crate::runtime::Cpus;

/// Threads and the end of the process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Process {
    /// Fewest workers.
    pub min_workers: usize,
    /// Most workers; none is what the CPUs say.
    pub max_workers: Option<usize>,
    /// Workers as a share of the CPUs.
    pub ratio: Option<f64>,
    /// How long open connections may take to end.
    pub grace_period: Duration,
    /// Whether `POST /shutdown` is served.
    pub shutdown_endpoint: bool,
    /// Whether the process ends when no other is left in the pod's process namespace.
    pub shutdown_when_alone: bool,
    /// How long series are kept that nothing adds to.
    pub metrics_retain_idle: Duration,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Which events, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
    /// How they are written.
    pub format: LogFormat,
    /// How requests are written; none is not at all.
    pub access: Option<AccessLog>,
    /// Whether heads of requests and responses are logged at debug level.
    pub headers: bool,
}

/// Formats of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines to read.
    Plain,
    /// One JSON object a line.
    Json,
}

/// Formats of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// As web servers write it.
    Apache,
    /// One JSON object a line.
    Json,
}

/// The admin server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens.
    pub listen: Listen,
    /// Options of accepted sockets.
    pub accept: TcpOptions,
    /// HTTP/2.
    pub server: Http2Server,
}

/// The tap server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may tap.
    pub allowed: Id,
}

/// Events shown when nothing else is asked for.
const DEFAULT_FILTER: &str = "warn,linkerd=info,linkerd2_proxy=info,hickory=error";
const FORMAT: Form = Form("plain or json");
const ACCESS: Form = Form("apache or json");
const HEADERS: Form = Form("off or insecure");
pub(super) const ID: Form =
    Form("the name of an identity, such as web.prod.serviceaccount.identity.linkerd.cluster.local");

// === impl Process ===

impl Process {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        let cores = |name: &str| reader.parsed(name, parse::COUNT, parse::count::<usize>);
        let fallback = cores(injected::CORES);
        let min_workers = cores(injected::CORES_MIN).or(fallback).unwrap_or(1).max(1);
        // A limit of 0 CPUs is what the kubelet writes for less than one in old versions.
        let max_workers = cores(injected::CORES_MAX).map(|max| max.max(1));
        let seconds =
            |name: &str, default: u64| duration(reader, name).unwrap_or_else(|| Duration::from_secs(default));
        Self {
            min_workers,
            max_workers,
            ratio: reader.parsed(injected::CORES_MAX_RATIO, parse::RATIO, parse::ratio),
            grace_period: seconds(injected::SHUTDOWN_GRACE_PERIOD, 120),
            shutdown_endpoint: flag(reader, injected::SHUTDOWN_ENDPOINT_ENABLED).unwrap_or(false),
            shutdown_when_alone: flag(reader, names::SHUTDOWN_WHEN_ALONE).unwrap_or(false),
            metrics_retain_idle: seconds(names::METRICS_RETAIN_IDLE, 600),
        }
    }

    /// How many workers there are: as told, else as many as the container's CPU limit has room for, else one.
    pub fn workers(&self, cpus: Cpus) -> usize {
        let wanted = match (self.max_workers, self.ratio) {
            (Some(max), _) => max,
            (None, Some(ratio)) => (cpus.available as f64 * ratio).round() as usize,
            (None, None) => cpus.limit.unwrap_or(1),
        };
        wanted.max(self.min_workers).min(cpus.available.max(1))
    }
}

// === impl Log ===

impl Log {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        let format = reader.parsed(injected::LOG_FORMAT, FORMAT, |text| match text {
            _ if text.eq_ignore_ascii_case("plain") => Ok(LogFormat::Plain),
            _ if text.eq_ignore_ascii_case("json") => Ok(LogFormat::Json),
            _ => Err("is neither"),
        });
        let access = reader.parsed(injected::ACCESS_LOG, ACCESS, |text| match text {
            "apache" => Ok(AccessLog::Apache),
            "json" => Ok(AccessLog::Json),
            _ => Err("is neither"),
        });
        let headers = reader.parsed(injected::LOG_HTTP_HEADERS, HEADERS, |text| match text {
            "insecure" => Ok(true),
            "off" => Ok(false),
            _ => Err("is neither"),
        });
        Self {
            filter: reader.text(injected::LOG).unwrap_or(DEFAULT_FILTER).to_owned(),
            format: format.unwrap_or(LogFormat::Plain),
            access,
            headers: headers != Some(false),
        }
    }
}

// === impl Admin ===

impl Admin {
    pub(super) fn read(reader: &Reader<'_>, inbound: &Inbound) -> Self {
        let addr = reader.parsed(injected::ADMIN_LISTEN_ADDR, parse::SOCKET, parse::socket);
        let addr = addr.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 4191)));
        Self {
            listen: Listen { addrs: vec![addr], backlog: inbound.listen.backlog },
            accept: inbound.accept,
            server: inbound.server,
        }
    }
}

// === impl Tap ===

impl Tap {
    pub(super) fn read(reader: &Reader<'_>) -> Option<Self> {
        let disabled = flag(reader, injected::TAP_DISABLED).unwrap_or(false);
        let listen = reader.parsed(injected::CONTROL_LISTEN_ADDR, parse::SOCKET, parse::socket);
        let allowed = reader.parsed(injected::TAP_SVC_NAME, ID, str::parse::<Id>)?;
        let listen = listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 4190)));
        (!disabled).then_some(Self { listen, allowed })
    }
}
