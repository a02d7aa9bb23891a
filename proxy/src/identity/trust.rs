//! The anchors, and the parameters of TLS that every configuration has.

use std::sync::Arc;

use mesh_pki::Bundle;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use rustls_pki_types::TrustAnchor;

use super::verify::PeerVerifier;
use super::{Id, credentials};
use crate::config::TlsVersion;

/// The protocol that is negotiated where a transport header follows the handshake.
pub const TRANSPORT_ALPN: &[u8] = b"transport.l5d.io/v1";

const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];
const SINCE_12: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// Protocols that are offered in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// None.
    None,
    /// [`TRANSPORT_ALPN`] alone.
    Transport,
}

/// The anchors that certificates of others are verified against. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trust {
    inner: Arc<Inner>,
}

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A certificate is not one that can be an anchor.
    #[error("trust anchor {name}: {source}")]
    Anchor {
        /// Its subject.
        name: String,
        /// What is wrong with it.
        source: webpki::Error,
    },
    /// There is none.
    #[error("no trust anchor")]
    Empty,
}

#[derive(Debug)]
struct Inner {
    bundle: Bundle,
    anchors: Vec<TrustAnchor<'static>>,
    provider: Arc<CryptoProvider>,
    min_version: TlsVersion,
}

// === impl Alpn ===

impl Alpn {
    pub(super) fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::None => Vec::new(),
            Self::Transport => vec![TRANSPORT_ALPN.to_vec()],
        }
    }
}

// === impl Trust ===

impl Trust {
    /// Anchors out of a bundle.
    ///
    /// # Errors
    /// When one of them cannot be an anchor, or there is none.
    pub fn new(bundle: Bundle, min_version: TlsVersion) -> Result<Self, TrustError> {
        let anchors: Vec<_> = bundle
            .certificates()
            .iter()
            .map(|certificate| {
                webpki::anchor_from_trusted_cert(certificate.der())
                    .map(|anchor| anchor.to_owned())
                    .map_err(|source| TrustError::Anchor { name: certificate.display_name(), source })
            })
            .collect::<Result<_, _>>()?;
        if anchors.is_empty() {
            return Err(TrustError::Empty);
        }
        let provider = Arc::new(provider(min_version));
        Ok(Self { inner: Arc::new(Inner { bundle, anchors, provider, min_version }) })
    }

    /// The same parameters with other anchors.
    ///
    /// # Errors
    /// As [`Trust::new`].
    pub fn with_bundle(&self, bundle: Bundle) -> Result<Self, TrustError> {
        Self::new(bundle, self.inner.min_version)
    }

    /// The certificates behind it.
    pub fn bundle(&self) -> &Bundle {
        &self.inner.bundle
    }

    /// A client that has no certificate, as the identity service is first spoken to.
    ///
    /// # Errors
    /// Only when the TLS library does not accept its own parameters.
    pub fn anonymous_client(&self, peer: &Id, alpn: Alpn) -> Result<Arc<ClientConfig>, rustls::Error> {
        let mut config = self.client_builder(peer)?.with_no_client_auth();
        config.alpn_protocols = alpn.protocols();
        config.resumption = credentials::resumption();
        Ok(Arc::new(config))
    }

    /// Whether both are the very same value, not only the same anchors.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(super) fn client_builder(
        &self,
        peer: &Id,
    ) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, rustls::Error> {
        Ok(ClientConfig::builder_with_provider(self.inner.provider.clone())
            .with_protocol_versions(self.versions())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PeerVerifier::of_server(self.clone(), peer.clone()))))
    }

    pub(super) fn provider(&self) -> &Arc<CryptoProvider> {
        &self.inner.provider
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.inner.anchors
    }

    pub(super) fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.inner.provider.signature_verification_algorithms
    }

    pub(super) fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        match self.inner.min_version {
            TlsVersion::Tls13 => ONLY_13,
            TlsVersion::Tls12 => SINCE_12,
        }
    }
}

/// What two proxies agree on first: AES-128-GCM, and a key exchange that a quantum computer does not undo.
fn provider(min_version: TlsVersion) -> CryptoProvider {
    let mut cipher_suites = vec![
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    if min_version == TlsVersion::Tls12 {
        cipher_suites.extend([
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ]);
    }
    let kx_groups =
        vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    CryptoProvider { cipher_suites, kx_groups, ..default_provider() }
}
