//! A set of rules in the expressions of the kernel's packet filter, and back.
//!
//! The table, its chains and comments are those of [`crate::render::nft`], so `nft list table ip linkerd` shows what is in
//! force. A rule that names several ports is programmed as one rule for each of them, which needs no sets.

use std::fmt;

use ipnet::IpNet;
use mesh_core::port::PortRange;

use super::wire::{self, Attributes, Message, Messages};
use crate::{
    render::{Difference, first_difference, nft::TABLE},
    rules::{Family, Hook, Match, Rule, RuleSet, Verdict},
};

const NEW_TABLE: u16 = message(0);
const GET_TABLE: u16 = message(1);
const DELETE_TABLE: u16 = message(2);
const NEW_CHAIN: u16 = message(3);
const GET_CHAIN: u16 = message(4);
const NEW_RULE: u16 = message(6);
const GET_RULE: u16 = message(7);

/// Attributes of tables, chains and rules.
mod attribute {
    pub(super) const TABLE_NAME: u16 = 1;
    pub(super) const CHAIN_TABLE: u16 = 1;
    pub(super) const CHAIN_NAME: u16 = 3;
    pub(super) const CHAIN_HOOK: u16 = 4;
    pub(super) const CHAIN_POLICY: u16 = 5;
    pub(super) const CHAIN_TYPE: u16 = 7;
    pub(super) const HOOK_NUMBER: u16 = 1;
    pub(super) const HOOK_PRIORITY: u16 = 2;
    pub(super) const RULE_TABLE: u16 = 1;
    pub(super) const RULE_CHAIN: u16 = 2;
    pub(super) const RULE_EXPRESSIONS: u16 = 4;
    pub(super) const RULE_USERDATA: u16 = 7;
    pub(super) const LIST_ELEMENT: u16 = 1;
    pub(super) const EXPRESSION_NAME: u16 = 1;
    pub(super) const EXPRESSION_DATA: u16 = 2;
    pub(super) const DATA_VALUE: u16 = 1;
    pub(super) const DATA_VERDICT: u16 = 2;
    pub(super) const VERDICT_CODE: u16 = 1;
    pub(super) const VERDICT_CHAIN: u16 = 2;
}

/// The verdict register, and the first data register.
const VERDICT: u32 = 0;
const DATA: u32 = 1;
/// Verdict codes.
const ACCEPT: u32 = 1;
const RETURN: u32 = (-5i32).cast_unsigned();
const JUMP: u32 = (-3i32).cast_unsigned();
/// The priority of destination NAT.
const PRIORITY: u32 = (-100i32).cast_unsigned();
/// The protocol number of TCP.
const TCP: u8 = 6;
/// The size of an interface's name.
const INTERFACE_NAME: usize = 16;

const fn message(number: u16) -> u16 {
    wire::NF_TABLES << 8 | number
}

/// One step of a rule: load something into the register, compare it, or decide.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    Meta(u32),
    Payload {
        base: u32,
        offset: u32,
        length: u32,
    },
    Mask(Vec<u8>),
    Compare(u32, Vec<u8>),
    Load(Vec<u8>),
    Decide {
        code: u32,
        chain: Option<String>,
    },
    Redirect,
    /// Something that we never write.
    Other(String),
}

/// A rule of a chain, as it is programmed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    chain: String,
    steps: Vec<Expression>,
    comment: String,
}

/// The messages that put the rules in force, whatever was there before.
pub fn program(rules: &RuleSet) -> Vec<u8> {
    let family = number(rules.family);
    let mut out = begin(family);
    table(&mut out, NEW_TABLE, wire::CREATE, family);
    for chain in &rules.chains {
        new_chain(&mut out, family, chain.hook.chain(), None);
    }
    for chain in &rules.chains {
        new_chain(&mut out, family, base_chain(chain.hook), Some(chain.hook));
    }
    let lines = expected(rules);
    for (index, line) in lines.iter().enumerate() {
        let last = if index + 1 == lines.len() { wire::ACK } else { 0 };
        out.message(NEW_RULE, wire::REQUEST | wire::CREATE | wire::APPEND | last, family, 0, |out| {
            line.write(out)
        });
    }
    end(out)
}

/// The messages that remove the table, whether it is there or not.
pub fn removal(family: Family) -> Vec<u8> {
    end(begin(number(family)))
}

