//! What the process says, a line each, to standard error.

use std::{
    io::{self, Write as _},
    str::FromStr,
};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is not done.
    Error,
    /// Something is other than expected.
    Warn,
    /// What was done.
    Info,
    /// Why it was done.
    Debug,
    /// Everything.
    Trace,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Level and text.
    Plain,
    /// One JSON object.
    Json,
}

/// Where lines go through.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// The least that is said.
    pub level: Level,
    /// How it is said.
    pub format: Format,
}

impl Log {
    /// Says a line, if it matters enough.
    pub fn say(self, level: Level, message: &str) {
        if level > self.level {
            return;
        }
        let name = level.name();
        let line = match self.format {
            Format::Plain => format!("{name:>5} {message}\n"),
            Format::Json => format!("{}\n", serde_json::json!({ "level": name, "message": message })),
        };
        // A log that is gone is no reason to leave a pod without its rules.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

/// Writes to standard output.
pub fn print(text: &str) {
    // Whoever closed the pipe has read enough.
    let _ = io::stdout().write_all(text.as_bytes());
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "error" | "panic" | "fatal" => Ok(Self::Error),
            "warn" | "warning" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            _ => Err("it is not one of error, warn, info, debug and trace".to_owned()),
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "plain" => Ok(Self::Plain),
            "json" => Ok(Self::Json),
            _ => Err("it is neither plain nor json".to_owned()),
        }
    }
}
