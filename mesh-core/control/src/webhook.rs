//! What webhooks and the aggregated API have in common: a TLS server that looks after its own certificate.
//!
//! Reading order: [`pair`] (a certificate, judged and made), [`keeper`] (the Secret it is kept in, shared by replicas),
//! [`trust`] (the `caBundle` by which the API server verifies it), [`server`] (connections), [`admission`] (reviews).
//!
//! A new certificate comes with a new authority. It is served only after the API server was given a bundle that
//! holds both the new and the old authority, so at no time does a replica show what the API server does not know.

pub mod admission;
pub mod keeper;
pub mod pair;
pub mod server;
pub mod trust;

use std::sync::Arc;

use axum::Router;
use tokio::sync::watch;

use crate::args::{ListenAddr, TlsArgs};
use crate::runtime::{RunError, Runtime};
use keeper::Keeper;
use pair::Pair;
use server::Configs;
use trust::Holder;

/// The certificate of a server, kept in step until the process ends.
pub struct Certificates {
    pairs: watch::Receiver<Option<Arc<Pair>>>,
}

impl Certificates {
    /// Starts looking after the certificate of `service` in the control plane's namespace.
    ///
    /// # Errors
    /// When there is no way to the API server.
    pub async fn keep(
        runtime: &Runtime,
        service: &str,
        tls: &TlsArgs,
        holder: Holder,
    ) -> Result<Self, RunError> {
        let client = runtime.client().await?;
        let holder = tls.fill_ca_bundle.then(|| holder.with(client.clone()));
        let keeper = Keeper::new(runtime, client, service, tls, holder);
        let pairs = keeper.pairs();
        runtime.vital("the care of the serving certificate", keeper.run(runtime.shutdown.clone()));
        Ok(Self { pairs })
    }

    /// TLS settings that follow the certificate; clients need show none.
    pub fn configs(&self) -> Configs {
        Configs::follow(self.pairs.clone(), server::plain)
    }

    /// The certificate as it is now, and whatever takes its place.
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Pair>>> {
        self.pairs.clone()
    }
}

/// Serves reviews at `/` until the end begins.
///
/// # Errors
/// When the address is taken or there is no way to the API server.
pub async fn serve(
    runtime: &Runtime,
    addr: ListenAddr,
    certificates: &Certificates,
    router: Router,
) -> Result<(), RunError> {
    let listener = crate::runtime::listen(addr).await?;
    tracing::info!(addr = %crate::runtime::address(&listener), "webhook open");
    let serving = server::serve(listener, certificates.configs(), router, runtime.shutdown.clone());
    runtime
        .drained("the webhook", async {
            serving.await;
            Ok::<(), std::convert::Infallible>(())
        })
        .await
}
