//! `linkerd install`: the manifests of a control plane, on stdout.

mod preflight;

use clap::{Args, Subcommand};
use mesh_pki::SystemEntropy;

use crate::args::control::{ControlArgs, StageArgs};
use crate::args::identity::{AnchorKey, IdentityArgs, Material, NewIdentityArgs};
use crate::args::proxy::ProxyArgs;
use crate::args::values::ValuesArgs;
use crate::context::Context;
use crate::error::{CommandError, Outcome};
use crate::install::overrides::Overrides;
use crate::install::plan::{self, NativeSidecars, Parts, Plan};
use crate::install::{collect, identity, record_ha};
use crate::output::manifest::ManifestFormat;

/// Output Kubernetes configs to install Linkerd
///
/// Prints everything that makes a control plane; nothing is changed by this command. The same input gives the
/// same output, byte for byte, when the identity files are given; without them a new trust anchor and issuer
/// are made.
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = false,
    subcommand_negates_reqs = true,
    after_help = "Values are taken, weakest first: the chart's defaults, --ha, the files of --values in order, \
        --addon-config, named flags, --set.\n\nExamples:\n  \
        # Default install\n  linkerd install | kubectl apply -f -\n\n  \
        # In two steps: first what needs the rights of a cluster administrator\n  \
        linkerd install config | kubectl apply -f -\n  linkerd install control-plane | kubectl apply -f -\n\n  \
        # With an identity of one's own, without asking the cluster\n  \
        linkerd install --ignore-cluster --identity-trust-anchors-file ca.crt \\\n    \
        --identity-issuer-certificate-file issuer.crt --identity-issuer-key-file issuer.key > linkerd.yaml"
)]
pub struct InstallArgs {
    #[command(subcommand)]
    stage: Option<InstallStage>,
    /// Print the custom resource definitions only
    #[arg(long)]
    crds: bool,
    #[command(flatten)]
    options: InstallOptions,
    #[command(flatten)]
    common: CommonArgs,
}

/// The two stages of an install with split privileges.
#[derive(Clone, Debug, Subcommand)]
enum InstallStage {
    /// Output what needs the rights of a cluster administrator: namespace, RBAC, definitions, webhooks
    Config(Box<ConfigArgs>),
    /// Output what the owner of the namespace installs: configuration, services, workloads
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
    /// Do not check whether the first stage is in place
    #[arg(long)]
    skip_checks: bool,
    #[command(flatten)]
    options: InstallOptions,
    #[command(flatten)]
    common: CommonArgs,
}

/// Everything that shapes a whole install.
#[derive(Args, Clone, Debug)]
struct InstallOptions {
    #[command(flatten)]
    stage: StageArgs,
    #[command(flatten)]
    control: ControlArgs,
    /// Domain of the cluster's DNS [default: cluster.local]
    #[arg(long, value_name = "DOMAIN", help_heading = "Control plane")]
    cluster_domain: Option<String>,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    new_identity: NewIdentityArgs,
    #[command(flatten)]
    proxy: ProxyArgs,
    #[command(flatten)]
    values: ValuesArgs,
}

#[derive(Args, Clone, Debug)]
struct CommonArgs {
    /// Do not ask the cluster whether there is an install already
    #[arg(long)]
    ignore_cluster: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: ManifestFormat,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &InstallArgs) -> Result<Outcome, CommandError> {
    match &args.stage {
        None if args.crds => crds(context, &args.common),
        None => whole(context, &args.options, &args.common),
        Some(InstallStage::Config(config)) => config_stage(context, config),
        Some(InstallStage::ControlPlane(control)) => control_plane_stage(context, control),
    }
}

fn crds(context: &mut Context<'_>, common: &CommonArgs) -> Result<Outcome, CommandError> {
    // Definitions do not depend on anybody's identity.
    let names = plan::mesh_names(&context.global.linkerd_namespace, &Overrides::default())?;
    let material = Material::generate(&names, AnchorKey::Discarded, context.now, &mut SystemEntropy::new())?;
    let plan = Plan::new(context, Overrides::default(), material);
    write(context, &plan, Parts::CRDS, common)
}

