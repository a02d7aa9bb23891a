//! One X.509 certificate, parsed once; its facts are plain values afterwards.

mod algorithm;
mod name;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

pub use self::algorithm::{KeyType, SignatureAlgorithm};
pub(crate) use self::algorithm::{P256, curve_name};
pub use self::name::SubjectName;
use crate::expiry::Validity;
use crate::pem::{self, Block, PemError};

const CERTIFICATE: &str = "CERTIFICATE";

/// A parsed certificate.
#[derive(Clone)]
pub struct Certificate {
    der: CertificateDer<'static>,
    facts: Facts,
}

#[derive(Clone)]
struct Facts {
    subject: Name,
    issuer: Name,
    common_name: Option<String>,
    names: Option<Vec<SubjectName>>,
    serial: Vec<u8>,
    validity: Validity,
    key: KeyType,
    signature: SignatureAlgorithm,
    spki: Vec<u8>,
    authority: Authority,
    signs: bool,
}

/// A distinguished name: its bytes, which is what is compared, and a printable form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) raw: Vec<u8>,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Authority {
    No,
    Yes { path_length: Option<u32> },
}

/// Why a file holds no usable certificate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The text is not PEM.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A private key where a certificate belongs.
    #[error("line {line}: a private key ({label}) where a certificate belongs")]
    PrivateKey {
        /// Label of the block.
        label: String,
        /// Line, from 1.
        line: usize,
    },
    /// Another kind of block.
    #[error("line {line}: expected a CERTIFICATE block, found {label}")]
    WrongBlock {
        /// Label of the block.
        label: String,
        /// Line, from 1.
        line: usize,
    },
    /// The content of a block is no certificate.
    #[error("line {line}: the CERTIFICATE block holds no X.509 certificate: {detail}")]
    Malformed {
        /// Line, from 1; 0 when the certificate was not read from PEM.
        line: usize,
        /// What the parser says.
        detail: String,
    },
}

/// Reads all certificates of a PEM text, in order. There is at least one in the result.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn parse_certificates(text: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    pem::parse(text)?.into_iter().map(from_block).collect()
}

impl Certificate {
    /// Reads one certificate in binary (DER) form.
    ///
    /// # Errors
    /// When the bytes are no certificate, or more than one.
    pub fn from_der(der: Vec<u8>) -> Result<Self, CertificateError> {
        let malformed = |detail: String| CertificateError::Malformed { line: 0, detail };
        let (rest, parsed) = X509Certificate::from_der(&der).map_err(|error| malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes follow it", rest.len())));
        }
        let facts = Facts::read(&parsed).map_err(malformed)?;
        Ok(Self { der: der.into(), facts })
    }

    /// The certificate in DER.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The certificate in canonical PEM, with a newline at the end.
    pub fn to_pem(&self) -> String {
        pem::encode(CERTIFICATE, &self.der)
    }

    /// Subject, printable: control characters are escaped.
    pub fn subject(&self) -> &str {
        &self.facts.subject.text
    }

    /// Name of the certificate that signed this one, printable.
    pub fn issuer(&self) -> &str {
        &self.facts.issuer.text
    }

    /// The common name of the subject, if it has one.
    pub fn common_name(&self) -> Option<&str> {
        self.facts.common_name.as_deref()
    }

    /// What to call the certificate in a message: common name, else first alternative name, else subject.
    pub fn display_name(&self) -> String {
        match (self.common_name(), self.subject_names().first()) {
            (Some(name), _) => name.to_owned(),
            (None, Some(name)) => name.to_string(),
            (None, None) => self.subject().to_owned(),
        }
    }

    /// The subject alternative names.
    pub fn subject_names(&self) -> &[SubjectName] {
        self.facts.names.as_deref().unwrap_or_default()
    }

    /// DNS names the certificate is for: the alternative names, or the common name when it has none of any kind
    /// (certificates of old installs are such).
    pub fn dns_names(&self) -> Vec<String> {
        match &self.facts.names {
            Some(names) => names.iter().filter_map(SubjectName::as_dns).map(str::to_owned).collect(),
            None => self.facts.common_name.iter().cloned().collect(),
        }
    }

    /// Whether the certificate is for the DNS name `name`; a leading `*` label of the certificate matches one label.
    pub fn is_valid_for_name(&self, name: &str) -> bool {
        self.dns_names().iter().any(|pattern| name_matches(pattern, name))
    }

    /// The serial number, big-endian, without leading zeros beyond the first byte.
    pub fn serial(&self) -> &[u8] {
        &self.facts.serial
    }

    /// When the certificate is valid.
    pub fn validity(&self) -> Validity {
        self.facts.validity
    }

