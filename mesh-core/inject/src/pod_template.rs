//! Finds the pod in a manifest of any kind.

use std::borrow::Cow;

use mesh_core::names::labels;
use mesh_yaml::{
    Pointer,
    view::{self, View},
};

use crate::{Error, patch::Steps};

/// How deep a `kind: List` may hold others.
const MAX_LIST_DEPTH: usize = 8;

/// A kind that injection knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `apps` Deployment.
    Deployment,
    /// Core ReplicationController.
    ReplicationController,
    /// `apps` ReplicaSet.
    ReplicaSet,
    /// `batch` Job.
    Job,
    /// `apps` DaemonSet.
    DaemonSet,
    /// `apps` StatefulSet.
    StatefulSet,
    /// Core Pod.
    Pod,
    /// `batch` CronJob.
    CronJob,
    /// Core Namespace: annotated only.
    Namespace,
    /// Core Service: annotated only.
    Service,
}

impl Kind {
    /// The kind by name, in whatever case, and API group; kinds of other groups with the same name are not ours.
    pub fn find(kind: &str, api_version: Option<&str>) -> Option<Self> {
        const KINDS: [(&str, Kind, &[&str]); 10] = [
            ("deployment", Kind::Deployment, &["apps", "extensions"]),
            ("replicationcontroller", Kind::ReplicationController, &[""]),
            ("replicaset", Kind::ReplicaSet, &["apps", "extensions"]),
            ("job", Kind::Job, &["batch"]),
            ("daemonset", Kind::DaemonSet, &["apps", "extensions"]),
            ("statefulset", Kind::StatefulSet, &["apps"]),
            ("pod", Kind::Pod, &[""]),
            ("cronjob", Kind::CronJob, &["batch"]),
            ("namespace", Kind::Namespace, &[""]),
            ("service", Kind::Service, &[""]),
        ];
        let group = api_version.map(|version| version.rsplit_once('/').map_or("", |(group, _)| group));
        KINDS
            .iter()
            .find(|(name, _, _)| name.eq_ignore_ascii_case(kind))
            .filter(|(_, _, groups)| group.is_none_or(|group| groups.contains(&group)))
            .map(|(_, kind, _)| *kind)
    }

    /// Where the pod's `metadata` and `spec` are; `None` for kinds without pods.
    pub fn pod_path(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Pod => Some(&[]),
            Self::CronJob => Some(&["spec", "jobTemplate", "spec", "template"]),
            Self::Namespace | Self::Service => None,
            _ => Some(&["spec", "template"]),
        }
    }

    /// The label on pods that names their owner; a bare pod has none.
    pub fn owner_label(self) -> Option<&'static str> {
        match self {
            Self::Deployment => Some(labels::PROXY_DEPLOYMENT),
            Self::ReplicationController => Some(labels::PROXY_REPLICATION_CONTROLLER),
            Self::ReplicaSet => Some(labels::PROXY_REPLICA_SET),
            Self::Job => Some(labels::PROXY_JOB),
            Self::DaemonSet => Some(labels::PROXY_DAEMON_SET),
            Self::StatefulSet => Some(labels::PROXY_STATEFUL_SET),
            Self::CronJob => Some(labels::PROXY_CRON_JOB),
            Self::Pod | Self::Namespace | Self::Service => None,
        }
    }
}

/// An object of a manifest: what it is called and, if injection knows its kind, what it is.
#[derive(Clone, Debug)]
pub struct Workload<V> {
    /// The object.
    pub root: V,
    /// Its kind, if known.
    pub kind: Option<Kind>,
    /// Its kind as written.
    pub kind_name: String,
    /// `metadata.name`, or `metadata.generateName` where that is all there is.
    pub name: String,
    /// `metadata.namespace`, empty when not given.
    pub namespace: String,
}

impl<'a, V: View<'a>> Workload<V> {
    /// What a document is; `None` without a `kind`.
    pub fn of(root: V) -> Option<Self> {
        let kind_name = root.get("kind")?.as_str().filter(|kind| !kind.is_empty())?;
        let metadata = root.get("metadata");
        let text = |key: &str| metadata.and_then(|metadata| metadata.get(key)).and_then(View::as_str);
        let api_version = root.get("apiVersion").and_then(View::as_str);
        let name = text("name").filter(|name| !name.is_empty()).or_else(|| text("generateName"));
        Some(Self {
            root,
            kind: Kind::find(&kind_name, api_version.as_deref()),
            kind_name: kind_name.into_owned(),
            name: name.map(Cow::into_owned).unwrap_or_default(),
            namespace: text("namespace").map(Cow::into_owned).unwrap_or_default(),
        })
    }

    /// The pod template, where the kind has one and the object does.
    pub fn pod_template(&self) -> Result<Option<PodTemplate<V>>, Error> {
        let Some(path) = self.kind.and_then(Kind::pod_path) else { return Ok(None) };
        let Some(template) = self.root.at(path).filter(|template| !template.is_null()) else {
            return Ok(None);
        };
        PodTemplate::new(template, Pointer::new(path.iter().copied()))
    }
}

