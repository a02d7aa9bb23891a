//! The issuer: the certificate and key that sign the certificates of workloads.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use thiserror::Error;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::bundle::Bundle;
use crate::certificate::{Certificate, CertificateError, parse_certificates};
use crate::chain::{ChainProblem, chain_to};
use crate::generate;
use crate::key::{IssuerKey, KeyError};
use crate::problem::Problem;

/// A certificate with its key, and the intermediates that lead to a trust anchor.
pub struct Issuer {
    certificate: Certificate,
    intermediates: Vec<Certificate>,
    key: IssuerKey,
}

/// Why two texts are no issuer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// The certificate part.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The key part.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The two do not belong together, or the certificate cannot be used.
    #[error(transparent)]
    Problem(#[from] Problem),
}

impl Issuer {
    /// Reads an issuer from PEM and makes sure that the key belongs to the certificate. Nothing else is judged, so
    /// that an expired one can be read and reported: see [`Issuer::problems`].
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(certificate_pem: &[u8], key_pem: &[u8]) -> Result<Self, IssuerError> {
        let mut certificates = parse_certificates(certificate_pem)?;
        let key = IssuerKey::parse(key_pem)?;
        let certificate = certificates.remove(0);
        Ok(Self::new(certificate, certificates, key)?)
    }

    /// Puts an issuer together.
    ///
    /// # Errors
    /// When the key is not that of the certificate.
    pub fn new(
        certificate: Certificate,
        intermediates: Vec<Certificate>,
        key: IssuerKey,
    ) -> Result<Self, Problem> {
        match key.matches(&certificate) {
            true => Ok(Self { certificate, intermediates, key }),
            false => Err(Problem::KeyMismatch),
        }
    }

    /// The issuer's own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The certificates between it and the anchor, nearest first.
    pub fn intermediates(&self) -> &[Certificate] {
        &self.intermediates
    }

    /// Its key.
    pub fn key(&self) -> &IssuerKey {
        &self.key
    }

    /// Certificate and intermediates in canonical PEM, with a newline at the end.
    pub fn certificate_pem(&self) -> String {
        let rest: String = self.intermediates.iter().map(Certificate::to_pem).collect();
        self.certificate.to_pem() + &rest
    }

    /// The key in canonical PEM, SEC1 form, with a newline at the end.
    pub fn key_pem(&self) -> String {
        self.key.to_pem()
    }

    /// Everything that keeps this issuer from signing for `name` under `anchors` at `now`, in the order Linkerd
    /// looks: validity, algorithms, authority, path, name. Empty when it can be used.
    pub fn problems(&self, anchors: &Bundle, name: &str, now: Timestamp) -> Vec<Problem> {
        let mut problems = certificate_problems(&self.certificate, &self.intermediates, anchors, name, now);
        if problems.is_empty() {
            problems.extend(self.refused_by_proxies(anchors, now));
        }
        problems
    }

    /// Whether this issuer can sign for `name` under `anchors` at `now`.
    ///
    /// # Errors
    /// The first of [`Issuer::problems`].
    pub fn verify(&self, anchors: &Bundle, name: &str, now: Timestamp) -> Result<(), Problem> {
        self.problems(anchors, name, now).into_iter().next().map_or(Ok(()), Err)
    }

    /// Signs a leaf that is thrown away and runs it through the verifier that proxies use.
    fn refused_by_proxies(&self, anchors: &Bundle, now: Timestamp) -> Option<Problem> {
        let refused = |detail: String| Some(Problem::Chain(ChainProblem::Refused { detail }));
        let probe = match generate::probe_leaf(self, now) {
            Ok(probe) => probe,
            Err(error) => return refused(error.to_string()),
        };
        match webpki_accepts(&probe, self, anchors, now) {
            Ok(()) => None,
            Err(error) => refused(error.to_string()),
        }
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Everything that keeps `certificate` from being the issuer of `name`, judged without its key.
pub(crate) fn certificate_problems(
    certificate: &Certificate,
    intermediates: &[Certificate],
    anchors: &Bundle,
    name: &str,
    now: Timestamp,
) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Problem::of_validity(certificate, now).into_iter().collect();
    problems.extend(Problem::of_crypto(certificate));
    problems.extend(Problem::of_authority(certificate));
    problems.extend(chain_to(certificate, intermediates, anchors, now).err().map(Problem::Chain));
    problems.extend(Problem::of_name(certificate, name));
    problems
}

fn webpki_accepts(
    leaf: &CertificateDer<'_>,
    issuer: &Issuer,
    anchors: &Bundle,
    now: Timestamp,
) -> Result<(), webpki::Error> {
    let ders: Vec<_> = anchors.certificates().iter().map(Certificate::der).collect();
    // An anchor that this verifier cannot read is one that proxies pass over, too.
    let roots: Vec<_> = ders.iter().filter_map(|der| anchor_from_trusted_cert(der).ok()).collect();
    let path: Vec<_> =
        std::iter::once(&issuer.certificate).chain(&issuer.intermediates).map(|c| c.der().clone()).collect();
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    EndEntityCert::try_from(leaf)?.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &roots,
        &path,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        KeyUsage::server_auth(),
        None,
        None,
    )?;
    Ok(())
}
