//! Rules for `iptables-restore --noflush` and `ip6tables-restore --noflush`, of either variant.
//!
//! Only the `nat` table is touched, in one transaction. Our two chains are declared, which empties them where they exist;
//! jumps to them that exist are deleted before they are added, so there is always one of each. Rules are written as `iptables-save`
//! writes them, hence what was programmed can be compared.

use mesh_core::port::PortRange;

use super::{Difference, first_difference};
use crate::rules::{Chain, Hook, Match, Rule, RuleSet, Verdict};

const HOOKS: [Hook; 2] = [Hook::Prerouting, Hook::Output];

/// The script that puts the rules in force, given what `iptables-save -t nat` lists now.
pub fn script(rules: &RuleSet, listing: &str) -> String {
    let mut lines = vec!["*nat".to_owned()];
    lines.extend(HOOKS.iter().map(|hook| format!(":{} - [0:0]", hook.chain())));
    lines.extend(jumps(listing).map(deletion));
    lines.extend(appended(rules));
    lines.push("COMMIT\n".to_owned());
    lines.join("\n")
}

/// The script that takes everything of ours out of what is listed; `None` when nothing of ours is there.
pub fn cleanup(listing: &str) -> Option<String> {
    let declared = |hook: &&Hook| {
        let prefix = format!(":{} ", hook.chain());
        listing.lines().any(|line| line.starts_with(&prefix))
    };
    let hooks: Vec<&Hook> = HOOKS.iter().filter(declared).collect();
    if hooks.is_empty() {
        return None;
    }
    let mut lines = vec!["*nat".to_owned()];
    lines.extend(jumps(listing).map(deletion));
    lines.extend(hooks.iter().map(|hook| format!("-F {}", hook.chain())));
    lines.extend(hooks.iter().map(|hook| format!("-X {}", hook.chain())));
    lines.push("COMMIT\n".to_owned());
    Some(lines.join("\n"))
}

/// How a listing of the `nat` table departs from the rules, if it does. Chains of others are not looked at.
pub fn difference(rules: &RuleSet, listing: &str) -> Option<Difference> {
    let found = |hook: Hook| {
        let prefix = format!("-A {} ", hook.chain());
        listing.lines().filter(move |line| line.starts_with(&prefix))
    };
    let wanted: Vec<String> = appended(rules).map(|line| unquoted(&line)).collect();
    let listed = HOOKS.into_iter().flat_map(|hook| {
        let enters = jumps(listing).filter(move |line| target(line) == Some(hook.chain()));
        found(hook).chain(enters)
    });
    first_difference(&wanted, &listed.map(unquoted).collect::<Vec<_>>())
}

/// The rules of each chain, followed by the jump to it.
fn appended(rules: &RuleSet) -> impl Iterator<Item = String> {
    rules.chains.iter().flat_map(|chain| {
        let own = chain.rules.iter().map(|rule| line(chain, rule));
        own.chain(std::iter::once(jump(chain.hook)))
    })
}

fn line(chain: &Chain, rule: &Rule) -> String {
    let matches = match &rule.matches {
        Match::Uid(uid) => format!("-m owner --uid-owner {uid} "),
        Match::Gid(gid) => format!("-m owner --gid-owner {gid} "),
        Match::Loopback => "-o lo ".to_owned(),
        Match::Ports(ranges) => format!("-p tcp -m multiport --dports {} ", ports(ranges)),
        Match::Source(network) if network.prefix_len() == 0 => String::new(),
        Match::Source(network) => format!("-s {network} "),
        Match::Tcp => "-p tcp ".to_owned(),
    };
    let verdict = match rule.verdict {
        Verdict::Return => "RETURN".to_owned(),
        Verdict::Redirect(port) => format!("REDIRECT --to-ports {port}"),
    };
    format!("-A {} {matches}-m comment --comment \"{}\" -j {verdict}", chain.hook.chain(), rule.comment)
}

fn jump(hook: Hook) -> String {
    let from = match hook {
        Hook::Prerouting => "PREROUTING",
        Hook::Output => "OUTPUT",
    };
    format!("-A {from} -m comment --comment \"{}\" -j {}", hook.jump_comment(), hook.chain())
}

fn ports(ranges: &[PortRange]) -> String {
    let text = |range: &PortRange| match (range.low(), range.high()) {
        (low, high) if low == high => low.to_string(),
        (low, high) => format!("{low}:{high}"),
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

/// The listed rules of any chain that enter one of ours.
fn jumps(listing: &str) -> impl Iterator<Item = &str> {
    listing
        .lines()
        .filter(|line| target(line).is_some_and(|name| HOOKS.iter().any(|hook| hook.chain() == name)))
}

/// Where a listed rule goes to. A comment cannot pose as a target: what follows `-j` is the end of such a rule.
fn target(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("-A ")?;
    let (_, name) = rest.rsplit_once(" -j ")?;
    Some(name.trim_end())
}

fn deletion(line: &str) -> String {
    format!("-D{}", line.strip_prefix("-A").unwrap_or(line))
}

/// Releases of the tools differ in which comments they put in quotes.
fn unquoted(line: &str) -> String {
    line.replace('"', "").trim_end().to_owned()
}

#[cfg(test)]
mod tests;
