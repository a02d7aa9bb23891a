//! Signs the certificates of workloads and tells proxies the trust anchors.
//!
//! Reading order: [`material`] (issuer and anchors as they are now, read from files that change), [`tokens`] (who holds a
//! token), [`certify`] (the published API), [`anchors`] (our own, for live anchors), [`renewal`] (a new issuer before the
//! old one ends).

pub mod anchors;
pub mod certify;
pub mod material;
pub mod renewal;
pub mod tokens;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use linkerd2_proxy_api::identity::identity_server::IdentityServer;
use mesh_api::trust::trust_bundle_server::TrustBundleServer;
use mesh_core::duration::GoDuration;
use mesh_core::identity::MeshNames;
use tokio_stream::wrappers::TcpListenerStream;

use crate::args::{IdentityArgs, IssuerScheme};
use crate::runtime::events::Events;
use crate::runtime::lease::{Leadership, Timing};
use crate::runtime::spans::TraceLayer;
use crate::runtime::{self, RunError, Runtime};

/// The Deployment that events are about, and the lease of the one that renews.
pub const NAME: &str = "linkerd-identity";

/// What time it is; a parameter so that tests can move it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Serves until the end begins, then finishes what is in hand.
///
/// # Errors
/// When the address is taken, there is no way to the API server, or the server ends by itself.
pub async fn run(args: &IdentityArgs, runtime: &Runtime) -> Result<(), RunError> {
    let client = runtime.client().await?;
    let names = MeshNames::new(runtime.namespace.clone(), args.identity_trust_domain.clone());
    let lifetimes = certify::Lifetimes {
        leaf: positive("identity-issuance-lifetime", args.identity_issuance_lifetime)?,
        skew: positive("identity-clock-skew-allowance", args.identity_clock_skew_allowance)?,
    };
    let clock: Clock = Arc::new(Timestamp::now);
    let events = Events::new(runtime, client.clone());

    let files = material::Files::new(args);
    let follower =
        material::Follower::new(files, names.issuer(), runtime, events.clone(), Arc::clone(&clock));
    let material = follower.material();
    runtime.vital("the reading of issuer and anchors", follower.run(runtime.shutdown.clone()));

    if args.identity_scheme == IssuerScheme::Linkerd {
        let leadership = Leadership::campaign(runtime, client.clone(), NAME, Timing::default());
        let renewal = renewal::Renewal::new(
            client.clone(),
            &names,
            runtime,
            renewal::Inputs {
                leadership,
                material: material.clone(),
                events: events.clone(),
                clock: Arc::clone(&clock),
            },
        );
        runtime.vital("the renewal of the issuer", renewal.run(runtime.shutdown.clone()));
    }

    let quota = tokens::Quota { per_second: args.kube_apiclient_qps, burst: args.kube_apiclient_burst };
    let tokens = tokens::Reviews::new(client, quota);
    let certify = certify::Certify::new(
        tokens,
        material.clone(),
        certify::Settings { names, lifetimes, clock },
        &runtime.registry,
    );
    let anchors = anchors::Anchors::new(material, runtime.shutdown.clone());

    let listener = runtime::listen(args.grpc_addr).await?;
    tracing::info!(addr = %runtime::address(&listener), "identity API open");
    let certify = IdentityServer::new(certify).max_decoding_message_size(certify::MAX_REQUEST);
    let server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .timeout(certify::LIMIT)
        .layer(TraceLayer)
        .add_service(certify)
        .add_service(TrustBundleServer::new(anchors));
    let serving =
        server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), runtime.shutdown.signaled());
    runtime.drained("the identity API", serving).await
}

fn positive(flag: &'static str, duration: GoDuration) -> Result<SignedDuration, RunError> {
    let problem = || RunError::Argument { flag, problem: "must not be negative".to_owned() };
    let span = duration.to_std().ok_or_else(problem)?;
    SignedDuration::try_from(span).map_err(|_| problem())
}
