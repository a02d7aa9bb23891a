//! What discovery knows of a workload at one of its ports: how to reach it, who it is, what it speaks.

use std::net::SocketAddr;

use linkerd2_proxy_api::destination::{
    Http2ClientParams, ProtocolHint, TlsIdentity, WeightedAddr, http2_client_params, protocol_hint,
    tls_identity,
};

use super::encode::Labels;
use crate::config::Config;
use crate::index::{Interest, Reads, Store};
use crate::record::{
    ExternalWorkload, Key, Labels as ObjectLabels, Pod, PortTarget, Protocol, Text, Weight, WorkloadSelector,
};
use mesh_core::names::{annotations, labels, ports};
use mesh_core::port::PortRange;

/// Where an external workload's proxy takes traffic: it has no environment that could be read.
const EXTERNAL_INBOUND: u16 = ports::PROXY_INBOUND;

/// A workload at one of its addresses and ports.
pub enum Workload<'a> {
    /// A pod.
    Pod(&'a Pod),
    /// One outside the cluster.
    External(&'a ExternalWorkload),
}

impl Workload<'_> {
    /// The address as clients get it, without labels.
    pub fn address(
        &self,
        address: SocketAddr,
        store: &Store,
        config: &Config,
        reads: &mut Reads,
    ) -> WeightedAddr {
        let opaque = self.is_opaque(address.port(), store, config, reads);
        let meshed = self.is_meshed(address.port());
        WeightedAddr {
            addr: Some(address.into()),
            weight: self.weight().on_the_wire(),
            tls_identity: self.identity(address.port(), config),
            protocol_hint: meshed.then(|| self.hint(address.port(), opaque, config)).flatten(),
            http2: if meshed { keep_alive(config) } else { None },
            ..WeightedAddr::default()
        }
    }

    /// The labels of its metrics, by name.
    pub fn labels(&self, store: &Store, reads: &mut Reads) -> Labels {
        let mut found: Labels = Vec::with_capacity(8);
        let owner = match self {
            Self::Pod(pod) => {
                if let Some(namespace) = pod.control_plane() {
                    found.push(("control_plane_ns", namespace.to_string()));
                }
                if let Some(hash) = pod.labels.value("pod-template-hash") {
                    found.push(("pod_template_hash", hash.to_string()));
                }
                found.push(("serviceaccount", pod.service_account.to_string()));
                found.push(("pod", pod.key.name.to_string()));
                pod.owner.as_ref()
            }
            Self::External(workload) => {
                found.push(("external_workload", workload.key.name.to_string()));
                workload.owner.as_ref()
            }
        };
        if let Some(owner) = owner {
            if let Some(label) = owner_label(&owner.kind) {
                found.push((label, owner.name.to_string()));
            }
            if matches!(owner.kind.as_str(), "ReplicaSet" | "Job") {
                let key = Key { namespace: self.key().namespace.clone(), name: owner.name.clone() };
                reads.note(Interest::Owner(key.clone()));
                let above = store.owned(&owner.kind, &key).and_then(|owned| owned.owner.as_ref());
                if let Some((label, above)) = above.and_then(|above| Some((owner_label(&above.kind)?, above)))
                {
                    // A Deployment takes the place of its ReplicaSet; a Job keeps its own name beside the CronJob's.
                    if owner.kind == "ReplicaSet" {
                        found.pop();
                    }
                    found.push((label, above.name.to_string()));
                }
            }
        }
        found.sort_by_key(|(name, _)| *name);
        found
    }

    /// Whether bytes at the port are not to be looked at: its own annotation, the default, or a Server says so.
    pub fn is_opaque(&self, port: u16, store: &Store, config: &Config, reads: &mut Reads) -> bool {
        let named = |name: &str| self.named_port(name);
        let listed = match self.annotation(annotations::OPAQUE_PORTS) {
            // Present but empty means none.
            Some(list) => lists_port(list, port, named),
            None => config.opaque_ports.contains(port),
        };
        listed || self.server_protocol(port, store, reads) == Some(Protocol::Opaque)
    }

    /// What the Server that claims the port says is spoken there. All Servers are asked, so two that overlap cannot
    /// take turns; the oldest wins, as for policy.
    fn server_protocol(&self, port: u16, store: &Store, reads: &mut Reads) -> Option<Protocol> {
        let namespace = &self.key().namespace;
        reads.note(Interest::Policy(namespace.clone()));
        let claims = |server: &&std::sync::Arc<crate::record::Server>| {
            self.selected_by(&server.selector) && self.port_of(&server.port) == Some(port)
        };
        // Only Servers of the workload's own namespace count: nobody configures his neighbour.
        store.servers(namespace).into_iter().find(claims).map(|server| server.protocol)
    }

    /// Whether a selector of the workload's namespace means it.
    pub fn selected_by(&self, selector: &WorkloadSelector) -> bool {
        match (self, selector) {
            (Self::Pod(pod), WorkloadSelector::Pods(selector)) => selector.matches(&pod.labels),
            (Self::External(workload), WorkloadSelector::External(selector)) => {
                selector.matches(&workload.labels)
            }
            _ => false,
        }
    }

    /// The number behind a port by name or number.
    pub fn port_of(&self, port: &PortTarget) -> Option<u16> {
        match port {
            PortTarget::Number(number) => Some(*number),
            PortTarget::Name(name) => self.named_port(name),
        }
    }

    /// Its place.
    pub fn key(&self) -> &Key {
        match self {
            Self::Pod(pod) => &pod.key,
            Self::External(workload) => &workload.key,
        }
    }

    /// Its labels.
    pub fn object_labels(&self) -> &ObjectLabels {
        match self {
            Self::Pod(pod) => &pod.labels,
            Self::External(workload) => &workload.labels,
        }
    }

    /// One of the mesh's annotations on it.
    pub fn annotation(&self, name: &str) -> Option<&Text> {
        match self {
            Self::Pod(pod) => pod.annotation(name),
            Self::External(workload) => workload.annotations.value(name),
        }
    }

    /// How much of a Service's traffic it is to get.
    fn weight(&self) -> Weight {
        match self {
            Self::Pod(pod) => pod.weight,
            Self::External(workload) => workload.weight,
        }
    }

    fn named_port(&self, name: &str) -> Option<u16> {
        match self {
            Self::Pod(pod) => pod.named_port(name),
            Self::External(workload) => workload.named_port(name),
        }
    }

    /// Whether its proxy, of whichever control plane, sees traffic to the port.
    fn is_meshed(&self, port: u16) -> bool {
        match self {
            Self::Pod(pod) => pod.control_plane().is_some() && !self.skips(port),
            Self::External(_) => true,
        }
    }

    fn skips(&self, port: u16) -> bool {
        let list = self.annotation(annotations::SKIP_INBOUND_PORTS);
        list.is_some_and(|list| lists_port(list, port, |name| self.named_port(name)))
    }

    fn identity(&self, port: u16, config: &Config) -> Option<TlsIdentity> {
        let dns = |name: &str| tls_identity::DnsLikeIdentity { name: name.to_owned() };
        match self {
            Self::Pod(pod) => {
                let ours =
                    pod.control_plane().is_some_and(|namespace| *namespace == config.namespace.as_str());
                if !ours || self.skips(port) {
                    return None;
                }
                let name = config.identity(&pod.key.namespace, &pod.service_account);
                Some(TlsIdentity {
                    server_name: Some(dns(&name)),
                    strategy: Some(tls_identity::Strategy::DnsLikeIdentity(dns(&name))),
                })
            }
            Self::External(workload) => {
                let uri = tls_identity::UriLikeIdentity { uri: workload.identity.to_string() };
                Some(TlsIdentity {
                    server_name: Some(dns(&workload.server_name)),
                    strategy: Some(tls_identity::Strategy::UriLikeIdentity(uri)),
                })
            }
        }
    }

    fn hint(&self, port: u16, opaque: bool, config: &Config) -> Option<ProtocolHint> {
        let protocol = if opaque {
            Some(protocol_hint::Protocol::Opaque(protocol_hint::Opaque {}))
        } else {
            config.h2_upgrade.then_some(protocol_hint::Protocol::H2(protocol_hint::H2 {}))
        };
        let (inbound, own) = match self {
            Self::Pod(pod) => {
                let facts = pod.proxy.unwrap_or_default();
                let own = [
                    facts.admin.unwrap_or(ports::PROXY_ADMIN),
                    facts.control.unwrap_or(ports::PROXY_CONTROL),
                ];
                // A proxy that does not name its port uses the one the control plane gives out.
                (facts.inbound.unwrap_or(config.inbound_port), own)
            }
            Self::External(_) => (EXTERNAL_INBOUND, [ports::PROXY_ADMIN, ports::PROXY_CONTROL]),
        };
        // The proxy's own ports are not redirected, so nobody would read the header there.
        let wrapped = (opaque || config.transport_header) && !own.contains(&port);
        let transport = wrapped.then(|| protocol_hint::OpaqueTransport { inbound_port: inbound.into() });
        (protocol.is_some() || transport.is_some())
            .then_some(ProtocolHint { protocol, opaque_transport: transport })
    }
}

