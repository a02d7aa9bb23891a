//! A SPIFFE Workload API as an issuer: an agent on this machine that knows workloads by their process.
//!
//! The agent renews on its own, at half of a certificate's life, and sends what is new on the stream that is open. Its anchors are
//! trusted beside those of the configuration, which the control plane may need.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_api::spiffe::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use mesh_api::spiffe::{X509svid, X509svidRequest, X509svidResponse};
use mesh_pki::{Bundle, Certificate};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tonic::Streaming;
use tonic::body::Body;
use tower::Service;

use super::Id;
use super::lifecycle::{Issued, Issuer};

/// How long an answer may take, connecting included.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Octets of an answer.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// Says that whoever asks means it: the agent refuses requests that something was tricked into.
const SECURITY_HEADER: &str = "workload.spiffe.io";
/// Certificates of a chain or a bundle that are looked for.
const MAX_CHAIN: usize = 64;
/// Between the end of a stream and the next.
const AGAIN: Duration = Duration::from_secs(1);

/// Follows an agent on one stream, which is opened again when it ends.
pub(super) struct SpireIssuer {
    id: Id,
    socket: PathBuf,
    follow: Option<Follow>,
    stream: Option<Streaming<X509svidResponse>>,
    /// What came before it was asked for.
    next: Option<Vec<X509svid>>,
}

/// How the agent's anchors come into force.
pub(super) struct Follow {
    /// Those of the configuration.
    pub(super) configured: Bundle,
    /// Takes all of them together.
    pub(super) bundles: mpsc::Sender<Bundle>,
}

/// The one connection that requests go by.
#[derive(Clone)]
struct Connection(http2::SendRequest<Body>);

// === impl SpireIssuer ===

impl Issuer for SpireIssuer {
    async fn issue(&mut self) -> Result<Issued, String> {
        let svids = match self.next.take() {
            Some(svids) => svids,
            None => {
                self.stream = None;
                let answer = tokio::time::timeout(TIMEOUT, self.fetch()).await;
                let svids = answer.unwrap_or_else(|_| Err(format!("no answer within {TIMEOUT:?}")));
                svids.map_err(|error| format!("{}: {error}", self.socket.display()))?
            }
        };
        let ours = self.choose(svids)?;
        self.trust(&ours.bundle).await?;
        Ok(Issued { chain: split(&ours.x509_svid)?, key: ours.x509_svid_key.to_vec(), valid_until: None })
    }

    async fn news(&mut self) {
        let Some(stream) = &mut self.stream else { return std::future::pending().await };
        match stream.message().await {
            Ok(Some(message)) => self.next = Some(message.svids),
            ended => {
                let error = ended.err().map(|status| status.message().to_owned());
                tracing::info!(socket = %self.socket.display(), error, "the agent has ended the stream; asking again");
                // Without this pause an agent that ends every stream would be asked without an end.
                tokio::time::sleep(AGAIN).await;
                self.stream = None;
            }
        }
    }
}

impl SpireIssuer {
    pub(super) fn new(id: Id, socket: PathBuf, follow: Option<Follow>) -> Self {
        Self { id, socket, follow, stream: None, next: None }
    }

    async fn fetch(&mut self) -> Result<Vec<X509svid>, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| text(&error))?;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| text(&error))?;
        // It ends with the sender.
        tokio::spawn(connection);
        let mut service =
            SpiffeWorkloadApiClient::with_origin(Connection(sender), Uri::from_static("http://localhost"))
                .max_decoding_message_size(MAX_MESSAGE);
        let mut request = tonic::Request::new(X509svidRequest {});
        request.metadata_mut().insert(SECURITY_HEADER, tonic::metadata::MetadataValue::from_static("true"));
        let status = |status: tonic::Status| format!("{:?}: {}", status.code(), status.message());
        let mut stream = service.fetch_x509svid(request).await.map_err(status)?.into_inner();
        let message = stream.message().await.map_err(status)?;
        let message = message.ok_or_else(|| "it ended the stream".to_owned())?;
        self.stream = Some(stream);
        Ok(message.svids)
    }

    /// The certificate of the identity that is ours among those of this process.
    fn choose(&self, svids: Vec<X509svid>) -> Result<X509svid, String> {
        let given: Vec<String> = svids.iter().map(|svid| svid.spiffe_id.clone()).collect();
        let ours = svids.into_iter().find(|svid| svid.spiffe_id == self.id.as_str());
        ours.ok_or_else(|| {
            format!(
                "the agent has no certificate for {}, but for {given:?}; is the workload registered?",
                self.id
            )
        })
    }

    /// Has the agent's anchors trusted beside those of the configuration.
    async fn trust(&self, anchors: &[u8]) -> Result<(), String> {
        let Some(Follow { configured, bundles }) = &self.follow else { return Ok(()) };
        let mut bundle = configured.clone();
        for der in split(anchors).map_err(|error| format!("the agent's bundle: {error}"))? {
            let anchor =
                Certificate::from_der(der).map_err(|error| format!("the agent's bundle: {error}"))?;
            if !bundle.contains(&anchor) {
                bundle.add(anchor);
            }
        }
        // Whoever takes bundles asks for leaves as well, and is there.
        let _ = bundles.send(bundle).await;
        Ok(())
    }
}

