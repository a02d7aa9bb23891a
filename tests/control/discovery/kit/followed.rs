//! An index that follows a cluster over something that the test can disturb.

use std::sync::Arc;
use std::time::Duration;

use mesh_control::config::Config;
use mesh_control::index::shared::Shared;
use mesh_control::record::Key;
use mesh_control::runtime::Registry;
use mesh_control::source::kube::{self as source, Counters};
use tokio::task::JoinHandle;

/// The index, and the way to its cluster.
pub(crate) struct Followed<W> {
    pub(crate) index: Shared,
    pub(crate) registry: Registry,
    pub(crate) way: W,
    tasks: Vec<JoinHandle<()>>,
}

impl<W> Followed<W> {
    /// Begins to follow; `client` leads over `way`.
    pub(crate) fn over(way: W, client: kube::Client) -> Self {
        let index = Shared::new(Arc::new(Config::default()));
        let registry = Registry::default();
        let (sink, counters) = (Arc::new(index.clone()), Counters::new(&registry));
        let tasks = vec![
            tokio::spawn(source::run(client, sink, counters, Some(Duration::from_millis(300)))),
            tokio::spawn(index.clone().settle()),
        ];
        Self { index, registry, way, tasks }
    }

    /// Waits until everything is listed.
    pub(crate) async fn ready(self, limit: Duration) -> Self {
        self.until("everything is listed", limit, |it| *it.index.ready().borrow()).await;
        self
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, what: &str, limit: Duration, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    pub(crate) fn has_service(&self, namespace: &str, name: &str) -> bool {
        self.index.lock().store().service(&Key::new(namespace, name)).is_some()
    }
}

impl<W> Drop for Followed<W> {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
