//! The methods of the policy APIs.

use hyper::body::Incoming;
use linkerd2_proxy_api::inbound::PortSpec;
use linkerd2_proxy_api::outbound::TrafficSpec;

use mesh_api::faults::WatchRequest;

use super::request;
use crate::grpc::{Body, Method, Serve, message};
use crate::index::shared::Shared;
use crate::index::{Refusal, Request};

const GET_PORT: &str = "/io.linkerd.proxy.inbound.InboundServerPolicies/GetPort";
const WATCH_PORT: &str = "/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort";
const GET: &str = "/io.linkerd.proxy.outbound.OutboundPolicies/Get";
const WATCH: &str = "/io.linkerd.proxy.outbound.OutboundPolicies/Watch";
const WATCH_FAULTS: &str = "/linkerd.fault.v1.Faults/Watch";

/// Serves `InboundServerPolicies`, `OutboundPolicies` and our own `Faults` from an index.
pub struct Policies {
    index: Shared,
    cluster_domain: String,
}

/// Whether one answer is wanted or all.
#[derive(Clone, Copy)]
enum Wanted {
    One,
    All,
}

impl Policies {
    /// A server of what the index knows.
    pub fn new(index: Shared) -> Self {
        let cluster_domain = index.lock().config().cluster_domain.clone();
        Self { index, cluster_domain }
    }

    fn answer(
        &self,
        wanted: Wanted,
        request: impl Future<Output = Result<Request, Refusal>> + Send + 'static,
    ) -> Method {
        let index = self.index.clone();
        Box::pin(async move {
            let request = request.await?;
            let subscription = index.subscribe(&request)?;
            Ok(match wanted {
                Wanted::One => Body::Once(Some(subscription.newest().full())),
                Wanted::All => Body::stream(index, request, subscription),
            })
        })
    }

    fn inbound(&self, wanted: Wanted, body: Incoming) -> Method {
        self.answer(wanted, async move { request::port(&message::<PortSpec, _>(body).await?) })
    }

    fn outbound(&self, wanted: Wanted, body: Incoming) -> Method {
        let cluster_domain = self.cluster_domain.clone();
        self.answer(wanted, async move {
            request::traffic(&message::<TrafficSpec, _>(body).await?, &cluster_domain)
        })
    }
}

impl Serve for Policies {
    fn call(&self, path: &str, body: Incoming) -> Option<Method> {
        Some(match path {
            GET_PORT => self.inbound(Wanted::One, body),
            WATCH_PORT => self.inbound(Wanted::All, body),
            GET => self.outbound(Wanted::One, body),
            WATCH => self.outbound(Wanted::All, body),
            WATCH_FAULTS => self.answer(Wanted::All, async move {
                message::<WatchRequest, _>(body).await.map(|_| Request::Faults)
            }),
            _ => return None,
        })
    }
}
