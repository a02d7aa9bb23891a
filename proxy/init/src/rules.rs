//! The rules that redirect a pod's traffic, as a value.
//!
//! Two chains of the `nat` table decide about the first packet of each connection, and the first rule that matches wins.
//! Inbound: ignored ports, ignored sources, then everything (or the listed ports) to the proxy. Outbound: the proxy's own
//! user and group, the loopback interface, ignored ports, then everything to the proxy. What no rule matches passes untouched.

use std::{fmt, net::IpAddr, num::NonZeroU16};

use ipnet::IpNet;
use mesh_core::port::{PortRange, PortRanges};

#[cfg(test)]
mod tests;

/// How many ports one rule can name; a range takes two places.
pub const MULTIPORT_LIMIT: usize = 15;

/// A family of addresses. Each is programmed on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Which inbound connections go to the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capture {
    /// All that are not ignored.
    All,
    /// Those to the listed ports that are not ignored.
    Ports(PortRanges),
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the proxy listens for inbound connections.
    pub inbound_port: NonZeroU16,
    /// Where the proxy listens for outbound connections.
    pub outbound_port: NonZeroU16,
    /// The user whose connections are left alone: the proxy's.
    pub proxy_uid: Option<u32>,
    /// The group whose connections are left alone.
    pub proxy_gid: Option<u32>,
    /// Which inbound connections go to the proxy.
    pub capture: Capture,
    /// Destination ports of inbound connections that are left alone.
    pub skip_inbound: PortRanges,
    /// Destination ports of outbound connections that are left alone.
    pub skip_outbound: PortRanges,
    /// Networks whose inbound connections are left alone.
    pub skip_sources: Vec<IpNet>,
}

/// Where a chain is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// What arrives from outside.
    Prerouting,
    /// What processes of the pod send.
    Output,
}

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The user that owns the sending socket.
    Uid(u32),
    /// The group that owns the sending socket.
    Gid(u32),
    /// The packet leaves by the loopback interface.
    Loopback,
    /// TCP to one of these ports; never more than [`MULTIPORT_LIMIT`] places.
    Ports(Vec<PortRange>),
    /// The source is in this network, whatever the protocol.
    Source(IpNet),
    /// Any TCP.
    Tcp,
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Leaves the connection alone.
    Return,
    /// Sends the connection to this local port.
    Redirect(NonZeroU16),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it looks at.
    pub matches: Match,
    /// What it does.
    pub verdict: Verdict,
    /// Why it is there, for whoever lists the rules.
    pub comment: &'static str,
}

/// The rules behind one hook, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Where it is entered.
    pub hook: Hook,
    /// Its rules; the first that matches decides.
    pub rules: Vec<Rule>,
}

/// All rules of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    /// The family.
    pub family: Family,
    /// The inbound chain, then the outbound chain.
    pub chains: [Chain; 2],
}

/// The first packet of a TCP connection, as the rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who sent it.
    pub source: IpAddr,
    /// The port it goes to.
    pub port: u16,
    /// The user of the sending socket; only known to [`Hook::Output`].
    pub uid: u32,
    /// The group of the sending socket; only known to [`Hook::Output`].
    pub gid: u32,
    /// Whether it leaves by the loopback interface.
    pub loopback: bool,
}

impl Settings {
    /// The rules of one family.
    ///
    /// Networks of the other family are left out. The user 0 and the group 0 are never exempt: too much runs as them.
    pub fn rules(&self, family: Family) -> RuleSet {
        RuleSet { family, chains: [self.inbound(family), self.outbound()] }
    }

    fn inbound(&self, family: Family) -> Chain {
        let mut rules = skip_ports(&self.skip_inbound, "proxy-init/skip-inbound-ports");
        let sources = self.skip_sources.iter().filter(|network| family.holds(network));
        rules.extend(sources.map(|network| Rule {
            matches: Match::Source(network.trunc()),
            verdict: Verdict::Return,
            comment: "proxy-init/skip-subnet",
        }));
        let redirect = |matches| Rule {
            matches,
            verdict: Verdict::Redirect(self.inbound_port),
            comment: "proxy-init/redirect-inbound",
        };
        match &self.capture {
            Capture::All => rules.push(redirect(Match::Tcp)),
            Capture::Ports(ports) => {
                rules.extend(packed(ports).into_iter().map(|group| redirect(Match::Ports(group))))
            }
        }
        Chain { hook: Hook::Prerouting, rules }
    }

