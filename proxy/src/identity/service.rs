//! The identity service of the mesh as an issuer, and the trust bundle beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use linkerd2_proxy_api::identity::identity_client::IdentityClient;
use linkerd2_proxy_api::identity::{CertifyRequest, CertifyResponse};
use mesh_api::trust::WatchRequest;
use mesh_api::trust::trust_bundle_client::TrustBundleClient;
use mesh_pki::{Bundle, Certificate};
use proxy_net::backoff::Backoff;
use tokio::sync::mpsc;

use super::Id;
use super::key::KeyAndRequest;
use super::lifecycle::{Issued, Issuer};
use super::state::Metrics;
use crate::discovery::client::{Client, ClientConfig};
use crate::dns::Resolver;

/// How long an answer may take, connecting included.
const CERTIFY_TIMEOUT: Duration = Duration::from_secs(20);
/// Octets that a token has at most.
const MAX_TOKEN: usize = 64 * 1024;
/// Anchors that are taken at most.
const MAX_ANCHORS: usize = 256;
/// Octets of an answer.
const MAX_MESSAGE: usize = 1024 * 1024;
/// How long until a server without the interface is asked again: it may be a newer one then.
const UNIMPLEMENTED: Duration = Duration::from_secs(600);

/// Asks the identity service, with a new connection each time: once a day is no reason to keep one.
pub(super) struct ServiceIssuer {
    pub(super) id: Id,
    pub(super) client: ClientConfig,
    pub(super) resolver: Arc<Resolver>,
    pub(super) token_file: PathBuf,
    pub(super) key: KeyAndRequest,
}

// === impl ServiceIssuer ===

impl Issuer for ServiceIssuer {
    async fn issue(&mut self) -> Result<Issued, String> {
        let token = token(&self.token_file).await?;
        let client = Client::spawn(self.client.clone(), self.resolver.clone());
        let request = CertifyRequest {
            identity: self.id.to_string(),
            token,
            certificate_signing_request: self.key.request.clone(),
        };
        let mut service = IdentityClient::new(client.clone()).max_decoding_message_size(MAX_MESSAGE);
        let target = &self.client.target;
        let response = match tokio::time::timeout(CERTIFY_TIMEOUT, service.certify(request)).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => {
                return Err(format!("{target} answered {:?}: {}", status.code(), status.message()));
            }
            Err(_) => {
                let cause = client.state().last_error;
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                return Err(format!("{target} did not answer within {CERTIFY_TIMEOUT:?}{cause}"));
            }
        };
        Ok(self.issued(response))
    }
}

impl ServiceIssuer {
    fn issued(&self, response: CertifyResponse) -> Issued {
        let valid_until = response.valid_until.and_then(|until| {
            let seconds = u64::try_from(until.seconds).ok()?;
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
        });
        let chain = std::iter::once(response.leaf_certificate).chain(response.intermediate_certificates);
        Issued { chain: chain.collect(), key: self.key.key.clone(), valid_until }
    }
}

/// The token of this moment: the kubelet replaces it long before it ends.
async fn token(file: &Path) -> Result<Vec<u8>, String> {
    let name = file.display();
    let token = tokio::fs::read(file).await.map_err(|error| format!("{name}: {error}"))?;
    let token = token.trim_ascii();
    match token.len() {
        0 => Err(format!("{name}: the token is empty")),
        1..=MAX_TOKEN => Ok(token.to_vec()),
        _ => Err(format!("{name}: longer than a token ({MAX_TOKEN} octets)")),
    }
}

/// Follows the trust bundle for as long as somebody takes it.
pub(super) async fn follow_bundle(
    config: ClientConfig,
    resolver: Arc<Resolver>,
    metrics: Arc<Metrics>,
    bundles: mpsc::Sender<Bundle>,
) {
    let backoff = Backoff::default();
    let mut failures = 0;
    loop {
        let client = Client::spawn(config.clone(), resolver.clone());
        let mut heard = false;
        let Err(ended) = follow_once(client, &metrics, &bundles, &mut heard).await else { return };
        if heard {
            failures = 0;
        }
        let wait = match ended.code() {
            tonic::Code::Unimplemented => UNIMPLEMENTED,
            _ => backoff.delay(failures, rand::random()),
        };
        failures = failures.saturating_add(1);
        tracing::debug!(code = ?ended.code(), message = ended.message(), ?wait, "the trust bundle is not followed");
        tokio::time::sleep(wait).await;
    }
}

/// One stream; ends well when nobody takes bundles any more.
async fn follow_once(
    client: Client,
    metrics: &Metrics,
    bundles: &mpsc::Sender<Bundle>,
    heard: &mut bool,
) -> Result<(), tonic::Status> {
    let mut service = TrustBundleClient::new(client).max_decoding_message_size(MAX_MESSAGE);
    let mut stream = service.watch(WatchRequest {}).await?.into_inner();
    while let Some(message) = stream.message().await? {
        *heard = true;
        match bundle(&message.roots_der) {
            Ok(bundle) => {
                if bundles.send(bundle).await.is_err() {
                    return Ok(());
                }
            }
            Err(error) => {
                metrics.bundle(false);
                tracing::warn!(%error, "the new trust bundle is not used");
            }
        }
    }
    Err(tonic::Status::unavailable("the stream ended"))
}

fn bundle<B: AsRef<[u8]>>(anchors: &[B]) -> Result<Bundle, String> {
    if anchors.len() > MAX_ANCHORS {
        return Err(format!("it has {} anchors; at most {MAX_ANCHORS} are taken", anchors.len()));
    }
    let mut bundle: Option<Bundle> = None;
    for (index, der) in anchors.iter().enumerate() {
        let anchor = Certificate::from_der(der.as_ref().to_vec());
        let anchor = anchor.map_err(|error| format!("anchor {index}: {error}"))?;
        match &mut bundle {
            Some(bundle) => bundle.add(anchor),
            None => bundle = Some(Bundle::of(anchor)),
        }
    }
    bundle.ok_or_else(|| "it is empty".to_owned())
}
