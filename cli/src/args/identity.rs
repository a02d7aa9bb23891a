//! Flags of install and upgrade that say who may sign the certificates of workloads, and what comes of them.
//!
//! The flags lead to a [`Material`]: read from files, taken from the cluster, or made now. [`Material::record`]
//! writes it into the chart values. What is wrong with a given file is said in Linkerd's words where it has some,
//! with the file named behind them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use clap::Args;
use jiff::Timestamp;
use mesh_core::identity::{MeshNames, TrustDomain};
use mesh_pki::generate::{self, Authority, Request};
use mesh_pki::{
    Bundle, Entropy, Issuer, IssuerError, MAX_PEM_BYTES, Problem, parse_bundle, parse_issuer, parse_key,
};
use serde_json::Value;

use crate::args::duration::go_duration;
use crate::error::CommandError;
use crate::install::overrides::Overrides;

/// Prefix of every complaint about a given issuer.
const UNUSABLE: &str = "failed to verify issuer certs stored on disk";

/// Flags of install and upgrade.
#[derive(Args, Clone, Debug, Default)]
pub struct IdentityArgs {
    /// File of trust anchors (PEM, one or more certificates)
    #[arg(long, value_name = "FILE", help_heading = "Identity")]
    pub identity_trust_anchors_file: Option<PathBuf>,

    /// File of the issuer's certificate (PEM; intermediates may follow)
    #[arg(long, value_name = "FILE", help_heading = "Identity")]
    pub identity_issuer_certificate_file: Option<PathBuf>,

    /// File of the issuer's private key (PEM, ECDSA P-256)
    #[arg(long, value_name = "FILE", help_heading = "Identity")]
    pub identity_issuer_key_file: Option<PathBuf>,

    /// How long certificates of workloads last [default: 24h0m0s]
    #[arg(long, value_name = "DURATION", value_parser = positive_duration, help_heading = "Identity")]
    pub identity_issuance_lifetime: Option<String>,

    /// By how much clocks of the cluster may differ [default: 20s]
    #[arg(long, value_name = "DURATION", value_parser = positive_duration, help_heading = "Identity")]
    pub identity_clock_skew_allowance: Option<String>,
}

/// Flags of install alone.
#[derive(Args, Clone, Debug, Default)]
pub struct NewIdentityArgs {
    /// Suffix of all identities [default: the cluster domain]
    #[arg(long, value_name = "DOMAIN", help_heading = "Identity")]
    pub identity_trust_domain: Option<TrustDomain>,

    /// Take the issuer from the Secret linkerd-identity-issuer that somebody else maintains
    #[arg(long, help_heading = "Identity")]
    pub identity_external_issuer: bool,

    /// Take the trust anchors from the ConfigMap linkerd-identity-trust-roots that somebody else maintains
    #[arg(long, help_heading = "Identity")]
    pub identity_external_ca: bool,

    /// Do not keep the key of the trust anchor that install makes; the issuer is then renewed by hand
    #[arg(long, help_heading = "Identity")]
    pub identity_discard_anchor_key: bool,
}

/// Whether the key of a trust anchor made here is kept in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnchorKey {
    /// In Secret `linkerd-trust-anchor`, so that the issuer is renewed without anybody's doing.
    Kept,
    /// Nowhere.
    Discarded,
}

/// What the identity files hold, judged one by one. Each part may be missing.
#[derive(Debug, Default)]
pub struct Given {
    /// The trust anchors.
    pub anchors: Option<Bundle>,
    /// The issuer.
    pub issuer: Option<Issuer>,
}

/// Who signs the certificates of workloads, as it goes into the chart values.
#[derive(Debug)]
pub struct Material {
    /// The trust anchors.
    pub anchors: Bundle,
    /// The issuer; none when somebody else maintains it.
    pub issuer: Option<Issuer>,
    /// The trust anchor with its key, when it is kept.
    pub anchor: Option<Authority>,
}

impl IdentityArgs {
    /// Writes the given durations into `overrides`. Files are not recorded as such: see [`Material::record`].
    pub fn record(&self, overrides: &mut Overrides) {
        overrides.set_some("identity.issuer.issuanceLifetime", self.identity_issuance_lifetime.clone());
        overrides.set_some("identity.issuer.clockSkewAllowance", self.identity_clock_skew_allowance.clone());
    }

    /// True when any of the three files is named.
    pub fn names_files(&self) -> bool {
        self.file_flags().iter().any(|(_, file)| file.is_some())
    }

