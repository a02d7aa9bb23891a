//! Every variant of install is accepted, by server-side dry run and for good, and applying it again changes nothing.

use std::collections::BTreeMap;
use std::time::Instant;

use mesh_tests::cluster::{Cluster, stdout_with_input};
use serde_json::Value;

use crate::identity::Files;
use crate::kit::{Turn, apply, documents, kubectl_on, linkerd, live, namespace};

/// How a variant is installed.
enum Steps {
    /// One rendering.
    Whole,
    /// `install config`, then `install control-plane`.
    Stages,
    /// The issuer is there first.
    ExternalIssuer,
    /// With identity files.
    Files,
    /// Definitions alone: `check config` would miss the rest.
    Definitions,
}

const VARIANTS: &[(&str, Steps, &[&str])] = &[
    ("default", Steps::Whole, &[]),
    ("ha", Steps::Whole, &["--ha"]),
    ("cni", Steps::Whole, &["--linkerd-cni-enabled"]),
    ("no-heartbeat", Steps::Whole, &["--disable-heartbeat"]),
    (
        "external-prometheus",
        Steps::Whole,
        &["--set", "global.prometheusUrl=http://metrics.example:9090,prometheus.enabled=false"],
    ),
    ("add-ons-on", Steps::Whole, &["--set", "tracing.enabled=true"]),
    ("add-ons-off", Steps::Whole, &["--set", "grafana.enabled=false,prometheus.enabled=false"]),
    ("registry", Steps::Whole, &["--registry", "registry.example:5000/mesh"]),
    ("crds", Steps::Definitions, &["--crds"]),
    ("stages", Steps::Stages, &[]),
    ("external-issuer", Steps::ExternalIssuer, &["--identity-external-issuer"]),
    ("identity-files", Steps::Files, &[]),
    ("json", Steps::Whole, &["-o", "json"]),
];

#[test]
fn every_variant_is_accepted_and_settles() {
    let turn = Turn::alone();
    let mut table = String::from("variant              objects  seconds\n");
    let mut golden = String::new();
    for (name, steps, flags) in VARIANTS {
        let begin = Instant::now();
        let objects = settle(&turn, name, steps, flags);
        table.push_str(
            &format_args!("{name:20} {:7}  {:6.1}\n", objects.len(), begin.elapsed().as_secs_f32())
                .to_string(),
        );
        golden.push_str(
            &format_args!("# {name}: {} objects\n{}\n\n", objects.len(), objects.join("\n")).to_string(),
        );
        turn.clear();
    }
    println!("{table}");
    insta::with_settings!({ snapshot_path => "golden", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("objects", golden);
    });
}

/// Installs one variant; returns its objects.
fn settle(turn: &Turn, name: &str, steps: &Steps, flags: &[&str]) -> Vec<String> {
    let cluster = turn.cluster;
    let own = format!("variant-{name}");
    let files = Files::of(&own);
    let mut args = vec!["-L".to_owned(), own.clone(), "install".to_owned()];
    let mut rendered = String::new();
    match steps {
        Steps::Whole | Steps::Definitions => {}
        Steps::Stages => {
            let config = linkerd(cluster, ["-L", &own, "install", "config"]).ok();
            accept(cluster, name, &config);
            rendered = config;
            args.push("control-plane".to_owned());
        }
        Steps::ExternalIssuer => {
            namespace(cluster, &own);
            stdout_with_input(&mut cluster.kubectl(["apply", "-f", "-"]), &files.external_secret(&own))
                .unwrap();
        }
        Steps::Files => args.extend(files.flags()),
    }
    args.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let last = linkerd(cluster, &args).ok();
    accept(cluster, name, &last);
    if !matches!(steps, Steps::Definitions) {
        linkerd(cluster, ["-L", &own, "check", "config", "--wait=10s"]).ok();
    }
    if matches!(steps, Steps::ExternalIssuer) {
        let secret = live(cluster, &own, "secret", "linkerd-identity-issuer");
        assert_eq!(secret["type"], "kubernetes.io/tls", "the Secret of somebody else was touched");
    }
    rendered = if rendered.is_empty() { last } else { format!("{rendered}---\n{last}") };
    names(&documents(&rendered), &own)
}

/// Dry run, apply, and apply again.
fn accept(cluster: &Cluster, name: &str, rendered: &str) {
    let objects = documents(rendered);
    if let Some(own_namespace) = objects.iter().find(|object| object["kind"] == "Namespace") {
        // Without it, a dry run refuses what goes into it.
        apply(cluster, &own_namespace.to_string());
    }
    let tried = kubectl_on(
        cluster,
        &["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"],
        rendered,
    );
    assert_eq!(tried.code, 0, "{name}: {}", tried.err);
    assert_eq!(tried.out.lines().count(), objects.len(), "{name}: {}", tried.out);
    apply(cluster, rendered);
    let before = versions(cluster, rendered);
    let again = apply(cluster, rendered);
    let changed: Vec<&str> = again
        .lines()
        .filter(|line| {
            // kubectl says so of every budget, whose selector it replaces by itself; its generation is compared below.
            !line.ends_with(" unchanged") && !line.starts_with("poddisruptionbudget.policy/")
        })
        .collect();
    assert!(changed.is_empty(), "{name}: a second apply changes {changed:?}");
    assert_eq!(before, versions(cluster, rendered), "{name}: a second apply changes versions");
}

/// The resource version of every live object; of those whose status a controller writes, the generation.
fn versions(cluster: &Cluster, rendered: &str) -> BTreeMap<String, Value> {
    let found = kubectl_on(cluster, &["get", "-o", "json", "-f", "-"], rendered);
    let list: Value = serde_json::from_str(&found.ok()).unwrap();
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|object| {
            let kind = object["kind"].as_str().unwrap();
            let watched =
                ["Deployment", "CronJob", "PodDisruptionBudget", "CustomResourceDefinition", "APIService"];
            let version = if watched.contains(&kind) { "generation" } else { "resourceVersion" };
            let name = &object["metadata"]["name"];
            (
                format!("{kind}/{name} in {}", object["metadata"]["namespace"]),
                object["metadata"][version].clone(),
            )
        })
        .collect()
}

/// `kind/name` of every object, sorted; the control plane's namespace is written NS.
fn names(objects: &[Value], own: &str) -> Vec<String> {
    let mut names: Vec<String> = objects
        .iter()
        .map(|object| {
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            format!("{}/{}", text("/kind"), text("/metadata/name")).replace(own, "NS")
        })
        .collect();
    names.sort();
    names
}
