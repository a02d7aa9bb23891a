//! TLS on slices: opens records that were read, seals what is to be written, and runs the handshake between them.

use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, UnbufferedConnectionCommon, UnbufferedStatus,
};
use rustls::{CertificateError, Error, ProtocolVersion};
use rustls_pki_types::ServerName;

use super::ConnectError;
use super::records::{Library, Records};

/// One TLS connection, as client or as server. It holds no octet of its own between calls: the part of a record that
/// [`open`](Self::open) did not consume has to be there in every call until more of it has come.
pub(super) struct Session {
    side: Side,
    /// Nothing can be opened or sealed any more.
    failed: bool,
    /// Whether its configuration lets keys out.
    extractable: bool,
    /// All that has come was taken, and the library has nothing left to say: here it can hand over.
    settled: bool,
}

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
    /// Content comes or goes in bulk.
    Records(Box<Records>),
    /// Between the library and [`Records`].
    Nothing,
}

/// What [`Session::open`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// Octets of the input that are done with.
    pub(super) consumed: usize,
    /// Whether the peer has said that it will send nothing more.
    pub(super) closed: bool,
}

/// Octets that are sealed at once at most.
pub(super) const SEAL: usize = super::pool::BUFFER;

/// Room for [`SEAL`] octets in records, with what the protocol itself may have to say before them.
pub(super) const SEALED: usize = SEAL + (SEAL / RECORD + 1) * OVERHEAD + 4096;

/// What a record costs beside its content, at most: header, explicit nonce, content type and tag.
const OVERHEAD: usize = 5 + 8 + 1 + 16;
/// The most content of one record (RFC 8446, section 5.1).
pub(super) const RECORD: usize = 16 * 1024;

trait Process<Data> {
    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Data>;
}

// === impl Session ===

impl Session {
    pub(super) fn client(
        config: Arc<rustls::ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, Error> {
        let extractable = config.enable_secret_extraction;
        let side = Side::Client(UnbufferedClientConnection::new(config, name)?);
        Ok(Self { side, failed: false, extractable, settled: false })
    }

    pub(super) fn server(config: Arc<rustls::ServerConfig>) -> Result<Self, Error> {
        let extractable = config.enable_secret_extraction;
        let side = Side::Server(UnbufferedServerConnection::new(config)?);
        Ok(Self { side, failed: false, extractable, settled: false })
    }

    /// Opens records at the start of `wire`; content is appended to `plain`, what the protocol answers to `reply`.
    ///
    /// # Errors
    /// When the connection has to end; an alert for the peer is in `reply`.
    pub(super) fn open(
        &mut self,
        wire: &mut [u8],
        plain: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<Opened, Error> {
        if self.failed {
            return Err(Error::HandshakeNotComplete);
        }
        if wire.len() > RECORD {
            self.hand_over()?;
        }
        let opened = match &mut self.side {
            Side::Client(session) => open(session, wire, plain, reply),
            Side::Server(session) => open(session, wire, plain, reply),
            Side::Records(records) => records.open(wire, plain, reply).map(|opened| (opened, false)),
            Side::Nothing => Err(Error::HandshakeNotComplete),
        };
        self.failed = opened.is_err();
        let (opened, idle) = opened?;
        self.settled = idle && opened.consumed == wire.len();
        Ok(opened)
    }

    /// Has [`Records`] go on from here, where the library can be left.
    fn hand_over(&mut self) -> Result<(), Error> {
        let version = match &self.side {
            Side::Client(session) => session.protocol_version(),
            Side::Server(session) => session.protocol_version(),
            Side::Records(_) | Side::Nothing => return Ok(()),
        };
        if !self.settled || !self.extractable || version != Some(ProtocolVersion::TLSv1_3) {
            return Ok(());
        }
        let records = match std::mem::replace(&mut self.side, Side::Nothing) {
            Side::Client(session) => session
                .dangerous_into_kernel_connection()
                .and_then(|(secrets, library)| Records::new(secrets, Library::Client(library))),
            Side::Server(session) => session
                .dangerous_into_kernel_connection()
                .and_then(|(secrets, library)| Records::new(secrets, Library::Server(library))),
            Side::Records(_) | Side::Nothing => Err(Error::HandshakeNotComplete),
        };
        self.failed = records.is_err();
        self.side = Side::Records(Box::new(records?));
        Ok(())
    }

    /// Seals `plain`, at most [`SEAL`] octets, in as few records as possible into `wire`, which has [`SEALED`] octets; the number of
    /// octets there. `unread` is what `open` has not consumed.
    ///
    /// # Errors
    /// When the handshake is not done, or the keys are used up.
    pub(super) fn seal(&mut self, plain: &[u8], unread: &mut [u8], wire: &mut [u8]) -> Result<usize, Error> {
        self.sealing(Some(plain), unread, wire)
    }

    /// Tells the peer that nothing more will be sent; the number of octets in `wire`.
    pub(super) fn close(&mut self, unread: &mut [u8], wire: &mut [u8]) -> usize {
        // Where that cannot be said any more, the end of the stream says it.
        self.sealing(None, unread, wire).unwrap_or_default()
    }

    fn sealing(&mut self, plain: Option<&[u8]>, unread: &mut [u8], wire: &mut [u8]) -> Result<usize, Error> {
        if self.failed {
            return Err(Error::HandshakeNotComplete);
        }
        if plain.is_some_and(|plain| plain.len() > RECORD) && unread.is_empty() {
            self.hand_over()?;
        }
        match &mut self.side {
            Side::Client(session) => seal(session, plain, unread, wire),
            Side::Server(session) => seal(session, plain, unread, wire),
            Side::Records(records) => match plain {
                Some(plain) => records.seal(plain, wire),
                None => records.close(wire),
            },
            Side::Nothing => Err(Error::HandshakeNotComplete),
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        match &self.side {
            Side::Client(session) => session.is_handshaking(),
            Side::Server(session) => session.is_handshaking(),
            Side::Records(_) | Side::Nothing => false,
        }
    }

    /// The protocol that both sides agreed on. To be asked when the handshake is done; it is forgotten when much has passed.
    pub(super) fn alpn(&self) -> Option<&[u8]> {
        match &self.side {
            Side::Client(session) => session.alpn_protocol(),
            Side::Server(session) => session.alpn_protocol(),
            Side::Records(_) | Side::Nothing => None,
        }
    }

    /// The peer's leaf certificate, as long as [`alpn`](Self::alpn) is known.
    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        let chain = match &self.side {
            Side::Client(session) => session.peer_certificates(),
            Side::Server(session) => session.peer_certificates(),
            Side::Records(_) | Side::Nothing => None,
        };
        chain.and_then(<[_]>::first).map(AsRef::as_ref)
    }
}

impl Process<ClientConnectionData> for UnbufferedConnectionCommon<ClientConnectionData> {
    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, ClientConnectionData> {
        self.process_tls_records(wire)
    }
}

impl Process<ServerConnectionData> for UnbufferedConnectionCommon<ServerConnectionData> {
    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, ServerConnectionData> {
        self.process_tls_records(wire)
    }
}

/// What was opened, and whether the session waits for nothing but content.
fn open<Data>(
    session: &mut UnbufferedConnectionCommon<Data>,
    wire: &mut [u8],
    plain: &mut Vec<u8>,
    reply: &mut Vec<u8>,
) -> Result<(Opened, bool), Error>
where
    UnbufferedConnectionCommon<Data>: Process<Data>,
{
    let mut at = 0;
    let mut closed = false;
    loop {
        let UnbufferedStatus { mut discard, state } = session.process(&mut wire[at..]);
        let state = match state {
            Ok(state) => state,
            Err(error) => {
                alert(session, &mut wire[at..], reply);
                return Err(error);
            }
        };
        let mut blocked = false;
        let mut idle = false;
        match state {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    plain.extend_from_slice(record.payload);
                }
            }
            ConnectionState::EncodeTlsData(mut data) => encode(&mut data, reply)?,
            // It is as good as sent: the caller writes it at the end of the round.
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::PeerClosed => closed = true,
            ConnectionState::Closed => {
                closed = true;
                blocked = true;
            }
            ConnectionState::WriteTraffic(_) => {
                blocked = true;
                idle = !closed;
            }
            // Early data is never offered or accepted by our configurations; octets of it would stay unread.
            _ => blocked = true,
        }
        at += discard;
        if blocked {
            return Ok((Opened { consumed: at, closed }, idle));
        }
    }
}

