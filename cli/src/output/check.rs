//! The report of `linkerd check`, in Linkerd's layout.

use mesh_health::{CategoryReport, CheckReport, Finding, Level};
use serde::Serialize;
use std::fmt::Write as _;

use crate::error::CommandError;
use crate::ui::{Role, Stream, Ui};

/// Where the hints are; the check's anchor follows.
const HINTS: &str = "https://linkerd.io/checks/#";

/// Which checks are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// All of them.
    All,
    /// Those that did not pass.
    Problems,
}

/// One category, as text. Empty when `detail` leaves nothing of it.
pub fn category(ui: &Ui, report: &CategoryReport, detail: Detail) -> String {
    let shown: Vec<&CheckReport> = report
        .checks
        .iter()
        .filter(|check| detail == Detail::All || check.finding != Finding::Pass)
        .collect();
    if shown.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n{}\n", report.id, "-".repeat(report.id.len()));
    for check in shown {
        text.push_str(&line(ui, check));
    }
    text
}

fn line(ui: &Ui, check: &CheckReport) -> String {
    let (sign, problem) = match (&check.finding, check.level) {
        (Finding::Pass | Finding::Skip, _) => (ui.sign(Stream::Out, Role::Success), None),
        (Finding::Fail(text), Level::Warning) => (ui.sign(Stream::Out, Role::Warning), Some(text)),
        (Finding::Fail(text), _) => (ui.sign(Stream::Out, Role::Failure), Some(text)),
        (Finding::Unknown(text), _) => ("?".to_owned(), Some(text)),
    };
    let took = if ui.is_verbose() { format!(" ({} ms)", check.took.as_millis()) } else { String::new() };
    let mut text = format!("{sign} {}{took}\n", check.description);
    if let Some(problem) = problem {
        let _ = writeln!(text, "    {problem}");
        if !check.anchor.is_empty() {
            let _ = writeln!(text, "    see {HINTS}{} for hints", check.anchor);
        }
    }
    text
}

/// The last line.
pub fn status(ui: &Ui, reports: &[CategoryReport]) -> String {
    let role = if succeeds(reports) { Role::Success } else { Role::Failure };
    let unknown = reports
        .iter()
        .flat_map(|report| &report.checks)
        .filter(|check| matches!(check.finding, Finding::Unknown(_)))
        .count();
    let note = match unknown {
        0 => String::new(),
        1 => " (1 check could not be determined)".to_owned(),
        n => format!(" ({n} checks could not be determined)"),
    };
    format!("Status check results are {}{note}\n", ui.sign(Stream::Out, role))
}

/// True without a failure that counts.
pub fn succeeds(reports: &[CategoryReport]) -> bool {
    !reports.iter().flat_map(|report| &report.checks).any(CheckReport::fails)
}

/// The report as JSON.
pub fn json(reports: &[CategoryReport]) -> Result<String, CommandError> {
    let categories: Vec<Category<'_>> = reports
        .iter()
        .map(|report| Category {
            category_name: report.id,
            checks: report.checks.iter().map(Check::of).collect(),
        })
        .collect();
    // Linkerd writes null, not an empty list, when nothing ran.
    let categories = (!categories.is_empty()).then_some(categories);
    super::json(&Whole { success: succeeds(reports), categories })
}

#[derive(Serialize)]
struct Whole<'a> {
    success: bool,
    categories: Option<Vec<Category<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Category<'a> {
    category_name: &'a str,
    checks: Vec<Check<'a>>,
}

#[derive(Serialize)]
struct Check<'a> {
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    result: &'static str,
}

impl<'a> Check<'a> {
    fn of(report: &'a CheckReport) -> Self {
        let (result, error) = match (&report.finding, report.level) {
            (Finding::Pass | Finding::Skip, _) => ("success", None),
            (Finding::Fail(text), Level::Warning) => ("warning", Some(text.as_str())),
            (Finding::Fail(text), _) => ("error", Some(text.as_str())),
            (Finding::Unknown(text), _) => ("unknown", Some(text.as_str())),
        };
        let hint = error.filter(|_| !report.anchor.is_empty()).map(|_| format!("{HINTS}{}", report.anchor));
        Self { description: &report.description, hint, error, result }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mesh_health::{CategoryReport, CheckReport, Finding, Level};

    use super::{Detail, category, json, status};
    use crate::ui::Ui;

    fn report() -> CategoryReport {
        let check = |description: &str, level, finding| CheckReport {
            description: description.into(),
            anchor: "k8s-api",
            level,
            finding,
            took: Duration::ZERO,
        };
        CategoryReport {
            id: "kubernetes-api",
            checks: vec![
                check("a", Level::Fatal, Finding::Pass),
                check("b", Level::Warning, Finding::Fail("late".into())),
                check("c", Level::Error, Finding::Unknown("no answer".into())),
                check("d", Level::Error, Finding::Fail("down".into())),
            ],
        }
    }

    #[test]
    fn text_shows_sign_error_and_hint() {
        let ui = Ui::captured(Box::new(std::io::sink()), Box::new(std::io::sink()));
        let hint = "    see https://linkerd.io/checks/#k8s-api for hints\n";
        let problems = format!("‼ b\n    late\n{hint}? c\n    no answer\n{hint}× d\n    down\n{hint}");
        let header = "kubernetes-api\n--------------\n";
        assert_eq!(category(&ui, &report(), Detail::All), format!("{header}√ a\n{problems}"));
        assert_eq!(category(&ui, &report(), Detail::Problems), format!("{header}{problems}"));
        assert_eq!(
            status(&ui, &[report()]),
            "Status check results are × (1 check could not be determined)\n"
        );
        assert_eq!(status(&ui, &[]), "Status check results are √\n");
    }

    #[test]
    fn json_has_hint_and_error_only_with_a_problem() {
        let text = json(&[report()]).unwrap();
        insta::assert_snapshot!(text);
        assert_eq!(json(&[]).unwrap(), "{\n  \"success\": true,\n  \"categories\": null\n}\n");
    }
}
