//! The statuses of routes, egress networks and rate limits: what users read, and nobody's answer depends on.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config::Config;
use crate::index::Store;
use crate::record::{
    Backend, BackendKind, EgressNetwork, Kind, Parent, ParentKind, RateLimit, Route, RouteKind, ServiceKind,
};
use crate::writer::{What, Write};

/// Whose entries in statuses are ours.
const CONTROLLER: &str = "linkerd.io/policy-controller";
const GROUP: &str = "policy.linkerd.io";

/// A condition, before its time is known.
struct Condition {
    kind: &'static str,
    holds: bool,
    reason: &'static str,
    message: String,
}

/// The statuses that are missing or wrong.
pub fn plan(store: &Store, config: &Config, now: Timestamp) -> Vec<Write> {
    let routes = store.all_routes().filter_map(|route| of_route(route, store, now));
    let egress = store.all_egress_networks().filter_map(|egress| of_egress(egress, config, now));
    let limits = store.all_rate_limits().filter_map(|limit| of_limit(limit, store, now));
    routes.chain(egress).chain(limits).collect()
}

fn of_route(route: &Route, store: &Store, now: Timestamp) -> Option<Write> {
    let ours = |entry: &&Value| entry.get("controllerName").and_then(Value::as_str) == Some(CONTROLLER);
    let mut parents: Vec<Value> = route.status.iter().filter(|entry| !ours(entry)).cloned().collect();
    let known: Vec<&Value> = route.status.iter().filter(ours).collect();
    let wanted: Vec<&Parent> =
        route.parents.iter().filter(|parent| parent.kind != ParentKind::Other).collect();
    if wanted.is_empty() && known.is_empty() {
        return None;
    }
    let mut same = known.len() == wanted.len();
    for parent in wanted {
        let reference = reference(parent);
        let before = known.iter().find(|entry| is_about(entry, &reference));
        let conditions = [accepted(route, parent, store), resolved(route, store)];
        let (conditions, unchanged) =
            written(&conditions, before.and_then(|it| it.get("conditions")), route.generation, now);
        same &= unchanged && before.is_some();
        parents.push(json!({"controllerName": CONTROLLER, "parentRef": reference, "conditions": conditions}));
    }
    let kind = match route.kind {
        RouteKind::PolicyHttp => Kind::PolicyHttpRoute,
        RouteKind::Http => Kind::HttpRoute,
        RouteKind::Grpc => Kind::GrpcRoute,
        RouteKind::Tls => Kind::TlsRoute,
        RouteKind::Tcp => Kind::TcpRoute,
    };
    (!same).then(|| Write { kind, key: route.key.clone(), what: What::Status(json!({"parents": parents})) })
}

fn reference(parent: &Parent) -> Value {
    let (group, kind) = match parent.kind {
        ParentKind::Server => (GROUP, "Server"),
        ParentKind::EgressNetwork => (GROUP, "EgressNetwork"),
        ParentKind::Service | ParentKind::Other => ("", "Service"),
    };
    let mut reference = json!({"group": group, "kind": kind, "namespace": parent.key.namespace.as_str(),
        "name": parent.key.name.as_str()});
    if let Some(port) = parent.port {
        reference["port"] = port.into();
    }
    reference
}

fn is_about(entry: &Value, reference: &Value) -> bool {
    let written = entry.get("parentRef");
    ["kind", "namespace", "name", "port"]
        .iter()
        .all(|field| written.and_then(|it| it.get(field)) == reference.get(field))
}

