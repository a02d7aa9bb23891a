//! Pods: addresses, ports, probes and what the mesh's annotations say.

use std::net::IpAddr;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::meta::Meta;
use super::service::PortTarget;
use super::text::Passing;
use super::{Key, Labels, List, Owner, Text, Uid, Weight};
use mesh_core::names::{annotations, containers, labels};

/// A pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its place.
    pub key: Key,
    /// Its identity; a pod made again under the same name has another.
    pub uid: Option<Uid>,
    /// Its labels.
    pub labels: Labels,
    /// Its addresses, none before it has been given one.
    pub ips: Box<[IpAddr]>,
    /// The addresses of its node.
    pub host_ips: List<IpAddr>,
    /// Whether it uses its node's network.
    pub host_network: bool,
    /// How far it is.
    pub phase: Phase,
    /// Whether its containers are ready.
    pub ready: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its node.
    pub node: Option<Text>,
    /// Its name and that of its headless Service, when it is addressed on its own.
    pub hostname: Option<(Text, Text)>,
    /// The account it runs as.
    pub service_account: Text,
    /// Whom it belongs to, when that is exactly one.
    pub owner: Option<Owner>,
    /// The ports of all containers, init containers included.
    pub ports: List<ContainerPort>,
    /// Paths that are probed over HTTP GET, without their queries, and at which port.
    pub probes: List<(u16, Text)>,
    /// How much of a Service's traffic it is to get.
    pub weight: Weight,
    /// The proxy's own ports, when there is a proxy.
    pub proxy: Option<ProxyFacts>,
    /// The mesh's annotations that answers depend on.
    pub annotations: Labels,
}

/// How far a pod is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Not all containers are made.
    #[default]
    Pending,
    /// At least one runs.
    Running,
    /// All ended, or nobody knows.
    Ended,
}

/// A port a container declares.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerPort {
    /// Its name; empty when it has none.
    pub name: Text,
    /// Its number.
    pub port: u16,
    /// The port of the node that leads to it.
    pub host_port: Option<u16>,
}

/// The proxy's own ports, as its environment has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyFacts {
    /// Redirected traffic arrives here; absent when the proxy does not say.
    pub inbound: Option<u16>,
    /// Metrics and probes.
    pub admin: Option<u16>,
    /// Tap.
    pub control: Option<u16>,
}

/// A pod as it is written. Most of its text is looked at and not kept, so it is borrowed.
#[derive(Deserialize)]
struct Object<'a> {
    metadata: Meta,
    #[serde(borrow, default)]
    spec: Spec<'a>,
    #[serde(borrow, default)]
    status: Status<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow, default)]
    containers: Vec<Container<'a>>,
    #[serde(borrow, default)]
    init_containers: Option<Vec<Container<'a>>>,
    #[serde(default)]
    host_network: bool,
    #[serde(default)]
    node_name: Option<Text>,
    #[serde(default)]
    service_account_name: Option<Text>,
    #[serde(default)]
    hostname: Option<Text>,
    #[serde(default)]
    subdomain: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container<'a> {
    #[serde(borrow, default)]
    name: Option<Passing<'a>>,
    #[serde(borrow, default)]
    ports: Option<Vec<WrittenPort<'a>>>,
    #[serde(default)]
    env: Environment,
    #[serde(borrow, default)]
    liveness_probe: Option<Probe<'a>>,
    #[serde(borrow, default)]
    readiness_probe: Option<Probe<'a>>,
    #[serde(borrow, default)]
    startup_probe: Option<Probe<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenPort<'a> {
    #[serde(default)]
    name: Text,
    container_port: u16,
    #[serde(default)]
    host_port: Option<u16>,
    #[serde(borrow, default)]
    protocol: Option<Passing<'a>>,
}

/// What of the variables of a container matters, which is nothing but in the proxy's.
#[derive(Default)]
struct Environment(ProxyFacts);

#[derive(Deserialize)]
struct Variable<'a> {
    #[serde(borrow)]
    name: Passing<'a>,
    #[serde(borrow, default)]
    value: Option<Passing<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe<'a> {
    #[serde(borrow, default)]
    http_get: Option<HttpGet<'a>>,
}

