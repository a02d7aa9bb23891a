//! What `inject` prints is accepted, and comes back out of what the cluster made of it.

use std::fmt::Write as _;
use std::fs;

use mesh_tests::cluster::{Cluster, stdout_of};

use crate::identity::Files;
use crate::kit::{documents, kubectl_on, linkerd, linkerd_on, namespace, tests_dir, workloads};

/// Of the corpus, what `kubectl apply` takes in no form, injected or not, with what it says.
const NOT_APPLICABLE: &[(&str, &str)] = &[
    ("job-generate-name.yaml", "cannot use generate name with apply"),
    ("list-empty.yaml", "no objects passed to apply"),
    ("x2-custom-resources.yaml", "no matches for kind"),
];

/// Really applied, one file of each kind of workload.
const SAMPLE: &[&str] = &[
    "deployment-minimal.yaml",
    "deployment-helm-noise.yaml",
    "statefulset-volume-claims.yaml",
    "daemonset-agent.yaml",
    "job.yaml",
    "cronjob.yaml",
    "replicaset.yaml",
];

#[test]
fn the_corpus_is_accepted() {
    let cluster = workloads();
    let files = Files::of("linkerd");
    let anchors = files.anchor_flag();
    for (mode, flags) in
        [("plain", vec![]), ("manual", vec!["--manual", "--ignore-cluster", anchors.as_str()])]
    {
        let own = format!("corpus-{mode}");
        namespace(cluster, &own);
        let mut accepted = 0;
        for entry in fs::read_dir(tests_dir().join("inject/corpus")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let injected = linkerd(cluster, [&["inject"], &flags[..], &[path.to_str().unwrap()]].concat());
            let original = fs::read_to_string(&path).unwrap();
            let exception = NOT_APPLICABLE.iter().find(|(file, _)| *file == name);
            let injected = injected.ok();
            let tried = dry_run(cluster, &own, &injected);
            match exception {
                Some((_, said)) => {
                    assert!(tried.code != 0 && tried.err.contains(said), "{name}: {}", tried.err)
                }
                None => {
                    accepted += 1;
                    assert_eq!(tried.code, 0, "{name} ({mode}): {}\n{original}", tried.err);
                }
            }
            if SAMPLE.contains(&name.as_str()) {
                kubectl_on(cluster, &["apply", "--namespace", &own, "-f", "-"], &injected).ok();
            }
        }
        assert!(accepted >= 60, "only {accepted} files of the corpus were accepted");
        comes_back(cluster, &own);
    }
}

fn dry_run(cluster: &Cluster, own: &str, manifests: &str) -> crate::kit::Ran {
    let mut args = vec!["apply", "--dry-run=server", "-f", "-"];
    // A manifest that names its namespace is not told another.
    let named = documents(manifests).iter().any(|object| object.pointer("/metadata/namespace").is_some());
    if !named {
        args.extend(["--namespace", own]);
    } else {
        for object in documents(manifests) {
            if let Some(name) = object.pointer("/metadata/namespace").and_then(|name| name.as_str()) {
                let _ = mesh_tests::cluster::output_of(&mut cluster.kubectl(["create", "namespace", name]));
            }
        }
    }
    kubectl_on(cluster, &args, manifests)
}

/// `kubectl get -o yaml | linkerd uninject | kubectl apply` takes the proxy out of what is there.
fn comes_back(cluster: &Cluster, own: &str) {
    let get = ["get", "deployments,statefulsets", "--namespace", own, "-o", "yaml"];
    let before = stdout_of(&mut cluster.kubectl(get)).unwrap();
    assert!(before.contains("linkerd.io/inject") || before.contains("linkerd-proxy"), "{before}");
    let clean = linkerd_on(cluster, ["uninject", "-"], &before).ok();
    for object in documents(&clean)[0]["items"].as_array().unwrap() {
        let pod = object.pointer("/spec/template").unwrap().to_string();
        assert!(!pod.contains("linkerd"), "{pod}");
    }
    let tried = kubectl_on(cluster, &["replace", "--dry-run=server", "-f", "-"], &clean);
    assert_eq!(tried.code, 0, "{}", tried.err);
}

#[test]
fn a_stream_of_5000_documents_is_injected_and_accepted() {
    let cluster = workloads();
    namespace(cluster, "stream");
    let mut text = String::new();
    for n in 0..5000 {
        writeln!(
            text,
            "---\n# number {n}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d{n}\n  namespace: stream\n\
             spec:\n  selector: {{matchLabels: {{app: d{n}}}}}\n  template:\n    metadata:\n      labels: {{app: d{n}}}\n    \
             spec:\n      containers:\n      - name: c\n        image: example/c:{n}"
        )
        .unwrap();
    }
    let anchors = Files::of("linkerd").anchors;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), anchors).unwrap();
    let flag = format!("--identity-trust-anchors-file={}", file.path().display());
    let injected = linkerd_on(cluster, ["inject", "--manual", "--ignore-cluster", &flag, "-"], &text).ok();
    let injected = documents(&injected);
    assert_eq!(injected.len(), 5000);
    // kubectl sends them one by one: every 50th stands for all.
    let sample: Vec<String> = injected.iter().step_by(50).map(ToString::to_string).collect();
    let tried = kubectl_on(cluster, &["apply", "--dry-run=server", "-f", "-"], &sample.join("\n---\n"));
    assert_eq!((tried.code, tried.out.lines().count()), (0, 100), "{}", tried.err);
}
