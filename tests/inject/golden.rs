//! What comes out is what came out before.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use mesh_inject::{Mode, Notice, Outcome};

use crate::corpus::{folder, inject, manifests, settings, source};

/// Manifests whose injection with `--manual` is kept as a golden file.
const MANUAL: [&str; 6] = [
    "deployment-commented",
    "deployment-config-annotations",
    "deployment-old-shape",
    "json-compact",
    "deployment-init-containers",
    "cronjob-no-metadata",
];

#[test]
fn the_corpus_is_annotated_as_before() {
    for (name, text) in manifests() {
        let (out, notices) = inject(&text, &settings(), Mode::Annotate).unwrap();
        compare(&name, "golden.yml", &out);
        compare(&name, "report", &report(&notices));
    }
}

#[test]
fn some_of_the_corpus_is_injected_by_hand_as_before() {
    let source = source();
    for (name, text) in manifests().into_iter().filter(|(name, _)| MANUAL.contains(&name.as_str())) {
        let (out, _) = inject(&text, &settings(), Mode::Manual { source: &source }).unwrap();
        compare(&name, "manual.golden.yml", &out);
    }
}

/// Facts as text, one object a line.
fn report(notices: &[Notice]) -> String {
    let mut text = String::new();
    for notice in notices {
        match notice {
            Notice::Fact(fact) => {
                let resource = fact.resource.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
                let outcome = match &fact.outcome {
                    Outcome::Skipped(skip) => format!("skipped: {}", skip.code()),
                    other => format!("{other:?}").to_lowercase(),
                };
                let udp = if fact.udp { ", udp" } else { "" };
                writeln!(text, "{resource} {outcome}{udp}").unwrap();
                for warning in &fact.warnings {
                    writeln!(text, "  {warning}").unwrap();
                }
            }
            other => writeln!(text, "{other:?}").unwrap(),
        }
    }
    text
}

#[expect(clippy::disallowed_methods, reason = "a switch for whoever runs the test")]
fn compare(name: &str, kind: &str, actual: &str) {
    let path = folder().join("golden").join(format!("{name}.{kind}"));
    if std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
    }
    let expected = read(&path);
    assert!(
        expected == actual,
        "{} differs; UPDATE_GOLDEN=1 writes it anew\n--- expected\n{expected}\n--- actual\n{actual}",
        path.display()
    );
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
