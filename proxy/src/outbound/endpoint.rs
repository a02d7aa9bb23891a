//! How an endpoint is spoken to: address, TLS, transport header, HTTP/2 settings.

use std::net::SocketAddr;

use bytes::Bytes;
use proxy_net::engine::{EndpointQueue, EndpointSpec, EndpointTls, HttpVersion, Prefaces, Upstream};
use proxy_net::transport_header::{Header, Session};
use rustls_pki_types::{DnsName, ServerName};

use crate::config;
use crate::identity::{Alpn, Credentials};
use crate::model::Endpoint;
use crate::model::endpoint::Hint;

/// Why an endpoint is not spoken to at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Its address is this machine's own: the proxy would speak to itself.
    Loopback,
    /// It has an identity, and the proxy has none yet.
    NoIdentity,
}

/// What every endpoint of this proxy has in common.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) config: &'a config::Outbound,
    pub(super) credentials: Option<&'a Credentials>,
}

// === impl Surroundings ===

impl Surroundings<'_> {
    /// How the engine is to speak to the endpoint.
    pub(super) fn spec(
        &self,
        endpoint: &Endpoint,
        eager: Option<Upstream>,
    ) -> Result<EndpointSpec, Unusable> {
        if endpoint.addr.ip().is_loopback() && !self.config.allow_loopback {
            return Err(Unusable::Loopback);
        }
        let tls = self.tls(endpoint)?;
        let header = has_header(endpoint);
        let addr = match endpoint.transport_port {
            Some(port) if header => SocketAddr::new(endpoint.addr.ip(), port),
            _ => endpoint.addr,
        };
        let config = self.config;
        let pings = endpoint.h2.keep_alive;
        Ok(EndpointSpec {
            addr,
            tls,
            preface: if header { prefaces(endpoint) } else { Prefaces::default() },
            connect_timeout: config.connect_timeout,
            // A backend has its own queue; here a request waits only while a connection is made.
            queue: EndpointQueue { capacity: usize::MAX, wait: config.connect_timeout },
            backoff: config.backoff,
            keep_alive: config.connect.keep_alive,
            user_timeout: config.connect.user_timeout,
            h2: self.h2(endpoint),
            h2_keep_alive: pings.map(|it| (it.interval, it.timeout, it.while_idle)),
            http1_idle: config.pool.idle_timeout,
            http1_max_idle: config.pool.max_idle,
            eager,
        })
    }

    /// TLS to the endpoint with what the proxy is now.
    pub(super) fn tls(&self, endpoint: &Endpoint) -> Result<Option<EndpointTls>, Unusable> {
        let Some(peer) = &endpoint.tls else { return Ok(None) };
        let alpn = if has_header(endpoint) { Alpn::Transport } else { Alpn::None };
        let credentials = self.credentials.ok_or(Unusable::NoIdentity)?;
        let name = DnsName::try_from(peer.server_name.as_str().to_owned());
        match (credentials.client_config(&peer.id, alpn), name) {
            (Ok(config), Ok(name)) => {
                Ok(Some(EndpointTls { config, server_name: ServerName::DnsName(name) }))
            }
            (config, name) => {
                let error = config.err().map(|error| error.to_string());
                tracing::warn!(peer = %peer.id, name = name.is_ok(), error, "no TLS to this endpoint");
                Err(Unusable::NoIdentity)
            }
        }
    }

    fn h2(&self, endpoint: &Endpoint) -> proxy_net::h2::connection::Config {
        let mut h2 = proxy_net::h2::connection::Config::default();
        let windows = self.config.client;
        h2.settings.initial_window_size = endpoint.h2.stream_window.unwrap_or(windows.stream_window);
        h2.connection_window = endpoint.h2.connection_window.unwrap_or(windows.connection_window).max(65_535);
        h2.adaptive = endpoint.h2.adaptive.then_some(config::ADAPTIVE_WINDOW);
        if let Some(size) = endpoint.h2.max_frame_size {
            h2.settings.max_frame_size = size;
        }
        h2
    }
}

