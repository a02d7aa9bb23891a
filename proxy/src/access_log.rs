//! The access log: one line for each request that came in, when it ends.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use proxy_net::headers::HeaderList;
use serde::Serialize;

use crate::config::AccessLog as Format;
use crate::logging::output::{Output, Stream};

/// Writes lines; one a worker.
#[derive(Debug)]
pub struct AccessLog {
    format: Format,
    output: Output,
    /// Reused for every line.
    line: String,
}

/// What is remembered of a request until it ends.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    method: Box<str>,
    uri: Box<str>,
    host: Box<str>,
    user_agent: Box<str>,
    trace_id: Box<str>,
    request_bytes: Box<str>,
}

/// What is known of a request when it has ended.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The client.
    pub client: SocketAddr,
    /// Its identity, empty if it has none.
    pub client_id: &'a str,
    /// When the request came.
    pub at: SystemTime,
    /// `HTTP/1.0`, `HTTP/1.1`, `HTTP/2.0`.
    pub version: &'static str,
    /// The status; 0 if there was none.
    pub status: u16,
    /// The response's `content-length`, if it had one.
    pub response_bytes: Option<u64>,
    /// From the request's head to the end of the response.
    pub total: Duration,
    /// From the request's head to the response's, without the time that the application took for its body.
    pub processing: Duration,
}

#[derive(Serialize)]
struct Json<'a> {
    #[serde(rename = "client.addr")]
    client_addr: SocketAddr,
    #[serde(rename = "client.id")]
    client_id: &'a str,
    timestamp: &'a str,
    method: &'a str,
    uri: &'a str,
    version: &'a str,
    trace_id: &'a str,
    request_bytes: &'a str,
    status: u16,
    response_bytes: &'a str,
    total_ns: u64,
    processing_ns: u64,
    user_agent: &'a str,
    host: &'a str,
}

// === impl Entry ===

impl Entry {
    /// Longest text that is kept of a field.
    const LONGEST: usize = 2048;

    /// Reads what the log needs of a request's head.
    pub fn of(head: &HeaderList) -> Self {
        let text = |name: &[u8]| -> Box<str> {
            let value = head.value(name).unwrap_or_default();
            String::from_utf8_lossy(&value[..value.len().min(Self::LONGEST)]).into()
        };
        let first = |names: &[&[u8]]| {
            names.iter().map(|name| text(name)).find(|value| !value.is_empty()).unwrap_or_default()
        };
        Self {
            method: text(b":method"),
            uri: text(b":path"),
            host: first(&[b":authority", b"host"]),
            user_agent: text(b"user-agent"),
            trace_id: first(&[b"x-b3-traceid", b"x-request-id", b"x-amzn-trace-id"]),
            request_bytes: text(b"content-length"),
        }
    }
}

// === impl AccessLog ===

impl AccessLog {
    /// A log in this format.
    pub fn new(format: Format, output: Output) -> Self {
        Self { format, output, line: String::new() }
    }

    /// Writes the line of a request. It is dropped, and counted, where nobody reads the log.
    pub fn write(&mut self, entry: &Entry, outcome: &Outcome<'_>) {
        self.line.clear();
        match self.format {
            Format::Apache => self.apache(entry, outcome),
            Format::Json => self.json(entry, outcome),
        }
        self.line.push('\n');
        self.output.send(Stream::Stderr, self.line.as_bytes());
    }

    fn apache(&mut self, entry: &Entry, outcome: &Outcome<'_>) {
        let id = if outcome.client_id.is_empty() { "-" } else { outcome.client_id };
        // Writing into a `String` does not fail.
        let _ = write!(self.line, "{} {id} - [{}] \"", outcome.client, timestamp(outcome.at));
        for (text, end) in [(&*entry.method, " "), (&*entry.uri, " "), (outcome.version, "\" ")] {
            escape(text, &mut self.line);
            self.line.push_str(end);
        }
        let _ = write!(self.line, "{} ", outcome.status);
        match outcome.response_bytes {
            Some(bytes) => {
                let _ = write!(self.line, "{bytes}");
            }
            None => self.line.push('-'),
        }
    }

    fn json(&mut self, entry: &Entry, outcome: &Outcome<'_>) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let response_bytes = outcome.response_bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
        let line = Json {
            client_addr: outcome.client,
            client_id: outcome.client_id,
            timestamp: &timestamp(outcome.at),
            method: &entry.method,
            uri: &entry.uri,
            version: outcome.version,
            trace_id: &entry.trace_id,
            request_bytes: &entry.request_bytes,
            status: outcome.status,
            response_bytes: &response_bytes,
            total_ns: nanos(outcome.total),
            processing_ns: nanos(outcome.processing),
            user_agent: &entry.user_agent,
            host: &entry.host,
        };
        // Texts and numbers always have a JSON.
        self.line = serde_json::to_string(&line).unwrap_or_default();
    }
}

fn timestamp(at: SystemTime) -> String {
    Timestamp::try_from(at).map(|at| format!("{at:.9}")).unwrap_or_default()
}

/// A quote, backslash or control character in a path must not end the field or the line.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::logging::output::{self, testing::Kept};

    fn line(format: Format, path: &[u8]) -> String {
        let kept = Kept::default();
        let (output, writer) = output::start(io::sink(), kept.clone()).unwrap();
        let head: HeaderList = [
            (&b":method"[..], &b"GET"[..]),
            (b":path", path),
            (b":authority", b"web.ns:80"),
            (b"user-agent", b"curl/8"),
            (b"x-request-id", b"4711"),
        ]
        .into_iter()
        .collect();
        let outcome = Outcome {
            client: ([10, 0, 0, 2], 50_000).into(),
            client_id: "books.ns.serviceaccount.identity.linkerd.cluster.local",
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250),
            version: "HTTP/2.0",
            status: 200,
            response_bytes: Some(12),
            total: Duration::from_micros(1500),
            processing: Duration::from_micros(40),
        };
        AccessLog::new(format, output).write(&Entry::of(&head), &outcome);
        drop(writer);
        kept.text()
    }

    #[test]
    fn apache() {
        assert_eq!(
            line(Format::Apache, b"/books?\"\n\x1b"),
            "10.0.0.2:50000 books.ns.serviceaccount.identity.linkerd.cluster.local - \
             [2023-11-14T22:13:20.250000000Z] \"GET /books?\\\"\\x0a\\x1b HTTP/2.0\" 200 12\n"
        );
    }

    #[test]
    fn json() {
        let line: serde_json::Value = serde_json::from_str(&line(Format::Json, b"/\xff")).unwrap();
        let expected = serde_json::json!({
            "client.addr": "10.0.0.2:50000",
            "client.id": "books.ns.serviceaccount.identity.linkerd.cluster.local",
            "timestamp": "2023-11-14T22:13:20.250000000Z",
            "method": "GET",
            "uri": "/\u{fffd}",
            "version": "HTTP/2.0",
            "trace_id": "4711",
            "request_bytes": "",
            "status": 200,
            "response_bytes": "12",
            "total_ns": 1_500_000,
            "processing_ns": 40_000,
            "user_agent": "curl/8",
            "host": "web.ns:80",
        });
        assert_eq!(line, expected);
    }
}
