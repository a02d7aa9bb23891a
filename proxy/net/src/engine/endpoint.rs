//! Endpoints: their connections, and requests that wait for one.

use super::{EndpointSpec, Load};

/// An endpoint of this worker.
pub(super) struct Endpoint {
    pub(super) spec: EndpointSpec,
    pub(super) removed: bool,
    pub(super) requests: u32,
    pub(super) connections: u32,
    pub(super) ready: bool,
}

// === impl Endpoint ===

impl Endpoint {
    pub(super) fn new(spec: EndpointSpec) -> Self {
        let ready = spec.eager.is_none();
        Self { spec, removed: false, requests: 0, connections: 0, ready }
    }

    pub(super) fn load(&self) -> Load {
        Load { ready: self.ready, requests: self.requests, connections: self.connections }
    }
}
