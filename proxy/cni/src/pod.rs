//! What a pod wants: whether it is redirected here, and with which of its own settings.

use mesh_core::names::{annotations, containers, labels};
use mesh_core::port::PortRanges;
use proxy_init::rules::Settings;
use serde_json::Value;

use crate::config::{ConfigError, id, networks, value};

/// Why a pod's traffic is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// It has no proxy.
    NoProxy,
    /// Its own init container programs it.
    HasInit,
}

impl Skipped {
    /// In words for a log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoProxy => "the pod has no container linkerd-proxy",
            Self::HasInit => "the pod programs its own redirection: it has an init container linkerd-init",
        }
    }
}

/// Whether a pod is redirected by the plugin.
///
/// # Errors
/// With the reason why not.
pub fn eligible(pod: &Value) -> Result<(), Skipped> {
    let named = |list: &str, name: &str| {
        let all = pod.pointer(list).and_then(Value::as_array);
        all.is_some_and(|all| all.iter().any(|container| container["name"] == name))
    };
    let (init, main) = ("/spec/initContainers", "/spec/containers");
    if !named(main, containers::PROXY) && !named(init, containers::PROXY) {
        return Err(Skipped::NoProxy);
    }
    if named(init, containers::INIT) {
        return Err(Skipped::HasInit);
    }
    Ok(())
}

/// Whether a pod belongs to the control plane, whose calls to the API server are not redirected.
pub fn is_control_plane(pod: &Value) -> bool {
    pod.pointer("/metadata/labels").and_then(|all| all.get(labels::CONTROL_PLANE_COMPONENT)).is_some()
}

/// The settings for a pod: the node's, changed by annotations of the pod, else of its namespace.
///
/// # Errors
/// With the annotation that cannot be read: its author meant something, and guessing would let traffic bypass the proxy.
pub fn settings(node: &Settings, pod: &Value, namespace: &Value) -> Result<Settings, ConfigError> {
    let annotation = |name: &str| {
        let on =
            |object: &Value| Some(object.pointer("/metadata/annotations")?.get(name)?.as_str()?.to_owned());
        on(pod).or_else(|| on(namespace))
    };
    let mut settings = node.clone();
    if let Some(text) = annotation(annotations::SKIP_OUTBOUND_PORTS) {
        settings.skip_outbound = ports(annotations::SKIP_OUTBOUND_PORTS, &text)?;
    }
    if let Some(text) = annotation(annotations::SKIP_INBOUND_PORTS) {
        let own = ports(annotations::SKIP_INBOUND_PORTS, &text)?;
        settings.skip_inbound = both(&settings.skip_inbound, &own);
    }
    if let Some(text) = annotation(annotations::SKIP_SUBNETS) {
        settings.skip_sources = networks(annotations::SKIP_SUBNETS, text.split(','))?;
    }
    if let Some(text) = annotation(annotations::PROXY_UID) {
        settings.proxy_uid = id(number(annotations::PROXY_UID, &text)?);
    }
    if let Some(text) = annotation(annotations::PROXY_GID) {
        settings.proxy_gid = id(number(annotations::PROXY_GID, &text)?);
    }
    Ok(settings)
}

/// The settings with the API server's ports left alone on the way out.
pub fn with_api_server(mut settings: Settings, service: Option<&Value>) -> Settings {
    let listed = service.and_then(|service| service.pointer("/spec/ports")).and_then(Value::as_array);
    let numbers =
        listed.into_iter().flatten().flat_map(|port| [port["port"].as_u64(), port["targetPort"].as_u64()]);
    let mut ports: Vec<u64> = numbers.flatten().collect();
    if ports.is_empty() {
        ports = vec![443, 6443];
    }
    let text = ports.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    if let Ok(ports) = text.parse() {
        settings.skip_outbound = both(&settings.skip_outbound, &ports);
    }
    settings
}