/// Whether the parent takes the route.
fn accepted(route: &Route, parent: &Parent, store: &Store) -> Condition {
    let refused = |reason, message: String| Condition { kind: "Accepted", holds: false, reason, message };
    let there = match parent.kind {
        ParentKind::Server => {
            parent.key.namespace == route.key.namespace
                && store.servers(&parent.key.namespace).iter().any(|server| server.key == parent.key)
        }
        ParentKind::EgressNetwork => store.egress(&parent.key).is_some(),
        ParentKind::Service | ParentKind::Other => match store.service(&parent.key) {
            Some(service) if service.kind == ServiceKind::ClusterIp => true,
            Some(_) => {
                let message = format!("Service {} has no cluster IP, which routes need", parent.key.name);
                return refused("NoMatchingParent", message);
            }
            None => false,
        },
    };
    if !there {
        return refused("NoMatchingParent", format!("no parent {} is known", parent.key));
    }
    // Kinds exclude each other on a parent's port: gRPC before HTTP before TLS before TCP.
    let strength = |kind: RouteKind| match kind {
        RouteKind::Grpc => 0,
        RouteKind::PolicyHttp | RouteKind::Http => 1,
        RouteKind::Tls => 2,
        RouteKind::Tcp => 3,
    };
    let meets = |other: &Parent| {
        other.kind == parent.kind
            && other.key == parent.key
            && (other.port == parent.port || other.port.is_none() || parent.port.is_none())
    };
    let stronger = store
        .routes(parent.kind, &parent.key)
        .into_iter()
        .find(|other| strength(other.kind) < strength(route.kind) && other.parents.iter().any(meets));
    match stronger {
        Some(other) => refused(
            "RouteReasonConflicted",
            format!("route {} of a kind that goes first has the same parent", other.key),
        ),
        None => Condition { kind: "Accepted", holds: true, reason: "Accepted", message: String::new() },
    }
}

/// Whether its backends are there.
fn resolved(route: &Route, store: &Store) -> Condition {
    let unresolved = |reason, message| Condition { kind: "ResolvedRefs", holds: false, reason, message };
    let missing = |backend: &&Backend| match &backend.kind {
        BackendKind::Service => store.service(&backend.key).is_none(),
        BackendKind::EgressNetwork => store.egress(&backend.key).is_none(),
        BackendKind::Other(_) => false,
    };
    let mut backends = route.rules.iter().flat_map(|rule| rule.backends.iter());
    if let Some(other) = backends.clone().find(|backend| matches!(backend.kind, BackendKind::Other(_))) {
        return unresolved("InvalidKind", format!("requests cannot be sent to {}", other.key.name));
    }
    match backends.find(missing) {
        Some(backend) => unresolved("BackendNotFound", format!("no backend {} is known", backend.key)),
        None => {
            Condition { kind: "ResolvedRefs", holds: true, reason: "ResolvedRefs", message: String::new() }
        }
    }
}

fn of_egress(egress: &EgressNetwork, config: &Config, now: Timestamp) -> Option<Write> {
    let overlaps = egress.networks.iter().flatten().find(|network| {
        config
            .cluster_networks
            .iter()
            .any(|cluster| cluster.contains(&network.net) || network.net.contains(cluster))
    });
    let condition = match overlaps {
        Some(network) => Condition {
            kind: "Accepted",
            holds: false,
            reason: "EgressReasonNetworkOverlap",
            message: format!("network {} overlaps with the cluster's own", network.net),
        },
        None => Condition { kind: "Accepted", holds: true, reason: "Accepted", message: String::new() },
    };
    let (conditions, same) = written(&[condition], egress.status.get("conditions"), egress.generation, now);
    (!same).then(|| Write {
        kind: Kind::EgressNetwork,
        key: egress.key.clone(),
        what: What::Status(json!({"conditions": conditions})),
    })
}

fn of_limit(limit: &RateLimit, store: &Store, now: Timestamp) -> Option<Write> {
    let namespace = &limit.key.namespace;
    let refused = |reason, message| Condition { kind: "Accepted", holds: false, reason, message };
    let oldest = store.rate_limits(namespace).into_iter().find(|other| other.server == limit.server);
    let condition = if !store.servers(namespace).iter().any(|server| server.key.name == limit.server) {
        refused("NoMatchingTarget", format!("no Server {} is known", limit.server))
    } else if let Some(first) = oldest.filter(|oldest| oldest.key != limit.key) {
        refused("RateLimitReasonAlreadyExists", format!("{} is older and counts", first.key.name))
    } else {
        Condition { kind: "Accepted", holds: true, reason: "Accepted", message: String::new() }
    };
    let (conditions, same) = written(&[condition], limit.status.get("conditions"), limit.generation, now);
    (!same).then(|| Write {
        kind: Kind::RateLimit,
        key: limit.key.clone(),
        what: What::Status(json!({
            "conditions": conditions,
            "targetRef": {"group": GROUP, "kind": "Server", "name": limit.server.as_str()},
        })),
    })
}

