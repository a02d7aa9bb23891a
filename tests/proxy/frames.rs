//! Frames of HTTP/2, octet by octet. They are written apart from the proxy's own, so that both can be wrong only in different ways.

use std::io::Result;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::kit::authority;

/// What a client begins with.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const RESET: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
}

/// The flag of the last frame of a stream.
pub(crate) const END_STREAM: u8 = 1;

/// The flag of a frame with a whole block of fields.
pub(crate) const END_HEADERS: u8 = 4;

/// The flag of settings and pings that acknowledge the other side's.
pub(crate) const ACK: u8 = 1;

/// A frame that has come.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// The octets of a frame.
pub(crate) fn write(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The preface, and settings that change nothing.
pub(crate) fn hello() -> Vec<u8> {
    [PREFACE, &write(kind::SETTINGS, 0, 0, &[])].concat()
}

/// A GET of a path of the service: two fields of the static table, and two whose values are written out.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (name, value) in [(0x04, path), (0x01, &*authority())] {
        block.extend_from_slice(&[name, value.len() as u8]);
        block.extend_from_slice(value.as_bytes());
    }
    write(kind::HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

/// The next frame of a connection.
pub(crate) async fn read(connection: &mut TcpStream) -> Result<Frame> {
    let mut head = [0; 9];
    connection.read_exact(&mut head).await?;
    let [a, b, c, kind, flags, stream @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    connection.read_exact(&mut payload).await?;
    Ok(Frame { kind, flags, stream: u32::from_be_bytes(stream) & 0x7fff_ffff, payload })
}