    /// For install: all three files or none.
    pub fn require_all_files(&self) -> Result<(), CommandError> {
        if !self.names_files() {
            return Ok(());
        }
        let files = [
            ("a trust anchors file", &self.identity_trust_anchors_file),
            ("a certificate file", &self.identity_issuer_certificate_file),
            ("a private key file", &self.identity_issuer_key_file),
        ];
        match files.iter().find(|(_, file)| file.is_none()) {
            Some((what, _)) => Err(CommandError::usage(format!(
                "{what} must be specified if other credentials are provided"
            ))
            .hint("`linkerd certs create-anchor` and `linkerd certs create-issuer` make all three")),
            None => Ok(()),
        }
    }

    /// For install with `--identity-external-issuer`: none of the three files.
    pub fn forbid_files(&self) -> Result<(), CommandError> {
        match self.file_flags().iter().find(|(_, file)| file.is_some()) {
            Some((flag, _)) => Err(CommandError::usage(format!(
                "{flag} must not be specified if --identity-external-issuer=true"
            ))),
            None => Ok(()),
        }
    }

    /// Reads the files that are named. Key and certificate are checked against each other; nothing else is judged.
    pub fn read(&self) -> Result<Given, CommandError> {
        let anchors = match &self.identity_trust_anchors_file {
            Some(file) => Some(read_bundle(file)?),
            None => None,
        };
        let issuer = match (&self.identity_issuer_certificate_file, &self.identity_issuer_key_file) {
            (Some(certificate), Some(key)) => Some(read_issuer(certificate, key)?),
            (None, None) => None,
            (Some(_), None) => {
                return Err(CommandError::usage(
                    "a private key file must be specified if a certificate is provided",
                ));
            }
            (None, Some(_)) => {
                return Err(CommandError::usage(
                    "a certificate file must be specified if a private key is provided",
                ));
            }
        };
        Ok(Given { anchors, issuer })
    }

    /// The complaint about an issuer that was read from these files.
    pub fn unusable(&self, problem: &Problem) -> CommandError {
        let file = self.identity_issuer_certificate_file.as_deref();
        let place = file.map(|file| format!(" ({})", file.display())).unwrap_or_default();
        CommandError::usage(format!("{UNUSABLE}: {problem}{place}"))
    }

    fn file_flags(&self) -> [(&'static str, Option<&Path>); 3] {
        [
            ("--identity-trust-anchors-file", self.identity_trust_anchors_file.as_deref()),
            ("--identity-issuer-certificate-file", self.identity_issuer_certificate_file.as_deref()),
            ("--identity-issuer-key-file", self.identity_issuer_key_file.as_deref()),
        ]
    }
}

impl NewIdentityArgs {
    /// Writes the given flags into `overrides`.
    pub fn record(&self, overrides: &mut Overrides) {
        let domain = self.identity_trust_domain.as_ref().map(ToString::to_string);
        overrides.set_some("global.identityTrustDomain", domain);
        overrides.set_if(self.identity_external_issuer, "identity.issuer.scheme", "kubernetes.io/tls");
        overrides.set_if(self.identity_external_ca, "global.identityTrustAnchorsExternal", true);
    }

    /// Whether the key of a new anchor is kept.
    pub fn anchor_key(&self) -> AnchorKey {
        if self.identity_discard_anchor_key { AnchorKey::Discarded } else { AnchorKey::Kept }
    }

