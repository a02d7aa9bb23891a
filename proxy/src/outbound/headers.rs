//! Header fields that proxies of the mesh tell each other things by, on their way out.

use std::net::SocketAddr;
use std::time::Duration;

use proxy_net::engine::HttpVersion;
use proxy_net::headers::HeaderList;

use crate::model::Authority;
use crate::model::outbound::{Backoff, Retry, RetryOn, RuleTimeouts, StatusRanges, parse_grpc};

/// Which destination an HTTP/1 message was carried from, on HTTP/2.
const ORIG_PROTO: &[u8] = b"l5d-orig-proto";
/// The name that the destination was resolved to, for the server's proxy.
pub(super) const DST_CANONICAL: &[u8] = b"l5d-dst-canonical";
/// In ingress mode: where the request is to go.
pub(super) const DST_OVERRIDE: &[u8] = b"l5d-dst-override";
/// Whom the request wants at the other end.
const REQUIRE_ID: &[u8] = b"l5d-require-id";
/// Why a proxy answered itself.
pub(super) const PROXY_ERROR: &[u8] = b"l5d-proxy-error";
/// `close`: the application's connection is to end.
pub(super) const PROXY_CONNECTION: &[u8] = b"l5d-proxy-connection";

const RETRY_HTTP: &[u8] = b"l5d-retry-http";
const RETRY_GRPC: &[u8] = b"l5d-retry-grpc";
const RETRY_LIMIT: &[u8] = b"l5d-retry-limit";
const RETRY_TIMEOUT: &[u8] = b"l5d-retry-timeout";
const TIMEOUT: &[u8] = b"l5d-timeout";
const REQUEST_TIMEOUT: &[u8] = b"l5d-request-timeout";
const RESPONSE_TIMEOUT: &[u8] = b"l5d-response-timeout";

/// Octets of a body that are kept where only the client's headers ask for retries.
const HEADER_RETRY_OCTETS: usize = 64 * 1024;
/// The wait between attempts then.
const HEADER_RETRY_BACKOFF: Backoff = Backoff {
    min: Duration::from_millis(25),
    max: Duration::from_millis(250),
    jitter: 1.0,
    respect_hint: false,
};
/// No header asks for more.
const RETRIES_MAX: u32 = 1000;
const TIMEOUT_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Whether the request is one of gRPC.
pub(super) fn is_grpc(head: &HeaderList) -> bool {
    head.value(b"content-type").is_some_and(|value| value.starts_with(b"application/grpc"))
}

/// Takes out whom the request wants at the other end. It is nobody else's business.
pub(super) fn take_required_id(head: &mut HeaderList) -> Option<Box<str>> {
    let value = head.value(REQUIRE_ID)?;
    let text = String::from_utf8_lossy(value).into_owned().into_boxed_str();
    head.remove(REQUIRE_ID);
    Some(text)
}

/// Says which version a message had before it was carried in HTTP/2.
pub(super) fn set_orig_proto(head: &mut HeaderList, version: HttpVersion, absolute_form: bool) {
    let value: &[u8] = match (version, absolute_form) {
        (HttpVersion::Http10, false) => b"HTTP/1.0",
        (HttpVersion::Http10, true) => b"HTTP/1.0; absolute-form",
        (_, false) => b"HTTP/1.1",
        (_, true) => b"HTTP/1.1; absolute-form",
    };
    head.set(ORIG_PROTO, value);
    head.remove(b"transfer-encoding");
}

/// Names the host twice, as a message of HTTP/1 that is carried in HTTP/2 has to: other proxies of the mesh hand `host` on
/// to the application as it came, and without it they neither name the host nor use a connection again. A message that
/// has none, which only HTTP/1.0 allows, gets the address that it is for.
pub(super) fn set_host(head: &mut HeaderList, address: SocketAddr) {
    match head.value(b":authority").map(<[u8]>::to_vec) {
        Some(authority) => head.set(b"host", &authority),
        None => {
            let address = address.to_string();
            head.insert(1, b":authority", address.as_bytes());
            head.set(b"host", address.as_bytes());
        }
    }
}

/// Takes such a mark away again.
pub(super) fn remove_orig_proto(head: &mut HeaderList) {
    head.remove(ORIG_PROTO);
}

