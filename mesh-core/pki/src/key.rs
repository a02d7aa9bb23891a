//! Private keys of anchors and issuers: ECDSA on P-256, nothing else.

use std::fmt;

use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rcgen::{PublicKeyData, SigningKey};
use thiserror::Error;
use x509_parser::der_parser::asn1_rs::{Any, FromDer, Sequence, Tag};

use crate::certificate::{Certificate, P256, curve_name};
use crate::entropy::{Entropy, NoEntropy};
use crate::pem::{self, Block, PemError};

const SEC1: &str = "EC PRIVATE KEY";
const PKCS8: &str = "PRIVATE KEY";
const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const RSA: &str = "1.2.840.113549.1.1.1";
const ED25519: &str = "1.3.101.112";
const SCALAR_BYTES: usize = 32;
/// How often a random scalar may be refused before the source is called broken; one in 2^32 is.
const ATTEMPTS: usize = 8;

/// A P-256 private key that signs certificates.
pub struct IssuerKey(EcdsaKeyPair);

/// Why a file holds no usable private key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not PEM.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A certificate where a key belongs.
    #[error("line {line}: a certificate where a private key belongs")]
    Certificate {
        /// Line, from 1.
        line: usize,
    },
    /// Another kind of block.
    #[error("line {line}: expected an EC PRIVATE KEY or PRIVATE KEY block, found {label}")]
    WrongBlock {
        /// Label of the block.
        label: String,
        /// Line, from 1.
        line: usize,
    },
    /// More than one key.
    #[error("line {line}: a second private key; exactly one is needed")]
    Several {
        /// Line of the second, from 1.
        line: usize,
    },
    /// A key protected by a password.
    #[error(
        "line {line}: the private key is encrypted; decrypt it first (`openssl pkey -in FILE -out FILE.plain`)"
    )]
    Encrypted {
        /// Line, from 1.
        line: usize,
    },
    /// Parameters of a curve, but no key.
    #[error("no private key found")]
    NoKey,
    /// Not an ECDSA key.
    #[error("line {line}: must use ECDSA for the private key, instead {found} was used")]
    NotEcdsa {
        /// Name or object identifier of the algorithm.
        found: String,
        /// Line, from 1.
        line: usize,
    },
    /// An ECDSA key on another curve.
    #[error("line {line}: must use P-256 curve for the private key, instead {found} was used")]
    WrongCurve {
        /// Name or object identifier of the curve.
        found: String,
        /// Line, from 1.
        line: usize,
    },
    /// The block does not hold what its label says.
    #[error("line {line}: the {label} block holds no valid private key")]
    Malformed {
        /// Label of the block.
        label: String,
        /// Line, from 1.
        line: usize,
    },
}

impl IssuerKey {
    /// Makes a key. The same bytes of `entropy` give the same key.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, NoEntropy> {
        for _ in 0..ATTEMPTS {
            let mut scalar = [0; SCALAR_BYTES];
            entropy.fill(&mut scalar)?;
            if let Ok(pair) = from_der(&sec1(&scalar, &[])) {
                return Ok(Self(pair));
            }
        }
        Err(NoEntropy)
    }

    /// Reads the one key of a PEM text, in SEC1 or PKCS#8 form.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(text: &[u8]) -> Result<Self, KeyError> {
        let mut found = None;
        for block in pem::parse(text)? {
            let Block { label, line, .. } = &block;
            let (label, line) = (label.clone(), *line);
            match label.as_str() {
                SEC1 | PKCS8 if found.is_some() => return Err(KeyError::Several { line }),
                SEC1 | PKCS8 => found = Some(from_block(&block)?),
                "EC PARAMETERS" => {}
                "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted { line }),
                "RSA PRIVATE KEY" => return Err(KeyError::NotEcdsa { found: "RSA".to_owned(), line }),
                "CERTIFICATE" => return Err(KeyError::Certificate { line }),
                _ => return Err(KeyError::WrongBlock { label, line }),
            }
        }
        found.map(Self).ok_or(KeyError::NoKey)
    }

    /// The key in canonical PEM, SEC1 form (`EC PRIVATE KEY`), with a newline at the end.
    pub fn to_pem(&self) -> String {
        let scalar: EcPrivateKeyBin<'_> =
            self.0.private_key().as_be_bytes().expect("a loaded P-256 key has a private half");
        pem::encode(SEC1, &sec1(scalar.as_ref(), self.der_bytes()))
    }

    /// Whether `certificate` was made for this key.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        self.subject_public_key_info() == certificate.public_key_info()
    }

    /// A copy for another owner.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for IssuerKey {
    /// Shows nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuerKey(P-256)")
    }
}

impl PublicKeyData for IssuerKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for IssuerKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        match self.0.sign(&SystemRandom::new(), message) {
            Ok(signature) => Ok(signature.as_ref().to_vec()),
            Err(_) => Err(rcgen::Error::RingUnspecified),
        }
    }
}

fn from_block(block: &Block) -> Result<EcdsaKeyPair, KeyError> {
    from_der(&block.der).map_err(|()| {
        let (label, line) = (block.label.clone(), block.line);
        match Kind::of(block) {
            Some(Kind::Curve(curve)) if curve != P256 => {
                KeyError::WrongCurve { found: curve_name(&curve), line }
            }
            Some(Kind::Algorithm(oid)) => {
                let name = match oid.as_str() {
                    RSA => "RSA",
                    ED25519 => "Ed25519",
                    other => other,
                };
                KeyError::NotEcdsa { found: name.to_owned(), line }
            }
            _ => KeyError::Malformed { label, line },
        }
    })
}

fn from_der(der: &[u8]) -> Result<EcdsaKeyPair, ()> {
    EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der).map_err(drop)
}

/// What a refused key says of itself.
enum Kind {
    /// An elliptic-curve key, on this curve.
    Curve(String),
    /// Another algorithm.
    Algorithm(String),
}

impl Kind {
    fn of(block: &Block) -> Option<Self> {
        let (_, outer) = Sequence::from_der(&block.der).ok()?;
        let (rest, _version) = Any::from_der(&outer.content).ok()?;
        if block.label == PKCS8 {
            let (_, identifier) = Sequence::from_der(rest).ok()?;
            let (rest, algorithm) = Any::from_der(&identifier.content).ok()?;
            let algorithm = algorithm.as_oid().ok()?.to_id_string();
            if algorithm != EC_PUBLIC_KEY {
                return Some(Self::Algorithm(algorithm));
            }
            let (_, curve) = Any::from_der(rest).ok()?;
            return Some(Self::Curve(curve.as_oid().ok()?.to_id_string()));
        }
        let (rest, _scalar) = Any::from_der(rest).ok()?;
        let (_, parameters) = Any::from_der(rest).ok()?;
        if parameters.header.tag() != Tag(0) {
            return None;
        }
        let (_, curve) = Any::from_der(parameters.data).ok()?;
        Some(Self::Curve(curve.as_oid().ok()?.to_id_string()))
    }
}

/// The SEC1 form of a key: version, scalar, curve and, unless empty, the public point.
fn sec1(scalar: &[u8], point: &[u8]) -> Vec<u8> {
    let mut content = vec![0x02, 0x01, 0x01, 0x04, 0x20];
    content.extend_from_slice(scalar);
    content.extend_from_slice(&[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
    if !point.is_empty() {
        content.extend_from_slice(&[0xa1, 0x44, 0x03, 0x42, 0x00]);
        content.extend_from_slice(point);
    }
    let length = u8::try_from(content.len()).expect("at most 119 bytes");
    let mut der = vec![0x30, length];
    der.append(&mut content);
    der
}
