//! The definitions against the objects of `tests/crds`: what is accepted, what is refused and why, what is defaulted.

use mesh_tests::cluster::{output_of, stdout_of};
use serde_json::Value;

use crate::kit::{Ran, documents, kubectl_on, workloads};

const NAMESPACE: &str = "crds";

/// Runs kubectl on one document in the namespace of these tests.
fn try_out(document: &Value, args: &[&str]) -> Ran {
    let cluster = workloads();
    // An error means that it exists already, which is as good.
    let _ = output_of(&mut cluster.kubectl(["create", "namespace", NAMESPACE]));
    let args: Vec<_> = args.iter().copied().chain(["--namespace", NAMESPACE, "--filename=-"]).collect();
    kubectl_on(cluster, &args, &document.to_string())
}

fn title(document: &Value) -> String {
    let text = |pointer| document.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    format!("{} {} {}", text("/apiVersion"), text("/kind"), text("/metadata/name"))
}

fn note<'a>(document: &'a Value, name: &str) -> &'a str {
    document["metadata"]["annotations"][name]
        .as_str()
        .unwrap_or_else(|| panic!("{} lacks {name}", title(document)))
}

#[test]
fn objects_of_every_kind_and_version_are_accepted() {
    let documents = documents(include_str!("../crds/accepted.yaml"));
    assert!(documents.len() >= 27, "only {} documents", documents.len());
    for document in &documents {
        let args = ["apply", "--server-side", "--dry-run=server", "--validate=strict"];
        let ran = try_out(document, &args);
        assert_eq!(ran.code, 0, "{}: {}", title(document), ran.err);
        let old = ["v1alpha1", "v1beta1"].iter().any(|version| {
            let server = format!("policy.linkerd.io/{version} Server ");
            title(document).starts_with(&server)
        }) || title(document).starts_with("policy.linkerd.io/v1alpha1 ServerAuthorization ");
        assert_eq!(ran.err.contains("is deprecated"), old, "{}: {}", title(document), ran.err);
    }
}

#[test]
fn objects_that_make_no_sense_are_refused_by_name() {
    let documents = documents(include_str!("../crds/refused.yaml"));
    assert!(documents.len() >= 33, "only {} documents", documents.len());
    for document in &documents {
        let expected = note(document, "tests.mesh/refused-with");
        let ran = try_out(document, &["create", "--dry-run=server", "--validate=strict"]);
        assert_ne!(ran.code, 0, "{} is accepted", title(document));
        assert!(ran.err.contains(expected), "{}: {expected} is missing in {}", title(document), ran.err);
    }
}

#[test]
fn objects_read_back_have_their_defaults() {
    for document in documents(include_str!("../crds/defaults.yaml")) {
        let name = try_out(&document, &["apply", "--output=name"]).ok();
        let mut get = workloads().kubectl(["get", name.trim(), "--namespace", NAMESPACE, "--output=json"]);
        let read: Value = serde_json::from_str(&stdout_of(&mut get).unwrap()).unwrap();
        let expected: Value = serde_json::from_str(note(&document, "tests.mesh/reads")).unwrap();
        for (pointer, value) in expected.as_object().unwrap() {
            assert_eq!(read.pointer(pointer), Some(value), "{} {pointer}", title(&document));
        }
    }
}

#[test]
fn every_definition_is_in_good_order() {
    let mut get = workloads().kubectl(["get", "crd", "--output=json"]);
    let list: Value = serde_json::from_str(&stdout_of(&mut get).unwrap()).unwrap();
    let ours = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|definition| definition["metadata"]["labels"]["linkerd.io/control-plane-ns"].is_string());
    let mut count = 0;
    for definition in ours {
        count += 1;
        for condition in definition["status"]["conditions"].as_array().unwrap() {
            let kind = condition["type"].as_str().unwrap();
            let good = if ["Established", "NamesAccepted"].contains(&kind) { "True" } else { "False" };
            assert_eq!(condition["status"], good, "{}: {condition}", definition["metadata"]["name"]);
        }
    }
    assert_eq!(count, 12);
}
