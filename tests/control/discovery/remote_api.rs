//! Credentials of other clusters: only a real API server asks for any.

use std::time::Duration;

use serde_json::json;
use tonic::Code;

use crate::kit::remote::{kubeconfig, second};
use crate::kit::{World, service, slice, web};

const EAST: &str = "web-east.shop.svc.cluster.local:80";

#[tokio::test]
async fn credentials_that_change_take_effect_and_bad_ones_leave_what_was() {
    // Flaw it answers: a rotated credential was ignored until the process was started again.
    let mut copy = service("web-east", "10.0.0.7");
    copy["metadata"]["labels"] = json!({"multicluster.linkerd.io/remote-discovery": "east",
        "multicluster.linkerd.io/remote-service": "web"});
    let world = World::with(&[copy]).await;
    let east = world.link("east", "east.example", &web(&[("web-0", "10.1.0.1")])).await;
    let mut stream = world.get_soon(EAST, "").await;
    stream.become_(&["10.1.0.1:8080"]).await;
    let good = tokio::task::spawn_blocking(|| kubeconfig(second())).await.unwrap();

    // A credential nobody accepts: what is known of the cluster stays.
    let mut stale: serde_json::Value = serde_json::from_str(&good).unwrap();
    stale["users"][0]["user"] = json!({"token": "expired"});
    east.credentials("east.example", &stale.to_string());
    tokio::time::sleep(Duration::from_millis(500)).await;
    east.apply(&slice("web-a", "web", &[]));
    stream.silent().await;
    assert_eq!(stream.addresses(), ["10.1.0.1:8080"]);
    let mut late = world.get_as(EAST, "").await.unwrap();
    late.become_(&["10.1.0.1:8080"]).await;

    // One that would run a command is refused, and the next good one counts.
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("it-was-run");
    stale["users"][0]["user"] = json!({"exec": {"command": "/bin/touch", "args": [trace],
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}});
    east.credentials("east.example", &stale.to_string());
    tokio::time::sleep(Duration::from_millis(200)).await;
    east.credentials("east.test", &good);
    stream.become_(&[]).await;
    east.apply(&slice("web-a", "web", &[("web-0", "10.1.0.1")]));
    stream.become_(&["10.1.0.1:8080"]).await;
    let name = stream.one("10.1.0.1:8080").tls_identity.as_ref().unwrap().server_name.clone().unwrap().name;
    assert!(name.ends_with(".east.test"), "{name}: the Secret names the trust domain");
    assert!(!trace.exists(), "the command was run");

    east.unlink(&world);
    assert_eq!(stream.ending().await, Code::NotFound);
}
