//! Log lines on standard error, and spans to a collector where one is named.

use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::RunError;
use super::spans::{self, Exporter, Handle};
use crate::args::{CommonArgs, LogFormat, LogLevel};

/// Starts logging; the first call in a process wins. What sends spans is returned, to be run.
///
/// # Errors
/// When the address of the collector is none.
pub fn init(common: &CommonArgs) -> Result<Option<(Exporter, Handle)>, RunError> {
    let level = match common.log_level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // Libraries below us are of interest at `trace` alone, and spans of requests to the collector alone.
    let filter = match common.log_level {
        LogLevel::Trace => format!("{level},{}=off", spans::TARGET),
        LogLevel::Error => level.to_owned(),
        _ => format!("warn,mesh_control={level},linkerd_controller={level}"),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = match common.log_format {
        LogFormat::Plain => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let lines = lines.with_filter(EnvFilter::new(filter));
    let Some(collector) = &common.trace_collector else {
        let _ = tracing_subscriber::registry().with(lines).try_init();
        return Ok(None);
    };
    let (recorder, exporter, handle) = match spans::to(collector) {
        Ok(parts) => parts,
        Err(error) => {
            // So that it can be told.
            let _ = tracing_subscriber::registry().with(lines).try_init();
            return Err(error);
        }
    };
    let ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == spans::TARGET);
    let _ = tracing_subscriber::registry().with(lines).with(recorder.with_filter(ours)).try_init();
    Ok(Some((exporter, handle)))
}
