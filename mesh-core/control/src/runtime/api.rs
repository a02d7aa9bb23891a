//! The client of the API server.
//!
//! Its connections notice when nobody is at the other end any more: a watch sends nothing for minutes, so without
//! probes one whose server vanished would look quiet for as long.

use std::path::Path;
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tower::{BoxError, Layer as _, ServiceExt as _};

use super::RunError;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(5);
/// After how long without a word a connection is probed…
const QUIET: Duration = Duration::from_secs(15);
/// …how often…
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// …and after how many probes without an answer it is dead.
const PROBES: u32 = 3;
/// After how long bytes that nobody acknowledged end a connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// A client by a kubeconfig, or as the account of the pod. A token in a file is read again every minute.
pub(super) async fn client(kubeconfig: Option<&Path>) -> Result<kube::Client, RunError> {
    let config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| RunError::Client(Box::new(error)))?;
            let options = KubeConfigOptions::default();
            kube::Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|error| RunError::Client(Box::new(error)))?
        }
        None => kube::Config::incluster().map_err(|error| RunError::Client(Box::new(error)))?,
    };
    with(&config).map_err(|error| RunError::Client(Box::new(error)))
}

/// A client with these settings, of this cluster or of another. No limit on reading: a watch may be silent, and single
/// calls are limited by who makes them. No retries either: those who call know better when to ask again.
///
/// # Errors
/// When TLS or credentials cannot be set up.
pub(crate) fn with(config: &kube::Config) -> Result<kube::Client, kube::Error> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_keepalive(Some(QUIET));
    connector.set_keepalive_interval(Some(PROBE_EVERY));
    connector.set_keepalive_retries(Some(PROBES));
    connector.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build(connector);
    let service = config.extra_headers_layer()?.layer(client.map_err(BoxError::from));
    let service = tower::util::option_layer(config.auth_layer()?).layer(service);
    let service = config.base_uri_layer().layer(service);
    Ok(kube::Client::new(service, config.default_namespace.clone()))
}
