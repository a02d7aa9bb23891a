//! Clients and servers that send exactly the octets they are told.

use std::net::SocketAddr;
use std::time::Duration;

use proxy_net::h2::PREFACE;
use proxy_net::h2::frame::{self, Frame, Parsed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(10);

/// The longest frame that can be written.
pub(crate) const MAX_FRAME: u32 = 16_777_215;

/// A client's socket.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.unwrap())
    }

    pub(crate) async fn send(&mut self, data: impl AsRef<[u8]>) {
        self.0.write_all(data.as_ref()).await.unwrap();
    }

    /// Reads until the text has come, and returns all up to its end.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut seen = Vec::new();
        let read = async {
            while !seen.ends_with(end.as_bytes()) {
                match self.0.read_u8().await {
                    Ok(octet) => seen.push(octet),
                    Err(_) => break,
                }
            }
        };
        let done = tokio::time::timeout(PATIENCE, read).await.is_ok();
        let text = String::from_utf8_lossy(&seen).into_owned();
        assert!(done && text.ends_with(end), "{end:?} did not come after {text:?}");
        text
    }

    /// Reads until the other side ends; a reset ends too.
    pub(crate) async fn rest(&mut self) -> String {
        let mut seen = Vec::new();
        let read = self.0.read_to_end(&mut seen);
        assert!(
            tokio::time::timeout(PATIENCE, read).await.is_ok(),
            "the connection stays open after {seen:?}"
        );
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// Reads the preface of a client with HTTP/2.
    pub(crate) async fn preface(&mut self) {
        let mut preface = [0; PREFACE.len()];
        let read = self.0.read_exact(&mut preface);
        tokio::time::timeout(PATIENCE, read).await.expect("the preface does not come").unwrap();
        assert_eq!(&preface, PREFACE);
    }

    /// Reads frames of HTTP/2 until one that is wanted has come; how many octets came before it.
    pub(crate) async fn frames_until(&mut self, wanted: impl Fn(&Frame<'_>) -> bool) -> usize {
        let (mut seen, mut at) = (Vec::new(), 0);
        loop {
            while let Parsed::Frame(found, taken) = frame::parse(&seen[at..], MAX_FRAME) {
                if wanted(&found) {
                    return at;
                }
                at += taken;
            }
            let read = tokio::time::timeout(PATIENCE, self.0.read_buf(&mut seen)).await;
            assert!(read.expect("the frame does not come").unwrap() > 0, "closed before the frame");
        }
    }

    /// Whether nothing comes for so long.
    pub(crate) async fn is_silent(&mut self, wait: Duration) -> bool {
        tokio::time::timeout(wait, self.0.read_u8()).await.is_err()
    }
}

/// A listener whose connections the test plays.
pub(crate) struct Server(pub(crate) TcpListener);

impl Server {
    pub(crate) async fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub(crate) async fn accept(&self) -> Raw {
        let accepted = tokio::time::timeout(PATIENCE, self.0.accept()).await;
        Raw(accepted.expect("nobody connected within ten seconds").unwrap().0)
    }

    /// Whether nobody connects for so long.
    pub(crate) async fn is_left_alone(&self, wait: Duration) -> bool {
        tokio::time::timeout(wait, self.0.accept()).await.is_err()
    }
}

/// A port on which nobody listens.
pub(crate) fn closed_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
