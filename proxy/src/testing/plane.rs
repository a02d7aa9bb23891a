//! A control plane that says what a test tells it, call by call.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use linkerd2_proxy_api::destination::destination_server::{Destination, DestinationServer};
use linkerd2_proxy_api::destination::{DestinationProfile, GetDestination, Update};
use linkerd2_proxy_api::identity::identity_server::{Identity, IdentityServer};
use linkerd2_proxy_api::identity::{CertifyRequest, CertifyResponse};
use linkerd2_proxy_api::inbound::inbound_server_policies_server::{
    InboundServerPolicies, InboundServerPoliciesServer,
};
use linkerd2_proxy_api::inbound::{PortSpec, Server};
use linkerd2_proxy_api::outbound::outbound_policies_server::{OutboundPolicies, OutboundPoliciesServer};
use linkerd2_proxy_api::outbound::{OutboundPolicy, TrafficSpec};
use mesh_api::trust::trust_bundle_server::{TrustBundle, TrustBundleServer};
use mesh_api::trust::{Bundle, WatchRequest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// How long a test waits for a call.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of all the interfaces. Its connections end when it is dropped.
pub(crate) struct Plane {
    pub(crate) addr: SocketAddr,
    calls: mpsc::UnboundedReceiver<Call>,
    accept: tokio::task::JoinHandle<()>,
}

/// A call that waits for what the test says.
pub(crate) enum Call {
    Certify(CertifyRequest, oneshot::Sender<Result<CertifyResponse, Status>>),
    Bundle(Open<Bundle>),
    Profile(GetDestination, Open<DestinationProfile>),
    Endpoints(GetDestination, Open<Update>),
    Outbound(TrafficSpec, Open<OutboundPolicy>),
    Inbound(PortSpec, Open<Server>),
}

/// A stream that is asked for.
pub(crate) struct Open<M>(oneshot::Sender<Result<mpsc::UnboundedReceiver<Result<M, Status>>, Status>>);

/// The end that a test speaks into.
pub(crate) type Speaker<M> = mpsc::UnboundedSender<Result<M, Status>>;

type Replies<M> = Pin<Box<dyn futures::Stream<Item = Result<M, Status>> + Send>>;

#[derive(Clone)]
struct Services(mpsc::UnboundedSender<Call>);

// === impl Plane ===

impl Plane {
    pub(crate) async fn start() -> Self {
        Self::listen(None, "127.0.0.1:0").await
    }

    pub(crate) async fn start_tls(tls: Arc<rustls::ServerConfig>) -> Self {
        Self::listen(Some(tls), "127.0.0.1:0").await
    }

    /// One at the address of another that is gone.
    pub(crate) async fn start_at(addr: SocketAddr) -> Self {
        Self::listen(None, &addr.to_string()).await
    }

    async fn listen(tls: Option<Arc<rustls::ServerConfig>>, addr: &str) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, calls) = mpsc::unbounded_channel();
        let services = Services(sender);
        let routes = Routes::new(IdentityServer::new(services.clone()))
            .add_service(TrustBundleServer::new(services.clone()))
            .add_service(DestinationServer::new(services.clone()))
            .add_service(OutboundPoliciesServer::new(services.clone()))
            .add_service(InboundServerPoliciesServer::new(services));
        let accept = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(socket, tls.clone(), routes.clone()));
            }
        });
        Self { addr, calls, accept }
    }

    /// The next call.
    pub(crate) async fn next(&mut self) -> Call {
        tokio::time::timeout(PATIENCE, self.calls.recv()).await.expect("a call").unwrap()
    }

    /// Whether nobody calls for a while.
    pub(crate) async fn is_quiet_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.calls.recv()).await.is_err()
    }

    /// Ends every connection, and frees the address.
    pub(crate) async fn stop(self) {
        self.accept.abort();
        while !self.accept.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn certify(
        &mut self,
    ) -> (CertifyRequest, oneshot::Sender<Result<CertifyResponse, Status>>) {
        loop {
            match self.next().await {
                Call::Certify(request, answer) => return (request, answer),
                Call::Bundle(open) => open.refuse(Status::unimplemented("")),
                _ => panic!("another call than expected"),
            }
        }
    }

    pub(crate) async fn profile(&mut self) -> (GetDestination, Open<DestinationProfile>) {
        match self.next().await {
            Call::Profile(request, open) => (request, open),
            _ => panic!("another call than expected"),
        }
    }

    pub(crate) async fn endpoints(&mut self) -> (GetDestination, Open<Update>) {
        match self.next().await {
            Call::Endpoints(request, open) => (request, open),
            _ => panic!("another call than expected"),
        }
    }

    pub(crate) async fn outbound(&mut self) -> (TrafficSpec, Open<OutboundPolicy>) {
        match self.next().await {
            Call::Outbound(request, open) => (request, open),
            _ => panic!("another call than expected"),
        }
    }

    pub(crate) async fn inbound(&mut self) -> (PortSpec, Open<Server>) {
        match self.next().await {
            Call::Inbound(request, open) => (request, open),
            _ => panic!("another call than expected"),
        }
    }
}

