//! `linkerd upgrade`: the manifests of the control plane that is there, changed as the flags say.

mod notices;

use clap::{Args, Subcommand};
use mesh_pki::SystemEntropy;
use serde_json::Value;

use crate::args::control::{ControlArgs, StageArgs};
use crate::args::identity::{IdentityArgs, Material};
use crate::args::proxy::ProxyArgs;
use crate::args::values::ValuesArgs;
use crate::context::Context;
use crate::error::{CommandError, Kind, Outcome};
use crate::install::identity::{self, Force, Upgraded};
use crate::install::overrides::Overrides;
use crate::install::plan::{self, NativeSidecars, Parts, Plan};
use crate::install::recorded::{self, Origin, Recorded, RecordedIssuer};
use crate::install::{check, collect, diff, existing, record_ha, snapshot};
use crate::output::manifest::ManifestFormat;

/// Output Kubernetes configs to upgrade an existing Linkerd control plane
///
/// Keeps what install recorded: settings, trust anchors and issuer. An install of Linkerd itself is taken over
/// with its settings and its identity. What changes is said on stderr; nothing is changed by this command.
#[derive(Args, Clone, Debug)]
#[command(
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  \
        # What would change? Exit code 0: nothing, 1: something, 2: trouble\n  linkerd upgrade --diff\n\n  \
        # Upgrade, and delete what is no longer part of the install\n  \
        linkerd upgrade | kubectl apply --prune -l linkerd.io/control-plane-ns=linkerd -f -\n\n  \
        # Replace the issuer\n  \
        linkerd upgrade --identity-issuer-certificate-file new.crt --identity-issuer-key-file new.key | kubectl apply -f -"
)]
pub struct UpgradeArgs {
    #[command(subcommand)]
    stage: Option<UpgradeStage>,
    /// Print the custom resource definitions only
    #[arg(long)]
    crds: bool,
    #[command(flatten)]
    options: UpgradeOptions,
    #[command(flatten)]
    common: CommonArgs,
}

/// The two stages of an upgrade with split privileges.
#[derive(Clone, Debug, Subcommand)]
enum UpgradeStage {
    /// Output what needs the rights of a cluster administrator
    Config(Box<ConfigArgs>),
    /// Output what the owner of the namespace installs
    ControlPlane(Box<ControlPlaneArgs>),
}

#[derive(Args, Clone, Debug)]
struct ConfigArgs {
    #[command(flatten)]
    stage: StageArgs,
    #[command(flatten)]
    values: ValuesArgs,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Args, Clone, Debug)]
struct ControlPlaneArgs {
    #[command(flatten)]
    options: UpgradeOptions,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Args, Clone, Debug, Default)]
struct UpgradeOptions {
    #[command(flatten)]
    stage: StageArgs,
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    proxy: ProxyArgs,
    #[command(flatten)]
    values: ValuesArgs,
}

#[derive(Args, Clone, Debug)]
struct CommonArgs {
    /// Read the install from manifests (file, directory, URL or -) instead of the cluster
    #[arg(long, value_name = "SOURCE")]
    from_manifests: Option<String>,
    /// Render even if running proxies would not accept the new issuer
    #[arg(long)]
    force: bool,
    /// Forget the recorded settings of the add-ons
    #[arg(long)]
    addon_overwrite: bool,
    /// Print what applying would change instead of the manifests
    #[arg(long)]
    diff: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml", conflicts_with = "diff")]
    output: ManifestFormat,
}

