//! Makes trust anchors and issuers. The clock and the randomness are given, as are keys when they exist.
//!
//! Everything in a certificate follows from its inputs, except the signature itself: ECDSA draws a fresh random
//! number for each.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use thiserror::Error;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::bundle::Bundle;
use crate::certificate::Certificate;
use crate::chain::{ChainProblem, signed_by};
use crate::entropy::{Entropy, NoEntropy};
use crate::expiry::Validity;
use crate::issuer::Issuer;
use crate::key::IssuerKey;
use crate::problem::Problem;

/// How long a generated trust anchor lasts unless told otherwise: ten years.
pub const ANCHOR_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 3_650);
/// How long a generated issuer lasts unless told otherwise: one year.
pub const ISSUER_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 365);
/// By how much clocks in a cluster may differ; certificates start that much earlier.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(20);

const SERIAL_BYTES: usize = 16;

/// What to put into a certificate authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Common name and DNS name of the subject.
    pub name: String,
    /// When it is valid.
    pub validity: Validity,
}

/// A certificate authority with its key.
#[derive(Debug)]
pub struct Authority {
    /// The certificate.
    pub certificate: Certificate,
    /// Its key.
    pub key: IssuerKey,
}

/// A new trust anchor and an issuer signed by it.
#[derive(Debug)]
pub struct Identity {
    /// The anchor.
    pub anchor: Authority,
    /// The issuer.
    pub issuer: Issuer,
}

/// Why a certificate was not made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// A name that a certificate cannot carry.
    #[error("`{name}` cannot be a name in a certificate")]
    Name {
        /// That name.
        name: String,
    },
    /// It would end before it begins.
    #[error("a certificate cannot end ({not_after}) before it begins ({not_before})")]
    EndsBeforeItBegins {
        /// Its first second.
        not_before: Timestamp,
        /// Its last second.
        not_after: Timestamp,
    },
    /// It would outlive the certificate that signs it.
    #[error("a certificate valid until {wanted} would outlive {signer}, which ends on {limit}")]
    OutlivesSigner {
        /// Name of the signer.
        signer: String,
        /// Last second asked for.
        wanted: Timestamp,
        /// Last second of the signer.
        limit: Timestamp,
    },
    /// The certificate that is to sign cannot do so.
    #[error("{signer} cannot sign it: {problem}")]
    Signer {
        /// Name of the signer.
        signer: String,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The encoder refused.
    #[error("the certificate could not be encoded: {detail}")]
    Encode {
        /// What it says.
        detail: String,
    },
}

impl Request {
    /// An authority called `name`, valid from `now` (less the clock skew) for `lifetime`.
    pub fn new(name: impl Into<String>, now: Timestamp, lifetime: SignedDuration) -> Self {
        let not_before = now.checked_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN);
        let not_after = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        Self { name: name.into(), validity: Validity { not_before, not_after } }
    }

    /// The same, ending no later than `signer` does.
    pub fn within(mut self, signer: &Certificate) -> Self {
        self.validity.not_after = self.validity.not_after.min(signer.validity().not_after);
        self
    }
}

/// Makes a trust anchor with a new key.
///
/// # Errors
/// No randomness, or a request that no certificate can fulfil.
pub fn anchor(request: &Request, entropy: &mut dyn Entropy) -> Result<Authority, GenerateError> {
    let key = IssuerKey::generate(entropy)?;
    let certificate = anchor_for(request, &key, entropy)?;
    Ok(Authority { certificate, key })
}

/// Makes a trust anchor for a key that exists.
///
/// # Errors
/// No randomness, or a request that no certificate can fulfil.
pub fn anchor_for(
    request: &Request,
    key: &IssuerKey,
    entropy: &mut dyn Entropy,
) -> Result<Certificate, GenerateError> {
    let params = authority(request, BasicConstraints::Unconstrained, entropy)?;
    finish(params.self_signed(key))
}

/// Makes an issuer with a new key, signed by `signer`.
///
/// # Errors
/// No randomness, a request that no certificate can fulfil, or a signer that cannot sign.
pub fn issuer(
    request: &Request,
    signer: &Authority,
    entropy: &mut dyn Entropy,
) -> Result<Issuer, GenerateError> {
    let key = IssuerKey::generate(entropy)?;
    issuer_for(request, key, signer, entropy)
}

