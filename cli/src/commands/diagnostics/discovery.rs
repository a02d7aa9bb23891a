//! `linkerd diagnostics endpoints|policy|profile`: what the destination component answers a proxy.

use clap::Args;
use mesh_k8s::objects::Selection;
use mesh_k8s::target::Workload;
use mesh_k8s::{Client, Resource};
use serde_json::Value;

use crate::args::output::OutputArgs;
use crate::context::Context;
use crate::error::{CommandError, Kind, Outcome};

/// Introspect what the control plane discovers for addresses
#[derive(Args, Clone, Debug)]
pub(super) struct EndpointsArgs {
    /// Authorities: web.shop.svc.cluster.local:80
    #[arg(value_name = "AUTHORITY", required = true, value_parser = authority)]
    authorities: Vec<String>,
    /// Destination pod to ask [default: the first that is running]
    #[arg(long, value_name = "POD")]
    destination_pod: Option<String>,
    /// Context token sent along
    #[arg(long, value_name = "TOKEN", default_value = "")]
    token: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Introspect the policy that the control plane gives for a port
#[derive(Args, Clone, Debug)]
pub(super) struct PolicyArgs {
    /// Workload or Service: po/web, svc/api
    #[arg(value_name = "RESOURCE", value_parser = policy_target)]
    resource: String,
    /// Port
    #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Namespace of the resource [default: that of the context]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Destination pod to ask [default: the first that is running]
    #[arg(long, value_name = "POD")]
    destination_pod: Option<String>,
    /// Workload token sent along
    #[arg(long, value_name = "TOKEN", default_value = "default:diagnostics")]
    token: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Introspect the profile that the control plane gives for an address
#[derive(Args, Clone, Debug)]
pub(super) struct ProfileArgs {
    /// Address: web.shop.svc.cluster.local:80, or IP:PORT
    #[arg(value_name = "ADDRESS", value_parser = authority)]
    address: String,
    /// Destination pod to ask [default: the first that is running]
    #[arg(long, value_name = "POD")]
    destination_pod: Option<String>,
    /// Context token sent along
    #[arg(long, value_name = "TOKEN", default_value = "")]
    token: String,
}

pub(super) fn endpoints(context: &mut Context<'_>, args: &EndpointsArgs) -> Result<Outcome, CommandError> {
    ask(context, args.destination_pod.as_deref(), &args.authorities.join(", "))
}

pub(super) fn policy(context: &mut Context<'_>, args: &PolicyArgs) -> Result<Outcome, CommandError> {
    ask(context, args.destination_pod.as_deref(), &format!("{} port {}", args.resource, args.port))
}

pub(super) fn profile(context: &mut Context<'_>, args: &ProfileArgs) -> Result<Outcome, CommandError> {
    ask(context, args.destination_pod.as_deref(), &args.address)
}

/// Finds the pod that would answer. What it answers is beyond this version, which has no control plane to ask.
fn ask(context: &mut Context<'_>, pod: Option<&str>, what: &str) -> Result<Outcome, CommandError> {
    let client = context.client()?;
    let namespace = context.global.linkerd_namespace.clone();
    let found = context.block_on(destination_pod(&client, &namespace, pod))??;
    Err(CommandError::failure(format!(
        "cannot ask pod {namespace}/{found} about {what}: this version of the command does not speak the destination API"
    )))
}

async fn destination_pod(
    client: &Client,
    namespace: &str,
    wanted: Option<&str>,
) -> Result<String, CommandError> {
    let labels = Some("linkerd.io/control-plane-component=destination");
    let pods = client.list(&Resource::POD, Selection { namespace: Some(namespace), labels }).await?;
    let name =
        |pod: &Value| pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let running = |pod: &&Value| pod.pointer("/status/phase").and_then(Value::as_str) == Some("Running");
    match wanted {
        Some(wanted) if pods.iter().any(|pod| name(pod) == wanted) => Ok(wanted.to_owned()),
        Some(wanted) => {
            Err(CommandError::failure(format!("no destination pod named {wanted} in namespace {namespace}")))
        }
        None => pods.iter().find(running).map(name).ok_or_else(|| {
            CommandError::new(Kind::Cluster, format!("no running destination pod in namespace {namespace}"))
                .hint("`linkerd check` tells what is wrong with the control plane")
        }),
    }
}

/// `host:port`, the port between 1 and 65535.
fn authority(text: &str) -> Result<String, String> {
    let valid = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if valid {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not an address such as web.shop.svc.cluster.local:80"))
    }
}

/// A workload, or a Service.
fn policy_target(text: &str) -> Result<String, String> {
    let is_service = ["svc/", "service/", "services/"]
        .iter()
        .any(|prefix| text.strip_prefix(prefix).is_some_and(|name| !name.is_empty() && !name.contains('/')));
    if is_service {
        return Ok(text.to_owned());
    }
    match text.parse::<Workload>() {
        Ok(Workload { name: Some(_), .. }) => Ok(text.to_owned()),
        Ok(Workload { name: None, .. }) => Err("no resource name provided".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{authority, policy_target};

    #[test]
    fn addresses_have_a_port_and_resources_a_name() {
        assert!(authority("web.shop.svc.cluster.local:80").is_ok() && authority("10.0.0.1:8080").is_ok());
        for bad in ["web", "web:", "web:0", "web:99999", ":80", "http://web:80"] {
            assert!(authority(bad).is_err(), "{bad}");
        }
        assert!(policy_target("po/web").is_ok() && policy_target("svc/api").is_ok());
        for bad in ["po", "svc/", "svc/a/b", "banana/x"] {
            assert!(policy_target(bad).is_err(), "{bad}");
        }
    }
}
