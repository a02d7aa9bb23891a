//! Applying rules with tools that are played.

use std::{collections::VecDeque, num::NonZeroU16};

use mesh_core::port::PortRanges;

use super::*;
use crate::rules::{Capture, Settings};

/// Programs that answer by a script: what is called, and what it says. Anything else does not exist.
#[derive(Default)]
struct Scripted {
    answers: Vec<(&'static str, VecDeque<Answer>)>,
    calls: Vec<String>,
    inputs: Vec<String>,
}

impl Scripted {
    fn with(mut self, call: &'static str, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.answers.push((call, answers.into_iter().collect()));
        self
    }
}

impl Tools for Scripted {
    fn run(&mut self, program: &str, args: &[&str], input: &str) -> io::Result<Answer> {
        let call = format!("{program} {}", args.join(" "));
        self.calls.push(call.clone());
        if !input.is_empty() {
            self.inputs.push(input.to_owned());
        }
        let (_, answers) =
            self.answers.iter_mut().find(|(known, _)| *known == call).ok_or(io::ErrorKind::NotFound)?;
        // The last answer is repeated.
        let last = answers.len() == 1;
        let answer = if last { answers.front().cloned() } else { answers.pop_front() };
        Ok(answer.unwrap_or_default())
    }
}

fn says(stdout: &str) -> Answer {
    Answer { success: true, stdout: stdout.to_owned(), stderr: String::new() }
}

fn fails(stderr: &str) -> Answer {
    Answer { success: false, stdout: String::new(), stderr: stderr.to_owned() }
}

fn rules(family: Family) -> RuleSet {
    let port = |number| NonZeroU16::new(number).unwrap();
    let settings = Settings {
        inbound_port: port(4143),
        outbound_port: port(4140),
        proxy_uid: Some(2102),
        proxy_gid: None,
        capture: Capture::All,
        skip_inbound: PortRanges::default(),
        skip_outbound: PortRanges::default(),
        skip_sources: Vec::new(),
    };
    settings.rules(family)
}

/// What nft lists once the rules are in force.
fn in_force(family: Family) -> String {
    nft::script(&rules(family)).lines().skip(2).collect::<Vec<_>>().join("\n")
}

#[test]
fn programs_and_reads_back() {
    let mut tools = Scripted::default()
        .with("nft list tables", [says(""), says("table ip linkerd\n")])
        .with("nft -n list table ip linkerd", [says(&in_force(Family::V4))])
        .with("nft -f -", [says("")]);
    let applied = apply(&mut tools, Mode::Nft, &rules(Family::V4)).unwrap();
    assert_eq!((applied.backend, applied.change), (Backend::Nft, Change::Programmed));
    assert_eq!(tools.inputs, [nft::script(&rules(Family::V4))]);
}

#[test]
fn rules_in_force_are_left_alone() {
    let mut tools = Scripted::default()
        .with("nft list tables", [says("table ip linkerd\n")])
        .with("nft -n list table ip linkerd", [says(&in_force(Family::V4))]);
    let applied = apply(&mut tools, Mode::Nft, &rules(Family::V4)).unwrap();
    assert_eq!(applied.change, Change::AlreadyInForce);
    assert!(tools.inputs.is_empty());
}

#[test]
fn without_any_tool_the_packages_are_named() {
    let error = apply(&mut Scripted::default(), Mode::Legacy, &rules(Family::V6)).unwrap_err();
    let text = format!("{error}; {}", error.hint());
    for part in [
        "cannot redirect IPv6",
        "ip6tables-legacy-restore: not found",
        "nft: not found",
        "Debian package nftables or iptables",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(error.exit_code(), crate::exit::MISSING);
}

#[test]
fn a_tool_that_cannot_list_is_passed_over_with_its_reason() {
    let listing = iptables::script(&rules(Family::V4), "");
    let mut tools = Scripted::default()
        .with("nft list tables", [fails("Operation not\n permitted")])
        .with("iptables-nft-restore --version", [says("")])
        .with("iptables-nft-save -t nat", [says(&listing)]);
    let applied = apply(&mut tools, Mode::Nft, &rules(Family::V4)).unwrap();
    assert_eq!(applied.backend, Backend::IptablesNft);
    assert_eq!(
        applied.passed_over,
        [Unusable { program: "nft".into(), reason: "Operation not permitted".into() }]
    );
}

#[test]
fn a_refusal_is_a_failure_and_no_other_tool_is_tried() {
    let mut tools = Scripted::default()
        .with("nft list tables", [says("")])
        .with("nft -f -", [fails("Error: Could not process rule: Operation not supported")])
        .with("ip6tables-nft-restore --version", [says("")])
        .with("ip6tables-nft-save -t nat", [says("")]);
    let error = apply(&mut tools, Mode::Nft, &rules(Family::V6)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot redirect IPv6: nft failed: Error: Could not process rule: Operation not supported"
    );
    assert_eq!(error.exit_code(), crate::exit::FAILED);
}

#[test]
fn rules_that_do_not_stay_are_a_failure() {
    let other = in_force(Family::V4).replace(":4143", ":4144");
    let mut tools = Scripted::default()
        .with("nft list tables", [says("table ip linkerd\n")])
        .with("nft -n list table ip linkerd", [says(&other)])
        .with("nft -f -", [says("")]);
    let error = apply(&mut tools, Mode::Nft, &rules(Family::V4)).unwrap_err();
    assert!(matches!(error, ApplyError::Unlike { .. }), "{error}");
    let error = verify(&mut tools, Mode::Nft, &rules(Family::V4)).unwrap_err();
    assert!(matches!(error, ApplyError::Unlike { .. }), "{error}");
}

#[test]
fn every_tool_that_is_there_is_cleaned() {
    let listing = iptables::script(&rules(Family::V4), "");
    let mut tools = Scripted::default()
        .with("nft list tables", [says("table ip linkerd\n")])
        .with("nft -n list table ip linkerd", [says(&in_force(Family::V4))])
        .with("nft -f -", [says("")])
        .with("iptables-legacy-restore --version", [says("")])
        .with("iptables-legacy-save -t nat", [says(&listing)])
        .with("iptables-legacy-restore --noflush --wait=10", [says("")]);
    assert_eq!(cleanup(&mut tools, Family::V4).unwrap(), [Backend::Nft, Backend::IptablesLegacy]);
    assert_eq!(tools.inputs[0], "table ip linkerd\ndelete table ip linkerd\n");
    assert!(tools.inputs[1].contains("-X PROXY_INIT_OUTPUT\n"));
}

#[test]
fn an_unknown_mode_is_refused_with_the_known_ones() {
    let error = "ipvs".parse::<Mode>().unwrap_err();
    assert_eq!(error.to_string(), "\"ipvs\" is not a mode; it is one of nft, legacy and plain");
}
