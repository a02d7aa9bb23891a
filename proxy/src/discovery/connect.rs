//! One connection to a server of the control plane: TCP, TLS unless it is on the same machine, and HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{Host, Service};
use crate::identity::{Alpn, Id, State};

/// How long nothing may come before the server is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// How long its answer may take.
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// Octets of messages that one stream may have in flight to us.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Octets that all streams of a connection may.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Octets of headers, decoded.
const MAX_HEADERS: u32 = 16 * 1024;

/// How a connection is protected.
#[derive(Clone, Debug)]
pub enum Security {
    /// Not at all: the server is on this machine.
    Plain,
    /// By TLS with a server that has to be `peer`.
    Tls {
        /// Who it has to be.
        peer: Id,
        /// The name that is asked for.
        server_name: ServerName<'static>,
        /// What we are and trust, as it changes.
        identity: watch::Receiver<State>,
        /// Whether we show who we are.
        client: ClientAuth,
    },
}

/// Whether the proxy shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// It does, and waits for its first certificate before it connects.
    Required,
    /// It does not: a certificate that has expired must not keep it from getting the next.
    Anonymous,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The operating system said no.
    #[error("{addr}: {source}")]
    Tcp {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The handshake failed.
    #[error("TLS with {peer} at {addr}: {source}")]
    Tls {
        /// The address.
        addr: SocketAddr,
        /// Who it should have been.
        peer: Id,
        /// Why.
        source: io::Error,
    },
    /// HTTP/2 was not agreed on.
    #[error("HTTP/2 with {addr}: {source}")]
    Http {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: hyper::Error,
    },
    /// The TLS library refuses its parameters.
    #[error("TLS cannot be configured: {0}")]
    Config(#[from] rustls::Error),
    /// It took too long.
    #[error("{addr}: no connection within {limit:?}")]
    TimedOut {
        /// The address.
        addr: SocketAddr,
        /// The limit.
        limit: Duration,
    },
    /// The process is about to end.
    #[error("the proxy has no identity and will not get one")]
    NoIdentity,
}

/// The identity of a server cannot be asked for in TLS.
#[derive(Debug, thiserror::Error)]
#[error("{0} cannot be asked for in TLS")]
pub struct InvalidServer(pub String);

/// What requests are sent with.
pub(super) type Sender = SendRequest<tonic::body::Body>;

/// A stream with or without TLS.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Opens a connection within a time; waits for an identity before that time begins.
pub(super) async fn connect(
    addr: SocketAddr,
    security: &Security,
    limit: Duration,
) -> Result<(Sender, impl Future<Output = ()> + Send + 'static), ConnectError> {
    let tls = security.config().await?;
    match tokio::time::timeout(limit, open(addr, security, tls)).await {
        Ok(opened) => opened,
        Err(_) => Err(ConnectError::TimedOut { addr, limit }),
    }
}

async fn open(
    addr: SocketAddr,
    security: &Security,
    tls: Option<Arc<rustls::ClientConfig>>,
) -> Result<(Sender, impl Future<Output = ()> + Send + 'static), ConnectError> {
    let tcp = |source| ConnectError::Tcp { addr, source };
    let socket = TcpStream::connect(addr).await.map_err(tcp)?;
    socket.set_nodelay(true).map_err(tcp)?;
    let stream = match (security, tls) {
        (Security::Tls { peer, server_name, .. }, Some(config)) => {
            let tls = TlsConnector::from(config).connect(server_name.clone(), socket).await;
            let tls = tls.map_err(|source| ConnectError::Tls { addr, peer: peer.clone(), source })?;
            Stream::Tls(Box::new(tls))
        }
        _ => Stream::Plain(socket),
    };
    let opened = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) = opened.map_err(|source| ConnectError::Http { addr, source })?;
    let driver = async move {
        if let Err(error) = connection.await {
            tracing::debug!(%addr, %error, "connection to the control plane ended");
        }
    };
    Ok((sender, driver))
}

// === impl Security ===

impl Security {
    /// What a server of the control plane is to be spoken to with.
    pub(super) fn of(
        service: &Service,
        identity: &watch::Receiver<State>,
        client: ClientAuth,
    ) -> Result<Self, InvalidServer> {
        let Some(peer) = &service.identity else { return Ok(Self::Plain) };
        let name = match (peer, &service.address.host) {
            (Id::Uri(_), Host::Name(name)) => name.clone(),
            (peer, _) => peer.to_string(),
        };
        let server_name = ServerName::try_from(name.clone()).map_err(|_| InvalidServer(name))?;
        Ok(Self::Tls { peer: peer.clone(), server_name, identity: identity.clone(), client })
    }

    /// The configuration of this moment; none is no TLS.
    async fn config(&self) -> Result<Option<Arc<rustls::ClientConfig>>, ConnectError> {
        let Self::Tls { peer, identity, client, .. } = self else { return Ok(None) };
        let mut identity = identity.clone();
        let config = match client {
            ClientAuth::Anonymous => identity.borrow().trust.anonymous_client(peer, Alpn::None)?,
            ClientAuth::Required => {
                let state = identity.wait_for(|state| state.credentials.is_some()).await;
                let credentials = state.ok().and_then(|state| state.credentials.clone());
                credentials.ok_or(ConnectError::NoIdentity)?.client_config(peer, Alpn::None)?
            }
        };
        Ok(Some(config))
    }
}

// === impl Stream ===

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