/// Asks for the chains and the rules of a family.
pub fn listing(family: Family) -> [Vec<u8>; 2] {
    [GET_CHAIN, GET_RULE].map(|kind| {
        let mut out = Messages::default();
        out.message(kind, wire::REQUEST | wire::DUMP, number(family), 0, |out| {
            if kind == GET_RULE {
                out.text(attribute::RULE_TABLE, TABLE);
            }
        });
        out.into_bytes()
    })
}

/// Asks for the tables of a family.
pub fn tables(family: Family) -> Vec<u8> {
    let mut out = Messages::default();
    out.message(GET_TABLE, wire::REQUEST | wire::DUMP, number(family), 0, |_| {});
    out.into_bytes()
}

/// Whether our table is among those that the kernel lists.
pub fn has_table(answer: &[u8]) -> bool {
    wire::messages(answer)
        .filter(|message| message.kind == NEW_TABLE)
        .any(|message| message.attributes().text(attribute::TABLE_NAME) == Some(TABLE))
}

/// What the kernel lists as lines of text, for [`difference`].
pub fn describe(chains: &[u8], rules: &[u8]) -> String {
    let bases = wire::messages(chains).filter_map(|message| base_of(&message));
    let lines = wire::messages(rules).filter_map(|message| Line::read(&message));
    sorted(bases.collect(), lines.map(|line| line.to_string()).collect())
}

/// How a listing departs from the rules, if it does.
pub fn difference(rules: &RuleSet, listing: &str) -> Option<Difference> {
    let bases =
        rules.chains.iter().map(|chain| base_text(base_chain(chain.hook), hook_number(chain.hook), PRIORITY));
    let wanted = sorted(bases.collect(), expected(rules).iter().map(Line::to_string).collect());
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    first_difference(&lines(&wanted), &lines(listing))
}

/// Base chains, then the rules chain by chain: the kernel lists chains in an order of its own, rules of a chain in theirs.
fn sorted(mut bases: Vec<String>, mut rules: Vec<String>) -> String {
    bases.sort_unstable();
    let chain = |line: &String| line.split(':').next().unwrap_or_default().to_owned();
    rules.sort_by_key(chain);
    bases.extend(rules);
    bases.join("\n")
}

fn begin(family: u8) -> Messages {
    let mut out = Messages::default();
    out.message(wire::BATCH_BEGIN, wire::REQUEST, 0, wire::NF_TABLES, |_| {});
    // Declared, so that deleting it cannot fail.
    table(&mut out, NEW_TABLE, wire::CREATE, family);
    table(&mut out, DELETE_TABLE, wire::ACK, family);
    out
}

fn end(mut out: Messages) -> Vec<u8> {
    out.message(wire::BATCH_END, wire::REQUEST, 0, wire::NF_TABLES, |_| {});
    out.into_bytes()
}

fn table(out: &mut Messages, kind: u16, flags: u16, family: u8) {
    out.message(kind, wire::REQUEST | flags, family, 0, |out| out.text(attribute::TABLE_NAME, TABLE));
}

fn new_chain(out: &mut Messages, family: u8, name: &str, hook: Option<Hook>) {
    out.message(NEW_CHAIN, wire::REQUEST | wire::CREATE, family, 0, |out| {
        out.text(attribute::CHAIN_TABLE, TABLE);
        out.text(attribute::CHAIN_NAME, name);
        if let Some(hook) = hook {
            out.nested(attribute::CHAIN_HOOK, |out| {
                out.number(attribute::HOOK_NUMBER, hook_number(hook));
                out.number(attribute::HOOK_PRIORITY, PRIORITY);
            });
            out.number(attribute::CHAIN_POLICY, ACCEPT);
            out.text(attribute::CHAIN_TYPE, "nat");
        }
    });
}

const fn base_chain(hook: Hook) -> &'static str {
    match hook {
        Hook::Prerouting => "prerouting",
        Hook::Output => "output",
    }
}

const fn hook_number(hook: Hook) -> u32 {
    match hook {
        Hook::Prerouting => 0,
        Hook::Output => 3,
    }
}