impl UpgradeArgs {
    /// True with `--diff`, which has exit codes of its own.
    pub fn is_diff(&self) -> bool {
        let common = match &self.stage {
            None => &self.common,
            Some(UpgradeStage::Config(args)) => &args.common,
            Some(UpgradeStage::ControlPlane(args)) => &args.common,
        };
        common.diff
    }
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &UpgradeArgs) -> Result<Outcome, CommandError> {
    let empty = UpgradeOptions::default();
    match &args.stage {
        None => {
            let parts = if args.crds { Parts::CRDS } else { Parts::ALL };
            upgrade(context, &args.options, &args.common, parts)
        }
        Some(UpgradeStage::Config(config)) => {
            let options =
                UpgradeOptions { stage: config.stage.clone(), values: config.values.clone(), ..empty };
            let outcome = upgrade(context, &options, &config.common, Parts::CONFIG)?;
            context.ui.note("Don't forget to run `linkerd upgrade control-plane`!");
            Ok(outcome)
        }
        Some(UpgradeStage::ControlPlane(control)) => {
            upgrade(context, &control.options, &control.common, Parts::CONTROL_PLANE)
        }
    }
}

fn upgrade(
    context: &mut Context<'_>,
    options: &UpgradeOptions,
    common: &CommonArgs,
    parts: Parts,
) -> Result<Outcome, CommandError> {
    let present = present(context, common)?;
    let mut plan = plan(context, options, common, &present).map_err(|error| failed(&error))?;
    if common.from_manifests.is_none() {
        let client = context.client()?;
        plan.native_sidecars = NativeSidecars::of(&context.block_on(client.server_version())??);
    }
    let objects = plan.render(parts)?;
    let rendered: Vec<Value> = objects.iter().map(|object| object.value.clone()).collect();
    let mut differences = diff::compare(&present, &rendered)?;
    if parts != Parts::ALL {
        // What the other stage renders is not left behind.
        differences.left.clear();
    }
    if common.diff {
        context.ui.data(&differences.text())?;
        notices::summary(context, &differences);
        return Ok(if differences.is_empty() { Outcome::Success } else { Outcome::Exit(1) });
    }
    context.ui.data(&plan::text(&objects, common.output)?)?;
    notices::summary(context, &differences);
    Ok(Outcome::Success)
}

fn present(context: &mut Context<'_>, common: &CommonArgs) -> Result<Vec<Value>, CommandError> {
    if let Some(source) = &common.from_manifests {
        return snapshot::from_manifests(source).map_err(|error| {
            failed(&CommandError::usage(format!("Failed to parse Kubernetes objects from manifest: {error}")))
        });
    }
    let client = context.client()?;
    let namespace = context.global.linkerd_namespace.clone();
    Ok(context.block_on(snapshot::all(&client, &namespace))??)
}

fn plan(
    context: &mut Context<'_>,
    options: &UpgradeOptions,
    common: &CommonArgs,
    present: &[Value],
) -> Result<Plan, CommandError> {
    let namespace = context.global.linkerd_namespace.clone();
    let mut recorded = recorded::read(present, &namespace)?;
    refuse_helm(recorded.origin)?;
    let dropped = recorded::migrate::keep_accepted(&mut recorded)?;
    notices::migration(context, &recorded, &dropped);
    if common.addon_overwrite {
        for addon in ["grafana", "prometheus", "tracing"] {
            recorded.overrides.remove(addon);
        }
    }
    let mut overrides = overrides(options, recorded.overrides.clone())?;
    let names = plan::mesh_names(&namespace, &overrides)?;
    let from_values = identity::take_from_values(&mut overrides, &names, context.now)?;
    let force = if common.force { Force::Yes } else { Force::No };
    let upgraded = match from_values {
        Some(material) => Upgraded { material, notices: Vec::new(), renewed: true },
        None => identity::upgrade(
            &options.identity,
            &recorded,
            &names,
            force,
            context.now,
            &mut SystemEntropy::new(),
        )?,
    };
    for notice in &upgraded.notices {
        context.ui.note(notice);
    }
    if force == Force::No && common.from_manifests.is_none() {
        proxies_accept(context, &upgraded, &names.issuer())?;
    }
    Ok(Plan::new(context, with_scheme(overrides, &recorded), upgraded.material))
}