fn whole(
    context: &mut Context<'_>,
    options: &InstallOptions,
    common: &CommonArgs,
) -> Result<Outcome, CommandError> {
    options.validate(common)?;
    if !common.ignore_cluster {
        preflight::no_install_yet(context)?;
    }
    let mut plan = options.plan(context)?;
    plan.native_sidecars = native_sidecars(context, common)?;
    write(context, &plan, Parts::ALL, common)
}

fn config_stage(context: &mut Context<'_>, args: &ConfigArgs) -> Result<Outcome, CommandError> {
    if !args.common.ignore_cluster {
        preflight::no_install_yet(context)?;
    }
    let mut overrides = Overrides::default();
    args.stage.record(&mut overrides);
    let mut overrides = collect(&args.values, overrides)?;
    let names = plan::mesh_names(&context.global.linkerd_namespace, &overrides)?;
    // An identity is no matter of this stage, and is never recorded.
    identity::take_from_values(&mut overrides, &names, context.now)?;
    let material = Material::generate(&names, AnchorKey::Discarded, context.now, &mut SystemEntropy::new())?;
    let plan = Plan::new(context, overrides, material);
    write(context, &plan, Parts::CONFIG, &args.common)
}

fn control_plane_stage(context: &mut Context<'_>, args: &ControlPlaneArgs) -> Result<Outcome, CommandError> {
    args.options.validate(&args.common)?;
    if !args.skip_checks && !args.common.ignore_cluster {
        preflight::first_stage_in_place(context)?;
    }
    if !args.common.ignore_cluster {
        preflight::second_stage_missing(context)?;
    }
    let mut plan = args.options.plan(context)?;
    plan.native_sidecars = native_sidecars(context, &args.common)?;
    write(context, &plan, Parts::CONTROL_PLANE, &args.common)
}

impl InstallOptions {
    fn validate(&self, common: &CommonArgs) -> Result<(), CommandError> {
        if common.ignore_cluster && self.new_identity.identity_external_issuer {
            return Err(CommandError::usage(
                "--ignore-cluster is not supported when --identity-external-issuer=true",
            ));
        }
        if self.new_identity.identity_external_issuer {
            self.identity.forbid_files()?;
        }
        self.proxy.validate()
    }

    fn plan(&self, context: &mut Context<'_>) -> Result<Plan, CommandError> {
        let mut flags = Overrides::default();
        if let Some(registry) = context.settings.registry.clone() {
            flags.set("global.registry", registry);
        }
        self.stage.record(&mut flags);
        self.control.record(&mut flags);
        record_ha(&self.control, &mut flags);
        self.identity.record(&mut flags);
        self.new_identity.record(&mut flags);
        self.proxy.record(&mut flags)?;
        flags.set_some("global.clusterDomain", self.cluster_domain.clone());
        let mut overrides = collect(&self.values, flags)?;
        let names = plan::mesh_names(&context.global.linkerd_namespace, &overrides)?;
        let from_values = identity::take_from_values(&mut overrides, &names, context.now)?;
        let material = if let Some(material) = from_values {
            material
        } else if self.new_identity.identity_external_issuer {
            preflight::external_issuer(context, &names)?
        } else {
            self.new_identity.material(&self.identity, &names, context.now, &mut SystemEntropy::new())?
        };
        Ok(Plan::new(context, overrides, material))
    }
}

/// Proxies are native sidecars where the cluster has them.
fn native_sidecars(context: &mut Context<'_>, common: &CommonArgs) -> Result<NativeSidecars, CommandError> {
    if common.ignore_cluster {
        return Ok(NativeSidecars::Supported);
    }
    let client = context.client()?;
    let version = context.block_on(client.server_version())??;
    Ok(NativeSidecars::of(&version))
}

fn write(
    context: &mut Context<'_>,
    plan: &Plan,
    parts: Parts,
    common: &CommonArgs,
) -> Result<Outcome, CommandError> {
    let objects = plan.render(parts)?;
    let text = plan::text(&objects, common.output)?;
    context.ui.data(&text)?;
    Ok(Outcome::Success)
}
