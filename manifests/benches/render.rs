//! What rendering costs: a whole install, cold and warm, and one sidecar.
//!
//! `cargo bench -p manifests --bench render`. The targets: an install well under 40 ms, a sidecar in the hundreds of microseconds.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use manifests::sidecar::Renderer;
use manifests::values::coalesce;
use manifests::{Chart, Package, Release, schema};
use serde_json::{Value, json};

const RELEASE: Release<'static> = Release { name: "linkerd", namespace: "linkerd", kube_version: "v1.33.0" };

/// The values of a default install.
fn values() -> Value {
    let set = json!({
        "global": {"identityTrustAnchorsPEM": "-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n"},
        "identity": {"issuer": {"tls": {"crtPEM": "certificate", "keyPEM": "key"}}},
    });
    coalesce(Chart::Control.defaults().expect("the chart compiles"), &set)
}

fn install(criterion: &mut Criterion) {
    let values = values();
    let files: Vec<_> = Chart::Control
        .paths()
        .into_iter()
        .map(|path| {
            let text = Chart::Control.file(&path).expect("the file is embedded");
            (path, text)
        })
        .collect();
    criterion.bench_function("compile the chart", |bencher| {
        bencher.iter(|| Package::new("linkerd2", black_box(files.clone())));
    });
    criterion.bench_function("render an install", |bencher| {
        bencher.iter(|| manifests::render(Chart::Control, black_box(&values), &RELEASE));
    });
    criterion.bench_function("render the text of an install", |bencher| {
        let package = Chart::Control.package().expect("the chart compiles");
        bencher.iter(|| package.texts(black_box(&values), &RELEASE));
    });
    criterion.bench_function("check the values of an install", |bencher| {
        bencher.iter(|| schema::check(Chart::Control, black_box(&values)));
    });
}

fn sidecar(criterion: &mut Criterion) {
    let renderer = Renderer::new(&values()).expect("the chart compiles");
    let overrides =
        json!({"global": {"proxy": {"logLevel": "debug", "resources": {"cpu": {"request": "100m"}}}}});
    let pod = json!({"workload": "web", "inboundPorts": "8080,9090"});
    criterion.bench_function("render a sidecar", |bencher| {
        bencher.iter(|| renderer.render(black_box(&overrides), black_box(&pod)));
    });
}

criterion_group!(benches, install, sidecar);
criterion_main!(benches);
