//! A new issuer at two thirds of the old one's life, where the trust anchor's key is kept.
//!
//! Only the holder of the lease writes, and only over the version it read. The new issuer reaches the replicas as every
//! other change does: through the mounted Secret.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use mesh_core::identity::MeshNames;
use mesh_pki::generate::{self, Authority, Request};
use mesh_pki::{Bundle, Issuer, IssuerKey, SystemEntropy, parse_certificates};

use super::material::Material;
use super::{Clock, NAME};
use crate::runtime::events::{Events, Happening, Severity, deployment};
use crate::runtime::lease::Leadership;
use crate::runtime::metrics::{Counter, Family};
use crate::runtime::{CALL_LIMIT, Runtime, Shutdown};

/// The Secret with the issuer, as `install` names it.
pub const ISSUER_SECRET: &str = "linkerd-identity-issuer";
/// The Secret with the anchor and its key.
pub const ANCHOR_SECRET: &str = "linkerd-trust-anchor";
/// Annotation of the issuer's Secret with its last second.
const EXPIRY: &str = "linkerd.io/identity-issuer-expiry";
/// How often the issuer's age is looked at.
const PERIOD: Duration = Duration::from_secs(60);

/// What renewal goes by.
pub struct Inputs {
    /// Who may write.
    pub leadership: Leadership,
    /// The anchors in force.
    pub material: Material,
    /// Where it is told.
    pub events: Events,
    /// What time it is.
    pub clock: Clock,
}

/// Renews the issuer.
pub struct Renewal {
    secrets: Api<Secret>,
    issuer_name: String,
    namespace: String,
    inputs: Inputs,
    outcomes: Family<Counter>,
    told: Option<String>,
}

/// What one look at the issuer led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is young enough.
    NotDue,
    /// The anchor's key is not kept here.
    NoAnchorKey,
    /// A new one was written.
    Renewed {
        /// Its last second.
        until: Timestamp,
    },
    /// Another writer was faster, or the lease is not held.
    NotOurs,
}

// === impl Renewal ===

impl Renewal {
    /// Renews the issuer of the mesh `names` in the namespace of `runtime`.
    pub fn new(client: kube::Client, names: &MeshNames, runtime: &Runtime, inputs: Inputs) -> Self {
        Self {
            secrets: Api::namespaced(client, &runtime.namespace),
            issuer_name: names.issuer(),
            namespace: runtime.namespace.clone(),
            inputs,
            outcomes: runtime.registry.counters(
                "identity_renewals_total",
                "Attempts to renew the issuer, by outcome.",
                &["outcome"],
            ),
            told: None,
        }
    }

    /// Looks at the issuer's age whenever the lease is held, until the end begins.
    pub async fn run(mut self, shutdown: Shutdown) {
        loop {
            if shutdown.unless(self.inputs.leadership.held()).await.is_none() {
                return;
            }
            match self.step().await {
                Ok(Outcome::Renewed { until }) => {
                    self.outcomes.with(&["renewed"]).inc();
                    let note =
                        format!("a new issuer was written to Secret {ISSUER_SECRET}, valid until {until}");
                    tracing::info!("{note}");
                    self.tell(Severity::Normal, "IssuerRenewed", note);
                    self.told = None;
                }
                Ok(Outcome::NoAnchorKey) => {
                    self.outcomes.with(&["no_anchor_key"]).inc();
                    let note = format!(
                        "the issuer is past two thirds of its life and cannot be renewed: Secret {ANCHOR_SECRET} \
                         with the trust anchor's key does not exist; replace the issuer with `linkerd upgrade`"
                    );
                    self.warn(note);
                }
                Ok(Outcome::NotDue | Outcome::NotOurs) => self.told = None,
                Err(problem) => {
                    self.outcomes.with(&["failed"]).inc();
                    self.warn(format!("the issuer cannot be renewed: {problem}"));
                }
            }
            if shutdown.unless(tokio::time::sleep(PERIOD)).await.is_none() {
                return;
            }
        }
    }

