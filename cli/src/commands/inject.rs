//! `linkerd inject`: manifests in, the same manifests with the proxy, or the annotation that asks for it, out.

use std::path::PathBuf;

use clap::Args;
use manifests::Chart;
use mesh_core::duration::GoDuration;
use mesh_core::port::PortRanges;
use mesh_inject::{Cached, ChartSource, Flags, Format, Mode, Task};
use mesh_k8s::Resource;
use serde_json::Value;

use crate::args::control::registry;
use crate::args::proxy::{ProxyArgs, name_of};
use crate::context::Context;
use crate::error::{CommandError, Outcome};
use crate::install::overrides::Overrides;
use crate::output::inject::Verb;
use crate::output::manifest::ManifestFormat;

mod input;

pub(crate) use input::{Reports, transform};

/// Add the Linkerd proxy to a Kubernetes config
///
/// Pods are annotated so that the injector adds the proxy when they are created; with --manual its containers are
/// written into the manifest. Everything else stays as it is: comments, the order of keys, unknown fields. Injecting
/// again refreshes an earlier injection.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
        # Inject all the deployments in the default namespace\n  \
        kubectl get deploy -o yaml | linkerd inject - | kubectl apply -f -\n\n  \
        # Inject a file, a URL, or a folder with all that is in it\n  \
        linkerd inject web.yaml\n  linkerd inject https://example.com/app.yml\n  linkerd inject ./manifests\n\n  \
        # Write the proxy into the manifest, without asking a cluster\n  \
        linkerd inject --manual --ignore-cluster --identity-trust-anchors-file ca.crt web.yaml")]
pub struct InjectArgs {
    /// File, directory, URL, or `-` for stdin
    #[arg(value_name = "CONFIG-FILE")]
    pub source: Vec<String>,
    /// Write the proxy's containers into the manifest instead of leaving them to the injector
    #[arg(long)]
    pub manual: bool,
    /// Do not ask the cluster for the configuration; take the defaults of install
    #[arg(long)]
    pub ignore_cluster: bool,
    /// File of trust anchors (PEM) for --manual --ignore-cluster
    #[arg(long, value_name = "FILE")]
    pub identity_trust_anchors_file: Option<PathBuf>,
    /// Add a container with network tools to each pod
    #[arg(long)]
    pub enable_debug_sidecar: bool,
    /// Route outgoing requests by their name: for ingress controllers
    #[arg(long)]
    pub ingress: bool,
    /// How long a half-closed connection stays in the kernel's table (1m30s)
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub close_wait_timeout: GoDuration,
    /// Seconds the proxy stays before it is told to stop
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub wait_before_exit_seconds: u32,
    /// Incoming ports that accept clients with an identity only
    #[arg(long, value_name = "PORTS", value_delimiter = ',')]
    pub require_identity_on_inbound_ports: Vec<PortRanges>,
    /// Refuse tap
    #[arg(long)]
    pub disable_tap: bool,
    /// Collector (host:port) that the proxies send spans to
    #[arg(long, value_name = "ADDR")]
    pub trace_collector: Option<String>,
    /// ServiceAccount of that collector
    #[arg(long, value_name = "NAME")]
    pub trace_collector_svc_account: Option<String>,
    /// Registry and path of the project's images
    #[arg(long, value_name = "REGISTRY", value_parser = registry)]
    pub registry: Option<String>,
    /// Has no effect: every proxy has an identity
    #[arg(long, hide = true)]
    pub disable_identity: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    pub output: ManifestFormat,
    /// What the proxies are set to.
    #[command(flatten)]
    pub proxy: ProxyArgs,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &InjectArgs) -> Result<Outcome, CommandError> {
    let created_by = format!("linkerd/cli {}", context.settings.version);
    let settings = args.flags().settings(created_by).map_err(CommandError::usage)?;
    if args.disable_identity {
        context.ui.warn("--disable-identity has no effect: every proxy has an identity");
    }
    let source = args.manual.then(|| args.source_of_sidecars(context)).transpose()?;
    let mode = source.as_ref().map_or(Mode::Annotate, |source| Mode::Manual { source });
    let task = Task::Inject { settings: &settings, mode };
    transform(context, &args.source, task, format(args.output), Verb::Inject, Reports::Combined)
}

/// The pipeline's format for `-o`.
pub(crate) fn format(output: ManifestFormat) -> Format {
    match output {
        ManifestFormat::Yaml => Format::Text,
        ManifestFormat::Json => Format::Json,
    }
}

