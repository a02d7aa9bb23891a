//! Clients and servers that send exactly the octets they are told.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(10);

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
