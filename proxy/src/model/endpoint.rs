//! Endpoints: where a destination is served, and how to speak there.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use linkerd2_proxy_api::destination as api;
use linkerd2_proxy_api::destination::http2_client_params as api_h2;
use linkerd2_proxy_api::net;

use super::error::{InvalidMessage, Problem, Within, each, required};
use super::labels::Labels;
use super::meta::Meta;
use super::name::{Authority, DnsName};
use super::required_duration;
use crate::identity::Id;

/// The weight that control planes give to every endpoint; an endpoint without one has it too.
pub const DEFAULT_WEIGHT: u32 = 10_000;

/// HTTP/2 allows frames up to this (RFC 9113 §4.2).
const FRAME_MAX: u32 = (1 << 24) - 1;
/// And at least this.
const FRAME_MIN: u32 = 1 << 14;
/// Windows are at most this (RFC 9113 §6.9.1).
const WINDOW_MAX: u32 = (1 << 31) - 1;

/// An address that can serve, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its share of requests relative to others, not 0.
    pub weight: u32,
    /// Labels for metrics, without the prefix `dst_`.
    pub labels: Labels,
    /// Whom mTLS has to find there; none is plaintext.
    pub tls: Option<PeerTls>,
    /// What it is known to speak.
    pub hint: Hint,
    /// The inbound port of the proxy there, which takes a transport header.
    pub transport_port: Option<u16>,
    /// What `:authority` has to be there (gateways).
    pub authority: Option<Authority>,
    /// HTTP/2 settings of connections to it.
    pub h2: H2Params,
    /// The object behind it, mostly a pod.
    pub resource: Option<Meta>,
    /// Where it is, relative to us.
    pub locality: Locality,
}

/// Whom a TLS handshake has to find.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerTls {
    /// The name that has to be in the certificate.
    pub id: Id,
    /// The server name to send.
    pub server_name: DnsName,
}

/// What an endpoint is known to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Hint {
    /// Nothing is known: what the client speaks is spoken.
    #[default]
    Unknown,
    /// HTTP/2, also around HTTP/1.
    Http2,
    /// Octets.
    Opaque,
}

/// Where an endpoint is, as the control plane sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Locality {
    /// In the same zone.
    Local,
    /// In another zone.
    Remote,
    /// Not said.
    #[default]
    Unknown,
}

/// HTTP/2 settings of a client; what is none is the proxy's own setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct H2Params {
    /// Window of a connection in octets.
    pub connection_window: Option<u32>,
    /// Window of a stream in octets.
    pub stream_window: Option<u32>,
    /// Whether windows grow with what the path can carry, rather than being of those sizes.
    pub adaptive: bool,
    /// Pings.
    pub keep_alive: Option<H2KeepAlive>,
    /// Largest frame to be received.
    pub max_frame_size: Option<u32>,
}

/// HTTP/2 pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct H2KeepAlive {
    /// Between two pings.
    pub interval: Duration,
    /// For the answer.
    pub timeout: Duration,
    /// Also where no stream is open.
    pub while_idle: bool,
}

/// A change of a destination's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointsUpdate {
    /// These exist, beside those known before; the same address again replaces what was known of it.
    Add(Vec<Arc<Endpoint>>),
    /// These are gone.
    Remove(Vec<SocketAddr>),
    /// These exist and no others.
    Reset(Vec<Arc<Endpoint>>),
    /// The destination does not exist, or not any more.
    DoesNotExist,
}

// === impl EndpointsUpdate ===

impl EndpointsUpdate {
    /// The first message of a stream after another stream broke off: what it adds is all there is.
    #[must_use]
    pub fn into_first(self) -> Self {
        match self {
            Self::Add(endpoints) => Self::Reset(endpoints),
            other => other,
        }
    }
}

impl TryFrom<api::Update> for EndpointsUpdate {
    type Error = InvalidMessage;