/// The families IPv4 and IPv6 of the packet filter.
const fn number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// A base chain of our table as text; other chains say nothing here.
fn base_of(message: &Message<'_>) -> Option<String> {
    let chain = message.attributes();
    if message.kind != NEW_CHAIN || chain.text(attribute::CHAIN_TABLE) != Some(TABLE) {
        return None;
    }
    let hook = chain.nested(attribute::CHAIN_HOOK)?;
    let number = |name| hook.number(name).unwrap_or(u32::MAX);
    let name = chain.text(attribute::CHAIN_NAME)?;
    Some(base_text(name, number(attribute::HOOK_NUMBER), number(attribute::HOOK_PRIORITY)))
}

fn base_text(name: &str, hook: u32, priority: u32) -> String {
    format!("chain {name} at hook {hook} with priority {}", priority.cast_signed())
}

/// All rules of the table in the order in which they are programmed.
fn expected(rules: &RuleSet) -> Vec<Line> {
    let mut lines = Vec::new();
    for chain in &rules.chains {
        let own = chain.rules.iter().flat_map(|rule| lines_of(chain.hook.chain(), rule));
        lines.extend(own);
    }
    lines.extend(rules.chains.iter().map(|chain| Line {
        chain: base_chain(chain.hook).to_owned(),
        steps: vec![Expression::Decide { code: JUMP, chain: Some(chain.hook.chain().to_owned()) }],
        comment: chain.hook.jump_comment().to_owned(),
    }));
    lines
}

fn lines_of(chain: &str, rule: &Rule) -> Vec<Line> {
    let alternatives = match &rule.matches {
        Match::Uid(uid) => vec![vec![Expression::Meta(meta::SKUID), equal(uid.to_ne_bytes())]],
        Match::Gid(gid) => vec![vec![Expression::Meta(meta::SKGID), equal(gid.to_ne_bytes())]],
        Match::Loopback => vec![vec![Expression::Meta(meta::OIFNAME), equal(interface("lo"))]],
        Match::Ports(ranges) => ranges.iter().map(|range| port(*range)).collect(),
        Match::Source(network) => vec![source(*network)],
        Match::Tcp => vec![tcp()],
    };
    let verdict = match rule.verdict {
        Verdict::Return => vec![Expression::Decide { code: RETURN, chain: None }],
        Verdict::Redirect(port) => {
            vec![Expression::Load(port.get().to_be_bytes().to_vec()), Expression::Redirect]
        }
    };
    let line = |mut steps: Vec<Expression>| {
        steps.extend(verdict.iter().cloned());
        Line { chain: chain.to_owned(), steps, comment: rule.comment.to_owned() }
    };
    alternatives.into_iter().map(line).collect()
}

/// What a rule can ask of a packet beside its content.
mod meta {
    pub(super) const OIFNAME: u32 = 7;
    pub(super) const SKUID: u32 = 10;
    pub(super) const SKGID: u32 = 11;
    pub(super) const L4PROTO: u32 = 16;
}

/// Comparisons.
mod compare {
    pub(super) const EQUAL: u32 = 0;
    pub(super) const AT_MOST: u32 = 3;
    pub(super) const AT_LEAST: u32 = 5;
}

fn equal(value: impl Into<Vec<u8>>) -> Expression {
    Expression::Compare(compare::EQUAL, value.into())
}

fn interface(name: &str) -> Vec<u8> {
    let mut padded = name.as_bytes().to_vec();
    padded.resize(INTERFACE_NAME, 0);
    padded
}

fn tcp() -> Vec<Expression> {
    vec![Expression::Meta(meta::L4PROTO), equal([TCP])]
}

fn port(range: PortRange) -> Vec<Expression> {
    // The destination port is the second word of the header.
    let load = Expression::Payload { base: 2, offset: 2, length: 2 };
    let (low, high) = (range.low().to_be_bytes().to_vec(), range.high().to_be_bytes().to_vec());
    let mut steps = tcp();
    steps.push(load);
    if low == high {
        steps.push(equal(low));
    } else {
        steps.push(Expression::Compare(compare::AT_LEAST, low));
        steps.push(Expression::Compare(compare::AT_MOST, high));
    }
    steps
}

fn source(network: IpNet) -> Vec<Expression> {
    let (offset, address, mask) = match network {
        IpNet::V4(net) => (12, net.network().octets().to_vec(), net.netmask().octets().to_vec()),
        IpNet::V6(net) => (8, net.network().octets().to_vec(), net.netmask().octets().to_vec()),
    };
    let length = u32::try_from(address.len()).unwrap_or(u32::MAX);
    let mut steps = vec![Expression::Payload { base: 1, offset, length }];
    if network.prefix_len() < network.max_prefix_len() {
        steps.push(Expression::Mask(mask));
    }
    steps.push(equal(address));
    steps
}

