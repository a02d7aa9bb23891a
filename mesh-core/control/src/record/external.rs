//! Workloads outside the cluster.

use std::net::IpAddr;

use serde::Deserialize;

use super::meta::Meta;
use super::{Key, Labels, Owner, Text, Uid, Weight};
use mesh_core::names::annotations;

/// A workload outside the cluster that takes part in the mesh.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Object")]
pub struct ExternalWorkload {
    /// Its place.
    pub key: Key,
    /// Its identity as an object.
    pub uid: Option<Uid>,
    /// Its labels.
    pub labels: Labels,
    /// The name in its certificate, a DNS name or a SPIFFE URI.
    pub identity: Text,
    /// The name it takes TLS under.
    pub server_name: Text,
    /// Its addresses.
    pub ips: Box<[IpAddr]>,
    /// Names (empty when there is none) and numbers of its ports.
    pub ports: Box<[(Text, u16)]>,
    /// Whether it says that it is ready.
    pub ready: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// How much of a Service's traffic it is to get.
    pub weight: Weight,
    /// Whom it belongs to.
    pub owner: Option<Owner>,
    /// The mesh's annotations.
    pub annotations: Labels,
}

#[derive(Deserialize)]
struct Object {
    metadata: Meta,
    spec: Spec,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "meshTLS", alias = "meshTls")]
    mesh_tls: MeshTls,
    #[serde(default, rename = "workloadIPs")]
    workload_ips: Option<Vec<Ip>>,
    #[serde(default)]
    ports: Option<Vec<Port>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MeshTls {
    identity: Text,
    server_name: Text,
}

#[derive(Deserialize)]
struct Ip {
    ip: String,
}

#[derive(Deserialize)]
struct Port {
    #[serde(default)]
    name: Text,
    port: u16,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Option<Vec<Condition>>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    status: String,
}

impl TryFrom<Object> for ExternalWorkload {
    type Error = String;

    fn try_from(Object { metadata, spec, status }: Object) -> Result<Self, String> {
        let mut ips = Vec::new();
        for Ip { ip } in spec.workload_ips.unwrap_or_default() {
            ips.push(ip.parse().map_err(|_| format!("spec.workloadIPs: {ip:?} is not an IP address"))?);
        }
        let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
        Ok(Self {
            key: metadata.key(),
            uid: metadata.uid(),
            identity: spec.mesh_tls.identity,
            server_name: spec.mesh_tls.server_name,
            ips: ips.into(),
            ports: spec.ports.unwrap_or_default().into_iter().map(|port| (port.name, port.port)).collect(),
            ready: conditions.iter().any(|it| it.kind == "Ready" && it.status == "True"),
            deleting: metadata.deletion_timestamp.is_some(),
            weight: Weight::of(&metadata),
            owner: Owner::of(&metadata),
            labels: metadata.labels,
            annotations: metadata.annotations.filtered(|name| {
                name == annotations::OPAQUE_PORTS || name == annotations::DEFAULT_INBOUND_POLICY
            }),
        })
    }
}

impl ExternalWorkload {
    /// The number of the port with this name.
    pub fn named_port(&self, name: &str) -> Option<u16> {
        self.ports.iter().find(|(known, _)| known == name).map(|(_, port)| *port)
    }
}
