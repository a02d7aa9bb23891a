//! Upgrade of a live control plane.

use serde_json::Value;

use crate::identity::Files;
use crate::kit::{Ran, Turn, apply, documents, linkerd, linkerd_on, live};

/// A rendered object by kind and name.
fn object(rendered: &str, kind: &str, name: &str) -> Value {
    let found = documents(rendered)
        .into_iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// What signs, as an object of the rendering says.
fn material(rendered: &str) -> [Value; 3] {
    [
        object(rendered, "Secret", "linkerd-identity-issuer")["data"].clone(),
        object(rendered, "ConfigMap", "linkerd-identity-trust-roots")["data"].clone(),
        object(rendered, "Secret", "linkerd-trust-anchor")["data"].clone(),
    ]
}

#[test]
fn settings_and_material_survive() {
    let turn = Turn::take();
    let cluster = turn.cluster;
    let upgrade = |args: &[&str]| linkerd(cluster, [&["-L", "keep", "upgrade"], args].concat());
    let installed = linkerd(cluster, ["-L", "keep", "install", "--set", "global.proxy.logLevel=debug"]).ok();
    apply(cluster, &installed);

    let same = upgrade(&["--diff"]);
    assert_eq!((same.code, same.out.as_str()), (0, ""), "{}", same.err);
    assert_eq!(same.err, "0 objects new, 0 objects changed, 0 objects left behind\nno pod restarts\n");
    assert_eq!(material(&upgrade(&[]).ok()), material(&installed));
    assert_eq!(upgrade(&[]).ok(), installed, "an upgrade without a change renders what was installed");

    let differs = upgrade(&["--diff", "--controller-replicas=2", "--controller-log-level=debug"]);
    assert_eq!(differs.code, 1, "{}", differs.err);
    assert!(differs.out.contains("-  replicas: 1\n+  replicas: 2\n"), "{}", differs.out);
    let restarts = differs.err.lines().find(|line| line.starts_with("pods restart: ")).expect(&differs.err);
    assert!(restarts.contains("deployment/linkerd-destination in keep"), "{restarts}");
    let key = object(&installed, "Secret", "linkerd-trust-anchor")["data"].to_string();
    assert!(!differs.out.contains(&key), "keys are shown");

    apply(cluster, &upgrade(&["--controller-replicas=2"]).ok());
    apply(cluster, &upgrade(&["--set", "disableHeartBeat=true"]).ok());
    let third = upgrade(&[]).ok();
    assert_eq!(object(&third, "Deployment", "linkerd-destination")["spec"]["replicas"], 2);
    assert!(!third.contains("kind: CronJob"));
    assert!(third.contains("logLevel: debug"));
    assert_eq!(material(&third), material(&installed));

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &third).unwrap();
    assert_eq!(upgrade(&["--from-manifests", file.path().to_str().unwrap()]).ok(), third);
    let piped = linkerd_on(cluster, ["-L", "keep", "upgrade", "--from-manifests", "-"], &third).ok();
    assert_eq!(piped, third);
    // The stages hold all of it, in an order of their own.
    let sorted = |text: &str| {
        let mut texts: Vec<String> = documents(text).iter().map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    let stages = format!(
        "{}---
{}",
        upgrade(&["config"]).ok(),
        upgrade(&["control-plane"]).ok()
    );
    assert_eq!(sorted(&stages), sorted(&third));
}

#[test]
fn add_on_settings_are_kept_unless_overwritten() {
    let turn = Turn::take();
    let cluster = turn.cluster;
    let upgrade = |args: &[&str]| linkerd(cluster, [&["-L", "addons", "upgrade"], args].concat()).ok();
    apply(cluster, &linkerd(cluster, ["-L", "addons", "install", "--set", "grafana.enabled=false"]).ok());
    let grafana = |rendered: &str| {
        documents(rendered)
            .iter()
            .any(|object| object["kind"] == "Deployment" && object["metadata"]["name"] == "linkerd-grafana")
    };
    assert!(!grafana(&upgrade(&[])));
    assert!(grafana(&upgrade(&["--addon-overwrite"])));
}

#[test]
fn the_issuer_is_replaced_only_by_one_that_works() {
    let turn = Turn::take();
    let cluster = turn.cluster;
    let (old, new) = (Files::of("issuer"), Files::of("issuer"));
    let run = |command: &str, flags: &[String]| -> Ran {
        let mut args = vec!["-L".to_owned(), "issuer".to_owned(), command.to_owned()];
        args.extend_from_slice(flags);
        linkerd(cluster, &args)
    };
    apply(cluster, &run("install", &old.flags()).ok());
    let said = run("upgrade", &new.issuer_flags()).refused();
    assert!(
        said.starts_with(
            "\u{d7} Failed to build upgrade configuration: issuer certificate does not work with the provided \
             anchors: "
        ),
        "{said}"
    );
    run("upgrade", &[&new.issuer_flags()[..], &["--force".to_owned()]].concat()).ok();
    run("upgrade", &[new.anchor_flag()]).refused();

    let replaced = run("upgrade", &new.flags()).ok();
    apply(cluster, &replaced);
    let secret = live(cluster, "issuer", "secret", "linkerd-identity-issuer");
    let crt = crate::kit::decoded(&secret["data"]["crt.pem"]);
    assert_eq!(crt.trim(), new.issuer.trim());
    let roots = live(cluster, "issuer", "configmap", "linkerd-identity-trust-roots");
    assert_eq!(roots["data"]["ca-bundle.crt"].as_str().unwrap().trim(), new.anchors.trim());
}

#[test]
fn expired_material_is_replaced() {
    let turn = Turn::take();
    let cluster = turn.cluster;
    let (old, new) = (Files::of("expired"), Files::of("expired"));
    let mut install = vec!["-L".to_owned(), "expired".to_owned(), "install".to_owned()];
    install.extend(old.flags());
    apply(cluster, &linkerd(cluster, &install).ok());
    // No install takes expired files, so time is made to pass in the cluster.
    let ended = Files::expired("expired");
    let records = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "linkerd-identity-issuer", "namespace": "expired"},
         "stringData": {"crt.pem": ended.issuer, "key.pem": ended.key}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "linkerd-identity-trust-roots", "namespace": "expired"},
         "data": {"ca-bundle.crt": ended.anchors}},
    ]});
    crate::kit::kubectl_on(
        cluster,
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        &records.to_string(),
    )
    .ok();

    let mut upgrade = vec!["-L".to_owned(), "expired".to_owned(), "upgrade".to_owned()];
    let kept = linkerd(cluster, &upgrade);
    assert!(kept.err.contains("the issuer does not work with the trust anchors: "), "{}", kept.err);
    upgrade.extend(new.flags());
    let replaced = linkerd(cluster, &upgrade).ok();
    let roots = object(&replaced, "ConfigMap", "linkerd-identity-trust-roots");
    assert_eq!(roots["data"]["ca-bundle.crt"].as_str().unwrap().trim(), new.anchors.trim());
    apply(cluster, &replaced);
    let fine = linkerd(cluster, ["-L", "expired", "upgrade", "--diff"]);
    assert_eq!(fine.code, 0, "{}{}", fine.out, fine.err);
}

#[test]
fn nothing_is_upgraded_where_nothing_is() {
    let turn = Turn::take();
    let said = linkerd(turn.cluster, ["-L", "void", "upgrade"]).refused();
    assert!(
        said.contains("no control plane is installed in namespace void: ConfigMap linkerd-config not found"),
        "{said}"
    );
    assert_eq!(linkerd(turn.cluster, ["-L", "void", "upgrade", "--diff"]).code, 2);
}
