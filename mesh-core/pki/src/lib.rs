//! Trust anchors, issuers and the checks on them; the clock is a parameter.
//!
//! * [`generate`] makes a trust anchor and an issuer signed by it. The time and the randomness are given.
//! * [`Bundle`], [`Issuer`], [`Certificate`] and [`IssuerKey`] are read from PEM; what is wrong is named exactly.
//! * [`Problem`] is a judgement on a well-formed certificate: expired, wrong curve, does not chain, and so on.
//! * [`CertificateRequest`] is what a workload asks for, [`LeafSigner`] signs it.
//! * [`Expiry`] says how long a certificate still has.
//!
//! Nothing here reads files, the clock or the environment.

mod bundle;
mod certificate;
mod chain;
mod entropy;
mod expiry;
pub mod generate;
mod issuer;
mod key;
mod leaf;
mod pem;
mod problem;
mod request;
mod summary;

pub use bundle::{Bundle, BundleError};
pub use certificate::{
    Certificate, CertificateError, KeyType, SignatureAlgorithm, SubjectName, parse_certificates,
};
pub use chain::{ChainProblem, MAX_CHAIN, chain_to, signed_by, signed_by_key};
pub use entropy::{Entropy, NoEntropy, SystemEntropy};
pub use expiry::{Expiry, Validity, WARNING_DAYS};
pub use issuer::{Issuer, IssuerError};
pub use key::{IssuerKey, KeyError};
pub use leaf::LeafSigner;
pub use pem::{Block, MAX_PEM_BYTES, PemError, encode as encode_pem, parse as parse_pem};
pub use problem::Problem;
pub use request::{CertificateRequest, MAX_REQUEST_BYTES, RequestError};
pub use summary::Summary;

/// Reads a bundle of trust anchors: one or more certificates in PEM.
///
/// # Errors
/// Names the line and what is wrong with it.
pub fn parse_bundle(pem: &[u8]) -> Result<Bundle, BundleError> {
    Bundle::parse(pem)
}

/// Reads the private key of an issuer or anchor: one P-256 key in PEM (SEC1 or PKCS#8).
///
/// # Errors
/// Names the line and what is wrong with it.
pub fn parse_key(pem: &[u8]) -> Result<IssuerKey, KeyError> {
    IssuerKey::parse(pem)
}

/// Reads an issuer: its certificate (intermediates may follow) and its key, both in PEM.
///
/// # Errors
/// Names the file part, the line and what is wrong with it.
pub fn parse_issuer(certificate_pem: &[u8], key_pem: &[u8]) -> Result<Issuer, IssuerError> {
    Issuer::parse(certificate_pem, key_pem)
}

#[cfg(test)]
mod tests;
