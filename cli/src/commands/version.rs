//! `linkerd version`: the versions of this command, the control plane and the proxies.

use clap::Args;

use crate::context::Context;
use crate::error::{CommandError, Outcome};

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
    Ok(Outcome::Success)
}

fn line(label: &str, version: &str, args: &VersionArgs) -> String {
    if args.short { format!("{version}\n") } else { format!("{label}: {version}\n") }
}
