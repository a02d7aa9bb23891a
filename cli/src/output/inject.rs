//! The report of `inject` and `uninject` on stderr, in Linkerd's words.

use std::fmt::Write;

use mesh_inject::{Fact, Outcome, Skip};

use crate::ui::{Role, Stream, Ui};

/// Which command reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `inject`
    Inject,
    /// `uninject`
    Uninject,
}

/// Collects facts as text, so that a report on a million objects stays small.
#[derive(Debug)]
pub struct InjectReport {
    verb: Verb,
    lines: String,
    host_network: Vec<String>,
    sidecar: Vec<String>,
    disabled: Vec<String>,
    udp: Vec<String>,
    changed: usize,
    warnings: Vec<String>,
}

impl InjectReport {
    /// A report without facts.
    pub fn new(verb: Verb) -> Self {
        Self {
            verb,
            lines: String::new(),
            host_network: Vec::new(),
            sidecar: Vec::new(),
            disabled: Vec::new(),
            udp: Vec::new(),
            changed: 0,
            warnings: Vec::new(),
        }
    }

    /// Adds a fact; facts are added in the order of the input.
    pub fn add(&mut self, fact: &Fact) {
        let word = match fact.outcome {
            Outcome::Injected => "injected",
            Outcome::Annotated => "annotated",
            Outcome::Uninjected => "uninjected",
            _ => "skipped",
        };
        self.changed += usize::from(word != "skipped");
        let Some(resource) = &fact.resource else {
            self.lines.push_str(Skip::MissingKind.describe());
            self.lines.push_str(", skipped\n");
            return;
        };
        // Writing to a string cannot fail.
        let _ = writeln!(self.lines, "{} \"{}\" {word}", resource.kind, resource.name);
        for (is_so, list) in [
            (fact.host_network, &mut self.host_network),
            (fact.sidecar, &mut self.sidecar),
            (fact.disabled, &mut self.disabled),
            (fact.udp, &mut self.udp),
        ] {
            if is_so {
                list.push(resource.to_string());
            }
        }
        self.warnings.extend(fact.warnings.iter().map(|warning| format!("{resource}: {warning}")));
    }

    /// Prints the report, and what is odd about annotations after it.
    pub fn print(&self, ui: &mut Ui) {
        let mut text = String::from("\n");
        if self.verb == Verb::Inject {
            let findings = self.findings(ui);
            text.push_str(&findings);
            if !findings.is_empty() {
                text.push('\n');
            }
        }
        text.push_str(&self.lines);
        ui.note(&text);
        for warning in &self.warnings {
            ui.warn(warning);
        }
    }

    fn findings(&self, ui: &Ui) -> String {
        let bad = ui.sign(Stream::Err, Role::Warning);
        let good = ui.sign(Stream::Err, Role::Success);
        let names = |list: &[String]| list.join(", ");
        let uses = if self.udp.len() == 1 { "uses" } else { "use" };
        let rows = [
            (
                !self.host_network.is_empty(),
                format!("\"hostNetwork: true\" detected in {}", names(&self.host_network)),
                "pods do not use host networking",
            ),
            (
                !self.sidecar.is_empty(),
                format!("known 3rd party sidecar detected in {}", names(&self.sidecar)),
                "pods do not have a 3rd party proxy or initContainer already injected",
            ),
            (
                !self.disabled.is_empty(),
                format!("\"linkerd.io/inject: disabled\" annotation set on {}", names(&self.disabled)),
                "pods are not annotated to disable injection",
            ),
            (
                self.changed == 0,
                "no supported objects found".to_owned(),
                "at least one resource can be injected or annotated",
            ),
            (
                !self.udp.is_empty(),
                format!("{} {uses} \"protocol: UDP\"", names(&self.udp)),
                "pod specs do not include UDP ports",
            ),
        ];
        let mut text = String::new();
        for (is_found, finding, otherwise) in rows {
            if is_found {
                text.extend([&bad, " ", &finding, "\n"]);
            } else if ui.is_verbose() {
                text.extend([&good, " ", otherwise, "\n"]);
            }
        }
        text
    }
}
