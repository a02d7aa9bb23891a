//! Any annotations of ours on a pod end in a pod whose containers render, or an error that names one.
#![no_main]

use std::cell::LazyCell;

use mesh_core::names::annotations::ALL;
use mesh_inject::{Cached, ChartSource, Mode, inject};
use serde_json::{Map, Value, json};

mod support;

thread_local! {
    static SOURCE: LazyCell<Cached<ChartSource>> = LazyCell::new(support::source);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut annotations = Map::new();
    for piece in bytes.split(|&byte| byte == b'\n') {
        let Some((&index, value)) = piece.split_first() else { continue };
        let name = ALL[usize::from(index) % ALL.len()].name;
        annotations.insert(name.to_owned(), Value::from(String::from_utf8_lossy(value)));
    }
    let pod = json!({"kind": "Pod", "metadata": {"name": "p", "annotations": annotations},
        "spec": {"containers": [{"name": "a", "image": "b", "ports": [{"containerPort": 80, "name": "http"}]}]}});
    let settings = support::settings();
    SOURCE.with(|source| {
        for mode in [Mode::Annotate, Mode::Manual { source: &**source }] {
            let Ok(injected) = inject(&pod, &settings, mode) else { continue };
            mesh_yaml::apply_to_value(&mut pod.clone(), &injected.ops).expect("the patch fits the pod");
        }
    });
});