// === impl Line ===

impl Line {
    fn write(&self, out: &mut Messages) {
        out.text(attribute::RULE_TABLE, TABLE);
        out.text(attribute::RULE_CHAIN, &self.chain);
        out.nested(attribute::RULE_EXPRESSIONS, |out| {
            for step in &self.steps {
                out.nested(attribute::LIST_ELEMENT, |out| step.write(out));
            }
        });
        // The comment as `nft` keeps it: type 0, length, text with its final zero.
        let mut data = vec![0, u8::try_from(self.comment.len() + 1).unwrap_or(u8::MAX)];
        data.extend_from_slice(self.comment.as_bytes());
        data.push(0);
        out.bytes(attribute::RULE_USERDATA, &data);
    }

    fn read(message: &Message<'_>) -> Option<Self> {
        let rule = message.attributes();
        if message.kind != NEW_RULE || rule.text(attribute::RULE_TABLE) != Some(TABLE) {
            return None;
        }
        let steps =
            rule.nested(attribute::RULE_EXPRESSIONS)?.map(|(_, one)| Expression::read(Attributes(one)));
        let data = rule.get(attribute::RULE_USERDATA).unwrap_or_default();
        let comment =
            data.get(2..).and_then(|text| text.split(|octet| *octet == 0).next()).unwrap_or_default();
        Some(Self {
            chain: rule.text(attribute::RULE_CHAIN)?.to_owned(),
            steps: steps.collect(),
            comment: String::from_utf8_lossy(comment).into_owned(),
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.chain)?;
        self.steps.iter().try_for_each(|step| write!(f, " {step}"))?;
        write!(f, " \"{}\"", self.comment)
    }
}

// === impl Expression ===

impl Expression {
    fn write(&self, out: &mut Messages) {
        let mut expression = |name: &str, body: &dyn Fn(&mut Messages)| {
            out.text(attribute::EXPRESSION_NAME, name);
            out.nested(attribute::EXPRESSION_DATA, body);
        };
        match self {
            Self::Meta(key) => expression("meta", &|out| {
                out.number(1, DATA);
                out.number(2, *key);
            }),
            Self::Payload { base, offset, length } => expression("payload", &|out| {
                for (name, value) in [(1, DATA), (2, *base), (3, *offset), (4, *length)] {
                    out.number(name, value);
                }
            }),
            Self::Mask(mask) => expression("bitwise", &|out| {
                let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
                for (name, value) in [(1, DATA), (2, DATA), (3, length)] {
                    out.number(name, value);
                }
                out.nested(4, |out| out.bytes(attribute::DATA_VALUE, mask));
                out.nested(5, |out| out.bytes(attribute::DATA_VALUE, &vec![0; mask.len()]));
            }),
            Self::Compare(operation, value) => expression("cmp", &|out| {
                out.number(1, DATA);
                out.number(2, *operation);
                out.nested(3, |out| out.bytes(attribute::DATA_VALUE, value));
            }),
            Self::Load(value) => expression("immediate", &|out| {
                out.number(1, DATA);
                out.nested(2, |out| out.bytes(attribute::DATA_VALUE, value));
            }),
            Self::Decide { code, chain } => expression("immediate", &|out| {
                out.number(1, VERDICT);
                out.nested(2, |out| {
                    out.nested(attribute::DATA_VERDICT, |out| {
                        out.number(attribute::VERDICT_CODE, *code);
                        if let Some(chain) = chain {
                            out.text(attribute::VERDICT_CHAIN, chain);
                        }
                    });
                });
            }),
            Self::Redirect => expression("redir", &|out| out.number(1, DATA)),
            Self::Other(name) => expression(name, &|_| {}),
        }
    }

    fn read(element: Attributes<'_>) -> Self {
        let name = element.text(attribute::EXPRESSION_NAME).unwrap_or_default();
        let data = element.nested(attribute::EXPRESSION_DATA).unwrap_or(Attributes(&[]));
        Self::known(name, data).unwrap_or_else(|| Self::Other(name.to_owned()))
    }

