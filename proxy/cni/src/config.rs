//! The plugin's entry in the node's list of plugins, as the runtime passes it.

use std::{num::NonZeroU16, path::PathBuf};

use ipnet::IpNet;
use mesh_core::port::PortRanges;
use proxy_init::{
    apply::Mode,
    log::Level,
    rules::{Capture, Settings},
};
use serde::Deserialize;
use serde_json::Value;

/// What the entry says, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The version of the CNI specification that the runtime speaks.
    pub cni_version: String,
    /// How much the plugin says.
    pub log_level: Level,
    /// The kubeconfig on the node.
    pub kubeconfig: PathBuf,
    /// What is redirected, before a pod's annotations.
    pub settings: Settings,
    /// The preferred tool.
    pub mode: Mode,
    /// Whether IPv6 is redirected too.
    pub ipv6: bool,
    /// What the plugins before this one have made.
    pub previous: Option<Value>,
}

/// Why an entry cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is not JSON, or lacks something.
    #[error("the network configuration cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A value is wrong.
    #[error("the network configuration has a wrong {name}: {reason}")]
    Value {
        /// The field below `linkerd`.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    cni_version: String,
    #[serde(default, rename = "log_level")]
    log_level: Option<String>,
    kubernetes: Kubernetes,
    linkerd: Linkerd,
    #[serde(default)]
    prev_result: Option<Value>,
}

#[derive(Deserialize)]
struct Kubernetes {
    kubeconfig: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Linkerd {
    incoming_proxy_port: i64,
    outgoing_proxy_port: i64,
    #[serde(default)]
    proxy_uid: i64,
    #[serde(default)]
    proxy_gid: i64,
    #[serde(default)]
    ports_to_redirect: Vec<Value>,
    #[serde(default)]
    inbound_ports_to_ignore: Vec<Value>,
    #[serde(default)]
    outbound_ports_to_ignore: Vec<Value>,
    #[serde(default)]
    subnets_to_ignore: Vec<String>,
    #[serde(default)]
    iptables_mode: Option<String>,
    #[serde(default)]
    ipv6: bool,
}

// === impl Config ===

impl Config {
    /// Reads an entry.
    ///
    /// # Errors
    /// When it is not an entry of ours, with the field that is wrong.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let entry: Entry = serde_json::from_str(text)?;
        let own = entry.linkerd;
        let capture = match ports("ports-to-redirect", &own.ports_to_redirect)? {
            ports if ports.is_empty() => Capture::All,
            ports => Capture::Ports(ports),
        };
        let settings = Settings {
            inbound_port: port("incoming-proxy-port", own.incoming_proxy_port)?,
            outbound_port: port("outgoing-proxy-port", own.outgoing_proxy_port)?,
            proxy_uid: id(own.proxy_uid),
            proxy_gid: id(own.proxy_gid),
            capture,
            skip_inbound: ports("inbound-ports-to-ignore", &own.inbound_ports_to_ignore)?,
            skip_outbound: ports("outbound-ports-to-ignore", &own.outbound_ports_to_ignore)?,
            skip_sources: networks("subnets-to-ignore", own.subnets_to_ignore.iter().map(String::as_str))?,
        };
        let mode = own.iptables_mode.as_deref().filter(|mode| !mode.is_empty()).unwrap_or("nft");
        let level = entry.log_level.as_deref().filter(|level| !level.is_empty()).unwrap_or("info");
        Ok(Self {
            cni_version: entry.cni_version,
            log_level: level.parse().map_err(|reason| value("log_level", reason))?,
            kubeconfig: entry.kubernetes.kubeconfig,
            settings,
            mode: mode.parse().map_err(|error| value("iptables-mode", format!("{error}")))?,
            ipv6: own.ipv6,
            previous: entry.prev_result,
        })
    }
}

/// Reads a comma list of networks or addresses.
///
/// # Errors
/// With the part that is neither.
pub fn networks<'a>(
    name: &'static str,
    texts: impl Iterator<Item = &'a str>,
) -> Result<Vec<IpNet>, ConfigError> {
    texts
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| {
            let alone = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
            let network = text.parse().ok().or_else(alone);
            network.ok_or_else(|| value(name, format!("{text:?} is not a network such as 10.0.0.0/8")))
        })
        .collect()
}

/// A user or group that is exempt; 0 and below are none.
pub fn id(number: i64) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| *number > 0)
}

/// A wrong value.
pub fn value(name: &'static str, reason: String) -> ConfigError {
    ConfigError::Value { name, reason }
}

fn port(name: &'static str, number: i64) -> Result<NonZeroU16, ConfigError> {
    let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
    port.ok_or_else(|| value(name, format!("{number} is not a port")))
}

/// Ports and ranges, each a number or a text.
fn ports(name: &'static str, items: &[Value]) -> Result<PortRanges, ConfigError> {
    let texts: Vec<String> =
        items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect();
    texts.join(",").parse().map_err(|error| value(name, format!("{error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = r#"{
        "cniVersion": "1.0.0", "name": "linkerd-cni", "type": "linkerd-cni", "log_level": "debug",
        "kubernetes": {"kubeconfig": "/etc/cni/net.d/linkerd-cni-kubeconfig"},
        "linkerd": {
            "incoming-proxy-port": 4143, "outgoing-proxy-port": 4140, "proxy-uid": 2102, "proxy-gid": -1,
            "ports-to-redirect": [], "inbound-ports-to-ignore": ["4190", 4191, "5000-5002"],
            "outbound-ports-to-ignore": [], "subnets-to-ignore": ["10.1.0.0/16", "fd00::1"],
            "iptables-mode": "legacy", "ipv6": true, "simulate": false, "use-wait-flag": false
        },
        "prevResult": {"ips": []}
    }"#;

    #[test]
    fn an_entry_as_the_chart_writes_it_is_read() {
        let config = Config::parse(ENTRY).unwrap();
        assert_eq!(config.settings.inbound_port.get(), 4143);
        assert_eq!((config.settings.proxy_uid, config.settings.proxy_gid), (Some(2102), None));
        assert!(config.settings.skip_inbound.contains(5001) && config.settings.skip_inbound.contains(4191));
        assert_eq!(config.settings.skip_sources.len(), 2);
        assert_eq!((config.mode, config.ipv6), (Mode::Legacy, true));
        assert!(config.previous.is_some());
    }

    #[test]
    fn a_wrong_value_is_named() {
        for (from, to, name) in [
            ("4143", "0", "incoming-proxy-port"),
            ("4140", "70000", "outgoing-proxy-port"),
            ("5000-5002", "5002-5000", "inbound-ports-to-ignore"),
            ("10.1.0.0/16", "10.1.0.0/33", "subnets-to-ignore"),
            ("legacy", "ipvs", "iptables-mode"),
            ("debug", "loud", "log_level"),
        ] {
            let error = Config::parse(&ENTRY.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(Config::parse("{}").unwrap_err().to_string().contains("kubernetes"));
    }
}
