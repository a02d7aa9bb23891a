//! Owners of pods. An API server deletes objects whose owners do not exist, so these are manifests only.

use serde_json::json;

use crate::kit::{World, pod, service, slice};

const WEB: &str = "web.shop.svc.cluster.local:80";

#[tokio::test]
async fn owners_are_named_as_soon_as_they_are_known() {
    let mut owned = pod("web-0", "10.1.0.1");
    owned["metadata"]["ownerReferences"] =
        json!([{"kind": "ReplicaSet", "name": "web-abc", "apiVersion": "apps/v1"}]);
    let world =
        World::with(&[service("web", "10.0.0.1"), owned, slice("web-a", "web", &[("web-0", "10.1.0.1")])])
            .await;
    let mut stream = world.get(WEB).await;
    stream.next().await;
    assert_eq!(stream.one("10.1.0.1:8080").metric_labels["replicaset"], "web-abc");
    world.apply(&json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "web-abc", "namespace": "shop", "ownerReferences": [{"kind": "Deployment", "name": "web"}]}}));
    stream.next().await;
    let labels = &stream.one("10.1.0.1:8080").metric_labels;
    assert_eq!(labels["deployment"], "web");
    assert!(!labels.contains_key("replicaset"));
}
