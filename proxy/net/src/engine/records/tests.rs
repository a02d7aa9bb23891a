//! Records against the TLS library's own, in both roles.

use std::sync::Arc;

use proptest::prelude::*;
use rustls::client::Resumption;
use rustls::{
    ClientConfig, ClientConnection, Connection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
};
use rustls_pki_types::{PrivatePkcs8KeyDer, ServerName};

use super::super::tls::{SEAL, SEALED, Session};
use super::*;

/// Our side, which hands over as soon as much passes, and the library's.
struct Pair {
    ours: Session,
    theirs: Connection,
    /// What we have not consumed.
    unread: Vec<u8>,
    plain: Vec<u8>,
    /// What our side has to say, sealed.
    reply: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

fn configs(ciphers: &[rustls::SupportedCipherSuite]) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let provider = rustls::crypto::CryptoProvider {
        cipher_suites: ciphers.to_vec(),
        ..rustls::crypto::aws_lc_rs::default_provider()
    };
    let provider = Arc::new(provider);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(["peer.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(leaf.der().clone()).unwrap();
    let mut client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.resumption = Resumption::in_memory_sessions(4);
    client.enable_secret_extraction = true;
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    server.enable_secret_extraction = true;
    (Arc::new(client), Arc::new(server))
}

fn default_configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    configs(&[rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256])
}

fn content(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at * 7 + at / 251) as u8).collect()
}

// === impl Pair ===

impl Pair {
    /// After the handshake, and with every ticket taken.
    fn new(role: Role, (client, server): &(Arc<ClientConfig>, Arc<ServerConfig>)) -> Self {
        let name = ServerName::try_from("peer.test").unwrap();
        let (ours, theirs) = match role {
            Role::Client => (
                Session::client(client.clone(), name).unwrap(),
                ServerConnection::new(server.clone()).unwrap().into(),
            ),
            Role::Server => (
                Session::server(server.clone()).unwrap(),
                ClientConnection::new(client.clone(), name).unwrap().into(),
            ),
        };
        let mut pair = Self { ours, theirs, unread: Vec::new(), plain: Vec::new(), reply: Vec::new() };
        for _ in 0..8 {
            pair.open().unwrap();
            pair.answer().unwrap();
        }
        assert!(!pair.ours.is_handshaking() && !pair.theirs.is_handshaking());
        pair
    }

    /// A pair whose first batches have passed.
    fn in_bulk(role: Role) -> Self {
        let mut pair = Self::new(role, &default_configs());
        pair.send(&content(SEAL)).unwrap();
        pair
    }

    /// Takes what the library has written.
    fn open(&mut self) -> Result<bool, Error> {
        self.theirs.write_tls(&mut self.unread).unwrap();
        let opened = self.ours.open(&mut self.unread, &mut self.plain, &mut self.reply)?;
        self.unread.drain(..opened.consumed);
        Ok(opened.closed)
    }

    /// Gives the library what we have said.
    fn answer(&mut self) -> Result<(), Error> {
        let reply = std::mem::take(&mut self.reply);
        self.feed(&reply).map(drop)
    }

    /// What the library has opened of this.
    fn feed(&mut self, mut wire: &[u8]) -> Result<Vec<u8>, Error> {
        let mut read = Vec::new();
        while !wire.is_empty() {
            self.theirs.read_tls(&mut wire).unwrap();
            self.theirs.process_new_packets()?;
            let mut reader = self.theirs.reader();
            // The stream has not ended, so the end of what is there is an error.
            let _ = std::io::Read::read_to_end(&mut reader, &mut read);
        }
        Ok(read)
    }

    /// Content from us to the library.
    fn send(&mut self, plain: &[u8]) -> Result<(), Error> {
        let mut wire = vec![0; SEALED];
        let octets = self.ours.seal(plain, &mut self.unread, &mut wire)?;
        assert_eq!(self.feed(&wire[..octets])?, plain);
        Ok(())
    }

    /// Content from the library to us.
    fn receive(&mut self, plain: &[u8]) -> Result<(), Error> {
        self.plain.clear();
        std::io::Write::write_all(&mut self.theirs.writer(), plain).unwrap();
        while self.theirs.wants_write() {
            self.open()?;
        }
        assert_eq!(self.plain, plain);
        Ok(())
    }

    /// The record layer that has taken over.
    fn records(&mut self) -> &mut Records {
        self.ours.records().expect("the library still has the records")
    }
}

#[test]
fn content_passes_both_ways_before_and_after_the_library_has_handed_over() {
    use rustls::crypto::aws_lc_rs::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    for cipher in [TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256] {
        for role in [Role::Client, Role::Server] {
            let mut pair = Pair::new(role, &configs(&[cipher]));
            pair.send(b"small").unwrap();
            pair.receive(b"small").unwrap();
            assert!(pair.ours.records().is_none(), "handed over for nothing");
            for octets in [RECORD + 1, 1, SEAL, RECORD, 0, SEAL - 1] {
                pair.send(&content(octets)).unwrap();
                pair.receive(&content(octets.min(RECORD))).unwrap();
            }
            pair.records();
        }
    }
}