#[derive(Deserialize)]
struct HttpGet<'a> {
    port: PortTarget,
    #[serde(borrow, default)]
    path: Option<Passing<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow, default)]
    phase: Option<Passing<'a>>,
    #[serde(borrow, default, rename = "podIP")]
    pod_ip: Option<Passing<'a>>,
    #[serde(borrow, default, rename = "podIPs")]
    pod_ips: Option<Vec<Ip<'a>>>,
    #[serde(borrow, default, rename = "hostIP")]
    host_ip: Option<Passing<'a>>,
    #[serde(borrow, default, rename = "hostIPs")]
    host_ips: Option<Vec<Ip<'a>>>,
    #[serde(borrow, default)]
    conditions: Option<Vec<Condition<'a>>>,
}

#[derive(Deserialize)]
struct Ip<'a> {
    #[serde(borrow, default)]
    ip: Option<Passing<'a>>,
}

#[derive(Deserialize)]
struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Passing<'a>,
    #[serde(borrow, default)]
    status: Option<Passing<'a>>,
}

// === impl Pod ===

impl Pod {
    /// Namespace of the control plane whose proxy it has.
    pub fn control_plane(&self) -> Option<&Text> {
        self.labels.value(labels::CONTROL_PLANE_NS)
    }

    /// Whether it can be sent traffic at its own address.
    pub fn is_addressable(&self) -> bool {
        self.phase != Phase::Ended && !self.host_network
    }

    /// The number of the port with this name.
    pub fn named_port(&self, name: &str) -> Option<u16> {
        self.ports.iter().find(|port| port.name == *name).map(|port| port.port)
    }

    /// An annotation that answers depend on.
    pub fn annotation(&self, name: &str) -> Option<&Text> {
        self.annotations.value(name)
    }
}

impl<'de> Deserialize<'de> for Pod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Object::deserialize(deserializer).map(Self::from)
    }
}

impl From<Object<'_>> for Pod {
    fn from(Object { metadata, spec, status }: Object<'_>) -> Self {
        let containers: Vec<Container<'_>> =
            spec.init_containers.unwrap_or_default().into_iter().chain(spec.containers).collect();
        let is_condition = |condition: &Condition<'_>| {
            &*condition.kind == "Ready" && condition.status.as_deref() == Some("True")
        };
        Self {
            key: metadata.key(),
            uid: metadata.uid(),
            ips: addresses(status.pod_ips, status.pod_ip).into(),
            host_ips: addresses(status.host_ips, status.host_ip).into(),
            host_network: spec.host_network,
            phase: match status.phase.as_deref() {
                Some("Running") => Phase::Running,
                Some("Succeeded" | "Failed") => Phase::Ended,
                _ => Phase::Pending,
            },
            ready: status.conditions.is_some_and(|conditions| conditions.iter().any(is_condition)),
            deleting: metadata.deletion_timestamp.is_some(),
            node: spec.node_name,
            hostname: spec.hostname.zip(spec.subdomain),
            service_account: spec.service_account_name.unwrap_or_else(|| "default".into()),
            owner: Owner::of(&metadata),
            weight: Weight::of(&metadata),
            probes: probes(&containers),
            proxy: proxy(&containers),
            ports: containers
                .into_iter()
                .flat_map(|it| it.ports.unwrap_or_default())
                .filter_map(tcp)
                .collect(),
            labels: metadata.labels,
            annotations: metadata.annotations.filtered(is_needed),
        }
    }
}

/// Annotations of pods that answers depend on; the rest stays out of memory.
fn is_needed(name: &str) -> bool {
    [
        annotations::OPAQUE_PORTS,
        annotations::SKIP_INBOUND_PORTS,
        annotations::DEFAULT_INBOUND_POLICY,
        annotations::PROXY_REQUIRE_IDENTITY_INBOUND_PORTS,
        annotations::DISABLE_TAP,
        annotations::VIZ_DISABLE_TAP,
    ]
    .contains(&name)
}

