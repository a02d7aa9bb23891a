//! `linkerd uninject`: manifests in, the same manifests without the proxy out.

use clap::Args;
use mesh_inject::Task;

use crate::commands::inject::{Reports, format, transform};
use crate::context::Context;
use crate::error::{CommandError, Outcome};
use crate::output::inject::Verb;
use crate::output::manifest::ManifestFormat;

/// Remove the Linkerd proxy from a Kubernetes config
///
/// What `inject` added goes, with or without --manual; everything else stays as it is. Annotations
/// `config.linkerd.io/*` of one's own stay too, those that flags of `inject` added go.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
        # Uninject all the deployments in the default namespace\n  \
        kubectl get deploy -o yaml | linkerd uninject - | kubectl apply -f -\n\n  \
        # Uninject a file, a URL, or a folder with all that is in it\n  \
        linkerd uninject web.yaml\n  linkerd uninject https://example.com/app.yml\n  linkerd uninject ./manifests")]
pub struct UninjectArgs {
    /// File, directory, URL, or `-` for stdin
    #[arg(value_name = "CONFIG-FILE")]
    pub source: Vec<String>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    pub output: ManifestFormat,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &UninjectArgs) -> Result<Outcome, CommandError> {
    let format = format(args.output);
    transform(context, &args.source, Task::Uninject, format, Verb::Uninject, Reports::PerFile)
}
