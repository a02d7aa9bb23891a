//! Rules for Rust files that the compiler and clippy do not check.

use regex::Regex;

use crate::tree::{Source, none, sources};

/// Lines of a file without its inline tests: above 400 it should be split, above this it must be.
const FILE_LIMIT: usize = 800;
/// Lines of a function.
const FUNCTION_LIMIT: usize = 100;
/// Functions over the limit, each with the reason.
const LONG_FUNCTIONS: [(&str, &str, &str); 1] =
    [("tests/charts/variants.rs", "control", "a list: one entry per set of values")];
/// Words that say nothing in the name of a type.
const EMPTY_WORDS: [&str; 10] =
    ["Manager", "Helper", "Util", "Info", "Impl", "Misc", "Wrapper", "Factory", "Thing", "Stuff"];

#[test]
fn every_file_says_what_it_is_for() {
    // A shebang or `#![…]` may come first; only blank lines and such may.
    let documented = |source: &Source| {
        let first = source.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!"));
        first.is_some_and(|line| line.starts_with("//! ") && line.len() > 10)
    };
    let broken: Vec<String> =
        sources(".rs").into_iter().filter(|source| !documented(source)).map(|source| source.path).collect();
    none("these files do not start with `//!` and a sentence", &broken);
}

#[test]
fn files_stay_within_the_budget() {
    let length = |source: &Source| {
        let code = source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        code.lines().count()
    };
    let too_long = sources(".rs").into_iter().map(|source| (length(&source), source.path));
    let broken: Vec<String> = too_long
        .filter(|(lines, _)| *lines > FILE_LIMIT)
        .map(|(lines, path)| format!("{path}: {lines} lines without inline tests, {FILE_LIMIT} allowed"))
        .collect();
    none("split these files", &broken);
}

#[test]
fn functions_stay_within_the_budget() {
    let mut long: Vec<(String, String, usize)> = Vec::new();
    for source in sources(".rs") {
        let functions = functions(&source.text).into_iter().filter(|(_, lines)| *lines > FUNCTION_LIMIT);
        long.extend(functions.map(|(name, lines)| (source.path.clone(), name, lines)));
    }
    let allowed = |path: &str, name: &str| LONG_FUNCTIONS.iter().any(|it| it.0 == path && it.1 == name);
    let broken: Vec<String> = long
        .iter()
        .filter(|(path, name, _)| !allowed(path, name))
        .map(|(path, name, lines)| format!("{path}: fn {name} has {lines} lines, {FUNCTION_LIMIT} allowed"))
        .collect();
    none("split these functions", &broken);
    let is_long = |path: &str, name: &str| long.iter().any(|it| it.0 == path && it.1 == name);
    let stale = LONG_FUNCTIONS.iter().filter(|it| !is_long(it.0, it.1));
    none("take these off the list", &stale.map(|it| format!("{} {}", it.0, it.1)).collect::<Vec<_>>());
}

/// Names and lines of the functions of a formatted file: the closing brace stands where `fn` stands.
fn functions(text: &str) -> Vec<(String, usize)> {
    let head = Regex::new(r"^( *)(?:pub(?:\([a-z]+\))? )?(?:const |async |extern \S+ )*fn (\w+)").unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(parts) = head.captures(line) else { continue };
        let close = format!("{}}}", &parts[1]);
        let end = lines[start..].iter().position(|line| {
            **line == *close || line.ends_with(';') && !line.starts_with(&format!("{} ", &parts[1]))
        });
        found.push((parts[2].to_owned(), end.unwrap_or(0) + 1));
    }
    found
}

#[test]
fn functions_are_measured() {
    let text = "fn a() {\n    b();\n}\n\nimpl X {\n    pub(crate) const fn c(\n        d: u8,\n    ) {\n        e();\n    }\n}\n";
    assert_eq!(functions(text), [("a".to_owned(), 3), ("c".to_owned(), 5)]);
}

#[test]
fn no_code_is_unsafe() {
    let unsafe_code =
        Regex::new(r"(?m)^[^/\n]*\bunsafe (?:fn|impl|trait|extern|\{)|(?:allow|expect)\(unsafe_code")
            .unwrap();
    let broken: Vec<String> = sources(".rs")
        .into_iter()
        .filter(|source| source.path != "tests/tidy/rust.rs" && unsafe_code.is_match(&source.text))
        .map(|source| source.path)
        .collect();
    none("unsafe code is denied, without exception", &broken);
}

/// The one file of each program that reads the environment.
const ENVIRONMENT: [&str; 3] = ["cli/src/settings.rs", "proxy/cni/src/plugin.rs", "proxy/src/config/env.rs"];

#[test]
fn the_environment_is_read_in_one_place() {
    let reads = Regex::new(r"env::(?:var|vars)(?:_os)?\(").unwrap();
    let broken: Vec<String> = sources(".rs")
        .into_iter()
        .filter(|source| source.path.contains("src/") && !ENVIRONMENT.contains(&source.path.as_str()))
        .filter(|source| reads.is_match(&source.text))
        .map(|source| source.path)
        .collect();
    none("one file of each program reads the environment", &broken);
}

#[test]
fn variables_that_are_read_are_documented() {
    let settings = sources("cli/src/settings.rs").remove(0).text;
    let reads = Regex::new(r#"(?:text|var_os|var)\("([A-Z_]+)"\)"#).unwrap();
    let known: Vec<&str> = linkerd_cli::settings::VARIABLES.iter().map(|(name, _)| *name).collect();
    let read: Vec<&str> = reads.captures_iter(&settings).map(|it| it.get(1).unwrap().as_str()).collect();
    assert!(read.len() > 5, "the pattern finds too little: {read:?}");
    let broken: Vec<String> =
        read.iter().filter(|name| !known.contains(name)).map(ToString::to_string).collect();
    none("add these to settings::VARIABLES", &broken);
}

#[test]
fn public_types_are_named_by_what_they_are() {
    let public = Regex::new(r"(?m)^\s*pub (?:struct|enum|trait|type) (\w+)").unwrap();
    let mut broken = Vec::new();
    for source in sources(".rs") {
        for name in public.captures_iter(&source.text).map(|it| it[1].to_owned()) {
            if EMPTY_WORDS.iter().any(|word| name.contains(word)) {
                broken.push(format!("{}: {name}", source.path));
            }
        }
    }
    none("these names hold a word that says nothing; docs/GLOSSARY.md has better ones", &broken);
}
