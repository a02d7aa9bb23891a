//! The workspace's own files: manifests, changelog, scripts.

use std::fs;

use crate::tree::{none, root, sources};

#[test]
fn every_package_takes_the_shared_settings() {
    let broken: Vec<String> = sources("/Cargo.toml")
        .into_iter()
        .filter(|source| source.path != "tests/fuzz/Cargo.toml")
        .filter(|source| {
            let settings =
                ["[lints]\nworkspace = true", "version.workspace = true", "publish.workspace = true"];
            settings.iter().any(|setting| !source.text.contains(setting))
        })
        .map(|source| source.path)
        .collect();
    none("these packages do not take lints, version and `publish` from the workspace", &broken);
}

#[test]
fn the_changelog_has_a_place_for_the_next_change() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let first = text.lines().find(|line| line.starts_with("## "));
    assert_eq!(first, Some("## Unreleased"));
}

#[test]
fn one_command_runs_all_tests() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    assert!(read("README.md").contains("\n$ bash tests/run\n"), "README.md does not name the command");
    assert!(read(".ci/run").contains("exec bash tests/run "), ".ci/run runs something else");
    let script = read("tests/run");
    let targets = sources("/Cargo.toml").into_iter().filter(|it| it.path == "tests/Cargo.toml");
    for manifest in targets {
        for name in manifest.text.split("[[test]]\nname = \"").skip(1) {
            let name = name.split('"').next().unwrap();
            assert!(script.contains(&format!("tier_{name}()")), "tests/run has no tier for the test {name}");
        }
    }
}

#[test]
fn every_document_is_linked() {
    let pages = sources(".md");
    let all: String = pages.iter().map(|page| page.text.as_str()).collect();
    let documents =
        pages.iter().filter(|page| page.path.starts_with("docs/") && !page.path.contains("/reference/"));
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let broken: Vec<String> = documents
        .map(|page| page.path.clone())
        .filter(|path| !all.contains(&format!("{})", name(path))))
        .collect();
    none("no page links to these", &broken);
}
