//! Requests of the destination API, parsed once.

use std::net::{IpAddr, SocketAddr};

use linkerd2_proxy_api::destination::GetDestination;
use serde::Deserialize;

use crate::index::topic::{Client, Target};
use crate::index::{Refusal, Request};
use crate::record::Key;

/// Longest authority: a DNS name and a port.
const LONGEST: usize = 253 + 6;
/// Longest name of a namespace or a node.
const LONGEST_NAME: usize = 253;

/// A name or an address with a port.
#[derive(Debug, PartialEq, Eq)]
enum Authority {
    Address(SocketAddr),
    Name(String, u16),
}

/// Reads the request of a Get.
///
/// # Errors
/// When the authority is not the name of a Service in this cluster.
pub fn endpoints(message: &GetDestination, cluster_domain: &str) -> Result<Request, Refusal> {
    let client = client(&message.context_token);
    let (name, port) = match authority(&message.path)? {
        Authority::Name(name, port) => (name, port),
        Authority::Address(address) => {
            return Err(Refusal::invalid(format!(
                "Invalid authority: {address} is an address; Get takes names of Services"
            )));
        }
    };
    let (service, instance) = service(&name, cluster_domain)?;
    Ok(Request::Endpoints { service, port, instance: instance.map(Into::into), client })
}

/// Reads the request of a GetProfile.
///
/// # Errors
/// When the authority is neither an address nor the name of a Service in this cluster.
pub fn profile(message: &GetDestination, cluster_domain: &str) -> Result<Request, Refusal> {
    let client = client(&message.context_token);
    let target = match authority(&message.path)? {
        Authority::Address(address) => Target::Address(address),
        Authority::Name(name, port) => match service(&name, cluster_domain)? {
            (service, None) => Target::Service(service, port),
            (service, Some(instance)) => Target::Instance(service, instance.into(), port),
        },
    };
    Ok(Request::Profile { target, client })
}

/// Reads the token that the injector gives a proxy. A token that cannot be read selects no variant; it is no error.
pub fn client(token: &str) -> Client {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Token {
        #[serde(default)]
        ns: String,
        #[serde(default)]
        node_name: String,
    }
    if token.is_empty() || token.len() > 4096 {
        return Client::default();
    }
    // What is no name is nobody's: it must not be remembered.
    let name = |text: &str| if text.len() > LONGEST_NAME { "".into() } else { text.into() };
    if let Some(namespace) = token.strip_prefix("ns:") {
        return Client { namespace: name(namespace), ..Client::default() };
    }
    match serde_json::from_str::<Token>(token) {
        Ok(token) => Client { namespace: name(&token.ns), node: name(&token.node_name) },
        Err(_) => {
            tracing::debug!("a context token is neither JSON nor ns:NAME; it is taken as empty");
            Client::default()
        }
    }
}

fn authority(path: &str) -> Result<Authority, Refusal> {
    let invalid = |cause: &str| {
        let shown: String = path.chars().take(LONGEST).filter(|letter| !letter.is_control()).collect();
        Refusal::invalid(format!("Invalid authority: {shown:?}: {cause}"))
    };
    if path.is_empty() || path.len() > LONGEST {
        return Err(invalid("expected HOST:PORT"));
    }
    if let Ok(address) = path.parse::<SocketAddr>() {
        return if address.port() == 0 {
            Err(invalid("the port is 0"))
        } else {
            Ok(Authority::Address(address))
        };
    }
    if let Ok(ip) = path.parse::<IpAddr>() {
        return Ok(Authority::Address(SocketAddr::new(ip, 80)));
    }
    let (host, port) = match path.rsplit_once(':') {
        Some((host, port)) => {
            let number =
                port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse::<u16>().ok()).flatten();
            (
                host,
                number
                    .filter(|port| *port != 0)
                    .ok_or_else(|| invalid("the port is no number from 1 to 65535"))?,
            )
        }
        None => (path, 80),
    };
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(Authority::Address(SocketAddr::new(ip, port)));
    }
    Ok(Authority::Name(host.to_owned(), port))
}

/// `<service>.<namespace>.svc.<cluster domain>`, or an instance before it.
fn service<'a>(name: &'a str, cluster_domain: &str) -> Result<(Key, Option<&'a str>), Refusal> {
    let invalid = |cause: &str| {
        let shown: String = name.chars().filter(|letter| !letter.is_control()).collect();
        Refusal::invalid(format!("Invalid authority: {shown:?}: {cause}"))
    };
    let expected = || invalid(&format!("expected SERVICE.NAMESPACE.svc.{cluster_domain}"));
    let local =
        name.strip_suffix(cluster_domain).and_then(|rest| rest.strip_suffix(".svc.")).ok_or_else(expected)?;
    let labels: Vec<&str> = local.split('.').collect();
    if labels.iter().any(|label| label.parse::<mesh_core::dns::Label1123>().is_err()) {
        return Err(expected());
    }
    match labels.as_slice() {
        [service, namespace] => Ok((Key::new(namespace, service), None)),
        [instance, service, namespace] => Ok((Key::new(namespace, service), Some(*instance))),
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Result<Request, Refusal> {
        endpoints(&GetDestination { path: path.into(), ..GetDestination::default() }, "cluster.local")
    }

    #[test]
    fn names_of_services_and_instances_are_taken() {
        let Ok(Request::Endpoints { service, port, instance, .. }) = get("web.shop.svc.cluster.local:8080")
        else {
            panic!("refused");
        };
        assert_eq!((service, port, instance), (Key::new("shop", "web"), 8080, None));
        let Ok(Request::Endpoints { port, instance, .. }) = get("web-0.web.shop.svc.cluster.local") else {
            panic!("refused");
        };
        assert_eq!((port, instance.as_deref()), (80, Some("web-0")));
    }

    #[test]
    fn everything_else_is_an_invalid_authority() {
        let long = format!("{}.shop.svc.cluster.local:80", "a".repeat(300));
        for path in [
            "",
            "web",
            "web.shop",
            "web.shop.svc",
            "web.shop.svc.cluster.local.",
            "Web.shop.svc.cluster.local",
            "web.shop.svc.cluster.local:0",
            "web.shop.svc.cluster.local:65536",
            "web.shop.svc.cluster.local:+80",
            "10.0.0.1:80",
            "[::1]:80",
            "a.b.c.d.svc.cluster.local",
            "web\n.shop.svc.cluster.local",
            &long,
        ] {
            let refusal = get(path).unwrap_err();
            assert_eq!(refusal.code, 3, "{path}");
            assert!(refusal.message.starts_with("Invalid authority:"), "{}", refusal.message);
            assert!(!refusal.message.contains('\n'), "no lines can be forged in a log");
        }
    }

    #[test]
    fn tokens_are_json_or_the_old_form_and_never_an_error() {
        let token = client(r#"{"ns":"shop","nodeName":"n1","pod":"web-0"}"#);
        assert_eq!((&*token.namespace, &*token.node), ("shop", "n1"));
        assert_eq!(&*client("ns:shop").namespace, "shop");
        assert_eq!(client("{"), Client::default());
        assert_eq!(client(&"x".repeat(1 << 20)), Client::default());
        assert_eq!(client(&format!("ns:{}", "x".repeat(300))), Client::default());
        assert_eq!(client(&format!(r#"{{"nodeName":"{}"}}"#, "x".repeat(300))), Client::default());
    }
}
