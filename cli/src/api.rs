//! The way to the control plane's own API: an address, or a port-forward to one of its pods.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use mesh_api::public::public_api_client::PublicApiClient;
use mesh_core::names::{labels, ports};
use mesh_k8s::objects::Selection;
use mesh_k8s::{Client, Resource};
use serde_json::Value;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::context::Context;
use crate::error::{CommandError, Kind};

/// How long the control plane may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The component that answers.
const COMPONENT: &str = "controller";

/// Connects to the public API, at `--api-addr` or through the API server.
pub(crate) fn connect(context: &mut Context<'_>) -> Result<PublicApiClient<Channel>, CommandError> {
    let addr = context.global.api_addr.clone();
    let namespace = context.global.linkerd_namespace.clone();
    if let Some(addr) = addr {
        return context.block_on(direct(addr))?;
    }
    let client = context.client()?;
    context.block_on(forwarded(client, namespace))?
}

/// Connects to an address that somebody forwards, or that is reached directly.
pub(crate) async fn direct(addr: String) -> Result<PublicApiClient<Channel>, CommandError> {
    let channel = endpoint(&format!("http://{addr}"))?.connect().await;
    let channel = channel.map_err(|error| {
        let text = format!("cannot connect to the control plane's API at {addr}: {}", cause(&error));
        CommandError::new(Kind::Cluster, text)
    })?;
    Ok(PublicApiClient::new(channel))
}

/// What is behind an error, which itself says little.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// What a refusal of the API means to the user.
pub(crate) fn refused(status: &Status) -> CommandError {
    let kind = match status.code() {
        Code::InvalidArgument | Code::NotFound => Kind::Failure,
        Code::DeadlineExceeded => Kind::Timeout,
        _ => Kind::Cluster,
    };
    CommandError::new(kind, status.message())
}

fn endpoint(uri: &str) -> Result<Endpoint, CommandError> {
    let endpoint = Endpoint::from_shared(uri.to_owned())
        .map_err(|_| CommandError::usage(format!("--api-addr: {uri} is no HOST:PORT")))?;
    Ok(endpoint.timeout(PATIENCE).connect_timeout(Duration::from_secs(10)))
}

/// Connects through the API server to a pod that answers.
pub(crate) async fn forwarded(
    client: Client,
    namespace: String,
) -> Result<PublicApiClient<Channel>, CommandError> {
    let component = format!("{}={COMPONENT}", labels::CONTROL_PLANE_COMPONENT);
    let selection = Selection { namespace: Some(&namespace), labels: Some(&component) };
    let pods = client.list(&Resource::POD, selection).await?;
    let is_running = |pod: &&Value| pod.pointer("/status/phase").and_then(Value::as_str) == Some("Running");
    let name = pods.iter().find(is_running).and_then(|pod| pod.pointer("/metadata/name")?.as_str());
    let Some(name) = name.map(str::to_owned) else {
        let text = format!("no pod of linkerd-{COMPONENT} is running in namespace {namespace}");
        return Err(CommandError::new(Kind::Cluster, text)
            .hint("`linkerd check` says what is wrong with the control plane"));
    };
    let connector = tower::service_fn(move |_: http::Uri| {
        let (client, namespace, name) = (client.clone(), namespace.clone(), name.clone());
        async move {
            let tunnel = client.forward(&namespace, &name, ports::PUBLIC_API).await;
            tunnel.map(TokioIo::new).map_err(std::io::Error::other)
        }
    });
    let channel = endpoint("http://localhost")?.connect_with_connector(connector).await;
    let channel = channel.map_err(|error| {
        CommandError::new(Kind::Cluster, format!("cannot reach the control plane's API: {}", cause(&error)))
    })?;
    Ok(PublicApiClient::new(channel))
}