/// What was recorded, under the flags and values given now.
fn overrides(options: &UpgradeOptions, mut recorded: Overrides) -> Result<Overrides, CommandError> {
    let mut flags = Overrides::default();
    options.stage.record(&mut flags);
    options.control.record(&mut flags);
    record_ha(&options.control, &mut flags);
    options.identity.record(&mut flags);
    options.proxy.record(&mut flags)?;
    recorded.merge(collect(&options.values, flags)?);
    check(&recorded)?;
    Ok(recorded)
}

fn with_scheme(mut overrides: Overrides, recorded: &Recorded) -> Overrides {
    if recorded.issuer == RecordedIssuer::External {
        overrides.set("identity.issuer.scheme", "kubernetes.io/tls");
    }
    overrides
}

/// What Helm installed, Helm has to upgrade: it would take over nothing that somebody else applied.
fn refuse_helm(origin: Origin) -> Result<(), CommandError> {
    let advice = match origin {
        Origin::Ours | Origin::Linkerd28 | Origin::LinkerdOverrides => return Ok(()),
        Origin::OurHelm => "use `helm upgrade` with the chart manifests/charts/linkerd2",
        Origin::LinkerdHelm => {
            "keep its trust anchors and issuer (ConfigMap linkerd-identity-trust-roots, Secret linkerd-identity-issuer), \
             remove the release with `helm uninstall`, and install this project's charts with them as values \
             global.identityTrustAnchorsPEM, identity.issuer.tls.crtPEM and identity.issuer.tls.keyPEM"
        }
    };
    Err(CommandError::failure(
        "this control plane was installed by Helm and cannot be upgraded by this command",
    )
    .hint(advice))
}

/// Every running proxy must accept certificates of a new issuer.
fn proxies_accept(
    context: &mut Context<'_>,
    upgraded: &Upgraded,
    issuer_name: &str,
) -> Result<(), CommandError> {
    let Material { issuer: Some(issuer), .. } = &upgraded.material else { return Ok(()) };
    if !upgraded.renewed {
        return Ok(());
    }
    let client = context.client()?;
    let namespace = context.global.linkerd_namespace.clone();
    let pods = context.block_on(existing::meshed_pods(&client, &namespace))??;
    let now = context.now;
    let refuses = |pod: &&Value| {
        trusted(pod).is_some_and(|pem| {
            mesh_pki::parse_bundle(pem.as_bytes())
                .is_ok_and(|anchors| issuer.verify(&anchors, issuer_name, now).is_err())
        })
    };
    let refusing: Vec<String> = pods
        .iter()
        .filter(refuses)
        .map(|pod| format!("\n\t* {}", mesh_k8s::resource::describe(pod).replacen("Pod ", "", 1)))
        .collect();
    if refusing.is_empty() {
        return Ok(());
    }
    Err(CommandError::failure(format!(
        "the new issuer is not trusted by the proxies of these pods:{}",
        refusing.concat()
    ))
    .hint("upgrade with both old and new anchors first and restart these pods, or use --force"))
}

/// The anchors that a pod's proxy was started with, if they are written into the pod.
fn trusted(pod: &Value) -> Option<&str> {
    let spec = pod.get("spec")?;
    let containers =
        ["containers", "initContainers"].into_iter().filter_map(|list| spec.get(list)?.as_array());
    containers
        .flatten()
        .filter(|container| container["name"] == "linkerd-proxy")
        .filter_map(|container| container.get("env")?.as_array())
        .flatten()
        .find(|variable| variable["name"] == "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS")?
        .get("value")?
        .as_str()
}

fn failed(error: &CommandError) -> CommandError {
    let mut wrapped = CommandError::verbatim(
        Kind::Failure,
        format!("\u{d7} Failed to build upgrade configuration: {error}"),
    );
    for hint in error.hints() {
        wrapped = wrapped.hint(hint);
    }
    wrapped.hint("for troubleshooting help, visit https://linkerd.io/upgrade/#troubleshooting")
}
