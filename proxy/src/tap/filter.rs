//! What a watcher wants to see, as a tree of conditions that is converted and bounded once.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use linkerd2_proxy_api::http_types as api_http;
use linkerd2_proxy_api::tap::observe_request as api;
use proxy_net::headers::HeaderList;

use crate::metrics::{ClientTls, Direction, ServerTls};
use crate::model::Labels;

/// Key of a `route_label` match on the status of HTTP.
pub const STATUS_LABEL: &str = "l5d.io/response-status";
/// Key of a `route_label` match on the time from the request's head to the response's.
pub const LATENCY_LABEL: &str = "l5d.io/response-latency";
/// Key of a `route_label` match on the status of gRPC.
pub const GRPC_LABEL: &str = "l5d.io/grpc-status";

/// How deep conditions may be nested.
const MAX_DEPTH: usize = 16;
/// How many conditions there may be.
const MAX_NODES: usize = 256;
/// Octets of a text that is compared.
const MAX_TEXT: usize = 8 * 1024;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Source(Tcp),
    Destination(Tcp),
    DestinationLabel(String, String),
    RouteLabel(String, String),
    Scheme(String),
    Method(String),
    Authority(Text),
    Path(Text),
    /// Statuses of HTTP, both included.
    Status(u16, u16),
    Grpc(u16),
    AtLeast(Duration),
    Below(Duration),
}

#[derive(Clone, Debug, PartialEq)]
enum Tcp {
    Network(IpNet),
    Ports(u16, u16),
}

#[derive(Clone, Debug, PartialEq)]
enum Text {
    Exact(String),
    Prefix(String),
}

/// Why a filter is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("match: {0}")]
pub struct InvalidFilter(String);

/// A request where it is sent on.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// Which side of the proxy.
    pub direction: Direction,
    /// The client.
    pub source: SocketAddr,
    /// What is known of it.
    pub source_tls: ServerTls<'a>,
    /// The endpoint, or what the client wanted where none was chosen.
    pub destination: SocketAddr,
    /// TLS to it.
    pub destination_tls: ClientTls<'a>,
    /// Its labels.
    pub destination_labels: &'a Labels,
    /// Labels of the route.
    pub route_labels: &'a Labels,
}

/// What is known of a response so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Later {
    pub(super) status: Option<u16>,
    pub(super) latency: Option<Duration>,
    pub(super) grpc: Option<u16>,
    /// Whether nothing more will be known.
    pub(super) ended: bool,
}

// === impl Filter ===

impl TryFrom<Option<api::Match>> for Filter {
    type Error = InvalidFilter;

    fn try_from(message: Option<api::Match>) -> Result<Self, InvalidFilter> {
        let mut nodes = 0;
        Node::convert(message.ok_or_else(|| missing("match"))?, 0, &mut nodes).map(Self)
    }
}

impl Filter {
    /// Whether a request is wanted: none where only its response will tell.
    pub(super) fn request(&self, observed: &Observed<'_>, head: &HeaderList) -> Option<bool> {
        self.0.evaluate(Some((observed, head)), &Later::default())
    }

    /// The same, later, of a request for which the first answer was none; `observed` is kept by whoever asks.
    pub(super) fn later(&self, observed: &Observed<'_>, head: &HeaderList, later: &Later) -> Option<bool> {
        self.0.evaluate(Some((observed, head)), later)
    }
}

// === impl Node ===

