//! `check --pre` for an administrator, for somebody with few rights, and against nobody.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kit::{Turn, apply, linkerd, linkerd_as, workloads};

const DEAD: &str = "\
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
";

#[test]
fn an_administrator_may_install() {
    let cluster = workloads();
    let table = linkerd(cluster, ["-L", "not-yet", "check", "--pre", "--wait=20s"]).ok();
    for line in ["\u{221a} can create ServiceAccounts", "\u{221a} has NET_ADMIN capability"] {
        assert!(table.lines().any(|found| found == line), "{table}");
    }
    assert!(!table.contains('\u{d7}'), "{table}");
    let json = linkerd(cluster, ["-L", "not-yet", "check", "--pre", "-o", "json"]).ok();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["success"], true);
    let ids: Vec<&str> =
        json["categories"].as_array().unwrap().iter().map(|c| c["categoryName"].as_str().unwrap()).collect();
    assert_eq!(
        ids[..4],
        ["kubernetes-api", "kubernetes-version", "pre-kubernetes-setup", "pre-kubernetes-capability"]
    );
    let short = linkerd(cluster, ["-L", "not-yet", "check", "--pre", "-o", "short"]).ok();
    assert!(
        !short.contains("can create ServiceAccounts") && short.contains("Status check results are \u{221a}"),
        "{short}"
    );
}

#[test]
fn too_few_rights_are_told_line_by_line() {
    let cluster = workloads();
    let weak = cluster.kubeconfig_for_user("weak", &[]).unwrap();
    let ran = linkerd_as(&weak, ["-L", "not-yet", "check", "--pre", "--wait=1s"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    for (check, kind) in [
        ("ServiceAccounts", "serviceaccounts"),
        ("Services", "services"),
        ("Deployments", "deployments.apps"),
        ("CronJobs", "cronjobs.batch"),
        ("ConfigMaps", "configmaps"),
        ("Secrets", "secrets"),
    ] {
        let lines = format!(
            "\u{d7} can create {check}\n    not authorized to access {kind}\n    see \
             https://linkerd.io/checks/#pre-k8s for hints\n"
        );
        assert!(ran.out.contains(&lines), "{}", ran.out);
    }
    let denied = "cannot create ClusterRole linkerd-not-yet-identity: clusterroles.rbac.authorization.k8s.io is \
                  forbidden: User \"weak\" cannot create resource \"clusterroles\"";
    assert!(ran.out.contains(denied), "{}", ran.out);
    assert!(ran.out.contains("Status check results are \u{d7}"), "{}", ran.out);
    let json = linkerd_as(&weak, ["-L", "not-yet", "check", "--pre", "-o", "json", "--wait=1s"]);
    assert_eq!(json.code, 1);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap()["success"], false);
}

#[test]
fn a_dead_server_fails_in_time() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), DEAD).unwrap();
    let begin = Instant::now();
    let ran = linkerd_as(file.path(), ["check", "--pre", "--wait=2s"]);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("\u{d7} can query the Kubernetes API\n    cannot query the Kubernetes API: "),
        "{}",
        ran.out
    );
    let said = linkerd_as(file.path(), ["install"]).refused();
    assert!(
        said.starts_with(
            "Unable to install the Linkerd control plane. Cannot connect to the Kubernetes cluster:\n\n"
        ) && said.ends_with(
            "You can use the --ignore-cluster flag if you just want to generate the installation config.\n"
        ),
        "{said}"
    );
    for command in ["upgrade", "uninstall"] {
        let said = linkerd_as(file.path(), [command]).refused();
        assert!(said.contains("Connection refused"), "{said}");
    }
}

#[test]
fn the_cni_plugin_is_asked_for() {
    let turn = Turn::take();
    let cluster = turn.cluster;
    let check =
        || linkerd(cluster, ["-L", "cni-pre", "check", "--pre", "--linkerd-cni-enabled", "--wait=1s"]);
    let before = check();
    assert_eq!(before.code, 1, "{}", before.out);
    assert!(before.out.contains("linkerd-cni"), "{}", before.out);
    let plugin = linkerd(cluster, ["install-cni"]).ok();
    apply(cluster, &plugin);
    let again = apply(cluster, &plugin);
    assert!(again.lines().all(|line| line.ends_with(" unchanged")), "{again}");
    let after = check();
    let passes = |ran: &crate::kit::Ran| ran.out.lines().filter(|line| line.starts_with('\u{221a}')).count();
    assert!(passes(&after) > passes(&before), "{}\n{}", before.out, after.out);
}

#[test]
fn what_is_installed_but_does_not_run_is_told() {
    let turn = Turn::take();
    let cluster = turn.cluster;
    let manifest = linkerd(cluster, ["install"]).ok();
    apply(cluster, &manifest);
    let ran = linkerd(cluster, ["check", "--wait=1s"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    for line in [
        "\u{221a} 'linkerd-config' config map exists",
        "\u{221a} heartbeat ServiceAccount exist",
        "\u{d7} controller pod is running",
        "    see https://linkerd.io/checks/#l5d-existence-controller for hints",
    ] {
        assert!(ran.out.lines().any(|found| found == line), "{line}: {}", ran.out);
    }
    assert!(!ran.out.contains("linkerd-identity\n"), "what follows a fatal check is not shown: {}", ran.out);
    let json = linkerd(cluster, ["check", "--proxy", "-n", "none", "-o", "json", "--wait=1s"]);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap()["success"], false);
    let usage = linkerd(cluster, ["check", "--pre", "--proxy"]).refused();
    assert!(usage.contains("--pre and --proxy flags are mutually exclusive"), "{usage}");
}