impl InjectArgs {
    /// The flags as the library takes them.
    fn flags(&self) -> Flags {
        let proxy = self.proxy.clone();
        let lists = |lists: &[PortRanges]| lists.iter().map(ToString::to_string).collect();
        Flags {
            proxy_version: proxy.proxy_version,
            proxy_image: proxy.proxy_image,
            init_image: proxy.init_image,
            init_image_version: proxy.init_image_version,
            registry: self.registry.clone(),
            image_pull_policy: proxy.image_pull_policy.map(name_of),
            inbound_port: proxy.inbound_port,
            outbound_port: proxy.outbound_port,
            control_port: proxy.control_port,
            admin_port: proxy.admin_port,
            skip_inbound_ports: lists(&proxy.skip_inbound_ports),
            skip_outbound_ports: lists(&proxy.skip_outbound_ports),
            proxy_uid: proxy.proxy_uid,
            proxy_gid: proxy.proxy_gid,
            proxy_log_level: proxy.proxy_log_level,
            proxy_cpu_request: proxy.proxy_cpu_request,
            proxy_cpu_limit: proxy.proxy_cpu_limit,
            proxy_memory_request: proxy.proxy_memory_request,
            proxy_memory_limit: proxy.proxy_memory_limit,
            default_inbound_policy: proxy.default_inbound_policy.map(name_of),
            enable_external_profiles: proxy.enable_external_profiles,
            disable_identity: self.disable_identity,
            disable_tap: self.disable_tap,
            require_identity_on_inbound_ports: lists(&self.require_identity_on_inbound_ports),
            trace_collector: self.trace_collector.clone(),
            trace_collector_svc_account: self.trace_collector_svc_account.clone(),
            wait_before_exit_seconds: u64::from(self.wait_before_exit_seconds),
            enable_debug_sidecar: self.enable_debug_sidecar,
            close_wait_timeout: self.close_wait_timeout,
            native_sidecar: proxy.native_sidecar,
            opaque_ports: lists(&proxy.opaque_ports),
            ingress: self.ingress,
        }
    }

    /// Where the containers of --manual come from.
    fn source_of_sidecars(&self, context: &mut Context<'_>) -> Result<Cached<ChartSource>, CommandError> {
        let values =
            if self.ignore_cluster { self.default_values(context)? } else { cluster_values(context)? };
        Ok(Cached::new(ChartSource::new(values).map_err(CommandError::failure)?))
    }

    /// The defaults of install, with the trust anchors of a file.
    fn default_values(&self, context: &Context<'_>) -> Result<Value, CommandError> {
        let Some(path) = &self.identity_trust_anchors_file else {
            return Err(CommandError::usage("--identity-trust-anchors-file must be set with --manual --ignore-cluster")
                .hint("the proxies trust nobody without it; the file is the one `linkerd install` was given, or `ca-bundle.crt` of ConfigMap linkerd-identity-trust-roots"));
        };
        let anchors = crate::args::identity::read_bundle(path)?.to_pem();
        let mut values = chart_defaults()?;
        values.set("global.namespace", context.global.linkerd_namespace.clone());
        values.set("global.linkerdVersion", context.settings.version.clone());
        values.set("global.identityTrustAnchorsPEM", anchors);
        Ok(values.into_value())
    }
}

/// The configuration of the control plane in the cluster: what install recorded as effective.
fn cluster_values(context: &mut Context<'_>) -> Result<Value, CommandError> {
    let namespace = context.global.linkerd_namespace.clone();
    let client = context.client()?;
    let maps = context.block_on(async {
        futures::try_join!(
            client.find(&Resource::CONFIG_MAP, Some(&namespace), "linkerd-config"),
            client.find(&Resource::CONFIG_MAP, Some(&namespace), "linkerd-identity-trust-roots"),
        )
    })?;
    let (config, roots) = maps?;
    effective(config.as_ref(), roots.as_ref(), &namespace)
}

/// The values in ConfigMap `linkerd-config`, with the anchors of `linkerd-identity-trust-roots`, which may be newer.
fn effective(config: Option<&Value>, roots: Option<&Value>, namespace: &str) -> Result<Value, CommandError> {
    const ALONE: &str =
        "--ignore-cluster with --identity-trust-anchors-file injects without asking the cluster";
    let Some(config) = config else {
        return Err(CommandError::failure(format!(
            "no control plane is installed in namespace {namespace}: ConfigMap linkerd-config not found"
        ))
        .hint("--linkerd-namespace names another namespace")
        .hint(ALONE));
    };
    let text = config.pointer("/data/values").and_then(Value::as_str).unwrap_or_default();
    let value = mesh_yaml::from_str(text).map_err(|error| {
        CommandError::failure(format!("cannot read ConfigMap linkerd-config, key values: {error}"))
    })?;
    if !value.pointer("/global/proxy").is_some_and(Value::is_object) {
        return Err(CommandError::failure(format!(
            "the control plane in namespace {namespace} was not installed by this command or its chart"
        ))
        .hint("leave the proxy to its own injector: without --manual nothing of its configuration is needed")
        .hint(ALONE));
    }
    let mut values = Overrides::from_value(value).map_err(CommandError::failure)?;
    let anchors = roots.and_then(|roots| roots.pointer("/data/ca-bundle.crt")).and_then(Value::as_str);
    if let Some(anchors) = anchors.filter(|anchors| !anchors.trim().is_empty()) {
        values.set("global.identityTrustAnchorsPEM", anchors.to_owned());
    }
    Ok(values.into_value())
}

fn chart_defaults() -> Result<Overrides, CommandError> {
    let defaults = Chart::Control.defaults().map_err(CommandError::failure)?.clone();
    Overrides::from_value(defaults).map_err(CommandError::failure)
}

#[cfg(test)]
mod tests;
