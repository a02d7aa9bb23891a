//! The record layer of TLS 1.3 for content in bulk, with the keys of a session whose handshake the TLS library has done.
//!
//! The library copies what it seals twice and what it opens once, and allocates for each record. Here a record is sealed from where
//! its content lies into where it is written from, and opened from where it was read into where its content goes, in one pass each.
//! Messages of the handshake that come later (tickets, new keys) go back to the library, which keeps the secrets.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error, ExtractedSecrets, InvalidMessage,
    PeerMisbehaved, ProtocolVersion, SupportedCipherSuite,
};

use super::tls::{Opened, RECORD};

/// Both directions of one connection.
pub(super) struct Records {
    sealing: Keys,
    opening: Keys,
    library: Library,
    /// Records after which what we send gets a new key.
    refresh: u64,
    /// A message of the handshake that has not come as a whole.
    message: Vec<u8>,
    /// New keys that the peer has asked for since it last sent content.
    asked: u32,
}

/// What is left of the session.
pub(super) enum Library {
    Client(KernelConnection<ClientConnectionData>),
    Server(KernelConnection<ServerConnectionData>),
}

/// The key of one direction, and the number of its next record.
struct Keys {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    sequence: u64,
}

/// Content type, version and length.
const HEADER: usize = 5;
/// What follows the content and is sealed with it or vouches for it: its true type, and the tag.
const TRAILER: usize = 1 + TAG;
/// All three ciphers of TLS 1.3 that are used have tags of this size.
const TAG: usize = 16;
/// What a record may hold beside its content: type, padding and tag (RFC 8446, section 5.2).
const EXPANSION: usize = 256;
/// Type and length of a message of the handshake.
const MESSAGE_HEADER: usize = 4;
/// The largest message of the handshake that is waited for. A ticket holds the chain of the peer that it was given to.
const MAX_MESSAGE: usize = 64 * 1024;
/// New keys that a peer may ask for without sending content between.
const MAX_ASKED: u32 = 32;

const KEY_UPDATE: u8 = 24;
const NEW_SESSION_TICKET: u8 = 4;
const FATAL: u8 = 2;

// === impl Records ===

impl Records {
    /// Goes on where a session has stopped.
    ///
    /// # Errors
    /// When the session did not agree on TLS 1.3 with one of its usual ciphers.
    pub(super) fn new(secrets: ExtractedSecrets, library: Library) -> Result<Self, Error> {
        let (suite, version) = match &library {
            Library::Client(library) => (library.negotiated_cipher_suite(), library.protocol_version()),
            Library::Server(library) => (library.negotiated_cipher_suite(), library.protocol_version()),
        };
        let (SupportedCipherSuite::Tls13(suite), ProtocolVersion::TLSv1_3) = (suite, version) else {
            return Err(Error::General("records of another version than TLS 1.3".to_owned()));
        };
        Ok(Self {
            sealing: Keys::new(secrets.tx)?,
            opening: Keys::new(secrets.rx)?,
            library,
            // Half of what the cipher allows leaves room for a batch.
            refresh: suite.common.confidentiality_limit / 2,
            message: Vec::new(),
            asked: 0,
        })
    }

