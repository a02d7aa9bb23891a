//! Judges policy objects before they are stored: pure functions, which the webhook and `check` ask.
//!
//! An object is refused when the control plane could not follow it; the reasons are those with which the index would
//! skip it, so the two cannot disagree. Objects of the Gateway API belong to others too: what of them cannot be read
//! is let through with a warning.

use serde_json::Value;

use super::annotations;
use crate::record::{BackendKind, Filter, Kind, ParentKind, Record, Route, RouteKind};

/// What becomes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Why it is refused; nothing when it is let through.
    pub problems: Vec<String>,
    /// What its author should know.
    pub warnings: Vec<String>,
}

/// Judges an object of a kind the policy webhook is asked about.
pub fn judge(api_version: &str, kind: &str, object: &Value) -> Judgement {
    let mut judgement = Judgement { problems: Vec::new(), warnings: Vec::new() };
    let known = Kind::of(api_version, kind).filter(|kind| is_policy(*kind));
    let Some(known) = known else {
        judgement
            .problems
            .push(format!("{kind} of {api_version} is not judged here: remove it from the webhook's rules"));
        return judgement;
    };
    let ours = !known.watched().group.starts_with("gateway.");
    match known.decode(object.clone()).record {
        Err(error) if ours => judgement.problems.push(error.cause),
        Err(error) => judgement.warnings.push(format!("the mesh passes this {kind} over: {}", error.cause)),
        Ok(Record::EgressNetwork(egress)) => {
            let problems = annotations::problems(&egress.annotations);
            judgement.warnings.extend(problems.iter().map(ToString::to_string));
        }
        Ok(
            Record::PolicyHttpRoute(route)
            | Record::HttpRoute(route)
            | Record::GrpcRoute(route)
            | Record::TlsRoute(route)
            | Record::TcpRoute(route),
        ) => judge_route(&route, &mut judgement),
        Ok(_) => {}
    }
    judgement
}

fn is_policy(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Server
            | Kind::ServerAuthorization
            | Kind::AuthorizationPolicy
            | Kind::MeshTlsAuthentication
            | Kind::NetworkAuthentication
            | Kind::RateLimit
            | Kind::EgressNetwork
            | Kind::Fault
            | Kind::PolicyHttpRoute
            | Kind::HttpRoute
            | Kind::GrpcRoute
            | Kind::TlsRoute
            | Kind::TcpRoute
    )
}

/// Routes of other meshes and gateways are not ours to refuse: only those with a parent of ours are judged.
fn judge_route(route: &Route, judgement: &mut Judgement) {
    if route.parents.iter().all(|parent| parent.kind == ParentKind::Other) {
        return;
    }
    let problems = &mut judgement.problems;
    for parent in &route.parents {
        if parent.kind == ParentKind::EgressNetwork && parent.port.is_none() {
            problems.push(format!("spec.parentRefs: EgressNetwork {} needs a port", parent.key.name));
        }
    }
    if matches!(route.kind, RouteKind::Tls | RouteKind::Tcp) && route.rules.len() != 1 {
        problems.push(format!("spec.rules: exactly one rule is followed, there are {}", route.rules.len()));
    }
    let outbound = route.parents.iter().any(|parent| parent.kind != ParentKind::Server);
    for (at, rule) in route.rules.iter().enumerate() {
        for backend in &rule.backends {
            if backend.kind == BackendKind::Service && backend.port.is_none() {
                problems
                    .push(format!("spec.rules[{at}].backendRefs: Service {} needs a port", backend.key.name));
            }
        }
        for filter in rule.filters.iter().chain(rule.backends.iter().flat_map(|it| it.filters.iter())) {
            match filter {
                Filter::Unsupported(name) => judgement.warnings.push(format!(
                    "spec.rules[{at}].filters: {name} is not done by the mesh and passed over"
                )),
                Filter::ResponseHeaders(_) if !outbound => judgement.warnings.push(format!(
                    "spec.rules[{at}].filters: headers of responses are not changed at a Server"
                )),
                _ => {}
            }
        }
        if let (Some(request), Some(backend)) = (rule.request_timeout, rule.backend_timeout)
            && backend > request
        {
            problems.push(format!("spec.rules[{at}].timeouts: backendRequest is longer than request"));
        }
    }
    problems.extend(annotations::problems(&route.annotations).iter().map(ToString::to_string));
}
