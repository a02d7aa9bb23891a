//! Header fields that proxies of the mesh tell each other things by, and that nobody else may.

use proxy_net::engine::HttpVersion;
use proxy_net::headers::HeaderList;

use crate::model::inbound::Peer;

/// The client's verified name, for the application.
pub(crate) const CLIENT_ID: &[u8] = b"l5d-client-id";
/// What the application was asked for by name, as the client's proxy resolved it.
pub(crate) const DST_CANONICAL: &[u8] = b"l5d-dst-canonical";
/// What an HTTP/1 message was before it was carried in HTTP/2.
pub(crate) const ORIG_PROTO: &[u8] = b"l5d-orig-proto";
/// Why a proxy answered itself.
pub(crate) const PROXY_ERROR: &[u8] = b"l5d-proxy-error";
/// `close`: the client's proxy is to end the application's connection.
pub(crate) const PROXY_CONNECTION: &[u8] = b"l5d-proxy-connection";

/// What an HTTP/1 request was before it was carried in HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrigProto {
    /// Its version.
    pub(crate) version: HttpVersion,
    /// Whether its target was absolute.
    pub(crate) absolute_form: bool,
}

// === impl OrigProto ===

impl OrigProto {
    /// Takes the field out of a request's head. What cannot be read is taken as an ordinary request of HTTP/1.1, since
    /// whoever sent it does speak HTTP/1.
    pub(crate) fn take(head: &mut HeaderList) -> Option<Self> {
        let value = head.value(ORIG_PROTO)?;
        let version = if value.starts_with(b"HTTP/1.0") { HttpVersion::Http10 } else { HttpVersion::Http11 };
        let absolute_form = value.ends_with(b"absolute-form");
        head.remove(ORIG_PROTO);
        Some(Self { version, absolute_form })
    }

    /// Says in a response's head which version the application spoke.
    pub(crate) fn answer(version: HttpVersion, head: &mut HeaderList) {
        let value: &[u8] = match version {
            HttpVersion::Http10 => b"HTTP/1.0",
            HttpVersion::Http11 => b"HTTP/1.1",
            HttpVersion::Http2 => b"HTTP/2.0",
        };
        head.set(ORIG_PROTO, value);
        head.remove(b"transfer-encoding");
    }
}

/// Tells the application who the client is, whatever the client itself says.
pub(crate) fn set_client_id(peer: &Peer, head: &mut HeaderList) {
    match peer.id() {
        Some(id) => head.set(CLIENT_ID, id.as_str().as_bytes()),
        None => drop(head.remove(CLIENT_ID)),
    }
}

/// Brings authority and `host` into one place. The codecs refuse heads in which they disagree.
pub(crate) fn normalise_authority(head: &mut HeaderList) {
    let Some(host) = head.value(b"host") else { return };
    if head.value(b":authority").is_none() && !host.is_empty() {
        let host = host.to_vec();
        let place = head.iter().take_while(|field| field.name.first() == Some(&b':')).count();
        head.insert(place, b":authority", &host);
    }
    head.remove(b"host");
}

/// Whether a request has passed the gateway with this name: any part of any `forwarded` field (RFC 7239) has it as `by`.
pub(crate) fn was_forwarded_by(id: &str, head: &HeaderList) -> bool {
    let is_by = |pair: &[u8]| {
        let pair = pair.trim_ascii();
        let Some(value) = pair.get(3..).filter(|_| pair[..3].eq_ignore_ascii_case(b"by=")) else {
            return false;
        };
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        value.eq_ignore_ascii_case(id.as_bytes())
    };
    head.values(b"forwarded").any(|value| value.split(|octet| matches!(octet, b',' | b';')).any(is_by))
}

/// Takes out of a response what only a proxy may say.
pub(crate) fn strip_proxy_words(head: &mut HeaderList) {
    for name in [PROXY_ERROR, PROXY_CONNECTION, ORIG_PROTO] {
        if head.value(name).is_some() {
            head.remove(name);
        }
    }
}

/// Whether a request is one of gRPC.
pub(crate) fn is_grpc(version: HttpVersion, head: &HeaderList) -> bool {
    version == HttpVersion::Http2
        && head.value(b"content-type").is_some_and(|value| value.starts_with(b"application/grpc"))
}

