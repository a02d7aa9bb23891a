//! `linkerd version`: the versions of this command, the control plane and the proxies.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use mesh_k8s::objects::Selection;
use mesh_k8s::{Client, Resource};
use serde_json::Value;

use crate::context::Context;
use crate::error::{CommandError, Outcome};

/// How long the cluster may take to answer: a version is no reason to wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is printed for a version that cannot be had.
const UNAVAILABLE: &str = "unavailable";

/// Print the client and server version information
#[derive(Args, Clone, Debug)]
pub struct VersionArgs {
    /// Print the version numbers alone
    #[arg(long)]
    pub short: bool,
    /// Print the version of this command only
    #[arg(long)]
    pub client: bool,
    /// Print the versions of the proxies too
    #[arg(long)]
    pub proxy: bool,
    /// Namespace of the proxies to list (all, if not given)
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &VersionArgs) -> Result<Outcome, CommandError> {
    let client = context.settings.version.clone();
    context.ui.data(&line("Client version", &client, args))?;
    if args.client {
        return Ok(Outcome::Success);
    }
    // Whatever the reason why the server does not tell: the client's version is told, and that is a success.
    let server = cluster(context).and_then(|client| server(context, &client)).unwrap_or(None);
    context.ui.data(&line("Server version", server.as_deref().unwrap_or(UNAVAILABLE), args))?;
    if args.proxy {
        let proxies = cluster(context).and_then(|client| proxies(context, &client, args)).ok();
        context.ui.data(&proxy_lines(proxies.as_ref()))?;
    }
    Ok(Outcome::Success)
}

fn cluster(context: &mut Context<'_>) -> Result<Client, CommandError> {
    Ok(context.client()?.with_timeout(PATIENCE))
}

fn line(label: &str, version: &str, args: &VersionArgs) -> String {
    if args.short { format!("{version}\n") } else { format!("{label}: {version}\n") }
}

/// The version that install recorded; none when nothing is, or nobody tells.
pub(super) fn installed(context: &mut Context<'_>, client: &Client) -> Option<String> {
    server(context, client).unwrap_or(None)
}

/// The version that install recorded.
fn server(context: &mut Context<'_>, client: &Client) -> Result<Option<String>, CommandError> {
    let namespace = context.global.linkerd_namespace.clone();
    let config =
        context.block_on(client.find(&Resource::CONFIG_MAP, Some(&namespace), "linkerd-config"))??;
    Ok(config.as_ref().and_then(recorded_version))
}

/// Ours and the original's since 2.9 keep values, 2.8 a JSON document.
fn recorded_version(config: &Value) -> Option<String> {
    let document = |key: &str| {
        let text = config.pointer("/data")?.get(key)?.as_str()?;
        mesh_yaml::from_str(text).ok()
    };
    let text = |value: Option<Value>, pointer: &str| {
        Some(value?.pointer(pointer)?.as_str()?.to_owned()).filter(|text| !text.is_empty())
    };
    text(document("values"), "/global/linkerdVersion")
        .or_else(|| text(document("values"), "/linkerdVersion"))
        .or_else(|| text(document("global"), "/version"))
}

/// How many pods run which version of the proxy.
fn proxies(
    context: &mut Context<'_>,
    client: &Client,
    args: &VersionArgs,
) -> Result<BTreeMap<String, usize>, CommandError> {
    let labels = format!("linkerd.io/control-plane-ns={}", context.global.linkerd_namespace);
    let selection = Selection { namespace: args.namespace.as_deref(), labels: Some(&labels) };
    let pods = context.block_on(client.list(&Resource::POD, selection))??;
    let mut versions = BTreeMap::new();
    for version in pods.iter().filter_map(proxy_version) {
        *versions.entry(version).or_default() += 1;
    }
    Ok(versions)
}

fn proxy_version(pod: &Value) -> Option<String> {
    let lists = ["/spec/containers", "/spec/initContainers"].into_iter();
    let image = lists
        .filter_map(|list| pod.pointer(list)?.as_array())
        .flatten()
        .find(|container| container["name"] == "linkerd-proxy")?
        .get("image")?
        .as_str()?;
    let (_, tag) = image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
    Some(tag.to_owned())
}

fn proxy_lines(versions: Option<&BTreeMap<String, usize>>) -> String {
    match versions {
        None => format!("Proxy versions: {UNAVAILABLE}\n"),
        Some(versions) if versions.is_empty() => "Proxy versions: no proxies found\n".to_owned(),
        Some(versions) => {
            let line = |(version, count): (&String, &usize)| format!("\t{version} ({count} pods)\n");
            format!("Proxy versions:\n{}", versions.iter().map(line).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{proxy_lines, proxy_version, recorded_version};

    #[test]
    fn versions_are_read_from_every_kind_of_record() {
        let config = |key: &str, text: &str| json!({"data": {key: text}});
        let of = |key, text| recorded_version(&config(key, text));
        assert_eq!(of("values", "global:\n  linkerdVersion: stable-1\n").as_deref(), Some("stable-1"));
        assert_eq!(of("values", "linkerdVersion: edge-2\n").as_deref(), Some("edge-2"));
        assert_eq!(of("global", "{\"version\": \"stable-2.8.1\"}").as_deref(), Some("stable-2.8.1"));
        assert_eq!(of("values", "[").as_deref(), None);
    }

    #[test]
    fn proxies_are_counted_by_tag() {
        let pod =
            |list: &str, image: &str| json!({"spec": {list: [{"name": "linkerd-proxy", "image": image}]}});
        assert_eq!(proxy_version(&pod("containers", "localhost:5000/x/proxy:v1")).as_deref(), Some("v1"));
        assert_eq!(proxy_version(&pod("initContainers", "x/proxy:v2")).as_deref(), Some("v2"));
        assert_eq!(proxy_version(&pod("containers", "localhost:5000/proxy")), None);
        let counted = std::collections::BTreeMap::from([("v1".to_owned(), 3)]);
        assert_eq!(proxy_lines(Some(&counted)), "Proxy versions:\n\tv1 (3 pods)\n");
        assert_eq!(proxy_lines(None), "Proxy versions: unavailable\n");
    }
}
