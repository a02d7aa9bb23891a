//! How fast documents are split, scanned and edited, beside the YAML library on the same input in the same run.
#![expect(clippy::print_stdout, reason = "a benchmark reports on stdout")]

use std::{hint::black_box, time::Instant};

use mesh_yaml::{Buffer, Op, Splitter, Tree, View, apply, from_str};
use serde_json::{Value, json};

/// A deployment as people write them.
const DEPLOYMENT: &str = "\
---
# Serves the shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop-web
  namespace: shop
  labels:
    app.kubernetes.io/name: web
    app.kubernetes.io/part-of: shop
    app.kubernetes.io/version: v11
  annotations:
    example.com/owner: 'team-shop'
spec:
  replicas: 3
  selector:
    matchLabels:
      app: web
      version: v11
  strategy:
    rollingUpdate: {maxSurge: 25%, maxUnavailable: 0}
  template:
    metadata:
      labels:
        app: web
        version: v11
    spec:
      serviceAccountName: web
      terminationGracePeriodSeconds: 30
      containers:
      # the one that answers
      - name: web
        image: registry.example.com/shop/web:v11
        imagePullPolicy: IfNotPresent
        command: [\"/bin/web\", \"--listen\", \"0.0.0.0:8080\"]
        env:
        - name: CATALOG_HOST
          value: catalog.shop:8080
        - name: CHECKOUT_HOST
          value: \"checkout.shop:8080\"
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        ports:
        - containerPort: 8080
          name: http
        - containerPort: 9090
          name: metrics
        livenessProbe:
          httpGet:
            path: /healthz
            port: 8080
          initialDelaySeconds: 10
        resources:
          requests:
            cpu: 100m
            memory: 64Mi
          limits:
            memory: 256Mi
        volumeMounts:
        - mountPath: /etc/web
          name: config
      volumes:
      - name: config
        configMap:
          name: web-config
";

/// Documents in the measured stream.
const COUNT: usize = 4_000;

fn main() {
    let stream = DEPLOYMENT.repeat(COUNT);
    let ops = ops();
    let library = measure("library: read to values", &stream, |text| {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple_with_options(text, serde_saphyr::options! { budget: None })
                .expect("the deployment reads");
        documents.len()
    });
    let results = [
        measure("facade: read to values", &stream, |text| {
            mesh_yaml::from_stream(text).expect("the deployment reads").len()
        }),
        measure("split", &stream, |text| each(text, |document| document.len())),
        measure("split + scan", &stream, |text| {
            let mut buffer = Buffer::default();
            each(text, |document| {
                let tree = Tree::parse_in(document, std::mem::take(&mut buffer)).expect("scans");
                let count = tree.root().count();
                buffer = tree.into_buffer();
                count
            })
        }),
        measure("split + scan + 10 changes", &stream, |text| {
            let mut buffer = Buffer::default();
            let mut out = Vec::new();
            each(text, |document| {
                out.clear();
                let tree = Tree::parse_in(document, std::mem::take(&mut buffer)).expect("scans");
                apply(&tree, &ops, &mut out).expect("edits");
                buffer = tree.into_buffer();
                out.len()
            })
        }),
    ];
    println!("\nbeside the library: {}", results.map(|rate| format!("{:.1}x", rate / library)).join(", "));
    assert!(from_str(DEPLOYMENT).is_ok());
}

/// Splits a stream and sums what is found in each document.
fn each(text: &str, mut act: impl FnMut(&str) -> usize) -> usize {
    let mut splitter = Splitter::new(std::io::BufReader::with_capacity(256 << 10, text.as_bytes()));
    let mut sum = 0;
    while let Some(document) = splitter.next_document().expect("splits") {
        sum += act(document.text);
    }
    sum
}

/// Best of five rounds, in MB/s.
fn measure(name: &str, text: &str, mut run: impl FnMut(&str) -> usize) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        black_box(run(black_box(text)));
        best = best.min(start.elapsed().as_secs_f64());
    }
    let rate = text.len() as f64 / 1e6 / best;
    println!("{name:<28} {rate:>8.0} MB/s");
    rate
}

/// About what an injection changes.
fn ops() -> Vec<Op> {
    let pod = "/spec/template";
    let add = |path: &str, value: Value| Op::Add {
        path: format!("{pod}{path}").parse().expect("a pointer"),
        value,
    };
    let env: Vec<Value> =
        (0..40).map(|n| json!({"name": format!("PROXY_{n}"), "value": format!("value {n}")})).collect();
    vec![
        add("/metadata/annotations", json!({})),
        add("/metadata/annotations/example.com~1created-by", json!("cli stable-0.1.0")),
        add("/metadata/annotations/example.com~1version", json!("stable-0.1.0")),
        add("/metadata/annotations/example.com~1trust", json!("0123456789abcdef")),
        add("/metadata/labels/example.com~1deployment", json!("web")),
        add("/metadata/labels/example.com~1namespace", json!("shop")),
        add("/metadata/labels/example.com~1workload", json!("shop")),
        add("/spec/volumes/-", json!({"name": "identity", "emptyDir": {"medium": "Memory"}})),
        add(
            "/spec/volumes/-",
            json!({"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}),
        ),
        add(
            "/spec/initContainers",
            json!([
                {"name": "init", "image": "init:1", "args": ["--a", "1", "--b", "2"]},
                {"name": "proxy", "image": "proxy:1", "env": env},
            ]),
        ),
    ]
}
