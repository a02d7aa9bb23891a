//! Judgements on well-formed certificates: what is wrong with one, in words.

use jiff::Timestamp;
use thiserror::Error;

use crate::certificate::{Certificate, KeyType, SignatureAlgorithm};
use crate::chain::ChainProblem;
use crate::expiry::Expiry;

/// What makes a well-formed certificate unusable. The texts stand alone: the caller names the file or object.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The private key is not the one the certificate was made for.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// The private key cannot be read.
    #[error("its private key cannot be used: {detail}")]
    UnusableKey {
        /// Why.
        detail: String,
    },
    /// Its first second is still to come.
    #[error("not valid before: {not_before}")]
    NotYetValid {
        /// That second.
        not_before: Timestamp,
    },
    /// Its last second has passed.
    #[error("not valid anymore. Expired on {not_after}")]
    Expired {
        /// That second.
        not_after: Timestamp,
    },
    /// An ECDSA key, but not on P-256.
    #[error("must use P-256 curve for public key, instead {found} was used")]
    WrongCurve {
        /// Name of the curve.
        found: String,
    },
    /// No ECDSA key at all.
    #[error("must use ECDSA for public key algorithm, instead {found} was used")]
    NotEcdsa {
        /// Name of the algorithm.
        found: String,
    },
    /// Signed by something other than an ECDSA P-256 key.
    #[error("must be signed by an ECDSA P-256 key, instead {found} was used")]
    WrongSignature {
        /// Algorithm of the signature.
        found: SignatureAlgorithm,
    },
    /// The basic constraints do not make it a certificate authority.
    #[error("issuer cert is not a CA")]
    NotCa,
    /// It is a CA, but its key usage does not allow it to sign certificates.
    #[error("its key usage does not include certificate signing")]
    MayNotSign,
    /// It carries other names than the one needed.
    #[error("must be valid for the name {expected}, but is for {}", listed(found))]
    WrongName {
        /// The name it must carry.
        expected: String,
        /// Those it does carry.
        found: Vec<String>,
    },
    /// It does not lead to a trust anchor.
    #[error(transparent)]
    Chain(#[from] ChainProblem),
}

impl Problem {
    /// The problem with a certificate's validity at `now`, if there is one.
    pub fn of_validity(certificate: &Certificate, now: Timestamp) -> Option<Self> {
        match certificate.validity().at(now, 0) {
            Expiry::NotYetValid { not_before } => Some(Self::NotYetValid { not_before }),
            Expiry::Expired { not_after } => Some(Self::Expired { not_after }),
            Expiry::Valid { .. } | Expiry::ExpiringSoon { .. } => None,
        }
    }

    /// Problems with a certificate's algorithms: the mesh uses ECDSA on P-256 alone.
    pub fn of_crypto(certificate: &Certificate) -> Vec<Self> {
        let key = match certificate.key_type() {
            KeyType::EcdsaP256 => None,
            other => Some(match other.curve() {
                Some(curve) => Self::WrongCurve { found: curve.to_owned() },
                None => Self::NotEcdsa { found: other.algorithm() },
            }),
        };
        let signature = match certificate.signature_algorithm() {
            SignatureAlgorithm::EcdsaSha256 => None,
            other => Some(Self::WrongSignature { found: other.clone() }),
        };
        key.into_iter().chain(signature).collect()
    }

    /// Problems with a certificate that is to sign others.
    pub fn of_authority(certificate: &Certificate) -> Option<Self> {
        if !certificate.is_ca() {
            Some(Self::NotCa)
        } else if !certificate.may_sign_certificates() {
            Some(Self::MayNotSign)
        } else {
            None
        }
    }

    /// The problem with a certificate's names, if `expected` is not among them.
    pub fn of_name(certificate: &Certificate, expected: &str) -> Option<Self> {
        if certificate.is_valid_for_name(expected) {
            return None;
        }
        Some(Self::WrongName { expected: expected.to_owned(), found: certificate.dns_names() })
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "no DNS name".to_owned(),
        names => names.join(", "),
    }
}
