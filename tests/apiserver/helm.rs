//! The same charts, installed, upgraded and removed by Helm itself.

use std::path::Path;
use std::process::Command;

use mesh_tests::cluster::Level;
use mesh_tests::cluster::build::{Group, tools};
use serde_json::Value;

use crate::identity::Files;
use crate::kit::{Turn, finish, linkerd, live};

/// Runs Helm against the turn's cluster.
fn helm(turn: &Turn, args: &[&str]) -> String {
    let program = tools(Group::Helm, Level::ApiServer).unwrap().path("helm");
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin")
        .env("KUBECONFIG", turn.cluster.kubeconfig_path())
        .args(args);
    finish(&mut command, b"").ok()
}

fn chart(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/charts").join(name).display().to_string()
}

#[test]
fn helm_installs_upgrades_and_removes_the_charts() {
    let turn = Turn::take();
    let files = Files::of("by-helm");
    let (crds, control) = (chart("linkerd-crds"), chart("linkerd2"));
    // A control plane that the command installed before would own the definitions.
    turn.clear();
    for crd in ["serviceprofiles.linkerd.io", "servers.policy.linkerd.io"] {
        let mut get = turn.cluster.kubectl(["get", "crd", crd, "--ignore-not-found", "-o", "name"]);
        let found = mesh_tests::cluster::stdout_of(&mut get).unwrap();
        if !found.trim().is_empty() {
            let label = "--selector=linkerd.io/control-plane-ns";
            let mut delete = turn.cluster.kubectl(["delete", "crd", label]);
            mesh_tests::cluster::stdout_of(&mut delete).unwrap();
            break;
        }
    }
    let sets = [
        "global.namespace=by-helm,installNamespace=false".to_owned(),
        format!("global.identityTrustAnchorsPEM={}", files.path("ca.crt").display()),
        format!("identity.issuer.tls.crtPEM={}", files.path("issuer.crt").display()),
        format!("identity.issuer.tls.keyPEM={}", files.path("issuer.key").display()),
    ];
    helm(&turn, &["install", "mesh-crds", &crds, "--namespace=by-helm", "--create-namespace"]);
    let mut args = vec!["install", "mesh", &control, "--namespace=by-helm", "--set", &sets[0]];
    for set in &sets[1..] {
        args.extend(["--set-file", set]);
    }
    helm(&turn, &args);
    let config = live(turn.cluster, "by-helm", "configmap", "linkerd-config");
    assert!(config["data"]["values"].as_str().unwrap().contains("by-helm"), "{config}");

    // The command knows whose install it is, and leaves it to Helm.
    let refused = linkerd(turn.cluster, ["-L", "by-helm", "upgrade"]).refused();
    assert!(refused.contains("installed by Helm") && refused.contains("helm upgrade"), "{refused}");

    args[0] = "upgrade";
    args.extend(["--set", "controllerLogLevel=debug"]);
    helm(&turn, &args);
    let identity = live(turn.cluster, "by-helm", "deployment", "linkerd-identity");
    assert!(identity.to_string().contains("debug"), "{identity}");

    helm(&turn, &["uninstall", "mesh", "--namespace=by-helm"]);
    helm(&turn, &["uninstall", "mesh-crds", "--namespace=by-helm"]);
    assert_eq!(live(turn.cluster, "by-helm", "deployment", "linkerd-identity"), Value::Null);
}
