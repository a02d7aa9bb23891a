//! Connections over TLS 1.3, each with the certificate of the moment at which it was opened.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::pair::Pair;
use crate::runtime::accept::Places;
use crate::runtime::{Shutdown, spans};

/// How long a client may take to shake hands.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may take to send the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Connections at once; an API server opens a handful.
const MAX_CONNECTIONS: usize = 1_000;
/// Requests at once on one connection.
const MAX_STREAMS: u32 = 1_000;

/// TLS settings that change while connections come in.
#[derive(Clone)]
pub struct Configs {
    current: watch::Receiver<Option<Arc<ServerConfig>>>,
}

/// Who is at the other end: an extension of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub addr: SocketAddr,
    /// The certificate it showed, verified, if any.
    pub certificate: Option<CertificateDer<'static>>,
}

/// Shows one certificate to everybody.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

// === impl Configs ===

impl Configs {
    /// Settings made by `make` from each certificate that comes.
    pub fn follow(
        mut pairs: watch::Receiver<Option<Arc<Pair>>>,
        make: impl Fn(&Pair) -> Result<ServerConfig, rustls::Error> + Send + 'static,
    ) -> Self {
        let (sender, current) = watch::channel(None);
        tokio::spawn(async move {
            loop {
                let pair = pairs.borrow_and_update().clone();
                match pair.as_deref().map(&make).transpose() {
                    Ok(config) => drop(sender.send_replace(config.map(Arc::new))),
                    Err(error) => tracing::error!(%error, "no TLS settings for the serving certificate"),
                }
                if pairs.changed().await.is_err() {
                    return;
                }
            }
        });
        Self { current }
    }

    /// Settings that somebody else makes.
    pub fn of(current: watch::Receiver<Option<Arc<ServerConfig>>>) -> Self {
        Self { current }
    }
}

impl ResolvesServerCert for Always {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Settings for clients that need show no certificate.
///
/// # Errors
/// When the TLS library does not know TLS 1.3.
pub fn plain(pair: &Pair) -> Result<ServerConfig, rustls::Error> {
    let builder = builder()?.with_no_client_auth();
    Ok(finish(builder.with_cert_resolver(Arc::new(Always(Arc::clone(&pair.served))))))
}

/// Settings for clients whose certificate, where they show one, is verified by `verifier`.
///
/// # Errors
/// When the TLS library does not know TLS 1.3.
pub fn verifying(
    pair: &Pair,
    verifier: Arc<dyn rustls::server::danger::ClientCertVerifier>,
) -> Result<ServerConfig, rustls::Error> {
    let builder = builder()?.with_client_cert_verifier(verifier);
    Ok(finish(builder.with_cert_resolver(Arc::new(Always(Arc::clone(&pair.served))))))
}

fn builder() -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])
}

fn finish(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A ticket would carry an old certificate's session over to the new one.
    config.send_tls13_tickets = 0;
    config
}

/// Serves `router` until the end begins, and waits for requests in hand.
pub async fn serve(listener: TcpListener, configs: Configs, router: Router, shutdown: Shutdown) {
    let places = Places::new(MAX_CONNECTIONS);
    let mut connections = JoinSet::new();
    loop {
        let Some((stream, addr, place)) = shutdown.unless(places.accept(&listener)).await else { break };
        while connections.try_join_next().is_some() {}
        let config = configs.current.borrow().clone();
        let (router, shutdown) = (router.clone(), shutdown.clone());
        connections.spawn(async move {
            // Nobody can be served without a certificate; the client finds the connection closed.
            if let Some(config) = config {
                connection(stream, addr, config, router, shutdown).await;
            }
            drop(place);
        });
    }
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    addr: SocketAddr,
    config: Arc<ServerConfig>,
    router: Router,
    shutdown: Shutdown,
) {
    let _ = stream.set_nodelay(true);
    let shaking = TlsAcceptor::from(config).accept(stream);
    let stream = match tokio::time::timeout(HANDSHAKE_LIMIT, shaking).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%addr, %error, "no TLS handshake"),
        Err(_) => return tracing::debug!(%addr, "the TLS handshake took too long"),
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let peer = Peer { addr, certificate: certificate.map(|leaf| leaf.clone().into_owned()) };
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let router = router.clone();
        let span = spans::begin(&request);
        async move {
            let answer = router.oneshot(request.map(Body::new)).await.map_err(|never: Infallible| never);
            answer.inspect(|response| spans::end(&span, response))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let mut serving = std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = shutdown.signaled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%addr, error, "the connection ended");
    }
}