    fn try_from(message: api::Update) -> Result<Self, InvalidMessage> {
        use api::update::Update;
        match required(message.update, "update")? {
            Update::Add(set) => {
                let shared = set.metric_labels;
                let convert = |addr| Endpoint::convert(addr, &shared).map(Arc::new);
                Ok(Self::Add(each(set.addrs, "addrs", convert).within("add")?))
            }
            Update::Remove(set) => {
                Ok(Self::Remove(each(set.addrs, "addrs", |addr| socket_addr(Some(addr))).within("remove")?))
            }
            Update::NoEndpoints(api::NoEndpoints { exists: true }) => Ok(Self::Reset(Vec::new())),
            Update::NoEndpoints(api::NoEndpoints { exists: false }) => Ok(Self::DoesNotExist),
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// An address of which nothing else is known: it is dialled as it is.
    #[must_use]
    pub fn plain(addr: SocketAddr) -> Self {
        Self {
            addr,
            weight: DEFAULT_WEIGHT,
            labels: Labels::default(),
            tls: None,
            hint: Hint::Unknown,
            transport_port: None,
            authority: None,
            h2: H2Params::default(),
            resource: None,
            locality: Locality::Unknown,
        }
    }

    /// The same as a process of our own pod has to be spoken to: nobody is in between.
    #[must_use]
    pub fn into_local(self) -> Self {
        let hint = if self.hint == Hint::Opaque { Hint::Opaque } else { Hint::Unknown };
        Self { tls: None, transport_port: None, authority: None, hint, ..self }
    }

    fn convert(message: api::WeightedAddr, shared: &HashMap<String, String>) -> Result<Self, InvalidMessage> {
        let labels = Labels::merged(shared, message.metric_labels)?;
        let (hint, transport_port) = match message.protocol_hint {
            Some(hint) => protocol_hint(hint).within("protocol_hint")?,
            None => (Hint::Unknown, None),
        };
        Ok(Self {
            addr: socket_addr(message.addr)?,
            weight: if message.weight == 0 { DEFAULT_WEIGHT } else { message.weight },
            locality: Locality::of(&labels),
            labels,
            tls: message.tls_identity.map(peer_tls).transpose().within("tls_identity")?.flatten(),
            hint,
            transport_port,
            authority: message.authority_override.map(authority).transpose()?.flatten(),
            h2: message.http2.map(H2Params::try_from).transpose().within("http2")?.unwrap_or_default(),
            // For people to read only, so nothing hangs on it.
            resource: message.resource_ref.and_then(|meta| Meta::try_from(meta).ok()),
        })
    }
}

impl TryFrom<api::WeightedAddr> for Endpoint {
    type Error = InvalidMessage;

    fn try_from(message: api::WeightedAddr) -> Result<Self, InvalidMessage> {
        Self::convert(message, &HashMap::new())
    }
}

// === impl Locality ===

impl Locality {
    fn of(labels: &Labels) -> Self {
        match labels.value("zone_locality") {
            Some("local") => Self::Local,
            Some("remote") => Self::Remote,
            _ => Self::Unknown,
        }
    }
}

// === impl H2Params ===

impl TryFrom<api::Http2ClientParams> for H2Params {
    type Error = InvalidMessage;

    fn try_from(message: api::Http2ClientParams) -> Result<Self, InvalidMessage> {
        let adaptive = message.flow_control.is_some_and(|flow| flow.adaptive_flow_control);
        // The sizes of windows that adapt are no wish of anybody.
        let flow = message.flow_control.filter(|_| !adaptive);
        let internals = message.internals.unwrap_or_default();
        let window = |size: u32, field| in_range(size, 1, WINDOW_MAX, field).within("flow_control");
        Ok(Self {
            connection_window: flow
                .and_then(|flow| {
                    window(flow.initial_connection_window_size, "initial_connection_window_size").transpose()
                })
                .transpose()?,
            stream_window: flow
                .and_then(|flow| {
                    window(flow.initial_stream_window_size, "initial_stream_window_size").transpose()
                })
                .transpose()?,
            adaptive,
            keep_alive: message.keep_alive.map(H2KeepAlive::try_from).transpose().within("keep_alive")?,
            max_frame_size: in_range(internals.max_frame_size, FRAME_MIN, FRAME_MAX, "max_frame_size")
                .within("internals")?,
        })
    }
}

// === impl H2KeepAlive ===

impl TryFrom<api_h2::KeepAlive> for H2KeepAlive {
    type Error = InvalidMessage;

    fn try_from(message: api_h2::KeepAlive) -> Result<Self, InvalidMessage> {
        let positive = |value, field| {
            required_duration(value, field).and_then(|duration| {
                if duration.is_zero() {
                    Err(InvalidMessage::new(field, Problem::Range))
                } else {
                    Ok(duration)
                }
            })
        };
        Ok(Self {
            interval: positive(message.interval, "interval")?,
            timeout: positive(message.timeout, "timeout")?,
            while_idle: message.while_idle,
        })
    }
}

// === helpers ===

/// A port from 1 to 65535.
pub(crate) fn port(value: u32, field: &'static str) -> Result<u16, InvalidMessage> {
    let wrong = || InvalidMessage::with_value(field, Problem::Port, value);
    u16::try_from(value).ok().filter(|port| *port != 0).ok_or_else(wrong)
}

/// An address with a port that is not 0. The published conversion would cut the port to 16 bits.
pub(crate) fn socket_addr(message: Option<net::TcpAddress>) -> Result<SocketAddr, InvalidMessage> {
    let message = required(message, "addr")?;
    let ip = required(message.ip, "addr.ip")?;
    let ip = IpAddr::try_from(ip).map_err(|_| InvalidMessage::new("addr.ip", Problem::Address))?;
    Ok(SocketAddr::new(ip.to_canonical(), port(message.port, "addr.port")?))
}

/// None for 0, which stands for a field that is not set.
fn in_range(value: u32, least: u32, most: u32, field: &'static str) -> Result<Option<u32>, InvalidMessage> {
    match value {
        0 => Ok(None),
        value if (least..=most).contains(&value) => Ok(Some(value)),
        value => Err(InvalidMessage::with_value(field, Problem::Range, value)),
    }
}

fn protocol_hint(message: api::ProtocolHint) -> Result<(Hint, Option<u16>), InvalidMessage> {
    let hint = match message.protocol {
        None => Hint::Unknown,
        Some(api::protocol_hint::Protocol::H2(_)) => Hint::Http2,
        Some(api::protocol_hint::Protocol::Opaque(_)) => Hint::Opaque,
    };
    let transport = message
        .opaque_transport
        .map(|transport| port(transport.inbound_port, "inbound_port").within("opaque_transport"));
    Ok((hint, transport.transpose()?))
}

/// A strategy that is not known must not become plaintext, so it is an error. A URI alone does: there is no server name to send.
fn peer_tls(message: api::TlsIdentity) -> Result<Option<PeerTls>, InvalidMessage> {
    use api::tls_identity::Strategy;
    let server_name = message.server_name.filter(|name| !name.name.is_empty());
    let server_name = server_name.map(|name| dns_name(&name.name, "server_name")).transpose()?;
    match required(message.strategy, "strategy")? {
        Strategy::DnsLikeIdentity(id) => {
            let name = dns_name(&id.name, "dns_like_identity")?;
            let wrong = || InvalidMessage::with_value("dns_like_identity", Problem::Name, &name);
            let id = Id::dns(name.as_str()).ok_or_else(wrong)?;
            Ok(Some(PeerTls { id, server_name: server_name.unwrap_or(name) }))
        }
        Strategy::UriLikeIdentity(uri) => {
            let wrong = || InvalidMessage::with_value("uri_like_identity", Problem::Name, &uri.uri);
            let id = Id::uri(&uri.uri).ok_or_else(wrong)?;
            Ok(server_name.map(|server_name| PeerTls { id, server_name }))
        }
    }
}

fn dns_name(text: &str, field: &'static str) -> Result<DnsName, InvalidMessage> {
    text.parse().map_err(|_| InvalidMessage::with_value(field, Problem::Name, text))
}

fn authority(message: api::AuthorityOverride) -> Result<Option<Authority>, InvalidMessage> {
    let text = message.authority_override;
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(authority) => Ok(Some(authority)),
        Err(_) => Err(InvalidMessage::with_value("authority_override", Problem::Name, text)),
    }
}

#[cfg(test)]
mod tests;
