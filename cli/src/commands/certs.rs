//! `linkerd certs`: makes, checks and lists the certificates of a mesh.

pub mod check;
pub mod create_anchor;
pub mod create_issuer;
pub mod files;
pub mod installed;
pub mod list;
pub mod pool;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::error::{CommandError, Outcome};

/// Make, check and list the certificates of the mesh
///
/// Exit codes: 0 success, 1 findings, 2 wrong usage or unusable input, 3 the cluster cannot be reached or denied
/// it, 4 timed out, 5 part of what was asked for could not be read.
#[derive(Args, Clone, Debug)]
pub struct CertsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CertsCommand,
}

/// What to do with certificates.
#[derive(Clone, Debug, Subcommand)]
pub enum CertsCommand {
    /// Make a trust anchor: a certificate that all proxies of a mesh trust, and its key
    CreateAnchor(create_anchor::CreateAnchorArgs),
    /// Make an issuer, signed by a trust anchor: what signs the certificates of workloads
    CreateIssuer(create_issuer::CreateIssuerArgs),
    /// Check certificates and keys in files
    Check(check::CheckArgs),
    /// List the certificates of an installed control plane
    List(list::ListArgs),
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &CertsArgs) -> Result<Outcome, CommandError> {
    match &args.command {
        CertsCommand::CreateAnchor(args) => create_anchor::run(context, args),
        CertsCommand::CreateIssuer(args) => create_issuer::run(context, args),
        CertsCommand::Check(args) => check::run(context, args),
        CertsCommand::List(args) => list::run(context, args),
    }
}

#[cfg(test)]
mod tests;
