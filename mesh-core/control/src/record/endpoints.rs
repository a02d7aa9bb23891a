//! Endpoints of the core group: what clusters have that serve no EndpointSlices, or are told not to use them.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;

use super::meta::Meta;
use super::slice::{AddressFamily, Endpoint, EndpointSlice, TargetRef, gateway};
use super::{Key, List, Text};

/// All endpoints of a Service, which has the same name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Object")]
pub struct Endpoints {
    /// Its place, and that of the Service.
    pub key: Key,
    /// One for each set of ports and each family of addresses, as if they were slices.
    pub parts: Box<[Arc<EndpointSlice>]>,
}

#[derive(Deserialize)]
struct Object {
    metadata: Meta,
    #[serde(default)]
    subsets: Option<Vec<Subset>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subset {
    #[serde(default)]
    addresses: Option<Vec<Address>>,
    #[serde(default)]
    not_ready_addresses: Option<Vec<Address>>,
    #[serde(default)]
    ports: Option<Vec<Port>>,
}

#[derive(Deserialize)]
struct Port {
    #[serde(default)]
    name: Text,
    port: u16,
    #[serde(default)]
    protocol: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    ip: String,
    #[serde(default)]
    hostname: Option<Text>,
    #[serde(default)]
    node_name: Option<Text>,
    #[serde(default)]
    target_ref: Option<TargetRef>,
}

// === impl Endpoints ===

impl From<Object> for Endpoints {
    fn from(Object { metadata, subsets }: Object) -> Self {
        let mut parts = Vec::new();
        for subset in subsets.unwrap_or_default() {
            let tcp = |port: &Port| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
            let ports = subset.ports.unwrap_or_default().into_iter().filter(tcp);
            let ports: Box<[(Text, u16)]> = ports.map(|port| (port.name, port.port)).collect();
            let ready = subset.addresses.unwrap_or_default().into_iter().map(|it| (it, true));
            let unready = subset.not_ready_addresses.unwrap_or_default().into_iter().map(|it| (it, false));
            let (four, six): (Vec<Endpoint>, Vec<Endpoint>) = ready
                .chain(unready)
                .filter_map(|(address, ready)| address.reduced(ready, &metadata.namespace))
                .partition(|endpoint| endpoint.ip.is_ipv4());
            for (family, endpoints) in [(AddressFamily::V4, four), (AddressFamily::V6, six)] {
                if !endpoints.is_empty() {
                    parts.push(Arc::new(EndpointSlice {
                        key: metadata.key(),
                        service: metadata.name.clone(),
                        family,
                        ports: ports.clone(),
                        endpoints: endpoints.into(),
                        external: false,
                        gateway: gateway(&metadata),
                    }));
                }
            }
        }
        Self { key: metadata.key(), parts: parts.into() }
    }
}

impl Address {
    /// None for an address that cannot be dialled. Zones and hints there are none; the node tells the zone.
    fn reduced(self, ready: bool, namespace: &Text) -> Option<Endpoint> {
        let ip: IpAddr = self.ip.parse().ok()?;
        Some(Endpoint {
            ip,
            ready,
            serving: ready,
            terminating: false,
            hostname: self.hostname.filter(|name| !name.is_empty()),
            node: self.node_name,
            zone: None,
            hints: List::default(),
            target: self.target_ref.and_then(|target| target.reduced(namespace)),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_subset_and_family_is_a_part() {
        let endpoints: Endpoints = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop"},
            "subsets": [
                {"addresses": [{"ip": "10.1.0.1", "targetRef": {"kind": "Pod", "name": "web-0"}}, {"ip": "fd00::1"}],
                    "notReadyAddresses": [{"ip": "10.1.0.2"}, {"ip": "nowhere"}],
                    "ports": [{"name": "http", "port": 8080}, {"name": "dns", "port": 53, "protocol": "UDP"}]},
                {"addresses": [{"ip": "10.1.0.3"}], "ports": [{"name": "http", "port": 9090}]},
                {"ports": [{"name": "http", "port": 1}]}],
        }))
        .unwrap();
        let shape: Vec<_> =
            endpoints.parts.iter().map(|it| (it.family, it.ports[0].1, it.endpoints.len())).collect();
        assert_eq!(
            shape,
            [(AddressFamily::V4, 8080, 2), (AddressFamily::V6, 8080, 1), (AddressFamily::V4, 9090, 1)]
        );
        assert_eq!(endpoints.parts[0].ports.len(), 1, "a port of another protocol is none of ours");
        let first = &endpoints.parts[0].endpoints;
        assert_eq!(first[0].target.as_ref().unwrap().1, Key::new("shop", "web-0"));
        assert!(first[0].ready && !first[1].ready && !first[1].serving);
    }
}