    /// Opens the whole records at the start of `wire`; content is appended to `plain`, what the protocol answers to `reply`.
    ///
    /// # Errors
    /// When the connection has to end; an alert for the peer is in `reply`.
    pub(super) fn open(
        &mut self,
        wire: &[u8],
        plain: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<Opened, Error> {
        let mut at = 0;
        while let Some((header, rest)) = wire[at..].split_first_chunk::<HEADER>() {
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            if header[0] != u8::from(ContentType::ApplicationData) {
                let error = Error::InappropriateMessage {
                    expect_types: vec![ContentType::ApplicationData],
                    got_type: ContentType::from(header[0]),
                };
                return Err(self.refuse(error, AlertDescription::UnexpectedMessage, reply));
            }
            if length > RECORD + EXPANSION {
                return Err(self.refuse(
                    Error::PeerSentOversizedRecord,
                    AlertDescription::RecordOverflow,
                    reply,
                ));
            }
            let Some(body) = rest.get(..length) else { break };
            let start = plain.len();
            let kind = match self.opening.open(header, body, plain) {
                Ok(kind) => kind,
                Err(error) => {
                    plain.truncate(start);
                    return Err(self.refuse(error, AlertDescription::BadRecordMac, reply));
                }
            };
            at += HEADER + length;
            if plain.len() - start > RECORD {
                plain.truncate(start);
                return Err(self.refuse(
                    Error::PeerSentOversizedRecord,
                    AlertDescription::RecordOverflow,
                    reply,
                ));
            }
            match kind {
                ContentType::ApplicationData if self.message.is_empty() => self.asked = 0,
                ContentType::Handshake => {
                    self.message.extend_from_slice(&plain[start..]);
                    plain.truncate(start);
                    self.messages(reply)?;
                }
                ContentType::Alert => {
                    let alert = <[u8; 2]>::try_from(&plain[start..]);
                    plain.truncate(start);
                    let Ok([_, description]) = alert else {
                        let error = InvalidMessage::MessageTooShort.into();
                        return Err(self.refuse(error, AlertDescription::DecodeError, reply));
                    };
                    return match AlertDescription::from(description) {
                        // What follows the last word is nobody's.
                        AlertDescription::CloseNotify => Ok(Opened { consumed: wire.len(), closed: true }),
                        description => Err(Error::AlertReceived(description)),
                    };
                }
                got_type => {
                    plain.truncate(start);
                    let error = Error::InappropriateMessage {
                        expect_types: vec![ContentType::ApplicationData],
                        got_type,
                    };
                    return Err(self.refuse(error, AlertDescription::UnexpectedMessage, reply));
                }
            }
        }
        Ok(Opened { consumed: at, closed: false })
    }

    /// Seals `plain` in as few records as possible into `wire`, which has room for them; the number of octets there.
    ///
    /// # Errors
    /// When the cipher fails, which it does for no input.
    pub(super) fn seal(&mut self, plain: &[u8], wire: &mut [u8]) -> Result<usize, Error> {
        let mut at = 0;
        if self.sealing.sequence >= self.refresh {
            at += self.new_key(wire)?;
        }
        for content in plain.chunks(RECORD) {
            at += self.sealing.seal(ContentType::ApplicationData, content, &mut wire[at..])?;
        }
        Ok(at)
    }

    /// Tells the peer that nothing more will be sent; the number of octets in `wire`.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub(super) fn close(&mut self, wire: &mut [u8]) -> Result<usize, Error> {
        const WARNING: u8 = 1;
        let alert = [WARNING, AlertDescription::CloseNotify.into()];
        self.sealing.seal(ContentType::Alert, &alert, wire)
    }

    /// Announces a new key for what we send, and takes it.
    fn new_key(&mut self, wire: &mut [u8]) -> Result<usize, Error> {
        const NOT_REQUESTED: u8 = 0;
        let message = [KEY_UPDATE, 0, 0, 1, NOT_REQUESTED];
        let octets = self.sealing.seal(ContentType::Handshake, &message, wire)?;
        self.sealing = Keys::new(match &mut self.library {
            Library::Client(library) => library.update_tx_secret()?,
            Library::Server(library) => library.update_tx_secret()?,
        })?;
        Ok(octets)
    }

    /// Takes the messages of the handshake that are there as a whole.
    fn messages(&mut self, reply: &mut Vec<u8>) -> Result<(), Error> {
        while let Some((&[kind, high, middle, low], rest)) =
            self.message.split_first_chunk::<MESSAGE_HEADER>()
        {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            if length > MAX_MESSAGE {
                let error = InvalidMessage::HandshakePayloadTooLarge.into();
                return Err(self.refuse(error, AlertDescription::DecodeError, reply));
            }
            let Some(content) = rest.get(..length) else { return Ok(()) };
            match (kind, &mut self.library) {
                (NEW_SESSION_TICKET, Library::Client(library)) => {
                    if let Err(error) = library.handle_new_session_ticket(content) {
                        return Err(self.refuse(error, AlertDescription::DecodeError, reply));
                    }
                }
                (KEY_UPDATE, _) => {
                    let &[requested @ (0 | 1)] = content else {
                        let error = InvalidMessage::InvalidKeyUpdate.into();
                        return Err(self.refuse(error, AlertDescription::IllegalParameter, reply));
                    };
                    if rest.len() > length {
                        // What follows was sealed with a key that is no longer used.
                        let error = PeerMisbehaved::KeyEpochWithPendingFragment.into();
                        return Err(self.refuse(error, AlertDescription::UnexpectedMessage, reply));
                    }
                    self.message.clear();
                    return self.key_updated(requested == 1, reply);
                }
                _ => {
                    let error = Error::InappropriateHandshakeMessage {
                        expect_types: Vec::new(),
                        got_type: kind.into(),
                    };
                    return Err(self.refuse(error, AlertDescription::UnexpectedMessage, reply));
                }
            }
            self.message.drain(..MESSAGE_HEADER + length);
        }
        Ok(())
    }

