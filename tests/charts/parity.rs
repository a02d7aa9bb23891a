//! Every chart with every set of values renders as with Helm, byte for byte; every chart is clean under `helm lint`.

use manifests::values::coalesce;
use manifests::{Chart, Release};
use serde_json::{Value, json};

use crate::helm::{chart_folder, helm};
use crate::variants::variants;

const RELEASE: Release<'static> = Release { name: "linkerd", namespace: "linkerd", kube_version: "v1.33.0" };

/// The first line in which two texts differ, for the message.
fn difference(ours: &str, theirs: &str) -> String {
    let mut pairs = ours.split('\n').zip(theirs.split('\n')).enumerate();
    match pairs.find(|(_, (ours, theirs))| ours != theirs) {
        Some((line, (ours, theirs))) => format!("line {}: ours {ours:?}, Helm's {theirs:?}", line + 1),
        None => "one text ends before the other".to_owned(),
    }
}

#[test]
fn every_template_renders_as_with_helm() {
    let mut wrong = Vec::new();
    for chart in Chart::ALL {
        let package = chart.package().unwrap();
        for variant in variants(chart) {
            let values = coalesce(&package.defaults, &variant.set);
            let place = format!("{} ({})", chart.name(), variant.name);
            let theirs = helm().render(&chart_folder(chart.name()), &variant.set);
            let ours = package.texts(&values, &RELEASE);
            let (ours, theirs) = match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => (ours, theirs),
                (ours, theirs) => {
                    wrong.push(format!("{place}: ours {:?}, Helm's {:?}", ours.err(), theirs.err()));
                    continue;
                }
            };
            let names =
                |texts: &[(String, String)]| texts.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
            let rendered: Vec<_> = theirs
                .into_iter()
                .filter(|(path, _)| !path.rsplit('/').next().unwrap().starts_with('_'))
                .collect();
            assert_eq!(names(&ours), names(&rendered), "{place}");
            for ((path, ours), (_, theirs)) in ours.iter().zip(&rendered) {
                if ours != theirs {
                    wrong.push(format!("{place}: {path}: {}", difference(ours, theirs)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_chart_is_clean_under_lint() {
    let mut findings = Vec::new();
    for chart in Chart::ALL {
        for variant in variants(chart) {
            let question = json!({"ask": "lint", "chart": chart_folder(chart.name()), "values": variant.set});
            let report = helm().ask(&question).unwrap();
            for message in report["messages"].as_array().into_iter().flatten() {
                // Severity 1 is a remark, such as the missing icon.
                if message["severity"].as_u64().unwrap_or(9) > 1 {
                    findings.push(format!("{} ({}): {message}", chart.name(), variant.name));
                }
            }
            if report["errors"].as_array().is_some_and(|errors| !errors.is_empty()) {
                findings.push(format!("{} ({}): {}", chart.name(), variant.name, report["errors"]));
            }
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn effective_values_are_those_of_helm() {
    for chart in Chart::ALL {
        for variant in variants(chart) {
            let question =
                json!({"ask": "merge", "chart": chart_folder(chart.name()), "values": variant.set});
            let theirs: Value = helm().ask(&question).unwrap();
            let ours = coalesce(chart.defaults().unwrap(), &variant.set);
            assert_eq!(floats(&ours), floats(&theirs), "{} ({})", chart.name(), variant.name);
        }
    }
}

/// The tree with every number as Go's JSON has it.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(floats).collect(),
        Value::Object(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), floats(value))).collect())
        }
        other => other.clone(),
    }
}