    fn known(name: &str, data: Attributes<'_>) -> Option<Self> {
        let value = |name| Some(data.nested(name)?.get(attribute::DATA_VALUE)?.to_vec());
        Some(match name {
            "meta" => Self::Meta(data.number(2)?),
            "payload" => {
                Self::Payload { base: data.number(2)?, offset: data.number(3)?, length: data.number(4)? }
            }
            "bitwise" => Self::Mask(value(4)?),
            "cmp" => Self::Compare(data.number(2)?, value(3)?),
            "immediate" if data.number(1)? == VERDICT => {
                let verdict = data.nested(2)?.nested(attribute::DATA_VERDICT)?;
                let chain = verdict.text(attribute::VERDICT_CHAIN).map(str::to_owned);
                Self::Decide { code: verdict.number(attribute::VERDICT_CODE)?, chain }
            }
            "immediate" => Self::Load(value(2)?),
            "redir" => Self::Redirect,
            _ => return None,
        })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| bytes.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        match self {
            Self::Meta(meta::OIFNAME) => f.write_str("oifname"),
            Self::Meta(meta::SKUID) => f.write_str("skuid"),
            Self::Meta(meta::SKGID) => f.write_str("skgid"),
            Self::Meta(meta::L4PROTO) => f.write_str("l4proto"),
            Self::Meta(key) => write!(f, "meta {key}"),
            Self::Payload { base, offset, length } => write!(f, "payload {base}+{offset}/{length}"),
            Self::Mask(mask) => write!(f, "& {}", hex(mask)),
            Self::Compare(compare::EQUAL, value) => write!(f, "= {}", hex(value)),
            Self::Compare(compare::AT_LEAST, value) => write!(f, ">= {}", hex(value)),
            Self::Compare(compare::AT_MOST, value) => write!(f, "<= {}", hex(value)),
            Self::Compare(operation, value) => write!(f, "compare {operation} {}", hex(value)),
            Self::Load(value) => write!(f, "load {}", hex(value)),
            Self::Decide { code: RETURN, .. } => f.write_str("return"),
            Self::Decide { code: JUMP, chain } => write!(f, "jump {}", chain.as_deref().unwrap_or_default()),
            Self::Decide { code, .. } => write!(f, "verdict {}", code.cast_signed()),
            Self::Redirect => f.write_str("redirect"),
            Self::Other(name) => write!(f, "({name})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    /// The messages of a program as the kernel would list them.
    fn listed(rules: &RuleSet) -> String {
        let bytes = program(rules);
        describe(&bytes, &bytes)
    }

    #[test]
    fn what_is_programmed_reads_back_as_asked_for() {
        for family in Family::ALL {
            let rules = sample().rules(family);
            assert_eq!(difference(&rules, &listed(&rules)), None, "{family}");
        }
    }

    #[test]
    fn any_change_of_the_settings_is_a_difference() {
        let rules = sample().rules(Family::V4);
        let mut others = vec![String::new()];
        for change in 0..5 {
            let mut settings = sample();
            match change {
                0 => settings.proxy_uid = Some(1),
                1 => settings.skip_inbound = "25-30".parse().unwrap(),
                2 => settings.skip_sources.truncate(1),
                3 => settings.outbound_port = settings.inbound_port,
                _ => settings.proxy_gid = None,
            }
            others.push(listed(&settings.rules(Family::V4)));
        }
        for other in others {
            assert!(difference(&rules, &other).is_some(), "{other}");
        }
    }

    #[test]
    fn several_ports_become_several_rules() {
        let mut settings = sample();
        settings.skip_inbound = "25,587,4000-4100".parse().unwrap();
        let text = listed(&settings.rules(Family::V4));
        let skipped: Vec<&str> = text.lines().filter(|line| line.contains("skip-inbound-ports")).collect();
        assert_eq!(skipped.len(), 3, "{text}");
        assert!(skipped[2].contains(">= 0fa0 <= 1004 return"), "{}", skipped[2]);
    }

    #[test]
    fn only_our_table_counts() {
        assert!(has_table(&program(&sample().rules(Family::V4))));
        let mut out = Messages::default();
        out.message(NEW_TABLE, 0, 2, 0, |out| out.text(attribute::TABLE_NAME, "nat"));
        assert!(!has_table(&out.into_bytes()));
    }
}