/// Certificates that were written one after the other.
fn split(mut octets: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut chain = Vec::new();
    while !octets.is_empty() {
        if chain.len() == MAX_CHAIN {
            return Err(format!("there are more than {MAX_CHAIN} certificates"));
        }
        let (rest, _) = x509_parser::parse_x509_certificate(octets)
            .map_err(|error| format!("certificate {} cannot be read: {error}", chain.len()))?;
        chain.push(octets[..octets.len() - rest.len()].to_vec());
        octets = rest;
    }
    Ok(chain)
}

// === impl Connection ===

impl Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use mesh_api::spiffe::spiffe_workload_api_server::{SpiffeWorkloadApi, SpiffeWorkloadApiServer};
    use tokio_stream::wrappers::UnixListenerStream;
    use tonic::Status;

    use super::*;
    use crate::identity::Leaf;
    use crate::testing::{Ca, now};

    struct Agent(X509svidResponse);

    #[tonic::async_trait]
    impl SpiffeWorkloadApi for Agent {
        type FetchX509SVIDStream = tokio_stream::Iter<std::vec::IntoIter<Result<X509svidResponse, Status>>>;

        async fn fetch_x509svid(
            &self,
            request: tonic::Request<X509svidRequest>,
        ) -> Result<tonic::Response<Self::FetchX509SVIDStream>, Status> {
            if request.metadata().get(SECURITY_HEADER).is_none() {
                return Err(Status::invalid_argument("security header missing"));
            }
            Ok(tonic::Response::new(tokio_stream::iter(vec![Ok(self.0.clone())])))
        }
    }

    #[tokio::test]
    async fn an_agent_gives_the_certificate_of_our_name() {
        let ca = Ca::new("root");
        let web = Id::uri("spiffe://example.org/web").unwrap();
        let svid = |id: &Id| {
            let (leaf, key) = ca.leaf(id, Duration::from_secs(3600));
            let mut chain = leaf.clone();
            chain.extend(ca.bundle().certificates()[0].der().as_ref());
            X509svid {
                spiffe_id: id.to_string(),
                x509_svid: chain.into(),
                x509_svid_key: key.into(),
                bundle: Default::default(),
            }
        };
        let svids = vec![svid(&Id::uri("spiffe://example.org/other").unwrap()), svid(&web)];
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let agent = SpiffeWorkloadApiServer::new(Agent(X509svidResponse { svids }));
        let server = tonic::transport::Server::builder().add_service(agent);
        tokio::spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));

        let mut issuer = SpireIssuer::new(web.clone(), socket.clone(), None);
        let issued = issuer.issue().await.unwrap();
        assert_eq!(issued.chain.len(), 2);
        let now: SystemTime = now();
        Leaf::verify(issued.chain, &issued.key, &web, &ca.trust(), now).unwrap();

        let mut stranger = SpireIssuer::new(Id::uri("spiffe://example.org/db").unwrap(), socket, None);
        let error = stranger.issue().await.map(drop).unwrap_err();
        assert!(error.contains("no certificate for spiffe://example.org/db"), "{error}");
        let mut nowhere = SpireIssuer::new(web, "/nowhere/agent.sock".into(), None);
        let error = nowhere.issue().await.map(drop).unwrap_err();
        assert!(error.contains("/nowhere/agent.sock"), "{error}");
        assert!(split(b"nonsense").is_err());
    }
}