    fn outbound(&self) -> Chain {
        let leave = |matches, comment| Rule { matches, verdict: Verdict::Return, comment };
        let mut rules = Vec::new();
        if let Some(uid) = self.proxy_uid.filter(|uid| *uid > 0) {
            rules.push(leave(Match::Uid(uid), "proxy-init/skip-proxy-user"));
        }
        if let Some(gid) = self.proxy_gid.filter(|gid| *gid > 0) {
            rules.push(leave(Match::Gid(gid), "proxy-init/skip-proxy-group"));
        }
        rules.push(leave(Match::Loopback, "proxy-init/skip-loopback"));
        rules.extend(skip_ports(&self.skip_outbound, "proxy-init/skip-outbound-ports"));
        rules.push(Rule {
            matches: Match::Tcp,
            verdict: Verdict::Redirect(self.outbound_port),
            comment: "proxy-init/redirect-outbound",
        });
        Chain { hook: Hook::Output, rules }
    }
}

impl RuleSet {
    /// What becomes of a connection that enters at `hook`: the port it is sent to, or `None` when it is left alone.
    pub fn decide(&self, hook: Hook, packet: &Packet) -> Option<NonZeroU16> {
        let chain = self.chains.iter().find(|chain| chain.hook == hook)?;
        match chain.rules.iter().find(|rule| rule.matches.holds(packet))?.verdict {
            Verdict::Return => None,
            Verdict::Redirect(port) => Some(port),
        }
    }
}

impl Match {
    fn holds(&self, packet: &Packet) -> bool {
        match self {
            Self::Uid(uid) => packet.uid == *uid,
            Self::Gid(gid) => packet.gid == *gid,
            Self::Loopback => packet.loopback,
            Self::Ports(ranges) => ranges.iter().any(|range| range.contains(packet.port)),
            Self::Source(network) => network.contains(&packet.source),
            Self::Tcp => true,
        }
    }
}

impl Hook {
    /// The name of our chain behind the hook.
    pub const fn chain(self) -> &'static str {
        match self {
            Self::Prerouting => "PROXY_INIT_REDIRECT",
            Self::Output => "PROXY_INIT_OUTPUT",
        }
    }

    /// The comment of the rule that enters our chain.
    pub const fn jump_comment(self) -> &'static str {
        match self {
            Self::Prerouting => "proxy-init/inbound",
            Self::Output => "proxy-init/outbound",
        }
    }
}

impl Family {
    /// Both families.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    fn holds(self, network: &IpNet) -> bool {
        matches!((self, network), (Self::V4, IpNet::V4(_)) | (Self::V6, IpNet::V6(_)))
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

fn skip_ports(ports: &PortRanges, comment: &'static str) -> Vec<Rule> {
    let groups = packed(ports).into_iter();
    groups.map(|group| Rule { matches: Match::Ports(group), verdict: Verdict::Return, comment }).collect()
}

/// The ports in ascending order without overlap, in groups that fit into one rule each.
fn packed(ports: &PortRanges) -> Vec<Vec<PortRange>> {
    let mut groups: Vec<Vec<PortRange>> = Vec::new();
    let mut places = MULTIPORT_LIMIT;
    for range in merged(ports) {
        let needed = if range.low() == range.high() { 1 } else { 2 };
        match groups.last_mut() {
            Some(group) if places + needed <= MULTIPORT_LIMIT => group.push(range),
            _ => {
                groups.push(vec![range]);
                places = 0;
            }
        }
        places += needed;
    }
    groups
}

/// Overlapping and adjacent ranges as one: the packet filter refuses sets that name a port twice.
fn merged(ports: &PortRanges) -> Vec<PortRange> {
    let mut sorted = ports.as_slice().to_vec();
    sorted.sort_unstable();
    let mut merged: Vec<PortRange> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if u32::from(range.low()) <= u32::from(last.high()) + 1 => {
                let high = last.high().max(range.high());
                *last = PortRange::new(last.low(), high).unwrap_or(*last);
            }
            _ => merged.push(range),
        }
    }
    merged
}
