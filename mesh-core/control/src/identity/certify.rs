//! The published API: a certificate for whoever proves an identity and holds a key.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use linkerd2_proxy_api::identity::identity_server::Identity;
use linkerd2_proxy_api::identity::{CertifyRequest, CertifyResponse};
use mesh_core::identity::MeshNames;
use mesh_pki::{CertificateRequest, SystemEntropy, Validity};
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

use super::Clock;
use super::material::{Material, Usable};
use super::tokens::{Reviews, TokenError};
use crate::runtime::metrics::{Counter, Family, Histogram, Registry};

/// Largest request that is read, in bytes: name, token and signing request.
pub const MAX_REQUEST: usize = 64 * 1024;
/// How long one request may take, the API server's answer included.
pub const LIMIT: Duration = Duration::from_secs(15);
/// Longest name that is looked at, in bytes: the longest DNS name.
const MAX_NAME: usize = 253;

/// How long certificates last.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Of a leaf, from now on.
    pub leaf: SignedDuration,
    /// By how much clocks may differ: added on both sides.
    pub skew: SignedDuration,
}

/// What requests are judged by.
pub struct Settings {
    /// Names of the mesh.
    pub names: MeshNames,
    /// How long certificates last.
    pub lifetimes: Lifetimes,
    /// What time it is.
    pub clock: Clock,
}

/// The published API.
pub struct Certify {
    tokens: Reviews,
    material: Material,
    settings: Settings,
    outcomes: Family<Counter>,
    duration: Histogram,
}

/// Why no certificate is given: the code of the answer, a word for the metric, and the text.
struct Denied {
    code: Code,
    reason: &'static str,
    text: String,
}

// === impl Certify ===

impl Certify {
    /// Signs with what `material` holds at the time of each request.
    pub fn new(tokens: Reviews, material: Material, settings: Settings, registry: &Registry) -> Self {
        let outcomes =
            registry.counters("identity_certify_total", "Certificate requests by outcome.", &["outcome"]);
        let duration = registry
            .latencies("identity_certify_seconds", "Time a certificate request takes.", &[])
            .with(&[]);
        Self { tokens, material, settings, outcomes, duration }
    }

    async fn issue(&self, request: &CertifyRequest) -> Result<CertifyResponse, Denied> {
        let CertifyRequest { identity, token, certificate_signing_request } = request;
        let usable = self.material.current().usable.clone();
        let usable = usable.ok_or_else(|| {
            Denied::new(Code::Unavailable, "no_issuer", "no usable issuer has been read yet")
        })?;
        for (field, is_empty) in [
            ("identity", identity.is_empty()),
            ("token", token.is_empty()),
            ("certificate_signing_request", certificate_signing_request.is_empty()),
        ] {
            if is_empty {
                return Err(Denied::new(Code::InvalidArgument, "empty_field", format!("{field} is empty")));
            }
        }
        if identity.len() > MAX_NAME {
            return Err(Denied::new(
                Code::InvalidArgument,
                "long_name",
                "identity is longer than a DNS name",
            ));
        }
        let csr = CertificateRequest::from_der(certificate_signing_request)
            .map_err(|error| Denied::new(Code::InvalidArgument, "bad_csr", error.to_string()))?;
        let now = (self.settings.clock)();
        if let Some(problem) = usable.problem(now) {
            let text = format!("the issuer cannot sign now: {problem}");
            return Err(Denied::new(Code::Unknown, "issuer_invalid", text));
        }
        if !csr.is_exactly(identity) {
            let text =
                format!("the signing request must carry the one DNS name {identity} and no other name");
            return Err(Denied::new(Code::FailedPrecondition, "csr_names", text));
        }
        let account = self.tokens.review(token).await?;
        let proven = self.settings.names.workload(&account);
        if proven != *identity {
            let text = format!("the token proves the identity {proven}, not {identity}");
            return Err(Denied::new(Code::FailedPrecondition, "identity_mismatch", text));
        }
        self.sign(&usable, identity, &csr, now)
    }

    fn sign(
        &self,
        usable: &Usable,
        identity: &str,
        csr: &CertificateRequest,
        now: Timestamp,
    ) -> Result<CertifyResponse, Denied> {
        let validity = self.settings.lifetimes.validity(now, usable.limit());
        let internal = |error: mesh_pki::generate::GenerateError| {
            Denied::new(Code::Internal, "not_signed", format!("the certificate cannot be signed: {error}"))
        };
        let leaf =
            usable.signer.sign(identity, csr, validity, &mut SystemEntropy::new()).map_err(internal)?;
        tracing::info!(identity, until = %validity.not_after, "certificate issued");
        Ok(CertifyResponse {
            leaf_certificate: leaf.to_vec(),
            intermediate_certificates: usable.signer.chain().iter().map(|der| der.to_vec()).collect(),
            valid_until: Some(prost_types::Timestamp { seconds: validity.not_after.as_second(), nanos: 0 }),
        })
    }
}

#[tonic::async_trait]
impl Identity for Certify {
    async fn certify(&self, request: Request<CertifyRequest>) -> Result<Response<CertifyResponse>, Status> {
        let started = Instant::now();
        let outcome = self.issue(request.get_ref()).await;
        self.duration.observe(started.elapsed().as_secs_f64());
        match outcome {
            Ok(response) => {
                self.outcomes.with(&["issued"]).inc();
                Ok(Response::new(response))
            }
            Err(denied) => {
                self.outcomes.with(&[denied.reason]).inc();
                // What a client sends may hold anything: quoted, so that no line of the log can be forged.
                tracing::warn!(
                    identity = ?shortened(&request.get_ref().identity),
                    reason = denied.reason,
                    error = ?denied.text,
                    "certificate denied"
                );
                Err(Status::new(denied.code, denied.text))
            }
        }
    }
}

// === impl Lifetimes ===

impl Lifetimes {
    /// From the skew before `now` to lifetime and skew after it, but not beyond `limit`.
    fn validity(self, now: Timestamp, limit: Timestamp) -> Validity {
        let not_before = now.checked_sub(self.skew).unwrap_or(Timestamp::MIN);
        let end = now.checked_add(self.leaf).and_then(|end| end.checked_add(self.skew));
        Validity { not_before, not_after: end.unwrap_or(Timestamp::MAX).min(limit) }
    }
}

// === impl Denied ===

impl Denied {
    fn new(code: Code, reason: &'static str, text: impl Into<String>) -> Self {
        Self { code, reason, text: text.into() }
    }
}

impl From<TokenError> for Denied {
    fn from(error: TokenError) -> Self {
        let (code, reason) = match &error {
            TokenError::Malformed(_) => (Code::InvalidArgument, "token_malformed"),
            TokenError::Refused(_) => (Code::FailedPrecondition, "token_refused"),
            TokenError::Audience => (Code::FailedPrecondition, "token_audience"),
            TokenError::NotAnAccount => (Code::FailedPrecondition, "token_not_account"),
            TokenError::Unavailable(_) => (Code::Internal, "token_review_failed"),
        };
        Self::new(code, reason, error.to_string())
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_NAME).collect()
}
