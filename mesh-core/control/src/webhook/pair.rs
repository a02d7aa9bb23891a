//! A serving certificate with its key and the authorities to trust for it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mesh_pki::generate::{self, Request};
use mesh_pki::{
    Bundle, Certificate, CertificateRequest, Issuer, LeafSigner, Problem, SystemEntropy, Validity,
    encode_pem, parse_certificates,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// How long a certificate made here lasts: renewed at two thirds, which leaves a month for whatever is in the way.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Authorities in a bundle: the newest, and those that other replicas may still be using.
const MAX_AUTHORITIES: usize = 4;

/// A certificate that can be served.
#[derive(Debug)]
pub struct Pair {
    /// For the TLS library.
    pub served: Arc<CertifiedKey>,
    /// What clients have to trust, in PEM; `None` where that is somebody else's affair.
    pub authorities: Option<String>,
    /// The certificate itself.
    pub certificate: Certificate,
}

/// The three texts of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// `tls.crt`: the certificate, then its intermediates.
    pub certificate: Vec<u8>,
    /// `tls.key`.
    pub key: Vec<u8>,
    /// `ca.crt`: whom to trust for it.
    pub authorities: Vec<u8>,
}

impl Pair {
    /// Reads a pair and judges whether it can be served as `name` at `now`.
    ///
    /// # Errors
    /// What speaks against it.
    pub fn read(texts: &Texts, name: &str, now: Timestamp) -> Result<Self, String> {
        if texts.certificate.is_empty() || texts.key.is_empty() {
            return Err("it has no tls.crt and tls.key yet".to_owned());
        }
        let certificates =
            parse_certificates(&texts.certificate).map_err(|error| format!("tls.crt: {error}"))?;
        let certificate = certificates.first().ok_or("tls.crt is empty")?.clone();
        if let Some(problem) = Problem::of_validity(&certificate, now) {
            return Err(format!("tls.crt: {problem}"));
        }
        if let Some(problem) = Problem::of_name(&certificate, name) {
            return Err(format!("tls.crt: {problem}"));
        }
        let key = PrivateKeyDer::from_pem_slice(&texts.key).map_err(|error| format!("tls.key: {error}"))?;
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|error| format!("tls.key: {error}"))?;
        let chain: Vec<CertificateDer<'static>> = certificates.iter().map(|it| it.der().clone()).collect();
        let served = CertifiedKey::new(chain, key);
        served.keys_match().map_err(|_| "tls.key does not belong to tls.crt".to_owned())?;
        let authorities = match texts.authorities.as_slice() {
            [] => None,
            pem => {
                let bundle = Bundle::parse(pem).map_err(|error| format!("ca.crt: {error}"))?;
                Some(bundle.to_pem())
            }
        };
        Ok(Self { served: Arc::new(served), authorities, certificate })
    }

    /// Whether it was made long enough ago to be renewed.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.certificate.validity().renew_at()
    }
}

impl Texts {
    /// A new certificate for `name` under a new authority whose key is thrown away; authorities of `old` that have not
    /// ended stay trusted.
    ///
    /// # Errors
    /// No randomness, or a name that no certificate can carry.
    pub fn make(name: &str, old: &Self, now: Timestamp) -> Result<Self, String> {
        let failed =
            |error: &dyn std::fmt::Display| format!("no certificate for {name} can be made: {error}");
        let request = Request::new(format!("ca.{name}"), now, LIFETIME);
        let entropy = &mut SystemEntropy::new();
        let authority = generate::anchor(&request, entropy).map_err(|error| failed(&error))?;
        let mut authorities = Bundle::of(authority.certificate.clone());
        let known = Bundle::parse(&old.authorities).ok();
        let known = known.iter().flat_map(Bundle::certificates);
        let still = known.filter(|it| it.validity().contains(now)).take(MAX_AUTHORITIES - 1);
        still.for_each(|it| authorities.add(it.clone()));

        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(|error| failed(&error))?;
        params.distinguished_name = DistinguishedName::new();
        let csr = params.serialize_request(&key).map_err(|error| failed(&error))?;
        let csr = CertificateRequest::from_der(csr.der()).map_err(|error| failed(&error))?;
        let issuer = Issuer::new(authority.certificate, Vec::new(), authority.key);
        let signer =
            LeafSigner::new(issuer.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
        let validity = Validity { not_before: request.validity.not_before, not_after: signer.limit() };
        let leaf = signer.sign(name, &csr, validity, entropy).map_err(|error| failed(&error))?;
        Ok(Self {
            certificate: encode_pem("CERTIFICATE", &leaf).into_bytes(),
            key: key.serialize_pem().into_bytes(),
            authorities: authorities.to_pem().into_bytes(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "linkerd-proxy-injector.linkerd.svc";

    #[test]
    fn what_is_made_can_be_served_and_old_authorities_stay() {
        let now = Timestamp::now();
        let first = Texts::make(NAME, &Texts::default(), now).unwrap();
        let pair = Pair::read(&first, NAME, now).unwrap();
        assert!(!pair.is_due(now));
        assert!(pair.is_due(now + SignedDuration::from_hours(24 * 61)));
        let mut last = first.clone();
        for round in 1..6 {
            last = Texts::make(NAME, &last, now + SignedDuration::from_hours(round)).unwrap();
        }
        let bundle = Bundle::parse(&last.authorities).unwrap();
        assert_eq!(bundle.certificates().len(), MAX_AUTHORITIES);
        let leaf = &parse_certificates(&last.certificate).unwrap()[0];
        assert!(mesh_pki::signed_by(leaf, &bundle.certificates()[0]).is_ok());
        // Those that have ended go.
        let later = now + SignedDuration::from_hours(24 * 365);
        let anew = Texts::make(NAME, &last, later).unwrap();
        assert_eq!(Bundle::parse(&anew.authorities).unwrap().certificates().len(), 1);
    }

    #[test]
    fn what_cannot_be_served_is_named() {
        let now = Timestamp::now();
        let good = Texts::make(NAME, &Texts::default(), now).unwrap();
        let other = Texts::make(NAME, &Texts::default(), now).unwrap();
        let say = |texts: &Texts, name: &str, now| Pair::read(texts, name, now).unwrap_err();
        assert_eq!(say(&Texts::default(), NAME, now), "it has no tls.crt and tls.key yet");
        let late = now + SignedDuration::from_hours(24 * 91);
        assert!(say(&good, NAME, late).starts_with("tls.crt: not valid anymore. Expired on"));
        assert!(
            say(&good, "other.linkerd.svc", now).contains("must be valid for the name other.linkerd.svc")
        );
        let mixed = Texts { key: other.key, ..good.clone() };
        assert_eq!(say(&mixed, NAME, now), "tls.key does not belong to tls.crt");
        let broken = Texts { certificate: b"x".to_vec(), ..good };
        assert!(say(&broken, NAME, now).starts_with("tls.crt: "));
    }
}
