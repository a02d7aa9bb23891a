//! The log of the process: two formats, a filter that can be changed while it runs, and no waiting for whoever reads it.

pub mod output;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::LogFormat;
use output::{Output, Stream};

/// Changes the filter; cheap to clone.
#[derive(Clone)]
pub struct Levels {
    shared: Arc<Mutex<Current>>,
    handle: reload::Handle<EnvFilter, Registry>,
}

struct Current {
    filter: String,
    /// Directives of the first filter that keep something out of the log, such as `[{headers}]=off`. They hold for every other
    /// filter that does not say otherwise.
    kept: Vec<String>,
    /// Counts changes, so that a change that is to be taken back is not when another came after it.
    changes: u64,
}

/// A change that is to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversion {
    filter: String,
    change: u64,
}

/// Why a filter is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It cannot be parsed.
    #[error("{filter:?} is not a log filter: {cause}; examples: info | warn,linkerd2_proxy=debug | off")]
    Malformed {
        /// What was given.
        filter: String,
        /// What the parser says.
        cause: String,
    },
    /// The log is not there any more.
    #[error("the log has ended")]
    Gone,
}

/// Takes lines of the log to [`Output`].
#[derive(Clone, Debug)]
struct ToOutput(Output);

/// Seconds since the process started.
#[derive(Clone, Copy, Debug)]
struct Uptime(Instant);

/// A subscriber for `tracing`, to be made the process's own, and what changes its filter.
///
/// # Errors
/// When the filter cannot be parsed.
pub fn subscriber(
    filter: &str,
    format: LogFormat,
    started: Instant,
    output: Output,
) -> Result<(impl tracing::Subscriber + Send + Sync + use<>, Levels), FilterError> {
    let (layer, handle) = reload::Layer::new(parse(filter)?);
    let writer = ToOutput(output);
    let lines: Box<dyn Layer<_> + Send + Sync> = match format {
        LogFormat::Plain => Box::new(
            tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .with_timer(Uptime(started))
                .with_thread_ids(true)
                .with_writer(writer),
        ),
        LogFormat::Json => Box::new(
            tracing_subscriber::fmt::layer()
                .json()
                .with_current_span(false)
                .with_span_list(true)
                .with_thread_ids(true)
                .with_writer(writer),
        ),
    };
    let current = Current { filter: filter.to_owned(), kept: withheld(filter), changes: 0 };
    let levels = Levels { shared: Arc::new(Mutex::new(current)), handle };
    Ok((Registry::default().with(layer).with(lines), levels))
}

/// Where heads of requests are logged.
pub(crate) const HEADS: &str = "linkerd2_proxy::http";

/// Directives that the syntax of `tracing` takes. Of two that match, the one with the longer target wins there, so a field that is
/// to be left out everywhere has to be named with the target as well.
fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    let of_heads: String = withheld(filter).iter().map(|directive| format!(",{HEADS}{directive}")).collect();
    EnvFilter::builder()
        .parse(format!("{filter}{of_heads}"))
        .map_err(|cause| FilterError::Malformed { filter: filter.to_owned(), cause: cause.to_string() })
}

/// What a filter keeps out of the log by the name of a field.
fn withheld(filter: &str) -> Vec<String> {
    let directives = filter.split(',').map(str::trim);
    directives.filter(|it| it.starts_with("[{") && it.ends_with("}]=off")).map(str::to_owned).collect()
}

/// A filter with what is kept out, as far as it does not name that itself.
fn with_kept(filter: &str, kept: &[String]) -> String {
    let mut filter = filter.to_owned();
    for directive in kept {
        let field = directive.trim_end_matches("=off");
        if !filter.is_empty() && filter != "off" && !filter.contains(field) {
            filter.push(',');
            filter.push_str(directive);
        }
    }
    filter
}

// === impl Levels ===

impl Levels {
    /// The filter in force.
    pub fn filter(&self) -> String {
        self.shared.lock().filter.clone()
    }

    /// Puts another filter in force, and gives what takes that back.
    ///
    /// # Errors
    /// When it cannot be parsed; then the old one stays.
    pub fn set(&self, filter: &str) -> Result<Reversion, FilterError> {
        let mut current = self.shared.lock();
        let filter = with_kept(filter.trim(), &current.kept);
        let parsed = parse(&filter)?;
        self.handle.reload(parsed).map_err(|_| FilterError::Gone)?;
        current.changes += 1;
        let before = std::mem::replace(&mut current.filter, filter);
        Ok(Reversion { filter: before, change: current.changes })
    }

