//! Accepting for the proxy's own servers: plaintext or the mesh's TLS on one port, told apart by the first octet.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls_pki_types::UnixTime;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::{Listen, TcpOptions};
use crate::identity::{Id, peer_id};

/// How connections are accepted.
#[derive(Clone)]
pub struct Acceptor {
    /// The configuration of TLS that is in force; none before the first certificate.
    pub tls: Arc<dyn Fn() -> Option<Arc<ServerConfig>> + Send + Sync>,
    /// The clock that certificates are read by.
    pub clock: fn() -> SystemTime,
    /// How long a client may take to say its first octet, and for the handshake.
    pub timeout: Duration,
    /// Connections at a time; more wait in the kernel.
    pub connections: usize,
    /// Options of accepted sockets.
    pub options: TcpOptions,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address; an IPv4 address is written as one.
    pub addr: SocketAddr,
    /// The address it came to.
    pub local: SocketAddr,
    /// What it has shown.
    pub identity: Shown,
}

/// What a client has shown of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It speaks plaintext.
    Plaintext,
    /// It speaks TLS, without a certificate.
    Nothing,
    /// A certificate of the mesh.
    Identity(Id),
}

/// A connection of either kind.
pub enum Io {
    /// Plaintext.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a TLS record of a handshake begins with; no request does.
const HANDSHAKE: u8 = 0x16;

/// Binds a socket, for both families where the address is that of all IPv6 ones.
///
/// # Errors
/// When the operating system does not give it.
pub fn bind(addr: SocketAddr, listen: &Listen) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    let backlog = listen.backlog.unwrap_or(128);
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

// === impl Acceptor ===

impl Acceptor {
    /// Accepts until it is dropped; each connection is served by `serve` in a task of its own.
    pub async fn run<F>(self, listener: TcpListener, serve: impl Fn(Client, Io) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let room = Arc::new(Semaphore::new(self.connections));
        let shared = Arc::new(self);
        let serve = Arc::new(serve);
        // Connections end with the server.
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            let Ok(place) = room.clone().acquire_owned().await else { return };
            let (tcp, addr) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Mostly too many open files, which passes; a busy loop would not help it.
                    tracing::warn!(%error, "Failed to accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            while tasks.try_join_next().is_some() {}
            let (acceptor, serve) = (shared.clone(), serve.clone());
            tasks.spawn(async move {
                let _place = place;
                match tokio::time::timeout(acceptor.timeout, acceptor.establish(tcp, addr)).await {
                    Ok(Ok((client, io))) => serve(client, io).await,
                    Ok(Err(error)) => tracing::debug!(client.addr = %addr, %error, "Connection refused"),
                    Err(_) => tracing::debug!(client.addr = %addr, "Client is silent"),
                }
            });
        }
    }

    /// Finds out what the client speaks, and who it is.
    async fn establish(&self, tcp: TcpStream, addr: SocketAddr) -> io::Result<(Client, Io)> {
        tcp.set_nodelay(true)?;
        let socket = SockRef::from(&tcp);
        match self.options.keep_alive {
            Some(idle) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?,
            None => socket.set_keepalive(true)?,
        }
        socket.set_tcp_user_timeout(self.options.user_timeout)?;
        let local = canonical(tcp.local_addr()?);
        let addr = canonical(addr);
        let mut first = [0];
        if tcp.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first[0] != HANDSHAKE {
            return Ok((Client { addr, local, identity: Shown::Plaintext }, Io::Plain(tcp)));
        }
        let config = (self.tls)().ok_or_else(|| io::Error::other("there is no certificate yet"))?;
        let tls = TlsAcceptor::from(config).accept(tcp).await?;
        let identity = match tls.get_ref().1.peer_certificates().and_then(<[_]>::first) {
            None => Shown::Nothing,
            Some(leaf) => {
                let now = (self.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let id = peer_id(leaf, UnixTime::since_unix_epoch(now)).map_err(io::Error::other)?;
                Shown::Identity(id)
            }
        };
        Ok((Client { addr, local, identity }, Io::Tls(Box::new(tls))))
    }
}

// === impl Client ===

impl Client {
    /// Whether it is in the same pod.
    pub fn is_local(&self) -> bool {
        match self.addr.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback(),
        }
    }
}

// === impl Io ===

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Self::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

/// An IPv4 address that came over an IPv6 socket, as what it is.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}
