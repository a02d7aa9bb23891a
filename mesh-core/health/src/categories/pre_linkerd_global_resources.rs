//! pre-linkerd-global-resources: is there another install already? Asked by `install` alone.

use mesh_k8s::Resource;
use mesh_k8s::objects::Selection;
use mesh_k8s::resource::Scope;
use serde_json::Value;

use crate::check::{Category, Check, Finding};
use crate::facts::Facts;

/// The category.
pub fn category() -> Category {
    let kinds: [&'static Resource; 5] = [
        &Resource::CLUSTER_ROLE,
        &Resource::CLUSTER_ROLE_BINDING,
        &Resource::CUSTOM_RESOURCE_DEFINITION,
        &Resource::MUTATING_WEBHOOK,
        &Resource::VALIDATING_WEBHOOK,
    ];
    let checks =
        kinds
            .map(|resource| {
                debug_assert_eq!(resource.scope, Scope::Cluster, "{} has a namespace", resource.kind);
                let description = format!("no {}s exist", resource.kind);
                Check::new(description, "pre-l5d-existence", move |facts| async move {
                    free(&facts, resource).await
                })
            })
            .to_vec();
    Category { id: "pre-linkerd-global-resources", checks }
}

async fn free(facts: &Facts, resource: &'static Resource) -> Finding {
    let Ok(client) = facts.client() else { return Finding::Skip };
    let labels = format!("linkerd.io/control-plane-ns={},!linkerd.io/cni-resource", facts.known().namespace);
    match client.list(resource, Selection { namespace: None, labels: Some(&labels) }).await {
        Ok(objects) => judge(resource, &objects),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}

fn judge(resource: &Resource, objects: &[Value]) -> Finding {
    if objects.is_empty() {
        return Finding::Pass;
    }
    let mut names: Vec<&str> =
        objects.iter().filter_map(|object| object.pointer("/metadata/name")?.as_str()).collect();
    names.sort_unstable();
    Finding::Fail(format!("{}s found but should not exist: {}", resource.kind, names.join(" ")))
}