/// Collects what the session has to say about its failure.
fn alert<Data>(session: &mut UnbufferedConnectionCommon<Data>, wire: &mut [u8], reply: &mut Vec<u8>)
where
    UnbufferedConnectionCommon<Data>: Process<Data>,
{
    // One alert is queued; the bound only makes the end of the loop plain.
    for _ in 0..4 {
        match session.process(wire).state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                if encode(&mut data, reply).is_err() {
                    return;
                }
            }
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            _ => return,
        }
    }
}

fn encode<Data>(
    data: &mut rustls::unbuffered::EncodeTlsData<'_, Data>,
    reply: &mut Vec<u8>,
) -> Result<(), Error> {
    let start = reply.len();
    let needed = match data.encode(&mut []) {
        Ok(_) => return Ok(()),
        Err(EncodeError::InsufficientSize(size)) => size.required_size,
        Err(EncodeError::AlreadyEncoded) => return Ok(()),
    };
    reply.resize(start + needed, 0);
    let written = data.encode(&mut reply[start..]).map_err(|error| Error::General(error.to_string()))?;
    reply.truncate(start + written);
    Ok(())
}

fn seal<Data>(
    session: &mut UnbufferedConnectionCommon<Data>,
    plain: Option<&[u8]>,
    unread: &mut [u8],
    wire: &mut [u8],
) -> Result<usize, Error>
where
    UnbufferedConnectionCommon<Data>: Process<Data>,
{
    let mut at = 0;
    loop {
        match session.process(unread).state? {
            ConnectionState::WriteTraffic(mut traffic) => {
                let written = match plain {
                    Some(plain) => traffic.encrypt(plain, &mut wire[at..]),
                    None => traffic.queue_close_notify(&mut wire[at..]),
                };
                return written.map(|written| at + written).map_err(|error| match error {
                    EncryptError::InsufficientSize(_) => Error::General(error.to_string()),
                    EncryptError::EncryptExhausted => Error::EncryptError,
                });
            }
            ConnectionState::EncodeTlsData(mut data) => {
                at += data.encode(&mut wire[at..]).map_err(|error| Error::General(error.to_string()))?;
            }
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::PeerClosed => {}
            _ => return Err(Error::HandshakeNotComplete),
        }
    }
}

/// What a failed handshake says about a peer that we dialled.
pub(super) fn connect_error(error: &Error) -> ConnectError {
    let wrong_identity = matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    );
    ConnectError::Tls { wrong_identity }
}

/// A session that cannot go on.
#[derive(Debug)]
pub(super) struct Failed(pub(super) Error);

#[cfg(test)]
impl Session {
    /// The record layer, once it has taken over.
    pub(super) fn records(&mut self) -> Option<&mut Records> {
        if let Side::Records(records) = &mut self.side { Some(records) } else { None }
    }

    pub(super) fn into_records(self) -> Option<Records> {
        if let Side::Records(records) = self.side { Some(*records) } else { None }
    }
}
