//! `linkerd install-cni`: the manifests of the CNI plugin.

use clap::Args;
use manifests::{Chart, Release};
use mesh_core::port::PortRanges;
use serde_json::Value;

use crate::args::control::{registry, version_tag};
use crate::args::proxy::joined;
use crate::context::Context;
use crate::error::{CommandError, Outcome};
use crate::install::overrides::Overrides;
use crate::install::plan::{self, KUBE_VERSION};
use crate::output::manifest::ManifestFormat;

/// Output Kubernetes configs to install the Linkerd CNI plugin
///
/// The plugin programs the redirection of traffic on the node, so that meshed pods need no container with
/// NET_ADMIN. Install it before a control plane with --linkerd-cni-enabled.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  linkerd install-cni | kubectl apply -f -\n  \
    linkerd check --pre --linkerd-cni-enabled\n  linkerd install --linkerd-cni-enabled | kubectl apply -f -")]
pub struct InstallCniArgs {
    /// Version of the plugin's image
    #[arg(short = 'v', long, visible_alias = "cni-image-version", value_name = "VERSION", value_parser = version_tag)]
    linkerd_version: Option<String>,
    /// Registry and path of the image
    #[arg(long, value_name = "REGISTRY", value_parser = registry)]
    registry: Option<String>,
    /// Name of the image; beats --registry
    #[arg(long, value_name = "IMAGE", value_parser = registry)]
    cni_image: Option<String>,
    /// User id of the proxy
    #[arg(long, value_name = "UID", default_value = "2102", value_parser = clap::value_parser!(u32).range(1..))]
    proxy_uid: u32,
    /// Group id of the proxy
    #[arg(long, value_name = "GID", value_parser = clap::value_parser!(u32).range(1..))]
    proxy_gid: Option<u32>,
    /// Port of redirected incoming traffic
    #[arg(long, value_name = "PORT", default_value = "4143", value_parser = clap::value_parser!(u16).range(1..))]
    inbound_port: u16,
    /// Port of redirected outgoing traffic
    #[arg(long, value_name = "PORT", default_value = "4140", value_parser = clap::value_parser!(u16).range(1..))]
    outbound_port: u16,
    /// Port of the proxy's tap server
    #[arg(long, value_name = "PORT", default_value = "4190", value_parser = clap::value_parser!(u16).range(1..))]
    control_port: u16,
    /// Port of the proxy's metrics and probes
    #[arg(long, value_name = "PORT", default_value = "4191", value_parser = clap::value_parser!(u16).range(1..))]
    admin_port: u16,
    /// Incoming ports and ranges that bypass the proxy
    #[arg(long, value_name = "PORTS", value_delimiter = ',')]
    skip_inbound_ports: Vec<PortRanges>,
    /// Outgoing ports and ranges that bypass the proxy
    #[arg(long, value_name = "PORTS", value_delimiter = ',')]
    skip_outbound_ports: Vec<PortRanges>,
    /// Redirect these incoming ports only [default: all]
    #[arg(long, value_name = "PORTS", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    redirect_ports: Vec<u16>,
    /// Log level of the plugin
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    cni_log_level: String,
    /// Directory of the node's CNI configuration
    #[arg(long, value_name = "DIR", default_value = "/etc/cni/net.d")]
    dest_cni_net_dir: String,
    /// Directory of the node's CNI programs
    #[arg(long, value_name = "DIR", default_value = "/opt/cni/bin")]
    dest_cni_bin_dir: String,
    /// Let iptables wait for its lock
    #[arg(long)]
    use_wait_flag: bool,
    /// PriorityClass of the pods
    #[arg(long, value_name = "NAME")]
    priority_class_name: Option<String>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: ManifestFormat,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &InstallCniArgs) -> Result<Outcome, CommandError> {
    let namespace = context.global.cni_namespace.clone();
    let values = values(context, args, &namespace)?;
    let release = Release { name: "linkerd-cni", namespace: &namespace, kube_version: KUBE_VERSION };
    let objects = manifests::render(Chart::Cni, &values, &release)
        .map_err(|error| CommandError::failure(format!("cannot render: {error}")))?;
    context.ui.data(&plan::text(&objects, args.output)?)?;
    Ok(Outcome::Success)
}

fn values(context: &Context<'_>, args: &InstallCniArgs, namespace: &str) -> Result<Value, CommandError> {
    let mut set = Overrides::default();
    let version = args.linkerd_version.clone().unwrap_or_else(|| context.settings.version.clone());
    set.set("namespace", namespace);
    set.set("cliVersion", context.settings.version.clone());
    set.set("cniPluginVersion", version);
    let registry = args.registry.clone().or_else(|| context.settings.registry.clone());
    let image = args.cni_image.clone().or(registry.map(|registry| format!("{registry}/cni-plugin")));
    set.set_some("cniPluginImage", image);
    set.set("proxyUID", args.proxy_uid);
    set.set_some("proxyGID", args.proxy_gid);
    set.set("inboundProxyPort", args.inbound_port);
    set.set("outboundProxyPort", args.outbound_port);
    set.set("proxyControlPort", args.control_port);
    set.set("proxyAdminPort", args.admin_port);
    set.set_some("ignoreInboundPorts", joined(&args.skip_inbound_ports));
    set.set_some("ignoreOutboundPorts", joined(&args.skip_outbound_ports));
    if !args.redirect_ports.is_empty() {
        let ports: Vec<String> = args.redirect_ports.iter().map(ToString::to_string).collect();
        set.set("portsToRedirect", ports.join(","));
    }
    set.set("logLevel", args.cni_log_level.clone());
    set.set("destCNINetDir", args.dest_cni_net_dir.clone());
    set.set("destCNIBinDir", args.dest_cni_bin_dir.clone());
    set.set_if(args.use_wait_flag, "useWaitFlag", true);
    set.set_some("priorityClassName", args.priority_class_name.clone());
    let set = set.into_value();
    let problems = manifests::schema::check(Chart::Cni, &set).map_err(CommandError::failure)?;
    if let Some(problem) = problems.first() {
        return Err(CommandError::usage(format!("invalid value: {problem}")));
    }
    let defaults = Chart::Cni.defaults().map_err(CommandError::failure)?;
    Ok(manifests::values::coalesce(defaults, &set))
}
