//! `linkerd install-sp`: ServiceProfiles of the control plane's own Services.

use clap::Args;
use manifests::{Chart, Release};

use crate::context::Context;
use crate::error::{CommandError, Outcome};
use crate::install::overrides::Overrides;
use crate::install::plan::{self, KUBE_VERSION};
use crate::install::{recorded, snapshot};
use crate::output::manifest::ManifestFormat;

/// Output Kubernetes configs to install Linkerd service profiles
///
/// Profiles for the control plane's own Services, so that routes of the mesh itself can be watched. The domain of
/// the cluster's DNS is the one that install recorded.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  linkerd install-sp | kubectl apply -f -")]
pub struct InstallSpArgs {
    /// Do not ask the cluster for the domain of its DNS
    #[arg(long)]
    ignore_cluster: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: ManifestFormat,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &InstallSpArgs) -> Result<Outcome, CommandError> {
    let namespace = context.global.linkerd_namespace.clone();
    let mut set = Overrides::default();
    set.set("namespace", namespace.clone());
    if !args.ignore_cluster {
        let client = context.client()?;
        let objects = context.block_on(snapshot::records(&client, &namespace))??;
        let overrides = recorded::read(&objects, &namespace)?.overrides;
        set.set_some("clusterDomain", overrides.get("global.clusterDomain").cloned());
    }
    let defaults = Chart::Profiles.defaults().map_err(CommandError::failure)?;
    let values = manifests::values::coalesce(defaults, &set.into_value());
    let release = Release { name: "linkerd-sp", namespace: &namespace, kube_version: KUBE_VERSION };
    let objects = manifests::render(Chart::Profiles, &values, &release)
        .map_err(|error| CommandError::failure(format!("cannot render: {error}")))?;
    context.ui.data(&plan::text(&objects, args.output)?)?;
    Ok(Outcome::Success)
}