impl Node {
    fn convert(message: api::Match, depth: usize, nodes: &mut usize) -> Result<Self, InvalidFilter> {
        use api::r#match::Match;
        *nodes += 1;
        if depth > MAX_DEPTH || *nodes > MAX_NODES {
            let limit = format!("more than {MAX_NODES} conditions, or nested deeper than {MAX_DEPTH}");
            return Err(InvalidFilter(limit));
        }
        let mut all = |seq: api::r#match::Seq| -> Result<Vec<Self>, InvalidFilter> {
            seq.matches.into_iter().map(|message| Self::convert(message, depth + 1, nodes)).collect()
        };
        Ok(match message.r#match.ok_or_else(|| missing("match.match"))? {
            Match::All(seq) => Self::All(all(seq)?),
            Match::Any(seq) => Self::Any(all(seq)?),
            Match::Not(not) => Self::Not(Box::new(Self::convert(*not, depth + 1, nodes)?)),
            Match::Source(tcp) => Self::Source(Tcp::convert(tcp)?),
            Match::Destination(tcp) => Self::Destination(Tcp::convert(tcp)?),
            Match::DestinationLabel(label) => Self::DestinationLabel(text(label.key)?, text(label.value)?),
            Match::RouteLabel(label) => Self::route(label)?,
            Match::Http(http) => Self::http(http)?,
        })
    }

    fn http(message: api::r#match::Http) -> Result<Self, InvalidFilter> {
        use api::r#match::http::Match;
        Ok(match message.r#match.ok_or_else(|| missing("http.match"))? {
            Match::Scheme(scheme) => Self::Scheme(scheme_name(scheme)?),
            Match::Method(method) => Self::Method(
                http::Method::try_from(method).map_err(|error| InvalidFilter(error.to_string()))?.to_string(),
            ),
            Match::Authority(authority) => Self::Authority(Text::convert(authority)?),
            Match::Path(path) => Self::Path(Text::convert(path)?),
        })
    }

    fn route(label: api::r#match::Label) -> Result<Self, InvalidFilter> {
        let value = text(label.value)?;
        let wrong = |expected: &str| InvalidFilter(format!("{}: {value:?} is not {expected}", label.key));
        Ok(match label.key.as_str() {
            STATUS_LABEL => {
                let (low, high) = statuses(&value).ok_or_else(|| wrong("a status such as 404 or 5xx"))?;
                Self::Status(low, high)
            }
            GRPC_LABEL => Self::Grpc(value.parse().map_err(|_| wrong("a number such as 14"))?),
            LATENCY_LABEL => {
                let expected = "a time such as >=250ms or <10ms";
                let (below, time) = match (value.strip_prefix(">="), value.strip_prefix('<')) {
                    (Some(time), _) => (false, time),
                    (None, Some(time)) => (true, time),
                    (None, None) => return Err(wrong(expected)),
                };
                let millis = time.strip_suffix("ms").and_then(|time| time.parse::<u32>().ok());
                let time = Duration::from_millis(millis.ok_or_else(|| wrong(expected))?.into());
                if below { Self::Below(time) } else { Self::AtLeast(time) }
            }
            _ => Self::RouteLabel(text(label.key)?, value),
        })
    }

    /// None is "not known yet".
    fn evaluate(&self, request: Option<(&Observed<'_>, &HeaderList)>, later: &Later) -> Option<bool> {
        let known = |fact: Option<bool>| if later.ended { Some(fact.unwrap_or(false)) } else { fact };
        match self {
            Self::All(nodes) => combine(nodes.iter().map(|node| node.evaluate(request, later)), false),
            Self::Any(nodes) => combine(nodes.iter().map(|node| node.evaluate(request, later)), true),
            Self::Not(node) => node.evaluate(request, later).map(|fact| !fact),
            Self::Status(low, high) => known(later.status.map(|status| (*low..=*high).contains(&status))),
            Self::Grpc(code) => known(later.grpc.map(|grpc| grpc == *code)),
            Self::AtLeast(time) => known(later.latency.map(|latency| latency >= *time)),
            Self::Below(time) => known(later.latency.map(|latency| latency < *time)),
            _ => request.map(|(observed, head)| self.matches(observed, head)),
        }
    }

    /// Conditions on the request itself.
    fn matches(&self, observed: &Observed<'_>, head: &HeaderList) -> bool {
        let field = |name: &[u8]| head.value(name);
        match self {
            Self::Source(tcp) => tcp.matches(observed.source),
            Self::Destination(tcp) => tcp.matches(observed.destination),
            Self::DestinationLabel(key, value) => observed.destination_labels.value(key) == Some(value),
            Self::RouteLabel(key, value) => observed.route_labels.value(key) == Some(value),
            Self::Scheme(scheme) => {
                field(b":scheme").unwrap_or(b"http").eq_ignore_ascii_case(scheme.as_bytes())
            }
            Self::Method(method) => field(b":method") == Some(method.as_bytes()),
            Self::Authority(text) => text.matches(super::event::authority(head)),
            Self::Path(text) => text.matches(field(b":path").unwrap_or_default()),
            _ => false,
        }
    }
}

