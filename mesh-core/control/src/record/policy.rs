//! Servers and who may reach them.

use serde::Deserialize;

use super::meta::Meta;
use super::service::PortTarget;
use super::{Key, Selector};

/// A port of some workloads, and who may use it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "ServerObject")]
pub struct Server {
    /// Its place.
    pub key: Key,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Its labels, by which authorizations may select it.
    pub labels: super::Labels,
    /// The workloads, in its namespace.
    pub selector: WorkloadSelector,
    /// The port.
    pub port: PortTarget,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Who is allowed beside those that are authorized.
    pub access: AccessPolicy,
}

/// Which workloads.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkloadSelector {
    /// Pods.
    Pods(Selector),
    /// Workloads outside the cluster.
    External(Selector),
}

/// What is spoken at a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    /// Found out from the first bytes.
    #[default]
    #[serde(rename = "unknown")]
    Unknown,
    /// HTTP/1.
    #[serde(rename = "HTTP/1")]
    Http1,
    /// HTTP/2.
    #[serde(rename = "HTTP/2")]
    Http2,
    /// gRPC.
    #[serde(rename = "gRPC")]
    Grpc,
    /// Bytes that are not looked at.
    #[serde(rename = "opaque")]
    Opaque,
    /// TLS of the application.
    #[serde(rename = "TLS")]
    Tls,
}

/// Who is allowed where no authorization says anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessPolicy {
    /// Nobody.
    #[default]
    Deny,
    /// Everybody, and what would have been refused is told.
    Audit,
    /// Everybody.
    AllUnauthenticated,
    /// Everybody with an identity of the mesh.
    AllAuthenticated,
    /// Everybody within the cluster's networks.
    ClusterUnauthenticated,
    /// Everybody within the cluster's networks with an identity of the mesh.
    ClusterAuthenticated,
}

#[derive(Deserialize)]
struct ServerObject {
    metadata: Meta,
    spec: ServerSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServerSpec {
    #[serde(default)]
    pod_selector: Option<Selector>,
    #[serde(default)]
    external_workload_selector: Option<Selector>,
    port: PortTarget,
    #[serde(default)]
    proxy_protocol: Protocol,
    #[serde(default)]
    access_policy: AccessPolicy,
}

impl TryFrom<ServerObject> for Server {
    type Error = &'static str;

    fn try_from(ServerObject { metadata, spec }: ServerObject) -> Result<Self, Self::Error> {
        let selector = match (spec.pod_selector, spec.external_workload_selector) {
            (Some(pods), None) => WorkloadSelector::Pods(pods),
            (None, Some(external)) => WorkloadSelector::External(external),
            (Some(_), Some(_)) => {
                return Err("spec: podSelector and externalWorkloadSelector exclude each other");
            }
            (None, None) => return Err("spec: podSelector or externalWorkloadSelector is required"),
        };
        Ok(Self {
            key: metadata.key(),
            created: metadata.created(),
            labels: metadata.labels,
            selector,
            port: spec.port,
            protocol: spec.proxy_protocol,
            access: spec.access_policy,
        })
    }
}
