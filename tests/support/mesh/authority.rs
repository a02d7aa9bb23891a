//! A certificate authority for a test mesh: trust anchors, issuers, leaves from requests.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

/// A trust anchor with its key.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate with its key, for a client or a server of a test.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

/// How long before now certificates begin, so that clocks may differ.
const BACKDATE: Duration = Duration::from_secs(20);

/// How long ago a certificate ended that has.
pub(super) const PAST: Duration = Duration::from_secs(5);

// === impl Authority ===

impl Authority {
    /// Makes a self-signed authority that is valid for a day.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params.not_before, params.not_after) = validity(Duration::from_secs(86_400));
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params.self_signed(&key).context("cannot sign an anchor")?;
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Ok(Self { issuer: Issuer::new(params, key), certificate: der, pem })
    }

    /// The anchor, PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The anchor, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.certificate
    }

    /// A store with this anchor alone.
    ///
    /// # Errors
    /// Never for an anchor made here.
    pub fn roots(&self) -> Result<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).context("an unusable anchor")?;
        Ok(Arc::new(roots))
    }

    /// A certificate for DNS names and, beginning with `spiffe:`, URI names.
    ///
    /// # Errors
    /// When a name is none.
    pub fn leaf(&self, names: &[&str], lifetime: Duration) -> Result<Leaf> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = names.iter().map(|name| subject(name)).collect::<Result<_>>()?;
        (params.not_before, params.not_after) = validity(lifetime);
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params.signed_by(&key, &self.issuer).context("cannot sign a leaf")?;
        Ok(Leaf {
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }

    /// Signs a request (DER) for `identity`, after its signature and its names were checked.
    ///
    /// # Errors
    /// When the request is malformed, is not signed by its own key, or asks for other names.
    pub fn certify(&self, request: &[u8], identity: &str, lifetime: Duration) -> Result<Vec<u8>> {
        let names = [subject(identity)?];
        let der = CertificateSigningRequestDer::from(request);
        let mut parsed =
            CertificateSigningRequestParams::from_der(&der).context("the signing request is unusable")?;
        if parsed.params.subject_alt_names != names {
            bail!("the request is for {:?}, not for {names:?}", parsed.params.subject_alt_names);
        }
        (parsed.params.not_before, parsed.params.not_after) = validity(lifetime);
        let certificate = parsed.signed_by(&self.issuer).context("cannot sign a leaf")?;
        Ok(certificate.der().to_vec())
    }

    /// Signs a request with a certificate that has ended.
    ///
    /// # Errors
    /// As [`certify`](Self::certify).
    pub fn certify_past(&self, request: &[u8]) -> Result<Vec<u8>> {
        let der = CertificateSigningRequestDer::from(request);
        let mut parsed =
            CertificateSigningRequestParams::from_der(&der).context("the signing request is unusable")?;
        let (begin, now) = validity(Duration::ZERO);
        (parsed.params.not_before, parsed.params.not_after) = (begin, now - PAST);
        let certificate = parsed.signed_by(&self.issuer).context("cannot sign a leaf")?;
        Ok(certificate.der().to_vec())
    }

    /// Signs a request for a name that was not asked for.
    ///
    /// # Errors
    /// As [`certify`](Self::certify).
    pub fn certify_as(&self, request: &[u8], name: &str, lifetime: Duration) -> Result<Vec<u8>> {
        let der = CertificateSigningRequestDer::from(request);
        let mut parsed =
            CertificateSigningRequestParams::from_der(&der).context("the signing request is unusable")?;
        parsed.params.subject_alt_names = vec![subject(name)?];
        (parsed.params.not_before, parsed.params.not_after) = validity(lifetime);
        let certificate = parsed.signed_by(&self.issuer).context("cannot sign a leaf")?;
        Ok(certificate.der().to_vec())
    }
}

// === impl Leaf ===

impl Leaf {
    /// The chain of one certificate, and the key.
    #[must_use]
    pub fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (vec![self.certificate.clone()], self.key.clone_key())
    }
}

fn subject(name: &str) -> Result<SanType> {
    let text = name.try_into().with_context(|| format!("{name} is no name"))?;
    Ok(if name.starts_with("spiffe:") { SanType::URI(text) } else { SanType::DnsName(text) })
}

#[allow(clippy::disallowed_methods, reason = "a test's certificates are valid now")]
fn validity(lifetime: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::from(std::time::SystemTime::now());
    (now - BACKDATE, now + lifetime)
}
