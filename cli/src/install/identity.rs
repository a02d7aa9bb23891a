//! Who signs after an upgrade: what is in force, unless something new is given.
//!
//! What is replaced is never judged: an expired anchor or issuer must not stand in the way of its own successor.

use jiff::Timestamp;
use mesh_core::identity::MeshNames;
use mesh_pki::generate::{self, Authority, Request};
use mesh_pki::{Bundle, Entropy, Issuer, Problem, parse_bundle, parse_issuer, parse_key};
use serde_json::Value;

use crate::args::identity::{IdentityArgs, Material};
use crate::error::CommandError;
use crate::install::overrides::Overrides;
use crate::install::recorded::{Recorded, RecordedIssuer};

/// Whether doubts end an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// `--force`.
    Yes,
    /// The default.
    No,
}

/// What signs after the upgrade, and what the user should be told of it.
#[derive(Debug)]
pub struct Upgraded {
    /// The identity to render.
    pub material: Material,
    /// Lines for stderr.
    pub notices: Vec<String>,
    /// Whether the anchors or the issuer are new.
    pub renewed: bool,
}

/// Puts together what the files give and what is in force.
pub fn upgrade(
    args: &IdentityArgs,
    recorded: &Recorded,
    names: &MeshNames,
    force: Force,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<Upgraded, CommandError> {
    if recorded.issuer == RecordedIssuer::External && args.identity_issuer_certificate_file.is_some() {
        return Err(CommandError::usage(
            "cannot update issuer certificates if you are using external cert management solution",
        ));
    }
    let given = args.read()?;
    let renewed = given.anchors.is_some() || given.issuer.is_some();
    let mut notices = Vec::new();
    if given.anchors.is_some() {
        notices.extend(rotation_notice());
    }
    let anchors = match given.anchors {
        Some(anchors) => anchors,
        None => anchors_in_force(recorded)?,
    };
    let kept = recorded.anchor.as_ref().and_then(|(crt, key)| authority(crt, key, &anchors));
    let issuer = match (given.issuer, &recorded.issuer) {
        (Some(issuer), _) => Some(issuer),
        (None, RecordedIssuer::External) => None,
        (None, RecordedIssuer::Tls { crt, key }) => Some(issuer_in_force(crt, key)?),
        (None, RecordedIssuer::Missing) => Some(new_issuer(kept.as_ref(), names, now, entropy)?),
    };
    if let Some(issuer) = &issuer {
        judge(issuer, &anchors, names, now, force, renewed, &mut notices)?;
    }
    Ok(Upgraded { material: Material { anchors, issuer, anchor: kept }, notices, renewed })
}

fn rotation_notice() -> [String; 4] {
    [
        String::new(),
        "\u{203c} Rotating the trust anchors will affect existing proxies".to_owned(),
        "  see docs/identity.md: proxies of this project follow the bundle; those of Linkerd must be restarted"
            .to_owned(),
        String::new(),
    ]
}

fn anchors_in_force(recorded: &Recorded) -> Result<Bundle, CommandError> {
    parse_bundle(recorded.anchors.as_bytes()).map_err(|error| {
        CommandError::failure(format!("the trust anchors in force cannot be read: {error}"))
            .hint("--identity-trust-anchors-file replaces them")
    })
}

fn issuer_in_force(crt: &str, key: &str) -> Result<Issuer, CommandError> {
    parse_issuer(crt.as_bytes(), key.as_bytes()).map_err(|error| {
        CommandError::failure(format!(
            "the issuer in force (secret linkerd-identity-issuer) cannot be read: {error}"
        ))
        .hint("--identity-issuer-certificate-file and --identity-issuer-key-file replace it")
    })
}

/// The anchor with its key, if it is still one of the anchors.
fn authority(crt: &str, key: &str, anchors: &Bundle) -> Option<Authority> {
    let certificate = mesh_pki::parse_certificates(crt.as_bytes()).ok()?.into_iter().next()?;
    let key = parse_key(key.as_bytes()).ok()?;
    let known = anchors.certificates().iter().any(|anchor| anchor.is_same_authority(&certificate));
    (known && key.matches(&certificate)).then_some(Authority { certificate, key })
}

fn new_issuer(
    anchor: Option<&Authority>,
    names: &MeshNames,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<Issuer, CommandError> {
    let Some(anchor) = anchor else {
        return Err(CommandError::failure(
            "secret linkerd-identity-issuer is missing, and the trust anchor's key is not there to make a new one",
        )
        .hint("`linkerd certs create-issuer` makes one; give it with --identity-issuer-certificate-file and \
               --identity-issuer-key-file"));
    };
    let request = Request::new(names.issuer(), now, generate::ISSUER_LIFETIME);
    generate::issuer(&request, anchor, entropy)
        .map_err(|error| CommandError::failure(format!("cannot make an issuer: {error}")))
}

/// New material must work; what was there before and stays is only remarked upon.
fn judge(
    issuer: &Issuer,
    anchors: &Bundle,
    names: &MeshNames,
    now: Timestamp,
    force: Force,
    renewed: bool,
    notices: &mut Vec<String>,
) -> Result<(), CommandError> {
    let Err(problem) = issuer.verify(anchors, &names.issuer(), now) else { return Ok(()) };
    if renewed && force == Force::No {
        return Err(CommandError::usage(format!(
            "issuer certificate does not work with the provided anchors: {problem}"
        ))
        .hint("give both an issuer and the anchors it chains to; --force renders all the same"));
    }
    notices.push(format!("\u{203c} the issuer does not work with the trust anchors: {problem}"));
    if let Problem::Expired { .. } = problem {
        notices.push(
            "  replace it with --identity-issuer-certificate-file and --identity-issuer-key-file".to_owned(),
        );
    }
    Ok(())
}

/// Takes identity material out of user-set values: it is kept in objects of its own, never in the records.
pub fn take_from_values(
    overrides: &mut Overrides,
    names: &MeshNames,
    now: Timestamp,
) -> Result<Option<Material>, CommandError> {
    let mut take = |path: &str| match overrides.remove(path) {
        Some(Value::String(text)) if !text.trim().is_empty() => Some(text),
        _ => None,
    };
    let anchors = take("global.identityTrustAnchorsPEM");
    let crt = take("identity.issuer.tls.crtPEM");
    let key = take("identity.issuer.tls.keyPEM");
    take("identity.issuer.crtExpiry");
    let anchor = (take("identity.trustAnchor.crtPEM"), take("identity.trustAnchor.keyPEM"));
    let (anchors, crt, key) = match (anchors, crt, key) {
        (None, None, None) => return Ok(None),
        (Some(anchors), Some(crt), Some(key)) => (anchors, crt, key),
        _ => {
            return Err(CommandError::usage(
                "global.identityTrustAnchorsPEM, identity.issuer.tls.crtPEM and identity.issuer.tls.keyPEM must be set \
                 together",
            ));
        }
    };
    let bad = |what: &str, error: String| CommandError::usage(format!("value {what}: {error}"));
    let anchors = parse_bundle(anchors.as_bytes())
        .map_err(|error| bad("global.identityTrustAnchorsPEM", error.to_string()))?;
    let issuer = parse_issuer(crt.as_bytes(), key.as_bytes())
        .map_err(|error| bad("identity.issuer.tls", error.to_string()))?;
    issuer
        .verify(&anchors, &names.issuer(), now)
        .map_err(|problem| bad("identity.issuer.tls.crtPEM", problem.to_string()))?;
    let anchor = match &anchor {
        (Some(crt), Some(key)) => authority(crt, key, &anchors),
        _ => None,
    };
    Ok(Some(Material { anchors, issuer: Some(issuer), anchor }))
}
