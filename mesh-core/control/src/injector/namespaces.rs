//! The annotations of namespaces, watched.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use mesh_core::names::annotations;
use parking_lot::RwLock;

use crate::runtime::{CALL_LIMIT, Gate, Runtime};

/// Annotations by name.
pub type Annotations = Arc<BTreeMap<String, String>>;

/// The annotations of every namespace. Cheap to clone.
#[derive(Clone)]
pub struct Namespaces {
    api: Api<PartialObjectMeta<Namespace>>,
    known: Arc<RwLock<HashMap<String, Annotations>>>,
}

impl Namespaces {
    /// Starts watching, until the process ends.
    pub fn watch(runtime: &Runtime, client: kube::Client) -> Self {
        let this = Self { api: Api::all(client), known: Arc::default() };
        let gate = runtime.readiness.gate("namespaces");
        let shutdown = runtime.shutdown.clone();
        let watching = this.clone();
        let following = async move {
            let _ = shutdown.unless(watching.follow(gate)).await;
        };
        runtime.vital("the watch of namespaces", following);
        this
    }

    /// The annotations of a namespace. One that the watch has not brought yet is asked for.
    ///
    /// # Errors
    /// When it is not known and cannot be asked for.
    pub async fn annotations(&self, name: &str) -> Result<Annotations, String> {
        if let Some(known) = self.known.read().get(name) {
            return Ok(Arc::clone(known));
        }
        let only = ListParams::default().fields(&format!("metadata.name={name}"));
        match tokio::time::timeout(CALL_LIMIT, self.api.list(&only)).await {
            Ok(Ok(list)) => match list.items.into_iter().next() {
                Some(found) => Ok(of_interest(found)),
                None => Err(format!("namespace {name} does not exist")),
            },
            Ok(Err(error)) => Err(format!("namespace {name} cannot be read: {error}")),
            Err(_) => Err(format!("namespace {name}: no answer within {CALL_LIMIT:?}")),
        }
    }

    async fn follow(&self, gate: Gate) {
        let changes = watcher(self.api.clone(), watcher::Config::default()).default_backoff();
        let mut changes = pin!(changes);
        let mut anew = HashMap::new();
        while let Some(change) = changes.next().await {
            match change {
                Ok(Event::Init) => anew = HashMap::new(),
                Ok(Event::InitApply(found)) => {
                    anew.insert(name(&found), of_interest(found));
                }
                Ok(Event::InitDone) => {
                    *self.known.write() = std::mem::take(&mut anew);
                    gate.open();
                }
                Ok(Event::Apply(found)) => {
                    self.known.write().insert(name(&found), of_interest(found));
                }
                Ok(Event::Delete(gone)) => {
                    self.known.write().remove(&name(&gone));
                }
                Err(error) => tracing::warn!(%error, "the watch of namespaces; what is known stays"),
            }
        }
    }
}

fn name(found: &PartialObjectMeta<Namespace>) -> String {
    found.metadata.name.clone().unwrap_or_default()
}

/// Only what the injector looks at is kept.
fn of_interest(found: PartialObjectMeta<Namespace>) -> Annotations {
    let all = found.metadata.annotations.unwrap_or_default().into_iter();
    Arc::new(all.filter(|(name, _)| name == annotations::INJECT || annotations::is_config(name)).collect())
}
