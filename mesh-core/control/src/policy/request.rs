//! Requests of the policy APIs, parsed once.

use std::net::SocketAddr;

use linkerd2_proxy_api::{inbound, outbound};
use serde::Deserialize;

use crate::index::Refusal;
use crate::index::topic::{OutboundTarget, Request};
use crate::record::{Key, TargetKind, Text};

/// Longest token of a workload.
const LONGEST: usize = 4096;

/// Reads which port of which workload is asked for.
///
/// # Errors
/// When the workload or the port is none.
pub fn port(message: &inbound::PortSpec) -> Result<Request, Refusal> {
    let (kind, workload) = workload(&message.workload)?;
    let port = u16::try_from(message.port).ok().filter(|port| *port != 0);
    let port =
        port.ok_or_else(|| Refusal::invalid(format!("port {} is no number from 1 to 65535", message.port)))?;
    Ok(Request::Inbound { kind, workload, port })
}

/// Reads which target is asked for, and by whom.
///
/// # Errors
/// When the target or the workload is none.
pub fn traffic(message: &outbound::TrafficSpec, cluster_domain: &str) -> Result<Request, Refusal> {
    let (_, source) = workload(&message.source_workload)?;
    let target = match &message.target {
        Some(outbound::traffic_spec::Target::Addr(address)) => {
            let address = SocketAddr::try_from(*address)
                .map_err(|error| Refusal::invalid(format!("the target is no address: {error}")))?;
            if address.port() == 0 {
                return Err(Refusal::invalid("the port of the target is 0"));
            }
            OutboundTarget::Address(address)
        }
        Some(outbound::traffic_spec::Target::Authority(authority)) => {
            let (service, port) = authority_target(authority, cluster_domain)?;
            OutboundTarget::Service(service, port)
        }
        None => return Err(Refusal::invalid("the request names no target")),
    };
    Ok(Request::Outbound { target, namespace: source.namespace })
}

/// Reads the token of a workload: JSON with `ns` and `pod` or `external_workload`, or `ns:pod` as of old.
fn workload(token: &str) -> Result<(TargetKind, Key), Refusal> {
    #[derive(Deserialize)]
    struct Token {
        ns: Text,
        #[serde(default)]
        pod: Option<Text>,
        #[serde(default)]
        external_workload: Option<Text>,
    }
    let invalid = || Refusal::invalid("the workload is neither {\"ns\":…,\"pod\":…} nor NAMESPACE:POD");
    if token.len() > LONGEST {
        return Err(invalid());
    }
    if token.starts_with('{') {
        let token: Token = serde_json::from_str(token).map_err(|_| invalid())?;
        return match (token.pod, token.external_workload) {
            (Some(name), None) => Ok((TargetKind::Pod, Key { namespace: token.ns, name })),
            (None, Some(name)) => Ok((TargetKind::ExternalWorkload, Key { namespace: token.ns, name })),
            _ => Err(invalid()),
        };
    }
    match token.split_once(':') {
        Some((namespace, pod)) if !namespace.is_empty() && !pod.is_empty() => {
            Ok((TargetKind::Pod, Key::new(namespace, pod)))
        }
        _ => Err(invalid()),
    }
}

/// `NAME.NAMESPACE.svc[.CLUSTER DOMAIN][:PORT]`.
fn authority_target(authority: &str, cluster_domain: &str) -> Result<(Key, u16), Refusal> {
    let invalid =
        || Refusal::invalid(format!("the authority is not NAME.NAMESPACE.svc.{cluster_domain}[:PORT]"));
    if authority.len() > 260 {
        return Err(invalid());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(invalid)?),
        None => (authority, 80),
    };
    let host = host.trim_end_matches('.');
    let local = host.strip_suffix(cluster_domain).map_or(host, |rest| rest.trim_end_matches('.'));
    let local = local.strip_suffix(".svc").ok_or_else(invalid)?;
    match local.split_once('.') {
        Some((name, namespace)) if !name.is_empty() && !namespace.is_empty() && !namespace.contains('.') => {
            Ok((Key::new(namespace, name), port))
        }
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_named_in_three_ways_and_nothing_else() {
        let pod = (TargetKind::Pod, Key::new("shop", "web-0"));
        assert_eq!(workload("shop:web-0").unwrap(), pod);
        assert_eq!(workload(r#"{"ns":"shop","pod":"web-0"}"#).unwrap(), pod);
        assert_eq!(
            workload(r#"{"ns":"shop","external_workload":"vm"}"#).unwrap().0,
            TargetKind::ExternalWorkload
        );
        let long = "x".repeat(10_000);
        for bad in [
            "",
            "shop",
            ":web",
            "shop:",
            "{}",
            r#"{"ns":"a"}"#,
            r#"{"ns":"a","pod":"b","external_workload":"c"}"#,
            &long,
        ] {
            assert_eq!(workload(bad).unwrap_err().code, 3, "{bad}");
        }
    }

    #[test]
    fn authorities_are_names_of_services() {
        let of = |text: &str| authority_target(text, "cluster.local");
        let web = Key::new("shop", "web");
        assert_eq!(of("web.shop.svc.cluster.local:8080").unwrap(), (web.clone(), 8080));
        assert_eq!(of("web.shop.svc").unwrap(), (web, 80));
        for bad in ["web", "web.shop", "web.shop.svc:0", "a.b.c.svc", "web.shop.svc.other", ".shop.svc"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
