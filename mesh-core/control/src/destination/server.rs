//! The methods of the destination API.

use hyper::body::Incoming;
use linkerd2_proxy_api::destination::GetDestination;

use super::request;
use crate::grpc::{Body, Method, Serve, message};
use crate::index::shared::Shared;
use crate::index::{Refusal, Request};

const GET: &str = "/io.linkerd.proxy.destination.Destination/Get";
const GET_PROFILE: &str = "/io.linkerd.proxy.destination.Destination/GetProfile";

/// Serves `io.linkerd.proxy.destination.Destination` from an index.
pub struct Destination {
    index: Shared,
    cluster_domain: String,
}

impl Destination {
    /// A server of what the index knows.
    pub fn new(index: Shared) -> Self {
        let cluster_domain = index.lock().config().cluster_domain.clone();
        Self { index, cluster_domain }
    }

    fn watch(&self, body: Incoming, parse: fn(&GetDestination, &str) -> Result<Request, Refusal>) -> Method {
        let (index, cluster_domain) = (self.index.clone(), self.cluster_domain.clone());
        Box::pin(async move {
            let request = parse(&message::<GetDestination, _>(body).await?, &cluster_domain)?;
            let subscription = index.subscribe(&request)?;
            Ok(Body::stream(index, request, subscription))
        })
    }
}

impl Serve for Destination {
    fn call(&self, path: &str, body: Incoming) -> Option<Method> {
        match path {
            GET => Some(self.watch(body, request::endpoints)),
            GET_PROFILE => Some(self.watch(body, request::profile)),
            _ => None,
        }
    }
}
