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
    kernel: Played,
}

/// A kernel that keeps the last transaction, unless it is to fail.
#[derive(Default)]
struct Played {
    holds: Vec<u8>,
    /// What any request is answered.
    unusable: Option<io::ErrorKind>,
    /// What a transaction is answered.
    refuses: Option<io::ErrorKind>,
    /// Transactions are acknowledged and forgotten.
    forgets: bool,
    transactions: usize,
}

impl Kernel for Scripted {
    fn ask(&mut self, request: &Request) -> io::Result<Vec<u8>> {
        let kernel = &mut self.kernel;
        if let Some(kind) = kernel.unusable {
            return Err(kind.into());
        }
        let Request::Transaction(messages) = request else { return Ok(kernel.holds.clone()) };
        if let Some(kind) = kernel.refuses {
            return Err(kind.into());
        }
        kernel.transactions += 1;
        if !kernel.forgets {
            kernel.holds.clone_from(messages);
        }
        Ok(Vec::new())
    }
}

impl Scripted {
    /// Without nftables in the kernel.
    fn without_nft() -> Self {
        Self {
            kernel: Played { unusable: Some(io::ErrorKind::Unsupported), ..Played::default() },
            ..Self::default()
        }
    }

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

#[test]
fn programs_and_reads_back() {
    let mut tools = Scripted::default();
    let applied = apply(&mut tools, Mode::Nft, &rules(Family::V4)).unwrap();
    assert_eq!((applied.backend, applied.change), (Backend::Nft, Change::Programmed));
    assert_eq!(tools.kernel.holds, ruleset::program(&rules(Family::V4)));
    assert!(tools.calls.is_empty(), "no program is needed");
}

#[test]
fn rules_in_force_are_left_alone() {
    let mut tools = Scripted::default();
    tools.kernel.holds = ruleset::program(&rules(Family::V4));
    let applied = apply(&mut tools, Mode::Nft, &rules(Family::V4)).unwrap();
    assert_eq!((applied.change, tools.kernel.transactions), (Change::AlreadyInForce, 0));
}

#[test]
fn without_any_tool_the_packages_are_named() {
    let error = apply(&mut Scripted::without_nft(), Mode::Legacy, &rules(Family::V6)).unwrap_err();
    let text = format!("{error}; {}", error.hint());
    for part in [
        "cannot redirect IPv6",
        "ip6tables-legacy-restore: not found",
        "nft: the kernel has no nftables",
        "Debian package iptables",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(error.exit_code(), crate::exit::MISSING);
}

#[test]
fn a_tool_that_cannot_list_is_passed_over_with_its_reason() {
    let listing = iptables::script(&rules(Family::V4), "");
    let mut tools = Scripted::without_nft()
        .with("iptables-nft-restore --version", [says("")])
        .with("iptables-nft-save -t nat", [says(&listing)]);
    let applied = apply(&mut tools, Mode::Nft, &rules(Family::V4)).unwrap();
    assert_eq!(applied.backend, Backend::IptablesNft);
    assert_eq!(
        applied.passed_over,
        [Unusable { program: "nft".into(), reason: "the kernel has no nftables".into() }]
    );
}

#[test]
fn a_refusal_is_a_failure_and_no_other_tool_is_tried() {
    let mut tools = Scripted::default()
        .with("ip6tables-nft-restore --version", [says("")])
        .with("ip6tables-nft-save -t nat", [says("")]);
    tools.kernel.refuses = Some(io::ErrorKind::PermissionDenied);
    let error = apply(&mut tools, Mode::Nft, &rules(Family::V6)).unwrap_err();
    assert_eq!(error.to_string(), "cannot redirect IPv6: nft failed: the kernel wants NET_ADMIN");
    assert_eq!(error.exit_code(), crate::exit::FAILED);
}

#[test]
fn rules_that_do_not_stay_are_a_failure() {
    let mut tools = Scripted::default();
    tools.kernel.forgets = true;
    let error = apply(&mut tools, Mode::Nft, &rules(Family::V4)).unwrap_err();
    assert!(matches!(error, ApplyError::Unlike { .. }), "{error}");
    let error = verify(&mut tools, Mode::Nft, &rules(Family::V4)).unwrap_err();
    assert!(matches!(error, ApplyError::Unlike { .. }), "{error}");
}

#[test]
fn every_tool_that_is_there_is_cleaned() {
    let listing = iptables::script(&rules(Family::V4), "");
    let mut tools = Scripted::default()
        .with("iptables-legacy-restore --version", [says("")])
        .with("iptables-legacy-save -t nat", [says(&listing)])
        .with("iptables-legacy-restore --noflush --wait=10", [says("")]);
    tools.kernel.holds = ruleset::program(&rules(Family::V4));
    assert_eq!(cleanup(&mut tools, Family::V4).unwrap(), [Backend::Nft, Backend::IptablesLegacy]);
    assert_eq!(tools.kernel.holds, ruleset::removal(Family::V4));
    assert!(tools.inputs[0].contains("-X PROXY_INIT_OUTPUT\n"));
    assert_eq!(cleanup(&mut Scripted::default(), Family::V4).unwrap(), []);
}

#[test]
fn an_unknown_mode_is_refused_with_the_known_ones() {
    let error = "ipvs".parse::<Mode>().unwrap_err();
    assert_eq!(error.to_string(), "\"ipvs\" is not a mode; it is one of nft, legacy and plain");
}
