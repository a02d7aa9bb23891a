//! Resources as users name them: `deploy/web`, `po`, `sts/db`.

use serde_json::Value;

use crate::objects::Selection;
use crate::selector::selects;
use crate::{Client, Error, Resource};

/// Kinds with pods, by every name a user may give them: short, full, plural.
const WORKLOADS: [(&[&str], &Resource); 8] = [
    (&["cj", "cronjob", "cronjobs"], &Resource::CRON_JOB),
    (&["ds", "daemonset", "daemonsets"], &Resource::DAEMON_SET),
    (&["deploy", "deployment", "deployments"], &Resource::DEPLOYMENT),
    (&["job", "jobs"], &Resource::JOB),
    (&["po", "pod", "pods"], &Resource::POD),
    (&["rc", "replicationcontroller", "replicationcontrollers"], &Resource::REPLICATION_CONTROLLER),
    (&["rs", "replicaset", "replicasets"], &Resource::REPLICA_SET),
    (&["sts", "statefulset", "statefulsets"], &Resource::STATEFUL_SET),
];

/// One workload, or all of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its kind.
    pub resource: &'static Resource,
    /// Its name, if one was given.
    pub name: Option<String>,
}

/// Why a text names no workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWorkload {
    /// No such kind.
    #[error("cannot find Kubernetes canonical name from friendly name [{0}]")]
    Kind(String),
    /// More than one slash, or nothing behind it.
    #[error("Invalid resource string: {0}")]
    Shape(String),
}

impl std::str::FromStr for Workload {
    type Err = InvalidWorkload;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = match text.split_once('/') {
            Some((_, name)) if name.is_empty() || name.contains('/') => {
                return Err(InvalidWorkload::Shape(text.to_owned()));
            }
            Some((kind, name)) => (kind, Some(name.to_owned())),
            None => (text, None),
        };
        let found = WORKLOADS.iter().find(|(names, _)| names.contains(&kind));
        let (_, resource) = found.ok_or_else(|| InvalidWorkload::Kind(kind.to_owned()))?;
        Ok(Self { resource, name })
    }
}

impl Client {
    /// The pods of a workload, found by its selector.
    pub async fn pods_of(&self, workload: &Workload, namespace: &str) -> Result<Vec<Value>, Error> {
        let pods = self.list(&Resource::POD, Selection { namespace: Some(namespace), labels: None }).await?;
        let owners = match (&workload.name, *workload.resource == Resource::POD) {
            (None, true) => return Ok(pods),
            (Some(name), true) => {
                let own = self.get(&Resource::POD, Some(namespace), name).await?;
                return Ok(vec![own]);
            }
            (Some(name), false) => vec![self.get(workload.resource, Some(namespace), name).await?],
            (None, false) => {
                self.list(workload.resource, Selection { namespace: Some(namespace), labels: None }).await?
            }
        };
        Ok(pods.into_iter().filter(|pod| owners.iter().any(|owner| owns(owner, pod))).collect())
    }
}

/// Whether a workload's selector (or, for kinds without one, its template's labels) fits a pod.
fn owns(owner: &Value, pod: &Value) -> bool {
    let labels = pod.pointer("/metadata/labels");
    let template = ["/spec/jobTemplate/spec/template/metadata/labels", "/spec/template/metadata/labels"]
        .into_iter()
        .find_map(|pointer| owner.pointer(pointer));
    match owner.pointer("/spec/selector") {
        // A ReplicationController's selector is the bare map.
        Some(selector) if selector.get("matchLabels").or(selector.get("matchExpressions")).is_none() => {
            selects(&serde_json::json!({ "matchLabels": selector }), labels)
        }
        Some(selector) => selects(selector, labels),
        None => {
            template.is_some_and(|template| selects(&serde_json::json!({ "matchLabels": template }), labels))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{InvalidWorkload, Resource, Workload, owns};

    #[test]
    fn workloads_are_named_in_every_usual_way() {
        let of = |text: &str| text.parse::<Workload>();
        for text in ["deploy/web", "deployment/web", "deployments/web"] {
            let workload = of(text).unwrap();
            assert_eq!((workload.resource, workload.name.as_deref()), (&Resource::DEPLOYMENT, Some("web")));
        }
        assert_eq!(of("po").unwrap().name, None);
        assert_eq!(of("a/b/c").unwrap_err(), InvalidWorkload::Shape("a/b/c".into()));
        assert_eq!(of("po/").unwrap_err(), InvalidWorkload::Shape("po/".into()));
        assert_eq!(
            of("banana").unwrap_err().to_string(),
            "cannot find Kubernetes canonical name from friendly name [banana]"
        );
    }

    #[test]
    fn pods_are_found_by_selector_or_template() {
        let pod = json!({"metadata": {"labels": {"app": "web"}}});
        assert!(owns(&json!({"spec": {"selector": {"matchLabels": {"app": "web"}}}}), &pod));
        assert!(owns(&json!({"spec": {"selector": {"app": "web"}}}), &pod));
        assert!(!owns(&json!({"spec": {"selector": {"app": "api"}}}), &pod));
        assert!(owns(
            &json!({"spec": {"jobTemplate": {"spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}}}),
            &pod
        ));
        assert!(!owns(&json!({"spec": {}}), &pod));
    }
}