/// Where a pod is described: `metadata` and `spec`.
#[derive(Clone, Debug)]
pub struct PodTemplate<V> {
    /// The mapping that holds `metadata` and `spec`.
    pub root: V,
    /// Where that is in the object.
    pub path: Pointer,
    /// The pod's `spec`.
    pub spec: V,
}

impl<'a, V: View<'a>> PodTemplate<V> {
    fn new(root: V, path: Pointer) -> Result<Option<Self>, Error> {
        let Some(spec) = root.get("spec").filter(|spec| !spec.is_null()) else { return Ok(None) };
        let template = Self { root, path, spec };
        template.expect(spec, &["spec"], view::Kind::Mapping, "a mapping")?;
        for key in ["containers", "initContainers", "volumes"] {
            let Some(list) = spec.get(key) else { continue };
            template.expect(list, &["spec", key], view::Kind::Sequence, "a list")?;
        }
        if let Some(metadata) = root.get("metadata") {
            template.expect(metadata, &["metadata"], view::Kind::Mapping, "a mapping")?;
            for key in ["annotations", "labels"] {
                let Some(map) = metadata.get(key) else { continue };
                template.expect(map, &["metadata", key], view::Kind::Mapping, "a mapping")?;
            }
        }
        Ok(Some(template))
    }

    /// An annotation of the pod.
    pub fn annotation(&self, name: &str) -> Option<Cow<'a, str>> {
        self.root.str_at(&["metadata", "annotations", name])
    }

    /// The containers under `containers` or `initContainers`.
    pub fn containers(&self, key: &str) -> impl Iterator<Item = V> + use<'a, V> {
        self.spec.get(key).map(View::items).into_iter().flatten()
    }

    fn expect(&self, node: V, field: &[&str], kind: view::Kind, expected: &'static str) -> Result<(), Error> {
        if node.is_null() || node.kind() == kind {
            return Ok(());
        }
        Err(Error::Field { field: self.path.below(field).dotted(), expected })
    }
}

/// The objects of a document with where they are: the document itself, or the items of a `kind: List`.
pub fn items<'a, V: View<'a>>(root: V) -> Result<Vec<(Pointer, V)>, Error> {
    let mut found = Vec::new();
    collect(root, Pointer::root(), 0, &mut found)?;
    Ok(found)
}

fn collect<'a, V: View<'a>>(
    node: V,
    path: Pointer,
    depth: usize,
    found: &mut Vec<(Pointer, V)>,
) -> Result<(), Error> {
    if depth > MAX_LIST_DEPTH {
        return Err(Error::ListDepth(MAX_LIST_DEPTH));
    }
    let kind = node.get("kind").and_then(View::as_str);
    let listed = node.get("items").filter(|items| items.kind() == view::Kind::Sequence);
    match listed {
        Some(list) if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("list")) => {
            for (index, item) in list.items().enumerate() {
                collect(item, path.below(&["items", &index.to_string()]), depth + 1, found)?;
            }
        }
        _ => found.push((path, node)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds_of_other_groups_are_not_ours() {
        assert_eq!(Kind::find("DEPLOYMENT", Some("apps/v1")), Some(Kind::Deployment));
        assert_eq!(Kind::find("Deployment", None), Some(Kind::Deployment));
        assert_eq!(Kind::find("Service", Some("serving.knative.dev/v1")), None);
        assert_eq!(Kind::find("Job", Some("batch.volcano.sh/v1alpha1")), None);
        assert_eq!(Kind::find("ConfigMap", Some("v1")), None);
    }

    #[test]
    fn finds_the_pod_of_a_cron_job() {
        let document = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
            "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}}});
        let workload = Workload::of(&document).unwrap();
        let pod = workload.pod_template().unwrap().unwrap();
        assert_eq!(pod.path.to_string(), "/spec/jobTemplate/spec/template");
        assert_eq!(pod.containers("containers").count(), 1);
    }

    #[test]
    fn names_the_field_that_is_not_what_it_should_be() {
        let document =
            json!({"kind": "Deployment", "spec": {"template": {"spec": {"containers": {"a": 1}}}}});
        let error = Workload::of(&document).unwrap().pod_template().unwrap_err();
        assert_eq!(error.to_string(), "spec.template.spec.containers: expected a list");
    }

    #[test]
    fn expands_lists_and_stops_at_depth() {
        let mut document = json!({"kind": "Pod"});
        for _ in 0..3 {
            document = json!({"kind": "List", "items": [document, {"kind": "Job"}]});
        }
        let found = items(&document).unwrap();
        assert_eq!(found.len(), 4);
        assert_eq!(found[0].0.to_string(), "/items/0/items/0/items/0");
        for _ in 0..20 {
            document = json!({"kind": "List", "items": [document]});
        }
        assert!(items(&document).is_err());
    }
}
