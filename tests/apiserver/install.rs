//! Install refuses what is there already, and uninstall leaves nothing.

use mesh_tests::cluster::{Cluster, stdout_of};

use crate::kit::{Turn, apply, kubectl_on, linkerd};

#[test]
fn a_control_plane_comes_once_and_goes_without_trace() {
    let turn = Turn::take();
    let cluster = turn.cluster;
    let rendered = linkerd(cluster, ["-L", "once", "install"]).ok();
    apply(cluster, &rendered);

    let said = linkerd(cluster, ["-L", "once", "install"]).refused();
    let there = "\
clusterrole.rbac.authorization.k8s.io/linkerd-once-controller
clusterrole.rbac.authorization.k8s.io/linkerd-once-destination
clusterrole.rbac.authorization.k8s.io/linkerd-once-identity
clusterrole.rbac.authorization.k8s.io/linkerd-once-prometheus
clusterrole.rbac.authorization.k8s.io/linkerd-once-proxy-injector
clusterrole.rbac.authorization.k8s.io/linkerd-once-sp-validator
clusterrole.rbac.authorization.k8s.io/linkerd-once-tap
clusterrole.rbac.authorization.k8s.io/linkerd-once-tap-admin
clusterrole.rbac.authorization.k8s.io/linkerd-once-web-check
clusterrolebinding.rbac.authorization.k8s.io/linkerd-once-controller
clusterrolebinding.rbac.authorization.k8s.io/linkerd-once-destination
clusterrolebinding.rbac.authorization.k8s.io/linkerd-once-identity
clusterrolebinding.rbac.authorization.k8s.io/linkerd-once-prometheus
clusterrolebinding.rbac.authorization.k8s.io/linkerd-once-proxy-injector
clusterrolebinding.rbac.authorization.k8s.io/linkerd-once-sp-validator
clusterrolebinding.rbac.authorization.k8s.io/linkerd-once-tap
clusterrolebinding.rbac.authorization.k8s.io/linkerd-once-tap-auth-delegator
clusterrolebinding.rbac.authorization.k8s.io/linkerd-once-web-admin
clusterrolebinding.rbac.authorization.k8s.io/linkerd-once-web-check
apiservice.apiregistration.k8s.io/v1alpha1.tap.linkerd.io
mutatingwebhookconfiguration.admissionregistration.k8s.io/linkerd-proxy-injector-webhook-config
validatingwebhookconfiguration.admissionregistration.k8s.io/linkerd-policy-validator-webhook-config
validatingwebhookconfiguration.admissionregistration.k8s.io/linkerd-sp-validator-webhook-config";
    assert_eq!(
        said,
        format!(
            "Unable to install the Linkerd control plane. It appears that there is an existing installation:\n\n\
             {there}\n\n\
             If you are sure you'd like to have a fresh install, remove these resources with:\n\n    \
             linkerd uninstall | kubectl delete -f -\n\n\
             Otherwise, you can use the --ignore-cluster flag to overwrite the existing global resources, or\n\
             `linkerd upgrade` to change the existing installation.\n"
        )
    );
    linkerd(cluster, ["-L", "once", "install", "--ignore-cluster"]).ok();

    let references = linkerd(cluster, ["-L", "once", "uninstall"]).ok();
    kubectl_on(cluster, &["delete", "-f", "-"], &references).ok();
    assert_eq!(labelled(cluster, "once"), "");
    assert_eq!(
        linkerd(cluster, ["-L", "once", "uninstall"]).refused().lines().next().unwrap(),
        "Error: no resource of a control plane in namespace once was found"
    );
    // So the next install has nothing to refuse.
    linkerd(cluster, ["-L", "once", "install"]).ok();
}

#[test]
fn stages_come_in_order() {
    let turn = Turn::take();
    let cluster = turn.cluster;
    let install = |args: &[&str]| linkerd(cluster, [&["-L", "staged", "install"], args].concat());
    assert_eq!(
        install(&["control-plane"]).refused(),
        "Error: Can't install the Linkerd control plane in the 'staged' namespace. The required Linkerd global \
         resources are missing.\n\
         hint: `linkerd install config | kubectl apply -f -` comes first; --skip-checks does without this check\n"
    );
    assert_eq!(
        install(&["control-plane", "--skip-checks"]).refused().lines().next().unwrap(),
        "Error: Can't install the Linkerd control plane in the 'staged' namespace. Reason: namespaces \"staged\" not found"
    );
    apply(cluster, &install(&["config"]).ok());
    assert!(
        install(&["config"]).refused().starts_with("Unable to install the Linkerd control plane. It appears")
    );
    apply(cluster, &install(&["control-plane"]).ok());
    assert_eq!(
        install(&["control-plane"]).refused().lines().next().unwrap(),
        "Error: Can't install the Linkerd control plane in the 'staged' namespace. Reason: 'linkerd-config' config map \
         already exists."
    );
}

#[test]
fn a_namespace_of_somebody_else_is_emptied_and_stays() {
    let turn = Turn::take();
    let cluster = turn.cluster;
    let rendered = linkerd(cluster, ["-L", "guest", "install"]).ok();
    crate::kit::namespace(cluster, "guest");
    let without: Vec<String> = crate::kit::documents(&rendered)
        .iter()
        .filter(|object| object["kind"] != "Namespace")
        .map(ToString::to_string)
        .collect();
    apply(cluster, &without.join("\n---\n"));
    let references = linkerd(cluster, ["-L", "guest", "uninstall", "-o", "json"]).ok();
    kubectl_on(cluster, &["delete", "-f", "-"], &references).ok();
    assert_eq!(labelled(cluster, "guest"), "");
    assert!(!crate::kit::live(cluster, "guest", "namespace", "guest").is_null());
}

#[test]
fn running_proxies_stand_in_the_way_of_uninstall() {
    let turn = Turn::take();
    let cluster = turn.cluster;
    apply(cluster, &linkerd(cluster, ["-L", "meshed", "install", "--set", "grafana.enabled=false"]).ok());
    crate::kit::namespace(cluster, "meshed-shop");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: cart\n  namespace: meshed-shop\n  labels:\n    \
               linkerd.io/control-plane-ns: meshed\nspec:\n  containers:\n  - name: c\n    image: none\n";
    apply(cluster, pod);
    let said = linkerd(cluster, ["-L", "meshed", "uninstall"]).refused();
    assert!(
        said.starts_with(
            "Error: Please uninject the following resources before uninstalling the control-plane:\n\
             \t* meshed-shop/cart\n"
        ),
        "{said}"
    );
    linkerd(cluster, ["-L", "meshed", "uninstall", "--force"]).ok();
}

/// Every object, of any kind the API serves, that carries the label of a control plane, and its namespace.
fn labelled(cluster: &Cluster, own: &str) -> String {
    let kinds =
        stdout_of(&mut cluster.kubectl(["api-resources", "--verbs=list,delete", "-o", "name"])).unwrap();
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    assert!(kinds.len() > 40, "{kinds:?}");
    let selector = format!("linkerd.io/control-plane-ns={own}");
    let found = |args: &[&str]| stdout_of(&mut cluster.kubectl(args)).unwrap();
    let mut names =
        found(&["get", &kinds.join(","), "-A", "-l", &selector, "-o", "name", "--ignore-not-found"]);
    names.push_str(&found(&["get", "namespaces", "-l", &selector, "-o", "name"]));
    let every =
        found(&["get", "clusterroles,clusterrolebindings,crd,roles,rolebindings", "-A", "-o", "name"]);
    names.extend(every.lines().filter(|name| name.contains(&format!("linkerd-{own}-"))));
    names
}
