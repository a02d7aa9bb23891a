//! What the tests of several modules share: a certificate authority, and a control plane that says what it is told.

pub(crate) mod plane;

use std::time::{Duration, SystemTime};

use mesh_pki::Bundle;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use crate::config::TlsVersion;
use crate::identity::{Credentials, Id, Leaf, Trust};

/// The time of this machine.
pub(crate) fn now() -> SystemTime {
    jiff::Timestamp::now().into()
}

/// An authority that signs whatever a test wants.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn bundle_pem(&self) -> String {
        self.pem.clone()
    }

    pub(crate) fn bundle(&self) -> Bundle {
        mesh_pki::parse_bundle(self.pem.as_bytes()).unwrap()
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::new(self.bundle(), TlsVersion::Tls13).unwrap()
    }

    /// A leaf of a new key, valid from now for `lifetime`: DER and PKCS#8.
    pub(crate) fn leaf(&self, id: &Id, lifetime: Duration) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names.push(match id {
            Id::Dns(name) => SanType::DnsName(name.to_string().try_into().unwrap()),
            Id::Uri(uri) => SanType::URI(uri.to_string().try_into().unwrap()),
        });
        let params = valid_for(params, lifetime);
        (params.signed_by(&key, &self.issuer).unwrap().der().to_vec(), key.serialize_der())
    }

    /// What an identity service answers to a request (DER).
    pub(crate) fn sign(&self, csr: &[u8], lifetime: Duration) -> Vec<u8> {
        let mut request = CertificateSigningRequestParams::from_der(&csr.into()).unwrap();
        request.params = valid_for(request.params, lifetime);
        request.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    pub(crate) fn credentials(&self, id: &Id) -> Credentials {
        self.credentials_for(id, Duration::from_secs(86_400))
    }

    pub(crate) fn credentials_for(&self, id: &Id, lifetime: Duration) -> Credentials {
        let (leaf, key) = self.leaf(id, lifetime);
        let now = now();
        let leaf = Leaf::verify(vec![leaf], &key, id, &self.trust(), now).unwrap();
        Credentials::new(id.clone(), leaf, self.trust(), 1, now).unwrap()
    }
}

fn valid_for(mut params: CertificateParams, lifetime: Duration) -> CertificateParams {
    let now = now();
    params.not_before = (now - Duration::from_secs(20)).into();
    params.not_after = (now + lifetime).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}
