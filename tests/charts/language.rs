//! The template language itself: expressions and values of every kind, ours against Helm's.

use std::fs;
use std::path::Path;

use manifests::{Package, Release};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::expressions::EXPRESSIONS;
use crate::helm::helm;

const RELEASE: Release<'static> = Release { name: "linkerd", namespace: "linkerd", kube_version: "v1.33.0" };

/// A chart in a temporary folder.
struct Scratch {
    folder: tempfile::TempDir,
    files: Vec<(String, String)>,
}

impl Scratch {
    fn new(templates: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut files =
            vec![("Chart.yaml".to_owned(), "apiVersion: v2\nname: scratch\nversion: 0.1.0\n".to_owned())];
        files.extend(templates.iter().map(|(path, text)| (format!("templates/{path}"), (*text).to_owned())));
        fs::create_dir(folder.path().join("templates")).unwrap();
        for (path, text) in &files {
            fs::write(folder.path().join(path), text).unwrap();
        }
        Self { folder, files }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ours(&self, values: &Value) -> Result<String, String> {
        let package = Package::new("scratch", self.files.clone()).map_err(|error| error.to_string())?;
        let texts = package.texts(values, &RELEASE).map_err(|error| error.to_string())?;
        Ok(texts.into_iter().map(|(_, text)| text).collect())
    }

    fn theirs(&self, values: &Value) -> Result<String, String> {
        let texts = helm().render(self.path(), values)?;
        Ok(texts.into_iter().filter(|(path, _)| !path.contains("/_")).map(|(_, text)| text).collect())
    }
}

fn sample() -> Value {
    json!({
        "text": "Some Text", "empty": "", "zero": 0, "one": 1, "big": 1_000_000, "half": 0.5, "negative": -3, "yes": true, "no": false,
        "list": ["b", "a", "c", "a"], "numbers": [3, 1, 2], "mixed": [1, "x", true, null, {"k": "v"}], "none": [], "nil": null,
        "map": {"b": 1, "a": {"c": "d"}, "z": [1, 2]}, "bare": {}, "pem": "line one\nline two\n", "html": "<a href=\"x\">&amp;</a>",
        "unicode": "héllo wörld ☃", "quoted": "it's \"so\"",
    })
}

#[test]
fn expressions_render_as_with_helm() {
    let mut wrong = Vec::new();
    for expression in EXPRESSIONS {
        let text = format!("{{{{- define \"echo\" }}}}[{{{{ . }}}}]{{{{ end -}}}}\n{expression}\n");
        let chart = Scratch::new(&[("a.yaml", &text)]);
        let (ours, theirs) = (chart.ours(&sample()), chart.theirs(&sample()));
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) if ours == theirs => {}
            (Err(_), Err(_)) => {}
            _ => wrong.push(format!("{expression}\n   ours {ours:?}\n   Helm's {theirs:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Text of the kinds that make YAML hard.
fn hard_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "[a-z #:,'\"\\-?\\[\\]{}&*!|>%@`]{0,8}",
        "[0-9a-fox+._:\\-TZe]{1,10}",
        "[a-z \n\t]{0,12}",
        "([a-z]{1,9} ){8,30}",
        "([a-z:' ]{1,12} ){8,20}\t?",
        // Without U+007F, U+0085 and U+2028, which Go's way through JSON garbles or refuses.
        "[a-zäöüßé\u{a0}α-ωа-я一-九😀-😏\n ]{0,8}",
        prop::sample::select(vec![
            "yes",
            "No",
            "ON",
            "y",
            "null",
            "~",
            "=",
            "<<",
            "1e3",
            "0x1F",
            "0o17",
            "017",
            "12:30:45",
            "2001-12-14",
            ".inf",
            "-.INF",
            ".NaN",
            "1_000",
            "+.5",
            "---",
            "...",
            "- a",
            "a: b",
            "a #b",
            "#",
            "",
            " ",
            "\n",
            "\n\n",
            " \n",
            "a\n",
            "a\n\n",
            "\na",
            "a \nb",
            "a\n b",
            "2001-12-14t21:59:43.10-05:00",
            "1.",
            "0b101",
            "-0x1",
            "1e",
            "0x",
            "08",
            "TRUE",
            "tRUE"
        ])
        .prop_map(str::to_owned),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => any::<i32>().prop_map(Value::from),
        1 => (-1_000_000i64..1_000_000, 0u32..9).prop_map(|(digits, scale)| json!(digits as f64 / 10f64.powi(scale as i32))),
        1 => (0u32..30).prop_map(|exponent| json!(1.5 * 10f64.powi(exponent as i32))),
        8 => hard_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            // Keys longer than 128 bytes get a syntax of their own that no manifest uses.
            prop::collection::vec(
                (hard_text().prop_filter("long", |key| key.len() < 120 && !key.contains('\n')), inner),
                0..5
            )
            .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

#[test]
fn values_of_every_kind_are_written_as_with_helm() {
    const SAMPLES: usize = 600;
    let text = "{{ range $i, $v := .Values.items }}# {{ $i }}\n{{ toYaml $v }}\n{{ $v | toJson }}\n{{ $v | quote }}\n{{ toYaml (list (dict \"k\" $v)) | nindent 4 }}\n{{ end }}";
    let chart = Scratch::new(&[("a.yaml", text)]);
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let items: Vec<Value> = (0..SAMPLES).map(|_| tree().new_tree(&mut runner).unwrap().current()).collect();
    let values = json!({ "items": items });
    let (ours, theirs) = (chart.ours(&values).unwrap(), chart.theirs(&values).unwrap());
    let (mut at, mut wrong) = (String::new(), Vec::new());
    for (ours, theirs) in ours.split('\n').zip(theirs.split('\n')) {
        if theirs.strip_prefix("# ").is_some_and(|number| number.parse::<usize>().is_ok()) {
            at = theirs.to_owned();
        }
        if ours != theirs {
            let item = at[2..].parse::<usize>().map(|index| values["items"][index].clone());
            wrong.push(format!("{item:?}\n   ours   {ours:?}\n   Helm's {theirs:?}"));
            if wrong.len() > 20 || ours.starts_with("# ") || theirs.starts_with("# ") {
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(ours, theirs);
}
