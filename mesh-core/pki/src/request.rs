//! Certificate signing requests: what a workload asks to have signed, and the proof that it holds the key.

use thiserror::Error;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use crate::certificate::{KeyType, SubjectName};

/// Largest request that is looked at, in bytes. One for a P-256 key and a name takes about 300.
pub const MAX_REQUEST_BYTES: usize = 8 * 1024;

/// A request whose signature was verified with the key it carries: the sender holds that key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    point: Vec<u8>,
    common_name: Option<String>,
    names: Vec<SubjectName>,
}

/// Why a request cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not a request at all.
    #[error("no certificate signing request in DER: {detail}")]
    Malformed {
        /// What the parser says.
        detail: String,
    },
    /// Longer than any real one.
    #[error(
        "{size} bytes are too long for a certificate signing request; at most {MAX_REQUEST_BYTES} are read"
    )]
    TooLong {
        /// Its size.
        size: usize,
    },
    /// Another kind of key.
    #[error("the key must be ECDSA on P-256, instead {found} was used")]
    Key {
        /// What was found.
        found: String,
    },
    /// The signature is not by the key in the request: whoever sent it may not hold that key.
    #[error("the request is not signed by the key it carries")]
    Signature,
}

impl CertificateRequest {
    /// Reads a request in DER and verifies its signature.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        if der.len() > MAX_REQUEST_BYTES {
            return Err(RequestError::TooLong { size: der.len() });
        }
        let malformed = |detail: String| RequestError::Malformed { detail };
        let (rest, parsed) =
            X509CertificationRequest::from_der(der).map_err(|error| malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes follow it", rest.len())));
        }
        let info = &parsed.certification_request_info;
        match KeyType::read(&info.subject_pki) {
            KeyType::EcdsaP256 => {}
            other => return Err(RequestError::Key { found: other.to_string() }),
        }
        parsed.verify_signature().map_err(|_| RequestError::Signature)?;
        let mut names = Vec::new();
        for extension in parsed.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(found) = extension {
                names.extend(found.general_names.iter().map(SubjectName::read));
            }
        }
        let common_name = info.subject.iter_common_name().next();
        Ok(Self {
            point: info.subject_pki.subject_public_key.data.to_vec(),
            common_name: common_name.map(|name| name.as_str().unwrap_or("?").to_owned()),
            names,
        })
    }

    /// The common name of the subject, if it has one.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The alternative names asked for.
    pub fn names(&self) -> &[SubjectName] {
        &self.names
    }

    /// Whether it asks for the DNS name `name` and for nothing else: one alternative name, and no other common name.
    pub fn is_exactly(&self, name: &str) -> bool {
        let [only] = self.names.as_slice() else { return false };
        only.as_dns() == Some(name)
            && self.common_name().is_none_or(|common| common.is_empty() || common == name)
    }
}

impl rcgen::PublicKeyData for CertificateRequest {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, SanType};

    use super::{CertificateRequest, MAX_REQUEST_BYTES, RequestError};

    fn der(params: &CertificateParams) -> Vec<u8> {
        params.serialize_request(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn params(names: &[&str]) -> CertificateParams {
        let mut params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
    }

    #[test]
    fn asks_for_one_name_and_no_other() {
        let read = |params: &CertificateParams| CertificateRequest::from_der(&der(params)).unwrap();
        assert!(read(&params(&["web.emoji"])).is_exactly("web.emoji"));
        assert!(!read(&params(&["web.emoji"])).is_exactly("Web.emoji"));
        assert!(!read(&params(&["web.emoji", "other"])).is_exactly("web.emoji"));
        assert!(!read(&params(&[])).is_exactly("web.emoji"));
        let mut named = params(&["web.emoji"]);
        named.distinguished_name.push(rcgen::DnType::CommonName, "web.emoji");
        assert!(read(&named).is_exactly("web.emoji"));
        named.distinguished_name.push(rcgen::DnType::CommonName, "root");
        assert!(!read(&named).is_exactly("web.emoji"));
        let mut uri = params(&["web.emoji"]);
        uri.subject_alt_names.push(SanType::URI("spiffe://other".try_into().unwrap()));
        assert!(!read(&uri).is_exactly("web.emoji"));
    }

    #[test]
    fn a_request_signed_by_another_key_is_refused() {
        let mut forged = der(&params(&["web.emoji"]));
        let last = forged.len() - 1;
        forged[last] ^= 1;
        assert_eq!(CertificateRequest::from_der(&forged), Err(RequestError::Signature));
        let other = der(&params(&["web.emoji"]));
        let mut swapped = other;
        // The name is covered by the signature.
        let at = swapped.windows(3).position(|bytes| bytes == b"web").unwrap();
        swapped[at] = b'x';
        assert_eq!(CertificateRequest::from_der(&swapped), Err(RequestError::Signature));
    }

    #[test]
    fn other_keys_and_other_bytes_are_refused() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let request = params(&["a"]).serialize_request(&key).unwrap();
        let error = CertificateRequest::from_der(request.der()).unwrap_err();
        assert!(matches!(error, RequestError::Key { .. }), "{error}");
        let mut long = der(&params(&["a"]));
        long.push(0);
        for bytes in [&b""[..], b"-----BEGIN", &long] {
            assert!(matches!(CertificateRequest::from_der(bytes), Err(RequestError::Malformed { .. })));
        }
        let huge = vec![0x30; MAX_REQUEST_BYTES + 1];
        assert!(matches!(CertificateRequest::from_der(&huge), Err(RequestError::TooLong { .. })));
    }
}
