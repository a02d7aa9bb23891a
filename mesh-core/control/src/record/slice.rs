//! EndpointSlices.

use std::net::IpAddr;

use serde::Deserialize;

use super::meta::Meta;
use super::{Key, List, Text};

/// The label that names the Service of a slice.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label that names who looks after a slice.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Annotations of slices that lead to a gateway of another cluster.
const GATEWAY_IDENTITY: &str = "mirror.linkerd.io/remote-gateway-identity";
const GATEWAY_AUTHORITY: &str = "mirror.linkerd.io/remote-svc-fq-name";
/// The label that names the other cluster.
const GATEWAY_CLUSTER: &str = "mirror.linkerd.io/cluster-name";

/// A part of the endpoints of a Service.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Object")]
pub struct EndpointSlice {
    /// Its place.
    pub key: Key,
    /// Name of the Service, in the same namespace; empty when it belongs to none.
    pub service: Text,
    /// What its addresses are.
    pub family: AddressFamily,
    /// Name and number of each port; a port without a number is any.
    pub ports: Box<[(Text, u16)]>,
    /// The endpoints.
    pub endpoints: Box<[Endpoint]>,
    /// Whether it is one of those that are made for workloads outside the cluster.
    pub external: bool,
    /// Set when all endpoints are a gateway's.
    pub gateway: Option<Gateway>,
}

/// What the addresses of a slice are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// IPv4 addresses.
    V4,
    /// IPv6 addresses.
    V6,
    /// Names: not supported by the mesh.
    Names,
}

/// One endpoint of a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// The address. Kubernetes lists one for each endpoint.
    pub ip: IpAddr,
    /// May be sent traffic. Unknown counts as yes.
    pub ready: bool,
    /// Still serves, though it may be on its way out.
    pub serving: bool,
    /// On its way out.
    pub terminating: bool,
    /// The name under which this one is addressed (`web-0.web`).
    pub hostname: Option<Text>,
    /// The node it is on.
    pub node: Option<Text>,
    /// The zone it is in.
    pub zone: Option<Text>,
    /// The clients it is meant for.
    pub hints: List<Hint>,
    /// What is behind it.
    pub target: Option<(TargetKind, Key)>,
}

/// Whose clients an endpoint is meant for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// Those in a zone.
    Zone(Text),
    /// Those on a node.
    Node(Text),
}

/// What is behind an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// A pod.
    Pod,
    /// A workload outside the cluster.
    ExternalWorkload,
}

/// The gateway of another cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its identity; without one it is reached in the clear.
    pub identity: Option<Text>,
    /// The cluster.
    pub cluster: Option<Text>,
    /// The name of the Service behind it, without a port.
    pub authority: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    metadata: Meta,
    address_type: String,
    #[serde(default)]
    ports: Option<Vec<WrittenPort>>,
    #[serde(default)]
    endpoints: Option<Vec<WrittenEndpoint>>,
}

#[derive(Deserialize)]
struct WrittenPort {
    #[serde(default)]
    name: Option<Text>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    protocol: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenEndpoint {
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Option<Conditions>,
    #[serde(default)]
    hostname: Option<Text>,
    #[serde(default)]
    node_name: Option<Text>,
    #[serde(default)]
    zone: Option<Text>,
    #[serde(default)]
    hints: Option<Hints>,
    #[serde(default)]
    target_ref: Option<TargetRef>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Conditions {
    #[serde(default)]
    ready: Option<bool>,
    #[serde(default)]
    serving: Option<bool>,
    #[serde(default)]
    terminating: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hints {
    #[serde(default)]
    for_zones: Option<Vec<Place>>,
    #[serde(default)]
    for_nodes: Option<Vec<Place>>,
}

#[derive(Deserialize)]
struct Place {
    name: Text,
}

/// What an endpoint says stands behind it.
#[derive(Deserialize)]
pub(super) struct TargetRef {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    name: Text,
    #[serde(default)]
    namespace: Option<Text>,
}

// === impl EndpointSlice ===

impl From<Object> for EndpointSlice {
    fn from(Object { metadata, address_type, ports, endpoints }: Object) -> Self {
        let family = match address_type.as_str() {
            "IPv4" => AddressFamily::V4,
            "IPv6" => AddressFamily::V6,
            _ => AddressFamily::Names,
        };
        let tcp = |port: &WrittenPort| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
        let ports = ports.unwrap_or_default().into_iter().filter(tcp);
        Self {
            service: metadata.labels.value(SERVICE_NAME).cloned().unwrap_or_default(),
            family,
            ports: ports.map(|port| (port.name.unwrap_or_default(), port.port.unwrap_or(0))).collect(),
            endpoints: endpoints
                .unwrap_or_default()
                .into_iter()
                .filter_map(|endpoint| endpoint.reduced(&metadata.namespace))
                .collect(),
            external: metadata
                .labels
                .value(MANAGED_BY)
                .is_some_and(|by| *by == crate::destination::external::MANAGER),
            gateway: gateway(&metadata),
            key: metadata.key(),
        }
    }
}

/// The gateway that the endpoints of an object are, when its annotations say so.
pub(super) fn gateway(metadata: &Meta) -> Option<Gateway> {
    let identity = metadata.annotation(GATEWAY_IDENTITY).filter(|identity| !identity.is_empty());
    let cluster = metadata.labels.value(GATEWAY_CLUSTER).filter(|cluster| !cluster.is_empty());
    (identity.is_some() || cluster.is_some()).then(|| Gateway {
        identity: identity.cloned(),
        cluster: cluster.cloned(),
        authority: metadata.annotation(GATEWAY_AUTHORITY).filter(|name| !name.is_empty()).cloned(),
    })
}

impl TargetRef {
    /// None for what can be no endpoint of the mesh.
    pub(super) fn reduced(self, namespace: &Text) -> Option<(TargetKind, Key)> {
        let kind = match self.kind.as_deref() {
            Some("Pod") => TargetKind::Pod,
            Some("ExternalWorkload") => TargetKind::ExternalWorkload,
            _ => return None,
        };
        let namespace = self.namespace.unwrap_or_else(|| namespace.clone());
        Some((kind, Key { namespace, name: self.name }))
    }
}

impl Hints {
    fn reduced(self) -> List<Hint> {
        let zones = self.for_zones.unwrap_or_default().into_iter().map(|zone| Hint::Zone(zone.name));
        let nodes = self.for_nodes.unwrap_or_default().into_iter().map(|node| Hint::Node(node.name));
        zones.chain(nodes).collect()
    }
}

impl WrittenEndpoint {
    /// None for an endpoint without an address that can be dialled.
    fn reduced(self, namespace: &Text) -> Option<Endpoint> {
        let ip = self.addresses.first()?.parse().ok()?;
        let conditions = self.conditions.unwrap_or_default();
        let ready = conditions.ready.unwrap_or(true);
        let target = self.target_ref.and_then(|target| target.reduced(namespace));
        Some(Endpoint {
            ip,
            ready,
            serving: conditions.serving.unwrap_or(ready),
            terminating: conditions.terminating.unwrap_or(false),
            hostname: self.hostname.filter(|name| !name.is_empty()),
            node: self.node_name,
            zone: self.zone,
            hints: self.hints.map(Hints::reduced).unwrap_or_default(),
            target,
        })
    }
}