    /// Looks once.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn step(&self) -> Result<Outcome, String> {
        let now = (self.inputs.clock)();
        let Some(mut secret) = self.read(ISSUER_SECRET).await? else {
            return Err(format!("Secret {ISSUER_SECRET} does not exist"));
        };
        let old = issuer_of(&secret)?;
        if now < old.certificate().validity().renew_at() {
            return Ok(Outcome::NotDue);
        }
        let Some(anchor) = self.read(ANCHOR_SECRET).await? else { return Ok(Outcome::NoAnchorKey) };
        let bundle = self.inputs.material.current().bundle.clone();
        let bundle = bundle.ok_or("no trust anchors have been read yet")?;
        let new = renewed(&old, &anchor_of(&anchor)?, &bundle, &self.issuer_name, now)?;
        let until = new.certificate().validity().not_after;
        let data = secret.data.get_or_insert_default();
        data.insert("crt.pem".to_owned(), ByteString(new.certificate_pem().into_bytes()));
        data.insert("key.pem".to_owned(), ByteString(new.key_pem().into_bytes()));
        let annotations: &mut BTreeMap<String, String> = secret.metadata.annotations.get_or_insert_default();
        annotations.insert(EXPIRY.to_owned(), until.to_string());
        if !self.inputs.leadership.is_held() {
            return Ok(Outcome::NotOurs);
        }
        // The version read goes along: whoever wrote in between wins, and the next look sees it.
        let params = PostParams::default();
        let writing = self.secrets.replace(ISSUER_SECRET, &params, &secret);
        match tokio::time::timeout(CALL_LIMIT, writing).await {
            Ok(Ok(_)) => Ok(Outcome::Renewed { until }),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(Outcome::NotOurs),
            Ok(Err(error)) => Err(format!("Secret {ISSUER_SECRET} cannot be written: {error}")),
            Err(_) => Err(format!("Secret {ISSUER_SECRET}: no answer within {CALL_LIMIT:?}")),
        }
    }

    async fn read(&self, name: &str) -> Result<Option<Secret>, String> {
        match tokio::time::timeout(CALL_LIMIT, self.secrets.get_opt(name)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(format!("Secret {name} cannot be read: {error}")),
            Err(_) => Err(format!("Secret {name}: no answer within {CALL_LIMIT:?}")),
        }
    }

    fn warn(&mut self, note: String) {
        if self.told.as_ref() != Some(&note) {
            tracing::warn!("{note}");
            self.tell(Severity::Warning, "IssuerRenewalFailed", note.clone());
            self.told = Some(note);
        }
    }

    fn tell(&self, severity: Severity, reason: &'static str, note: String) {
        let happening = Happening { severity, reason, action: "Renewal", note };
        self.inputs.events.tell(deployment(&self.namespace, NAME), happening);
    }
}

/// An issuer like `old`, from `now` on, signed by `anchor`; judged as every replica will.
fn renewed(
    old: &Issuer,
    anchor: &Authority,
    bundle: &Bundle,
    name: &str,
    now: Timestamp,
) -> Result<Issuer, String> {
    let validity = old.certificate().validity();
    let lifetime: SignedDuration = validity.not_after.duration_since(validity.not_before);
    let request = Request::new(name, now, lifetime).within(&anchor.certificate);
    if request.validity.not_after <= validity.not_after {
        return Err(format!(
            "the trust anchor {} ends on {}; replace it (docs/identity.md)",
            anchor.certificate.display_name(),
            anchor.certificate.validity().not_after
        ));
    }
    let new =
        generate::issuer(&request, anchor, &mut SystemEntropy::new()).map_err(|error| error.to_string())?;
    new.verify(bundle, name, now).map_err(|problem| {
        format!("what Secret {ANCHOR_SECRET} would sign is not trusted by the anchors in force: {problem}")
    })?;
    Ok(new)
}

fn issuer_of(secret: &Secret) -> Result<Issuer, String> {
    let (certificate, key) = (entry(secret, "crt.pem")?, entry(secret, "key.pem")?);
    Issuer::parse(certificate, key).map_err(|error| format!("Secret {ISSUER_SECRET}: {error}"))
}

fn anchor_of(secret: &Secret) -> Result<Authority, String> {
    let named = |problem: String| format!("Secret {ANCHOR_SECRET}: {problem}");
    let mut certificates =
        parse_certificates(entry(secret, "tls.crt")?).map_err(|error| named(error.to_string()))?;
    let key = IssuerKey::parse(entry(secret, "tls.key")?).map_err(|error| named(error.to_string()))?;
    let at = certificates.iter().position(|certificate| key.matches(certificate));
    let at = at.ok_or_else(|| named("tls.key belongs to no certificate of tls.crt".to_owned()))?;
    Ok(Authority { certificate: certificates.swap_remove(at), key })
}

fn entry<'a>(secret: &'a Secret, key: &str) -> Result<&'a [u8], String> {
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    let found = secret.data.as_ref().and_then(|data| data.get(key));
    found.map(|bytes| bytes.0.as_slice()).ok_or_else(|| format!("Secret {name} has no entry {key}"))
}
