//! `linkerd certs create-issuer`: makes an issuer signed by a trust anchor.

use std::path::PathBuf;

use clap::Args;
use mesh_pki::generate::{self, Request};
use mesh_pki::{Bundle, Problem, SystemEntropy};

use crate::args::identity::read_authority;
use crate::commands::certs::files::{NewFileArgs, Pair};
use crate::context::Context;
use crate::error::{CommandError, Outcome};

/// Make an issuer, signed by a trust anchor: what signs the certificates of workloads
///
/// A certificate authority with an ECDSA P-256 key, below which no other authority may follow, valid for a year
/// unless told otherwise and never longer than the anchor.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
        # issuer.crt and issuer.key, signed by ca.crt with ca.key\n  linkerd certs create-issuer\n\n  \
        # Then install with them\n  \
        linkerd install --identity-trust-anchors-file ca.crt --identity-issuer-certificate-file issuer.crt \
        --identity-issuer-key-file issuer.key | kubectl apply -f -")]
pub struct CreateIssuerArgs {
    /// Name of the issuer; install demands the default [default: identity.NAMESPACE.TRUST-DOMAIN]
    #[arg(value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// File for the certificate
    #[arg(value_name = "CRT-FILE", default_value = "issuer.crt")]
    pub certificate: PathBuf,
    /// File for the key
    #[arg(value_name = "KEY-FILE", default_value = "issuer.key")]
    pub key: PathBuf,
    /// Certificate of the trust anchor
    #[arg(long, value_name = "FILE", default_value = "ca.crt")]
    pub ca: PathBuf,
    /// Key of the trust anchor
    #[arg(long, value_name = "FILE", default_value = "ca.key")]
    pub ca_key: PathBuf,
    /// What all new files share.
    #[command(flatten)]
    pub files: NewFileArgs,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &CreateIssuerArgs) -> Result<Outcome, CommandError> {
    let pair = Pair { certificate: &args.certificate, key: &args.key };
    pair.check(args.files.existing())?;
    let anchor = read_authority(&args.ca, &args.ca_key)?;
    let ca = args.ca.display();
    if let Some(problem) = Problem::of_validity(&anchor.certificate, context.now) {
        return Err(CommandError::usage(format!("{ca}: {problem}"))
            .hint("`linkerd certs create-anchor` makes a new anchor"));
    }
    let names = args.files.names(&context.global.linkerd_namespace);
    let name = args.subject.clone().unwrap_or_else(|| names.issuer());
    let mut request = Request::new(name, context.now, generate::ISSUER_LIFETIME);
    request = match args.files.not_after {
        Some(end) => {
            request.validity.not_after = end.timestamp(context.now);
            request
        }
        None => request.within(&anchor.certificate),
    };
    let issuer =
        generate::issuer(&request, &anchor, &mut SystemEntropy::new()).map_err(CommandError::usage)?;
    issuer.verify(&Bundle::of(anchor.certificate), &request.name, context.now).map_err(|problem| {
        CommandError::usage(format!("an issuer signed by {ca} cannot be used: {problem}"))
    })?;
    pair.write(&issuer.certificate_pem(), &issuer.key_pem(), args.files.existing())?;
    let until = issuer.certificate().validity().not_after;
    let (certificate, key) = (args.certificate.display(), args.key.display());
    context
        .ui
        .note(&format!("issuer {} in {certificate}, its key in {key}, valid until {until}", request.name));
    Ok(Outcome::Success)
}
