//! `linkerd uninstall`: the manifests to delete.

use clap::Args;
use mesh_k8s::{Client, Resource};
use serde_json::Value;
use std::fmt::Write as _;

use crate::context::Context;
use crate::error::{CommandError, Kind, Outcome};
use crate::install::existing;
use crate::output::manifest::{self, ManifestFormat};

/// Output Kubernetes resources to uninstall the Linkerd control plane
///
/// Reads from the cluster which resources belong to the control plane and prints what names them.
/// Nothing is deleted by this command.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  linkerd uninstall | kubectl delete -f -")]
pub struct UninstallArgs {
    /// Print them even if pods with a proxy are still running
    #[arg(short, long)]
    pub force: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    pub output: ManifestFormat,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &UninstallArgs) -> Result<Outcome, CommandError> {
    let client = context.client()?;
    let namespace = context.global.linkerd_namespace.clone();
    if !args.force {
        let pods = context.block_on(existing::meshed_pods(&client, &namespace))??;
        refuse_meshed(&pods, &namespace)?;
    }
    let objects = context.block_on(collect(&client, &namespace))??;
    if objects.is_empty() {
        return Err(CommandError::new(
            Kind::Failure,
            format!("no resource of a control plane in namespace {namespace} was found"),
        )
        .hint("name the control plane's namespace with --linkerd-namespace"));
    }
    let references: Vec<Value> = objects.iter().map(existing::reference).collect();
    context.ui.data(&manifest::stream(&references, args.output)?)?;
    Ok(Outcome::Success)
}

async fn collect(client: &Client, namespace: &str) -> Result<Vec<Value>, mesh_k8s::Error> {
    let (mut objects, in_kube_system, own) = futures::try_join!(
        existing::cluster_objects(client, namespace),
        existing::kube_system_objects(client, namespace),
        client.find(&Resource::NAMESPACE, None, namespace),
    )?;
    objects.extend(in_kube_system);
    // A namespace that somebody else made stays, and is emptied object by object.
    match own {
        Some(own) if own.pointer("/metadata/labels/linkerd.io~1is-control-plane").is_some() => {
            objects.push(own)
        }
        Some(_) => objects.extend(existing::namespace_objects(client, namespace).await?),
        None => {}
    }
    Ok(objects)
}

fn refuse_meshed(pods: &[Value], namespace: &str) -> Result<(), CommandError> {
    if pods.is_empty() {
        return Ok(());
    }
    let mut message =
        String::from("Please uninject the following resources before uninstalling the control-plane:");
    const SHOWN: usize = 20;
    for pod in pods.iter().take(SHOWN) {
        message.push_str("\n\t* ");
        message.push_str(&mesh_k8s::resource::describe(pod).replacen("Pod ", "", 1));
    }
    if pods.len() > SHOWN {
        let _ = write!(message, "\n\t* and {} more", pods.len() - SHOWN);
    }
    Err(CommandError::failure(message).hint(format!(
        "`linkerd uninject` takes the proxy out of a manifest; --force prints the resources of {namespace} all the same"
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn running_proxies_are_named_and_counted() {
        let pods: Vec<_> = (0..23)
            .map(|n| json!({"kind": "Pod", "metadata": {"name": format!("p{n}"), "namespace": "shop"}}))
            .collect();
        let error = super::refuse_meshed(&pods, "linkerd").unwrap_err().to_string();
        assert!(error.contains("\n\t* shop/p0\n"), "{error}");
        assert!(error.ends_with("and 3 more"), "{error}");
        assert!(super::refuse_meshed(&[], "linkerd").is_ok());
    }
}