/// Gives the request the authority that the endpoint wants; what else names the destination goes.
pub(super) fn override_authority(head: &mut HeaderList, authority: &Authority) {
    head.remove(DST_CANONICAL);
    head.remove(b"host");
    if head.value(b":authority").is_some() {
        head.set(b":authority", authority.as_str().as_bytes());
    } else {
        head.insert(1, b":authority", authority.as_str().as_bytes());
    }
}

/// Takes out of a response what proxies say to each other. Whether the application's connection is to end.
pub(super) fn strip_response(head: &mut HeaderList) -> bool {
    let close = head.value(PROXY_CONNECTION).is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
    if head.iter().any(|field| field.name.starts_with(b"l5d-")) {
        head.remove(PROXY_ERROR);
        head.remove(PROXY_CONNECTION);
        head.remove(ORIG_PROTO);
    }
    close
}

/// Whether a head may say something of the kind that [`take_wishes`] follows.
pub(super) fn has_wishes(head: &HeaderList) -> bool {
    head.iter().any(|field| field.name.starts_with(b"l5d-"))
}

/// What the client's own headers say about time limits and retries; they are taken out. What cannot be read is as if it were
/// not there. Only for rules that allow it.
pub(super) fn take_wishes(head: &mut HeaderList, timeouts: &mut RuleTimeouts, retry: &mut Option<Retry>) {
    let mut take = |name: &[u8]| {
        let value = head.value(name).map(<[u8]>::to_vec);
        if value.is_some() {
            head.remove(name);
        }
        value
    };
    let time = |value: Option<Vec<u8>>| value.and_then(|value| duration(&value));
    // The older name counts where the newer is not there.
    let older = time(take(TIMEOUT));
    timeouts.request = time(take(REQUEST_TIMEOUT)).or(older).or(timeouts.request);
    timeouts.response = time(take(RESPONSE_TIMEOUT)).or(timeouts.response);
    let on_http = take(RETRY_HTTP).and_then(|value| StatusRanges::parse(&value)).map(RetryOn::Http);
    let on = take(RETRY_GRPC).and_then(|value| parse_grpc(&value)).map(RetryOn::Grpc).or(on_http);
    let limit = take(RETRY_LIMIT).and_then(|value| number(&value));
    let per_try = time(take(RETRY_TIMEOUT));
    if on.is_none() && limit.is_none() && per_try.is_none() {
        return;
    }
    let base = retry.take().or_else(|| {
        on.is_some().then_some(Retry {
            max_retries: 1,
            max_request_octets: HEADER_RETRY_OCTETS,
            on: RetryOn::Grpc(0),
            timeout: None,
            backoff: Some(HEADER_RETRY_BACKOFF),
        })
    });
    *retry = base
        .map(|base| Retry {
            on: on.unwrap_or(base.on),
            max_retries: limit.unwrap_or(base.max_retries),
            timeout: per_try.or(base.timeout),
            ..base
        })
        .filter(|retry| retry.max_retries > 0);
}

/// A whole number with `ms`, `s`, `m`, `h` or `d`; zero is none.
fn duration(value: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let unit = text.find(|char: char| !char.is_ascii_digit())?;
    let count: u64 = text[..unit].parse().ok()?;
    let duration = match &text[unit..] {
        "ms" => Duration::from_millis(count),
        "s" => Duration::from_secs(count),
        "m" => Duration::from_secs(count.checked_mul(60)?),
        "h" => Duration::from_secs(count.checked_mul(3600)?),
        "d" => Duration::from_secs(count.checked_mul(86_400)?),
        _ => return None,
    };
    Some(duration.min(TIMEOUT_MAX)).filter(|duration| !duration.is_zero())
}

