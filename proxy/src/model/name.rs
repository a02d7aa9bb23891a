//! Names: of hosts, of destinations.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A DNS name in lower case and without a final dot, of at most 253 octets.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnsName(Arc<str>);

/// A DNS name and a port: what endpoints and profiles are looked up by.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameAddr {
    /// The name.
    pub name: DnsName,
    /// The port, not 0.
    pub port: u16,
}

/// A host, which may be an address, and perhaps a port: what goes into `:authority`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    text: Arc<str>,
    host_len: usize,
    port: Option<u16>,
}

/// The text is not such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid name")]
pub struct InvalidName;

// === impl DnsName ===

impl DnsName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this name is `suffix` or lies below it; an empty suffix is above every name.
    #[must_use]
    pub fn is_below(&self, suffix: &str) -> bool {
        suffix.is_empty()
            || self.0.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl FromStr for DnsName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
        };
        if text.len() > 253 || !text.split('.').all(label) || text.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(InvalidName);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl NameAddr ===

impl NameAddr {
    /// Reads `name` or `name:port`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse_or_port(text: &str, port: u16) -> Result<Self, InvalidName> {
        match text.rsplit_once(':') {
            None => Ok(Self { name: text.parse()?, port }),
            Some(_) => text.parse(),
        }
    }
}

impl FromStr for NameAddr {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (name, port) = text.rsplit_once(':').ok_or(InvalidName)?;
        Ok(Self { name: name.parse()?, port: parse_port(port).ok_or(InvalidName)? })
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

impl fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl Authority ===

impl Authority {
    /// All of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host alone; an IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.text[..self.host_len]
    }

    /// The port, if there is one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The name to look up, if the host is a name.
    #[must_use]
    pub fn name_addr(&self, default_port: u16) -> Option<NameAddr> {
        let name = self.host().parse().ok()?;
        Some(NameAddr { name, port: self.port.unwrap_or(default_port) })
    }
}

impl FromStr for Authority {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (host_len, port) = match text.rfind(':').filter(|_| !text.ends_with(']')) {
            Some(colon) => (colon, Some(parse_port(&text[colon + 1..]).ok_or(InvalidName)?)),
            None => (text.len(), None),
        };
        let host = &text[..host_len];
        let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_host = match v6 {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => host.parse::<DnsName>().is_ok() || host.parse::<std::net::Ipv4Addr>().is_ok(),
        };
        if !is_host {
            return Err(InvalidName);
        }
        Ok(Self { text: text.into(), host_len, port })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// === helpers ===

/// A port of digits alone, from 1 to 65535.
fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowered_and_lose_the_final_dot() {
        assert_eq!(
            "Web.Emoji.svc.cluster.local.".parse::<DnsName>().unwrap().as_str(),
            "web.emoji.svc.cluster.local"
        );
        for text in ["", ".", "a..b", "-a", "a-", "a b", "ä", "10.1.2.3", &"a".repeat(64), &"a.".repeat(127)]
        {
            let is_ok = text.parse::<DnsName>().is_ok();
            assert_eq!(is_ok, text.len() == 254, "{text:?}");
        }
        assert!("a".repeat(300).parse::<DnsName>().is_err());
    }

    #[test]
    fn a_name_is_below_its_suffixes() {
        let name: DnsName = "web.ns.svc.cluster.local".parse().unwrap();
        assert!(name.is_below("svc.cluster.local") && name.is_below("") && name.is_below(name.as_str()));
        assert!(!name.is_below("vc.cluster.local") && !name.is_below("local.x"));
    }

    #[test]
    fn a_destination_has_a_name_and_a_port() {
        assert_eq!("Web:80".parse::<NameAddr>().unwrap().to_string(), "web:80");
        assert_eq!(NameAddr::parse_or_port("web.", 80).unwrap().to_string(), "web:80");
        for text in ["web", "web:", "web:0", "web:+1", "web:65536", ":80", "1.2.3.4:80", "[::1]:80"] {
            assert!(text.parse::<NameAddr>().is_err(), "{text}");
        }
    }

    #[test]
    fn authorities_are_split_at_their_port() {
        let split = |text: &str| text.parse::<Authority>().map(|it| (it.host().to_owned(), it.port()));
        assert_eq!(split("web.ns:80"), Ok(("web.ns".into(), Some(80))));
        assert_eq!(split("[::1]:80"), Ok(("[::1]".into(), Some(80))));
        assert_eq!(split("[::1]"), Ok(("[::1]".into(), None)));
        assert_eq!(split("1.2.3.4"), Ok(("1.2.3.4".into(), None)));
        for text in ["", "user@web", "web:0", "::1", "[web]", "web/", "web:80:80"] {
            assert!(split(text).is_err(), "{text}");
        }
        assert_eq!("1.2.3.4:80".parse::<Authority>().unwrap().name_addr(80), None);
    }
}
