//! Renders a chart folder: `cargo run -p manifests --example render -- FOLDER [VALUES.yaml…]`.
//!
//! For those who write charts: the folder is read as it is on disk, so nothing needs to be rebuilt after an edit.
#![expect(clippy::print_stdout, reason = "this program prints what it renders")]

use std::fs;
use std::path::Path;

use manifests::{Package, Release};
use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: render FOLDER [VALUES.yaml…]")?;
    let folder = Path::new(&folder);
    let mut files = Vec::new();
    collect(folder, folder, &mut files)?;
    files.sort();
    let name = folder.file_name().and_then(|name| name.to_str()).ok_or("the folder has no name")?;
    let package = Package::new(name, files)?;
    let mut values = package.defaults.clone();
    for path in arguments {
        overlay(&mut values, mesh_yaml::from_str(&fs::read_to_string(&path)?)?);
    }
    let release = Release { name: "linkerd", namespace: "linkerd", kube_version: "v1.33.0" };
    for object in package.render(&values, &release)? {
        println!("---\n# Source: {}\n{}", object.template, object.text);
    }
    Ok(())
}

/// Reads every file below a folder as path within the chart and text.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            files.push((path.strip_prefix(root)?.to_string_lossy().into_owned(), fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// Merges maps deeply; anything else replaces.
fn overlay(target: &mut Value, source: Value) {
    match (target, source) {
        (Value::Object(target), Value::Object(source)) => {
            for (key, value) in source {
                overlay(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, source) => *target = source,
    }
}
