//! Families of the control thread: DNS, identity, discovery, export of spans, and what the process is.

use super::labels::{LabelSet, LabelText, Variant};
use super::table::group;
use super::value::{Level, Rare};

/// Labels of [`Dns`].
#[derive(Clone, Copy, Debug)]
pub struct DnsLabels<'a> {
    /// Who asked: `destination`, `policy`, `identity`, `opentelemetry`.
    pub client: &'a str,
    /// `SRV`, `A/AAAA`.
    pub record_type: &'static str,
    /// `ok`, `not_found`, `error`.
    pub result: &'static str,
}

/// Labels of [`Identity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityLabels {
    /// The certificate itself.
    Certificate,
    /// Refreshes that gave a certificate.
    Refreshed,
    /// Refreshes that failed.
    Failed,
}

/// Labels of [`Discovery`].
#[derive(Clone, Copy, Debug)]
pub struct DiscoveryLabels<'a> {
    /// `profile`, `outbound`, `endpoints`, `inbound`.
    pub kind: &'static str,
    /// Why a message was not taken, or what happened to a stream.
    pub reason: &'a str,
}

/// No labels: [`SpanExport`].
#[derive(Clone, Copy, Debug)]
pub struct SpanExportLabels;

/// No labels: [`Tap`].
#[derive(Clone, Copy, Debug)]
pub struct TapLabels;

/// No labels: [`Runtime`].
#[derive(Clone, Copy, Debug)]
pub struct RuntimeLabels;

/// No labels: [`Process`].
#[derive(Clone, Copy, Debug)]
pub struct ProcessLabels;

