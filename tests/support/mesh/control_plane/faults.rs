//! Faults on purpose: the project's own interface.

use mesh_api::faults::faults_server::Faults;
use mesh_api::faults::{FaultSet, WatchRequest};
use tonic::{Request, Response, Status};

use super::State;
use super::table::Stream;

/// There is one set.
pub(super) const KEY: &str = "faults";

#[tonic::async_trait]
impl Faults for State {
    type WatchStream = Stream<FaultSet>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.record("Faults/Watch", KEY, &request.into_inner().workload);
        Ok(Response::new(self.faults.stream(KEY, |set| vec![set])))
    }
}