    /// Kind of its public key.
    pub fn key_type(&self) -> &KeyType {
        &self.facts.key
    }

    /// How it was signed.
    pub fn signature_algorithm(&self) -> &SignatureAlgorithm {
        &self.facts.signature
    }

    /// Its SubjectPublicKeyInfo in DER: what two certificates of the same key have in common.
    pub fn public_key_info(&self) -> &[u8] {
        &self.facts.spki
    }

    /// Whether the basic constraints make it a certificate authority.
    pub fn is_ca(&self) -> bool {
        self.facts.authority != Authority::No
    }

    /// How many intermediates may follow this authority, when limited.
    pub fn path_length(&self) -> Option<u32> {
        match self.facts.authority {
            Authority::Yes { path_length } => path_length,
            Authority::No => None,
        }
    }

    /// Whether the key usage (absent means any) includes signing certificates.
    pub fn may_sign_certificates(&self) -> bool {
        self.facts.signs
    }

    /// Whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.facts.subject.raw == self.facts.issuer.raw
    }

    /// SHA-256 over the DER form.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, &self.der).as_ref());
        out
    }

    /// Whether both have the same subject and public key, as renewals of one authority have.
    pub fn is_same_authority(&self, other: &Self) -> bool {
        self.facts.subject.raw == other.facts.subject.raw && self.facts.spki == other.facts.spki
    }

    /// Whether `parent` has the name that this certificate says signed it.
    pub(crate) fn names_as_issuer(&self, parent: &Self) -> bool {
        self.facts.issuer.raw == parent.facts.subject.raw
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.facts.subject.text)
            .field("issuer", &self.facts.issuer.text)
            .finish_non_exhaustive()
    }
}

impl Facts {
    fn read(parsed: &X509Certificate<'_>) -> Result<Self, String> {
        parsed.extensions_map().map_err(|error| error.to_string())?;
        let authority = match parsed.basic_constraints().map_err(|error| error.to_string())? {
            Some(found) if found.value.ca => Authority::Yes { path_length: found.value.path_len_constraint },
            _ => Authority::No,
        };
        let usage = parsed.key_usage().map_err(|error| error.to_string())?;
        let names = parsed.subject_alternative_name().map_err(|error| error.to_string())?;
        let common_name = parsed.subject().iter_common_name().next();
        Ok(Self {
            subject: Name::read(parsed.subject()),
            issuer: Name::read(parsed.issuer()),
            common_name: common_name.and_then(|name| name.as_str().ok()).map(printable),
            names: names.map(|found| found.value.general_names.iter().map(SubjectName::read).collect()),
            serial: parsed.raw_serial().to_vec(),
            validity: Validity {
                not_before: timestamp(&parsed.validity().not_before),
                not_after: timestamp(&parsed.validity().not_after),
            },
            key: KeyType::read(parsed.public_key()),
            signature: SignatureAlgorithm::read(&parsed.signature_algorithm),
            spki: parsed.public_key().raw.to_vec(),
            authority,
            signs: usage.is_none_or(|found| found.value.key_cert_sign()),
        })
    }
}

impl Name {
    fn read(name: &X509Name<'_>) -> Self {
        Self { raw: name.as_raw().to_vec(), text: printable(&name.to_string()) }
    }
}

fn from_block(block: Block) -> Result<Certificate, CertificateError> {
    let Block { label, der, line } = block;
    if label != CERTIFICATE {
        return Err(match label.ends_with("PRIVATE KEY") {
            true => CertificateError::PrivateKey { label, line },
            false => CertificateError::WrongBlock { label, line },
        });
    }
    Certificate::from_der(der).map_err(|error| match error {
        CertificateError::Malformed { detail, .. } => CertificateError::Malformed { line, detail },
        other => other,
    })
}

/// A moment of a certificate. Those beyond the calendar's end ("never expires") become its end.
fn timestamp(time: &ASN1Time) -> Timestamp {
    Timestamp::from_second(time.timestamp()).unwrap_or(match time.timestamp() < 0 {
        true => Timestamp::MIN,
        false => LAST_SECOND,
    })
}

/// The last whole second the calendar has.
const LAST_SECOND: Timestamp = Timestamp::constant(253_402_207_200, 0);

/// Escapes what a terminal might obey.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => out.extend(character.escape_unicode()),
            false => out.push(character),
        }
    }
    out
}

fn name_matches(pattern: &str, name: &str) -> bool {
    let name = name.trim_end_matches('.');
    if pattern.eq_ignore_ascii_case(name) {
        return true;
    }
    match (pattern.strip_prefix("*."), name.split_once('.')) {
        (Some(suffix), Some((first, rest))) => !first.is_empty() && suffix.eq_ignore_ascii_case(rest),
        _ => false,
    }
}
