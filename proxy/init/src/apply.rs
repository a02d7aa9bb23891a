//! Puts the rules in force: chooses a tool, programs a family in one transaction and reads it back.
//!
//! Which tool is used is found out by asking each to list what it manages, in the order of the [`Mode`]: one may be
//! missing, or the kernel may lack what it needs. Nothing is left half done: each script is one transaction.

use std::{fmt, io, str::FromStr};

use crate::{
    netlink::{Kernel, Request, ruleset},
    render::{Difference, iptables, nft},
    rules::{Family, RuleSet},
};

/// The Debian package that brings the tools.
pub const PACKAGES: &str = "iptables";

/// Which tool is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// nftables, by the kernel's own interface, else through `iptables-nft`.
    Nft,
    /// `iptables-legacy`.
    Legacy,
    /// Whatever is called `iptables`.
    Plain,
}

/// A tool that programs the packet filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The kernel's nftables and a table of our own; no program is needed.
    Nft,
    /// `iptables-nft-restore`.
    IptablesNft,
    /// `iptables-legacy-restore`.
    IptablesLegacy,
    /// `iptables-restore`.
    Iptables,
}

/// What a program answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether it exited with 0.
    pub success: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs programs, and speaks to the kernel.
pub trait Tools: Kernel {
    /// Runs `program` with `input` as its standard input. A program that does not exist is [`io::ErrorKind::NotFound`].
    ///
    /// # Errors
    /// When the program cannot be started or its output cannot be read.
    fn run(&mut self, program: &str, args: &[&str], input: &str) -> io::Result<Answer>;
}

/// Whether something had to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Rules were programmed, and read back as asked for.
    Programmed,
    /// Exactly these rules were in force already.
    AlreadyInForce,
}

/// What was done for a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The tool in use.
    pub backend: Backend,
    /// Whether something had to be done.
    pub change: Change,
    /// The tools that were preferred and cannot be used, each with the reason.
    pub passed_over: Vec<Unusable>,
}

/// A tool that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The program that was tried.
    pub program: String,
    /// Why.
    pub reason: String,
}

/// Why a family is not redirected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// No tool can be used.
    #[error("cannot redirect {family}: no usable tool ({})", listed(.tried))]
    NoTool {
        /// The family.
        family: Family,
        /// Every tool that was tried.
        tried: Vec<Unusable>,
    },
    /// The tool refused the rules.
    #[error("cannot redirect {family}: {program} failed: {reason}")]
    Refused {
        /// The family.
        family: Family,
        /// The program.
        program: String,
        /// What it said.
        reason: String,
    },
    /// What is in force is not what was asked for.
    #[error("cannot redirect {family}: {program} took the rules but lists others: {difference}")]
    Unlike {
        /// The family.
        family: Family,
        /// The program.
        program: String,
        /// The first rule that differs.
        difference: Difference,
    },
}

impl ApplyError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoTool { tried, .. } if tried.iter().all(|one| one.reason == NOT_FOUND) => {
                format!("install the Debian package {PACKAGES}")
            }
            Self::NoTool { family, .. } => format!(
                "install the Debian package {PACKAGES}, and make sure that the kernel has NAT for {family} and that the process holds NET_ADMIN and NET_RAW"
            ),
            Self::Refused { family, .. } => {
                format!(
                    "make sure that the kernel has NAT for {family}, and that the process holds NET_ADMIN and NET_RAW"
                )
            }
            Self::Unlike { .. } => {
                "another program may be changing the same chains; run linkerd-init again".to_owned()
            }
        }
    }

    /// What the process should exit with, see [`crate::exit`].
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NoTool { .. } => crate::exit::MISSING,
            Self::Refused { .. } | Self::Unlike { .. } => crate::exit::FAILED,
        }
    }
}

const NOT_FOUND: &str = "not found";

/// Puts the rules in force with the first usable tool of the mode.
///
/// # Errors
/// When no tool can be used, when it refuses the rules, and when it then lists others.
pub fn apply(tools: &mut dyn Tools, mode: Mode, rules: &RuleSet) -> Result<Applied, ApplyError> {
    let family = rules.family;
    let (backend, listing, passed_over) = choose(tools, mode, family)?;
    if backend.difference(rules, &listing).is_none() {
        return Ok(Applied { backend, change: Change::AlreadyInForce, passed_over });
    }
    backend.put(tools, rules, &listing)?;
    match backend.difference(rules, &backend.read(tools, family)?) {
        None => Ok(Applied { backend, change: Change::Programmed, passed_over }),
        Some(difference) => Err(ApplyError::Unlike { family, program: backend.lister(family), difference }),
    }
}

