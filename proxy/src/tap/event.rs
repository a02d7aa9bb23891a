//! Events, as the published API has them.

use std::net::SocketAddr;
use std::time::Duration;

use linkerd2_proxy_api::http_types::{self, Headers, headers::Header};
use linkerd2_proxy_api::net::TcpAddress;
use linkerd2_proxy_api::tap::tap_event::http::{
    Event as HttpEvent, RequestInit, ResponseEnd, ResponseInit, StreamId,
};
use linkerd2_proxy_api::tap::tap_event::{self, EndpointMeta, Event, ProxyDirection, RouteMeta};
use linkerd2_proxy_api::tap::{Eos, TapEvent, eos};
use proxy_net::headers::HeaderList;

use super::filter::Observed;
use crate::metrics::{ClientTls, Direction, ServerTls};
use crate::model::Labels;

/// The field that says why a proxy made a response itself.
const PROXY_ERROR: &str = "l5d-proxy-error";
/// Octets of headers that one event carries; further fields are left out.
const MAX_HEADERS: usize = 32 * 1024;
/// Octets of a path or authority that an event carries.
const MAX_TEXT: usize = 8 * 1024;

/// What all events of a request have alike.
pub(super) fn base(observed: &Observed<'_>) -> TapEvent {
    TapEvent {
        source: Some(address(observed.source)),
        source_meta: Some(EndpointMeta { labels: source_labels(observed.source_tls) }),
        route_meta: Some(RouteMeta { labels: map(observed.route_labels) }),
        destination: Some(address(observed.destination)),
        destination_meta: Some(EndpointMeta {
            labels: destination_labels(observed.destination_tls, observed.destination_labels),
        }),
        proxy_direction: match observed.direction {
            Direction::Inbound => ProxyDirection::Inbound,
            Direction::Outbound => ProxyDirection::Outbound,
        }
        .into(),
        event: None,
    }
}

/// This event of the request.
pub(super) fn with(base: &TapEvent, event: HttpEvent) -> TapEvent {
    TapEvent { event: Some(Event::Http(tap_event::Http { event: Some(event) })), ..base.clone() }
}

pub(super) fn request(id: StreamId, head: &HeaderList, extract: bool) -> HttpEvent {
    let method = lossy(head.value(b":method").unwrap_or_default());
    let method = http::Method::from_bytes(method.as_bytes()).unwrap_or(http::Method::GET);
    let scheme = lossy(head.value(b":scheme").unwrap_or(b"http"));
    HttpEvent::RequestInit(RequestInit {
        id: Some(id),
        method: Some(method.into()),
        scheme: Some(http_types::Scheme::from(&*scheme)),
        authority: lossy(authority(head)),
        path: lossy(head.value(b":path").unwrap_or_default()),
        headers: extract.then(|| headers(head)),
    })
}

pub(super) fn response(id: StreamId, since: Duration, status: u16, head: Option<Headers>) -> HttpEvent {
    HttpEvent::ResponseInit(ResponseInit {
        id: Some(id),
        since_request_init: duration(since),
        http_status: status.into(),
        headers: head,
    })
}

pub(super) fn end(
    id: StreamId,
    since_request: Duration,
    since_response: Option<Duration>,
    response_bytes: u64,
    end: Option<eos::End>,
    trailers: Option<Headers>,
) -> HttpEvent {
    HttpEvent::ResponseEnd(ResponseEnd {
        id: Some(id),
        since_request_init: duration(since_request),
        since_response_init: since_response.and_then(duration),
        response_bytes,
        eos: end.map(|end| Eos { end: Some(end) }),
        trailers,
    })
}

/// The fields of a response, and among them why the proxy made it. That one is shown to every watcher, whether it asks for
/// fields or not, and whether the client was told or not.
pub(super) fn response_headers(head: &HeaderList, extract: bool, reason: Option<&str>) -> Option<Headers> {
    let mut shown = if extract { headers(head) } else { Headers::default() };
    if let Some(reason) = reason {
        shown.headers.retain(|field| field.name != PROXY_ERROR);
        shown.headers.push(Header { name: PROXY_ERROR.to_owned(), value: reason.as_bytes().to_vec() });
    }
    (extract || reason.is_some()).then_some(shown)
}

/// Fields in their order, within a bound.
pub(super) fn headers(list: &HeaderList) -> Headers {
    let mut room = MAX_HEADERS;
    let fields = list.iter().map_while(|field| {
        room = room.checked_sub(field.name.len() + field.value.len())?;
        Some(Header { name: lossy(field.name), value: field.value.to_vec() })
    });
    Headers { headers: fields.collect() }
}

/// The authority that a request names.
pub(super) fn authority(head: &HeaderList) -> &[u8] {
    head.value(b":authority").or_else(|| head.value(b"host")).unwrap_or_default()
}

type Map = std::collections::HashMap<String, String>;

fn map(labels: &Labels) -> Map {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn source_labels(tls: ServerTls<'_>) -> Map {
    let mut labels = Map::new();
    let (status, more) = match tls {
        ServerTls::Established(id) => ("true", Some(("client_id", id))),
        ServerTls::Opaque(sni) => ("opaque", Some(("sni", sni))),
        ServerTls::None(reason) => ("no_identity", Some(("no_tls_reason", reason.text()))),
        ServerTls::Disabled => ("disabled", None),
    };
    labels.insert("tls".to_owned(), status.to_owned());
    labels.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    labels
}

fn destination_labels(tls: ClientTls<'_>, from_discovery: &Labels) -> Map {
    let mut labels = map(from_discovery);
    let (status, more) = match tls {
        ClientTls::Established(id) => ("true", Some(("server_id", id))),
        ClientTls::None(reason) => ("no_identity", Some(("no_tls_reason", reason.text()))),
        ClientTls::Disabled => ("disabled", None),
    };
    labels.insert("tls".to_owned(), status.to_owned());
    labels.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    labels
}

fn address(addr: SocketAddr) -> TcpAddress {
    TcpAddress { ip: Some(addr.ip().into()), port: addr.port().into() }
}

fn duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(&octets[..octets.len().min(MAX_TEXT)]).into_owned()
}