#[test]
fn much_that_comes_hands_over_as_well() {
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::new(role, &default_configs());
        pair.receive(&content(60_000)).unwrap();
        pair.records();
        pair.send(b"answer").unwrap();
    }
}

#[test]
fn a_configuration_that_keeps_its_keys_and_tls_1_2_stay_with_the_library() {
    let (client, server) = default_configs();
    let mut closed = (*client).clone();
    closed.enable_secret_extraction = false;
    let mut pair = Pair::new(Role::Client, &(Arc::new(closed), server));
    pair.send(&content(SEAL)).unwrap();
    assert!(pair.ours.records().is_none());

    let old = rustls::crypto::aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    let mut pair = Pair::new(Role::Server, &configs(&[old]));
    pair.send(&content(SEAL)).unwrap();
    pair.receive(&content(60_000)).unwrap();
    assert!(pair.ours.records().is_none());
}

#[test]
fn keys_change_when_either_side_wants() {
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::in_bulk(role);
        // The library asks for ours with its own.
        pair.theirs.refresh_traffic_keys().unwrap();
        pair.receive(b"with a new key").unwrap();
        assert!(!pair.reply.is_empty(), "the peer waits for our new key");
        pair.answer().unwrap();
        pair.send(&content(40_000)).unwrap();
        assert!(pair.records().sealing.sequence < 4, "the old key is still used");
        // Ours changes by itself when it has been used often.
        pair.records().refresh = 2;
        pair.send(&content(40_000)).unwrap();
        pair.send(&content(40_000)).unwrap();
        pair.receive(b"still there").unwrap();
    }
}

#[test]
fn endless_wishes_for_new_keys_end_the_connection() {
    let mut pair = Pair::in_bulk(Role::Server);
    let mut refused = None;
    for _ in 0..=MAX_ASKED {
        pair.theirs.refresh_traffic_keys().unwrap();
        refused = pair.open().err();
        pair.reply.clear();
    }
    assert_eq!(refused, Some(PeerMisbehaved::TooManyKeyUpdateRequests.into()));
}

#[test]
fn a_ticket_that_comes_late_resumes_a_session() {
    let configs = default_configs();
    let name = ServerName::try_from("peer.test").unwrap();
    let mut client = Session::client(configs.0.clone(), name).unwrap();
    let mut server = ServerConnection::new(configs.1.clone()).unwrap();
    let (mut plain, mut reply, mut wire) = (Vec::new(), Vec::new(), Vec::new());
    client.open(&mut [], &mut plain, &mut reply).unwrap();
    server.read_tls(&mut reply.as_slice()).unwrap();
    server.process_new_packets().unwrap();
    server.write_tls(&mut wire).unwrap();
    reply.clear();
    client.open(&mut wire, &mut plain, &mut reply).unwrap();
    server.read_tls(&mut reply.as_slice()).unwrap();
    server.process_new_packets().unwrap();
    // Much is sent before the tickets, which the server has ready, are read.
    let mut sealed = vec![0; SEALED];
    client.seal(&content(SEAL), &mut [], &mut sealed).unwrap();
    assert!(client.records().is_some());
    wire.clear();
    server.write_tls(&mut wire).unwrap();
    assert!(!wire.is_empty(), "the server gives no tickets");
    client.open(&mut wire, &mut plain, &mut Vec::new()).unwrap();
    assert!(plain.is_empty());

    let again = Pair::new(Role::Client, &configs);
    assert_eq!(again.theirs.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn the_end_is_said_and_heard() {
    let mut pair = Pair::in_bulk(Role::Server);
    let mut wire = vec![0; SEALED];
    let octets = pair.ours.close(&mut [], &mut wire);
    pair.theirs.read_tls(&mut &wire[..octets]).unwrap();
    assert!(pair.theirs.process_new_packets().unwrap().peer_has_closed());
    // Only one direction has ended.
    pair.receive(b"more").unwrap();
    pair.theirs.send_close_notify();
    assert!(pair.open().unwrap());
}

#[test]
fn what_was_tampered_with_is_refused_with_an_alert() {
    for place in [0, 3, 5, 2000, 20_000] {
        let mut pair = Pair::in_bulk(Role::Client);
        std::io::Write::write_all(&mut pair.theirs.writer(), &content(30_000)).unwrap();
        let mut wire = Vec::new();
        while pair.theirs.wants_write() {
            pair.theirs.write_tls(&mut wire).unwrap();
        }
        wire[place] ^= 0x40;
        let result = pair.ours.open(&mut wire, &mut pair.plain, &mut pair.reply);
        assert!(result.is_err(), "octet {place}");
        assert!(pair.plain.len() <= RECORD, "content of a record that was tampered with");
        let told = pair.answer().unwrap_err();
        assert!(matches!(told, Error::AlertReceived(_)), "{told}");
        assert!(pair.ours.seal(b"x", &mut [], &mut [0; 64]).is_err(), "it goes on after its end");
    }
}

/// Our record layers at both ends, so that one can say what the library would not.
fn facing() -> (Records, Records) {
    let mut client = Pair::in_bulk(Role::Client);
    let records = client.records();
    let keys = |byte| Keys {
        key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[byte; 16]).unwrap()),
        iv: [byte; NONCE_LEN],
        sequence: 0,
    };
    records.sealing = keys(1);
    records.opening = keys(2);
    let mut server = Pair::in_bulk(Role::Server);
    let other = server.records();
    other.sealing = keys(2);
    other.opening = keys(1);
    (client.ours.into_records().unwrap(), server.ours.into_records().unwrap())
}

