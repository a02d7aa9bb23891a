//! What an API server asks an injector.

use serde_json::{Value, json};

/// The review of a new pod in `namespace`. Pods are of forty workloads, each with settings of its own, so that no answer can be one
/// that was kept.
#[must_use]
pub fn review(namespace: &str, number: u32) -> Value {
    let workload = number % 40;
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": format!("web-{workload}-"),
            "annotations": {"config.linkerd.io/proxy-cpu-limit": format!("{}m", 100 + workload)}},
        "spec": {"containers": [{"name": "app", "image": "app:1", "ports": [{"containerPort": 8000 + workload}],
            "env": [{"name": "NUMBER", "value": number.to_string()}]}]}});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": number.to_string(), "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": namespace, "operation": "CREATE", "object": pod}})
}
