//! The parts of a request's head that routes look at.

use proxy_net::headers::HeaderList;

/// Slices of a head, found in one pass.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The scheme, where the target had one.
    pub scheme: Option<&'a [u8]>,
    /// Host and port as they came; empty where there is none.
    pub authority: &'a [u8],
    /// The host alone, without a final dot, in the case it came in.
    pub host: &'a [u8],
    /// The path without its query.
    pub path: &'a [u8],
    /// What follows the first `?`.
    pub query: Option<&'a [u8]>,
    /// All fields.
    pub head: &'a HeaderList,
}

// === impl Parts ===

impl<'a> Parts<'a> {
    /// The parts of a request.
    #[must_use]
    pub fn of(head: &'a HeaderList) -> Self {
        let mut parts =
            Self { method: b"", scheme: None, authority: b"", host: b"", path: b"", query: None, head };
        for field in head.iter().take_while(|field| field.name.first() == Some(&b':')) {
            match field.name {
                b":method" => parts.method = field.value,
                b":scheme" => parts.scheme = Some(field.value),
                b":authority" => parts.authority = field.value,
                b":path" => parts.path = field.value,
                _ => {}
            }
        }
        if parts.authority.is_empty() {
            parts.authority = head.value(b"host").unwrap_or_default();
        }
        parts.host = host_of(parts.authority);
        if let Some(mark) = parts.path.iter().position(|octet| *octet == b'?') {
            parts.query = Some(&parts.path[mark + 1..]);
            parts.path = &parts.path[..mark];
        }
        parts
    }

    /// The port of the authority, if it has one.
    #[must_use]
    pub fn port(&self) -> Option<&'a [u8]> {
        let rest = &self.authority[port_start(self.authority)..];
        rest.strip_prefix(b":").filter(|port| !port.is_empty())
    }
}

/// The host of an authority, without port and final dot.
fn host_of(authority: &[u8]) -> &[u8] {
    let host = &authority[..port_start(authority)];
    host.strip_suffix(b".").unwrap_or(host)
}

/// Where the colon before the port is, or the end.
fn port_start(authority: &[u8]) -> usize {
    let colon = authority.iter().rposition(|octet| *octet == b':');
    colon.filter(|_| authority.last() != Some(&b']')).unwrap_or(authority.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(authority: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        let list: HeaderList =
            [(&b":method"[..], &b"GET"[..]), (b":authority", authority), (b":path", b"/a?b?c")]
                .into_iter()
                .collect();
        let parts = Parts::of(&list);
        assert_eq!((parts.method, parts.path, parts.query), (&b"GET"[..], &b"/a"[..], Some(&b"b?c"[..])));
        (parts.host.to_vec(), parts.port().map(<[u8]>::to_vec))
    }

    #[test]
    fn hosts_lose_port_and_final_dot() {
        assert_eq!(host(b"web.ns:80"), (b"web.ns".to_vec(), Some(b"80".to_vec())));
        assert_eq!(host(b"Web."), (b"Web".to_vec(), None));
        assert_eq!(host(b"[::1]:80"), (b"[::1]".to_vec(), Some(b"80".to_vec())));
        assert_eq!(host(b"[::1]"), (b"[::1]".to_vec(), None));
        assert_eq!(host(b""), (Vec::new(), None));
        assert_eq!(host(b":"), (Vec::new(), None));
    }

    #[test]
    fn a_head_without_anything_has_empty_parts() {
        let head = HeaderList::new();
        let parts = Parts::of(&head);
        assert!(
            parts.method.is_empty()
                && parts.host.is_empty()
                && parts.path.is_empty()
                && parts.port().is_none()
        );
    }
}