fn addresses(list: Option<Vec<Ip<'_>>>, single: Option<Passing<'_>>) -> Vec<IpAddr> {
    let list = list.unwrap_or_default().into_iter().filter_map(|ip| ip.ip);
    let mut ips: Vec<IpAddr> = Vec::with_capacity(2);
    for ip in list.chain(single).filter_map(|ip| ip.parse().ok()) {
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    ips
}

fn tcp(port: WrittenPort<'_>) -> Option<ContainerPort> {
    let tcp = port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
    tcp.then_some(ContainerPort {
        name: port.name,
        port: port.container_port,
        host_port: port.host_port.filter(|port| *port != 0),
    })
}

fn probes(containers: &[Container<'_>]) -> List<(u16, Text)> {
    let mut found = Vec::new();
    for container in containers {
        for probe in [&container.liveness_probe, &container.readiness_probe, &container.startup_probe] {
            let Some(get) = probe.as_ref().and_then(|probe| probe.http_get.as_ref()) else { continue };
            let port = match &get.port {
                PortTarget::Number(port) => Some(*port),
                // A probe's port name is looked up in its own container, as the kubelet does.
                PortTarget::Name(name) => container
                    .ports
                    .iter()
                    .flatten()
                    .find(|port| port.name == *name)
                    .map(|port| port.container_port),
            };
            let path = get.path.as_deref().unwrap_or("/");
            let path = path.split(['?', '#']).next().unwrap_or("/");
            let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
            if let Some(port) = port {
                found.push((port, Text::from(path)));
            }
        }
    }
    found.sort();
    found.dedup();
    found.into()
}

/// Native sidecars are init containers, so both lists are searched.
fn proxy(containers: &[Container<'_>]) -> Option<ProxyFacts> {
    let is_proxy = |container: &&Container<'_>| container.name.as_deref() == Some(containers::PROXY);
    containers.iter().find(is_proxy).map(|proxy| proxy.env.0)
}

// === impl Environment ===

impl Environment {
    fn note(&mut self, variable: &Variable<'_>) {
        let place = match &*variable.name {
            "LINKERD2_PROXY_INBOUND_LISTEN_ADDR" => &mut self.0.inbound,
            "LINKERD2_PROXY_ADMIN_LISTEN_ADDR" => &mut self.0.admin,
            "LINKERD2_PROXY_CONTROL_LISTEN_ADDR" => &mut self.0.control,
            _ => return,
        };
        let port = variable.value.as_deref().and_then(|value| value.rsplit(':').next());
        // The first of two counts, as it does for a process.
        if place.is_none() {
            *place = port.and_then(|port| port.parse().ok());
        }
    }
}

impl<'de> Deserialize<'de> for Environment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Environment;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of variables")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut variables: A) -> Result<Environment, A::Error> {
                let mut found = Environment::default();
                while let Some(variable) = variables.next_element::<Variable<'de>>()? {
                    found.note(&variable);
                }
                Ok(found)
            }

            fn visit_unit<E>(self) -> Result<Environment, E> {
                Ok(Environment::default())
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_native_sidecar_is_a_proxy_and_its_ports_are_ports() {
        // Flaw it answers: ports of init containers were not looked at, so a native sidecar went stale.
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "web-0", "namespace": "shop", "labels": {"linkerd.io/control-plane-ns": "linkerd"}},
            "spec": {
                "initContainers": [{"name": "linkerd-proxy",
                    "env": [{"name": "LINKERD2_PROXY_INBOUND_LISTEN_ADDR", "value": "[::]:4143"}],
                    "ports": [{"name": "linkerd-admin", "containerPort": 4191}]}],
                "containers": [{"name": "web", "ports": [{"name": "http", "containerPort": 8080}],
                    "readinessProbe": {"httpGet": {"port": "http", "path": "/ready?deep=1"}},
                    "livenessProbe": {"httpGet": {"port": "nowhere"}}}],
            },
            "status": {"phase": "Running", "podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}, {"ip": "fd00::1"}]},
        }))
        .unwrap();
        assert_eq!(pod.proxy.unwrap(), ProxyFacts { inbound: Some(4143), admin: None, control: None });
        assert_eq!(pod.named_port("linkerd-admin"), Some(4191));
        assert_eq!(*pod.probes, [(8080, Text::from("/ready"))]);
        assert_eq!(pod.ips.len(), 2);
    }
}
