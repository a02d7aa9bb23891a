//! Servers of the control plane.

use std::time::Duration;

use ipnet::IpNet;
use mesh_core::names::env as injected;
use proxy_net::backoff::Backoff;

use super::env::{Form, Reader};
use super::outbound::Outbound;
use super::process::ID;
use super::sockets::duration;
use super::{HostPort, Suffixes, names, parse};
use crate::identity::Id;

/// A server of the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where it is.
    pub address: HostPort,
    /// Who it is; none on the same machine, where neither identity nor TLS is used.
    pub identity: Option<Id>,
}

/// Where destinations are looked up.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The server.
    pub service: Service,
    /// Text that is sent with every lookup, for the server alone to read.
    pub context: String,
    /// Names whose profile is looked up.
    pub profile_suffixes: Suffixes,
    /// Networks whose addresses have their profile looked up.
    pub profile_networks: Vec<IpNet>,
    /// Names whose endpoints are looked up; none is all.
    pub get_suffixes: Option<Suffixes>,
}

/// Where policies are looked up.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The server.
    pub service: Service,
    /// Text that names this workload, for the server alone to read.
    pub workload: String,
}

/// How servers of the control plane are spoken to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Control {
    /// Between attempts to connect or to watch.
    pub backoff: Backoff,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long streams may be silent, and live.
    pub streams: StreamLimits,
    /// How answers of DNS are used.
    pub dns: Dns,
}

/// Limits of a stream from the control plane; none is no limit. They end the stream, and another begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamLimits {
    /// Until the first message.
    pub initial: Option<Duration>,
    /// Between messages.
    pub idle: Option<Duration>,
    /// In all.
    pub lifetime: Option<Duration>,
}

/// How long answers of DNS are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// At least.
    pub min_ttl: Option<Duration>,
    /// At most.
    pub max_ttl: Option<Duration>,
}

const CONTEXT: Form = Form("the token that the injector writes, such as {\"ns\":\"prod\",\"pod\":\"web-0\"}");

// === impl Service ===

impl Service {
    /// A server that has to be named.
    pub(super) fn required(reader: &Reader<'_>, address: &str, identity: &str) -> Option<Self> {
        reader.required(address, parse::AUTHORITY)?;
        Self::read(reader, address, identity)
    }

    /// A server and who it is: both, unless it is on the same machine.
    pub(super) fn read(reader: &Reader<'_>, address: &str, identity: &str) -> Option<Self> {
        let host = reader.parsed(address, parse::AUTHORITY, parse::host_port);
        let id = reader.parsed(identity, ID, str::parse::<Id>);
        let Some(host) = host else {
            if id.is_some() && reader.text(address).is_none() {
                reader.refuse(address, None, format!("is not set, but {identity} is"), parse::AUTHORITY);
            }
            return None;
        };
        if host.is_loopback() {
            return Some(Self { address: host, identity: None });
        }
        if id.is_none() && reader.text(identity).is_none() {
            reader.refuse(identity, None, format!("is not set, but {address} is"), ID);
        }
        Some(Self { address: host, identity: Some(id?) })
    }
}

// === impl Destination ===

impl Destination {
    /// Whether the endpoints of a name are looked up.
    pub fn gets(&self, name: &str) -> bool {
        self.get_suffixes.as_ref().is_none_or(|suffixes| suffixes.contains(name))
    }

    pub(super) fn read(reader: &Reader<'_>) -> Option<Self> {
        let service =
            Service::required(reader, injected::DESTINATION_SVC_ADDR, injected::DESTINATION_SVC_NAME);
        let suffixes = injected::DESTINATION_PROFILE_SUFFIXES;
        let text = reader.raw(suffixes).map_or("svc.cluster.local.", str::trim);
        let profile_suffixes = reader.keep(suffixes, text, parse::SUFFIXES, parse::suffixes(text));
        let networks = injected::DESTINATION_PROFILE_NETWORKS;
        let profile_networks = reader.parsed(networks, parse::NETWORKS, parse::networks);
        // What older injectors set instead.
        let get_networks =
            reader.parsed(injected::DESTINATION_GET_NETWORKS, parse::NETWORKS, parse::networks);
        let get_suffixes = injected::DESTINATION_GET_SUFFIXES;
        Some(Self {
            service: service?,
            context: reader.raw(injected::DESTINATION_CONTEXT).unwrap_or_default().to_owned(),
            profile_suffixes: profile_suffixes.unwrap_or_default(),
            profile_networks: profile_networks.or(get_networks).unwrap_or_default(),
            get_suffixes: reader.parsed(get_suffixes, parse::SUFFIXES, parse::suffixes),
        })
    }
}

// === impl Policy ===

impl Policy {
    pub(super) fn read(reader: &Reader<'_>) -> Option<Self> {
        let service = Service::required(reader, injected::POLICY_SVC_ADDR, injected::POLICY_SVC_NAME);
        let workload = reader.required(injected::POLICY_WORKLOAD, CONTEXT);
        Some(Self { service: service?, workload: workload?.to_owned() })
    }
}

// === impl Control ===

impl Control {
    pub(super) fn read(reader: &Reader<'_>, outbound: &Outbound) -> Self {
        Self {
            backoff: outbound.backoff,
            connect_timeout: outbound.connect_timeout,
            streams: StreamLimits::read(reader),
            dns: Dns {
                min_ttl: duration(reader, names::DNS_MIN_TTL),
                max_ttl: duration(reader, names::DNS_MAX_TTL),
            },
        }
    }
}

// === impl StreamLimits ===

impl StreamLimits {
    fn read(reader: &Reader<'_>) -> Self {
        let [initial, idle, lifetime] = [
            injected::CONTROL_STREAM_INITIAL_TIMEOUT,
            injected::CONTROL_STREAM_IDLE_TIMEOUT,
            injected::CONTROL_STREAM_LIFETIME,
        ]
        .map(|name| (name, duration(reader, name)));
        for (shorter, longer) in [(initial, idle), (idle, lifetime), (initial, lifetime)] {
            if let (Some(short), Some(long)) = (shorter.1, longer.1)
                && short > long
            {
                let cause = format!("is shorter than {} ({short:?})", shorter.0);
                reader.refuse(longer.0, reader.text(longer.0), cause, Form("a time that is not shorter"));
            }
        }
        Self { initial: initial.1, idle: idle.1, lifetime: lifetime.1 }
    }
}
