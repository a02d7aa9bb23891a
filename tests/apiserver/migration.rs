//! Upgrade takes over installs of the original, with their anchors and issuer, or refuses them.

use serde_json::{Value, json};

use crate::identity::Files;
use crate::kit::{Turn, apply, decoded, documents, linkerd, live};

/// The records of an install, as far as an upgrade reads them.
fn records(namespace: &str, files: &Files, config: Value, annotations: Value, more: Vec<Value>) -> String {
    let meta = |name: &str| json!({"name": name, "namespace": namespace, "labels": {"linkerd.io/control-plane-ns": namespace}});
    let mut config_meta = meta("linkerd-config");
    config_meta["annotations"] = annotations;
    let mut items = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace,
            "labels": {"linkerd.io/is-control-plane": "true", "linkerd.io/control-plane-ns": namespace}}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": config_meta, "data": config}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("linkerd-identity-issuer"),
            "stringData": {"crt.pem": files.issuer, "key.pem": files.key}}),
    ];
    items.extend(more);
    items.iter().map(|item| format!("{item}\n---\n")).collect()
}

/// The migrated control plane is signed for by what signed before, and is accepted.
fn is_taken_over(turn: &Turn, namespace: &str, files: &Files, replicas: u64) {
    let cluster = turn.cluster;
    let upgraded = linkerd(cluster, ["-L", namespace, "upgrade"]);
    assert!(upgraded.err.contains("This control plane was installed by Linkerd 2."), "{}", upgraded.err);
    let rendered = upgraded.ok();
    let destination = documents(&rendered)
        .into_iter()
        .find(|object| object["kind"] == "Deployment" && object["metadata"]["name"] == "linkerd-destination");
    assert_eq!(destination.unwrap()["spec"]["replicas"], replicas);
    apply(cluster, &rendered);
    let issuer = live(cluster, namespace, "secret", "linkerd-identity-issuer");
    assert_eq!(decoded(&issuer["data"]["crt.pem"]).trim(), files.issuer.trim());
    assert_eq!(decoded(&issuer["data"]["key.pem"]).trim(), files.key.trim());
    let roots = live(cluster, namespace, "configmap", "linkerd-identity-trust-roots");
    assert_eq!(roots["data"]["ca-bundle.crt"].as_str().unwrap().trim(), files.anchors.trim());
    // From now on it is an install of ours.
    let again = linkerd(cluster, ["-L", namespace, "upgrade", "--diff"]);
    assert_eq!(again.code, 0, "{}{}", again.out, again.err);
}

#[test]
fn an_install_of_2_8_is_taken_over() {
    let turn = Turn::take();
    let files = Files::of("eight");
    let global = json!({"linkerdNamespace": "eight", "cniEnabled": false, "version": "stable-2.8.1",
        "clusterDomain": "cluster.local", "identityContext": {"trustDomain": "cluster.local",
        "trustAnchorsPem": files.anchors, "issuanceLifetime": "86400s", "clockSkewAllowance": "20s",
        "scheme": "linkerd.io/tls"}});
    let proxy = json!({"inboundPort": {"port": 4143}, "outboundPort": {"port": 4140}, "proxyUid": "2102",
        "logLevel": {"level": "warn,linkerd=info"}, "disableExternalProfiles": true});
    let install =
        json!({"cliVersion": "stable-2.8.1", "flags": [{"name": "controller-replicas", "value": "2"}]});
    let config =
        json!({"global": global.to_string(), "proxy": proxy.to_string(), "install": install.to_string()});
    apply(turn.cluster, &records("eight", &files, config, json!({}), Vec::new()));
    is_taken_over(&turn, "eight", &files, 2);
}

#[test]
fn an_install_of_2_9_is_taken_over() {
    let turn = Turn::take();
    let files = Files::of("nine");
    let values = json!({"global": {"identityTrustAnchorsPEM": files.anchors}});
    let overrides = json!({"controllerReplicas": 2, "global": {"proxy": {"logLevel": "debug"}}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "linkerd-config-overrides", "namespace": "nine"},
        "stringData": {"linkerd-config-overrides": overrides.to_string()}});
    apply(
        turn.cluster,
        &records("nine", &files, json!({"values": values.to_string()}), json!({}), vec![secret]),
    );
    is_taken_over(&turn, "nine", &files, 2);
}

#[test]
fn an_install_by_helm_is_refused() {
    let turn = Turn::take();
    let files = Files::of("helmed");
    let values = json!({"identityTrustAnchorsPEM": files.anchors}).to_string();
    let annotations =
        json!({"meta.helm.sh/release-name": "mesh", "meta.helm.sh/release-namespace": "helmed"});
    apply(turn.cluster, &records("helmed", &files, json!({"values": values}), annotations, Vec::new()));
    let said = linkerd(turn.cluster, ["-L", "helmed", "upgrade"]).refused();
    assert!(
        said.starts_with(
            "\u{d7} Failed to build upgrade configuration: this control plane was installed by Helm and cannot be \
             upgraded by this command\n"
        ),
        "{said}"
    );
    assert!(said.contains("helm uninstall"), "{said}");
}