/// Labels of [`Constants`].
#[derive(Clone, Copy, Debug)]
pub enum ConstantLabels<'a> {
    /// How the proxy was built.
    Build(&'a [(&'static str, &'a str)]),
    /// How TLS is configured.
    Rustls(&'a [(&'static str, &'a str)]),
}

group! {
    /// Questions to DNS.
    Dns(DnsLabels<'a>): "client, record_type, result";
    /// Counts the number of DNS records that have been resolved.
    resolutions: u64 = "resolutions_total",
}

group! {
    /// The proxy's own certificate.
    Identity(IdentityLabels): "[result]";
    /// Time when the this proxy's current mTLS identity certificate will expire (in seconds since the UNIX epoch).
    expiration: Level = "expiration_timestamp_seconds",
    /// Time when the this proxy's current mTLS identity certificate were last updated.
    refreshed: Level = "refresh_timestamp_seconds",
    /// The total number of times this proxy's mTLS identity certificate has been refreshed by the Identity service.
    refreshes: Rare = "refreshes_total",
}

group! {
    /// Streams of discovery.
    Discovery(DiscoveryLabels<'a>): "kind, reason";
    /// Messages of the control plane that were taken.
    messages: Rare = "messages_total",
    /// Messages of the control plane that were not taken; the last good state stays in force.
    invalid: Rare = "invalid_messages_total",
    /// Ends of streams.
    ended: Rare = "stream_ends_total",
    /// How long the stream of an answer that is in use or kept has been down, in seconds; of several the longest, 0 while all are up.
    age: Level = "answer_age_seconds",
}

group! {
    /// Export of spans.
    SpanExport(SpanExportLabels): "";
    /// Total count of opened span export streams.
    streams: u64 = "streams",
    /// Total count of span export request messages.
    requests: u64 = "requests",
    /// Total count of spans exported.
    spans: u64 = "exports",
    /// Total count of spans that were not exported, for lack of room or of a collector.
    dropped: u64 = "dropped_total",
}

group! {
    /// Tap sessions.
    Tap(TapLabels): "";
    /// Number of taps being served.
    active: Level = "active",
    /// Total count of events sent to watchers.
    events: u64 = "events_total",
    /// Total count of events not sent: a watcher was slow, or the rate limit was reached.
    dropped: u64 = "events_dropped_total",
}

group! {
    /// Constants.
    Constants(ConstantLabels<'a>): "build: date, git_sha, profile, vendor, version; rustls: tls_suites, tls_kx_groups, tls_rand, \
        tls_key_provider, tls_fips";
    /// What this is; always 1.
    info: Level = "info",
}

group! {
    /// The process.
    Process(ProcessLabels): "";
    /// Time that the process started (in seconds since the UNIX epoch).
    start_time: Level = "start_time_seconds",
    /// Current system time for this proxy.
    clock_time: Level = "clock_time_seconds",
    /// Total time since the process started (in seconds).
    uptime: Seconds = "uptime_seconds_total",
    /// Total user and system CPU time spent in seconds.
    cpu: Seconds = "cpu_seconds_total",
    /// Virtual memory size in bytes.
    virtual_memory: Level = "virtual_memory_bytes",
    /// Resident memory size in bytes.
    resident_memory: Level = "resident_memory_bytes",
    /// Number of open file descriptors.
    open_fds: Level = "open_fds",
    /// Maximum number of open file descriptors.
    max_fds: Level = "max_fds",
    /// Total number of bytes received.
    network_receive: u64 = "network_receive_bytes_total",
    /// Total number of bytes transmitted.
    network_transmit: u64 = "network_transmit_bytes_total",
    /// Number of OS threads in the process.
    threads: Level = "threads",
}

group! {
    /// The runtimes of all threads together.
    Runtime(RuntimeLabels): "";
    /// Number of worker threads.
    workers: Level = "workers",
    /// Number of tasks that have not ended.
    tasks: Level = "alive_tasks",
    /// Number of tasks that wait for a thread.
    injection_queue_depth: Level = "injection_queue_depth",
    /// How often threads had nothing to do.
    parks: u64 = "park_total",
    /// How long threads were busy.
    busy: Seconds = "busy_seconds_total",
}

/// A counter of seconds, with fractions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seconds(pub f64);

// === impl Seconds ===

impl super::value::Value for Seconds {
    const KIND: super::value::Kind = super::value::Kind::Counter;

    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
    }

    fn write(&self, out: &mut super::exposition::Samples<'_>) {
        out.float(self.0);
    }
}

// === impl labels ===

impl LabelSet for DnsLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["control_dns_"];

    fn write(&self, labels: &mut LabelText) {
        labels.add("client", self.client);
        labels.add("record_type", self.record_type);
        labels.add("result", self.result);
    }
}

impl LabelSet for IdentityLabels {
    const PREFIXES: &'static [&'static str] = &["control_identity_cert_"];

    fn write(&self, labels: &mut LabelText) {
        match self {
            Self::Certificate => {}
            Self::Refreshed => labels.add("result", "ok"),
            Self::Failed => labels.add("result", "error"),
        }
    }
}

impl LabelSet for DiscoveryLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["control_discovery_"];

    fn write(&self, labels: &mut LabelText) {
        labels.add("kind", self.kind);
        if !self.reason.is_empty() {
            labels.add("reason", self.reason);
        }
    }
}

impl LabelSet for SpanExportLabels {
    const PREFIXES: &'static [&'static str] = &["opentelemetry_span_export_"];

    fn write(&self, _: &mut LabelText) {}
}

impl LabelSet for TapLabels {
    const PREFIXES: &'static [&'static str] = &["tap_"];

    fn write(&self, _: &mut LabelText) {}
}

impl LabelSet for RuntimeLabels {
    const PREFIXES: &'static [&'static str] = &["tokio_rt_"];

    fn write(&self, _: &mut LabelText) {}
}

impl LabelSet for ProcessLabels {
    const PREFIXES: &'static [&'static str] = &["process_"];

    fn write(&self, _: &mut LabelText) {}
}

impl LabelSet for ConstantLabels<'_> {
    const PREFIXES: &'static [&'static str] = &["proxy_build_", "rustls_"];

    fn variant(&self) -> Variant {
        Variant(match self {
            Self::Build(_) => 0,
            Self::Rustls(_) => 1,
        })
    }

    fn write(&self, labels: &mut LabelText) {
        let (Self::Build(given) | Self::Rustls(given)) = self;
        for (name, value) in *given {
            labels.add(name, value);
        }
    }
}
