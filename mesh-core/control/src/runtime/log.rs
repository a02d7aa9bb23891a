//! Log lines on standard error.

use tracing_subscriber::filter::EnvFilter;

use crate::args::{CommonArgs, LogFormat, LogLevel};

/// Starts logging; the first call in a process wins.
pub fn init(common: &CommonArgs) {
    let level = match common.log_level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // Libraries below us are of interest at `trace` alone.
    let filter = match common.log_level {
        LogLevel::Trace => level.to_owned(),
        _ => format!("warn,mesh_control={level},linkerd_controller={level}"),
    };
    let filter =
        if common.log_level == LogLevel::Error { EnvFilter::new(level) } else { EnvFilter::new(filter) };
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let _ = match common.log_format {
        LogFormat::Plain => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