/// Whether exactly these rules are in force, in any of the tools of the mode; changes nothing.
///
/// # Errors
/// [`ApplyError::NoTool`] when no tool can be used, [`ApplyError::Unlike`] with the difference that the first tool shows.
pub fn verify(tools: &mut dyn Tools, mode: Mode, rules: &RuleSet) -> Result<Backend, ApplyError> {
    let family = rules.family;
    let mut tried = Vec::new();
    let mut first = None;
    for backend in mode.backends() {
        match backend.probe(tools, family) {
            Ok(listing) => match backend.difference(rules, &listing) {
                None => return Ok(backend),
                Some(difference) => {
                    first.get_or_insert(ApplyError::Unlike {
                        family,
                        program: backend.lister(family),
                        difference,
                    });
                }
            },
            Err(unusable) => tried.push(unusable),
        }
    }
    Err(first.unwrap_or(ApplyError::NoTool { family, tried }))
}

/// Takes our rules of a family out of every tool that is there, and says out of which.
///
/// # Errors
/// When no tool can be used, and when a tool refuses.
pub fn cleanup(tools: &mut dyn Tools, family: Family) -> Result<Vec<Backend>, ApplyError> {
    let mut cleaned = Vec::new();
    let mut tried = Vec::new();
    for backend in Mode::Nft.backends() {
        match backend.probe(tools, family) {
            Ok(listing) => {
                if backend.remove(tools, family, &listing)? {
                    cleaned.push(backend);
                }
            }
            Err(unusable) => tried.push(unusable),
        }
    }
    if tried.len() == Mode::Nft.backends().len() {
        return Err(ApplyError::NoTool { family, tried });
    }
    Ok(cleaned)
}

/// What would be programmed on a machine without any rules, as the preferred tool of the mode reads it (`nft` for nftables).
pub fn simulate(mode: Mode, rules: &RuleSet) -> (Backend, String) {
    let [backend, ..] = mode.backends();
    let script = match backend {
        Backend::Nft => nft::script(rules),
        _ => iptables::script(rules, ""),
    };
    (backend, script)
}

/// The first usable tool, what it lists, and those passed over.
fn choose(
    tools: &mut dyn Tools,
    mode: Mode,
    family: Family,
) -> Result<(Backend, String, Vec<Unusable>), ApplyError> {
    let mut tried = Vec::new();
    for backend in mode.backends() {
        match backend.probe(tools, family) {
            Ok(listing) => return Ok((backend, listing, tried)),
            Err(unusable) => tried.push(unusable),
        }
    }
    Err(ApplyError::NoTool { family, tried })
}

impl Mode {
    /// The tools in order of preference.
    pub const fn backends(self) -> [Backend; 4] {
        match self {
            Self::Nft => [Backend::Nft, Backend::IptablesNft, Backend::Iptables, Backend::IptablesLegacy],
            Self::Legacy => [Backend::IptablesLegacy, Backend::Nft, Backend::IptablesNft, Backend::Iptables],
            Self::Plain => [Backend::Iptables, Backend::Nft, Backend::IptablesNft, Backend::IptablesLegacy],
        }
    }
}

impl Backend {
    /// The program that takes a script; `nft` stands for the kernel's own interface.
    pub fn writer(self, family: Family) -> String {
        self.program(family, "restore")
    }

    /// The program that lists what is in force.
    pub fn lister(self, family: Family) -> String {
        self.program(family, "save")
    }

    fn program(self, family: Family, verb: &str) -> String {
        let number = match family {
            Family::V4 => "",
            Family::V6 => "6",
        };
        match self {
            Self::Nft => "nft".to_owned(),
            Self::IptablesNft => format!("ip{number}tables-nft-{verb}"),
            Self::IptablesLegacy => format!("ip{number}tables-legacy-{verb}"),
            Self::Iptables => format!("ip{number}tables-{verb}"),
        }
    }

    fn difference(self, rules: &RuleSet, listing: &str) -> Option<Difference> {
        match self {
            Self::Nft => ruleset::difference(rules, listing),
            _ => iptables::difference(rules, listing),
        }
    }

    /// What is in force, if the tool can be used at all. Nothing of ours in nftables is the empty text.
    fn probe(self, tools: &mut dyn Tools, family: Family) -> Result<String, Unusable> {
        if self == Self::Nft {
            return listed_by_kernel(tools, family).map_err(|error| self.unusable(family, &error));
        }
        // A program that lists without one that writes is of no use.
        ask(tools, &self.writer(family), &["--version"], "")?;
        ask(tools, &self.lister(family), &["-t", "nat"], "")
    }

