//! TLS between identities, by two names and over two generations.

use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConfig, ServerConnection};
use rustls_pki_types::{ServerName, UnixTime};

use super::*;
use crate::testing::{Ca, now};

const DAY: Duration = Duration::from_secs(86_400);

fn web() -> Id {
    Id::dns("web.prod.serviceaccount.identity.linkerd.cluster.local").unwrap()
}

fn db() -> Id {
    Id::uri("spiffe://example.org/db").unwrap()
}

/// Both ends of a handshake that went through, or the first complaint.
pub(super) fn handshake(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from("anything.example").unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    for _ in 0..8 {
        let mut octets = Vec::new();
        client.write_tls(&mut octets).unwrap();
        server.read_tls(&mut octets.as_slice()).unwrap();
        server.process_new_packets()?;
        octets.clear();
        server.write_tls(&mut octets).unwrap();
        client.read_tls(&mut octets.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

#[test]
fn two_proxies_know_each_other_by_name() {
    let ca = Ca::new("root");
    let (one, other) = (ca.credentials(&web()), ca.credentials(&db()));
    let client = one.client_config(&db(), Alpn::Transport).unwrap();
    let (client, server) = handshake(client, other.server_config(Alpn::Transport)).unwrap();
    assert_eq!(server.alpn_protocol(), Some(TRANSPORT_ALPN));
    assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(
        client.negotiated_cipher_suite().unwrap().suite(),
        rustls::CipherSuite::TLS13_AES_128_GCM_SHA256
    );
    assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), rustls::NamedGroup::X25519MLKEM768);
    let leaf = &server.peer_certificates().unwrap()[0];
    assert_eq!(peer_id(leaf, UnixTime::now()), Ok(web()));
    let later = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + 2 * DAY);
    assert_eq!(peer_id(leaf, later), Err(PeerError::Expired));
    assert_eq!(peer_id(b"nonsense", UnixTime::now()), Err(PeerError::Malformed));
}

#[test]
fn a_client_may_be_nobody() {
    let ca = Ca::new("root");
    let client = ca.trust().anonymous_client(&db(), Alpn::None).unwrap();
    let (_, server) = handshake(client, ca.credentials(&db()).server_config(Alpn::None)).unwrap();
    assert!(server.peer_certificates().is_none());
}

#[test]
fn somebody_else_and_strangers_are_refused() {
    let ca = Ca::new("root");
    let server = ca.credentials(&web()).server_config(Alpn::None);
    let wrong = ca.credentials(&db()).client_config(&db(), Alpn::None).unwrap();
    let error = handshake(wrong, server.clone()).map(drop).unwrap_err();
    assert_eq!(error, rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidForName));
    let stranger = Ca::new("root").credentials(&db()).client_config(&web(), Alpn::None).unwrap();
    let error = handshake(stranger, server).map(drop).unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
}

#[test]
fn a_client_of_another_mesh_is_refused_even_where_none_is_needed() {
    let ca = Ca::new("root");
    let server = ca.credentials(&web()).server_config(Alpn::None);
    // It believes the server's anchors, but its own leaf is of others.
    let other = Ca::new("other").credentials(&db());
    let mut config = (*ca.credentials(&db()).client_config(&web(), Alpn::None).unwrap()).clone();
    config.client_auth_cert_resolver =
        other.client_config(&web(), Alpn::None).unwrap().client_auth_cert_resolver.clone();
    assert!(handshake(Arc::new(config), server).is_err());
}

#[test]
fn sessions_are_resumed_within_a_generation_and_not_beyond() {
    let ca = Ca::new("root");
    let server = ca.credentials(&db());
    let client = ca.credentials(&web()).client_config(&db(), Alpn::None).unwrap();
    let kind = |client: &Arc<ClientConfig>, server: &Credentials| {
        let (client, server) = handshake(client.clone(), server.server_config(Alpn::None)).unwrap();
        assert_eq!(peer_id(&server.peer_certificates().unwrap()[0], UnixTime::now()), Ok(web()));
        client.handshake_kind().unwrap()
    };
    assert_eq!(kind(&client, &server), HandshakeKind::Full);
    assert_eq!(kind(&client, &server), HandshakeKind::Resumed);
    let leaf = server.leaf().clone();
    let next = Credentials::new(db(), leaf, ca.trust(), 2, now()).unwrap();
    assert_eq!(kind(&client, &next), HandshakeKind::Full);
}

#[test]
fn a_ticket_ends_with_the_leaf() {
    use rustls::server::ProducesTickets as _;
    fn early() -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(1_000))
    }
    let tickets = super::tickets::EndingTickets::new(1_600, early).unwrap();
    assert_eq!(tickets.lifetime(), 600);
    let ticket = tickets.encrypt(b"session").unwrap();
    assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(b"session".as_slice()));
    assert_eq!(tickets.decrypt(b"short"), None);
    let ended = super::tickets::EndingTickets::new(1_000, early).unwrap();
    let ticket = ended.encrypt(b"session").unwrap();
    assert_eq!(ended.decrypt(&ticket), None);
}

#[test]
fn a_certificate_that_peers_would_refuse_is_refused_first() {
    let ca = Ca::new("root");
    let at = now();
    let (leaf, key) = ca.leaf(&web(), DAY);
    let verify = |leaf: Vec<Vec<u8>>, key: &[u8], id: &Id, trust: &Trust, at| {
        Leaf::verify(leaf, key, id, trust, at).map(drop).map_err(|error| error.to_string())
    };
    verify(vec![leaf.clone()], &key, &web(), &ca.trust(), at).unwrap();
    let text = verify(vec![leaf.clone()], &key, &db(), &ca.trust(), at).unwrap_err();
    assert!(text.contains("does not name spiffe://example.org/db"), "{text}");
    let text = verify(vec![leaf.clone()], &key, &web(), &Ca::new("root").trust(), at).unwrap_err();
    assert!(text.contains("not trusted"), "{text}");
    let text = verify(vec![leaf.clone()], &key, &web(), &ca.trust(), at + 2 * DAY).unwrap_err();
    assert!(text.contains("not trusted"), "{text}");
    let (ended, key_of_ended) = ca.leaf(&web(), Duration::ZERO);
    let text = verify(vec![ended], &key_of_ended, &web(), &ca.trust(), at).unwrap_err();
    assert!(text.contains("has ended") || text.contains("not trusted"), "{text}");
    let text = verify(vec![leaf], &ca.leaf(&web(), DAY).1, &web(), &ca.trust(), at).unwrap_err();
    assert!(text.contains("does not fit"), "{text}");
    let text = verify(vec![b"nonsense".to_vec()], &key, &web(), &ca.trust(), at).unwrap_err();
    assert!(text.contains("cannot be read"), "{text}");
    let text = verify(Vec::new(), &key, &web(), &ca.trust(), at).unwrap_err();
    assert!(text.contains("0 certificates"), "{text}");
}

#[test]
fn names_of_identities_are_read_once() {
    assert_eq!("Web.Prod.".parse::<Id>(), Ok(Id::Dns("web.prod".into())));
    assert_eq!("spiffe://Example.org/Web".parse::<Id>(), Ok(Id::Uri("spiffe://Example.org/Web".into())));
    for bad in ["", ".", "a..b", "a b", "://x", "1http://x", "spiffe://", "spiffe://a b", "*.example"] {
        assert!(bad.parse::<Id>().is_err(), "{bad:?}");
    }
}
