//! Rules as text for the tools that program them or show them, and back.

pub mod iptables;
pub mod nft;

/// Where what is listed departs from what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected:?}, found {found:?}")]
pub struct Difference {
    /// The first rule that is not there as asked for; empty when there is one too many.
    pub expected: String,
    /// What is in its place; empty when there is nothing.
    pub found: String,
}

/// The first place where two lists differ, if any.
pub(crate) fn first_difference(expected: &[String], found: &[String]) -> Option<Difference> {
    let longest = expected.len().max(found.len());
    let at = |list: &[String], index: usize| list.get(index).cloned().unwrap_or_default();
    (0..longest)
        .map(|index| Difference { expected: at(expected, index), found: at(found, index) })
        .find(|pair| pair.expected != pair.found)
}

/// Settings that make use of everything.
#[cfg(test)]
pub(crate) fn sample() -> crate::rules::Settings {
    let port = |number| std::num::NonZeroU16::new(number).unwrap();
    let networks = ["10.1.2.3/8", "192.0.2.7/32", "fd00::/8"];
    crate::rules::Settings {
        inbound_port: port(4143),
        outbound_port: port(4140),
        proxy_uid: Some(2102),
        proxy_gid: Some(2103),
        capture: crate::rules::Capture::All,
        skip_inbound: "4190,4191,25".parse().unwrap(),
        skip_outbound: "443".parse().unwrap(),
        skip_sources: networks.map(|text| text.parse().unwrap()).to_vec(),
    }
}
