//! What applying a rendering would change: added, changed and left-behind objects, and which pods restart.
//!
//! An object is compared with what was last applied (`kubectl.kubernetes.io/last-applied-configuration`), so that
//! defaults filled in by the API server are no differences. An object applied in another way is compared in the
//! fields that the rendering sets. Contents of Secrets are never shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};
use similar::TextDiff;

use crate::error::CommandError;

const LAST_APPLIED: &str = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";

const OURS: &str = "/metadata/labels/linkerd.io~1control-plane-ns";

/// What names an object: kind, namespace and name. The version of the API is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// `kind.group`, lower case.
    pub kind: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// One object that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which object.
    pub identity: Identity,
    /// Unified diff of the two as YAML.
    pub diff: String,
    /// Whether pods are replaced.
    pub restarts: Restarts,
}

/// Whether a change replaces pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// The pod template changes.
    Pods,
    /// Nothing restarts.
    Nothing,
}

/// All differences between what is there and what was rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Objects that are not there yet.
    pub added: Vec<Identity>,
    /// Objects that would change.
    pub changed: Vec<Change>,
    /// Objects that are there but no longer rendered.
    pub left: Vec<Identity>,
}

impl Identity {
    /// The identity of an object.
    pub fn of(object: &Value) -> Self {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let group = text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
        let kind = text("/kind").to_lowercase();
        Self {
            kind: if group.is_empty() { kind } else { format!("{kind}.{group}") },
            namespace: text("/metadata/namespace").to_owned(),
            name: text("/metadata/name").to_owned(),
        }
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The group only helps where kinds clash, which those of a control plane do not.
        let kind = self.kind.split('.').next().unwrap_or_default();
        match self.namespace.as_str() {
            "" => write!(f, "{kind}/{}", self.name),
            namespace => write!(f, "{kind}/{} in {namespace}", self.name),
        }
    }
}

impl Differences {
    /// True when applying would change nothing.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.left.is_empty()
    }

    /// Objects whose pods are replaced.
    pub fn restarts(&self) -> impl Iterator<Item = &Identity> {
        self.changed.iter().filter(|change| change.restarts == Restarts::Pods).map(|change| &change.identity)
    }

    /// The diff as text, in the shape of `kubectl diff`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for identity in &self.added {
            let _ = writeln!(text, "+ {identity} (new)");
        }
        for identity in &self.left {
            let _ = writeln!(text, "- {identity} (no longer rendered; `linkerd prune` prints it)");
        }
        for change in &self.changed {
            change.diff.lines().for_each(|line| push_shortened(&mut text, line));
        }
        text
    }

    /// The differences in a few lines, for stderr.
    pub fn summary(&self) -> Vec<String> {
        let count =
            |n: usize, what: &str| format!("{n} {}{what}", if n == 1 { "object " } else { "objects " });
        let mut lines = vec![format!(
            "{}, {}, {}",
            count(self.added.len(), "new"),
            count(self.changed.len(), "changed"),
            count(self.left.len(), "left behind")
        )];
        let restarts: Vec<String> = self.restarts().map(ToString::to_string).collect();
        lines.push(if restarts.is_empty() {
            "no pod restarts".to_owned()
        } else {
            format!("pods restart: {}", restarts.join(", "))
        });
        lines
    }
}

/// Longer lines, such as dashboards on one line, help nobody.
const LINE: usize = 300;

fn push_shortened(text: &mut String, line: &str) {
    match line.char_indices().nth(LINE) {
        Some((end, _)) => {
            text.push_str(&line[..end]);
            text.push('\u{2026}');
        }
        None => text.push_str(line),
    }
    text.push('\n');
}

/// Compares the objects in place with the rendered ones.
pub fn compare(present: &[Value], rendered: &[Value]) -> Result<Differences, CommandError> {
    let present: BTreeMap<Identity, &Value> =
        present.iter().map(|object| (Identity::of(object), object)).collect();
    let mut differences = Differences::default();
    let mut rendered_ids = Vec::with_capacity(rendered.len());
    for new in rendered {
        let identity = Identity::of(new);
        match present.get(&identity) {
            None => differences.added.push(identity.clone()),
            Some(old) => differences.changed.extend(change(&identity, old, new)?),
        }
        rendered_ids.push(identity);
    }
    // What somebody else maintains, such as an external issuer, is not ours to leave behind.
    let ours = |object: &Value| object.pointer(OURS).is_some();
    differences.left = present
        .iter()
        .filter(|(identity, object)| !rendered_ids.contains(identity) && ours(object))
        .map(|(identity, _)| identity.clone())
        .collect();
    Ok(differences)
}

