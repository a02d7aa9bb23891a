//! Algorithms of keys and signatures, by the names people know.

use std::fmt;

use x509_parser::oid_registry as oid;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// Algorithm and size of a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyType {
    /// ECDSA on P-256, the only one the mesh issues.
    EcdsaP256,
    /// ECDSA on another curve, by name or object identifier.
    Ecdsa {
        /// The curve.
        curve: String,
    },
    /// RSA.
    Rsa {
        /// Length of the modulus.
        bits: usize,
    },
    /// Ed25519.
    Ed25519,
    /// Anything else, by object identifier.
    Other {
        /// Dotted form.
        oid: String,
    },
}

/// Algorithm of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// ECDSA with SHA-256.
    EcdsaSha256,
    /// Another one, by its usual name or object identifier.
    Other(String),
}

impl KeyType {
    /// Name of the curve, for an ECDSA key.
    pub fn curve(&self) -> Option<&str> {
        match self {
            Self::EcdsaP256 => Some("P-256"),
            Self::Ecdsa { curve } => Some(curve),
            _ => None,
        }
    }

    /// Name of the algorithm, without sizes.
    pub fn algorithm(&self) -> String {
        match self {
            Self::EcdsaP256 | Self::Ecdsa { .. } => "ECDSA".to_owned(),
            Self::Rsa { .. } => "RSA".to_owned(),
            Self::Ed25519 => "Ed25519".to_owned(),
            Self::Other { oid } => oid.clone(),
        }
    }

    pub(crate) fn read(info: &SubjectPublicKeyInfo<'_>) -> Self {
        let algorithm = &info.algorithm.algorithm;
        if *algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = info.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
            match curve.map(|curve| curve.to_id_string()) {
                Some(curve) if curve == P256 => Self::EcdsaP256,
                Some(curve) => Self::Ecdsa { curve: curve_name(&curve) },
                None => Self::Ecdsa { curve: "an unnamed curve".to_owned() },
            }
        } else if *algorithm == oid::OID_SIG_ED25519 {
            Self::Ed25519
        } else if *algorithm == oid::OID_PKCS1_RSAENCRYPTION {
            let bits = match info.parsed() {
                Ok(PublicKey::RSA(key)) => key.key_size(),
                _ => 0,
            };
            Self::Rsa { bits }
        } else {
            Self::Other { oid: algorithm.to_id_string() }
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ECDSA P-256"),
            Self::Ecdsa { curve } => write!(f, "ECDSA {curve}"),
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other { oid } => f.write_str(oid),
        }
    }
}

impl SignatureAlgorithm {
    pub(super) fn read(algorithm: &AlgorithmIdentifier<'_>) -> Self {
        let id = algorithm.algorithm.to_id_string();
        let name = match id.as_str() {
            "1.2.840.10045.4.3.2" => return Self::EcdsaSha256,
            "1.2.840.10045.4.1" => "ECDSA-SHA1",
            "1.2.840.10045.4.3.3" => "ECDSA-SHA384",
            "1.2.840.10045.4.3.4" => "ECDSA-SHA512",
            "1.2.840.113549.1.1.4" => "MD5-RSA",
            "1.2.840.113549.1.1.5" => "SHA1-RSA",
            "1.2.840.113549.1.1.10" => "RSA-PSS",
            "1.2.840.113549.1.1.11" => "SHA256-RSA",
            "1.2.840.113549.1.1.12" => "SHA384-RSA",
            "1.2.840.113549.1.1.13" => "SHA512-RSA",
            "1.3.101.112" => "Ed25519",
            other => other,
        };
        Self::Other(name.to_owned())
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaSha256 => f.write_str("ECDSA-SHA256"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// Object identifier of the curve P-256.
pub(crate) const P256: &str = "1.2.840.10045.3.1.7";

/// The usual name of a curve, or its object identifier.
pub(crate) fn curve_name(oid: &str) -> String {
    match oid {
        P256 => "P-256",
        "1.3.132.0.33" => "P-224",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.10" => "secp256k1",
        other => other,
    }
    .to_owned()
}
