//! Who may depend on whom: the table in `docs/ARCHITECTURE.md` against what cargo sees.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::tree::{none, root, sources};

/// Third-party packages that only some of ours may see.
const WALLS: [(&str, &[&str]); 6] = [
    ("kube", &["mesh-k8s", "mesh-control"]),
    ("k8s-openapi", &["mesh-k8s", "mesh-control"]),
    ("clap", &["linkerd-cli", "linkerd-cni", "mesh-control", "proxy-init"]),
    ("anyhow", &["mesh-tests"]),
    ("serde-saphyr", &["mesh-yaml"]),
    ("gotmpl", &["manifests"]),
];
/// Packages that are never built.
const BANNED: [&str; 4] = ["ring", "openssl-sys", "native-tls", "serde_yaml"];
/// Packages in the lock file; raise it together with the reason in docs/dependencies.md.
const LOCK_CEILING: usize = 480;

/// A row of the table: level, and what the package may depend on.
struct Row {
    level: u32,
    may_see: Vec<String>,
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).current_dir(root()).args(args).output().unwrap();
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What `cargo metadata` says of the packages of this workspace.
pub(crate) fn packages() -> Vec<Value> {
    let text = cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"]);
    let metadata: Value = serde_json::from_str(&text).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The rows `| level | `package` (`folder`) | `dependency`, … |` of the document.
fn table() -> BTreeMap<String, Row> {
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, level, package, may_see, _] = cells.as_slice() else { continue };
        let Ok(level) = level.parse() else { continue };
        let quoted =
            |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        rows.insert(quoted(package).remove(0), Row { level, may_see: quoted(may_see) });
    }
    assert!(rows.len() > 5, "the table of docs/ARCHITECTURE.md was not found");
    rows
}

/// Names of what a package depends on, tests and benchmarks aside.
fn dependencies(package: &Value, is_local: bool) -> Vec<&str> {
    let all = package["dependencies"].as_array().unwrap().iter();
    let wanted = all.filter(|it| it["kind"] != "dev" && it.get("path").is_some() == is_local);
    wanted.map(|it| it["name"].as_str().unwrap()).collect()
}

#[test]
fn packages_depend_downwards_as_the_document_says() {
    let (table, packages) = (table(), packages());
    let names: Vec<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let listed: Vec<&str> = table.keys().map(String::as_str).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(listed, sorted, "the table of docs/ARCHITECTURE.md and the workspace differ");
    let mut broken = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let row = &table[name];
        let seen = dependencies(package, true);
        for other in &seen {
            if !row.may_see.iter().any(|allowed| allowed == other) {
                broken.push(format!("{name} depends on {other}, which its row does not name"));
            }
            if table[*other].level >= row.level {
                broken.push(format!("{name} depends on {other}, which is not below it"));
            }
        }
        let unused = row.may_see.iter().filter(|allowed| !seen.contains(&allowed.as_str()));
        broken.extend(unused.map(|allowed| format!("{name} does not depend on {allowed}; correct its row")));
    }
    none("the direction of dependencies", &broken);
}

#[test]
fn third_parties_stay_behind_their_walls() {
    let mut broken = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        for (wall, allowed) in WALLS {
            if dependencies(&package, false).contains(&wall) && !allowed.contains(&name) {
                broken.push(format!("{name} depends on {wall}; only {allowed:?} may"));
            }
        }
    }
    none("walls", &broken);
}

#[test]
fn every_dependency_is_used() {
    let sources = sources(".rs");
    let mut broken = Vec::new();
    for package in packages() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let folder = manifest.trim_start_matches(root().to_str().unwrap()).trim_start_matches('/');
        let folder = folder.trim_end_matches("Cargo.toml");
        let own = sources.iter().filter(|source| source.path.starts_with(folder));
        let text: String = own.map(|source| source.text.as_str()).collect();
        let all = dependencies(&package, false).into_iter().chain(dependencies(&package, true));
        let unused = all.filter(|name| !text.contains(&name.replace('-', "_")));
        broken.extend(unused.map(|name| format!("{folder}Cargo.toml: {name}")));
    }
    broken.retain(|line| !line.ends_with(": rustls-webpki"));
    none("these dependencies are not used", &broken);
}

#[test]
fn banned_packages_are_not_built() {
    let tree =
        cargo(&["tree", "--workspace", "--locked", "--edges", "all", "--target", "all", "--prefix", "none"]);
    let built = |name: &str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    assert!(built("rustls"), "the tree was not read");
    let broken: Vec<String> = BANNED.iter().filter(|name| built(name)).map(ToString::to_string).collect();
    none("these packages are banned; .deny.toml says why", &broken);
}

#[test]
fn the_lock_file_stays_below_its_ceiling() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let packages = lock.lines().filter(|line| *line == "[[package]]").count();
    assert!(packages <= LOCK_CEILING, "{packages} packages are locked, {LOCK_CEILING} allowed");
}
