//! linkerd-config: are the objects there that install made?
//!
//! What must be there is what install renders with the recorded settings, so that an add-on that was switched
//! off is not missed.

use mesh_k8s::Resource;
use serde_json::Value;

use crate::check::{Category, Check, Finding};
use crate::facts::Facts;

/// The category.
pub fn category() -> Category {
    let existence = |resource: &'static Resource, anchor| {
        let description = format!("control plane {}s exist", resource.kind);
        Check::new(description, anchor, move |facts| async move { present(&facts, resource).await }).fatal()
    };
    let namespace =
        Check::new("control plane Namespace exists", "l5d-existence-ns", namespace_exists).fatal();
    let checks = vec![
        namespace,
        existence(&Resource::CLUSTER_ROLE, "l5d-existence-cr"),
        existence(&Resource::CLUSTER_ROLE_BINDING, "l5d-existence-crb"),
        existence(&Resource::SERVICE_ACCOUNT, "l5d-existence-sa"),
        existence(&Resource::CUSTOM_RESOURCE_DEFINITION, "l5d-existence-crd"),
        existence(&Resource::MUTATING_WEBHOOK, "l5d-existence-mwc"),
        existence(&Resource::VALIDATING_WEBHOOK, "l5d-existence-vwc"),
    ];
    Category { id: "linkerd-config", checks }
}

async fn namespace_exists(facts: Facts) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    let namespace = &facts.known().namespace;
    match client.find(&Resource::NAMESPACE, None, namespace).await {
        Ok(Some(_)) => Finding::Pass,
        Ok(None) => Finding::Fail(format!("The \"{namespace}\" namespace does not exist")),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

async fn present(facts: &Facts, resource: &'static Resource) -> Finding {
    let expected = names(&facts.known().rendered, resource);
    if expected.is_empty() {
        return Finding::Skip;
    }
    let namespace = match resource.scope {
        mesh_k8s::resource::Scope::Namespace => Some(facts.known().namespace.as_str()),
        mesh_k8s::resource::Scope::Cluster => None,
    };
    match facts.list(resource, namespace).await {
        Ok(objects) => judge(resource, &expected, &names(&objects, resource)),
        Err(error) => Finding::Unknown(error),
    }
}

fn names(objects: &[Value], resource: &Resource) -> Vec<String> {
    let of_kind = |object: &&Value| object.get("kind").and_then(Value::as_str) == Some(resource.kind);
    let name = |object: &Value| Some(object.pointer("/metadata/name")?.as_str()?.to_owned());
    objects.iter().filter(of_kind).filter_map(name).collect()
}

fn judge(resource: &Resource, expected: &[String], found: &[String]) -> Finding {
    let mut missing: Vec<&str> =
        expected.iter().filter(|name| !found.contains(name)).map(String::as_str).collect();
    missing.sort_unstable();
    if missing.is_empty() {
        return Finding::Pass;
    }
    Finding::Fail(format!("missing {}s: {}", resource.kind, missing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_names_are_listed_in_order() {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let judge = |found: &[&str]| judge(&Resource::CLUSTER_ROLE, &list(&["c", "a", "b"]), &list(found));
        assert_eq!(judge(&["a", "b", "c", "d"]), Finding::Pass);
        assert_eq!(judge(&["a"]), Finding::Fail("missing ClusterRoles: b, c".into()));
    }
}