async fn serve(socket: TcpStream, tls: Option<Arc<rustls::ServerConfig>>, routes: Routes) {
    let service = TowerToHyperService::new(routes);
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    match tls {
        None => drop(server.serve_connection(TokioIo::new(socket), service).await),
        Some(tls) => {
            if let Ok(socket) = tokio_rustls::TlsAcceptor::from(tls).accept(socket).await {
                drop(server.serve_connection(TokioIo::new(socket), service).await);
            }
        }
    }
}

// === impl Open ===

impl<M> Open<M> {
    pub(crate) fn accept(self) -> Speaker<M> {
        let (speaker, messages) = mpsc::unbounded_channel();
        let _ = self.0.send(Ok(messages));
        speaker
    }

    pub(crate) fn refuse(self, status: Status) {
        let _ = self.0.send(Err(status));
    }
}

// === impl Services ===

impl Services {
    async fn open<M: Send + 'static>(
        &self,
        call: impl FnOnce(Open<M>) -> Call,
    ) -> Result<Response<Replies<M>>, Status> {
        let (open, opened) = oneshot::channel();
        let gone = || Status::unavailable("the test has gone on");
        self.0.send(call(Open(open))).map_err(|_| gone())?;
        let messages = opened.await.map_err(|_| gone())??;
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(messages).map(|message| message))))
    }
}

#[tonic::async_trait]
impl Identity for Services {
    async fn certify(&self, request: Request<CertifyRequest>) -> Result<Response<CertifyResponse>, Status> {
        let (answer, answered) = oneshot::channel();
        let gone = |_| Status::unavailable("the test has gone on");
        self.0.send(Call::Certify(request.into_inner(), answer)).map_err(|_| Status::unavailable(""))?;
        answered.await.map_err(gone)?.map(Response::new)
    }
}

#[tonic::async_trait]
impl TrustBundle for Services {
    type WatchStream = Replies<Bundle>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Replies<Bundle>>, Status> {
        self.open(Call::Bundle).await
    }
}

#[tonic::async_trait]
impl Destination for Services {
    type GetStream = Replies<Update>;
    type GetProfileStream = Replies<DestinationProfile>;

    async fn get(&self, request: Request<GetDestination>) -> Result<Response<Replies<Update>>, Status> {
        self.open(|open| Call::Endpoints(request.into_inner(), open)).await
    }

    async fn get_profile(
        &self,
        request: Request<GetDestination>,
    ) -> Result<Response<Replies<DestinationProfile>>, Status> {
        self.open(|open| Call::Profile(request.into_inner(), open)).await
    }
}

#[tonic::async_trait]
impl OutboundPolicies for Services {
    type WatchStream = Replies<OutboundPolicy>;

    async fn get(&self, _: Request<TrafficSpec>) -> Result<Response<OutboundPolicy>, Status> {
        Err(Status::unimplemented("nobody asks so"))
    }

    async fn watch(
        &self,
        request: Request<TrafficSpec>,
    ) -> Result<Response<Replies<OutboundPolicy>>, Status> {
        self.open(|open| Call::Outbound(request.into_inner(), open)).await
    }
}

#[tonic::async_trait]
impl InboundServerPolicies for Services {
    type WatchPortStream = Replies<Server>;

    async fn get_port(&self, _: Request<PortSpec>) -> Result<Response<Server>, Status> {
        Err(Status::unimplemented("nobody asks so"))
    }

    async fn watch_port(&self, request: Request<PortSpec>) -> Result<Response<Replies<Server>>, Status> {
        self.open(|open| Call::Inbound(request.into_inner(), open)).await
    }
}