fn both(one: &PortRanges, other: &PortRanges) -> PortRanges {
    let all: Vec<String> = one.as_slice().iter().chain(other.as_slice()).map(ToString::to_string).collect();
    // Ranges that were read print what reads again.
    all.join(",").parse().unwrap_or_else(|_| one.clone())
}

fn ports(name: &'static str, text: &str) -> Result<PortRanges, ConfigError> {
    text.parse().map_err(|error| value(name, format!("{error}")))
}

fn number(name: &'static str, text: &str) -> Result<i64, ConfigError> {
    text.trim().parse().map_err(|_| value(name, format!("{text:?} is not a number")))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use proxy_init::rules::Capture;
    use serde_json::json;

    use super::*;

    fn node() -> Settings {
        let port = |number| NonZeroU16::new(number).unwrap();
        Settings {
            inbound_port: port(4143),
            outbound_port: port(4140),
            proxy_uid: Some(2102),
            proxy_gid: None,
            capture: Capture::All,
            skip_inbound: "4190,4191".parse().unwrap(),
            skip_outbound: "9000".parse().unwrap(),
            skip_sources: Vec::new(),
        }
    }

    #[test]
    fn pods_with_a_proxy_of_either_kind_are_redirected() {
        let proxy = json!([{"name": "linkerd-proxy"}]);
        assert_eq!(eligible(&json!({"spec": {"containers": proxy}})), Ok(()));
        assert_eq!(
            eligible(&json!({"spec": {"containers": [{"name": "app"}], "initContainers": proxy}})),
            Ok(())
        );
        assert_eq!(eligible(&json!({"spec": {"containers": [{"name": "app"}]}})), Err(Skipped::NoProxy));
        let own = json!({"spec": {"containers": proxy, "initContainers": [{"name": "linkerd-init"}]}});
        assert_eq!(eligible(&own), Err(Skipped::HasInit));
    }

    #[test]
    fn annotations_of_the_pod_win_over_those_of_its_namespace() {
        let pod = json!({"metadata": {"annotations": {
            "config.linkerd.io/skip-inbound-ports": "5000-5001",
            "config.linkerd.io/proxy-uid": "3000"}}});
        let namespace = json!({"metadata": {"annotations": {
            "config.linkerd.io/proxy-uid": "4000",
            "config.linkerd.io/skip-outbound-ports": "25",
            "config.linkerd.io/skip-subnets": "10.0.0.0/8, fd00::/8"}}});
        let settings = settings(&node(), &pod, &namespace).unwrap();
        assert!(settings.skip_inbound.contains(4190) && settings.skip_inbound.contains(5001), "it is added");
        assert!(
            settings.skip_outbound.contains(25) && !settings.skip_outbound.contains(9000),
            "it is replaced"
        );
        assert_eq!((settings.proxy_uid, settings.skip_sources.len()), (Some(3000), 2));
    }

    #[test]
    fn an_annotation_that_cannot_be_read_is_named() {
        for (name, text) in
            [("skip-inbound-ports", "x"), ("skip-subnets", "10.0.0.0/99"), ("proxy-uid", "me")]
        {
            let name = format!("config.linkerd.io/{name}");
            let pod = json!({"metadata": {"annotations": {name.as_str(): text}}});
            let error = settings(&node(), &pod, &Value::Null).unwrap_err();
            assert!(error.to_string().contains(&name), "{error}");
        }
    }

    #[test]
    fn the_control_plane_reaches_the_api_server_directly() {
        let pod = json!({"metadata": {"labels": {"linkerd.io/control-plane-component": "identity"}}});
        assert!(is_control_plane(&pod) && !is_control_plane(&Value::Null));
        let service = json!({"spec": {"ports": [{"port": 443, "targetPort": 8443}]}});
        let skip = with_api_server(node(), Some(&service)).skip_outbound;
        assert!(skip.contains(443) && skip.contains(8443) && skip.contains(9000) && !skip.contains(6443));
        assert!(with_api_server(node(), None).skip_outbound.contains(6443));
    }
}
