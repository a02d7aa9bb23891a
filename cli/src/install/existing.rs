//! What an install has left in the cluster: found by label, kind by kind, at once.

use futures::future::try_join_all;
use mesh_k8s::objects::Selection;
use mesh_k8s::resource::Scope;
use mesh_k8s::{Client, Error, Resource};
use serde_json::{Value, json};

/// The label that every object of a control plane carries; its value is the control plane's namespace.
pub const CONTROL_PLANE_NS: &str = "linkerd.io/control-plane-ns";

/// Kinds without a namespace, in the order in which `uninstall` prints them. What other objects depend on
/// (webhooks, aggregated APIs) precedes the namespace, so that its end is not held up by them.
const CLUSTER_KINDS: [Resource; 6] = [
    Resource::CLUSTER_ROLE,
    Resource::CLUSTER_ROLE_BINDING,
    Resource::CUSTOM_RESOURCE_DEFINITION,
    Resource::API_SERVICE,
    Resource::MUTATING_WEBHOOK,
    Resource::VALIDATING_WEBHOOK,
];

/// Kinds that the control plane's own namespace holds.
const NAMESPACE_KINDS: [Resource; 10] = [
    Resource::DEPLOYMENT,
    Resource::DAEMON_SET,
    Resource::CRON_JOB,
    Resource::SERVICE,
    Resource::SERVICE_ACCOUNT,
    Resource::CONFIG_MAP,
    Resource::SECRET,
    Resource::ROLE,
    Resource::ROLE_BINDING,
    Resource::POD_DISRUPTION_BUDGET,
];

/// The objects without a namespace that belong to the control plane in `namespace`.
pub async fn cluster_objects(client: &Client, namespace: &str) -> Result<Vec<Value>, Error> {
    let labels = format!("{CONTROL_PLANE_NS}={namespace}");
    let lists = CLUSTER_KINDS
        .iter()
        .map(|resource| client.list(resource, Selection { namespace: None, labels: Some(&labels) }));
    Ok(try_join_all(lists).await?.into_iter().flatten().collect())
}

/// Role bindings of the control plane in `kube-system`.
pub async fn kube_system_objects(client: &Client, namespace: &str) -> Result<Vec<Value>, Error> {
    let labels = format!("{CONTROL_PLANE_NS}={namespace}");
    let selection = Selection { namespace: Some("kube-system"), labels: Some(&labels) };
    client.list(&Resource::ROLE_BINDING, selection).await
}

/// Labelled objects inside the control plane's namespace.
pub async fn namespace_objects(client: &Client, namespace: &str) -> Result<Vec<Value>, Error> {
    let labels = format!("{CONTROL_PLANE_NS}={namespace}");
    let lists = NAMESPACE_KINDS.iter().map(|resource| {
        debug_assert_eq!(resource.scope, Scope::Namespace, "{} has no namespace", resource.kind);
        client.list(resource, Selection { namespace: Some(namespace), labels: Some(&labels) })
    });
    Ok(try_join_all(lists).await?.into_iter().flatten().collect())
}

/// Pods of workloads (not of the control plane itself) that carry a proxy of this control plane.
pub async fn meshed_pods(client: &Client, namespace: &str) -> Result<Vec<Value>, Error> {
    let labels = format!("{CONTROL_PLANE_NS}={namespace},!linkerd.io/control-plane-component");
    let pods = client.list(&Resource::POD, Selection { namespace: None, labels: Some(&labels) }).await?;
    Ok(pods.into_iter().filter(|pod| !has_ended(pod)).collect())
}

/// Whether nothing of a pod runs any more, such as that of a Job which is done.
fn has_ended(pod: &Value) -> bool {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// An object reduced to what names it: enough for `kubectl delete -f -`.
pub fn reference(object: &Value) -> Value {
    let mut metadata = json!({ "name": object["metadata"]["name"] });
    if let Some(namespace) = object.pointer("/metadata/namespace") {
        metadata["namespace"] = namespace.clone();
    }
    json!({ "apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": metadata })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_pod_of_a_job_that_is_done_has_ended() {
        for (phase, ended) in [("Succeeded", true), ("Failed", true), ("Running", false), ("Pending", false)]
        {
            assert_eq!(super::has_ended(&json!({"status": {"phase": phase}})), ended, "{phase}");
        }
        assert!(!super::has_ended(&json!({})));
    }

    #[test]
    fn a_reference_holds_what_names_an_object_and_nothing_else() {
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "data": {"key": "c2VjcmV0"},
            "metadata": {"name": "a", "namespace": "b", "uid": "c"}
        });
        assert_eq!(
            super::reference(&object),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"}})
        );
    }
}
