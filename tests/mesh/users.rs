//! People and Jobs that use the mesh from where they are: through the API server, with the rights that they have.

use std::net::SocketAddr;
use std::time::Duration;

use crate::kit::{self, Mesh, until};

/// What somebody needs who may look at numbers: to find the control plane's pod, and to reach it through the API server.
const READER: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: linkerd}
rules:
- {apiGroups: [''], resources: [pods], verbs: [get, list]}
- {apiGroups: [''], resources: [pods/portforward], verbs: [create, get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: linkerd}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: readers}]
";

/// The report is composed by the CronJob's own pod, and goes nowhere but into its log.
pub(crate) fn heartbeat(mesh: &Mesh) {
    let create = ["create", "job", "beat", "--from=cronjob/linkerd-heartbeat", "-n", "linkerd"];
    mesh.kubectl(&create);
    mesh.kubectl(&["wait", "--for=condition=Complete", "job/beat", "-n", "linkerd", "--timeout=90s"]);
    let log = mesh.kubectl(&["logs", "job/beat", "-n", "linkerd", "-c", "heartbeat"]);
    for part in ["source=heartbeat\n", "k8s-version=v1.", "uuid="] {
        assert!(log.contains(part), "no {part} in {log}");
    }
    mesh.kubectl(&["delete", "job", "beat", "-n", "linkerd"]);
}

/// Somebody who is no administrator sees what they may see, and is told what is missing for the rest.
pub(crate) fn without_rights(mesh: &Mesh, client: SocketAddr) {
    let user = mesh.user("reader", &["readers"]);
    let stat = ["stat", "deploy", "-n", "shop"];
    let refused = mesh.linkerd_as(&user, &stat);
    assert!(refused.code != 0 && refused.text.contains("pods"), "{}", refused.text);

    mesh.apply(READER);
    let counted = mesh.linkerd_as(&user, &stat).expect_success();
    assert!(counted.lines().any(|line| line.starts_with("server ") && line.contains("2/2")), "{counted}");

    let tap = ["tap", "deploy/server", "-n", "shop"];
    let refused = mesh.linkerd_as(&user, &tap);
    let says_why = refused.text.contains("deployments") && refused.text.contains("tap.linkerd.io");
    assert!(refused.code != 0 && says_why, "{}", refused.text);
    let role = "--clusterrole=linkerd-linkerd-tap-admin";
    mesh.kubectl(&["create", "clusterrolebinding", "readers-tap", role, "--group=readers"]);
    until("the new right is in force", || {
        let shown = mesh.linkerd_while_as(&user, &tap, Duration::from_secs(3), || {
            kit::get(client, "/");
        });
        shown.contains("rsp ").then_some(()).ok_or(shown)
    });
    mesh.kubectl(&["delete", "clusterrolebinding", "readers-tap"]);

    let check = mesh.linkerd_as(&user, &["check", "--wait=5s"]);
    assert!(check.text.contains("forbidden"), "{}", check.text);
}