/// Makes an issuer for a key that exists, signed by `signer`. No further authority may follow below it.
///
/// # Errors
/// No randomness, a request that no certificate can fulfil, or a signer that cannot sign.
pub fn issuer_for(
    request: &Request,
    key: IssuerKey,
    signer: &Authority,
    entropy: &mut dyn Entropy,
) -> Result<Issuer, GenerateError> {
    let name = signer.certificate.display_name();
    let unable = |problem| GenerateError::Signer { signer: name.clone(), problem };
    if !signer.key.matches(&signer.certificate) {
        return Err(unable(Problem::KeyMismatch));
    }
    if let Some(problem) = Problem::of_authority(&signer.certificate) {
        return Err(unable(problem));
    }
    if signer.certificate.path_length() == Some(0) {
        return Err(unable(ChainProblem::PathTooLong { signer: name.clone(), allowed: 0, found: 1 }.into()));
    }
    let limit = signer.certificate.validity().not_after;
    if request.validity.not_after > limit {
        return Err(GenerateError::OutlivesSigner {
            signer: name,
            wanted: request.validity.not_after,
            limit,
        });
    }
    let mut params = authority(request, BasicConstraints::Constrained(0), entropy)?;
    params.use_authority_key_identifier_extension = true;
    let certificate = finish(params.signed_by(&key, &signing(&signer.certificate, &signer.key)?))?;
    signed_by(&certificate, &signer.certificate).map_err(|problem| unable(problem.into()))?;
    Issuer::new(certificate, Vec::new(), key).map_err(unable)
}

/// Makes a trust anchor and an issuer signed by it, each with a key of its own.
///
/// # Errors
/// No randomness, or requests that no certificate can fulfil.
pub fn identity(
    anchor_request: &Request,
    issuer_request: &Request,
    entropy: &mut dyn Entropy,
) -> Result<Identity, GenerateError> {
    let anchor = anchor(anchor_request, entropy)?;
    let issuer = issuer(&issuer_request.clone().within(&anchor.certificate), &anchor, entropy)?;
    Ok(Identity { anchor, issuer })
}

impl Identity {
    /// The bundle of the one anchor.
    pub fn bundle(&self) -> Bundle {
        Bundle::of(self.anchor.certificate.clone())
    }
}

/// A leaf under `issuer` that lives for a moment around `now`, to see whether verifiers accept the path.
pub(crate) fn probe_leaf(issuer: &Issuer, now: Timestamp) -> Result<CertificateDer<'static>, GenerateError> {
    let key = issuer.key().duplicate();
    let validity = Validity { not_before: now, not_after: now };
    let mut params = base(&probe_name(issuer.certificate()), validity)?;
    params.serial_number = Some(SerialNumber::from(1_u64));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let signed = params.signed_by(&key, &signing(issuer.certificate(), issuer.key())?);
    Ok(finish(signed)?.der().clone())
}

/// A name below the issuer's own, as workloads have.
fn probe_name(issuer: &Certificate) -> String {
    let name = issuer.dns_names().into_iter().next().unwrap_or_else(|| "invalid".to_owned());
    format!("probe.{}", name.trim_start_matches("*."))
}

fn authority(
    request: &Request,
    constraints: BasicConstraints,
    entropy: &mut dyn Entropy,
) -> Result<CertificateParams, GenerateError> {
    let mut params = base(&request.name, request.validity)?;
    params.serial_number = Some(serial(entropy)?);
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

pub(crate) fn base(name: &str, validity: Validity) -> Result<CertificateParams, GenerateError> {
    let Validity { not_before, not_after } = validity;
    if not_after < not_before {
        return Err(GenerateError::EndsBeforeItBegins { not_before, not_after });
    }
    let bad_name = || GenerateError::Name { name: name.chars().take(256).collect() };
    if name.is_empty() || name.len() > 253 {
        return Err(bad_name());
    }
    let mut params = CertificateParams::default();
    params.not_before = moment(not_before)?;
    params.not_after = moment(not_after)?;
    params.subject_alt_names = vec![SanType::DnsName(name.try_into().map_err(|_| bad_name())?)];
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// A positive serial number of at most 127 random bits, never zero.
pub(crate) fn serial(entropy: &mut dyn Entropy) -> Result<SerialNumber, NoEntropy> {
    let mut bytes = [0; SERIAL_BYTES];
    entropy.fill(&mut bytes)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn moment(at: Timestamp) -> Result<OffsetDateTime, GenerateError> {
    OffsetDateTime::from_unix_timestamp(at.as_second())
        .map_err(|error| GenerateError::Encode { detail: error.to_string() })
}

/// The signing side: the signer's name and key identifier, taken from its certificate.
pub(crate) fn signing<K: rcgen::SigningKey>(
    certificate: &Certificate,
    key: K,
) -> Result<rcgen::Issuer<'static, K>, GenerateError> {
    // The encoder knows names of one attribute per component only, and does not bear empty ones.
    let parsed = X509Certificate::from_der(certificate.der()).map(|(_, parsed)| parsed);
    let plain = parsed.is_ok_and(|parsed| parsed.subject().iter().all(|rdn| rdn.iter().count() == 1));
    if !plain {
        let detail = format!("the subject {} has a form that is not supported", certificate.subject());
        return Err(GenerateError::Encode { detail });
    }
    rcgen::Issuer::from_ca_cert_der(certificate.der(), key).map_err(encode)
}

fn finish(made: Result<rcgen::Certificate, rcgen::Error>) -> Result<Certificate, GenerateError> {
    let der = made.map_err(encode)?.der().to_vec();
    Certificate::from_der(der).map_err(|error| GenerateError::Encode { detail: error.to_string() })
}

#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
pub(crate) fn encode(error: rcgen::Error) -> GenerateError {
    GenerateError::Encode { detail: error.to_string() }
}
