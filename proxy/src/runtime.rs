//! The process: its threads, from the first line of the log to its end.
//!
//! The thread that starts is the control thread: a runtime of its own for discovery, identity, DNS, the admin server and tap.
//! Beside it there is one thread for each worker, and one that writes the log. Workers are told by messages alone.

mod admin;
mod alone;
mod control;
mod counts;
mod cpus;
mod listeners;
mod publish;
mod shutdown;
mod workers;

use std::io;
use std::time::{Instant, SystemTime};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use self::cpus::Cpus;

use crate::command::{FAILED, OK, Report, USAGE};
use crate::config::{Config, Environment};
use crate::logging::{self, Levels};

/// Threads for files; a token is read once a day.
const MAX_FILE_THREADS: usize = 2;

/// When the process began, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) steady: Instant,
    pub(crate) wall: SystemTime,
}

/// Why the process ends early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// By what it was told.
    #[error("{0}")]
    Config(String),
    /// By the machine.
    #[error("{0}")]
    System(String),
}

/// Runs a proxy until its end.
pub fn run(environment: &Environment) -> Report {
    let started = Started { steady: Instant::now(), wall: time_of_day() };
    match start(environment, started) {
        Ok(()) => Report { code: OK, line: None },
        Err(failure) => {
            let code = match failure {
                Failure::Config(_) => USAGE,
                Failure::System(_) => FAILED,
            };
            Report { code, line: Some(format!("linkerd2-proxy: {failure}")) }
        }
    }
}

fn start(environment: &Environment, started: Started) -> Result<(), Failure> {
    let config = Config::read(environment).map_err(|error| Failure::Config(error.to_string()))?;
    let system = |what: &str, error: io::Error| Failure::System(format!("{what}: {error}"));
    let (output, writer) = logging::output::start(io::stdout(), io::stderr())
        .map_err(|error| system("no thread for the log", error))?;
    let levels = log(&config, started, &output)?;
    // There is one provider in the binary; that another was installed before cannot be.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_FILE_THREADS)
        .build()
        .map_err(|error| system("no runtime", error))?;
    let parts = control::Parts { config, environment, started, output, levels };
    let ended = runtime.block_on(control::run(parts));
    runtime.shutdown_background();
    drop(writer);
    ended
}

fn log(config: &Config, started: Started, output: &logging::output::Output) -> Result<Levels, Failure> {
    let subscriber =
        logging::subscriber(&config.log.filter, config.log.format, started.steady, output.clone());
    let (subscriber, levels) =
        subscriber.map_err(|error| Failure::Config(format!("{}: {error}", mesh_core::names::env::LOG)))?;
    // Only a second call could fail.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(levels)
}

/// Every connection is a file: as many as the hard limit allows.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(limit = ?limit.current, %error, "the limit of open files cannot be raised");
    }
}

/// The clock of the machine. Everything else has it as a parameter.
pub(crate) fn time_of_day() -> SystemTime {
    jiff::Timestamp::now().into()
}