fn change(identity: &Identity, old: &Value, new: &Value) -> Result<Option<Change>, CommandError> {
    let applied = old
        .pointer(LAST_APPLIED)
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    let old = applied.unwrap_or_else(|| reduce(old, new));
    let (old, new) = (tidy(old), tidy(new.clone()));
    if old == new {
        return Ok(None);
    }
    let restarts = match old.pointer("/spec/template") != new.pointer("/spec/template") {
        true if identity.kind.ends_with(".apps") => Restarts::Pods,
        _ => Restarts::Nothing,
    };
    let (old, new) = (mesh_yaml::to_string(&masked(old))?, mesh_yaml::to_string(&masked(new))?);
    let text = TextDiff::from_lines(&old, &new);
    let header = format!("{identity}");
    let mut diff = text.unified_diff().context_radius(3).header(&header, &header).to_string();
    if diff.is_empty() {
        diff = format!("--- {header}\n+++ {header}\n@@ contents of the Secret differ @@\n");
    }
    Ok(Some(Change { identity: identity.clone(), diff, restarts }))
}

/// `live` in the fields that `like` has; list items are matched by `name`, else by place.
fn reduce(live: &Value, like: &Value) -> Value {
    match (live, like) {
        (Value::Object(live), Value::Object(like)) => Value::Object(
            like.iter()
                .filter_map(|(key, like)| live.get(key).map(|live| (key.clone(), reduce(live, like))))
                .collect(),
        ),
        (Value::Array(live), Value::Array(like)) => Value::Array(
            live.iter()
                .enumerate()
                .map(|(index, item)| {
                    let named = item
                        .get("name")
                        .and_then(|name| like.iter().find(|other| other.get("name") == Some(name)));
                    named.or(like.get(index)).map_or_else(|| item.clone(), |like| reduce(item, like))
                })
                .collect(),
        ),
        (live, _) => live.clone(),
    }
}

/// Sorted keys, and no field that says nothing: so that two ways of writing the same object compare equal.
fn tidy(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<String, Value> = map
                .into_iter()
                .map(|(key, value)| (key, tidy(value)))
                .filter(|(_, value)| !is_void(value))
                .collect();
            Value::Object(Map::from_iter(sorted))
        }
        Value::Array(items) => Value::Array(items.into_iter().map(tidy).collect()),
        other => other,
    }
}

fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Hides the contents of Secrets, and keys inside other objects are never there to begin with.
fn masked(mut object: Value) -> Value {
    if object.get("kind").and_then(Value::as_str) != Some("Secret") {
        return object;
    }
    for field in ["data", "stringData"] {
        if let Some(entries) = object.get_mut(field).and_then(Value::as_object_mut) {
            entries.values_mut().for_each(|value| *value = "(hidden)".into());
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Restarts, compare};

    fn deployment(image: &str) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "linkerd-identity", "namespace": "linkerd"},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "identity", "image": image}]}}}
        })
    }

    #[test]
    fn defaults_of_the_server_are_no_difference() {
        let mut live = deployment("controller:1");
        live["status"] = json!({"readyReplicas": 1});
        live["metadata"]["uid"] = "u".into();
        live["spec"]["template"]["spec"]["containers"][0]["terminationMessagePath"] = "/dev/log".into();
        assert!(compare(&[live], &[deployment("controller:1")]).unwrap().is_empty());
    }

    #[test]
    fn a_new_image_restarts_pods_and_is_shown() {
        let found = compare(&[deployment("controller:1")], &[deployment("controller:2")]).unwrap();
        assert_eq!(found.changed.len(), 1);
        assert_eq!(found.changed[0].restarts, Restarts::Pods);
        let text = found.text();
        assert!(
            text.lines().any(|line| line.starts_with('-') && line.ends_with("image: controller:1")),
            "{text}"
        );
        assert_eq!(found.summary()[1], "pods restart: deployment/linkerd-identity in linkerd");
    }

    #[test]
    fn what_was_last_applied_counts_and_removed_fields_show() {
        let mut live = deployment("controller:1");
        let mut applied = deployment("controller:1");
        applied["spec"]["paused"] = true.into();
        live["metadata"]["annotations"] =
            json!({"kubectl.kubernetes.io/last-applied-configuration": applied.to_string()});
        let found = compare(&[live], &[deployment("controller:1")]).unwrap();
        assert!(found.text().contains("-  paused: true"), "{}", found.text());
        assert_eq!(found.changed[0].restarts, Restarts::Nothing);
    }

    #[test]
    fn secrets_stay_secret() {
        let secret = |key: &str| {
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "i", "namespace": "linkerd"},
                   "data": {"key.pem": key}})
        };
        let found = compare(&[secret("b2xk")], &[secret("bmV3")]).unwrap();
        assert_eq!(found.changed.len(), 1);
        assert!(!found.text().contains("b2xk") && !found.text().contains("bmV3"), "{}", found.text());
    }

    #[test]
    fn new_and_left_behind_objects_are_named() {
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                          "metadata": {"name": "linkerd-linkerd-old",
                                       "labels": {"linkerd.io/control-plane-ns": "linkerd"}}});
        let found = compare(&[role], &[deployment("controller:1")]).unwrap();
        assert_eq!(found.left[0].to_string(), "clusterrole/linkerd-linkerd-old");
        assert_eq!(found.added[0].to_string(), "deployment/linkerd-identity in linkerd");
    }
}
