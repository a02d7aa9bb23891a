//! What is tapped: a workload or a namespace, and the pods that it has.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use mesh_api::tap::Selection;
use mesh_core::dns::Subdomain;
use serde_json::Value;

use super::fan_in::Problem;
use crate::runtime::CALL_LIMIT;

/// A kind that can be tapped.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// As in URLs.
    pub plural: &'static str,
    /// As in requests, and in the labels of metrics.
    pub singular: &'static str,
    group: &'static str,
    kind: &'static str,
}

/// Every kind that can be tapped.
pub const KINDS: &[Kind] = &[
    Kind { plural: "namespaces", singular: "namespace", group: "", kind: "Namespace" },
    Kind { plural: "pods", singular: "pod", group: "", kind: "Pod" },
    Kind {
        plural: "replicationcontrollers",
        singular: "replicationcontroller",
        group: "",
        kind: "ReplicationController",
    },
    Kind { plural: "services", singular: "service", group: "", kind: "Service" },
    Kind { plural: "daemonsets", singular: "daemonset", group: "apps", kind: "DaemonSet" },
    Kind { plural: "deployments", singular: "deployment", group: "apps", kind: "Deployment" },
    Kind { plural: "replicasets", singular: "replicaset", group: "apps", kind: "ReplicaSet" },
    Kind { plural: "statefulsets", singular: "statefulset", group: "apps", kind: "StatefulSet" },
    Kind { plural: "cronjobs", singular: "cronjob", group: "batch", kind: "CronJob" },
    Kind { plural: "jobs", singular: "job", group: "batch", kind: "Job" },
];

/// A workload, or a namespace.
#[derive(Clone, Debug)]
pub struct Target {
    kind: &'static Kind,
    /// Where.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Which pods a target has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pods {
    /// All of the namespace.
    All,
    /// The one of this name.
    Named(String),
    /// Those with these labels.
    Labelled(String),
}

/// Why something cannot be tapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// No such kind.
    #[error("unsupported resource type [{0}]")]
    Kind(String),
    /// A name that nothing can have.
    #[error("{0:?} cannot be a name")]
    Name(String),
}

// === impl Target ===

