//! The forms that values have.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use mesh_core::port::PortRanges;

use super::env::Form;

/// Longest time that is believed: a thousand years, well inside what clocks can add.
const LONGEST: Duration = Duration::from_secs(1_000 * 365 * 86_400);
/// Most items of any list.
const MAX_ITEMS: usize = 10_000;

pub(super) const DURATION: Form = Form("a whole number with ms, s, m, h or d, such as 500ms or 10s");
pub(super) const BOOLEAN: Form = Form("true or false");
pub(super) const COUNT: Form = Form("a whole number, such as 1000");
pub(super) const POSITIVE: Form = Form("a whole number above 0, such as 2");
pub(super) const RATIO: Form = Form("a number above 0 and at most 1, such as 0.5");
pub(super) const PORTS: Form = Form("ports and ranges with commas between, such as 25,3306,4000-4010");
pub(super) const NETWORKS: Form = Form("networks with commas between, such as 10.0.0.0/8,fd00::/8");
pub(super) const ADDRESSES: Form = Form("addresses with commas between, such as 10.1.2.3,fd00::1");
pub(super) const SOCKET: Form = Form("an address and a port, such as 127.0.0.1:4140 or [::]:4143");
pub(super) const SOCKETS: Form = Form("one or two addresses with ports, such as 127.0.0.1:4140,[::1]:4140");
pub(super) const SUFFIXES: Form = Form("domain names with commas between, such as svc.cluster.local.");
pub(super) const AUTHORITY: Form = Form("a name or an address, and a port, such as linkerd-dst.linkerd:8086");

/// Names that end in one of a list of domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suffixes {
    /// Lower case, without the dot at the end; the empty text is every name.
    suffixes: Vec<String>,
}

/// A host and a port, as a client is told where its server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port, not 0.
    pub port: u16,
    /// Whether a name is complete (written with a dot at its end), so that the resolver's search list is not for it.
    pub absolute: bool,
}

/// A host by name or by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A domain name in lower case, without the dot at the end.
    Name(String),
    /// An address.
    Addr(IpAddr),
}

// === impl Suffixes ===

impl Suffixes {
    /// Those of a test.
    #[cfg(test)]
    pub(crate) fn of(suffixes: &[&str]) -> Self {
        Self { suffixes: suffixes.iter().map(|suffix| (*suffix).to_owned()).collect() }
    }

    /// Whether no name matches.
    pub fn is_empty(&self) -> bool {
        self.suffixes.is_empty()
    }

    /// Whether a name is one of the domains or below one; case and a dot at the end do not matter.
    pub fn contains(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
        self.suffixes.iter().map(String::as_bytes).any(|suffix| {
            let Some(start) = name.len().checked_sub(suffix.len()) else { return false };
            let whole = suffix.is_empty() || start == 0 || name[start - 1] == b'.';
            whole && name[start..].eq_ignore_ascii_case(suffix)
        })
    }
}

// === impl HostPort ===

impl HostPort {
    /// Whether the server is on this very machine: the only place that is spoken to without TLS.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Name(name) => name == "localhost",
            Host::Addr(address) => address.is_loopback(),
        }
    }
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Addr(address) => write!(f, "{}", SocketAddr::new(*address, self.port)),
        }
    }
}

/// An integer with a unit, or a bare 0. Fractions and combinations are not of this form.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = match number {
        "" => return Err("does not begin with a number"),
        digits => digits.parse().map_err(|_| "is too long a time")?,
    };
    let (number, nanos) = match unit {
        "ms" => (number / 1_000, (number % 1_000) as u32 * 1_000_000),
        "s" => (number, 0),
        "m" => (number.saturating_mul(60), 0),
        "h" => (number.saturating_mul(3_600), 0),
        "d" => (number.saturating_mul(86_400), 0),
        "" => return Err("has no unit"),
        _ => return Err("has no unit that is known"),
    };
    let duration = Duration::new(number, nanos);
    if duration > LONGEST { Err("is too long a time") } else { Ok(duration) }
}

pub(super) fn boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("is neither"),
    }
}

pub(super) fn count<T: std::str::FromStr>(text: &str) -> Result<T, &'static str> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is not a whole number");
    }
    text.parse().map_err(|_| "is too large")
}

pub(super) fn positive<T: std::str::FromStr + Default + PartialEq>(text: &str) -> Result<T, &'static str> {
    match count::<T>(text) {
        Ok(number) if number == T::default() => Err("is 0"),
        other => other,
    }
}

pub(super) fn ratio(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        Ok(ratio) if ratio > 0.0 && ratio <= 1.0 => Ok(ratio),
        Ok(_) => Err("is out of range"),
        Err(_) => Err("is not a number"),
    }
}

/// A jitter: a share of a waiting time, 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Ok(_) => Err("is out of range"),
        Err(_) => Err("is not a number"),
    }
}

pub(super) fn ports(text: &str) -> Result<PortRanges, String> {
    let ports: PortRanges = text.parse().map_err(|error| format!("is no list of ports: {error}"))?;
    Ok(ports)
}

pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn list<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let list: Vec<T> = items(text).take(MAX_ITEMS + 1).map(parse).collect::<Result<_, _>>()?;
    if list.len() > MAX_ITEMS { Err(format!("has more than {MAX_ITEMS} items")) } else { Ok(list) }
}

/// Networks; a bare address is the network of that address alone.
pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    list(text, |item| {
        let network = item.parse::<IpNet>().or_else(|_| item.parse::<IpAddr>().map(IpNet::from));
        network.map(|network| network.trunc()).map_err(|_| format!("has an item {item:?} that is no network"))
    })
}

pub(super) fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    list(text, |item| item.parse().map_err(|_| format!("has an item {item:?} that is no address")))
}

pub(super) fn socket(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "is no address with a port")
}

pub(super) fn sockets(text: &str) -> Result<Vec<SocketAddr>, String> {
    let sockets = list(text, |item| item.parse().map_err(|_| format!("has an item {item:?} that is none")))?;
    match sockets.len() {
        1 | 2 => Ok(sockets),
        n => Err(format!("has {n} items")),
    }
}

pub(super) fn suffixes(text: &str) -> Result<Suffixes, String> {
    let suffixes = list(text, |item| {
        if item == "." {
            return Ok(String::new());
        }
        domain(item).ok_or_else(|| format!("has an item {item:?} that is no domain name"))
    })?;
    Ok(Suffixes { suffixes })
}

pub(super) fn host_port(text: &str) -> Result<HostPort, &'static str> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        let host = Host::Addr(address.ip());
        return if address.port() == 0 {
            Err("has port 0")
        } else {
            Ok(HostPort { host, port: address.port(), absolute: true })
        };
    }
    let (name, port) = text.rsplit_once(':').ok_or("has no port")?;
    let port = mesh_core::port::parse_port(port).map_err(|_| "has no port that is one")?;
    if port == 0 {
        return Err("has port 0");
    }
    let absolute = name.ends_with('.');
    let name = domain(name).ok_or("has no host that is a name or an address")?;
    Ok(HostPort { host: Host::Name(name), port, absolute })
}

/// A domain name in lower case without the dot at its end. Underscores are taken, as DNS itself does.
pub(super) fn domain(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let good = name.len() <= 253 && name.split('.').all(label);
    good.then(|| name.to_ascii_lowercase())
}
