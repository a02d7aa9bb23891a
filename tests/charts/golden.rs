//! How many objects each variant has, and which.

use std::fmt::Write as _;

use manifests::values::coalesce;
use manifests::{Chart, Object, Release, Stage};
use serde_json::Value;

use crate::variants::variants;

const RELEASE: Release<'static> = Release { name: "linkerd", namespace: "linkerd", kube_version: "v1.33.0" };

fn objects(chart: Chart, set: &Value) -> Vec<Object> {
    let values = coalesce(chart.defaults().unwrap(), set);
    manifests::render(chart, &values, &RELEASE).unwrap()
}

/// One object a line, under a line with the numbers.
fn listing(objects: &[Object]) -> String {
    let config = objects.iter().filter(|object| object.stage == Stage::Config).count();
    let mut text = format!("{} objects, {config} of them in the stage config\n", objects.len());
    for object in objects {
        let stage = if object.stage == Stage::Config { 'C' } else { 'P' };
        let namespace = object.namespace().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        writeln!(text, "{stage} {} {namespace}{}", object.kind(), object.name()).unwrap();
    }
    text
}

#[test]
fn objects_of_every_chart() {
    for chart in Chart::ALL {
        let default = &variants(chart)[0];
        insta::assert_snapshot!(format!("{}-default", chart.name()), listing(&objects(chart, &default.set)));
    }
}

#[test]
fn objects_of_every_variant() {
    let mut counts = String::new();
    let default: Vec<String> = names(&objects(Chart::Control, &variants(Chart::Control)[0].set));
    for variant in variants(Chart::Control) {
        let these = names(&objects(Chart::Control, &variant.set));
        writeln!(counts, "{}: {} objects", variant.name, these.len()).unwrap();
        if variant.name.starts_with("other namespace") {
            continue;
        }
        for name in these.iter().filter(|name| !default.contains(name)) {
            writeln!(counts, "  + {name}").unwrap();
        }
        for name in default.iter().filter(|name| !these.contains(name)) {
            writeln!(counts, "  - {name}").unwrap();
        }
    }
    insta::assert_snapshot!("linkerd2-variants", counts);
}

fn names(objects: &[Object]) -> Vec<String> {
    objects.iter().map(|object| format!("{} {}", object.kind(), object.name())).collect()
}

#[test]
fn no_object_comes_twice() {
    for chart in Chart::ALL {
        for variant in variants(chart) {
            let mut seen: Vec<String> = objects(chart, &variant.set)
                .iter()
                .map(|object| {
                    format!("{} {} {}", object.kind(), object.namespace().unwrap_or_default(), object.name())
                })
                .collect();
            seen.sort();
            let all = seen.len();
            seen.dedup();
            assert_eq!(seen.len(), all, "{} ({})", chart.name(), variant.name);
            assert!(
                seen.iter().all(|name| !name.starts_with(' ') && !name.ends_with(' ')),
                "an object without a name"
            );
        }
    }
}

#[test]
fn rendering_twice_gives_the_same_text() {
    for chart in Chart::ALL {
        let set = &variants(chart)[0].set;
        assert_eq!(objects(chart, set), objects(chart, set));
    }
}
