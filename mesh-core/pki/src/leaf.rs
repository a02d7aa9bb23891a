//! Certificates of workloads: what the issuer signs, many times a second.

use jiff::Timestamp;
use rcgen::{DistinguishedName, ExtendedKeyUsagePurpose, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;

use crate::entropy::Entropy;
use crate::expiry::Validity;
use crate::generate::{GenerateError, base, encode, serial, signing};
use crate::issuer::Issuer;
use crate::key::IssuerKey;
use crate::request::CertificateRequest;

/// An issuer made ready to sign leaves.
pub struct LeafSigner {
    issuer: Issuer,
    signing: rcgen::Issuer<'static, IssuerKey>,
    chain: Vec<CertificateDer<'static>>,
}

impl LeafSigner {
    /// Makes `issuer` ready.
    ///
    /// # Errors
    /// When its subject has a form that the encoder does not know.
    pub fn new(issuer: Issuer) -> Result<Self, GenerateError> {
        let signing = signing(issuer.certificate(), issuer.key().duplicate())?;
        let chain = std::iter::once(issuer.certificate()).chain(issuer.intermediates());
        let chain = chain.map(|certificate| certificate.der().clone()).collect();
        Ok(Self { issuer, signing, chain })
    }

    /// The issuer.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// What goes with every leaf, the issuer's own certificate first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Last second that a leaf may live to: the end of the certificate that ends first on the way to the anchor.
    pub fn limit(&self) -> Timestamp {
        let ends = std::iter::once(self.issuer.certificate()).chain(self.issuer.intermediates());
        ends.map(|certificate| certificate.validity().not_after).min().unwrap_or(Timestamp::MIN)
    }

    /// Signs a leaf for the DNS name `name` and the key of `request`. Nothing else of the request is taken over.
    ///
    /// # Errors
    /// A name or validity that no certificate can carry, one that outlives the issuer, or no randomness.
    pub fn sign(
        &self,
        name: &str,
        request: &CertificateRequest,
        validity: Validity,
        entropy: &mut dyn Entropy,
    ) -> Result<CertificateDer<'static>, GenerateError> {
        if validity.not_after > self.limit() {
            return Err(GenerateError::OutlivesSigner {
                signer: self.issuer.certificate().display_name(),
                wanted: validity.not_after,
                limit: self.limit(),
            });
        }
        let mut params = base(name, validity)?;
        // A common name may have 64 characters, an identity has more; the alternative name alone counts.
        params.distinguished_name = DistinguishedName::new();
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial(entropy)?);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let signed = params.signed_by(request, &self.signing).map_err(encode)?;
        Ok(signed.der().clone())
    }
}

impl std::fmt::Debug for LeafSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeafSigner").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use rcgen::{CertificateParams, KeyPair};
    use rustls_pki_types::{ServerName, UnixTime};

    use super::LeafSigner;
    use crate::generate::{GenerateError, Identity, Request, identity};
    use crate::{Certificate, CertificateRequest, SubjectName, SystemEntropy, Validity};

    const NAME: &str =
        "linkerd-destination.a-namespace-with-a-long-name.serviceaccount.identity.linkerd.cluster.local";

    fn request() -> CertificateRequest {
        let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let der = params.serialize_request(&KeyPair::generate().unwrap()).unwrap();
        CertificateRequest::from_der(der.der()).unwrap()
    }

    fn signer(now: Timestamp) -> (Identity, LeafSigner) {
        let day = SignedDuration::from_hours(24);
        let make = |name: &str| Request::new(name, now, day);
        let entropy = &mut SystemEntropy::new();
        let made =
            identity(&make("root.linkerd.cluster.local"), &make("identity.linkerd.cluster.local"), entropy);
        let made = made.unwrap();
        let issuer =
            crate::Issuer::parse(made.issuer.certificate_pem().as_bytes(), made.issuer.key_pem().as_bytes());
        (made, LeafSigner::new(issuer.unwrap()).unwrap())
    }

    #[test]
    fn verifiers_accept_leaves_for_both_sides_and_the_name_is_the_only_one() {
        let now = Timestamp::now();
        let (made, signer) = signer(now);
        let validity = Validity { not_before: now, not_after: now + SignedDuration::from_hours(1) };
        let leaf = signer.sign(NAME, &request(), validity, &mut SystemEntropy::new()).unwrap();
        let again = signer.sign(NAME, &request(), validity, &mut SystemEntropy::new()).unwrap();
        let read = Certificate::from_der(leaf.to_vec()).unwrap();
        assert_eq!(read.subject_names(), [SubjectName::Dns(NAME.to_owned())]);
        assert_eq!(read.common_name(), None);
        assert!(read.serial().len() >= 16, "{:?}", read.serial());
        assert_ne!(read.serial(), Certificate::from_der(again.to_vec()).unwrap().serial());

        let anchor = made.anchor.certificate.der();
        let roots = [webpki::anchor_from_trusted_cert(anchor).unwrap()];
        let parsed = webpki::EndEntityCert::try_from(&leaf).unwrap();
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.as_second().unsigned_abs()));
        for usage in [webpki::KeyUsage::server_auth(), webpki::KeyUsage::client_auth()] {
            let algorithms = webpki::ALL_VERIFICATION_ALGS;
            parsed.verify_for_usage(algorithms, &roots, signer.chain(), at, usage, None, None).unwrap();
        }
        parsed.verify_is_valid_for_subject_name(&ServerName::try_from(NAME).unwrap()).unwrap();
    }

    #[test]
    fn no_leaf_outlives_its_issuer() {
        let now = Timestamp::now();
        let (_made, signer) = signer(now);
        let validity = Validity { not_before: now, not_after: now + SignedDuration::from_hours(25) };
        let error = signer.sign(NAME, &request(), validity, &mut SystemEntropy::new()).unwrap_err();
        assert!(matches!(error, GenerateError::OutlivesSigner { .. }), "{error}");
    }
}
