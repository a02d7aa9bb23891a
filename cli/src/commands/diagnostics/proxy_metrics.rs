//! `linkerd diagnostics proxy-metrics`: the metrics of the proxies of a workload, as they serve them.

use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use mesh_k8s::Client;
use mesh_k8s::target::Workload;
use serde_json::Value;

use crate::context::Context;
use crate::error::{CommandError, Outcome};

/// How long one proxy may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most metrics taken from one proxy.
const LIMIT: usize = 64 << 20;

/// Fetch metrics directly from Linkerd proxies
///
/// The exit code is 0 even if some proxies do not answer; what each of them said is printed.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  linkerd diagnostics proxy-metrics -n shop deploy/web")]
pub(super) struct ProxyMetricsArgs {
    /// Workload: TYPE/NAME, such as deploy/web
    #[arg(value_name = "RESOURCE")]
    resource: Workload,
    /// Namespace of the workload [default: that of the context]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
}

pub(super) fn run(context: &mut Context<'_>, args: &ProxyMetricsArgs) -> Result<Outcome, CommandError> {
    if args.resource.name.is_none() {
        return Err(CommandError::usage("no resource name provided"));
    }
    let client = context.client()?;
    let namespace = args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let pods = context.block_on(client.pods_of(&args.resource, &namespace))??;
    if pods.is_empty() {
        return Err(CommandError::failure(format!(
            "no pods found for this resource in namespace {namespace}"
        )));
    }
    let fetches = pods.iter().map(|pod| fetch(&client, &namespace, pod));
    let answers = context.block_on(futures::future::join_all(fetches))?;
    for (index, (pod, answer)) in pods.iter().zip(answers).enumerate() {
        let header = format!("#\n# POD {} ({} of {})\n#\n", name(pod), index + 1, pods.len());
        context.ui.data(&header)?;
        match answer {
            Ok(text) => context.ui.data(&text)?,
            Err(error) => context.ui.data(&format!("# ERROR {error}\n"))?,
        }
    }
    Ok(Outcome::Success)
}

async fn fetch(client: &Client, namespace: &str, pod: &Value) -> Result<String, CommandError> {
    if pod.pointer("/status/phase").and_then(Value::as_str) != Some("Running") {
        return Err(CommandError::failure(format!("pod not running: {}", name(pod))));
    }
    let port = admin_port(pod).ok_or_else(|| {
        CommandError::failure(format!("pod {} has no container port linkerd-admin", name(pod)))
    })?;
    let get = get_metrics(client, namespace, name(pod), port);
    tokio::time::timeout(PATIENCE, get)
        .await
        .unwrap_or_else(|_| Err(CommandError::failure(format!("no answer within {}s", PATIENCE.as_secs()))))
}

async fn get_metrics(client: &Client, namespace: &str, pod: &str, port: u16) -> Result<String, CommandError> {
    let tunnel = client.forward(namespace, pod, port).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(tunnel)).await.map_err(CommandError::failure)?;
    let request = http::Request::get("/metrics")
        .header(http::header::HOST, "localhost")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(CommandError::failure)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(CommandError::failure)?;
        let status = response.status();
        let body =
            Limited::new(response.into_body(), LIMIT).collect().await.map_err(CommandError::failure)?;
        if !status.is_success() {
            return Err(CommandError::failure(format!("the proxy answered {status}")));
        }
        String::from_utf8(body.to_bytes().to_vec()).map_err(CommandError::failure)
    };
    // The connection is driven beside the request and ends with it.
    tokio::select! {
        answer = answer => answer,
        ended = connection => Err(CommandError::failure(match ended {
            Ok(()) => "the proxy closed the connection".to_owned(),
            Err(error) => error.to_string(),
        })),
    }
}

/// The port named `linkerd-admin`, of a container or of a native sidecar.
fn admin_port(pod: &Value) -> Option<u16> {
    let lists = ["/spec/containers", "/spec/initContainers"].into_iter();
    lists
        .filter_map(|list| pod.pointer(list)?.as_array())
        .flatten()
        .filter_map(|container| container.get("ports")?.as_array())
        .flatten()
        .find(|port| port["name"] == "linkerd-admin")?
        .get("containerPort")?
        .as_u64()?
        .try_into()
        .ok()
}

fn name(pod: &Value) -> &str {
    pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::admin_port;

    #[test]
    fn the_admin_port_is_found_in_both_shapes() {
        let ports =
            json!([{"name": "http", "containerPort": 80}, {"name": "linkerd-admin", "containerPort": 4191}]);
        assert_eq!(admin_port(&json!({"spec": {"containers": [{"ports": ports}]}})), Some(4191));
        assert_eq!(
            admin_port(&json!({"spec": {"containers": [{}], "initContainers": [{"ports": ports}]}})),
            Some(4191)
        );
        assert_eq!(admin_port(&json!({"spec": {"containers": [{"ports": []}]}})), None);
    }
}
