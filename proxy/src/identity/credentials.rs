//! One generation of the proxy's own identity.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_pki::Certificate;
use rustls::client::Resumption;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::Id;
use super::tickets::EndingTickets;
use super::trust::{Alpn, Trust};
use super::verify::{PeerVerifier, names};

/// Tickets given to a client after each handshake. It makes a connection at a time, and gets new ones each time.
const TICKETS: usize = 2;
/// Sessions that are kept for one endpoint.
const SESSIONS: usize = 2;
/// Most certificates of a chain, the leaf included.
const MAX_CHAIN: usize = 8;

/// Leaf, key and anchors that belong together, and TLS made of them.
#[derive(Debug)]
pub struct Credentials {
    id: Id,
    generation: u64,
    trust: Trust,
    leaf: Leaf,
    key: Arc<CertifiedKey>,
    server: Arc<ServerConfig>,
    transport_server: Arc<ServerConfig>,
}

/// A leaf with its chain and key, verified against the anchors.
#[derive(Clone, Debug)]
pub struct Leaf {
    key: Arc<CertifiedKey>,
    not_before: SystemTime,
    not_after: SystemTime,
}

/// Why a certificate is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// No certificate, or more than a chain has.
    #[error("the chain has {0} certificates; 1 to {MAX_CHAIN} can be used")]
    Chain(usize),
    /// The leaf cannot be read.
    #[error("the certificate cannot be read: {0}")]
    Malformed(String),
    /// It does not lead to an anchor, or is not valid now.
    #[error("the certificate is not trusted: {0}")]
    Untrusted(webpki::Error),
    /// Nothing is left of its life.
    #[error("the certificate has ended")]
    Ended,
    /// It names somebody else.
    #[error("the certificate does not name {0}")]
    Name(Id),
    /// It is for another key, or the key cannot be used.
    #[error("the key does not fit the certificate: {0}")]
    Key(rustls::Error),
    /// The TLS library refuses its parameters.
    #[error("TLS cannot be configured: {0}")]
    Tls(rustls::Error),
}

// === impl Leaf ===

impl Leaf {
    /// Verifies a chain (DER, the leaf first) and the key (PKCS#8 in DER) against the anchors, for `id` and at `now`.
    ///
    /// # Errors
    /// When anything of it could not be shown to a peer.
    pub fn verify(
        chain: Vec<Vec<u8>>,
        key: &[u8],
        id: &Id,
        trust: &Trust,
        now: SystemTime,
    ) -> Result<Self, CredentialsError> {
        if !(1..=MAX_CHAIN).contains(&chain.len()) {
            return Err(CredentialsError::Chain(chain.len()));
        }
        let validity = Certificate::from_der(chain[0].clone())
            .map_err(|error| CredentialsError::Malformed(error.to_string()))?
            .validity();
        let chain: Vec<CertificateDer<'static>> = chain.into_iter().map(CertificateDer::from).collect();
        check(&chain, id, trust, now)?;
        let not_after = SystemTime::from(validity.not_after);
        // Certificates are valid to the end of their last second, which is too late to begin.
        if not_after <= now {
            return Err(CredentialsError::Ended);
        }
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec()));
        let key = CertifiedKey::from_der(chain, key, trust.provider()).map_err(CredentialsError::Key)?;
        Ok(Self { key: Arc::new(key), not_before: SystemTime::from(validity.not_before), not_after })
    }

    /// When it begins to be valid.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// When it ends.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }
}

// === impl Credentials ===

impl Credentials {
    /// A generation out of a verified leaf and anchors. `generation` counts up.
    ///
    /// # Errors
    /// When the leaf does not lead to these anchors, or the TLS library refuses its parameters.
    pub fn new(
        id: Id,
        leaf: Leaf,
        trust: Trust,
        generation: u64,
        now: SystemTime,
    ) -> Result<Self, CredentialsError> {
        check(&leaf.key.cert, &id, &trust, now)?;
        let server = server(&leaf, &trust, Alpn::None)?;
        let transport_server = server_with(&server, Alpn::Transport);
        let key = leaf.key.clone();
        Ok(Self { id, generation, trust, leaf, key, server: Arc::new(server), transport_server })
    }

    /// Who the proxy is.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Which generation this is.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The leaf.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// The anchors.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// TLS to one endpoint that has to be `peer`. Sessions are kept in the value that is returned, so that it belongs to
    /// one endpoint; a session that was verified for one identity is never resumed for another.
    ///
    /// # Errors
    /// Only when the TLS library does not accept its own parameters.
    pub fn client_config(&self, peer: &Id, alpn: Alpn) -> Result<Arc<ClientConfig>, rustls::Error> {
        let resolver = rustls::sign::SingleCertAndKey::from(self.key.clone());
        let mut config = self.trust.client_builder(peer)?.with_client_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = alpn.protocols();
        config.resumption = resumption();
        // The engine seals and opens records itself where content passes in bulk.
        config.enable_secret_extraction = true;
        Ok(Arc::new(config))
    }

    /// TLS towards clients: a certificate is asked for, none is allowed.
    pub fn server_config(&self, alpn: Alpn) -> Arc<ServerConfig> {
        match alpn {
            Alpn::None => self.server.clone(),
            Alpn::Transport => self.transport_server.clone(),
        }
    }
}

/// A chain that leads to the anchors, and a leaf with the name.
fn check(
    chain: &[CertificateDer<'static>],
    id: &Id,
    trust: &Trust,
    now: SystemTime,
) -> Result<(), CredentialsError> {
    let (leaf, intermediates) = chain.split_first().ok_or(CredentialsError::Chain(0))?;
    let leaf = EndEntityCert::try_from(leaf).map_err(CredentialsError::Untrusted)?;
    let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
    for usage in [KeyUsage::server_auth(), KeyUsage::client_auth()] {
        leaf.verify_for_usage(trust.algorithms().all, trust.anchors(), intermediates, now, usage, None, None)
            .map_err(CredentialsError::Untrusted)?;
    }
    if names(&leaf, id) { Ok(()) } else { Err(CredentialsError::Name(id.clone())) }
}

fn server(leaf: &Leaf, trust: &Trust, alpn: Alpn) -> Result<ServerConfig, CredentialsError> {
    let resolver = rustls::sign::SingleCertAndKey::from(leaf.key.clone());
    let mut config = ServerConfig::builder_with_provider(trust.provider().clone())
        .with_protocol_versions(trust.versions())
        .map_err(CredentialsError::Tls)?
        .with_client_cert_verifier(Arc::new(PeerVerifier::of_clients(trust.clone())))
        .with_cert_resolver(Arc::new(resolver));
    let ends = leaf.not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    config.ticketer = Arc::new(EndingTickets::new(ends, UnixTime::now).map_err(CredentialsError::Tls)?);
    // Tickets alone: a cache on this side would keep sessions of clients that never come back.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = TICKETS;
    config.alpn_protocols = alpn.protocols();
    // As in `client_config`.
    config.enable_secret_extraction = true;
    Ok(config)
}

fn server_with(server: &ServerConfig, alpn: Alpn) -> Arc<ServerConfig> {
    let mut config = server.clone();
    config.alpn_protocols = alpn.protocols();
    Arc::new(config)
}

/// A small store of sessions, for one endpoint.
pub(super) fn resumption() -> Resumption {
    Resumption::in_memory_sessions(SESSIONS)
}
