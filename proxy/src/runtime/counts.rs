//! What the control thread itself counts, put into its tables when somebody scrapes.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::Started;
use crate::discovery::{Counts, Inspector, Kind};
use crate::dns::{RECORD_TYPES, RESULTS, Resolver};
use crate::identity;
use crate::metrics::{
    ConstantLabels, ControlMetrics, DiscoveryLabels, DnsLabels, IdentityLabels, Level, Metrics, sample,
};
use crate::tap;

/// Where the numbers are.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) metrics: ControlMetrics,
    pub(super) started: Started,
    pub(super) clock: fn() -> std::time::SystemTime,
    pub(super) identity: Arc<identity::Metrics>,
    pub(super) inspector: Inspector,
    pub(super) taps: Option<tap::Registry>,
    pub(super) resolvers: Vec<(&'static str, Arc<Resolver>)>,
}

// === impl Sources ===

impl Sources {
    /// Brings the tables up to date.
    pub(super) async fn refresh(&self) {
        let counts = self.inspector.counts().await;
        let mut metrics = self.metrics.lock();
        sample(&mut metrics, self.started.wall, (self.clock)(), &[Handle::current()]);
        constants(&mut metrics);
        self.dns(&mut metrics);
        certificate(&mut metrics, &self.identity.snapshot());
        discovery(&mut metrics, &counts);
        if let Some(taps) = &self.taps {
            taps.sample(&mut metrics);
        }
    }

    fn dns(&self, metrics: &mut Metrics) {
        for (client, resolver) in &self.resolvers {
            for (record_type, row) in RECORD_TYPES.into_iter().zip(resolver.counts()) {
                for (result, count) in RESULTS.into_iter().zip(row).filter(|(_, count)| *count > 0) {
                    let id = metrics.dns.register(&DnsLabels { client, record_type, result });
                    metrics.dns[id].resolutions = count;
                }
            }
        }
    }
}

fn certificate(metrics: &mut Metrics, counts: &identity::Snapshot) {
    if counts.expires > 0 {
        let id = metrics.identity.register(&IdentityLabels::Certificate);
        metrics.identity[id].expiration = Level(counts.expires as f64);
        metrics.identity[id].refreshed = Level(counts.refreshed as f64);
    }
    let refreshes =
        [(IdentityLabels::Refreshed, counts.refreshes_ok), (IdentityLabels::Failed, counts.refreshes_error)];
    for (labels, count) in refreshes.into_iter().filter(|(_, count)| *count > 0) {
        let id = metrics.identity.register(&labels);
        metrics.identity[id].refreshes.0 = count;
    }
}

fn discovery(metrics: &mut Metrics, counts: &Counts) {
    for kind in Kind::ALL {
        let counts = &counts.kinds[kind as usize];
        let id = metrics.discovery.register(&DiscoveryLabels { kind: kind.label(), reason: "" });
        metrics.discovery[id].age = Level(counts.stale_for.as_secs_f64());
        metrics.discovery[id].messages.0 = counts.messages;
        metrics.discovery[id].ended.0 = counts.streams.saturating_sub(counts.watched - counts.stale);
    }
    for (kind, reason, count) in &counts.invalid {
        let id = metrics.discovery.register(&DiscoveryLabels { kind: kind.label(), reason });
        metrics.discovery[id].invalid.0 = *count;
    }
}

fn constants(metrics: &mut Metrics) {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    // What is given when it is built: without these variables the same source gives the same binary wherever it is built.
    let build = [
        ("date", option_env!("LINKERD2_PROXY_BUILD_DATE").unwrap_or_default()),
        ("git_sha", option_env!("LINKERD2_PROXY_GIT_SHA").unwrap_or_default()),
        ("profile", profile),
        ("vendor", option_env!("LINKERD2_PROXY_VENDOR").unwrap_or("linkerd")),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    let rustls = [
        ("tls_suites", "TLS13_AES_128_GCM_SHA256,TLS13_AES_256_GCM_SHA384,TLS13_CHACHA20_POLY1305_SHA256"),
        ("tls_kx_groups", "X25519MLKEM768,X25519,secp256r1,secp384r1"),
        ("tls_rand", "AwsLcRs"),
        ("tls_key_provider", "AwsLcRs"),
        ("tls_fips", "false"),
    ];
    for labels in [ConstantLabels::Build(&build), ConstantLabels::Rustls(&rustls)] {
        let id = metrics.constants.register(&labels);
        metrics.constants[id].info = Level(1.0);
    }
}
