//! The paths of the admin server.

use std::io::Write as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Map, Value};

use super::Admin;
use super::accept::Client;
use crate::metrics::Format;

/// Octets of a body: a log filter.
const MAX_BODY: usize = 4 * 1024;
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that a changed filter may be asked to last.
const MAX_FILTER_TIME: Duration = Duration::from_secs(24 * 3600);

type Page = Response<Full<Bytes>>;

impl Admin {
    /// The answer to a request that policy allows.
    pub(super) async fn page(&self, client: &Client, head: &Parts, body: Incoming) -> Page {
        match head.uri.path() {
            "/ready" if self.process.ready() => read_only(head, || text(StatusCode::OK, "ready\n")),
            "/ready" => read_only(head, || text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")),
            "/live" => read_only(head, || text(StatusCode::OK, "live\n")),
            "/metrics" if is_read(head) => self.metrics(&head.headers).await,
            "/env.json" if is_read(head) => self.environment(head),
            "/config.json" => read_only(head, || json(&self.config)),
            "/state.json" if is_read(head) => json(&self.process.state().await),
            "/metrics" | "/env.json" | "/state.json" => not_allowed("GET, HEAD"),
            "/proxy-log-level" if !client.is_local() => only_local(),
            "/proxy-log-level" => self.log_level(head, body).await,
            "/shutdown" => self.shutdown(client, head),
            _ => text(StatusCode::NOT_FOUND, PATHS),
        }
    }

    async fn metrics(&self, headers: &HeaderMap) -> Page {
        let format = Format::negotiate(field(headers, &header::ACCEPT).as_deref());
        let body = {
            // One scrape at a time: each holds a copy of all tables.
            let mut sums = self.sums.lock().await;
            sums.write(self.process.snapshots().await, format)
        };
        let mut response = Response::new(Full::default());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
        if takes_gzip(headers)
            && let Some(packed) = gzip(body.as_bytes())
        {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            *response.body_mut() = Full::new(packed);
        } else {
            *response.body_mut() = Full::new(body.into());
        }
        response
    }

    /// `/env.json`, or of some variables `/env.json?NAME&NAME`.
    fn environment(&self, head: &Parts) -> Page {
        let accept = field(&head.headers, &header::ACCEPT);
        let acceptable = accept.is_none_or(|accept| {
            accept.split(',').any(|range| {
                let name = range.split(';').next().unwrap_or_default().trim();
                matches!(name, "*/*" | "application/*" | "application/json")
            })
        });
        if !acceptable {
            return text(StatusCode::NOT_ACCEPTABLE, "only application/json is served\n");
        }
        match head.uri.query().filter(|query| !query.is_empty()) {
            None => json(&Value::Object(self.environment.clone())),
            Some(query) => {
                let asked = query.split('&').filter(|name| !name.is_empty()).take(256);
                let value = |name: &str| self.environment.get(name).cloned().unwrap_or(Value::Null);
                let some: Map<String, Value> = asked.map(|name| (name.to_owned(), value(name))).collect();
                json(&Value::Object(some))
            }
        }
    }

    /// GET tells the filter, PUT changes it, with `?for=10m` for that long.
    async fn log_level(&self, head: &Parts, body: Incoming) -> Page {
        let Some(levels) = &self.levels else {
            return text(StatusCode::NOT_FOUND, "this process has no log of its own\n");
        };
        match head.method {
            Method::GET | Method::HEAD => return text(StatusCode::OK, &format!("{}\n", levels.filter())),
            Method::PUT => {}
            _ => return not_allowed("GET, HEAD, PUT"),
        }
        let time = match duration(head.uri.query()) {
            Ok(time) => time,
            Err(reason) => return text(StatusCode::BAD_REQUEST, &reason),
        };
        let filter = match read(body).await {
            Ok(filter) => filter,
            Err(response) => return *response,
        };
        match levels.set(&filter) {
            Err(error) => text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
            Ok(reversion) => {
                tracing::info!(
                    filter = levels.filter(),
                    seconds = time.map(|time| time.as_secs()),
                    "Log filter changed"
                );
                if let Some(time) = time {
                    let levels = levels.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(time).await;
                        levels.revert(&reversion);
                        tracing::info!(filter = levels.filter(), "Log filter taken back");
                    });
                }
                status(StatusCode::NO_CONTENT)
            }
        }
    }

    fn shutdown(&self, client: &Client, head: &Parts) -> Page {
        if head.method != Method::POST {
            return not_allowed("POST");
        }
        if !client.is_local() {
            return only_local();
        }
        if self.process.shutdown() {
            return text(StatusCode::OK, "shutdown\n");
        }
        text(
            StatusCode::NOT_FOUND,
            "shutdown endpoint is not enabled; set LINKERD2_PROXY_SHUTDOWN_ENDPOINT_ENABLED=true\n",
        )
    }
}

