//! Tap: requests of running workloads, as they happen, for users who may see them.
//!
//! The API server passes users' requests on (an aggregated API). Reading order: [`front_proxy`] (is it the API server, and
//! who is the user), [`api`] (paths and authorization), [`target`] (a workload becomes pods), `matches` (the question
//! as proxies understand it), [`fan_in`] (many proxies become one stream), [`peers`] (names behind addresses).
//!
//! Nothing is watched while nobody taps.

pub mod api;
pub mod fan_in;
pub mod front_proxy;
pub mod matches;
pub mod peers;
pub mod target;

use std::sync::Arc;

use mesh_core::identity::MeshNames;

use crate::args::TapArgs;
use crate::runtime;
use crate::webhook::trust::Holder;
use crate::webhook::{Certificates, server};
use crate::{RunError, Runtime};

/// The Service behind which it is reached.
const SERVICE: &str = "linkerd-tap";

/// Serves until the end begins.
///
/// # Errors
/// When the address is taken or there is no way to the API server.
pub async fn run(args: &TapArgs, runtime: &Runtime) -> Result<(), RunError> {
    let client = runtime.client().await?;
    let holder = Holder::ApiService(args.api_service.clone());
    let certificates = Certificates::keep(runtime, SERVICE, &args.tls, holder).await?;
    let front_proxy = front_proxy::FrontProxy::follow(runtime, client.clone(), certificates.watch());
    let names = MeshNames::new(runtime.namespace.clone(), args.identity_trust_domain.clone());
    let ignored = args.ignore_headers.iter().map(|name| name.to_ascii_lowercase()).collect();
    let tap = fan_in::Tap::new(
        client.clone(),
        fan_in::Settings {
            namespace: runtime.namespace.clone(),
            names,
            control_port: args.proxy_control_port,
            ignored,
        },
        &runtime.registry,
    );
    let router = api::router(api::Parts {
        client,
        front_proxy: front_proxy.clone(),
        tap: Arc::new(tap),
        outcomes: runtime.registry.counters(
            "tap_requests_total",
            "Requests to tap by outcome.",
            &["outcome"],
        ),
        shutdown: runtime.shutdown.clone(),
    });
    let listener = runtime::listen(args.apiserver_addr).await?;
    tracing::info!(addr = %runtime::address(&listener), "aggregated API open");
    let serving = server::serve(listener, front_proxy.configs(), router, runtime.shutdown.clone());
    runtime
        .drained("the aggregated API", async {
            serving.await;
            Ok::<(), std::convert::Infallible>(())
        })
        .await
}
