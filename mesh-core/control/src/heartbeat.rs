//! A report about an install: version, age, size. It is composed and shown; it is sent nowhere unless somebody
//! says where to (`--url`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;

use crate::args::HeartbeatArgs;
use crate::public_api::prometheus::{Prometheus, encoded};
use crate::runtime::CALL_LIMIT;
use crate::{RunError, Runtime};

/// How long sending may take.
const LIMIT: Duration = Duration::from_secs(30);
/// What is asked of a Prometheus, by the name under which it is reported.
const QUESTIONS: [(&str, &str); 4] = [
    ("total-rps", "sum(rate(request_total{direction=\"inbound\"}[24h]))"),
    ("meshed-pods", "count(count by (pod, namespace) (request_total))"),
    (
        "p99-handle-us",
        "histogram_quantile(0.99, sum(rate(request_handle_us_bucket{direction=\"inbound\"}[24h])) by (le))",
    ),
    ("proxy-injector-injections", "sum(increase(admission_reviews_total{outcome=\"injected\"}[24h]))"),
];

/// Composes the report, prints it or sends it, and ends.
///
/// # Errors
/// When the API server cannot be reached, a URL is none, or sending fails.
pub async fn run(args: &HeartbeatArgs, runtime: &Runtime) -> Result<(), RunError> {
    let client = runtime.client().await?;
    let prometheus = match args.prometheus_url.as_deref().filter(|url| !url.is_empty()) {
        None => None,
        Some(url) => {
            let made = Prometheus::new(url);
            Some(made.map_err(|error| argument("prometheus-url", error.to_string()))?)
        }
    };
    let report = report(&client, &runtime.namespace, prometheus.as_ref()).await;
    match &args.url {
        Some(url) if !args.dry_run => send(url, &report).await,
        _ => show(&report),
    }
}

fn argument(flag: &'static str, problem: String) -> RunError {
    RunError::Argument { flag, problem }
}

/// Everything that can be found out; what cannot is left out, for a report is a courtesy.
async fn report(
    client: &kube::Client,
    namespace: &str,
    prometheus: Option<&Prometheus>,
) -> BTreeMap<&'static str, String> {
    let mut report = BTreeMap::from([
        ("source", "heartbeat".to_owned()),
        ("version", mesh_core::version::CLI.to_owned()),
        ("arch", std::env::consts::ARCH.to_owned()),
    ]);
    if let Ok(Ok(version)) = tokio::time::timeout(CALL_LIMIT, client.apiserver_version()).await {
        report.insert("k8s-version", version.git_version);
    }
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    match tokio::time::timeout(CALL_LIMIT, maps.get("linkerd-config")).await {
        Ok(Ok(found)) => {
            report.extend(found.metadata.uid.map(|uid| ("uuid", uid)));
            let created = found.metadata.creation_timestamp.map(|time| time.0.as_second().to_string());
            report.extend(created.map(|created| ("install-time", created)));
        }
        Ok(Err(error)) => tracing::warn!(%error, "ConfigMap linkerd-config cannot be read"),
        Err(_) => tracing::warn!("ConfigMap linkerd-config: no answer in time"),
    }
    for (name, promql) in QUESTIONS {
        let Some(prometheus) = prometheus else { break };
        match prometheus.number(promql).await {
            Ok(Some(value)) => drop(report.insert(name, format!("{value:.0}"))),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "Prometheus does not answer");
                break;
            }
        }
    }
    report
}

fn show(report: &BTreeMap<&'static str, String>) -> Result<(), RunError> {
    let mut text = String::new();
    for (name, value) in report {
        let _ = writeln!(text, "{name}={value}");
    }
    let failed = |source| RunError::System { what: "the report cannot be printed", source };
    std::io::stdout().write_all(text.as_bytes()).map_err(failed)
}

async fn send(url: &str, report: &BTreeMap<&'static str, String>) -> Result<(), RunError> {
    let query: Vec<String> =
        report.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let separator = if url.contains('?') { '&' } else { '?' };
    let uri: Uri = format!("{url}{separator}{}", query.join("&"))
        .parse()
        .map_err(|_| argument("url", format!("{url:?} is no URL")))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(argument("url", format!("{url:?} is no http or https URL")));
    }
    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| RunError::Server { what: "the report", source };
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|error| failed(Box::new(error)))?
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let request = Request::get(uri).body(Empty::new()).map_err(|error| failed(Box::new(error)))?;
    let response = match tokio::time::timeout(LIMIT, client.request(request)).await {
        Ok(answer) => answer.map_err(|error| failed(Box::new(error)))?,
        Err(_) => return Err(failed(format!("no answer within {LIMIT:?}").into())),
    };
    if !response.status().is_success() {
        return Err(failed(format!("HTTP status {}", response.status()).into()));
    }
    tracing::info!(status = %response.status(), "the report was sent");
    Ok(())
}
