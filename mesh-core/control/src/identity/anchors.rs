//! The trust anchors, live: our own API beside the published one.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use mesh_api::trust::trust_bundle_server::TrustBundle;
use mesh_api::trust::{Bundle, WatchRequest};
use sha2::{Digest, Sha256};
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use super::material::Material;
use crate::runtime::Shutdown;

/// Serves the bundle in force, and each that takes its place.
pub struct Anchors {
    material: Material,
    shutdown: Shutdown,
}

impl Anchors {
    /// Serves the bundles of `material` until the end begins.
    pub fn new(material: Material, shutdown: Shutdown) -> Self {
        Self { material, shutdown }
    }
}

#[tonic::async_trait]
impl TrustBundle for Anchors {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Bundle, Status>> + Send>>;

    async fn watch(&self, _request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        if self.material.current().bundle.is_none() {
            return Err(Status::unavailable("no trust anchors have been read yet"));
        }
        let mut last = Bytes::new();
        let bundles = WatchStream::new(self.material.watch()).filter_map(move |now| {
            let bundle = now.bundle.as_ref().map(encode).filter(|bundle| bundle.id != last);
            if let Some(bundle) = &bundle {
                last = bundle.id.clone();
            }
            futures::future::ready(bundle.map(Ok))
        });
        Ok(Response::new(Box::pin(bundles.take_until(self.shutdown.signaled()))))
    }
}

fn encode(bundle: &mesh_pki::Bundle) -> Bundle {
    let mut id = Sha256::new();
    let mut roots = Vec::with_capacity(bundle.certificates().len());
    for anchor in bundle.certificates() {
        id.update(anchor.fingerprint());
        roots.push(Bytes::copy_from_slice(anchor.der()));
    }
    Bundle { roots_der: roots, id: Bytes::copy_from_slice(&id.finalize()) }
}
