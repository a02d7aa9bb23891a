//! Who the proxy is, and how it proves that to others and they to it.
//!
//! [`Trust`] is what can be done without a certificate: the anchors, and clients that name themselves to nobody.
//! [`Credentials`] is one generation of leaf, key and anchors with the TLS configurations made of them. A new leaf or a
//! changed bundle is a new generation, with new ticket keys, so that no session outlives what it was verified against.
//! [`start`] gets certificates, renews them and follows the trust bundle.

mod credentials;
mod id;
mod key;
mod lifecycle;
mod schedule;
mod service;
mod spire;
mod state;
mod tickets;
mod trust;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use proxy_net::backoff::Backoff;
use tokio::sync::{mpsc, watch};

pub use self::credentials::{Credentials, CredentialsError, Leaf};
pub use self::id::{Id, InvalidId};
pub use self::key::{KeyAndRequest, KeyError};
pub use self::state::{Metrics, Snapshot, State};
pub use self::trust::{Alpn, TRANSPORT_ALPN, Trust, TrustError};
pub use self::verify::{PeerError, peer_id};

use self::lifecycle::{Life, Lifecycle};
use self::schedule::Schedule;
use self::service::{ServiceIssuer, follow_bundle};
use self::spire::{Follow, SpireIssuer};
use crate::config::{self, Source};
use crate::discovery::client::ClientConfig;
use crate::discovery::connect::{ClientAuth, InvalidServer};
use crate::dns::Resolver;
use crate::metrics::{ControlCounts, ControlKind};

/// Bundles that may wait to be taken.
const MAX_BUNDLES: usize = 4;
/// The first wait after a failure.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest.
const LAST_RETRY: Duration = Duration::from_secs(300);

/// The identity of the process, as others see it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What is in force, as it changes.
    pub state: watch::Receiver<State>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Why the process has no way to an identity.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The anchors cannot be used.
    #[error("LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS: {0}")]
    Trust(#[from] TrustError),
    /// There is no key.
    #[error("LINKERD2_PROXY_IDENTITY_DIR: {0}")]
    Key(#[from] KeyError),
    /// The identity service cannot be spoken to.
    #[error("LINKERD2_PROXY_IDENTITY_SVC_NAME: {0}")]
    Server(#[from] InvalidServer),
}

/// Starts the tasks that get certificates, renew them and follow the trust bundle. They end with the
/// runtime. Requests to the identity service are counted in `counts`, whose clock tells when certificates end.
///
/// # Errors
/// When what the configuration names cannot be used.
///
/// # Panics
/// Outside of a runtime.
pub fn start(
    config: &config::Identity,
    control: &config::Control,
    resolver: &Arc<Resolver>,
    counts: &ControlCounts,
) -> Result<Identity, StartError> {
    let trust = Trust::new(config.anchors.clone(), config.min_version)?;
    let (sender, state) = watch::channel(State { trust, credentials: None });
    let metrics = Arc::new(Metrics::default());
    let (bundles, receive_bundles) = mpsc::channel(MAX_BUNDLES);
    let schedule = Schedule {
        min_refresh: config.min_refresh,
        max_refresh: config.max_refresh,
        backoff: Backoff::new(FIRST_RETRY, LAST_RETRY, 0.2).unwrap_or_default(),
    };
    let lifecycle = Life {
        id: config.id.clone(),
        schedule,
        state: sender,
        metrics: metrics.clone(),
        clock: counts.clock,
        bundles: receive_bundles,
    };
    match &config.source {
        Source::Service { service, token_file, dir, follow_bundle: follow } => {
            let client = {
                let (auth, kind) = (ClientAuth::Anonymous, ControlKind::Identity);
                ClientConfig::new(service, control, &state, auth, kind, counts)?
            };
            if *follow {
                let follow = follow_bundle(client.clone(), resolver.clone(), metrics.clone(), bundles);
                tokio::spawn(follow);
            }
            let key = KeyAndRequest::load_or_make(dir, &config.id)?;
            let (resolver, token_file) = (resolver.clone(), token_file.clone());
            let issuer = ServiceIssuer { id: config.id.clone(), client, resolver, token_file, key };
            tokio::spawn(Lifecycle::new(lifecycle, issuer).run());
        }
        Source::Spire { socket, follow_bundle: follow } => {
            let follow = follow.then(|| Follow { configured: config.anchors.clone(), bundles });
            let issuer = SpireIssuer::new(config.id.clone(), socket.clone(), follow);
            tokio::spawn(Lifecycle::new(lifecycle, issuer).run());
        }
    }
    Ok(Identity { state, metrics })
}

#[cfg(test)]
mod lifecycle_tests;
#[cfg(test)]
mod tests;
