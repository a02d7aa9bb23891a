//! Services.

use std::net::IpAddr;

use serde::Deserialize;

use super::meta::Meta;
use super::{Key, Labels, Mirror, Selector, Text};

/// A Service.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Object")]
pub struct Service {
    /// Its place.
    pub key: Key,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// What it is.
    pub kind: ServiceKind,
    /// The virtual addresses, one or two.
    pub cluster_ips: Box<[IpAddr]>,
    /// The ports it serves.
    pub ports: Box<[ServicePort]>,
    /// The pods behind it; none when somebody else writes its endpoints.
    pub selector: Option<Selector>,
    /// Whether only endpoints on the caller's node may be used (`internalTrafficPolicy: Local`).
    pub local_only: bool,
    /// Which endpoints come first (`trafficDistribution`). In a cluster the slice controller makes hints of it, and
    /// those are what counts.
    pub closest: Option<Closest>,
    /// Whether unready endpoints are published too.
    pub publish_not_ready: bool,
    /// Where its endpoints are, when they are in other clusters.
    pub mirror: Option<Box<Mirror>>,
    /// Annotations of the mesh.
    pub annotations: Labels,
}

/// Which endpoints come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closest {
    /// Those in the caller's zone.
    Zone,
    /// Those on the caller's node, then those in its zone.
    Node,
}

/// What a Service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// With a virtual address.
    ClusterIp,
    /// Without one: clients see the pods.
    Headless,
    /// A name for another name.
    ExternalName,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty when it has none.
    pub name: Text,
    /// Its number.
    pub port: u16,
    /// The port of the pods.
    pub target: PortTarget,
    /// The protocol the application speaks, as the user declared it.
    pub app_protocol: Option<Text>,
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PortTarget {
    /// By number.
    Number(u16),
    /// By the name a container gives it.
    Name(Text),
}

#[derive(Deserialize)]
struct Object {
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default, rename = "clusterIP")]
    cluster_ip: Option<String>,
    #[serde(default, rename = "clusterIPs")]
    cluster_ips: Option<Vec<String>>,
    #[serde(default)]
    ports: Option<Vec<WrittenPort>>,
    #[serde(default)]
    selector: Labels,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    internal_traffic_policy: Option<String>,
    #[serde(default)]
    publish_not_ready_addresses: bool,
    #[serde(default)]
    traffic_distribution: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenPort {
    #[serde(default)]
    name: Text,
    port: u16,
    #[serde(default)]
    target_port: Option<PortTarget>,
    #[serde(default)]
    app_protocol: Option<Text>,
    #[serde(default)]
    protocol: Option<String>,
}

// === impl Service ===

impl Service {
    /// The port with this number.
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.port == number)
    }

    /// An annotation of the mesh.
    pub fn annotation(&self, name: &str) -> Option<&Text> {
        self.annotations.value(name)
    }
}

impl From<Object> for Service {
    fn from(Object { metadata, spec }: Object) -> Self {
        let texts = spec
            .cluster_ips
            .filter(|ips| !ips.is_empty())
            .unwrap_or_else(|| spec.cluster_ip.into_iter().collect());
        let kind = if spec.kind.as_deref() == Some("ExternalName") {
            ServiceKind::ExternalName
        } else if texts.iter().any(|ip| ip == "None") {
            ServiceKind::Headless
        } else {
            ServiceKind::ClusterIp
        };
        let tcp = |port: &WrittenPort| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
        Self {
            key: metadata.key(),
            created: metadata.created(),
            kind,
            cluster_ips: texts.iter().filter_map(|ip| ip.parse().ok()).collect(),
            ports: spec.ports.unwrap_or_default().into_iter().filter(tcp).map(Into::into).collect(),
            selector: (!spec.selector.is_empty()).then(|| Selector::of_labels(&spec.selector)),
            local_only: spec.internal_traffic_policy.as_deref() == Some("Local"),
            closest: match spec.traffic_distribution.as_deref() {
                Some("PreferClose" | "PreferSameZone") => Some(Closest::Zone),
                Some("PreferSameNode") => Some(Closest::Node),
                _ => None,
            },
            publish_not_ready: spec.publish_not_ready_addresses,
            mirror: Mirror::of(&metadata),
            annotations: metadata.annotations.filtered(is_ours),
        }
    }
}

impl From<WrittenPort> for ServicePort {
    fn from(port: WrittenPort) -> Self {
        let target = port.target_port.unwrap_or(PortTarget::Number(port.port));
        Self { name: port.name, port: port.port, target, app_protocol: port.app_protocol }
    }
}

impl<'de> Deserialize<'de> for PortTarget {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u16),
            Name(Text),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Number(number) => Self::Number(number),
            Written::Name(name) => match name.parse() {
                Ok(number) => Self::Number(number),
                Err(_) => Self::Name(name),
            },
        })
    }
}

/// Whether an annotation is one that answers depend on.
pub(super) fn is_ours(name: &str) -> bool {
    name.split_once('/').is_some_and(|(domain, _)| domain.ends_with("linkerd.io"))
}
