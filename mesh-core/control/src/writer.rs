//! What replicas write to the API server: the one that holds the lease, and nobody else.
//!
//! A plan is a pure function from what is known to the writes that are missing. It is made again whenever something
//! changed, so there is no queue that could grow and nothing to retry: what failed is still missing the next time.
//! Serving never waits for any of this.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::Value;

use crate::config::Config;
use crate::index::Store;
use crate::index::shared::Shared;
use crate::record::{Key, Kind};
use crate::runtime::Registry;
use crate::runtime::lease::Leadership;

/// How often it is looked for what is missing, if something changed.
const PERIOD: Duration = Duration::from_secs(2);
/// How often even if nothing did: a write may have been undone.
const ANYWAY: Duration = Duration::from_secs(10);
/// How long one write may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Writes of one round; the rest follows in the next.
const AT_ONCE: usize = 500;

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The kind of the object.
    pub kind: Kind,
    /// The object.
    pub key: Key,
    /// What to do.
    pub what: What,
}

/// What to do with an object.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Give it this status.
    Status(Value),
    /// Make it be so.
    Apply(Value),
    /// Take it away.
    Delete,
}

/// From what is known to what is missing.
pub type Plan = fn(&Store, &Config, Timestamp) -> Vec<Write>;

/// Writes what is missing while the lease is held, until the task is dropped.
pub async fn run(
    client: kube::Client,
    index: Shared,
    leadership: Leadership,
    plan: Plan,
    manager: &'static str,
    registry: Registry,
) {
    let writes = registry.counters(
        "resource_writes_total",
        "Writes to the API server by what wrote and how it went.",
        &["manager", "outcome"],
    );
    let (mut seen, mut last) = (None, tokio::time::Instant::now());
    loop {
        tokio::time::sleep(PERIOD).await;
        let changes = index.lock().store().changes();
        if !leadership.is_held() {
            seen = None;
            continue;
        }
        if seen == Some(changes) && last.elapsed() < ANYWAY {
            continue;
        }
        (seen, last) = (Some(changes), tokio::time::Instant::now());
        let missing = {
            let index = index.lock();
            let config = Arc::clone(index.config());
            plan(index.store(), &config, Timestamp::now())
        };
        for write in missing.into_iter().take(AT_ONCE) {
            // Each one anew: a lease that is lost stops writing at once.
            if !leadership.is_held() {
                break;
            }
            let outcome = tokio::time::timeout(LIMIT, one(&client, &write, manager)).await;
            let outcome = outcome.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            writes.with(&[manager, if outcome.is_ok() { "done" } else { "failed" }]).inc();
            if let Err(cause) = outcome {
                tracing::warn!(kind = write.kind.watched().kind, object = %write.key, cause, "cannot write; it is tried again");
            }
        }
    }
}

async fn one(client: &kube::Client, write: &Write, manager: &str) -> Result<(), String> {
    let watched = write.kind.watched();
    let kind = GroupVersionKind::gvk(watched.group, watched.version, watched.kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, watched.plural);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &write.key.namespace, &resource);
    let name = write.key.name.as_str();
    let done = match &write.what {
        What::Status(status) => {
            let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
            let patch = serde_json::json!({
                "apiVersion": resource.api_version, "kind": resource.kind, "status": status,
            });
            api.patch_status(name, &params, &Patch::Merge(patch)).await.map(drop)
        }
        What::Apply(object) => {
            api.patch(name, &PatchParams::apply(manager).force(), &Patch::Apply(object)).await.map(drop)
        }
        What::Delete => api.delete(name, &DeleteParams::default()).await.map(drop),
    };
    match done {
        // Gone meanwhile: there is nothing left to write.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map_err(|error| error.to_string()),
    }
}
