//! A SPIFFE Workload API on a socket, as an agent on a node serves it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt as _;
use mesh_api::spiffe::spiffe_workload_api_server::{SpiffeWorkloadApi, SpiffeWorkloadApiServer};
use mesh_api::spiffe::{X509svid, X509svidRequest, X509svidResponse};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use super::authority::Authority;
use super::namespace::Namespace;

/// An agent that gives out what it was told to, and tells everybody of what is new.
#[derive(Clone, Debug)]
pub struct SpireAgent {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    socket: PathBuf,
    svids: watch::Sender<Vec<X509svid>>,
    calls: AtomicUsize,
    /// Streams end when this changes.
    epoch: watch::Sender<u64>,
}

// === impl SpireAgent ===

impl SpireAgent {
    /// Serves on a socket in a folder until the namespace ends. It has nobody registered yet.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn start(namespace: &Namespace, folder: &Path) -> Result<Self> {
        let socket = folder.join("agent.sock");
        let path = socket.clone();
        let listener = namespace.run(async move { UnixListener::bind(path) }).context("no socket")?;
        // Workloads are other users.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777))?;
        let agent = Self {
            inner: Arc::new(Inner {
                socket,
                svids: watch::Sender::new(Vec::new()),
                calls: AtomicUsize::new(0),
                epoch: watch::Sender::new(0),
            }),
        };
        namespace.spawn(serve(agent.clone(), listener));
        Ok(agent)
    }

    /// Where it is, as a proxy is told.
    #[must_use]
    pub fn address(&self) -> String {
        format!("unix://{}", self.inner.socket.display())
    }

    /// Gives these identities new certificates, which every stream is told of; `anchors` come with them.
    ///
    /// # Errors
    /// When an identity is none.
    pub fn register(
        &self,
        authority: &Authority,
        ids: &[&str],
        lifetime: Duration,
        anchors: &[&Authority],
    ) -> Result<()> {
        let bundle: Vec<u8> = anchors.iter().flat_map(|anchor| anchor.der().to_vec()).collect();
        let svid = |id: &&str| {
            let leaf = authority.leaf(&[id], lifetime)?;
            Ok(X509svid {
                spiffe_id: (*id).to_owned(),
                x509_svid: leaf.certificate.to_vec().into(),
                x509_svid_key: leaf.key.secret_der().to_vec().into(),
                bundle: bundle.clone().into(),
            })
        };
        let svids = ids.iter().map(svid).collect::<Result<Vec<_>>>()?;
        self.inner.svids.send_replace(svids);
        Ok(())
    }

    /// How often it was asked.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.inner.calls.load(Ordering::Relaxed)
    }

    /// Cuts all streams, as when it is restarted.
    pub fn restart(&self) {
        self.inner.epoch.send_modify(|epoch| *epoch += 1);
    }
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for SpireAgent {
    type FetchX509SVIDStream =
        std::pin::Pin<Box<dyn futures::Stream<Item = Result<X509svidResponse, Status>> + Send>>;

    async fn fetch_x509svid(
        &self,
        request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        self.inner.calls.fetch_add(1, Ordering::Relaxed);
        if request.metadata().get("workload.spiffe.io").is_none_or(|value| value != "true") {
            return Err(Status::invalid_argument("security header missing from request"));
        }
        if self.inner.svids.borrow().is_empty() {
            return Err(Status::permission_denied("no identity issued"));
        }
        let mut epoch = self.inner.epoch.subscribe();
        let stream =
            WatchStream::new(self.inner.svids.subscribe()).map(|svids| Ok(X509svidResponse { svids }));
        let ended = async move {
            // The sender lives as long as the agent.
            let _ = epoch.changed().await;
        };
        Ok(Response::new(Box::pin(stream.take_until(Box::pin(ended)))))
    }
}

async fn serve(agent: SpireAgent, listener: UnixListener) {
    let service = hyper_util::service::TowerToHyperService::new(SpiffeWorkloadApiServer::new(agent));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let service = service.clone();
        tokio::spawn(async move {
            let http = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
            // A proxy that leaves is no concern of the agent.
            let _ = http.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
        });
    }
}
