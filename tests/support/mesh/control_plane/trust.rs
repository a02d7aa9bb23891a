//! The trust anchors, live: the project's own interface.

use aws_lc_rs::digest::{SHA256, digest};
use mesh_api::trust::trust_bundle_server::TrustBundle;
use mesh_api::trust::{Bundle, WatchRequest};
use tonic::{Request, Response, Status};

use super::State;
use super::table::Stream;
use crate::mesh::authority::Authority;

/// There is one bundle.
pub(super) const KEY: &str = "bundle";

/// The bundle of some authorities.
pub(super) fn bundle(authorities: &[&Authority]) -> Bundle {
    let prints: Vec<u8> =
        authorities.iter().flat_map(|authority| digest(&SHA256, authority.der()).as_ref().to_vec()).collect();
    Bundle {
        roots_der: authorities.iter().map(|authority| authority.der().to_vec().into()).collect(),
        id: digest(&SHA256, &prints).as_ref().to_vec().into(),
    }
}

#[tonic::async_trait]
impl TrustBundle for State {
    type WatchStream = Stream<Bundle>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.record("TrustBundle/Watch", KEY, "");
        Ok(Response::new(self.bundle.stream(KEY, |bundle| vec![bundle])))
    }
}
