//! The CNI plugin on the nodes: installed by its DaemonSet, and repairing pods that started without it.

use std::time::Duration;

use crate::kit::{self, Mesh, until};

/// A pod that joins the mesh by name.
const LATE: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: late, namespace: shop, labels: {run: late}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: WEB
    imagePullPolicy: Never
    args: ['8080', late, 'server.shop.svc.cluster.local:80']
";

/// Puts it on every node, as the guide has it.
pub(crate) fn install(mesh: &Mesh) {
    mesh.apply(&mesh.linkerd(&["install-cni"]).expect_success());
    mesh.kubectl(&["rollout", "status", "daemonset/linkerd-cni", "-n", "linkerd-cni", "--timeout=90s"]);
    for node in ["node1", "node2"] {
        assert!(is_on(mesh, node), "{node}: {}", mesh.network_config(node));
    }
}

/// A pod that starts while the plugin is away is not let run without its redirection, and is repaired where it is.
pub(crate) fn repairs(mesh: &Mesh) {
    mesh.kubectl(&["delete", "daemonset", "linkerd-cni", "-n", "linkerd-cni", "--timeout=60s"]);
    until("the installer has taken the plugin out of the nodes", || {
        let on: Vec<&str> = ["node1", "node2"].into_iter().filter(|node| is_on(mesh, node)).collect();
        on.is_empty().then_some(()).ok_or_else(|| on.join(", "))
    });

    mesh.apply(&kit::with_images(LATE));
    let validator = "{.status.initContainerStatuses[?(@.name==\"linkerd-network-validator\")]";
    let ended =
        format!("{validator}.lastState.terminated.exitCode}} {validator}.state.terminated.exitCode}}");
    until("the validator finds that nothing is redirected", || {
        let codes = pod(mesh, &ended);
        codes.split_whitespace().any(|code| code == "95").then_some(()).ok_or(codes)
    });
    let uid = pod(mesh, "{.metadata.uid}");

    install(mesh);
    mesh.kubectl(&["wait", "--for=condition=Ready", "pod/late", "-n", "shop", "--timeout=120s"]);
    assert_eq!(pod(mesh, "{.metadata.uid}"), uid, "the pod was repaired, not replaced");
    let events = ["get", "events", "-n", "shop", "--field-selector=involvedObject.name=late", "-o"];
    let reasons = mesh.kubectl(&[&events[..], &["jsonpath={.items[*].reason}"]].concat());
    assert!(reasons.contains("LinkerdCniRepaired"), "{reasons}");
    until("what it said before it listened went through its proxy", || {
        let metrics = mesh.metrics("shop", "run=late");
        let is_call =
            |line: &str| line.starts_with("request_total{") && line.contains("direction=\"outbound\"");
        metrics.lines().any(is_call).then_some(()).ok_or(metrics)
    });
    mesh.kubectl(&["delete", "pod", "late", "-n", "shop", "--timeout=60s"]);
    mesh.rollout("shop", Duration::from_secs(60));
}

fn pod(mesh: &Mesh, path: &str) -> String {
    mesh.kubectl(&["get", "pod", "late", "-n", "shop", "-o", &format!("jsonpath={path}")])
}

fn is_on(mesh: &Mesh, node: &str) -> bool {
    mesh.network_config(node).contains("\"linkerd-cni\"")
}