impl Target {
    /// From the parts of a path.
    ///
    /// # Errors
    /// When the kind is not known or a name is none.
    pub fn new(plural: &str, namespace: &str, name: &str) -> Result<Self, InvalidTarget> {
        let kind = KINDS.iter().find(|kind| kind.plural == plural);
        let kind = kind.ok_or_else(|| InvalidTarget::Kind(plural.chars().take(64).collect()))?;
        for text in [namespace, name] {
            let parsed = text.parse::<Subdomain>();
            parsed.map_err(|_| InvalidTarget::Name(text.chars().take(64).collect()))?;
        }
        Ok(Self { kind, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// Its kind as in URLs.
    pub fn plural(&self) -> &'static str {
        self.kind.plural
    }

    /// Whether what the body says is what the path says: the path is what was authorized.
    ///
    /// # Errors
    /// What differs.
    pub fn agrees(&self, selection: Option<&Selection>) -> Result<(), String> {
        let Some(resource) = selection.and_then(|selection| selection.resource.as_ref()) else {
            return Err("the body names no target".to_owned());
        };
        let is_namespace = self.kind.singular == "namespace";
        let same_namespace =
            resource.namespace == self.namespace || (is_namespace && resource.namespace.is_empty());
        let same_name = resource.name == self.name || (is_namespace && resource.name.is_empty());
        match resource.r#type == self.kind.singular && same_namespace && same_name {
            true => Ok(()),
            false => Err("the body and the path name different targets".to_owned()),
        }
    }

    /// Which pods it has.
    ///
    /// # Errors
    /// When it does not exist or cannot be read.
    pub async fn pods(&self, client: &kube::Client) -> Result<Pods, Problem> {
        match self.kind.singular {
            "namespace" => return Ok(Pods::All),
            "pod" => return Ok(Pods::Named(self.name.clone())),
            "cronjob" => return self.pods_of_cron_job(client).await,
            _ => {}
        }
        let params = ListParams::default().fields(&format!("metadata.name={}", self.name));
        let found = list(client, self.kind, &self.namespace, &params).await?;
        let object = found.first().ok_or_else(|| Problem::not_found(format!("{self} does not exist")))?;
        let selector =
            selector(object).ok_or_else(|| Problem::not_found(format!("{self} selects no pods")))?;
        Ok(Pods::Labelled(selector))
    }

    /// Those of its Jobs, which name them by a label.
    async fn pods_of_cron_job(&self, client: &kube::Client) -> Result<Pods, Problem> {
        let job = KINDS.iter().find(|kind| kind.singular == "job").unwrap_or(self.kind);
        let jobs = list(client, job, &self.namespace, &ListParams::default()).await?;
        let owned = jobs.iter().filter(|job| {
            let owners = job.metadata.owner_references.iter().flatten();
            owners.into_iter().any(|owner| owner.kind == "CronJob" && owner.name == self.name)
        });
        let names: Vec<&str> = owned.filter_map(|job| job.metadata.name.as_deref()).collect();
        if names.is_empty() {
            return Err(Problem::not_found(format!("{self} has no jobs now")));
        }
        Ok(Pods::Labelled(format!("batch.kubernetes.io/job-name in ({})", names.join(","))))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind.singular {
            "namespace" => write!(f, "namespace/{}", self.name),
            singular => write!(f, "{singular}/{} in namespace {}", self.name, self.namespace),
        }
    }
}

async fn list(
    client: &kube::Client,
    kind: &Kind,
    namespace: &str,
    params: &ListParams,
) -> Result<Vec<DynamicObject>, Problem> {
    let gvk = GroupVersionKind::gvk(kind.group, "v1", kind.kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    match tokio::time::timeout(CALL_LIMIT, api.list(params)).await {
        Ok(Ok(found)) => Ok(found.items),
        Ok(Err(error)) => Err(Problem::unavailable(format!("{} cannot be listed: {error}", kind.plural))),
        Err(_) => Err(Problem::unavailable(format!("no answer from the API server within {CALL_LIMIT:?}"))),
    }
}

/// The selector of an object as the API takes it in a list.
fn selector(object: &DynamicObject) -> Option<String> {
    let selector = object.data.pointer("/spec/selector")?;
    let is_plain = selector.get("matchLabels").is_none() && selector.get("matchExpressions").is_none();
    if is_plain {
        let labels: BTreeMap<String, Value> = serde_json::from_value(selector.clone()).ok()?;
        let terms: Vec<String> =
            labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
        return (!terms.is_empty()).then(|| terms.join(","));
    }
    let selector: LabelSelector = serde_json::from_value(selector.clone()).ok()?;
    let parsed: kube::core::Selector = selector.try_into().ok()?;
    let text = parsed.to_string();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use mesh_api::tap::Resource;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_authorized_is_tapped() {
        let target = Target::new("deployments", "emoji", "web").unwrap();
        let selection = |namespace: &str, kind: &str, name: &str| Selection {
            resource: Some(Resource { namespace: namespace.into(), r#type: kind.into(), name: name.into() }),
            label_selector: String::new(),
        };
        assert!(target.agrees(Some(&selection("emoji", "deployment", "web"))).is_ok());
        for other in [("other", "deployment", "web"), ("emoji", "pod", "web"), ("emoji", "deployment", "")] {
            assert!(target.agrees(Some(&selection(other.0, other.1, other.2))).is_err(), "{other:?}");
        }
        assert!(target.agrees(None).is_err());
        let namespace = Target::new("namespaces", "emoji", "emoji").unwrap();
        assert!(namespace.agrees(Some(&selection("", "namespace", "emoji"))).is_ok());
        assert_eq!(
            Target::new("secrets", "a", "b").unwrap_err().to_string(),
            "unsupported resource type [secrets]"
        );
        assert!(Target::new("pods", "a", "../b").is_err());
    }

    #[test]
    fn selectors_of_every_form_are_written_for_a_list() {
        let object = |selector: Value| DynamicObject {
            types: None,
            metadata: kube::core::ObjectMeta::default(),
            data: json!({"spec": {"selector": selector}}),
        };
        assert_eq!(selector(&object(json!({"app": "web", "tier": "a"}))).unwrap(), "app=web,tier=a");
        let expressions = json!({"matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]});
        let text = selector(&object(expressions)).unwrap();
        assert!(text.contains("app=web") && text.contains("tier in (a,b)"), "{text}");
        assert_eq!(selector(&object(json!({}))), None);
    }
}