/// The status in a response's head.
pub(crate) fn status(head: &HeaderList) -> u16 {
    head.value(b":status").and_then(number).unwrap_or(0)
}

/// The status of gRPC in a head or in trailers.
pub(crate) fn grpc_status(list: &HeaderList) -> Option<u16> {
    list.value(b"grpc-status").and_then(number)
}

fn number(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(fields: &[(&str, &str)]) -> HeaderList {
        fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
    }

    #[test]
    fn a_forged_client_id_is_replaced_or_removed() {
        let forged = [(":method", "GET"), ("l5d-client-id", "admin"), ("x", "1"), ("l5d-client-id", "root")];
        let mut head = list(&forged);
        set_client_id(&Peer::Plain, &mut head);
        assert_eq!(head, list(&[(":method", "GET"), ("x", "1")]));
        let mut head = list(&forged);
        set_client_id(&Peer::Meshed(None), &mut head);
        assert_eq!(head.value(CLIENT_ID), None);
        let mut head = list(&forged);
        set_client_id(&Peer::Meshed(Some("web.ns".parse().unwrap())), &mut head);
        assert_eq!(head.values(CLIENT_ID).collect::<Vec<_>>(), [b"web.ns"]);
    }

    #[test]
    fn the_original_protocol_is_taken_out_and_put_back() {
        let take = |value| OrigProto::take(&mut list(&[("l5d-orig-proto", value)])).unwrap();
        let is = |version, absolute_form| OrigProto { version, absolute_form };
        assert_eq!(take("HTTP/1.1"), is(HttpVersion::Http11, false));
        assert_eq!(take("HTTP/1.0; absolute-form"), is(HttpVersion::Http10, true));
        assert_eq!(take("nonsense"), is(HttpVersion::Http11, false));
        assert_eq!(OrigProto::take(&mut list(&[("x", "1")])), None);
        let mut head = list(&[(":status", "200"), ("transfer-encoding", "chunked")]);
        OrigProto::answer(HttpVersion::Http10, &mut head);
        assert_eq!(head, list(&[(":status", "200"), ("l5d-orig-proto", "HTTP/1.0")]));
    }

    #[test]
    fn the_host_becomes_the_authority() {
        let mut head = list(&[(":method", "GET"), (":path", "/"), ("host", "web"), ("x", "1")]);
        normalise_authority(&mut head);
        assert_eq!(head, list(&[(":method", "GET"), (":path", "/"), (":authority", "web"), ("x", "1")]));
        let mut head = list(&[(":authority", "web"), ("host", "web")]);
        normalise_authority(&mut head);
        assert_eq!(head, list(&[(":authority", "web")]));
        let mut head = list(&[(":path", "/"), ("host", "")]);
        normalise_authority(&mut head);
        assert_eq!(head, list(&[(":path", "/")]));
    }

    #[test]
    fn a_request_that_was_here_before_is_known() {
        let was = |value| was_forwarded_by("gw.ns", &list(&[("forwarded", "for=x"), ("forwarded", value)]));
        assert!(was("by=gw.ns;for=a") && was("for=a;By=\"GW.ns\"") && was("by=other, by=gw.ns"));
        assert!(!was("by=gw.nsx") && !was("for=gw.ns") && !was("b") && !was(""));
    }

    #[test]
    fn the_words_of_a_proxy_are_not_the_applications() {
        let mut head = list(&[
            (":status", "200"),
            ("l5d-proxy-connection", "close"),
            ("l5d-orig-proto", "x"),
            ("l5d-proxy-error", "x"),
        ]);
        strip_proxy_words(&mut head);
        assert_eq!(head, list(&[(":status", "200")]));
    }

    #[test]
    fn calls_of_grpc_are_known_by_type_and_version() {
        let head = list(&[("content-type", "application/grpc+proto")]);
        assert!(is_grpc(HttpVersion::Http2, &head) && !is_grpc(HttpVersion::Http11, &head));
        assert!(!is_grpc(HttpVersion::Http2, &list(&[("content-type", "text/plain")])));
    }
}
