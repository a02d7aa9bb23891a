//! The samples of `tests/crds` are accepted, refused and completed as their README says.

use std::fs;

use serde_json::Value;

use crate::kit::{documents, kubectl_on, live, namespace, tests_dir, workloads};

fn sample(name: &str) -> Vec<Value> {
    let objects = documents(&fs::read_to_string(tests_dir().join("crds").join(name)).unwrap());
    let objects: Vec<Value> = objects.into_iter().filter(|object| !object.is_null()).collect();
    assert!(!objects.is_empty(), "{name} is empty");
    objects
}

fn label(object: &Value) -> String {
    format!("{} {}", object["kind"], object["metadata"]["name"])
}

fn annotation(object: &Value, key: &str) -> String {
    object["metadata"]["annotations"][key]
        .as_str()
        .unwrap_or_else(|| panic!("{}: no {key}", label(object)))
        .to_owned()
}

#[test]
fn good_samples_are_accepted() {
    namespace(workloads(), "samples-good");
    let all: Vec<String> = sample("accepted.yaml").iter().map(ToString::to_string).collect();
    let args = ["apply", "--dry-run=server", "--validate=strict", "--namespace=samples-good", "-f", "-"];
    let ran = kubectl_on(workloads(), &args, &all.join("\n---\n"));
    assert_eq!((ran.code, ran.out.lines().count()), (0, all.len()), "{}", ran.err);
}

#[test]
fn bad_samples_are_refused() {
    namespace(workloads(), "samples-bad");
    for object in sample("refused.yaml") {
        let expected = annotation(&object, "tests.mesh/refused-with");
        let args = ["apply", "--dry-run=server", "--validate=strict", "--namespace=samples-bad", "-f", "-"];
        let ran = kubectl_on(workloads(), &args, &object.to_string());
        assert_ne!(ran.code, 0, "{} is accepted", label(&object));
        assert!(ran.err.contains(&expected), "{}: {expected:?} is not in {}", label(&object), ran.err);
    }
}

#[test]
fn defaults_are_filled_in() {
    namespace(workloads(), "samples-defaults");
    for object in sample("defaults.yaml") {
        let expected: Value = serde_json::from_str(&annotation(&object, "tests.mesh/reads")).unwrap();
        // Other versions of a kind are read back in the one that is asked for, so it is kept and then read.
        kubectl_on(workloads(), &["apply", "--namespace=samples-defaults", "-f", "-"], &object.to_string())
            .ok();
        let kind = object["kind"].as_str().unwrap().to_lowercase();
        let read = live(workloads(), "samples-defaults", &kind, object["metadata"]["name"].as_str().unwrap());
        for (pointer, value) in expected.as_object().unwrap() {
            assert_eq!(read.pointer(pointer), Some(value), "{}: {pointer}", label(&object));
        }
    }
}
