//! The transport header: what a proxy says to its peer, within TLS, about the connection that follows.
//!
//! The preface [`PREFACE`], the length of a message as 32 bits in network order, then that message: the protobuf type
//! `Header { int32 port = 1; string name = 2; SessionProtocol session_protocol = 3; }`. It is small and fixed, so it is read and
//! written here by hand; fields that are not known are skipped, so that it can grow.

use rustls_pki_types::DnsName;

use crate::http1::Parsed;

mod protobuf;

/// The ALPN identifier of connections that begin with a transport header.
pub const ALPN: &[u8] = b"transport.l5d.io/v1";

/// What a transport header begins with.
pub const PREFACE: &[u8] = b"transport.l5d.io/v1\r\n\r\n";

/// Octets of preface and length.
const PREFIX: usize = PREFACE.len() + 4;

/// The longest message that is read. A name has at most 253 octets, so this leaves room for fields to come.
pub const MAX_MESSAGE: usize = 4096;

/// The longest header, with preface and length.
pub const MAX_OCTETS: usize = PREFIX + MAX_MESSAGE;

/// What a peer says about the connection that follows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// The port that the connection is for, 1 to 65535.
    pub port: u16,
    /// The name that it is for, in lower case, where the peer is to route it on.
    pub name: Option<DnsName<'static>>,
    /// What is spoken on it; none is any octets.
    pub session: Option<Session>,
}

/// What is spoken after a transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Session {
    /// HTTP/1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// Why a connection does not begin with a transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HeaderError {
    /// The preface is missing.
    #[error("the connection does not start with the preface of a transport header")]
    Preface,
    /// The message is longer than [`MAX_MESSAGE`].
    #[error("the transport header is longer than {MAX_MESSAGE} octets")]
    TooLong,
    /// The message is not protobuf, or a field has the wrong type.
    #[error("the transport header is malformed")]
    Malformed,
    /// The port is missing or not within 1 and 65535.
    #[error("the transport header has no valid port")]
    Port,
    /// The name is not a DNS name.
    #[error("the name in the transport header is not a DNS name")]
    Name,
    /// The session protocol is neither HTTP/1 nor HTTP/2.
    #[error("the transport header names an unknown session protocol")]
    Session,
}

// === impl Header ===

impl Header {
    /// Appends the header to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(PREFACE);
        let length_at = out.len();
        out.extend_from_slice(&[0; 4]);
        let start = out.len();
        protobuf::write_varint(out, 1 << 3);
        protobuf::write_varint(out, u64::from(self.port));
        if let Some(name) = &self.name {
            protobuf::write_bytes(out, 2, name.as_ref().as_bytes());
        }
        if let Some(session) = self.session {
            let kind = match session {
                Session::Http1 => 1,
                Session::Http2 => 2,
            };
            protobuf::write_bytes(out, 3, &[kind << 3 | protobuf::LENGTH, 0]);
        }
        let length = (out.len() - start) as u32;
        out[length_at..start].copy_from_slice(&length.to_be_bytes());
    }

    /// Reads a header at the start of `input`; the octets behind it are the connection's.
    ///
    /// # Errors
    /// As soon as what is there cannot become a header.
    pub fn decode(input: &[u8]) -> Result<Parsed<Self>, HeaderError> {
        let known = input.len().min(PREFACE.len());
        if input[..known] != PREFACE[..known] {
            return Err(HeaderError::Preface);
        }
        let Some((length, rest)) = input[known..].split_first_chunk::<4>() else {
            return Ok(Parsed::Partial);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_MESSAGE {
            return Err(HeaderError::TooLong);
        }
        match rest.get(..length) {
            Some(message) => Ok(Parsed::Whole(Self::from_message(message)?, PREFIX + length)),
            None => Ok(Parsed::Partial),
        }
    }

    fn from_message(mut message: &[u8]) -> Result<Self, HeaderError> {
        let mut port = 0;
        let mut name: &[u8] = b"";
        let mut session = None;
        while let Some((number, value)) = protobuf::next_field(&mut message).ok_or(HeaderError::Malformed)? {
            // As protobuf has it, the last of repeated fields counts, and of messages their union.
            match (number, value) {
                (1, protobuf::Value::Varint(value)) => port = value,
                (2, protobuf::Value::Bytes(value)) => name = value,
                (3, protobuf::Value::Bytes(value)) => session = Some(session_of(value, session.flatten())?),
                (1..=3, _) => return Err(HeaderError::Malformed),
                _ => {}
            }
        }
        let port = u16::try_from(port).ok().filter(|port| *port != 0).ok_or(HeaderError::Port)?;
        let session = match session {
            None => None,
            Some(None) => return Err(HeaderError::Session),
            Some(Some(session)) => Some(session),
        };
        Ok(Self { port, name: name_of(name)?, session })
    }
}

fn name_of(octets: &[u8]) -> Result<Option<DnsName<'static>>, HeaderError> {
    if octets.is_empty() {
        return Ok(None);
    }
    let name = DnsName::try_from(octets).map_err(|_| HeaderError::Name)?;
    Ok(Some(name.to_lowercase_owned()))
}

/// The kind of a session protocol: the last that its message names, which must be one that is known.
fn session_of(mut message: &[u8], before: Option<Session>) -> Result<Option<Session>, HeaderError> {
    let mut kind = before;
    while let Some((number, value)) = protobuf::next_field(&mut message).ok_or(HeaderError::Malformed)? {
        match (number, value) {
            (1, protobuf::Value::Bytes(_)) => kind = Some(Session::Http1),
            (2, protobuf::Value::Bytes(_)) => kind = Some(Session::Http2),
            (1..=2, _) => return Err(HeaderError::Malformed),
            _ => {}
        }
    }
    Ok(kind)
}

#[cfg(test)]
mod tests;
