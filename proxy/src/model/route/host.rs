//! Hosts and server names, exactly or by suffix.

use linkerd2_proxy_api::http_route as api;
use linkerd2_proxy_api::tls_route as api_tls;

use crate::model::error::{InvalidMessage, Problem, required};
use crate::model::name::DnsName;

/// A host that a route is for. Case and a final dot do not matter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostMatch {
    /// This one.
    Exact(Box<str>),
    /// Those below this name, without the leading dot; empty is every host.
    Suffix(Box<str>),
}

/// How closely a host matches; an exact one more than any suffix, and a longer more than a shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostScore {
    /// By a suffix of so many octets.
    Suffix(usize),
    /// Exactly, so many octets.
    Exact(usize),
}

// === impl HostMatch ===

impl HostMatch {
    /// How closely the host matches, which has no port and no final dot.
    #[must_use]
    pub fn score(&self, host: &[u8]) -> Option<HostScore> {
        match self {
            Self::Exact(name) => {
                host.eq_ignore_ascii_case(name.as_bytes()).then_some(HostScore::Exact(name.len()))
            }
            Self::Suffix(suffix) if suffix.is_empty() => Some(HostScore::Suffix(0)),
            Self::Suffix(suffix) => {
                // A wildcard stands for one label at least, so the name itself is not below itself.
                let (above, below) = host.split_at_checked(host.len().checked_sub(suffix.len())?)?;
                let is_below = above.len() > 1 && above.ends_with(b".");
                (is_below && below.eq_ignore_ascii_case(suffix.as_bytes()))
                    .then_some(HostScore::Suffix(suffix.len()))
            }
        }
    }

    fn exact(text: &str) -> Result<Self, InvalidMessage> {
        let host = text.strip_suffix('.').unwrap_or(text);
        let is_ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok();
        if !is_ip && host.parse::<DnsName>().is_err() {
            return Err(InvalidMessage::with_value("exact", Problem::Name, text));
        }
        Ok(Self::Exact(host.to_ascii_lowercase().into()))
    }

    fn suffix(mut reverse_labels: Vec<String>) -> Result<Self, InvalidMessage> {
        reverse_labels.reverse();
        let suffix = reverse_labels.join(".");
        if !suffix.is_empty() && suffix.parse::<DnsName>().is_err() {
            return Err(InvalidMessage::with_value("suffix", Problem::Name, suffix));
        }
        Ok(Self::Suffix(suffix.to_ascii_lowercase().into()))
    }
}

impl TryFrom<api::HostMatch> for HostMatch {
    type Error = InvalidMessage;

    fn try_from(message: api::HostMatch) -> Result<Self, InvalidMessage> {
        match required(message.r#match, "match")? {
            api::host_match::Match::Exact(host) => Self::exact(&host),
            api::host_match::Match::Suffix(suffix) => Self::suffix(suffix.reverse_labels),
        }
    }
}

impl TryFrom<api_tls::SniMatch> for HostMatch {
    type Error = InvalidMessage;

    fn try_from(message: api_tls::SniMatch) -> Result<Self, InvalidMessage> {
        match required(message.r#match, "match")? {
            api_tls::sni_match::Match::Exact(name) => Self::exact(&name),
            api_tls::sni_match::Match::Suffix(suffix) => Self::suffix(suffix.reverse_labels),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffix(labels: &[&str]) -> HostMatch {
        HostMatch::suffix(labels.iter().map(|label| (*label).to_owned()).collect()).unwrap()
    }

    #[test]
    fn exact_hosts_ignore_case() {
        let host = HostMatch::exact("Example.com.").unwrap();
        assert_eq!(host.score(b"EXAMPLE.com"), Some(HostScore::Exact(11)));
        assert_eq!(host.score(b"www.example.com"), None);
        assert!(HostMatch::exact("10.0.0.1").is_ok() && HostMatch::exact("[::1]").is_ok());
        assert!(HostMatch::exact("a b").is_err() && HostMatch::exact("").is_err());
    }

    #[test]
    fn a_suffix_matches_what_is_below_it() {
        let host = suffix(&["com", "example"]);
        assert_eq!(host.score(b"www.Example.com"), Some(HostScore::Suffix(11)));
        assert_eq!(host.score(b"a.b.example.com"), Some(HostScore::Suffix(11)));
        for other in ["example.com", "badexample.com", ".example.com", "com", ""] {
            assert_eq!(host.score(other.as_bytes()), None, "{other}");
        }
        assert_eq!(suffix(&[]).score(b"anything"), Some(HostScore::Suffix(0)));
    }

    #[test]
    fn an_exact_host_is_closer_than_any_suffix() {
        assert!(HostScore::Exact(1) > HostScore::Suffix(100) && HostScore::Suffix(2) > HostScore::Suffix(1));
    }

    #[test]
    fn empty_messages_are_errors() {
        let empty = api::HostMatch { r#match: None };
        assert_eq!(HostMatch::try_from(empty).unwrap_err().problem(), Problem::Missing);
        let empty = api_tls::SniMatch { r#match: None };
        assert_eq!(HostMatch::try_from(empty).unwrap_err().problem(), Problem::Missing);
    }
}