/// Whether connections begin with a transport header. Without TLS there is nobody who would read it.
fn has_header(endpoint: &Endpoint) -> bool {
    endpoint.tls.is_some() && (endpoint.transport_port.is_some() || endpoint.authority.is_some())
}

fn prefaces(endpoint: &Endpoint) -> Prefaces {
    let target =
        endpoint.authority.as_ref().and_then(|authority| Some((authority.host(), authority.port()?)));
    let name = target.and_then(|(host, _)| DnsName::try_from(host.to_ascii_lowercase()).ok());
    let port = match (&name, target) {
        (Some(_), Some((_, port))) => port,
        _ => endpoint.addr.port(),
    };
    let encode = |session: Option<Session>| {
        let session = session.filter(|_| endpoint.hint != Hint::Opaque);
        let mut out = Vec::new();
        Header { port, name: name.clone(), session }.encode(&mut out);
        Bytes::from(out)
    };
    Prefaces {
        http1: encode(Some(Session::Http1)),
        http2: encode(Some(Session::Http2)),
        opaque: encode(None),
    }
}

/// What a request speaks there, and whether it is carried in another version than it came in.
pub(super) fn upstream(
    endpoint: &Endpoint,
    version: HttpVersion,
    is_upgrade: bool,
    has_host: bool,
) -> (Upstream, bool) {
    match version {
        HttpVersion::Http2 => (Upstream::Http2, false),
        _ if endpoint.hint == Hint::Http2 && !is_upgrade => (Upstream::Http2, true),
        HttpVersion::Http10 => (Upstream::Http1Once, false),
        HttpVersion::Http11 if is_upgrade || !has_host => (Upstream::Http1Once, false),
        HttpVersion::Http11 => (Upstream::Http1, false),
    }
}

#[cfg(test)]
mod tests {
    use proxy_net::http1::Parsed;

    use super::*;

    fn header(octets: &Bytes) -> Header {
        match Header::decode(octets) {
            Ok(Parsed::Whole(header, taken)) if taken == octets.len() => header,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_header_names_port_session_and_gateway_target() {
        let mut endpoint = Endpoint::plain("10.0.0.1:8080".parse().unwrap());
        endpoint.transport_port = Some(4143);
        let plain = prefaces(&endpoint);
        let decoded = header(&plain.http2);
        assert_eq!((decoded.port, decoded.name, decoded.session), (8080, None, Some(Session::Http2)));
        assert_eq!(header(&plain.http1).session, Some(Session::Http1));
        assert_eq!(header(&plain.opaque).session, None);
        endpoint.authority = Some("Web.ns.svc:80".parse().unwrap());
        let decoded = header(&prefaces(&endpoint).http1);
        assert_eq!((decoded.port, decoded.name.as_ref().map(DnsName::as_ref)), (80, Some("web.ns.svc")));
        endpoint.hint = Hint::Opaque;
        assert_eq!(header(&prefaces(&endpoint).http1).session, None);
    }

    #[test]
    fn a_header_needs_tls() {
        let mut endpoint = Endpoint::plain("10.0.0.1:8080".parse().unwrap());
        endpoint.transport_port = Some(4143);
        assert!(!has_header(&endpoint));
    }

    #[test]
    fn http1_is_carried_in_http2_where_the_endpoint_can() {
        let mut endpoint = Endpoint::plain("10.0.0.1:8080".parse().unwrap());
        let of = |endpoint: &Endpoint, version, upgrade| upstream(endpoint, version, upgrade, true);
        assert_eq!(of(&endpoint, HttpVersion::Http11, false), (Upstream::Http1, false));
        assert_eq!(of(&endpoint, HttpVersion::Http2, false), (Upstream::Http2, false));
        assert_eq!(of(&endpoint, HttpVersion::Http10, false), (Upstream::Http1Once, false));
        endpoint.hint = Hint::Http2;
        assert_eq!(of(&endpoint, HttpVersion::Http11, false), (Upstream::Http2, true));
        assert_eq!(of(&endpoint, HttpVersion::Http11, true), (Upstream::Http1Once, false));
        assert_eq!(of(&endpoint, HttpVersion::Http2, false), (Upstream::Http2, false));
    }
}
