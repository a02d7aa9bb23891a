//! `linkerd certs create-anchor`: makes a trust anchor and its key.

use std::path::PathBuf;

use clap::Args;
use mesh_pki::SystemEntropy;
use mesh_pki::generate::{self, Request};

use crate::commands::certs::files::{NewFileArgs, Pair};
use crate::context::Context;
use crate::error::{CommandError, Outcome};

/// Make a trust anchor: a certificate that all proxies of a mesh trust, and its key
///
/// A self-signed certificate authority with an ECDSA P-256 key, valid for ten years unless told otherwise. The key is
/// needed again for every new issuer: keep it where nobody else reads it.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
        # ca.crt and ca.key for root.linkerd.cluster.local\n  linkerd certs create-anchor\n\n  \
        # A name, files and an end of one's own\n  \
        linkerd certs create-anchor root.linkerd.example.org /safe/ca.crt /safe/ca.key --not-after 43800h")]
pub struct CreateAnchorArgs {
    /// Name of the anchor [default: root.NAMESPACE.TRUST-DOMAIN]
    #[arg(value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// File for the certificate
    #[arg(value_name = "CRT-FILE", default_value = "ca.crt")]
    pub certificate: PathBuf,
    /// File for the key
    #[arg(value_name = "KEY-FILE", default_value = "ca.key")]
    pub key: PathBuf,
    /// What all new files share.
    #[command(flatten)]
    pub files: NewFileArgs,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &CreateAnchorArgs) -> Result<Outcome, CommandError> {
    let pair = Pair { certificate: &args.certificate, key: &args.key };
    pair.check(args.files.existing())?;
    let names = args.files.names(&context.global.linkerd_namespace);
    let name = args.subject.clone().unwrap_or_else(|| names.anchor());
    let mut request = Request::new(name, context.now, generate::ANCHOR_LIFETIME);
    if let Some(end) = args.files.not_after {
        request.validity.not_after = end.timestamp(context.now);
    }
    let made = generate::anchor(&request, &mut SystemEntropy::new()).map_err(CommandError::usage)?;
    pair.write(&made.certificate.to_pem(), &made.key.to_pem(), args.files.existing())?;
    let (certificate, key) = (args.certificate.display(), args.key.display());
    let until = made.certificate.validity().not_after;
    context.ui.note(&format!(
        "trust anchor {} in {certificate}, its key in {key}, valid until {until}",
        request.name
    ));
    context.ui.hint(&format!(
        "make an issuer with `linkerd certs create-issuer --ca {certificate} --ca-key {key}`"
    ));
    Ok(Outcome::Success)
}
