//! `inject | uninject` gives back every byte, and injecting twice is injecting once.

use mesh_inject::{Mode, Notice};
use serde_json::Value;

use crate::corpus::{flagged, inject, manifests, settings, source, uninject};

/// Whether the promise is made for a manifest: no key of ours and no sidecar.
fn is_clean(text: &str) -> bool {
    !["linkerd.io/", "linkerd-", "istio-"].iter().any(|mark| text.contains(mark))
        || text.contains("NotADocument")
}

fn was_rewritten(notices: &[Notice]) -> bool {
    notices.iter().any(|notice| matches!(notice, Notice::Rewritten { .. }))
}

fn documents(text: &str) -> Vec<Value> {
    mesh_yaml::from_stream(text).unwrap()
}

#[test]
fn uninject_gives_back_the_corpus() {
    let source = source();
    let mut clean = 0;
    for (name, text) in manifests().into_iter().filter(|(_, text)| is_clean(text)) {
        clean += 1;
        for settings in [settings(), flagged()] {
            for mode in [Mode::Annotate, Mode::Manual { source: &source }] {
                let (injected, notices) = inject(&text, &settings, mode).unwrap();
                let (back, _) = uninject(&injected);
                if was_rewritten(&notices) {
                    assert_eq!(documents(&back), documents(&text), "{name}");
                } else {
                    assert_eq!(back, text, "{name}\n{injected}");
                }
            }
        }
    }
    assert!(clean >= 50, "only {clean} manifests are clean");
}

#[test]
fn injecting_twice_is_injecting_once() {
    let source = source();
    for (name, text) in manifests() {
        for settings in [settings(), flagged()] {
            for mode in [Mode::Annotate, Mode::Manual { source: &source }] {
                let (once, _) = inject(&text, &settings, mode).unwrap();
                let (twice, _) = inject(&once, &settings, mode).unwrap();
                assert_eq!(documents(&twice), documents(&once), "{name}\n{once}\n{twice}");
            }
        }
    }
}

#[test]
fn text_and_values_are_injected_alike() {
    let source = source();
    // What is noted about the text differs, as it must.
    let settings = || mesh_inject::Settings { record: mesh_inject::Record::Omit, ..settings() };
    for (name, text) in manifests().into_iter().filter(|(_, text)| is_clean(text)) {
        for mode in [Mode::Annotate, Mode::Manual { source: &source }] {
            let (edited, _) = inject(&text, &settings(), mode).unwrap();
            let expected: Vec<Value> = documents(&text)
                .into_iter()
                .map(|mut value| {
                    let ops = mesh_inject::inject(&value, &settings(), mode).unwrap().ops;
                    mesh_yaml::apply_to_value(&mut value, &ops).unwrap();
                    value
                })
                .collect();
            assert_eq!(documents(&edited), expected, "{name}\n{edited}");
        }
    }
}

#[test]
fn few_of_the_corpus_are_written_anew() {
    let source = source();
    let rewritten: Vec<String> = manifests()
        .into_iter()
        .filter(|(_, text)| {
            let (_, notices) = inject(text, &settings(), Mode::Manual { source: &source }).unwrap();
            was_rewritten(&notices)
        })
        .map(|(name, _)| name)
        .collect();
    assert!(rewritten.is_empty(), "{rewritten:?}");
}

#[test]
fn nulls_and_aliases_come_back_as_they_were_written() {
    let source = source();
    for null in ["null   # here", "~", "NULL # x", "", "null", "  # nothing", "{ }", "{}   # empty"] {
        let text = format!(
            "kind: List\nitems:\n- kind: Pod\n  metadata:\n    annotations: {null}\n  spec:\n    containers: [{{name: a}}]\n"
        );
        for mode in [Mode::Annotate, Mode::Manual { source: &source }] {
            let (injected, _) = inject(&text, &settings(), mode).unwrap();
            assert_eq!(uninject(&injected).0, text, "{injected}");
        }
    }
}