fn say(from: &mut Records, kind: ContentType, content: &[u8], to: &mut Records) -> Result<Vec<u8>, Error> {
    let mut wire = vec![0; content.len() + HEADER + TRAILER];
    from.sealing.seal(kind, content, &mut wire).unwrap();
    let mut plain = Vec::new();
    to.open(&wire, &mut plain, &mut Vec::new()).map(|_| plain)
}

#[test]
fn padding_is_taken_away() {
    let (mut client, mut server) = facing();
    // Type and zeros behind the content: the seal adds one more octet, which is a zero here.
    let padded = [b"text".as_slice(), &[23], &[0; 40]].concat();
    assert_eq!(say(&mut client, ContentType::Unknown(0), &padded, &mut server).unwrap(), b"text");
    let error = say(&mut client, ContentType::Unknown(0), &[0; 10], &mut server).unwrap_err();
    assert_eq!(error, Error::DecryptError);
}

#[test]
fn messages_out_of_place_are_refused() {
    type Case = (ContentType, &'static [u8]);
    let cases: [Case; 7] = [
        // A ticket for a server, a message of the handshake itself, a length without end.
        (ContentType::Handshake, &[4, 0, 0, 1, 0]),
        (ContentType::Handshake, &[1, 0, 0, 0]),
        (ContentType::Handshake, &[4, 0xff, 0xff, 0xff]),
        // A wish that is neither yes nor no, and more behind a change of keys.
        (ContentType::Handshake, &[24, 0, 0, 1, 2]),
        (ContentType::Handshake, &[24, 0, 0, 1, 0, 24, 0, 0, 1, 0]),
        (ContentType::ChangeCipherSpec, &[1]),
        (ContentType::Alert, &[1]),
    ];
    for (kind, message) in cases {
        let (mut client, mut server) = facing();
        assert!(say(&mut client, kind, message, &mut server).is_err(), "{kind:?} {message:?}");
    }
    // Content between the parts of a message.
    let (mut client, mut server) = facing();
    say(&mut client, ContentType::Handshake, &[24, 0, 0], &mut server).unwrap();
    assert!(say(&mut client, ContentType::ApplicationData, b"x", &mut server).is_err());
    // Parts alone are fine.
    let (mut client, mut server) = facing();
    say(&mut client, ContentType::Handshake, &[24, 0, 0], &mut server).unwrap();
    say(&mut client, ContentType::Handshake, &[1, 0], &mut server).unwrap();
    let (mut client, mut server) = facing();
    let error = say(&mut client, ContentType::Alert, &[2, 40], &mut server).unwrap_err();
    assert_eq!(error, Error::AlertReceived(AlertDescription::HandshakeFailure));
}

#[test]
fn records_that_are_too_large_are_refused() {
    let (mut client, mut server) = facing();
    let error = say(&mut client, ContentType::ApplicationData, &content(RECORD + 1), &mut server);
    assert_eq!(error, Err(Error::PeerSentOversizedRecord));
    let (mut client, mut server) = facing();
    let error = say(&mut client, ContentType::ApplicationData, &content(RECORD + EXPANSION), &mut server);
    assert_eq!(error, Err(Error::PeerSentOversizedRecord));
    let (_, mut server) = facing();
    let empty = server.open(&[23, 3, 3, 0, 3, 1, 2, 3], &mut Vec::new(), &mut Vec::new());
    assert_eq!(empty, Err(Error::DecryptError));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_of_records_wait_until_they_are_whole(cuts in proptest::collection::vec(1_usize..9000, 1..20)) {
        let (mut client, mut server) = facing();
        let sent = content(50_000);
        let mut wire = vec![0; SEALED];
        let octets = client.seal(&sent, &mut wire).unwrap();
        let (mut unread, mut plain, mut at) = (Vec::new(), Vec::new(), 0);
        for cut in cuts.iter().cycle() {
            let end = octets.min(at + cut);
            unread.extend_from_slice(&wire[at..end]);
            at = end;
            let opened = server.open(&unread, &mut plain, &mut Vec::new()).unwrap();
            unread.drain(..opened.consumed);
            if at == octets {
                break;
            }
        }
        prop_assert!(unread.is_empty());
        prop_assert_eq!(plain, sent);
    }

    #[test]
    fn any_octets_are_taken_or_refused(wire in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (_, mut server) = facing();
        let mut plain = Vec::new();
        if let Ok(opened) = server.open(&wire, &mut plain, &mut Vec::new()) {
            prop_assert!(opened.consumed <= wire.len() && plain.is_empty());
        }
    }
}
