//! Owners of pods: each object is there before another names it, as in a real cluster.

use serde_json::{Value, json};

use crate::kit::{WEB, World, pod, service, slice};

/// A workload of no pods, so that no controller has anything to do.
fn workload(kind: &str, name: &str, owners: Value) -> Value {
    let labels = json!({"app": name});
    let mut workload = json!({"apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "ownerReferences": owners},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "b"}]}}}});
    if kind == "Deployment" {
        workload["spec"]["paused"] = json!(true);
    }
    workload
}

#[tokio::test]
async fn owners_are_named_as_soon_as_they_are_known() {
    let world =
        World::with(&[service("web", "10.0.0.1"), workload("ReplicaSet", "web-abc", json!([]))]).await;
    let mut owned = pod("web-0", "10.1.0.1");
    owned["metadata"]["ownerReferences"] =
        json!([{"kind": "ReplicaSet", "name": "web-abc", "apiVersion": "apps/v1", "uid": "1"}]);
    world.apply(&owned);
    world.apply(&slice("web-a", "web", &[("web-0", "10.1.0.1")]));
    let mut stream = world.get(WEB).await;
    stream.become_(&["10.1.0.1:8080"]).await;
    assert_eq!(stream.one("10.1.0.1:8080").metric_labels["replicaset"], "web-abc");
    let deployment = workload("Deployment", "web", json!([]));
    world.apply(&deployment);
    let of_web = json!([{"kind": "Deployment", "name": "web", "apiVersion": "apps/v1", "uid": "2"}]);
    world.apply(&workload("ReplicaSet", "web-abc", of_web));
    stream.next().await;
    let labels = &stream.one("10.1.0.1:8080").metric_labels;
    assert_eq!(labels["deployment"], "web");
    assert!(!labels.contains_key("replicaset"));
    world.delete(&deployment);
}