    /// The peer seals with a new key from now on, and may want us to do so too.
    fn key_updated(&mut self, requested: bool, reply: &mut Vec<u8>) -> Result<(), Error> {
        self.opening = Keys::new(match &mut self.library {
            Library::Client(library) => library.update_rx_secret()?,
            Library::Server(library) => library.update_rx_secret()?,
        })?;
        self.asked += 1;
        if self.asked > MAX_ASKED {
            let error = PeerMisbehaved::TooManyKeyUpdateRequests.into();
            return Err(self.refuse(error, AlertDescription::UnexpectedMessage, reply));
        }
        if requested {
            const ROOM: usize = HEADER + MESSAGE_HEADER + 1 + TRAILER;
            let start = reply.len();
            reply.resize(start + ROOM, 0);
            self.new_key(&mut reply[start..])?;
        }
        Ok(())
    }

    /// Says to the peer why this is the end.
    fn refuse(&mut self, error: Error, alert: AlertDescription, reply: &mut Vec<u8>) -> Error {
        let start = reply.len();
        reply.resize(start + HEADER + 2 + TRAILER, 0);
        let sealed = self.sealing.seal(ContentType::Alert, &[FATAL, alert.into()], &mut reply[start..]);
        // Without a word the end of the stream says it.
        reply.truncate(start + sealed.unwrap_or_default());
        error
    }
}

// === impl Keys ===

impl Keys {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Self, Error> {
        let (algorithm, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(Error::General("records of an unknown cipher".to_owned())),
        };
        let unusable = || Error::General("a key of an unusable size".to_owned());
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| unusable())?;
        let iv = iv.as_ref().try_into().map_err(|_| unusable())?;
        Ok(Self { key: LessSafeKey::new(key), iv, sequence })
    }

    /// The nonce of the next record. Each number is used once: it counts up, and a new key begins anew (RFC 8446, section 5.3).
    fn nonce(&mut self) -> Result<Nonce, Error> {
        let sequence = self.sequence;
        self.sequence = sequence.checked_add(1).ok_or(Error::EncryptError)?;
        let mut nonce = self.iv;
        for (octet, of_sequence) in nonce[NONCE_LEN - 8..].iter_mut().zip(sequence.to_be_bytes()) {
            *octet ^= of_sequence;
        }
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    /// Seals one record into the start of `wire`; its octets.
    fn seal(&mut self, kind: ContentType, content: &[u8], wire: &mut [u8]) -> Result<usize, Error> {
        let sealed = content.len() + TRAILER;
        let room = wire.get_mut(..HEADER + sealed).ok_or(Error::EncryptError)?;
        let (header, body) = room.split_at_mut(HEADER);
        let [high, low] = u16::try_from(sealed).map_err(|_| Error::EncryptError)?.to_be_bytes();
        // The version is 1.2 on the wire, for those on the way who know no later one.
        header.copy_from_slice(&[ContentType::ApplicationData.into(), 3, 3, high, low]);
        let (cipher, trailer) = body.split_at_mut(content.len());
        let nonce = self.nonce()?;
        self.key
            .seal_out_of_place_scatter(nonce, Aad::from(&*header), content, cipher, &[kind.into()], trailer)
            .map_err(|_| Error::EncryptError)?;
        Ok(HEADER + sealed)
    }

    /// Opens one record; its content is appended to `plain`, and its true type is returned.
    fn open(
        &mut self,
        header: &[u8; HEADER],
        body: &[u8],
        plain: &mut Vec<u8>,
    ) -> Result<ContentType, Error> {
        let (cipher, tag) = body.split_last_chunk::<TAG>().ok_or(Error::DecryptError)?;
        let start = plain.len();
        plain.resize(start + cipher.len(), 0);
        let nonce = self.nonce().map_err(|_| Error::DecryptError)?;
        self.key
            .open_separate_gather(nonce, Aad::from(&header[..]), cipher, tag, &mut plain[start..])
            .map_err(|_| Error::DecryptError)?;
        // Behind the content is its type, and behind that any number of zeros.
        let end = plain[start..].iter().rposition(|octet| *octet != 0).ok_or(Error::DecryptError)?;
        let kind = plain[start + end];
        plain.truncate(start + end);
        Ok(ContentType::from(kind))
    }
}

#[cfg(test)]
mod tests;
