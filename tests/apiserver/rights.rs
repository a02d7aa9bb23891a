//! Whose rights count, and which control plane is meant.

use crate::kit::{command, finish, linkerd, workloads};

#[test]
fn impersonation_is_honoured() {
    let cluster = workloads();
    let said = linkerd(cluster, ["-L", "alias", "install", "--as", "nobody"]).refused();
    assert!(said.contains("User \"nobody\" cannot"), "{said}");
    linkerd(cluster, ["-L", "alias", "install", "--as", "nobody", "--as-group", "system:masters"]).ok();
}

#[test]
fn a_context_is_taken_by_name() {
    let cluster = workloads();
    let said = linkerd(cluster, ["install", "--context", "elsewhere"]).refused();
    assert!(said.contains("elsewhere"), "{said}");
    let name = mesh_tests::cluster::stdout_of(&mut cluster.kubectl(["config", "current-context"])).unwrap();
    linkerd(cluster, ["-L", "named", "install", "--context", name.trim()]).ok();
}

#[test]
fn the_flag_beats_the_environment() {
    let cluster = workloads();
    let run = |args: &[&str]| {
        let mut linkerd = command(&cluster.kubeconfig_path());
        finish(linkerd.env("LINKERD_NAMESPACE", "from-environment").args(args), b"").ok()
    };
    assert!(run(&["install"]).contains("namespace: from-environment\n"));
    let flagged = run(&["-L", "from-flag", "install"]);
    assert!(flagged.contains("namespace: from-flag\n") && !flagged.contains("from-environment"));
}
