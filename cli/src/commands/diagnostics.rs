//! `linkerd diagnostics`: what the parts of the mesh say of themselves.

mod discovery;
mod proxy_metrics;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::error::{CommandError, Outcome};

/// Commands used to diagnose Linkerd components
#[derive(Args, Clone, Debug)]
pub struct DiagnosticsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Fetch metrics directly from Linkerd proxies
    ProxyMetrics(proxy_metrics::ProxyMetricsArgs),
    /// Introspect what the control plane discovers for addresses
    #[command(alias = "ep")]
    Endpoints(discovery::EndpointsArgs),
    /// Introspect the policy that the control plane gives for a port
    Policy(discovery::PolicyArgs),
    /// Introspect the profile that the control plane gives for an address
    Profile(discovery::ProfileArgs),
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &DiagnosticsArgs) -> Result<Outcome, CommandError> {
    match &args.what {
        What::ProxyMetrics(args) => proxy_metrics::run(context, args),
        What::Endpoints(args) => discovery::endpoints(context, args),
        What::Policy(args) => discovery::policy(context, args),
        What::Profile(args) => discovery::profile(context, args),
    }
}