/// Whether a list of ports, ranges and names has `port`. An item that is none of them is skipped; `check` tells of it.
pub fn lists_port(list: &str, port: u16, named: impl Fn(&str) -> Option<u16>) -> bool {
    list.split(',').map(str::trim).filter(|item| !item.is_empty()).any(|item| {
        match item.parse::<PortRange>() {
            Ok(range) => range.contains(port),
            Err(_) => named(item) == Some(port),
        }
    })
}

fn keep_alive(config: &Config) -> Option<Http2ClientParams> {
    let keep_alive = config.keep_alive?;
    Some(Http2ClientParams {
        keep_alive: Some(http2_client_params::KeepAlive {
            interval: prost_types::Duration::try_from(keep_alive.interval).ok(),
            timeout: prost_types::Duration::try_from(keep_alive.timeout).ok(),
            while_idle: keep_alive.while_idle,
        }),
        ..Http2ClientParams::default()
    })
}

/// The label that names an owner of this kind in metrics. `job` belongs to Prometheus.
fn owner_label(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "Deployment" => "deployment",
        "ReplicaSet" => "replicaset",
        "ReplicationController" => "replicationcontroller",
        "StatefulSet" => "statefulset",
        "DaemonSet" => "daemonset",
        "Job" => "k8s_job",
        "CronJob" => "cronjob",
        _ => return None,
    })
}

/// Whether an object belongs to a control plane at all.
pub fn has_control_plane(of: &ObjectLabels) -> bool {
    of.value(labels::CONTROL_PLANE_NS).is_some()
}