const PATHS: &str = "not found; there are /ready /live /metrics /env.json /config.json /state.json, \
                     and for the same pod /proxy-log-level /shutdown\n";

/// A refusal by policy.
pub(super) fn denied(status: StatusCode, reason: &str) -> Page {
    let mut response = text(status, &format!("{reason}\n"));
    if let Ok(reason) = HeaderValue::from_str(reason) {
        response.headers_mut().insert("l5d-proxy-error", reason);
    }
    response
}

fn is_read(head: &Parts) -> bool {
    matches!(head.method, Method::GET | Method::HEAD)
}

fn read_only(head: &Parts, page: impl FnOnce() -> Page) -> Page {
    if is_read(head) { page() } else { not_allowed("GET, HEAD") }
}

fn status(status: StatusCode) -> Page {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn text(code: StatusCode, text: &str) -> Page {
    let mut response = status(code);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    *response.body_mut() = Full::new(Bytes::copy_from_slice(text.as_bytes()));
    response
}

fn json(value: &Value) -> Page {
    let mut response = status(StatusCode::OK);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = Full::new(format!("{value:#}\n").into());
    response
}

fn not_allowed(methods: &'static str) -> Page {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, &format!("only {methods}\n"));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

fn only_local() -> Page {
    text(StatusCode::FORBIDDEN, "only clients of the same pod, from a loopback address, may ask for this\n")
}

/// All values of a field, as one list.
fn field(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() { None } else { Some(values.join(",")) }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = field(headers, &header::ACCEPT_ENCODING).unwrap_or_default();
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts.any(|part| {
            part.strip_prefix("q=")
                .is_some_and(|quality| quality.parse::<f32>().is_ok_and(|quality| quality == 0.0))
        });
        name.eq_ignore_ascii_case("gzip") && !refused
    })
}

/// None where compression fails, which writing into memory does not.
fn gzip(text: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    encoder.write_all(text).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// The time of `for=TIME` (or `duration=TIME`) in a query: a whole number with s, m or h.
fn duration(query: Option<&str>) -> Result<Option<Duration>, String> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(None) };
    let Some(value) = query.strip_prefix("for=").or_else(|| query.strip_prefix("duration=")) else {
        return Err(format!("{query:?} is not understood; there is for=TIME, such as for=10m\n"));
    };
    let unit = value.chars().last().unwrap_or_default();
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => 0,
    };
    let number = value.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok());
    let time = number.map(|number| Duration::from_secs(u64::from(number) * seconds));
    match time.filter(|time| !time.is_zero() && *time <= MAX_FILTER_TIME) {
        Some(time) => Ok(Some(time)),
        None => Err(format!(
            "{value:?} is not a time; expected a whole number with s, m or h, 24h at most, such as for=10m\n"
        )),
    }
}

async fn read(body: Incoming) -> Result<String, Box<Page>> {
    let error = |code, reason: &str| Err(Box::new(text(code, reason)));
    let mut octets = BytesMut::new();
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(collected)) => octets.extend_from_slice(&collected.to_bytes()),
        Ok(Err(_)) => {
            return error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body was cut off, or is longer than 4096 octets\n",
            );
        }
        Err(_) => return error(StatusCode::REQUEST_TIMEOUT, "the body did not come within 10s\n"),
    }
    match String::from_utf8(octets.into()) {
        Ok(filter) => Ok(filter),
        Err(_) => error(StatusCode::BAD_REQUEST, "the filter is not UTF-8\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration(None), Ok(None));
        assert_eq!(duration(Some("for=10m")), Ok(Some(Duration::from_secs(600))));
        assert_eq!(duration(Some("duration=5s")), Ok(Some(Duration::from_secs(5))));
        for wrong in ["for=", "for=10", "for=0s", "for=25h", "for=4294967296s", "for=é", "level=debug", "for"]
        {
            assert!(duration(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn gzip_has_to_be_accepted() {
        let takes = |accepted: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_str(accepted).unwrap());
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("br;q=1, GZIP;q=0.5"));
        assert!(!takes("gzip;q=0") && !takes("br") && !takes_gzip(&HeaderMap::new()));
    }
}
