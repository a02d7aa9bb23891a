//! The files of the repository, and what holds for all of them.

use std::path::{Path, PathBuf};
use std::{fs, iter};

use walkdir::{DirEntry, WalkDir};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies below the root")
}

/// A text file of the repository.
pub(crate) struct Source {
    /// Path below the root.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Paths below the root of all files that belong to the repository, sorted.
pub(crate) fn paths() -> Vec<PathBuf> {
    // What `.gitignore` names, and where Rust and git keep theirs.
    let foreign = |entry: &DirEntry| {
        let path = entry.path().strip_prefix(root()).expect("walked from there");
        let name = entry.file_name().to_string_lossy();
        let ignored = ["tests/fuzz/corpus", "tests/fuzz/artifacts"].iter().any(|it| path == Path::new(it));
        ignored || name == "target" || name == ".git" || name.ends_with(".profraw")
    };
    let walk = WalkDir::new(root()).sort_by_file_name().into_iter().filter_entry(|entry| !foreign(entry));
    let files = walk.map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.path().strip_prefix(root()).unwrap().to_owned()).collect()
}

/// All files whose names end in `suffix`.
pub(crate) fn sources(suffix: &str) -> Vec<Source> {
    let found: Vec<Source> = paths()
        .into_iter()
        .filter_map(|path| path.to_str().map(str::to_owned))
        .filter(|path| path.ends_with(suffix))
        .map(|path| Source { text: fs::read_to_string(root().join(&path)).unwrap(), path })
        .collect();
    assert!(!found.is_empty(), "no file ends in {suffix}");
    found
}

/// Fails with the list of what breaks a rule.
#[track_caller]
pub(crate) fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn no_file_is_binary() {
    // The words of a manifest in another encoding are still text; a zero byte is not.
    let binary = |path: &PathBuf| fs::read(root().join(path)).unwrap().contains(&0);
    let broken: Vec<String> =
        paths().iter().filter(|path| binary(path)).map(|path| path.display().to_string()).collect();
    none("these files are binary; make them when they are needed", &broken);
}

#[test]
fn no_file_names_a_machine() {
    // Put together here, so that this file does not break its own rule.
    let words: Vec<String> = [
        ["/wo", "rk/"],
        ["pypi", ".org"],
        ["static.crates", ".io"],
        ["proxy.golang", ".org"],
        ["/opt/", "wheels"],
    ]
    .iter()
    .map(|parts| parts.concat())
    .collect();
    let mut broken = Vec::new();
    for path in paths().iter().filter(|path| !path.ends_with("Cargo.lock")) {
        let bytes = fs::read(root().join(path)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let hits = words.iter().filter(|word| text.contains(word.as_str()));
        broken.extend(hits.map(|word| format!("{}: {word}", path.display())));
    }
    none("paths and hosts of one machine or service do not belong into the repository", &broken);
}

#[test]
fn the_root_stays_readable() {
    const KNOWN: [&str; 13] = [
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "cli",
        "completions",
        "docs",
        "manifests",
        "mesh-core",
        "proxy",
        "rust-toolchain.toml",
        "tests",
    ];
    let visible = |name: &String| !name.starts_with('.') && name != "target";
    let names = fs::read_dir(root()).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    let broken: Vec<String> = names.filter(visible).filter(|name| !KNOWN.contains(&name.as_str())).collect();
    none("new entries at the root need a place in docs/ARCHITECTURE.md and in this list", &broken);
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for page in sources(".md").iter().filter(|page| !page.path.contains("/reference/")) {
        let folder = root().join(&page.path).parent().unwrap().to_owned();
        for target in link_targets(&page.text) {
            let file = target.split('#').next().unwrap_or_default();
            if !target.contains("://") && !file.is_empty() && !folder.join(file).exists() {
                broken.push(format!("{}: {target}", page.path));
            }
        }
    }
    none("these links lead nowhere", &broken);
}

/// What stands in the round brackets of `[text](target)`.
fn link_targets(text: &str) -> Vec<&str> {
    let mut rest = text;
    iter::from_fn(|| {
        let (_, after) = rest.split_once("](")?;
        let (target, after) = after.split_once(')')?;
        rest = after;
        Some(target)
    })
    .collect()
}
