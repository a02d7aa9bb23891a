//! Numbers that a Prometheus keeps, asked for in its own language.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::query::{Answer, Group, Is, Query, Source, Unanswered};

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// A Prometheus, bundled or not.
pub struct Prometheus {
    base: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Why a URL cannot be that of a Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is no URL of a Prometheus: write http://HOST:PORT or https://HOST/PATH")]
pub struct InvalidUrl {
    url: String,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    status: String,
    #[serde(default)]
    error: String,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    result: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

impl Prometheus {
    /// One at a URL.
    ///
    /// # Errors
    /// When it is no http or https URL.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let invalid = || InvalidUrl { url: url.chars().take(200).collect() };
        let parsed: Uri = url.parse().map_err(|_| invalid())?;
        if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.host().is_none() {
            return Err(invalid());
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(Duration::from_secs(5)));
        // An image from scratch has no certificates of authorities. One reached over http needs none.
        let builder = match hyper_rustls::HttpsConnectorBuilder::new().with_native_roots() {
            Ok(builder) => builder,
            Err(_) => hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(
                rustls::ClientConfig::builder()
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth(),
            ),
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { base: url.trim_end_matches('/').to_owned(), client })
    }

    /// One number; `None` where nothing was seen.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn number(&self, promql: &str) -> Result<Option<f64>, Unanswered> {
        Ok(self.ask(promql, &[]).await?.first().map(|(_, value)| *value))
    }

    async fn ask(&self, promql: &str, by: &[&'static str]) -> Result<Answer, Unanswered> {
        let failed = |problem: &dyn std::fmt::Display| Unanswered(format!("{}: {problem}", self.base));
        let body = format!("query={}", encoded(promql));
        let request = Request::post(format!("{}/api/v1/query", self.base))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| failed(&error))?;
        let asking = async {
            let response = self.client.request(request).await.map_err(|error| failed(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| failed(&error))?.to_bytes();
            Ok((status, body))
        };
        let (status, body) = match tokio::time::timeout(LIMIT, asking).await {
            Ok(answer) => answer?,
            Err(_) => return Err(failed(&format!("no answer within {LIMIT:?}"))),
        };
        let response: Response = match serde_json::from_slice(&body) {
            Ok(response) => response,
            Err(_) if status != StatusCode::OK => return Err(failed(&format!("HTTP status {status}"))),
            Err(error) => return Err(failed(&format!("not an answer of Prometheus: {error}"))),
        };
        if response.status != "success" {
            return Err(failed(&response.error));
        }
        let entries = response.data.map(|data| data.result).unwrap_or_default();
        Ok(entries.into_iter().filter_map(|entry| entry.read(by)).collect())
    }
}

impl Source for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn covers(&self, window: Duration) -> Duration {
        window
    }

    fn increase<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async move {
            let inner = format!("increase({}[{}s])", selector(query), query.window.as_secs());
            self.ask(&format!("sum({inner}) by ({})", query.by.join(", ")), &query.by).await
        })
    }

    fn level<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async move {
            let promql = format!("sum({}) by ({})", selector(query), query.by.join(", "));
            self.ask(&promql, &query.by).await
        })
    }

    fn count<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async move {
            let promql = format!("count({}) by ({})", selector(query), query.by.join(", "));
            self.ask(&promql, &query.by).await
        })
    }

    fn quantile<'a>(&'a self, query: &'a Query, quantile: f64) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(async move {
            let inner = format!("irate({}[{}s])", selector(query), query.window.as_secs());
            let by: Vec<&str> = ["le"].iter().chain(&query.by).copied().collect();
            let promql = format!("histogram_quantile({quantile}, sum({inner}) by ({}))", by.join(", "));
            self.ask(&promql, &query.by).await
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unanswered>> {
        Box::pin(async move { self.ask("vector(1)", &[]).await.map(drop) })
    }
}

impl Entry {
    /// Values that are no numbers are left out: nothing was seen.
    fn read(mut self, by: &[&'static str]) -> Option<(Group, f64)> {
        let value: f64 = self.value.1.parse().ok()?;
        if !value.is_finite() {
            return None;
        }
        let group = by.iter().map(|key| (*key, self.metric.remove(*key).unwrap_or_default())).collect();
        Some((group, value))
    }
}

/// `name{labels}`, labels sorted so that equal questions have equal texts.
fn selector(query: &Query) -> String {
    let mut labels: Vec<String> = query
        .labels
        .iter()
        .map(|(key, is)| match is {
            Is::Equal(value) => format!("{key}=\"{}\"", escaped(value)),
            Is::Present => format!("{key}!=\"\""),
            Is::HostOf(hosts) => {
                let hosts: Vec<String> = hosts.iter().map(|host| regex::escape(host)).collect();
                format!("{key}=~\"{}\"", escaped(&format!("({})(:\\d+)?", hosts.join("|"))))
            }
        })
        .collect();
    labels.sort_unstable();
    let name = query.metric.name();
    format!("{name}{{{}}}", labels.join(", "))
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A text as part of a query string.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            true => out.push(char::from(byte)),
            false => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::query::Metric;
    use super::*;

    #[test]
    fn questions_are_what_the_contract_says() {
        let query = Query {
            metric: Metric::RouteResponses,
            labels: vec![
                ("direction", Is::Equal("inbound".into())),
                ("deployment", Is::Equal("a\"b".into())),
                ("dst", Is::HostOf(vec!["web.ns.svc".into()])),
                ("rt_route", Is::Present),
            ],
            by: vec!["rt_route"],
            window: Duration::from_secs(60),
        };
        assert_eq!(
            selector(&query),
            "route_response_total{deployment=\"a\\\"b\", direction=\"inbound\", \
             dst=~\"(web\\\\.ns\\\\.svc)(:\\\\d+)?\", rt_route!=\"\"}"
        );
        assert_eq!(encoded("a b{c=\"d\"}"), "a%20b%7Bc%3D%22d%22%7D");
    }

    #[tokio::test]
    async fn only_http_urls_are_taken() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        for bad in ["", "prometheus:9090", "ftp://a", "http://", "/path"] {
            assert!(Prometheus::new(bad).is_err(), "{bad}");
        }
        assert!(Prometheus::new("http://linkerd-prometheus.linkerd.svc:9090/").is_ok());
    }
}
