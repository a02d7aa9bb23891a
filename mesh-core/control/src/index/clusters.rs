//! Other clusters whose Services have a copy here: a store for each, with the few kinds that addresses are made of.
//!
//! Nothing of another cluster is ever served as if it were of this one: its records are found through [`Store::cluster`]
//! alone, and what an answer reads of them is an [`Interest::Remote`].

use std::sync::Arc;

use ahash::AHashMap;

use super::shared::Shared;
use super::store::{Interest, Store};
use crate::config::Config;
use crate::record::{Kind, Text};
use crate::source::{Event, Sink};

/// The kinds that addresses are made of, as far as the account of a link may read them.
const KINDS: [Kind; 8] = [
    Kind::Service,
    Kind::Pod,
    Kind::EndpointSlice,
    Kind::Endpoints,
    Kind::ReplicaSet,
    Kind::Job,
    Kind::ExternalWorkload,
    Kind::Server,
];

/// Another cluster.
pub struct Cluster {
    store: Store,
    config: Arc<Config>,
    /// Whether what addresses need has been listed; a part of it would look like the whole.
    known: bool,
}

/// Other clusters by name.
#[derive(Default)]
pub(super) struct Clusters(AHashMap<Text, Cluster>);

/// Takes the events of one other cluster.
pub struct RemoteSink {
    index: Shared,
    cluster: Text,
}

// === impl Cluster ===

impl Cluster {
    /// What is known of it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The settings of its mesh: names and domains differ.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether what addresses need has been listed.
    pub fn is_known(&self) -> bool {
        self.known
    }
}

// === impl Clusters ===

impl Clusters {
    pub(super) fn find(&self, name: &str) -> Option<&Cluster> {
        self.0.get(name)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Makes room for a cluster, or gives it other settings. What is known of it stays.
    pub(super) fn link(&mut self, name: &Text, config: Arc<Config>) -> Vec<Interest> {
        match self.0.get_mut(name) {
            Some(cluster) => cluster.config = config,
            None => {
                self.0.insert(name.clone(), Cluster { store: Store::default(), config, known: false });
            }
        }
        vec![Interest::Cluster(name.clone())]
    }

    pub(super) fn unlink(&mut self, name: &Text) -> Vec<Interest> {
        self.0.remove(name).map(|_| Interest::Cluster(name.clone())).into_iter().collect()
    }

    /// Takes an event of a cluster; what comes late from one that is no longer linked is dropped.
    pub(super) fn apply(&mut self, name: &Text, event: Event) -> Vec<Interest> {
        let Some(cluster) = self.0.get_mut(name) else { return Vec::new() };
        cluster.store.apply(event);
        let remote = |interest| Interest::Remote(name.clone(), Box::new(interest));
        let mut touched: Vec<Interest> = cluster.store.take_touched().into_iter().map(remote).collect();
        if !cluster.known {
            let mut needed = KINDS.iter().filter(|kind| cluster.config.reads(**kind) && is_needed(**kind));
            cluster.known = needed.all(|kind| cluster.store.is_listed(*kind));
            if cluster.known {
                touched.push(Interest::Cluster(name.clone()));
            }
        }
        touched
    }
}

/// Owners give names to metrics and nothing else: an account that may not read them still leads to addresses.
fn is_needed(kind: Kind) -> bool {
    !matches!(kind, Kind::ReplicaSet | Kind::Job)
}

// === impl RemoteSink ===

impl RemoteSink {
    /// A sink for the events of a cluster that has been linked.
    pub fn new(index: Shared, cluster: Text) -> Self {
        Self { index, cluster }
    }
}

impl Sink for RemoteSink {
    fn take(&self, events: Vec<Event>) {
        self.index.take_remote(&self.cluster, events);
    }

    fn wants(&self, kind: Kind) -> bool {
        KINDS.contains(&kind) && self.index.lock().config().reads(kind)
    }
}