    fn read(self, tools: &mut dyn Tools, family: Family) -> Result<String, ApplyError> {
        self.probe(tools, family).map_err(|unusable| unusable.refused(family))
    }

    fn put(self, tools: &mut dyn Tools, rules: &RuleSet, listing: &str) -> Result<(), ApplyError> {
        match self {
            Self::Nft => self.transact(tools, rules.family, ruleset::program(rules)),
            _ => self.write(tools, rules.family, &iptables::script(rules, listing)),
        }
    }

    /// Whether there was anything to remove.
    fn remove(self, tools: &mut dyn Tools, family: Family, listing: &str) -> Result<bool, ApplyError> {
        if self == Self::Nft {
            if listing.is_empty() {
                return Ok(false);
            }
            return self.transact(tools, family, ruleset::removal(family)).map(|()| true);
        }
        match iptables::cleanup(listing) {
            Some(script) => self.write(tools, family, &script).map(|()| true),
            None => Ok(false),
        }
    }

    fn transact(self, tools: &mut dyn Tools, family: Family, messages: Vec<u8>) -> Result<(), ApplyError> {
        let done = tools.ask(&Request::Transaction(messages));
        done.map(drop).map_err(|error| self.unusable(family, &error).refused(family))
    }

    fn write(self, tools: &mut dyn Tools, family: Family, script: &str) -> Result<(), ApplyError> {
        // Another program may hold the lock for a moment.
        let args = ["--noflush", "--wait=10"];
        ask(tools, &self.writer(family), &args, script).map(drop).map_err(|unusable| unusable.refused(family))
    }

    fn unusable(self, family: Family, error: &io::Error) -> Unusable {
        let reason = match error.kind() {
            io::ErrorKind::PermissionDenied => "the kernel wants NET_ADMIN".to_owned(),
            io::ErrorKind::Unsupported => "the kernel has no nftables".to_owned(),
            _ => format!("the kernel answers: {error}"),
        };
        Unusable { program: self.writer(family), reason }
    }
}

/// What the kernel has in our table of a family; empty when there is no such table.
fn listed_by_kernel(tools: &mut dyn Tools, family: Family) -> io::Result<String> {
    let tables = tools.ask(&Request::Dump(ruleset::tables(family)))?;
    if !ruleset::has_table(&tables) {
        return Ok(String::new());
    }
    let [chains, rules] = ruleset::listing(family);
    let (chains, rules) = (tools.ask(&Request::Dump(chains))?, tools.ask(&Request::Dump(rules))?);
    Ok(ruleset::describe(&chains, &rules))
}

impl Unusable {
    fn refused(self, family: Family) -> ApplyError {
        ApplyError::Refused { family, program: self.program, reason: self.reason }
    }
}

/// Runs a program and returns its output if it succeeds.
fn ask(tools: &mut dyn Tools, program: &str, args: &[&str], input: &str) -> Result<String, Unusable> {
    let reason = match tools.run(program, args, input) {
        Ok(answer) if answer.success => return Ok(answer.stdout),
        Ok(answer) => shortened(&answer.stderr),
        Err(error) if error.kind() == io::ErrorKind::NotFound => NOT_FOUND.to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Unusable { program: program.to_owned(), reason })
}

/// What a program said, on one line of bounded length.
fn shortened(stderr: &str) -> String {
    let words: Vec<&str> = stderr.split_whitespace().collect();
    match words.join(" ") {
        text if text.is_empty() => "it failed without a word".to_owned(),
        text => text.chars().take(400).collect(),
    }
}

fn listed(tried: &[Unusable]) -> String {
    let each: Vec<String> = tried.iter().map(|one| format!("{}: {}", one.program, one.reason)).collect();
    each.join("; ")
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nft => "nft",
            Self::IptablesNft => "iptables-nft",
            Self::IptablesLegacy => "iptables-legacy",
            Self::Iptables => "iptables",
        })
    }
}

/// A mode that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a mode; it is one of nft, legacy and plain")]
pub struct UnknownMode(String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "nft" => Ok(Self::Nft),
            "legacy" => Ok(Self::Legacy),
            "plain" => Ok(Self::Plain),
            other => Err(UnknownMode(other.chars().take(40).collect())),
        }
    }
}

#[cfg(test)]
mod tests;