    /// Takes a change back, unless another came after it.
    pub fn revert(&self, reversion: &Reversion) {
        if self.shared.lock().changes == reversion.change {
            // It was in force before, so it can be parsed.
            let _ = self.set(&reversion.filter);
        }
    }
}

impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Levels").field(&self.filter()).finish()
    }
}

// === impl ToOutput ===

impl MakeWriter<'_> for ToOutput {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl io::Write for ToOutput {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.send(Stream::Stdout, octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Uptime ===

impl FormatTime for Uptime {
    fn format_time(&self, writer: &mut tracing_subscriber::fmt::format::Writer<'_>) -> fmt::Result {
        let since = self.0.elapsed();
        write!(writer, "[{:6}.{:06}s]", since.as_secs(), since.subsec_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::output::testing::Kept;
    use super::*;

    /// What is logged by `log` under this filter.
    fn logged(filter: &str, format: LogFormat, log: impl FnOnce(&Levels)) -> String {
        let kept = Kept::default();
        let (output, writer) = output::start(kept.clone(), io::sink()).unwrap();
        let (subscriber, levels) = subscriber(filter, format, Instant::now(), output).unwrap();
        tracing::subscriber::with_default(subscriber, || log(&levels));
        drop(writer);
        kept.text()
    }

    #[test]
    fn plain_lines_have_time_level_thread_spans_target_and_fields() {
        let text = logged("info", LogFormat::Plain, |_| {
            let span = tracing::info_span!("accept", port = 8080);
            span.in_scope(|| tracing::warn!(target: "linkerd2_proxy::inbound", reason = "denied", "Refused"));
            tracing::debug!("not shown");
        });
        let pattern = r#"^\[ +0\.\d{6}s\]  WARN ThreadId\(\d+\) accept\{port=8080\}: linkerd2_proxy::inbound: Refused reason="denied"\n$"#;
        assert!(regex::Regex::new(pattern).unwrap().is_match(&text), "{text:?}");
    }

    #[test]
    fn json_lines_have_the_same() {
        let text = logged("info", LogFormat::Json, |_| {
            let span = tracing::info_span!("accept", port = 8080);
            span.in_scope(|| tracing::warn!(target: "x", reason = "denied", "Refused"));
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["target"], "x");
        assert_eq!(line["fields"], serde_json::json!({"message": "Refused", "reason": "denied"}));
        assert_eq!(line["spans"], serde_json::json!([{"name": "accept", "port": 8080}]));
        assert!(line["threadId"].as_str().unwrap().starts_with("ThreadId("));
        assert!(line["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }

    #[test]
    fn a_filter_is_changed_and_taken_back() {
        let text = logged("off", LogFormat::Plain, |levels| {
            tracing::error!("first");
            let back = levels.set(" debug\n").unwrap();
            assert_eq!(levels.filter(), "debug");
            tracing::debug!("second");
            levels.revert(&back);
            tracing::error!("third");
            assert_eq!(levels.filter(), "off");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("second"));
    }

    #[test]
    fn what_the_first_filter_keeps_out_stays_out() {
        let text = logged("warn,[{headers}]=off,[{request}]=off", LogFormat::Plain, |levels| {
            levels.set("linkerd2_proxy=debug").unwrap();
            assert_eq!(levels.filter(), "linkerd2_proxy=debug,[{headers}]=off,[{request}]=off");
            tracing::debug!(target: HEADS, headers = "secret", "first");
            tracing::debug!(target: HEADS, "second");
            levels.set("linkerd2_proxy=debug,[{headers}]=debug").unwrap();
            tracing::debug!(target: HEADS, headers = "shown", "third");
        });
        assert!(!text.contains("secret") && text.contains("second") && text.contains("shown"), "{text}");
    }

    #[test]
    fn a_later_change_is_not_taken_back() {
        logged("off", LogFormat::Plain, |levels| {
            let back = levels.set("debug").unwrap();
            levels.set("info").unwrap();
            levels.revert(&back);
            assert_eq!(levels.filter(), "info");
        });
    }

    #[test]
    fn what_is_no_filter_is_refused_by_name() {
        logged("info", LogFormat::Plain, |levels| {
            let error = levels.set("linkerd=loud").unwrap_err().to_string();
            assert!(error.starts_with("\"linkerd=loud\" is not a log filter: "), "{error}");
            assert_eq!(levels.filter(), "info");
        });
    }
}
