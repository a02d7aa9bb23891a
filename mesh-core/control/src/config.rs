//! What the answers of discovery and policy depend on beside the cluster: the arguments of `destination`.

use std::time::Duration;

use ipnet::IpNet;
use mesh_core::identity::{MeshNames, ServiceAccount, TrustDomain};
use mesh_core::names::ports;
use mesh_core::port::{PortRange, PortRanges};

use crate::record::Kind;

/// Settings of discovery and policy. [`Config::default`] is what the charts' defaults come to.
#[derive(Clone, Debug)]
pub struct Config {
    /// Namespace of the control plane.
    pub namespace: String,
    /// The cluster's DNS domain.
    pub cluster_domain: String,
    /// The names identities are made of.
    pub names: MeshNames,
    /// Whether proxies speak HTTP/2 with each other whatever the application speaks.
    pub h2_upgrade: bool,
    /// Whether every connection between proxies carries a transport header.
    pub transport_header: bool,
    /// Whether endpoints are read from EndpointSlices, and not from the older Endpoints.
    pub endpoint_slices: bool,
    /// Whether endpoints in the zone of the client weigh ten times as much.
    pub zone_weights: bool,
    /// Whether IPv6 addresses are handed out.
    pub ipv6: bool,
    /// Where a proxy takes redirected traffic when it does not say itself.
    pub inbound_port: u16,
    /// Opaque ports of workloads and Services that say nothing.
    pub opaque_ports: PortRanges,
    /// The cluster's own networks.
    pub cluster_networks: Vec<IpNet>,
    /// Networks that probes come from.
    pub probe_networks: Vec<IpNet>,
    /// What a port allows for which nobody says anything.
    pub default_inbound_policy: DefaultPolicy,
    /// How long a proxy waits for the first bytes that tell the protocol.
    pub detect_timeout: Duration,
    /// Namespace whose egress networks count for every namespace.
    pub egress_namespace: String,
    /// Keep-alive of connections between proxies.
    pub keep_alive: Option<KeepAlive>,
}

/// Keep-alive of HTTP/2 connections between proxies.
#[derive(Clone, Copy, Debug)]
pub struct KeepAlive {
    /// Between two pings.
    pub interval: Duration,
    /// Until the answer counts as missing.
    pub timeout: Duration,
    /// Whether to ask while no stream is open.
    pub while_idle: bool,
}

/// What a port allows for which nobody says anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DefaultPolicy {
    /// Everybody.
    #[default]
    AllUnauthenticated,
    /// Everybody with an identity of the mesh.
    AllAuthenticated,
    /// Everybody within the cluster's networks.
    ClusterUnauthenticated,
    /// Everybody within the cluster's networks with an identity of the mesh.
    ClusterAuthenticated,
    /// Nobody.
    Deny,
    /// Everybody, and what would have been refused is told.
    Audit,
}

/// A word that is none of the default policies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no default policy; use all-unauthenticated, all-authenticated, cluster-unauthenticated, cluster-authenticated, deny or audit"
)]
pub struct UnknownPolicy(String);

// === impl Config ===

impl Config {
    /// The identity of the workloads of an account of this mesh.
    pub fn identity(&self, namespace: &str, account: &str) -> String {
        self.names.workload(&ServiceAccount { namespace: namespace.to_owned(), name: account.to_owned() })
    }

    /// Whether answers are made from a kind.
    pub fn reads(&self, kind: Kind) -> bool {
        match kind {
            Kind::EndpointSlice => self.endpoint_slices,
            Kind::Endpoints => !self.endpoint_slices,
            _ => true,
        }
    }

    /// `<name>.<namespace>.svc.<cluster domain>`.
    pub fn authority(&self, key: &crate::record::Key) -> String {
        format!("{}.{}.svc.{}", key.name, key.namespace, self.cluster_domain)
    }
}

impl Default for Config {
    fn default() -> Self {
        let network = |text: &str| text.parse().ok();
        let cluster = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8"];
        Self {
            namespace: "linkerd".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            names: MeshNames::new("linkerd", TrustDomain::default()),
            h2_upgrade: true,
            transport_header: true,
            endpoint_slices: true,
            zone_weights: false,
            ipv6: false,
            inbound_port: ports::PROXY_INBOUND,
            opaque_ports: ports::DEFAULT_OPAQUE.iter().map(|port| PortRange::single(*port)).collect(),
            cluster_networks: cluster.into_iter().filter_map(network).collect(),
            probe_networks: ["0.0.0.0/0", "::/0"].into_iter().filter_map(network).collect(),
            default_inbound_policy: DefaultPolicy::default(),
            detect_timeout: Duration::from_secs(10),
            egress_namespace: "linkerd-egress".to_owned(),
            keep_alive: Some(KeepAlive {
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(3),
                while_idle: true,
            }),
        }
    }
}

// === impl DefaultPolicy ===

impl DefaultPolicy {
    /// The word for it, as annotations and metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllUnauthenticated => "all-unauthenticated",
            Self::AllAuthenticated => "all-authenticated",
            Self::ClusterUnauthenticated => "cluster-unauthenticated",
            Self::ClusterAuthenticated => "cluster-authenticated",
            Self::Deny => "deny",
            Self::Audit => "audit",
        }
    }
}

impl std::str::FromStr for DefaultPolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        let all = [
            Self::AllUnauthenticated,
            Self::AllAuthenticated,
            Self::ClusterUnauthenticated,
            Self::ClusterAuthenticated,
            Self::Deny,
            Self::Audit,
        ];
        let found = all.into_iter().find(|policy| policy.as_str() == text);
        found.ok_or_else(|| UnknownPolicy(text.chars().take(64).collect()))
    }
}
