//! A control plane that says what it is told to, over the published gRPC interfaces.

mod certify;
mod discovery;
mod faults;
mod spans;
mod table;
mod trust;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use linkerd2_proxy_api::destination::destination_server::DestinationServer;
use linkerd2_proxy_api::identity::identity_server::IdentityServer;
use linkerd2_proxy_api::inbound::inbound_server_policies_server::InboundServerPoliciesServer;
use linkerd2_proxy_api::outbound::outbound_policies_server::OutboundPoliciesServer;
use linkerd2_proxy_api::{destination, inbound, outbound};
use mesh_api::faults::faults_server::FaultsServer;
use mesh_api::trust::trust_bundle_server::TrustBundleServer;
use parking_lot::Mutex;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tonic::service::Routes;

use super::authority::{Authority, Leaf};
use super::namespace::Namespace;

pub use certify::Certify;
pub use spans::ReceivedSpan;
pub use table::Answer;

use certify::Identities;
use spans::Collector;
use table::Table;

/// A scripted control plane: identity, destination and policy on one address, and a collector of spans.
///
/// It is cheap to clone; all clones are the same. What is set takes effect for streams that are open, too.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    state: Arc<State>,
}

/// How the control plane is reached.
#[derive(Clone, Debug)]
pub enum Security {
    /// In the clear; proxies do that on loopback only.
    Plain,
    /// Mesh TLS under these names.
    Mesh(Vec<String>),
}

/// A call that a proxy made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method, as in `Destination/Get`.
    pub method: &'static str,
    /// What was asked about: `path`, `address:port`, an authority, `workload:port` or an identity.
    pub key: String,
    /// The context token or workload that came with it.
    pub context: String,
    /// When.
    pub at: Instant,
}

#[derive(Debug)]
struct State {
    identities: Identities,
    profiles: Table<destination::DestinationProfile>,
    endpoints: Table<discovery::Endpoints>,
    outbound: Table<outbound::OutboundPolicy>,
    inbound: Table<inbound::Server>,
    bundle: Table<mesh_api::trust::Bundle>,
    faults: Table<mesh_api::faults::FaultSet>,
    calls: Mutex<Vec<Call>>,
    /// Anchors of clients.
    clients: Mutex<RootCertStore>,
    collector: Collector,
    /// Connections end when this changes.
    epoch: watch::Sender<u64>,
    /// Whether connections are accepted.
    open: watch::Sender<bool>,
}

// === impl ControlPlane ===

impl ControlPlane {
    /// A control plane that signs with `authority` and says `NotFound` to every question about a destination, but for the profiles of
    /// addresses, which are empty; and that anybody may connect to every inbound port.
    #[must_use]
    pub fn new(authority: Arc<Authority>) -> Self {
        Self {
            state: Arc::new(State {
                identities: Identities::new(authority),
                profiles: Table::new(Answer::not_found()),
                endpoints: Table::new(Answer::Value(discovery::Endpoints::Absent)),
                outbound: Table::new(Answer::not_found()),
                inbound: Table::new(Answer::Value(super::answers::inbound::everybody())),
                bundle: Table::new(Answer::Status(tonic::Code::Unimplemented, "no bundle".to_owned())),
                faults: Table::new(Answer::Value(mesh_api::faults::FaultSet::default())),
                calls: Mutex::default(),
                clients: Mutex::new(RootCertStore::empty()),
                collector: Collector::default(),
                epoch: watch::Sender::new(0),
                open: watch::Sender::new(true),
            }),
        }
    }

    /// Serves on an address of a namespace until that ends.
    ///
    /// # Errors
    /// When the address cannot be bound, or no certificate can be made.
    pub fn serve(&self, namespace: &Namespace, address: SocketAddr, security: &Security) -> Result<()> {
        let leaf = match security {
            Security::Plain => None,
            Security::Mesh(names) => {
                let (authority, names) = (self.authority(), names.iter().map(String::as_str));
                self.trust(&authority)?;
                Some(Arc::new(authority.leaf(&names.collect::<Vec<_>>(), Duration::from_secs(86_400))?))
            }
        };
        let listener = namespace
            .run(async move { TcpListener::bind(address).await })
            .with_context(|| format!("cannot listen on {address}"))?;
        namespace.spawn(accept(self.state.clone(), listener, leaf));
        Ok(())
    }

