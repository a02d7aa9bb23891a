//! The index as sources and streams share it.
//!
//! The lock is held for an event or for a handful of topics, never across IO, so a subscriber waits for microseconds
//! even while a rollout is being worked off.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};

use super::cell::Subscription;
use super::{Index, Refusal, Request};
use crate::config::Config;
use crate::record::{Kind, Text};
use crate::source::{Event, Sink};

/// Topics that are computed before the lock is given up for a moment.
const AT_ONCE: usize = 32;
/// How often unused topics are looked for: no divisor of the time that they are kept, or one that is due would miss a
/// sweep by the precision of the timer.
const SWEEP: Duration = Duration::from_secs(4);

/// A handle to the index; cheap to clone.
#[derive(Clone)]
pub struct Shared {
    inner: Arc<Inner>,
}

struct Inner {
    index: Mutex<Index>,
    touched: Notify,
    ready: watch::Sender<bool>,
}

impl Shared {
    /// An empty index.
    pub fn new(config: Arc<Config>) -> Self {
        let index = Mutex::new(Index::new(config));
        Self { inner: Arc::new(Inner { index, touched: Notify::new(), ready: watch::Sender::new(false) }) }
    }

    /// The index itself, for as long as the guard lives. Not to be held across IO.
    pub fn lock(&self) -> MutexGuard<'_, Index> {
        self.inner.index.lock()
    }

    /// Listens to the answer of a request.
    ///
    /// # Errors
    /// When there is nothing to answer with.
    pub fn subscribe(&self, request: &Request) -> Result<Subscription, Refusal> {
        self.lock().subscribe(request, Instant::now())
    }

    /// Makes another cluster known, or gives it other settings.
    pub fn link(&self, cluster: &Text, config: Arc<Config>) {
        self.lock().link(cluster, config);
        self.inner.touched.notify_one();
    }

    /// Forgets another cluster.
    pub fn unlink(&self, cluster: &Text) {
        self.lock().unlink(cluster);
        self.inner.touched.notify_one();
    }

    pub(super) fn take_remote(&self, cluster: &Text, events: Vec<Event>) {
        {
            let mut index = self.lock();
            events.into_iter().for_each(|event| index.apply_remote(cluster, event));
        }
        self.inner.touched.notify_one();
    }

    /// Ends every stream; none begins after it.
    pub fn close(&self) {
        self.lock().close();
    }

    /// True from the moment every kind has been listed once.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.inner.ready.subscribe()
    }

    /// Works off what events touched, until the task is dropped. Events that come while it works are taken together.
    pub async fn settle(self) {
        let mut sweep = tokio::time::interval(SWEEP);
        let mut next: Option<Instant> = None;
        loop {
            tokio::select! {
                () = self.inner.touched.notified() => {}
                () = rested(next) => {}
                _ = sweep.tick() => self.lock().sweep(Instant::now()),
            }
            loop {
                let now = Instant::now();
                next = self.lock().settle(AT_ONCE, now);
                if next.is_none_or(|next| next > now) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Resolves when a topic has rested; never when none does.
async fn rested(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

impl Sink for Shared {
    fn take(&self, events: Vec<Event>) {
        let complete = {
            let mut index = self.lock();
            for event in events {
                index.apply(event);
            }
            let config = index.config();
            Kind::ALL.iter().all(|kind| index.store().is_listed(*kind) || !config.reads(*kind))
        };
        self.inner.touched.notify_one();
        if complete {
            self.inner.ready.send_if_modified(|ready| !std::mem::replace(ready, true));
        }
    }

    fn wants(&self, kind: Kind) -> bool {
        self.lock().config().reads(kind)
    }
}
