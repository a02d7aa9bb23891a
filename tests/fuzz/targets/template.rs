//! Any template renders or fails with a place; none runs forever.
#![no_main]

use manifests::{Package, Release};
use serde_json::json;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let files = [("Chart.yaml", "name: c\nversion: 0.1.0\n"), ("templates/a.yaml", text)];
    let Ok(package) = Package::new("c", files) else { return };
    let values = json!({"a": 1, "b": "text", "c": [1, "2", null], "d": {"e": true, "f": {"g": []}}});
    let release = Release { name: "r", namespace: "n", kube_version: "v1.33.0" };
    let _ = package.texts(&values, &release);
});
