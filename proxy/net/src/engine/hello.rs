//! Reads the server name out of a TLS ClientHello without taking part in the handshake.

/// What the start of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sniffed<'a> {
    /// Not TLS.
    NotTls,
    /// Perhaps TLS; more has to come.
    Partial,
    /// A ClientHello; its server name as it stands there, if it has one that is a name.
    Hello(Option<&'a str>),
}

/// Octets after which a ClientHello is no longer waited for. Ones with post-quantum keys have about 2,000.
pub(super) const MAX_HELLO: usize = 32 * 1024;

/// Looks at the start of a connection. `scratch` is used when the message is in more than one record.
pub(super) fn sniff<'a>(input: &'a [u8], scratch: &'a mut Vec<u8>) -> Sniffed<'a> {
    // A record of handshake type and version 3.x, then the message type of ClientHello.
    const START: [u8; 2] = [22, 3];
    if input.is_empty() {
        return Sniffed::Partial;
    }
    let length = input.len().min(2);
    if input[..length] != START[..length] || input.get(2).is_some_and(|minor| *minor > 4) {
        return Sniffed::NotTls;
    }
    scratch.clear();
    let mut at = 0;
    let mut whole = None;
    while whole.is_none_or(|needed| scratch.len() < needed) {
        let Some(header) = input.get(at..at + 5) else { return partial(input) };
        let size = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if header[..2] != START || size == 0 || size > 16_384 {
            return Sniffed::NotTls;
        }
        let rest = &input[at + 5..];
        scratch.extend_from_slice(&rest[..rest.len().min(size)]);
        if scratch.first().is_some_and(|kind| *kind != 1) {
            return Sniffed::NotTls;
        }
        if let Some([_, a, b, c]) = scratch.first_chunk::<4>() {
            let message = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if message > MAX_HELLO {
                return Sniffed::NotTls;
            }
            whole = Some(4 + message);
        }
        if rest.len() < size && whole.is_none_or(|needed| scratch.len() < needed) {
            return partial(input);
        }
        at += 5 + size;
    }
    let needed = whole.unwrap_or_default();
    Sniffed::Hello(server_name(&scratch[4..needed]))
}

fn partial<'a>(input: &[u8]) -> Sniffed<'a> {
    if input.len() > MAX_HELLO { Sniffed::NotTls } else { Sniffed::Partial }
}

/// The name in a ClientHello (RFC 8446 §4.1.2, RFC 6066 §3); a message that is cut short has none.
fn server_name(hello: &[u8]) -> Option<&str> {
    const SERVER_NAME: u16 = 0;
    let mut rest = hello.get(2 + 32..)?;
    skip(&mut rest, 1)?; // session id
    skip(&mut rest, 2)?; // cipher suites
    skip(&mut rest, 1)?; // compression methods
    let mut extensions = skip(&mut rest, 2)?;
    while !extensions.is_empty() {
        let kind = u16::from_be_bytes(*extensions.first_chunk()?);
        extensions = &extensions[2..];
        let mut content = skip(&mut extensions, 2)?;
        if kind != SERVER_NAME {
            continue;
        }
        let mut names = skip(&mut content, 2)?;
        while let Some((kind, after)) = names.split_first() {
            names = after;
            let name = skip(&mut names, 2)?;
            if *kind == 0 {
                return std::str::from_utf8(name).ok().filter(|name| is_name(name));
            }
        }
    }
    None
}

/// Takes what stands behind a length of `width` octets.
fn skip<'a>(rest: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let length = rest.get(..width)?.iter().fold(0, |sum, octet| sum * 256 + usize::from(*octet));
    let content = rest.get(width..width + length)?;
    *rest = &rest[width + length..];
    Some(content)
}

fn is_name(name: &str) -> bool {
    rustls_pki_types::DnsName::try_from(name).is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn hello(name: &str) -> Vec<u8> {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.kx_groups.insert(0, rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768);
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        wire
    }

    #[test]
    fn a_hello_is_found_whatever_its_segments() {
        let wire = hello("web.default.serviceaccount.identity.linkerd.cluster.local");
        assert!(wire.len() > 1200, "no post-quantum key in {} octets", wire.len());
        let mut scratch = Vec::new();
        for cut in 0..wire.len() {
            assert_eq!(sniff(&wire[..cut], &mut scratch), Sniffed::Partial, "at {cut}");
        }
        let name = Some("web.default.serviceaccount.identity.linkerd.cluster.local");
        assert_eq!(sniff(&wire, &mut scratch), Sniffed::Hello(name));
        let address = hello("10.0.0.1");
        assert_eq!(sniff(&address, &mut scratch), Sniffed::Hello(None));
    }

    #[test]
    fn a_hello_in_many_records_is_put_together() {
        let wire = hello("a.test");
        let mut records = Vec::new();
        for piece in wire[5..].chunks(100) {
            records.extend_from_slice(&[22, 3, 1, 0, piece.len() as u8]);
            records.extend_from_slice(piece);
        }
        let mut scratch = Vec::new();
        assert_eq!(sniff(&records, &mut scratch), Sniffed::Hello(Some("a.test")));
        assert_eq!(sniff(&records[..records.len() - 1], &mut scratch), Sniffed::Partial);
    }

    #[test]
    fn other_protocols_are_told_at_once() {
        let mut scratch = Vec::new();
        for other in [&b"GET / HTTP/1.1"[..], b"PRI * HTTP/2.0", &[22, 9], &[22, 3, 1, 0, 1, 2], &[0]] {
            assert_eq!(sniff(other, &mut scratch), Sniffed::NotTls, "{other:?}");
        }
    }
}