    /// Serves on an address of this process's own namespace.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn serve_here(&self, address: SocketAddr) -> Result<()> {
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        accept(self.state.clone(), listener, None).await;
        Ok(())
    }

    /// The authority that signs now.
    #[must_use]
    pub fn authority(&self) -> Arc<Authority> {
        self.state.identities.authority()
    }

    /// Signs with another authority from now on.
    pub fn set_authority(&self, authority: Arc<Authority>) {
        self.state.identities.set_authority(authority);
    }

    /// Serves clients as well from now on whose certificates are of this authority.
    ///
    /// # Errors
    /// Never for an authority made here.
    pub fn trust(&self, authority: &Authority) -> Result<()> {
        let anchor = CertificateDer::from(authority.der().to_vec());
        self.state.clients.lock().add(anchor).context("an unusable anchor")
    }

    /// Tells proxies that these are the trust anchors now.
    pub fn set_bundle(&self, authorities: &[&Authority]) {
        self.state.bundle.set(trust::KEY.to_owned(), Answer::Value(trust::bundle(authorities)));
    }

    /// Sets the faults in force.
    pub fn set_faults(&self, faults: Vec<mesh_api::faults::Fault>) {
        self.state.faults.set(faults::KEY.to_owned(), Answer::Value(mesh_api::faults::FaultSet { faults }));
    }

    /// Says how requests for certificates are answered.
    pub fn set_certify(&self, certify: Certify) {
        self.state.identities.set(certify);
    }

    /// Expects this token for an identity; without one, any token will do.
    pub fn set_token(&self, identity: &str, token: &str) {
        self.state.identities.set_token(identity, token);
    }

    /// Sets the answer about the profile of `address:port` or `name:port`.
    pub fn set_profile(&self, key: impl ToString, answer: Answer<destination::DestinationProfile>) {
        self.state.profiles.set(key.to_string(), answer);
    }

    /// Sets the answer about the outbound policy of `address:port` or of an authority.
    pub fn set_outbound(&self, key: impl ToString, answer: Answer<outbound::OutboundPolicy>) {
        self.state.outbound.set(key.to_string(), answer);
    }

    /// Sets the answer about a port of a workload.
    pub fn set_inbound(&self, workload: &str, port: u16, answer: Answer<inbound::Server>) {
        self.state.inbound.set(format!("{workload}:{port}"), answer);
    }

    /// Sets the endpoints of `name:port`; streams that are open get the difference.
    pub fn set_endpoints(&self, name: &str, endpoints: Vec<destination::WeightedAddr>) {
        self.state.endpoints.set(name.to_owned(), Answer::Value(discovery::Endpoints::Set(endpoints)));
    }

    /// Sets the answer about the endpoints of `name:port` to a message or to an end.
    pub fn set_endpoints_raw(&self, name: &str, answer: Answer<destination::Update>) {
        self.state.endpoints.set(name.to_owned(), answer.map(discovery::Endpoints::Raw));
    }

    /// Calls made so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().clone()
    }

    /// The number of calls of a method about a key.
    #[must_use]
    pub fn count(&self, method: &str, key: &str) -> usize {
        self.state.calls.lock().iter().filter(|call| call.method == method && call.key == key).count()
    }

    /// Spans that were sent here.
    #[must_use]
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        self.state.collector.spans()
    }

    /// Waits until a method was called `times` times about a key.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub fn wait_for_calls(&self, method: &str, key: &str, times: usize, limit: Duration) -> Result<()> {
        let start = Instant::now();
        while self.count(method, key) < times {
            if start.elapsed() > limit {
                anyhow::bail!("{method} of {key} was not called {times} times, but: {:?}", self.calls());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Cuts all connections; proxies may come back.
    pub fn disconnect(&self) {
        self.state.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Cuts all connections, and those that come, too.
    pub fn vanish(&self) {
        self.state.open.send_replace(false);
        self.disconnect();
    }

    /// Accepts connections again.
    pub fn return_again(&self) {
        self.state.open.send_replace(true);
    }
}

// === impl State ===

impl State {
    /// Takes mesh TLS by this certificate, from whoever is trusted at the moment.
    fn acceptor(&self, leaf: &Leaf) -> Result<TlsAcceptor> {
        let (chain, key) = leaf.parts();
        let verifier = WebPkiClientVerifier::builder(Arc::new(self.clients.lock().clone()))
            .allow_unauthenticated()
            .build()
            .context("no verifier of clients")?;
        let mut config = rustls::ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .context("an unusable certificate")?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn record(&self, method: &'static str, key: &str, context: &str) {
        #[allow(clippy::disallowed_methods, reason = "when a proxy called is what a test asks about")]
        let at = Instant::now();
        let (key, context) = (key.to_owned(), context.to_owned());
        self.calls.lock().push(Call { method, key, context, at });
    }
}

async fn accept(state: Arc<State>, listener: TcpListener, leaf: Option<Arc<Leaf>>) {
    let routes = Routes::new(IdentityServer::from_arc(state.clone()))
        .add_service(DestinationServer::from_arc(state.clone()))
        .add_service(OutboundPoliciesServer::from_arc(state.clone()))
        .add_service(InboundServerPoliciesServer::from_arc(state.clone()))
        .add_service(TrustBundleServer::from_arc(state.clone()))
        .add_service(state.collector.clone())
        .add_service(FaultsServer::from_arc(state.clone()));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        if !*state.open.borrow() {
            continue;
        }
        let (routes, mut epoch) = (routes.clone(), state.epoch.subscribe());
        let tls = leaf.as_ref().map(|leaf| state.acceptor(leaf));
        tokio::spawn(async move {
            tokio::select! {
                () = secure(stream, tls, routes) => {}
                // Dropping the future closes the socket.
                _ = epoch.changed() => {}
            }
        });
    }
}

async fn secure(stream: TcpStream, tls: Option<Result<TlsAcceptor>>, routes: Routes) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => speak(stream, routes).await,
        Some(tls) => {
            let tls = tls.expect("a certificate that was made for this");
            // A proxy that does not trust us goes away.
            if let Ok(stream) = tls.accept(stream).await {
                speak(stream, routes).await;
            }
        }
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, routes: Routes) {
    let service = TowerToHyperService::new(routes);
    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    // A proxy that leaves in the middle is no concern of the script.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}
