//! What `check` and `certs list` show of a certificate.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::certificate::{Certificate, SubjectName};
use crate::expiry::Validity;

/// Serial numbers longer than this, in bytes, are not turned into decimal (the standard allows 20).
const MAX_DECIMAL: usize = 32;

/// The facts of a certificate as plain values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Subject, printable.
    pub subject: String,
    /// Subject of the signer, printable.
    pub issuer: String,
    /// Common name of the subject; empty when it has none.
    pub common_name: String,
    /// Subject alternative names.
    pub names: Vec<SubjectName>,
    /// Serial number in decimal, as `check` prints it.
    pub serial: String,
    /// Serial number in lower-case hexadecimal with colons.
    pub serial_hex: String,
    /// SHA-256 fingerprint, lower-case hexadecimal.
    pub sha256: String,
    /// SHA-1 fingerprint, lower-case hexadecimal; for comparing with other tools only.
    pub sha1: String,
    /// When it is valid.
    pub validity: Validity,
    /// Kind of key, for instance `ECDSA P-256`.
    pub key: String,
    /// Algorithm of the signature, for instance `ECDSA-SHA256`.
    pub signature: String,
    /// Whether it is a certificate authority.
    pub is_ca: bool,
    /// Its limit on intermediates below it.
    pub path_length: Option<u32>,
    /// Whether subject and signer have the same name.
    pub self_issued: bool,
}

impl Summary {
    /// Reads the facts off a certificate.
    pub fn of(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.subject().to_owned(),
            issuer: certificate.issuer().to_owned(),
            common_name: certificate.common_name().unwrap_or_default().to_owned(),
            names: certificate.subject_names().to_vec(),
            serial: decimal(certificate.serial()),
            serial_hex: hex(certificate.serial(), ":"),
            sha256: hex(&certificate.fingerprint(), ""),
            sha1: hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.der()).as_ref(), ""),
            validity: certificate.validity(),
            key: certificate.key_type().to_string(),
            signature: certificate.signature_algorithm().to_string(),
            is_ca: certificate.is_ca(),
            path_length: certificate.path_length(),
            self_issued: certificate.is_self_issued(),
        }
    }
}

impl Certificate {
    /// The facts of the certificate as plain values.
    pub fn summary(&self) -> Summary {
        Summary::of(self)
    }
}

fn hex(bytes: &[u8], separator: &str) -> String {
    let mut out = String::with_capacity(bytes.len() * (2 + separator.len()));
    for (index, byte) in bytes.iter().take(MAX_DECIMAL).enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        write!(out, "{byte:02x}").expect("a String takes every write");
    }
    if bytes.len() > MAX_DECIMAL {
        out.push('…');
    }
    out
}

/// A big-endian number in decimal; hexadecimal when it is absurdly long.
fn decimal(bytes: &[u8]) -> String {
    if bytes.len() > MAX_DECIMAL {
        return hex(bytes, ":");
    }
    let mut digits = vec![0_u8];
    for &byte in bytes {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            let value = u32::from(*digit) * 256 + carry;
            *digit = u8::try_from(value % 10).expect("below ten");
            carry = value / 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).expect("below ten"));
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}
