//! Every known failure mode of a control plane has a test, and the page that says which is right.

use std::collections::BTreeSet;

use crate::tree::{none, sources};

const PAGE: &str = "docs/failure-modes.md";
/// How many failure modes there are.
const MODES: usize = 30;

/// The cells of the rows of all tables of a page, without headings.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let lines = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| no ") && !line.starts_with("| what "));
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What stands in backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The names of all tests of the workspace.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources(".rs") {
        let mut is_test = false;
        for line in source.text.lines().map(str::trim_start) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            }
            let name = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
            if let Some((name, _)) = name.and_then(|rest| rest.split_once('('))
                && std::mem::take(&mut is_test)
            {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_failure_mode_names_tests_that_exist() {
    let page = sources(".md").into_iter().find(|page| page.path == PAGE).expect("the page of failure modes");
    let (known, mut broken, mut numbers) = (tests(), Vec::new(), BTreeSet::new());
    for row in rows(&page.text) {
        let named = quoted(row.last().expect("a row has cells"));
        if named.is_empty() {
            broken.push(format!("{PAGE}: no test: {}", row.join(" | ")));
        }
        let missing = named.iter().filter(|name| !known.contains(**name));
        broken.extend(missing.map(|name| format!("{PAGE}: there is no test {name}")));
        numbers.extend(row.first().and_then(|cell| cell.parse::<usize>().ok()));
    }
    let missing = (1..=MODES).filter(|number| !numbers.contains(number));
    broken.extend(missing.map(|number| format!("{PAGE}: failure mode {number} is missing")));
    none("failure modes without a test", &broken);
}
