//! The workload behind a pod: the Deployment behind its ReplicaSet, the CronJob behind its Job.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::Api;
use mesh_inject::Kind;
use parking_lot::Mutex;
use serde_json::Value;

/// How long the API server may take: a label is worth no more.
const LIMIT: Duration = Duration::from_secs(1);
/// Owners that are remembered; a ReplicaSet makes its pods within a short time.
const KEPT: usize = 4_096;

/// A workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// API group and version.
    pub api_version: String,
    /// Its kind as Kubernetes writes it.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// Finds owners, and remembers them.
pub struct Owners {
    client: kube::Client,
    known: Mutex<HashMap<String, Owner>>,
}

impl Owner {
    /// The label on pods that names it, for kinds that have one.
    pub fn label(&self) -> Option<&'static str> {
        Kind::find(&self.kind, Some(&self.api_version))?.owner_label()
    }

    /// As the object of an event.
    pub fn reference(&self, namespace: &str) -> ObjectReference {
        ObjectReference {
            api_version: Some(self.api_version.clone()),
            kind: Some(self.kind.clone()),
            name: Some(self.name.clone()),
            namespace: Some(namespace.to_owned()),
            uid: Some(self.uid.clone()),
            ..ObjectReference::default()
        }
    }
}

impl From<&OwnerReference> for Owner {
    fn from(reference: &OwnerReference) -> Self {
        Self {
            api_version: reference.api_version.clone(),
            kind: reference.kind.clone(),
            name: reference.name.clone(),
            uid: reference.uid.clone(),
        }
    }
}

impl Owners {
    /// Asks through `client`.
    pub fn new(client: kube::Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// The workload behind a pod; `None` for one that nobody controls.
    pub async fn of(&self, pod: &Value, namespace: &str) -> Option<Owner> {
        let references = pod.pointer("/metadata/ownerReferences")?;
        let references: Vec<OwnerReference> = serde_json::from_value(references.clone()).ok()?;
        let direct: Owner = references.iter().find(|it| it.controller == Some(true))?.into();
        if !matches!(direct.kind.as_str(), "ReplicaSet" | "Job") {
            return Some(direct);
        }
        if let Some(known) = self.known.lock().get(&direct.uid) {
            return Some(known.clone());
        }
        match tokio::time::timeout(LIMIT, self.above(&direct, namespace)).await {
            Ok(Ok(above)) => {
                let owner = above.unwrap_or_else(|| direct.clone());
                let mut known = self.known.lock();
                if known.len() >= KEPT {
                    known.clear();
                }
                known.insert(direct.uid, owner.clone());
                Some(owner)
            }
            outcome => {
                if let Ok(Err(error)) = outcome {
                    tracing::warn!(%error, kind = direct.kind, name = direct.name, "the owner cannot be read");
                }
                Some(by_name(pod, &direct).unwrap_or(direct))
            }
        }
    }

    async fn above(&self, direct: &Owner, namespace: &str) -> Result<Option<Owner>, kube::Error> {
        let client = self.client.clone();
        let metadata = match direct.kind.as_str() {
            "ReplicaSet" => {
                let api = Api::<ReplicaSet>::namespaced(client, namespace);
                api.get_metadata(&direct.name).await?.metadata
            }
            _ => Api::<Job>::namespaced(client, namespace).get_metadata(&direct.name).await?.metadata,
        };
        let references = metadata.owner_references.unwrap_or_default();
        Ok(references.iter().find(|it| it.controller == Some(true)).map(Owner::from))
    }
}

/// The Deployment whose ReplicaSet has its name and the hash that is in the pod's labels: how Deployments name them.
fn by_name(pod: &Value, direct: &Owner) -> Option<Owner> {
    let hash = pod.pointer("/metadata/labels/pod-template-hash")?.as_str()?;
    let name = direct.name.strip_suffix(hash)?.strip_suffix('-')?;
    Some(Owner {
        api_version: direct.api_version.clone(),
        kind: "Deployment".to_owned(),
        name: name.to_owned(),
        uid: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Owner, by_name};

    #[test]
    fn a_deployment_is_told_by_the_name_of_its_replica_set() {
        let direct = Owner {
            api_version: "apps/v1".into(),
            kind: "ReplicaSet".into(),
            name: "web-6c9f".into(),
            uid: "1".into(),
        };
        let pod = json!({"metadata": {"labels": {"pod-template-hash": "6c9f"}}});
        let owner = by_name(&pod, &direct).unwrap();
        assert_eq!((owner.kind.as_str(), owner.name.as_str()), ("Deployment", "web"));
        assert_eq!(owner.label(), Some("linkerd.io/proxy-deployment"));
        assert_eq!(by_name(&json!({}), &direct), None);
    }
}
