//! ServiceProfiles and routes out of protobuf, OpenAPI and a template.
//!
//! A source is read into [`Operations`] by [`openapi::read`] or [`proto::read`]; those are written as a
//! ServiceProfile by [`service_profile`] or as Gateway API routes by [`gateway::http_routes`] and
//! [`gateway::grpc_routes`]. [`template`] is the commented example for people who write their own.
//!
//! Pure: texts in, values out. What a protobuf file imports is asked of the caller ([`proto::Imports`]).

mod error;
pub mod gateway;
pub mod openapi;
mod operation;
mod path;
pub mod proto;
mod template;

use mesh_core::dns::{Label1035, Label1123, Subdomain};
use mesh_core::profile::{
    RequestMatch, ResponseClass, ResponseMatch, Route, ServiceProfile, Spec, StatusRange,
};

pub use error::Error;
pub use operation::{Operation, Operations, Rpc};
pub use path::PathPattern;
pub use template::template;

/// The service that routes are made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The service.
    pub service: Label1035,
    /// Its namespace; the object is put there as well.
    pub namespace: Label1123,
    /// The DNS suffix of the cluster, usually `cluster.local`.
    pub cluster_domain: Subdomain,
}

// === impl Target ===

impl Target {
    /// The name of the service's profile: `<service>.<namespace>.svc.<cluster domain>`.
    pub fn authority(&self) -> String {
        format!("{}.{}.svc.{}", self.service, self.namespace, self.cluster_domain)
    }
}

/// The ServiceProfile of the operations, a route for each, in their order.
pub fn service_profile(target: &Target, operations: Vec<Operation>) -> ServiceProfile {
    let routes = operations.into_iter().map(route).collect();
    ServiceProfile {
        name: target.authority(),
        namespace: Some(target.namespace.to_string()),
        spec: Spec { routes, ..Spec::default() },
    }
}

fn route(operation: Operation) -> Route {
    Route {
        condition: RequestMatch::method_and_path(operation.method, operation.path.regex()),
        name: operation.name,
        response_classes: operation.statuses.into_iter().map(class).collect(),
        is_retryable: operation.retryable,
        timeout: operation.timeout,
    }
}

/// A class for one status or range of them: failures from 500.
fn class(status: StatusRange) -> ResponseClass {
    let is_failure = status.min.is_some_and(|min| min >= 500);
    ResponseClass {
        condition: ResponseMatch { status: Some(status), ..ResponseMatch::default() },
        is_failure,
    }
}
