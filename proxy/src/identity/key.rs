//! The proxy's own key and certificate request.

use std::io;
use std::path::Path;

use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _};

use super::Id;

/// The file with the key: PKCS#8 in DER.
const KEY_FILE: &str = "key.p8";
/// The file with the request: PKCS#10 in DER.
const REQUEST_FILE: &str = "csr.der";
/// Octets that such a file has at most.
const MAX_FILE: u64 = 64 * 1024;

/// A key, and the request that asks for a certificate of it. The key never leaves the process.
pub struct KeyAndRequest {
    /// PKCS#8 in DER.
    pub(super) key: Vec<u8>,
    /// PKCS#10 in DER.
    pub(super) request: Vec<u8>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file is there but cannot be read.
    #[error("{file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A file is there but is not what it should be.
    #[error("{file}: {cause}")]
    Content {
        /// The file.
        file: String,
        /// What is wrong.
        cause: String,
    },
    /// None could be made.
    #[error("no key could be made for {id}: {source}")]
    Make {
        /// Whose.
        id: Id,
        /// Why.
        source: rcgen::Error,
    },
}

// === impl KeyAndRequest ===

impl KeyAndRequest {
    /// The key and request that lie ready in a folder; new ones, held in memory alone, where none do.
    ///
    /// # Errors
    /// When there are files that cannot be used, or no key can be made.
    pub fn load_or_make(dir: &Path, id: &Id) -> Result<Self, KeyError> {
        match (read(dir, KEY_FILE)?, read(dir, REQUEST_FILE)?) {
            (Some(key), Some(request)) => Self::checked(dir, key, request),
            _ => Self::make(id),
        }
    }

    /// A new P-256 key, and a request with the identity as common name and only subject name.
    ///
    /// # Errors
    /// When a certificate cannot carry the name.
    pub fn make(id: &Id) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Make { id: id.clone(), source };
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(vec![id.to_string()]).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, id.as_str());
        let request = params.serialize_request(&key).map_err(failed)?;
        Ok(Self { key: key.serialize_der(), request: request.der().to_vec() })
    }

    /// A request for another key would bring a certificate that cannot be used: better said now.
    fn checked(dir: &Path, key: Vec<u8>, request: Vec<u8>) -> Result<Self, KeyError> {
        use x509_parser::prelude::FromDer as _;
        let wrong = |file: &str, cause: String| KeyError::Content { file: path(dir, file), cause };
        let pair = KeyPair::try_from(key.as_slice()).map_err(|error| wrong(KEY_FILE, error.to_string()))?;
        let parsed = x509_parser::certification_request::X509CertificationRequest::from_der(&request);
        let (_, parsed) = parsed.map_err(|error| wrong(REQUEST_FILE, error.to_string()))?;
        let of_request = &parsed.certification_request_info.subject_pki.subject_public_key.data;
        if **of_request != *pair.der_bytes() {
            return Err(wrong(REQUEST_FILE, format!("the request is for another key than {KEY_FILE}")));
        }
        Ok(Self { key, request })
    }
}

/// A file that is absent or empty is none.
fn read(dir: &Path, file: &str) -> Result<Option<Vec<u8>>, KeyError> {
    let failed = |source| KeyError::Read { file: path(dir, file), source };
    match std::fs::metadata(dir.join(file)) {
        Ok(metadata) if metadata.len() > MAX_FILE => {
            Err(KeyError::Content { file: path(dir, file), cause: format!("longer than {MAX_FILE} octets") })
        }
        Ok(_) => std::fs::read(dir.join(file))
            .map(|text| Some(text).filter(|text| !text.is_empty()))
            .map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn path(dir: &Path, file: &str) -> String {
    dir.join(file).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_lie_ready_are_used_and_others_refused() {
        let id = Id::dns("web.prod.example").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let made = KeyAndRequest::load_or_make(dir.path(), &id).unwrap();
        std::fs::write(dir.path().join(KEY_FILE), &made.key).unwrap();
        std::fs::write(dir.path().join(REQUEST_FILE), &made.request).unwrap();
        let loaded = KeyAndRequest::load_or_make(dir.path(), &id).unwrap();
        assert!(loaded.key == made.key && loaded.request == made.request);

        let other = KeyAndRequest::make(&id).unwrap();
        std::fs::write(dir.path().join(REQUEST_FILE), &other.request).unwrap();
        let error = KeyAndRequest::load_or_make(dir.path(), &id).map(drop).unwrap_err().to_string();
        assert!(error.ends_with("csr.der: the request is for another key than key.p8"), "{error}");

        std::fs::write(dir.path().join(KEY_FILE), b"nonsense").unwrap();
        let error = KeyAndRequest::load_or_make(dir.path(), &id).map(drop).unwrap_err().to_string();
        assert!(error.contains("key.p8: "), "{error}");
    }
}