/// Known as soon as one of them decides: a true one for `any`, a false one for `all`.
fn combine(facts: impl Iterator<Item = Option<bool>>, any: bool) -> Option<bool> {
    let mut all_known = true;
    for fact in facts {
        match fact {
            Some(fact) if fact == any => return Some(any),
            Some(_) => {}
            None => all_known = false,
        }
    }
    all_known.then_some(!any)
}

// === impl Tcp ===

impl Tcp {
    fn convert(message: api::r#match::Tcp) -> Result<Self, InvalidFilter> {
        use api::r#match::tcp::Match;
        match message.r#match.ok_or_else(|| missing("tcp.match"))? {
            Match::Netmask(netmask) => {
                let ip = netmask.ip.ok_or_else(|| missing("netmask.ip"))?;
                let ip = std::net::IpAddr::try_from(ip).map_err(|error| InvalidFilter(error.to_string()))?;
                let prefix = u8::try_from(netmask.mask).unwrap_or(u8::MAX);
                let network = IpNet::new(ip, prefix)
                    .map_err(|_| InvalidFilter(format!("netmask: {ip} has no prefix of {}", netmask.mask)))?;
                Ok(Self::Network(network))
            }
            Match::Ports(ports) => {
                // One bound alone is a single port.
                let (min, max) = match (ports.min, ports.max) {
                    (0, 0) => return Err(InvalidFilter("ports: neither min nor max is set".to_owned())),
                    (only, 0) | (0, only) => (only, only),
                    both => both,
                };
                match (u16::try_from(min), u16::try_from(max)) {
                    (Ok(min), Ok(max)) if min <= max => Ok(Self::Ports(min, max)),
                    _ => Err(InvalidFilter(format!("ports: {min} to {max} is not a range of ports"))),
                }
            }
        }
    }

    fn matches(&self, addr: SocketAddr) -> bool {
        match self {
            Self::Network(network) => network.contains(&addr.ip()),
            Self::Ports(min, max) => (*min..=*max).contains(&addr.port()),
        }
    }
}

// === impl Text ===

impl Text {
    fn convert(message: api::r#match::http::StringMatch) -> Result<Self, InvalidFilter> {
        use api::r#match::http::string_match::Match;
        Ok(match message.r#match.ok_or_else(|| missing("string_match.match"))? {
            Match::Exact(exact) => Self::Exact(text(exact)?),
            Match::Prefix(prefix) => Self::Prefix(text(prefix)?),
        })
    }

    fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => value == exact.as_bytes(),
            Self::Prefix(prefix) => value.starts_with(prefix.as_bytes()),
        }
    }
}

fn scheme_name(scheme: api_http::Scheme) -> Result<String, InvalidFilter> {
    use api_http::scheme::{Registered, Type};
    match scheme.r#type.ok_or_else(|| missing("scheme.type"))? {
        Type::Registered(number) => match Registered::try_from(number) {
            Ok(Registered::Http) => Ok("http".to_owned()),
            Ok(Registered::Https) => Ok("https".to_owned()),
            Err(_) => Err(InvalidFilter(format!("scheme: {number} is not a registered scheme"))),
        },
        Type::Unregistered(name) => text(name),
    }
}

/// `404`, or `4xx` for all of a class.
fn statuses(value: &str) -> Option<(u16, u16)> {
    let status = |text: &str| text.parse::<u16>().ok().filter(|status| (100..=999).contains(status));
    match value.strip_suffix("xx") {
        Some(class) => {
            let low = class.parse::<u16>().ok().filter(|class| (1..=9).contains(class))? * 100;
            Some((low, low + 99))
        }
        None => status(value).map(|status| (status, status)),
    }
}

fn text(text: String) -> Result<String, InvalidFilter> {
    if text.len() > MAX_TEXT {
        return Err(InvalidFilter(format!("a text of {} octets; {MAX_TEXT} are allowed", text.len())));
    }
    Ok(text)
}

fn missing(field: &str) -> InvalidFilter {
    InvalidFilter(format!("{field} is missing"))
}