fn number(value: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(RETRIES_MAX).min(RETRIES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> HeaderList {
        fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
    }

    #[test]
    fn an_override_replaces_everything_that_names_the_destination() {
        let mut list = head(&[
            (":method", "GET"),
            (":authority", "web"),
            ("host", "web"),
            ("l5d-dst-canonical", "web.ns.svc.cluster.local:80"),
        ]);
        override_authority(&mut list, &"remote.example:8080".parse().unwrap());
        assert_eq!(list, head(&[(":method", "GET"), (":authority", "remote.example:8080")]));
        let mut list = head(&[(":method", "GET"), (":path", "/")]);
        override_authority(&mut list, &"remote".parse().unwrap());
        assert_eq!(list, head(&[(":method", "GET"), (":authority", "remote"), (":path", "/")]));
    }

    #[test]
    fn what_proxies_say_to_each_other_does_not_reach_the_application() {
        let fields =
            [(":status", "502"), ("l5d-proxy-error", "x"), ("l5d-proxy-connection", "close"), ("a", "b")];
        let mut list = head(&fields);
        assert!(strip_response(&mut list));
        assert_eq!(list, head(&[(":status", "502"), ("a", "b")]));
        assert!(!strip_response(&mut list));
    }

    #[test]
    fn wishes_of_the_client_are_taken_out_and_followed() {
        let mut list = head(&[
            ("l5d-retry-http", "5xx"),
            ("l5d-retry-limit", "3"),
            ("l5d-retry-timeout", "100ms"),
            ("l5d-timeout", "9s"),
            ("l5d-request-timeout", "2s"),
            ("l5d-response-timeout", "soon"),
            ("a", "b"),
        ]);
        let (mut timeouts, mut retry) = (RuleTimeouts::default(), None);
        take_wishes(&mut list, &mut timeouts, &mut retry);
        assert_eq!(list, head(&[("a", "b")]));
        assert_eq!(
            timeouts,
            RuleTimeouts { request: Some(Duration::from_secs(2)), response: None, idle: None }
        );
        let retry = retry.unwrap();
        assert_eq!((retry.max_retries, retry.max_request_octets), (3, 65_536));
        assert!(retry.on.http(503) && retry.timeout == Some(Duration::from_millis(100)));
    }

    #[test]
    fn a_limit_alone_asks_for_nothing_and_zero_forbids() {
        let mut retry = None;
        take_wishes(&mut head(&[("l5d-retry-limit", "3")]), &mut RuleTimeouts::default(), &mut retry);
        assert_eq!(retry, None);
        let mut fields = head(&[("l5d-retry-http", "500"), ("l5d-retry-limit", "0")]);
        take_wishes(&mut fields, &mut RuleTimeouts::default(), &mut retry);
        assert_eq!(retry, None);
    }

    #[test]
    fn limits_are_read_strictly() {
        assert_eq!(duration(b" 5s "), Some(Duration::from_secs(5)));
        assert_eq!(duration(b"18446744073709551615d"), None);
        assert_eq!(duration(b"99999999999999d"), Some(TIMEOUT_MAX));
        for text in ["", "5", "s", "-5s", "1.5s", "5 s", "0s", "99999999999999999999s"] {
            assert_eq!(duration(text.as_bytes()), None, "{text}");
        }
        assert_eq!((number(b"99999999999"), number(b"+1"), number(b"")), (Some(RETRIES_MAX), None, None));
    }

    #[test]
    fn a_carried_message_names_its_host_twice() {
        let address = "10.0.0.1:80".parse().unwrap();
        let mut list = head(&[(":method", "GET"), (":authority", "web"), (":path", "/"), ("host", "old")]);
        set_host(&mut list, address);
        assert_eq!(list, head(&[(":method", "GET"), (":authority", "web"), (":path", "/"), ("host", "web")]));
        let mut list = head(&[(":method", "GET"), (":path", "/")]);
        set_host(&mut list, address);
        assert_eq!(list.value(b":authority"), Some(&b"10.0.0.1:80"[..]));
        assert_eq!(list.value(b"host"), Some(&b"10.0.0.1:80"[..]));
    }

    #[test]
    fn the_version_is_kept_while_a_message_is_carried() {
        let mut list = head(&[("transfer-encoding", "chunked")]);
        set_orig_proto(&mut list, HttpVersion::Http10, true);
        assert_eq!(list, head(&[("l5d-orig-proto", "HTTP/1.0; absolute-form")]));
        set_orig_proto(&mut list, HttpVersion::Http11, false);
        assert_eq!(list.value(ORIG_PROTO), Some(&b"HTTP/1.1"[..]));
        remove_orig_proto(&mut list);
        assert!(list.is_empty());
    }

    #[test]
    fn the_wanted_identity_is_taken_out() {
        let mut list = head(&[("l5d-require-id", "web.id"), ("a", "b")]);
        assert_eq!(take_required_id(&mut list).as_deref(), Some("web.id"));
        assert_eq!(take_required_id(&mut list), None);
        assert_eq!(list, head(&[("a", "b")]));
    }
}
