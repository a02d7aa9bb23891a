//! No test file may lie around without being compiled.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::dependencies::packages;
use crate::tree::{none, root, sources};

/// Adds a file and all modules it declares.
fn follow(file: &Path, reached: &mut BTreeSet<PathBuf>) {
    if !reached.insert(file.to_owned()) {
        return;
    }
    let text = fs::read_to_string(file).unwrap();
    let module = Regex::new(r"(?m)^\s*(?:pub(?:\([a-z]+\))? )?mod (\w+);").unwrap();
    let folder = file.parent().unwrap();
    let below = folder.join(file.file_stem().unwrap());
    for name in module.captures_iter(&text).map(|it| it[1].to_owned()) {
        for home in [folder, &below] {
            let candidates = [home.join(format!("{name}.rs")), home.join(&name).join("mod.rs")];
            candidates.iter().filter(|file| file.is_file()).for_each(|file| follow(file, reached));
        }
    }
}

/// Roots that cargo knows, here and in the workspace of the fuzz targets.
fn roots() -> Vec<PathBuf> {
    let mut roots = Vec::new();
    for package in packages() {
        for target in package["targets"].as_array().unwrap() {
            roots.push(PathBuf::from(target["src_path"].as_str().unwrap()));
        }
    }
    let fuzz = fs::read_to_string(root().join("tests/fuzz/Cargo.toml")).unwrap();
    let path = Regex::new(r#"(?m)^path = "(.*)""#).unwrap();
    roots.extend(path.captures_iter(&fuzz).map(|it| root().join("tests/fuzz").join(&it[1])));
    roots
}

#[test]
fn every_rust_file_is_compiled() {
    let mut reached = BTreeSet::new();
    for file in roots() {
        follow(&file, &mut reached);
    }
    let sources = sources(".rs");
    // The programs inside test images are compiled by the test kit, which names them in a string.
    let named = |path: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        let quoted = [format!("\"{file}\""), format!("/{file}\"")];
        sources.iter().any(|source| quoted.iter().any(|text| source.text.contains(text)))
    };
    let broken: Vec<String> = sources
        .iter()
        .filter(|source| !reached.contains(&root().join(&source.path)) && !named(&source.path))
        .map(|source| source.path.clone())
        .collect();
    none("no target of cargo reaches these files", &broken);
}

#[test]
fn no_test_is_ignored() {
    let words = [["#[", "ignore"].concat(), ["should_", "panic"].concat()];
    let broken: Vec<String> = sources(".rs")
        .into_iter()
        .filter(|source| words.iter().any(|word| source.text.contains(word.as_str())))
        .map(|source| source.path)
        .collect();
    none("a test runs, and says by its own words what it expects", &broken);
}
