//! Routes of gRPC.

use linkerd2_proxy_api::grpc_route::{GrpcRouteMatch, GrpcRpcMatch};
use linkerd2_proxy_api::outbound::grpc_route::{
    Distribution, RouteBackend, Rule, WeightedRouteBackend, distribution,
};
use linkerd2_proxy_api::outbound::proxy_protocol::{Grpc, Kind};
use linkerd2_proxy_api::outbound::{Backend, GrpcRoute};

use super::super::resource;

/// A destination that speaks gRPC, with these routes.
#[must_use]
pub fn protocol(routes: Vec<GrpcRoute>) -> Kind {
    Kind::Grpc(Grpc { routes, failure_accrual: None })
}

/// A route of a resource, for all hosts.
#[must_use]
pub fn route(name: &str, rules: Vec<Rule>) -> GrpcRoute {
    let metadata = Some(resource("gateway.networking.k8s.io", "GRPCRoute", name, 0));
    GrpcRoute { metadata, hosts: Vec::new(), rules }
}

/// A rule without filters, limits and retries.
#[must_use]
pub fn rule(matches: Vec<GrpcRouteMatch>, backends: Distribution) -> Rule {
    Rule { matches, backends: Some(backends), ..Default::default() }
}

/// A match of calls by service and method; an empty name stands for any.
#[must_use]
pub fn rpc(service: &str, method: &str) -> GrpcRouteMatch {
    let rpc = GrpcRpcMatch { service: service.to_owned(), method: method.to_owned() };
    GrpcRouteMatch { rpc: Some(rpc), headers: Vec::new() }
}

/// One backend.
#[must_use]
pub fn first(backend: &Backend) -> Distribution {
    let backends = vec![route_backend(backend)];
    let kind = distribution::Kind::FirstAvailable(distribution::FirstAvailable { backends });
    Distribution { kind: Some(kind) }
}

/// Backends with weights.
#[must_use]
pub fn weighted(backends: &[(&Backend, u32)]) -> Distribution {
    let weighted =
        |&(backend, weight)| WeightedRouteBackend { backend: Some(route_backend(backend)), weight };
    let backends = backends.iter().map(weighted).collect();
    let kind = distribution::Kind::RandomAvailable(distribution::RandomAvailable { backends });
    Distribution { kind: Some(kind) }
}

fn route_backend(backend: &Backend) -> RouteBackend {
    RouteBackend { backend: Some(backend.clone()), ..Default::default() }
}
