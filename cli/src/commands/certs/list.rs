//! `linkerd certs list`: every certificate of an installed control plane.

use std::time::Duration;

use clap::Args;
use futures::future::join_all;
use mesh_k8s::objects::Selection;
use mesh_k8s::{Client, Error, Resource};
use serde_json::Value;

use crate::args::duration::go_duration;
use crate::args::output::OutputArgs;
use crate::commands::certs::check::warning_days;
use crate::commands::certs::installed;
use crate::commands::certs::pool::Judge;
use crate::context::Context;
use crate::error::{CommandError, Outcome};
use crate::install::existing::CONTROL_PLANE_NS;
use crate::output;
use crate::output::cert::CertificateReport;

/// Exit code when some objects could not be read.
const PARTIAL: u8 = 5;

/// List the certificates of an installed control plane
///
/// Trust roots, issuer, the kept trust anchor, the serving certificates of the webhooks and of the aggregated API, and
/// the CA bundles that their callers hold: what each is signed by, and how many days it has left. Ends with 0; with 5
/// when this user may not read all of them.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// How soon before its end a certificate is said to expire soon [default: 1440h, 60 days]
    #[arg(long, value_name = "DURATION", value_parser = go_duration)]
    pub expiring_within: Option<Duration>,
    /// How to print the list.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Objects read, and what could not be.
#[derive(Debug, Default)]
struct Gathered {
    objects: Vec<Value>,
    unread: Vec<Error>,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &ListArgs) -> Result<Outcome, CommandError> {
    let namespace = context.global.linkerd_namespace.clone();
    let client = context.client()?;
    let Gathered { objects, unread } = context.block_on(gather(&client, &namespace))??;
    let judge = Judge { now: context.now, warning_days: warning_days(args.expiring_within) };
    let rows = installed::rows(&objects, &namespace, judge);
    if rows.is_empty() {
        return Err(match unread.into_iter().next() {
            Some(error) => error.into(),
            None => {
                CommandError::failure(format!("no certificates of a control plane in namespace {namespace}"))
                    .hint("`linkerd install` makes one; --linkerd-namespace names another namespace")
            }
        });
    }
    output::print(context.ui, args.output.format, &CertificateReport::new(rows))?;
    for place in installed::empty(&objects) {
        context.ui.note(&format!("{place} holds no certificate yet"));
    }
    for error in &unread {
        context.ui.warn(&error.to_string());
    }
    Ok(if unread.is_empty() { Outcome::Success } else { Outcome::Exit(PARTIAL) })
}

/// Reads what may hold certificates: objects by name, so that narrow rights suffice, webhooks and APIs by label.
async fn gather(client: &Client, namespace: &str) -> Result<Gathered, Error> {
    let maps = installed::CONFIG_MAPS.iter().map(|name| (&Resource::CONFIG_MAP, *name));
    let secrets = installed::SECRETS.iter().map(|name| (&Resource::SECRET, *name));
    let named = maps.chain(secrets).map(|(resource, name)| client.find(resource, Some(namespace), name));
    let labels = format!("{CONTROL_PLANE_NS}={namespace}");
    let callers = [Resource::MUTATING_WEBHOOK, Resource::VALIDATING_WEBHOOK, Resource::API_SERVICE];
    let listed = callers
        .iter()
        .map(|resource| client.list(resource, Selection { namespace: None, labels: Some(&labels) }));
    let (named, listed) = futures::join!(join_all(named), join_all(listed));
    let mut gathered = Gathered::default();
    let found = named.into_iter().map(|found| found.map(Vec::from_iter)).chain(listed);
    for found in found {
        match found {
            Ok(objects) => gathered.objects.extend(objects),
            Err(error @ Error::Denied { .. }) => gathered.unread.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(gathered)
}