    /// What install without an external issuer uses: the files, all three of them, or a new anchor and issuer.
    pub fn material(
        &self,
        args: &IdentityArgs,
        names: &MeshNames,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<Material, CommandError> {
        args.require_all_files()?;
        match args.read()? {
            Given { anchors: Some(anchors), issuer: Some(issuer) } => {
                issuer.verify(&anchors, &names.issuer(), now).map_err(|problem| args.unusable(&problem))?;
                Ok(Material { anchors, issuer: Some(issuer), anchor: None })
            }
            _ => Material::generate(names, self.anchor_key(), now, entropy),
        }
    }
}

impl Material {
    /// A new trust anchor and an issuer signed by it.
    pub fn generate(
        names: &MeshNames,
        key: AnchorKey,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, CommandError> {
        let anchor = Request::new(names.anchor(), now, generate::ANCHOR_LIFETIME);
        let issuer = Request::new(names.issuer(), now, generate::ISSUER_LIFETIME);
        let made = generate::identity(&anchor, &issuer, entropy)
            .map_err(|error| CommandError::failure(format!("cannot make certificates: {error}")))?;
        let anchors = made.bundle();
        let anchor = match key {
            AnchorKey::Kept => Some(made.anchor),
            AnchorKey::Discarded => None,
        };
        Ok(Self { anchors, issuer: Some(made.issuer), anchor })
    }

    /// What the Secret `linkerd-identity-issuer` of somebody else holds, verified.
    pub fn external(secret: &Value, names: &MeshNames, now: Timestamp) -> Result<Self, CommandError> {
        let part = |key: &str, what: &str| {
            secret_bytes(secret, key).ok_or_else(|| {
                CommandError::usage(format!(
                    "key {key} containing the {what} needs to exist in secret linkerd-identity-issuer if \
                     --identity-external-issuer=true"
                ))
            })
        };
        let anchors = part("ca.crt", "trust anchors")?;
        let certificate = part("tls.crt", "issuer certificate")?;
        let key = part("tls.key", "issuer key")?;
        let within = |key: &str, problem: String| {
            CommandError::failure(format!("secret linkerd-identity-issuer, key {key}: {problem}"))
        };
        let anchors = parse_bundle(&anchors).map_err(|error| within("ca.crt", error.to_string()))?;
        let issuer = parse_issuer(&certificate, &key).map_err(|error| match error {
            IssuerError::Key(error) => within("tls.key", error.to_string()),
            other => within("tls.crt", other.to_string()),
        })?;
        issuer
            .verify(&anchors, &names.issuer(), now)
            .map_err(|problem| within("tls.crt", problem.to_string()))?;
        Ok(Self { anchors, issuer: None, anchor: None })
    }

    /// Writes the certificates and keys into `overrides`, PEM without a newline at the end.
    pub fn record(&self, overrides: &mut Overrides) {
        let pem = |text: String| text.trim_end().to_owned();
        overrides.set("global.identityTrustAnchorsPEM", pem(self.anchors.to_pem()));
        if let Some(issuer) = &self.issuer {
            overrides.set("identity.issuer.tls.crtPEM", pem(issuer.certificate_pem()));
            overrides.set("identity.issuer.tls.keyPEM", pem(issuer.key_pem()));
            let expiry = issuer.certificate().validity().not_after;
            overrides.set("identity.issuer.crtExpiry", expiry.to_string());
        }
        if let Some(anchor) = &self.anchor {
            overrides.set("identity.trustAnchor.crtPEM", pem(anchor.certificate.to_pem()));
            overrides.set("identity.trustAnchor.keyPEM", pem(anchor.key.to_pem()));
        }
    }
}

/// Reads a file of trust anchors.
pub fn read_bundle(file: &Path) -> Result<Bundle, CommandError> {
    parse_bundle(&read_pem_file(file)?)
        .map_err(|error| CommandError::usage(format!("{}: {error}", file.display())))
}

/// Reads an issuer from its two files.
pub fn read_issuer(certificate: &Path, key: &Path) -> Result<Issuer, CommandError> {
    let (certificate_pem, key_pem) = (read_pem_file(certificate)?, read_pem_file(key)?);
    parse_issuer(&certificate_pem, &key_pem).map_err(|error| {
        let place = match &error {
            IssuerError::Key(_) => key.display().to_string(),
            IssuerError::Problem(Problem::KeyMismatch) => {
                format!("{}, {}", certificate.display(), key.display())
            }
            _ => certificate.display().to_string(),
        };
        CommandError::usage(format!("{UNUSABLE}: {error} ({place})"))
    })
}

/// Reads an anchor or issuer certificate with its key, as the signer of another.
pub fn read_authority(certificate: &Path, key: &Path) -> Result<Authority, CommandError> {
    let read = mesh_pki::parse_certificates(&read_pem_file(certificate)?)
        .map_err(|error| CommandError::usage(format!("{}: {error}", certificate.display())))?;
    let key = parse_key(&read_pem_file(key)?)
        .map_err(|error| CommandError::usage(format!("{}: {error}", key.display())))?;
    let certificate = read.into_iter().next().expect("there is at least one certificate in what was read");
    Ok(Authority { certificate, key })
}

/// Reads a file of which no more than a certificate file's length is looked at.
pub fn read_pem_file(path: &Path) -> Result<Vec<u8>, CommandError> {
    let name = path.display();
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => CommandError::usage(format!("missing file: {name}")),
        std::io::ErrorKind::IsADirectory => CommandError::usage(format!("not a file: {name}")),
        _ => CommandError::usage(format!("cannot read {name}: {error}")),
    };
    let file = File::open(path).map_err(unreadable)?;
    let limit = u64::try_from(MAX_PEM_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// The decoded value of a Secret's key.
pub fn secret_bytes(secret: &Value, key: &str) -> Option<Vec<u8>> {
    let encoded = secret.get("data")?.get(key)?.as_str()?;
    base64::engine::general_purpose::STANDARD.decode(encoded).ok().filter(|bytes| !bytes.is_empty())
}

fn positive_duration(text: &str) -> Result<String, String> {
    match go_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(text.to_owned()),
        _ => Err(format!("{text} is not a duration such as 24h0m0s")),
    }
}

#[cfg(test)]
mod tests;
