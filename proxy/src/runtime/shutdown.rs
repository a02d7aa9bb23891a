//! What begins the end of the process, and how it goes.

use std::future::pending;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::alone::Watcher;
use super::workers::{Ended, Workers};
use crate::worker::Message;

/// How much longer than the grace period workers may take to close what is left.
const MARGIN: Duration = Duration::from_secs(1);

/// Signals that end the process.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Begins the end from within; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Trigger(Arc<Notify>);

// === impl Signals ===

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next one's name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

// === impl Trigger ===

impl Trigger {
    pub(super) fn pull(&self) {
        self.0.notify_one();
    }
}

/// Waits for whatever ends the process, and names it.
pub(super) async fn begin(signals: &mut Signals, trigger: &Trigger, when_alone: bool) -> &'static str {
    let alone = async {
        if when_alone {
            let (pid, uid) = (std::process::id(), rustix::process::getuid().as_raw());
            match Watcher::new(Path::new("/proc"), pid, uid) {
                Ok(watcher) => return watcher.alone().await,
                Err(error) => tracing::error!(%error, "LINKERD2_PROXY_SHUTDOWN_WHEN_ALONE has no effect"),
            }
        }
        pending().await
    };
    tokio::select! {
        name = signals.next() => name,
        () = trigger.0.notified() => "POST /shutdown",
        () = alone => "the other containers have ended",
    }
}

/// Has the workers finish, within a time. A second signal ends the wait.
pub(super) async fn drain(workers: &Workers, mut ended: Ended, grace: Duration, signals: &mut Signals) {
    let finished = async {
        workers.tell(|| Message::Drain(grace)).await;
        while ended.next().await.is_some() {}
    };
    tokio::select! {
        () = finished => tracing::info!("everything has finished"),
        () = tokio::time::sleep(grace + MARGIN) => {
            tracing::warn!(?grace, "the grace period is over; what is left is cut off");
        }
        name = signals.next() => tracing::warn!(signal = name, "a second signal; what is left is cut off"),
    }
}
