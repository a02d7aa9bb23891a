//! The whole command tree on one page.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::commands::{
    authz, certs, check, completion, diagnostics, doc, identity, inject, install, install_cni, install_sp,
    profile, prune, stat, tap, uninject, uninstall, upgrade, version,
};
use crate::context::Context;
use crate::error::{CommandError, Exits, Outcome};
use crate::extension;
use crate::global::GlobalArgs;

/// linkerd manages the Linkerd service mesh
#[derive(Debug, Parser)]
#[command(
    name = "linkerd",
    bin_name = "linkerd",
    version = mesh_core::version::CLI,
    subcommand_required = true,
    arg_required_else_help = true,
    allow_external_subcommands = true,
    max_term_width = 110,
    after_help = "Exit codes: 0 success, 1 failure; `certs` and other commands that Linkerd does not have say more \
                  (2 usage, 3 cluster, 4 timeout, 5 partial). 130 interrupted."
)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List authorizations for a resource
    Authz(authz::AuthzArgs),
    /// Make, check and list the certificates of the mesh
    Certs(certs::CertsArgs),
    /// Check the Linkerd installation for potential problems
    Check(check::CheckArgs),
    /// Output shell completion code for the specified shell
    Completion(completion::CompletionArgs),
    /// Output the reference of all commands and annotations as YAML
    #[command(hide = true)]
    Doc(doc::DocArgs),
    /// Commands used to diagnose Linkerd components
    Diagnostics(diagnostics::DiagnosticsArgs),
    /// Display the certificate(s) of one or more selected pod(s)
    Identity(identity::IdentityArgs),
    /// Add the Linkerd proxy to a Kubernetes config
    Inject(Box<inject::InjectArgs>),
    /// Output Kubernetes configs to install Linkerd
    Install(Box<install::InstallArgs>),
    /// Output Kubernetes configs to install the Linkerd CNI plugin
    InstallCni(Box<install_cni::InstallCniArgs>),
    /// Output Kubernetes configs to install Linkerd service profiles
    InstallSp(install_sp::InstallSpArgs),
    /// Output service profile config for Kubernetes
    Profile(profile::ProfileArgs),
    /// Output extraneous Kubernetes resources in the linkerd control plane
    Prune(prune::PruneArgs),
    /// Display traffic stats about one or many resources
    Stat(Box<stat::StatArgs>),
    /// Listen to a traffic stream
    Tap(Box<tap::TapArgs>),
    /// Remove the Linkerd proxy from a Kubernetes config
    Uninject(uninject::UninjectArgs),
    /// Output Kubernetes resources to uninstall the Linkerd control plane
    Uninstall(uninstall::UninstallArgs),
    /// Output Kubernetes configs to upgrade an existing Linkerd control plane
    Upgrade(Box<upgrade::UpgradeArgs>),
    /// Print the client and server version information
    Version(version::VersionArgs),
    /// A program named `linkerd-NAME` on the PATH
    #[command(external_subcommand)]
    Extension(Vec<OsString>),
}

/// Commands that Linkerd does not have; they use the richer exit codes.
const NEW: [&str; 1] = ["certs"];

impl Command {
    /// Does it.
    pub fn run(self, context: &mut Context<'_>) -> Result<Outcome, CommandError> {
        match self {
            Self::Authz(args) => authz::run(context, &args),
            Self::Certs(args) => certs::run(context, &args),
            Self::Check(args) => check::run(context, &args),
            Self::Completion(args) => completion::run(context, &args),
            Self::Doc(args) => doc::run(context, &args),
            Self::Diagnostics(args) => diagnostics::run(context, &args),
            Self::Identity(args) => identity::run(context, &args),
            Self::Inject(args) => inject::run(context, &args),
            Self::Install(args) => install::run(context, &args),
            Self::InstallCni(args) => install_cni::run(context, &args),
            Self::InstallSp(args) => install_sp::run(context, &args),
            Self::Profile(args) => profile::run(context, &args),
            Self::Prune(args) => prune::run(context, &args),
            Self::Stat(args) => stat::run(context, &args),
            Self::Tap(args) => tap::run(context, &args),
            Self::Uninject(args) => uninject::run(context, &args),
            Self::Uninstall(args) => uninstall::run(context, &args),
            Self::Upgrade(args) => upgrade::run(context, &args),
            Self::Version(args) => version::run(context, &args),
            Self::Extension(words) => extension::run(context, &words),
        }
    }

    /// Which exit codes it ends with.
    pub fn exits(&self) -> Exits {
        match self {
            Self::Upgrade(args) if args.is_diff() => Exits::Diff,
            Self::Certs(_) => Exits::Detailed,
            _ => Exits::Linkerd,
        }
    }

    /// Which exit codes a command line ends with that could not be parsed: judged by its first command word.
    pub fn exits_of_words(args: &[OsString]) -> Exits {
        let known = |word: &OsString| NEW.iter().any(|name| word == name);
        if args.iter().skip(1).any(known) { Exits::Detailed } else { Exits::Linkerd }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_tree_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
