//! Rules for `nft`: a table of our own per family, replaced as a whole.
//!
//! For people: what `--simulate` prints, and what `nft -n list table` shows of the rules that [`crate::netlink`] programs. The table is
//! declared, deleted and declared anew, so that the text can be given to `nft -f -` whatever was there before.

use mesh_core::port::PortRange;

use crate::rules::{Chain, Family, Hook, Match, Rule, RuleSet, Verdict};

/// The name of the table.
pub const TABLE: &str = "linkerd";

/// The script that puts the rules in force, whatever was there before.
pub fn script(rules: &RuleSet) -> String {
    format!("{}{}", cleanup(rules.family), table(rules))
}

/// The script that removes the table, whether it is there or not.
pub fn cleanup(family: Family) -> String {
    let keyword = keyword(family);
    format!("table {keyword} {TABLE}\ndelete table {keyword} {TABLE}\n")
}

fn table(rules: &RuleSet) -> String {
    let mut text = format!("table {} {TABLE} {{\n", keyword(rules.family));
    let own = rules.chains.iter().map(|chain| own_chain(rules.family, chain));
    let base = rules.chains.iter().map(|chain| base_chain(chain.hook));
    let chains: Vec<String> = own.chain(base).collect();
    text.push_str(&chains.join("\n"));
    text.push_str("}\n");
    text
}

fn own_chain(family: Family, chain: &Chain) -> String {
    let rules: String = chain.rules.iter().map(|rule| format!("\t\t{}\n", line(family, rule))).collect();
    format!("\tchain {} {{\n{rules}\t}}\n", chain.hook.chain())
}

fn base_chain(hook: Hook) -> String {
    let name = match hook {
        Hook::Prerouting => "prerouting",
        Hook::Output => "output",
    };
    format!(
        "\tchain {name} {{\n\t\ttype nat hook {name} priority -100; policy accept;\n\t\tjump {} comment \"{}\"\n\t}}\n",
        hook.chain(),
        hook.jump_comment()
    )
}

fn line(family: Family, rule: &Rule) -> String {
    let matches = match &rule.matches {
        Match::Uid(uid) => format!("meta skuid {uid}"),
        Match::Gid(gid) => format!("meta skgid {gid}"),
        Match::Loopback => "oifname \"lo\"".to_owned(),
        Match::Ports(ranges) => format!("tcp dport {}", ports(ranges)),
        Match::Source(network) if network.prefix_len() == network.max_prefix_len() => {
            format!("{} saddr {}", keyword(family), network.addr())
        }
        Match::Source(network) => format!("{} saddr {network}", keyword(family)),
        Match::Tcp => "meta l4proto 6".to_owned(),
    };
    let verdict = match rule.verdict {
        Verdict::Return => "return".to_owned(),
        Verdict::Redirect(port) => format!("redirect to :{port}"),
    };
    format!("{matches} {verdict} comment \"{}\"", rule.comment)
}

fn ports(ranges: &[PortRange]) -> String {
    match ranges {
        [range] => range.to_string(),
        _ => {
            let each: Vec<String> = ranges.iter().map(PortRange::to_string).collect();
            format!("{{ {} }}", each.join(", "))
        }
    }
}

const fn keyword(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

#[cfg(test)]
mod tests;