/// Conditions as they are written, and whether they already are. A condition keeps its time while it stays the same.
fn written(
    conditions: &[Condition],
    before: Option<&Value>,
    generation: i64,
    now: Timestamp,
) -> (Vec<Value>, bool) {
    let before = before.and_then(Value::as_array);
    let mut same = before.is_some_and(|before| before.len() == conditions.len());
    let written = conditions.iter().map(|condition| {
        let known = before.into_iter().flatten().find(|it| it.get("type").and_then(Value::as_str) == Some(condition.kind));
        let status = if condition.holds { "True" } else { "False" };
        let is = |field: &str, value: &str| known.and_then(|it| it.get(field)).and_then(Value::as_str) == Some(value);
        let unchanged = is("status", status) && is("reason", condition.reason) && is("message", &condition.message);
        same &= unchanged;
        let time = known.filter(|_| unchanged).and_then(|it| it.get("lastTransitionTime"));
        let seconds = Timestamp::from_second(now.as_second()).unwrap_or(now);
        json!({
            "type": condition.kind, "status": status, "reason": condition.reason, "message": condition.message,
            "lastTransitionTime": time.cloned().unwrap_or_else(|| seconds.to_string().into()),
            "observedGeneration": generation,
        })
    });
    let written = written.collect();
    (written, same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Event;

    fn know(store: &mut Store, kind: Kind, object: Value) {
        store.apply(Event::Applied(kind.decode(object).record.unwrap()));
    }

    fn route(status: Value) -> Value {
        json!({
            "metadata": {"name": "r", "namespace": "shop", "generation": 3},
            "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": "web", "port": 80}],
                "rules": [{"backendRefs": [{"name": "gone", "port": 80}]}]},
            "status": status,
        })
    }

    #[test]
    fn what_is_written_is_written_once_and_others_entries_stay() {
        // Flaws they answer: patches without effect; entries of other controllers lost.
        let mut store = Store::default();
        let other =
            json!({"controllerName": "example.com/gateway", "parentRef": {"name": "gw"}, "conditions": []});
        know(
            &mut store,
            Kind::Service,
            json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}}),
        );
        know(&mut store, Kind::HttpRoute, route(json!({"parents": [other]})));
        let (config, now) = (Config::default(), Timestamp::UNIX_EPOCH);
        let writes = plan(&store, &config, now);
        let [Write { kind: Kind::HttpRoute, what: What::Status(status), .. }] = writes.as_slice() else {
            panic!("{writes:?}")
        };
        assert_eq!(status["parents"][0], other);
        let conditions = &status["parents"][1]["conditions"];
        assert_eq!(
            (&conditions[0]["reason"], &conditions[1]["reason"]),
            (&json!("Accepted"), &json!("BackendNotFound"))
        );
        know(&mut store, Kind::HttpRoute, route(status.clone()));
        assert_eq!(plan(&store, &config, Timestamp::MAX), []);
        // Kinds that go first take the parent's port for themselves.
        let mut grpc = route(json!({}));
        grpc["metadata"]["name"] = json!("g");
        know(&mut store, Kind::GrpcRoute, grpc);
        let reasons: Vec<String> = plan(&store, &config, now)
            .iter()
            .map(|write| match &write.what {
                What::Status(status) => {
                    let parents = status["parents"].as_array().unwrap();
                    parents.last().unwrap()["conditions"][0]["reason"].as_str().unwrap().to_owned()
                }
                _ => panic!("a status"),
            })
            .collect();
        assert_eq!(reasons, ["RouteReasonConflicted", "Accepted"]);
    }
}
