//! The whole mesh on nodes where pods run: images from scratch, the control plane as `linkerd install` writes it, workloads that the
//! webhook injects.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod faults;
mod kit;
mod plugin;
mod shop;
mod users;
mod wire;

use std::time::Duration;

use kit::Mesh;
use shop::Shop;
use wire::Wire;

/// Their images are other people's, and no registry is at hand.
const OWN_IMAGES_ONLY: [&str; 4] = ["--set", "prometheus.enabled=false", "--set", "grafana.enabled=false"];

#[test]
fn a_mesh_comes_up_encrypts_denies_shows_it_and_survives() {
    let mesh = Mesh::start();
    let shop = Shop::open(&mesh);
    mesh.linkerd(&["check", "--pre", "--wait=10s"]).expect_success();
    install(&mesh, &[]);

    let wire = Wire::tap(&mesh);
    let containers = shop.join_the_mesh();
    assert_eq!(containers.matches("linkerd-init").count(), 3, "{containers}");
    shop.trades();
    wire.judge(&mesh);
    shop.is_encrypted();
    shop.is_seen("rps", ":status=200");
    shop.is_guarded();
    shop.jobs_end();
    users::heartbeat(&mesh);
    users::without_rights(&mesh, shop.client());
    mesh.linkerd(&["check", "--proxy", "-n", "shop", "--wait=60s"]).expect_success();

    faults::components_are_killed(&mesh, shop.client());
    faults::identity_is_gone(&mesh, shop.client());
    faults::issuer_is_of_somebody_else(&mesh, shop.client());
    faults::tap_is_gone(&mesh);
    faults::injector_is_gone(&mesh);
    faults::api_server_is_gone(&mesh, shop.client());
    uninstall(&mesh);
}

#[test]
fn with_the_cni_plugin_pods_are_redirected_without_rights_of_their_own() {
    let mesh = Mesh::start();
    let shop = Shop::open(&mesh);
    plugin::install(&mesh);
    mesh.linkerd(&["check", "--pre", "--linkerd-cni-enabled", "--wait=10s"]).expect_success();
    install(&mesh, &["--linkerd-cni-enabled"]);

    let wire = Wire::tap(&mesh);
    let containers = shop.join_the_mesh();
    assert_eq!(containers.matches("linkerd-network-validator").count(), 3, "{containers}");
    assert!(!containers.contains("linkerd-init"), "{containers}");
    let capabilities =
        "jsonpath={.items[*].spec['containers','initContainers'][*].securityContext.capabilities.add}";
    assert_eq!(mesh.kubectl(&["get", "pods", "-n", "shop", "-o", capabilities]).trim(), "");
    shop.trades();
    wire.judge(&mesh);
    shop.is_encrypted();
    shop.jobs_end();
    plugin::repairs(&mesh);
}

/// The control plane, as the guide has it.
fn install(mesh: &Mesh, flags: &[&str]) {
    let args: Vec<&str> = ["install"].iter().chain(&OWN_IMAGES_ONLY).chain(flags).copied().collect();
    mesh.apply(&mesh.linkerd(&args).expect_success());
    mesh.rollout("linkerd", Duration::from_secs(240));
    mesh.linkerd(&["check", "--wait=60s"]).expect_success();
}

/// Nothing of it is left, and it says so where it may not go yet.
fn uninstall(mesh: &Mesh) {
    let refused = mesh.linkerd(&["uninstall"]);
    assert!(refused.code != 0 && refused.text.contains("shop"), "{}", refused.text);
    mesh.kubectl(&["delete", "namespace", "shop", "--timeout=90s"]);
    let manifests = mesh.linkerd(&["uninstall"]).expect_success();
    mesh.delete(&manifests);
    let owned = [
        "clusterroles,clusterrolebindings,apiservices,crds,validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
    ];
    let left = mesh.kubectl(&["get", &owned.join(","), "-o", "name"]);
    assert!(!left.contains("linkerd"), "{left}");
    mesh.linkerd(&["check", "--pre", "--wait=10s"]).expect_success();
}
