//! How fast manifests pass through injection, in bytes of input a second.
//!
//! `cargo bench -p mesh-inject`; the goal for the plain mode is 100 MB/s.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mesh_inject::{Cached, ChartSource, Flags, Format, Mode, Pipeline, Settings, Spool, Task};

/// A stream of Deployments with Services and ConfigMaps between them, as charts render them.
fn stream(documents: usize) -> String {
    (0..documents)
        .map(|number| match number % 4 {
            0 => format!(
                "---\n# Source: shop/templates/service.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  name: web-{number}\n  labels:\n    app.kubernetes.io/name: web\nspec:\n  selector:\n    app: web-{number}\n  ports:\n    - name: http\n      port: 80\n      targetPort: 8080\n"
            ),
            1 => format!(
                "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings-{number}\ndata:\n  app.properties: |\n    color=blue\n    depth=3\n    greeting=hello there\n"
            ),
            _ => format!(
                "---\n# Source: shop/templates/deployment.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-{number}\n  labels:\n    app.kubernetes.io/name: web\n    app.kubernetes.io/managed-by: Helm\nspec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: web-{number}\n  template:\n    metadata:\n      labels:\n        app: web-{number}\n    spec:\n      containers:\n        - name: web\n          image: \"registry.example.com/shop/web:1.2.{number}\"\n          imagePullPolicy: IfNotPresent\n          env:\n            - name: DATABASE_URL\n              value: postgres://db:5432/shop\n            - name: POD_IP\n              valueFrom:\n                fieldRef:\n                  fieldPath: status.podIP\n          ports:\n            - name: http\n              containerPort: 8080\n              protocol: TCP\n          livenessProbe:\n            httpGet:\n              path: /healthz\n              port: http\n          resources:\n            requests:\n              cpu: 100m\n              memory: 64Mi\n"
            ),
        })
        .collect()
}

fn pass(task: Task<'_>, text: &str) -> usize {
    let mut spool = Spool::new();
    let mut notices = 0;
    Pipeline::new(task, Format::Text)
        .run("bench", text.as_bytes(), &mut spool, &mut |_| notices += 1)
        .expect("the stream is good");
    black_box(spool);
    notices
}

fn benches(criterion: &mut Criterion) {
    let text = stream(5_000);
    let settings: Settings = Flags::default().settings("linkerd/cli bench".to_owned()).expect("no flags");
    let values = manifests::Chart::Control.file("values.yaml").expect("the chart has values");
    let values = mesh_yaml::from_str(&values).expect("the values are YAML");
    let source = Cached::new(ChartSource::new(values).expect("the chart compiles"));
    let mut group = criterion.benchmark_group("inject");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(text.len() as u64));
    let plain = Task::Inject { settings: &settings, mode: Mode::Annotate };
    group.bench_function("plain", |bencher| bencher.iter(|| pass(plain, &text)));
    let manual = Task::Inject { settings: &settings, mode: Mode::Manual { source: &source } };
    group.bench_function("manual", |bencher| bencher.iter(|| pass(manual, &text)));
    group.bench_function("uninject", |bencher| bencher.iter(|| pass(Task::Uninject, &text)));
    group.finish();
}

criterion_group!(inject, benches);
criterion_main!(inject);
