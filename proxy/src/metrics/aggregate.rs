//! All tables of a worker, and the sum over workers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::control::{Constants, Discovery, Dns, Identity, Process, Runtime, SpanExport, Tap};
use super::exposition::{Exposition, Format};
use super::http::{ProfileRetries, Requests};
use super::inbound::{Authz, Detect, InboundRoute, TransportHeaders};
use super::labels::{LabelSet, Variant};
use super::outbound::{
    Balancer, OutboundBackend, OutboundRoute, Protocols, TlsHost, TransferCost, TransportRoute,
};
use super::table::{Family, Group, Part, SeriesKey, Table};
use super::transport::{ProxyErrors, Stacks, Transport};

macro_rules! tables {
    ($($(#[$doc:meta])+ $field:ident: $group:ident,)+) => {
        /// Everything that one worker counts.
        #[derive(Default)]
        pub struct Metrics {
            $($(#[$doc])+ pub $field: Table<$group>,)+
        }

        /// [`Metrics`] as they were at one moment.
        #[derive(Clone)]
        pub struct Snapshot {
            $($field: Part<$group>,)+
        }

        /// Adds up what workers count, and remembers what a worker has dropped as long as another still has it.
        #[derive(Default)]
        pub struct Aggregate {
            $($field: Base<$group>,)+
        }

        impl Metrics {
            /// Drops what has been idle for `retain`, and copies the rest.
            pub fn snapshot(&mut self, now: Instant, retain: Duration) -> Snapshot {
                $(self.$field.sweep(now, retain);)+
                Snapshot { $($field: self.$field.part(),)+ }
            }
        }

        impl Aggregate {
            /// The text of the sum of these snapshots, one a worker, and what they tell the aggregate is remembered.
            pub fn write(&mut self, snapshots: Vec<Snapshot>, format: Format) -> String {
                let mut out = Exposition::new(format);
                $(let mut $field = Vec::with_capacity(snapshots.len());)+
                for snapshot in snapshots {
                    $($field.push(snapshot.$field);)+
                }
                $(self.$field.write($field, &mut out);)+
                out.finish()
            }
        }

        /// Every group with its families: prefix, families, labels. For the reference page.
        pub fn families() -> Vec<(&'static [&'static str], &'static [Family], &'static str)> {
            vec![$((
                <<$group as Group>::Labels<'static> as LabelSet>::PREFIXES,
                <$group as Group>::FAMILIES,
                <$group as Group>::LABELS,
            ),)+]
        }
    };
}

tables! {
    /// Requests by endpoint, profile route, and to the control plane.
    requests: Requests,
    /// Retries of profile routes.
    profile_retries: ProfileRetries,
    /// Connections.
    transport: Transport,
    /// Decisions of inbound policy.
    authz: Authz,
    /// Errors of the proxy.
    errors: ProxyErrors,
    /// What comes and goes.
    stacks: Stacks,
    /// Requests of inbound routes.
    inbound_route: InboundRoute,
    /// Protocol detection.
    detect: Detect,
    /// Connections with a transport header.
    transport_headers: TransportHeaders,
    /// Requests of outbound routes.
    outbound_route: OutboundRoute,
    /// Attempts at backends.
    outbound_backend: OutboundBackend,
    /// Balancers.
    balancer: Balancer,
    /// Connections of the application.
    protocols: Protocols,
    /// Connections of opaque and TLS routes.
    transport_route: TransportRoute,
    /// TLS that is passed through.
    tls_host: TlsHost,
    /// Octets between zones.
    transfer_cost: TransferCost,
    /// DNS, on the control thread.
    dns: Dns,
    /// The certificate, on the control thread.
    identity: Identity,
    /// Discovery, on the control thread.
    discovery: Discovery,
    /// Export of spans, on the control thread.
    span_export: SpanExport,
    /// Taps, on the control thread.
    tap: Tap,
    /// Constants, on the control thread.
    constants: Constants,
    /// The process, on the control thread.
    process: Process,
    /// Threads and tasks, on the control thread.
    runtime: Runtime,
}

/// What workers have dropped while another still has the series.
struct Base<G> {
    dropped: BTreeMap<SeriesKey, G>,
}

// === impl Base ===

impl<G> Default for Base<G> {
    fn default() -> Self {
        Self { dropped: BTreeMap::new() }
    }
}

impl<G: Group> Base<G> {
    fn write(&mut self, parts: Vec<Part<G>>, out: &mut Exposition) {
        let mut sums: BTreeMap<SeriesKey, G> = BTreeMap::new();
        for part in parts {
            for (key, values) in part.live {
                add(&mut sums, key, values);
            }
            for (key, values) in part.retired {
                add(&mut self.dropped, key, values);
            }
        }
        // Without its former part the sum would shrink, and a reader of counters take it for a restart. When nobody has it any
        // more it is gone for good.
        self.dropped.retain(|key, _| sums.contains_key(key));
        for (key, values) in &self.dropped {
            if let Some(sum) = sums.get_mut(key) {
                sum.merge(values);
            }
        }
        for (index, prefix) in <G::Labels<'static> as LabelSet>::PREFIXES.iter().enumerate() {
            let variant = Variant(u8::try_from(index).unwrap_or(u8::MAX));
            for (index, family) in G::FAMILIES.iter().enumerate() {
                out.family(prefix, family, |samples| {
                    for (key, values) in sums.iter().filter(|(key, _)| key.variant == variant) {
                        samples.series(&key.labels);
                        values.write(index, samples);
                    }
                });
            }
        }
    }
}

fn add<G: Group>(sums: &mut BTreeMap<SeriesKey, G>, key: SeriesKey, values: G) {
    match sums.get_mut(&key) {
        Some(sum) => sum.merge(&values),
        None => {
            sums.insert(key, values);
        }
    }
}
