//! `linkerd prune`: what the install left behind.

use clap::Args;
use serde_json::Value;

use crate::context::Context;
use crate::error::{CommandError, Outcome};
use crate::install::diff::{self, Identity};
use crate::install::{existing, expected_from, snapshot};
use crate::output::manifest::{self, ManifestFormat};

/// Output extraneous Kubernetes resources in the linkerd control plane
///
/// Prints what carries the control plane's label but is not rendered with the recorded settings by this version.
/// Nothing is deleted by this command.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  linkerd prune | kubectl delete -f -")]
pub struct PruneArgs {
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: ManifestFormat,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &PruneArgs) -> Result<Outcome, CommandError> {
    let client = context.client()?;
    let namespace = context.global.linkerd_namespace.clone();
    let present = context.block_on(snapshot::all(&client, &namespace))??;
    let rendered = expected_from(context, &present)?;
    let left = diff::compare(&present, &rendered)?.left;
    let references: Vec<Value> = present
        .iter()
        .filter(|object| left.contains(&Identity::of(object)))
        .map(existing::reference)
        .collect();
    context.ui.data(&manifest::stream(&references, args.output)?)?;
    Ok(Outcome::Success)
}
