//! What every component shares: admin port, readiness, metrics, drain on SIGTERM, leases, events, the API's client.
//!
//! [`Runtime::start`] brings it up, the component runs until [`Shutdown`] begins, [`Runtime::finish`] ends it.

pub(crate) mod accept;
mod admin;
pub(crate) mod api;
pub mod events;
pub mod lease;
pub mod log;
pub mod metrics;
mod process;
pub mod readiness;
pub mod shutdown;
pub mod spans;

use std::error::Error;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::args::{CommonArgs, Component, ListenAddr};
pub use metrics::{Gauge, Registry};
pub use readiness::{Gate, Readiness};
pub use shutdown::{DRAIN_LIMIT, Shutdown};

/// How long one call to the API server may take; watches are not calls.
pub const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Connections that wait to be accepted; the kernel cuts it to its own limit, 4096 as a rule.
const BACKLOG: u32 = 8192;

/// The frame around a component.
pub struct Runtime {
    /// Namespace of the control plane.
    pub namespace: String,
    /// Name of the pod: the holder of leases.
    pub pod: String,
    /// Name of the component.
    pub component: &'static str,
    /// The metrics of the process.
    pub registry: Registry,
    /// What has to be there before requests are taken.
    pub readiness: Readiness,
    /// Begins at SIGTERM.
    pub shutdown: Shutdown,
    common: CommonArgs,
    client: OnceCell<kube::Client>,
    admin: Option<JoinHandle<()>>,
    /// The first of the tasks on which the component depends that ended by itself.
    failed: Arc<Mutex<Option<&'static str>>>,
}

/// Why a component cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// An address that cannot be listened on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address as given.
        addr: ListenAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// No way to the API server.
    #[error("no way to the API server")]
    Client(#[source] Box<dyn Error + Send + Sync>),
    /// A part of the system is missing.
    #[error("{what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// A server ended by itself.
    #[error("the server of {what} ended")]
    Server {
        /// What it served.
        what: &'static str,
        /// Why it ended.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A task ended on which the component depends.
    #[error("{what} ended by itself: the log above says why; this is a defect, please report it")]
    Task {
        /// What it did.
        what: &'static str,
    },
    /// An argument that cannot be used.
    #[error("--{flag}: {problem}")]
    Argument {
        /// Name of the flag.
        flag: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

// === impl Runtime ===

impl Runtime {
    /// Opens the admin port and listens for signals.
    ///
    /// # Errors
    /// When the port is taken, or signals cannot be heard.
    pub async fn start(component: &Component) -> Result<Self, RunError> {
        let common = component.common().clone();
        let registry = Registry::default();
        process::register(&registry, Timestamp::now());
        let (readiness, shutdown) = (Readiness::default(), Shutdown::new());
        let handlers = |source| RunError::System { what: "cannot handle signals", source };
        shutdown.on_signals().map_err(handlers)?;
        let mut admin = None;
        if component.is_server() {
            let listener = listen(common.admin_addr).await?;
            tracing::info!(addr = %address(&listener), "admin port open");
            let serving = admin::serve(listener, registry.clone(), readiness.clone(), shutdown.clone());
            admin = Some(tokio::spawn(serving));
        }
        Ok(Self {
            namespace: common.controller_namespace.clone(),
            pod: common.pod_name.clone(),
            component: component.name(),
            registry,
            readiness,
            shutdown,
            common,
            client: OnceCell::new(),
            admin,
            failed: Arc::default(),
        })
    }

    /// The client of the API server, made at the first call. It reads the account's token again when that changes.
    ///
    /// # Errors
    /// When neither a kubeconfig nor the pod's account leads to one.
    pub async fn client(&self) -> Result<kube::Client, RunError> {
        self.client.get_or_try_init(|| api::client(self.common.kubeconfig.as_deref())).await.cloned()
    }

    /// Runs a server to its end: once that begins, what is in hand has [`DRAIN_LIMIT`] to finish.
    ///
    /// # Errors
    /// When the server ends by itself.
    pub async fn drained<E>(
        &self,
        what: &'static str,
        serving: impl Future<Output = Result<(), E>>,
    ) -> Result<(), RunError>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let signaled = self.shutdown.signaled();
        let limit = async {
            signaled.await;
            tokio::time::sleep(DRAIN_LIMIT).await;
        };
        tokio::select! {
            ended = serving => ended.map_err(|source| RunError::Server { what, source: source.into() }),
            () = limit => {
                tracing::warn!(what, "what was in hand did not finish in time");
                Ok(())
            }
        }
    }

    /// Runs a task on which the component depends. When it ends before the end has begun, by a panic or otherwise, the
    /// process ends: a part that stands still must not hide behind others that look well.
    pub fn vital(&self, what: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let (shutdown, failed) = (self.shutdown.clone(), Arc::clone(&self.failed));
        let running = tokio::spawn(task);
        tokio::spawn(async move {
            let ended = running.await;
            if !shutdown.has_begun() {
                tracing::error!(what, ?ended, "a task ended on which the component depends");
                failed.lock().get_or_insert(what);
                shutdown.begin();
            }
        });
    }

    /// Begins the end if nobody has, and waits for the admin port.
    ///
    /// # Errors
    /// When the end began because a task ended that should not have.
    pub async fn finish(self) -> Result<(), RunError> {
        self.shutdown.begin();
        if let Some(admin) = self.admin {
            let _ = tokio::time::timeout(DRAIN_LIMIT, admin).await;
        }
        match *self.failed.lock() {
            Some(what) => Err(RunError::Task { what }),
            None => {
                tracing::info!(component = self.component, "ended");
                Ok(())
            }
        }
    }
}

// === impl RunError ===

impl RunError {
    /// The error with all its causes in a line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text
    }
}

/// Listens on the first address that can be had.
///
/// # Errors
/// What the system says of the last one.
pub async fn listen(addr: ListenAddr) -> Result<TcpListener, RunError> {
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for candidate in addr.candidates() {
        match bind(candidate) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(RunError::Listen { addr, source: last })
}

/// Listens with room for all proxies of a large mesh to come back at the same moment.
fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What a listener got, for the log.
pub fn address(listener: &TcpListener) -> String {
    listener.local_addr().as_ref().map_or_else(|_| "?".to_owned(), SocketAddr::to_string)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    #[tokio::test]
    async fn a_task_that_panics_ends_the_process_and_not_itself_alone() {
        // Flaw it answers: a dead watch or a dead leader went unnoticed in a process that said it was ready.
        for panics in [true, false] {
            let cli = Cli::try_parse_from(["linkerd-controller", "heartbeat"]).unwrap();
            let runtime = Runtime::start(&cli.component).await.unwrap();
            runtime.vital("the task that goes on", std::future::pending());
            assert!(!runtime.shutdown.has_begun());
            runtime.vital("the task of this test", async move { assert!(!panics, "as it should") });
            tokio::time::timeout(Duration::from_secs(5), runtime.shutdown.signaled()).await.unwrap();
            let error = runtime.finish().await.unwrap_err().to_string();
            assert!(error.starts_with("the task of this test ended by itself"), "{error}");
        }
        let cli = Cli::try_parse_from(["linkerd-controller", "heartbeat"]).unwrap();
        let runtime = Runtime::start(&cli.component).await.unwrap();
        let ending = runtime.shutdown.signaled();
        runtime.vital("a task that ends with the others", ending);
        runtime.finish().await.unwrap();
    }
}
