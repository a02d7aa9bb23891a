//! The verification of certificates: a chain to the anchors, and the expected name in the leaf.
//!
//! The TLS server name plays no part: it says which identity a client wants to meet, and that identity is checked itself.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::{Id, Trust};

/// Verifies whoever is at the other end of a connection.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    trust: Trust,
    /// Who it has to be; none is anybody of the mesh.
    expected: Option<Id>,
}

/// Why a verified certificate says nothing of its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// It cannot be read.
    #[error("the certificate is malformed")]
    Malformed,
    /// It was valid when a session began that is being resumed, and is no longer.
    #[error("the certificate has expired")]
    Expired,
    /// It names nobody.
    #[error("the certificate names no identity")]
    Nameless,
}

// === impl PeerVerifier ===

impl PeerVerifier {
    pub(super) fn of_server(trust: Trust, expected: Id) -> Self {
        Self { trust, expected: Some(expected) }
    }

    pub(super) fn of_clients(trust: Trust) -> Self {
        Self { trust, expected: None }
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        let certificate = EndEntityCert::try_from(leaf).map_err(refused)?;
        let algorithms = self.trust.algorithms().all;
        certificate
            .verify_for_usage(algorithms, self.trust.anchors(), intermediates, now, usage, None, None)
            .map_err(refused)?;
        match &self.expected {
            Some(expected) if !names(&certificate, expected) => {
                Err(Error::InvalidCertificate(CertificateError::NotValidForName))
            }
            _ => Ok(()),
        }
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, now, KeyUsage::server_auth())?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, self.trust.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, self.trust.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms().supported_schemes()
    }
}

impl ClientCertVerifier for PeerVerifier {
    /// Whether a client may be without identity is for policy to say.
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// Every client of the mesh has one certificate, so none needs to be told which anchors are meant.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, intermediates, now, KeyUsage::client_auth())?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, self.trust.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, self.trust.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms().supported_schemes()
    }
}

/// The identity of whoever showed this leaf; its chain has been verified when the session began.
///
/// # Errors
/// When the leaf names nobody, or has expired since: a resumed session must not outlive it.
pub fn peer_id(leaf: &[u8], now: UnixTime) -> Result<Id, PeerError> {
    let (_, parsed) = x509_parser::parse_x509_certificate(leaf).map_err(|_| PeerError::Malformed)?;
    let ends = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    if now.as_secs() > ends {
        return Err(PeerError::Expired);
    }
    let extension = parsed.subject_alternative_name().map_err(|_| PeerError::Malformed)?;
    let names = extension.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let id = names.iter().find_map(|name| match name {
        x509_parser::extensions::GeneralName::DNSName(name) => Id::dns(name),
        x509_parser::extensions::GeneralName::URI(uri) => Id::uri(uri),
        _ => None,
    });
    id.ok_or(PeerError::Nameless)
}

/// Whether a leaf carries this very name; a wildcard is a name like any other, that is, nobody's.
pub(super) fn names(certificate: &EndEntityCert<'_>, id: &Id) -> bool {
    match id {
        Id::Dns(expected) => certificate
            .valid_dns_names()
            .any(|name| name.strip_suffix('.').unwrap_or(name).eq_ignore_ascii_case(expected)),
        Id::Uri(expected) => certificate.valid_uri_names().any(|name| name == &**expected),
    }
}

/// The library's own words for what is wrong with a certificate, so that peers get the fitting alert.
fn refused(error: webpki::Error) -> Error {
    use webpki::Error as Webpki;
    Error::InvalidCertificate(match error {
        Webpki::BadDer | Webpki::BadDerTime | Webpki::TrailingData(_) => CertificateError::BadEncoding,
        Webpki::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        Webpki::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        Webpki::InvalidCertValidity => CertificateError::Expired,
        Webpki::UnknownIssuer => CertificateError::UnknownIssuer,
        Webpki::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        Webpki::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        other => CertificateError::Other(rustls::OtherError(std::sync::Arc::new(other))),
    })
}
