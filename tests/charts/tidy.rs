//! Rules that templates keep beyond rendering.

use manifests::{Chart, order};
use regex::Regex;

/// Every template of every chart: chart, path, text.
fn templates() -> Vec<(Chart, String, String)> {
    let mut found = Vec::new();
    for chart in Chart::ALL {
        for path in chart.paths().into_iter().filter(|path| path.starts_with("templates/")) {
            let text = chart.file(&path).unwrap().into_owned();
            found.push((chart, path, text));
        }
    }
    assert!(found.len() > 30, "only {} templates are embedded", found.len());
    found
}

/// Lines that match, as chart, path and line.
fn lines_with(pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    let mut found = Vec::new();
    for (chart, path, text) in templates() {
        for hit in pattern.find_iter(&text) {
            let line = text[..hit.start()].matches('\n').count() + 1;
            found.push(format!("{}/{path}:{line}: {}", chart.name(), hit.as_str().escape_debug()));
        }
    }
    found
}

#[test]
fn comments_trim_both_sides_or_none() {
    // Our parser trims to the right of `{{- /* … */}}` as well, Go's does not.
    let wrong = lines_with(r"(?s)\{\{-\s*/\*(?:[^*]|\*[^/])*\*/\s*\}\}");
    assert!(wrong.is_empty(), "write `-}}}}` behind these comments:\n{}", wrong.join("\n"));
}

#[test]
fn no_method_is_called() {
    let wrong =
        lines_with(r"\.APIVersions|\.Files\b|\.Capabilities\.KubeVersion\.(Major|Minor)|\.AsMap|\.AsSecrets");
    assert!(wrong.is_empty(), "only Helm has these:\n{}", wrong.join("\n"));
}

#[test]
fn values_files_have_no_keys_that_yaml_1_1_misreads() {
    let misread = Regex::new(r"(?mi)^\s*(?:- )?(y|n|yes|no|on|off|true|false|null|~)\s*:").unwrap();
    for chart in Chart::ALL {
        for path in
            chart.paths().into_iter().filter(|path| path.ends_with(".yaml") && !path.contains("templates/"))
        {
            let text = chart.file(&path).unwrap();
            let found = misread.find(&text).map(|found| found.as_str().trim().to_owned());
            assert_eq!(found, None, "{}/{path}", chart.name());
        }
    }
}

#[test]
fn every_template_has_its_place_in_the_order() {
    for path in Chart::Control.package().unwrap().documents() {
        assert!(order::is_listed(path), "{path} is missing in manifests/src/order.rs");
    }
}

#[test]
fn every_rule_says_which_code_uses_it() {
    let mut rules = 0;
    let mut wrong = Vec::new();
    for (chart, path, text) in templates() {
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| starts_rule(line)) {
            // A rule of a webhook configuration starts alike; it is none of RBAC's.
            if !in_role(&lines[..index]) {
                continue;
            }
            rules += 1;
            if !commented(&lines[..index]) {
                wrong.push(format!("{}/{path}:{}: {}", chart.name(), index + 1, line.trim()));
            }
        }
    }
    assert!(rules > 20, "only {rules} rules found: the test no longer sees them");
    assert!(wrong.is_empty(), "no comment says which code needs these rules:\n{}", wrong.join("\n"));
}

/// Whether a line starts an item of `rules`.
fn starts_rule(line: &str) -> bool {
    matches!(line.trim_start(), start if start.starts_with("- apiGroups:") || start.starts_with("- nonResourceURLs:"))
}

/// Whether the object these lines end in is a Role or a ClusterRole.
fn in_role(above: &[&str]) -> bool {
    let kind = above.iter().rev().find_map(|line| line.strip_prefix("kind: "));
    matches!(kind.map(str::trim), Some("Role" | "ClusterRole"))
}

/// Whether a comment with words stands right above, template actions aside.
fn commented(above: &[&str]) -> bool {
    let last = above.iter().rev().map(|line| line.trim()).find(|line| !line.starts_with("{{"));
    last.is_some_and(|line| line.starts_with('#') && line.len() > 10)
}
