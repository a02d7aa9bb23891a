//! Manifests that nobody wrote: every shape of a pod, in every style of YAML, and streams of thousands.

use mesh_inject::{Format, Mode, Notice, Pipeline, Spool, Task};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::corpus::{inject, settings, source, uninject};

/// A field that may be absent, null, empty or full.
fn field(full: Value) -> impl Strategy<Value = Option<Value>> {
    let empty = if full.is_array() { json!([]) } else { json!({}) };
    prop_oneof![
        Just(None),
        Just(Some(Value::Null)),
        Just(Some(empty)),
        Just(Some(full.clone())),
        Just(Some(full))
    ]
}

prop_compose! {
    fn pod()(
        annotations in field(json!({"example.com/a": "1", "b": "y"})),
        labels in field(json!({"app": "x", "tier": "web"})),
        metadata in prop_oneof![Just(true), Just(true), Just(false)],
        init in field(json!([{"name": "i", "image": "i:1"}])),
        volumes in field(json!([{"name": "podinfo", "emptyDir": {}}, {"name": "v", "emptyDir": {}}])),
        order in any::<bool>(),
        ports in prop::collection::vec(1_u16.., 0..3),
    ) -> Value {
        let mut meta = Map::new();
        for (key, value) in [("annotations", annotations), ("labels", labels)] {
            if let Some(value) = value {
                meta.insert(key.to_owned(), value);
            }
        }
        let ports: Vec<Value> = ports.into_iter().map(|port| json!({"containerPort": port})).collect();
        let mut spec = Map::new();
        if order {
            spec.insert("containers".to_owned(), json!([{"name": "c", "image": "c:1", "ports": ports}]));
        }
        for (key, value) in [("initContainers", init), ("volumes", volumes)] {
            if let Some(value) = value {
                spec.insert(key.to_owned(), value);
            }
        }
        if !order {
            spec.insert("containers".to_owned(), json!([{"name": "c", "args": ["a: b", "- c", "# d", "on", "1e3"]}]));
        }
        let mut pod = Map::new();
        if metadata {
            pod.insert("metadata".to_owned(), Value::Object(meta));
        }
        pod.insert("spec".to_owned(), Value::Object(spec));
        Value::Object(pod)
    }
}

fn document() -> impl Strategy<Value = Value> {
    (pod(), 0..4).prop_map(|(pod, kind)| match kind {
        0 => {
            let mut pod = pod;
            pod["apiVersion"] = "v1".into();
            pod["kind"] = "Pod".into();
            pod
        }
        1 => json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "n"},
            "spec": {"jobTemplate": {"spec": {"template": pod}}}}),
        2 => json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"}, "spec": {"template": pod}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}]}),
        _ => json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "n"}, "spec": {"template": pod}}),
    })
}

/// The document in one of the ways people write YAML.
fn written(document: &Value, style: u8) -> String {
    let block = mesh_yaml::to_string(document).unwrap();
    match style {
        0 => block,
        1 => serde_json::to_string(document).unwrap(),
        2 => serde_json::to_string_pretty(document).unwrap() + "\n",
        // Null as nothing.
        3 => block.replace(": null\n", ":\n"),
        4 => block.replace('\n', "\r\n"),
        // A comment on and behind every line.
        5 => block
            .lines()
            .map(|line| {
                let indent = line.len() - line.trim_start_matches([' ', '-']).len();
                format!("{}# about it\n{line}   # here\n", " ".repeat(indent))
            })
            .collect(),
        6 => block.trim_end().to_owned(),
        _ => format!("# head\n---\n{block}...\n"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn uninject_gives_back_what_nobody_wrote(document in document(), style in 0_u8..8) {
        let text = written(&document, style);
        let source = source();
        for mode in [Mode::Annotate, Mode::Manual { source: &source }] {
            let (injected, notices) = inject(&text, &settings(), mode).unwrap();
            let (back, _) = uninject(&injected);
            let values = |text: &str| mesh_yaml::from_stream(text).unwrap();
            prop_assert_eq!(values(&back), values(&text), "{}\n{}", text, injected);
            let is_rewritten = notices.iter().any(|notice| matches!(notice, Notice::Rewritten { .. }));
            if !is_rewritten {
                prop_assert_eq!(&back, &text, "{}", injected);
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "(kind: (Pod|List|Deployment)|spec:|items:|metadata:|containers:|  |\n|- |[a-z{}\\[\\]&*!|>'\"#:,%@`]|---|\0){0,60}") {
        let source = source();
        let _ = inject(&text, &settings(), Mode::Manual { source: &source });
    }
}

#[test]
fn hostile_input_is_refused_or_passes() {
    let nested = format!("kind: Pod\nspec: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    let mut bomb = String::from("kind: Pod\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..30 {
        let items = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.extend(["a", &level.to_string(), ": &a", &level.to_string(), " [", &items, "]\n"]);
    }
    bomb.push_str("spec: {containers: *a29}\n");
    for text in
        [nested, bomb, "kind: Pod\nspec: {containers: [\0]}\n".to_owned(), "kind: \u{feff}Pod\n".to_owned()]
    {
        let source = source();
        let _ = inject(&text, &settings(), Mode::Manual { source: &source });
    }
    let error = inject("a: 1\n---\nkind: Pod\nspec:\n\tx: 1\n", &settings(), Mode::Annotate).unwrap_err();
    assert_eq!((error.document, error.line), (2, 5), "{error}");
}

/// A stream of many documents of every kind, as a large platform would keep it.
pub(crate) fn stream(documents: usize) -> String {
    let kinds = ["Deployment", "StatefulSet", "DaemonSet"];
    (0..documents)
        .map(|number| {
            let kind = kinds[number % kinds.len()];
            let service = if kind == "StatefulSet" { "  serviceName: none\n" } else { "" };
            format!(
                "---\n# number {number}\napiVersion: apps/v1\nkind: {kind}\nmetadata:\n  name: app-{number}\n  labels:\n    app: app-{number}\nspec:\n{service}  selector:\n    matchLabels:\n      app: app-{number}\n  template:\n    metadata:\n      labels:\n        app: app-{number}\n    spec:\n      containers:\n      - name: main\n        image: registry.example.com/app:{number}\n        ports:\n        - containerPort: {}\n",
                8000 + number % 10
            )
        })
        .collect()
}

#[test]
fn five_thousand_documents_are_injected_by_hand() {
    let text = stream(5_000);
    let source = source();
    let settings = settings();
    let task = Task::Inject { settings: &settings, mode: Mode::Manual { source: &source } };
    let mut spool = Spool::new();
    let mut facts = 0;
    Pipeline::new(task, Format::Text)
        .run("stream", text.as_bytes(), &mut spool, &mut |_| facts += 1)
        .unwrap();
    assert_eq!(facts, 5_000);
    let mut out = Vec::new();
    spool.release(&mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out.matches("restartPolicy: Always").count(), 5_000);
    assert_eq!(uninject(&out).0, text);
}
