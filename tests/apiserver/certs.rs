//! `certs list` of an install, by those who may read it and those who may not.

use serde_json::Value;

use crate::kit::{Turn, apply, linkerd, linkerd_as};

#[test]
fn an_install_is_listed_as_far_as_one_may_read_it() {
    let turn = Turn::take();
    let cluster = turn.cluster;
    let rendered = linkerd(cluster, ["-L", "listed", "install"]).ok();
    apply(cluster, &rendered);

    let listed: Value =
        serde_json::from_str(&linkerd(cluster, ["-L", "listed", "certs", "list", "-o", "json"]).ok())
            .unwrap();
    let rows: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (&row["role"], &row["status"], &row["certificate"]["name"], &row["certificate"]["signedBy"])
        })
        .map(|(role, status, name, signer)| format!("{role} {status} {name} {signer}").replace('"', ""))
        .collect();
    assert_eq!(
        rows,
        [
            "trustAnchor good root.listed.cluster.local itself",
            "issuer good identity.listed.cluster.local ConfigMap linkerd-identity-trust-roots ca-bundle.crt",
            "trustAnchor good root.listed.cluster.local itself",
        ]
    );

    apply(
        cluster,
        "\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: certs-reader
  namespace: listed
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: view
subjects:
  - apiGroup: rbac.authorization.k8s.io
    kind: User
    name: certs-reader
",
    );
    let reader = cluster.kubeconfig_for_user("certs-reader", &[]).unwrap();
    let partly = linkerd_as(&reader, ["-L", "listed", "certs", "list"]);
    assert_eq!(partly.code, 5, "{partly:?}");
    assert!(partly.out.contains("root.listed.cluster.local"), "{}", partly.out);
    assert!(!partly.out.contains("Secret"), "{}", partly.out);
    assert!(
        partly.err.contains("warning: cannot get secret listed/linkerd-identity-issuer"),
        "{}",
        partly.err
    );

    let stranger = cluster.kubeconfig_for_user("certs-stranger", &[]).unwrap();
    assert_eq!(linkerd_as(&stranger, ["-L", "listed", "certs", "list"]).code, 3);
    assert_eq!(linkerd(cluster, ["-L", "no-such", "certs", "list"]).code, 2);
}
