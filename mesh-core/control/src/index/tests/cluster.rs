//! A small cluster whose objects each have a handful of variants.

use serde_json::{Value, json};

use crate::record::{Kind, Record};
use crate::source::Event;

/// An object and what it may look like.
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) variants: Vec<Value>,
}

/// Which variant of each object there is now.
#[derive(Default)]
pub(super) struct Cluster {
    now: std::collections::BTreeMap<usize, usize>,
}

impl Cluster {
    /// Gives an object another look, or takes it away; what its watch tells of that.
    pub(super) fn change(&mut self, object: usize, variant: usize) -> Vec<Event> {
        let Object { kind, variants } = &objects()[object];
        let before = self.now.get(&object).copied();
        let deleted = |variant: usize| {
            let decoded = kind.decode(variants[variant].clone());
            Event::Deleted { kind: *kind, key: decoded.key, uid: decoded.uid }
        };
        if variant >= variants.len() {
            self.now.remove(&object);
            return before.map(deleted).into_iter().collect();
        }
        self.now.insert(object, variant);
        let uid = |variant: usize| variants[variant]["metadata"]["uid"].clone();
        // Another identity under the same name: the first one went.
        let replaced = before.filter(|before| uid(*before) != uid(variant)).map(deleted);
        replaced.into_iter().chain([Event::Applied(record(*kind, &variants[variant]))]).collect()
    }

    /// All objects of a kind.
    pub(super) fn list(&self, kind: Kind) -> Event {
        let there = self.now.iter().map(|(object, variant)| (&objects()[*object], *variant));
        let of_kind = there.filter(|(object, _)| object.kind == kind);
        let records = of_kind.map(|(object, variant)| record(kind, &object.variants[variant])).collect();
        Event::Listed { kind, records, kept: Vec::new() }
    }
}

fn record(kind: Kind, object: &Value) -> Record {
    kind.decode(object.clone()).record.unwrap()
}

/// An object of namespace `shop` with each of `specs` as its variants.
fn object<const N: usize>(kind: Kind, name: &str, specs: [Value; N]) -> Object {
    let variant = |spec| json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec});
    Object { kind, variants: specs.into_iter().map(variant).collect() }
}

fn in_namespace(mut object: Object, namespace: &str) -> Object {
    object.variants.iter_mut().for_each(|it| it["metadata"]["namespace"] = json!(namespace));
    object
}

fn pod(name: &str, uid: &str, ip: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "shop", "uid": uid,
            "labels": {"app": "web", "linkerd.io/control-plane-ns": "linkerd"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-abc", "apiVersion": "apps/v1"}]},
        "spec": {"nodeName": "node-1", "containers": [
            {"name": "web", "ports": [{"name": "http", "containerPort": 8080, "hostPort": 9090}]}]},
        "status": {"phase": "Running", "podIP": ip, "hostIP": "172.20.0.1"},
    });
    change(&mut pod);
    pod
}

fn slice(name: &str, endpoints: &[(&str, &str, &str)]) -> Value {
    let endpoint = |(pod, ip, zone): &(&str, &str, &str)| {
        let mut endpoint = json!({"addresses": [ip], "hostname": pod, "nodeName": "node-1",
            "targetRef": {"kind": "Pod", "name": pod, "namespace": "shop"}});
        if !zone.is_empty() {
            endpoint["hints"] = json!({"forZones": [{"name": zone}]});
        }
        endpoint
    };
    json!({
        "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
        "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>(),
    })
}

/// A slice whose endpoints are meant for these nodes, in turn.
fn for_nodes(mut slice: Value, nodes: &[&str]) -> Value {
    for (endpoint, node) in slice["endpoints"].as_array_mut().unwrap().iter_mut().zip(nodes) {
        endpoint["hints"]["forNodes"] = json!([{"name": node}]);
    }
    slice
}

fn service(name: &str, change: impl FnOnce(&mut Value), ip: &str) -> Value {
    let mut service = json!({"metadata": {"name": name, "namespace": "shop"},
        "spec": {"clusterIP": ip, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}});
    change(&mut service);
    service
}

fn to_service(name: &str) -> Value {
    json!([{"group": "core", "kind": "Service", "name": name, "namespace": "shop", "port": 80}])
}

/// Every object of the cluster.
pub(super) fn objects() -> &'static [Object] {
    static OBJECTS: std::sync::LazyLock<Vec<Object>> = std::sync::LazyLock::new(|| {
        let mut all = workloads();
        all.extend(profiles_and_routes());
        all.extend(policies());
        all
    });
    &OBJECTS
}

fn workloads() -> Vec<Object> {
    let node = |name: &str| {
        let zoned =
            |zone| json!({"metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}}});
        Object {
            kind: Kind::Node,
            variants: vec![zoned("a"), zoned("b"), json!({"metadata": {"name": name}})],
        }
    };
    let unready =
        |pod: &mut Value| pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
    let pods = |name: &str, ips: [&str; 2]| Object {
        kind: Kind::Pod,
        variants: vec![
            pod(name, "one", ips[0], |_| {}),
            pod(name, "two", ips[1], unready),
            pod(name, "two", "", |pod| pod["status"]["phase"] = json!("Pending")),
            pod(name, "two", ips[1], |pod| pod["metadata"]["labels"]["app"] = json!("other")),
            pod(name, "three", ips[0], |pod| pod["status"]["phase"] = json!("Succeeded")),
        ],
    };
    let slices = |variants: Vec<Value>| Object { kind: Kind::EndpointSlice, variants };
    let policy = |policy: &str| json!({"metadata": {"name": "shop", "annotations": {"config.linkerd.io/default-inbound-policy": policy}}});
    let owner = |owners: Value| json!({"metadata": {"name": "web-abc", "namespace": "shop", "ownerReferences": owners}});
    vec![
        node("node-1"),
        node("node-2"),
        Object {
            kind: Kind::Namespace,
            variants: vec![
                policy("deny"),
                policy("all-authenticated"),
                json!({"metadata": {"name": "shop"}}),
            ],
        },
        Object {
            kind: Kind::Service,
            variants: vec![
                service("web", |_| {}, "10.0.0.1"),
                service("web", |_| {}, "10.0.0.9"),
                service("web", |it| it["spec"]["internalTrafficPolicy"] = json!("Local"), "10.0.0.1"),
                service(
                    "web",
                    |it| it["metadata"]["annotations"] = json!({"config.linkerd.io/opaque-ports": "80"}),
                    "10.0.0.1",
                ),
                service(
                    "web",
                    |it| it["spec"] = json!({"type": "ExternalName", "externalName": "example.org"}),
                    "",
                ),
            ],
        },
        Object {
            kind: Kind::Service,
            variants: vec![service("api", |_| {}, "10.0.0.2"), service("api", |_| {}, "10.0.0.9")],
        },
        pods("web-0", ["10.1.0.1", "10.1.0.2"]),
        pods("web-1", ["10.1.0.3", "10.1.0.1"]),
        slices(vec![
            slice("web-a", &[("web-0", "10.1.0.1", "a")]),
            slice("web-a", &[("web-0", "10.1.0.2", "a"), ("web-1", "10.1.0.3", "b")]),
            slice("web-a", &[]),
            for_nodes(
                slice("web-a", &[("web-0", "10.1.0.1", ""), ("web-1", "10.1.0.3", "b")]),
                &["node-2", "node-1"],
            ),
            slice("web-a", &[("web-0", "10.1.0.1", ""), ("web-1", "10.1.0.1", "")]),
        ]),
        slices(vec![
            slice("web-b", &[("web-1", "10.1.0.3", "b")]),
            slice("web-b", &[("web-0", "10.1.0.1", "b")]),
            for_nodes(slice("web-b", &[("web-1", "10.1.0.3", "b")]), &["node-1"]),
            for_nodes(
                slice("web-b", &[("web-0", "10.1.0.1", "a"), ("web-1", "10.1.0.3", "")]),
                &["node-1", "node-2"],
            ),
        ]),
        Object {
            kind: Kind::ReplicaSet,
            variants: vec![
                owner(json!([{"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}])),
                owner(json!([])),
            ],
        },
        object(
            Kind::ExternalWorkload,
            "vm",
            ["10.1.0.7", "10.1.0.3"].map(|ip| {
                json!({"meshTLS": {"identity": "spiffe://vm", "serverName": "vm.example"},
                    "workloadIPs": [{"ip": ip}], "ports": [{"name": "http", "port": 8080}]})
            }),
        ),
    ]
}

fn profiles_and_routes() -> Vec<Object> {
    let profile = |namespace: &str| {
        let route = |name: &str| json!({"routes": [{"name": name, "condition": {"method": "GET"}, "isRetryable": true}]});
        in_namespace(
            object(Kind::ServiceProfile, "web.shop.svc.cluster.local", [route("first"), route("second")]),
            namespace,
        )
    };
    let split = |service: &str| json!({"service": service, "backends": [{"service": "api", "weight": "1"}]});
    let route =
        |parents: Value| json!({"parentRefs": parents, "rules": [{"matches": [{"path": {"value": "/"}}]}]});
    let to_server = json!([{"group": "policy.linkerd.io", "kind": "Server", "name": "web"}]);
    let to_egress =
        json!([{"group": "policy.linkerd.io", "kind": "EgressNetwork", "name": "out", "port": 443}]);
    let weighted = json!({"parentRefs": to_service("web"),
        "rules": [{"backendRefs": [{"name": "web", "port": 80, "weight": 1}, {"name": "api", "port": 80, "weight": 3}]}]});
    let fault = |percentage: u32| {
        json!({"targetRef": {"group": "core", "kind": "Service", "name": "web"}, "percentage": percentage,
            "reset": true, "expires": "2035-01-01T00:00:00Z"})
    };
    vec![
        profile("shop"),
        profile("client"),
        object(Kind::TrafficSplit, "split", [split("web"), split("api")]),
        object(Kind::TrafficSplit, "another", [split("web")]),
        object(
            Kind::PolicyHttpRoute,
            "reads",
            [
                route(to_server),
                route(to_service("web")),
                route(to_service("api")),
                weighted.clone(),
                route(to_egress),
            ],
        ),
        in_namespace(
            object(Kind::PolicyHttpRoute, "mine", [route(to_service("web")), route(json!([]))]),
            "client",
        ),
        object(Kind::HttpRoute, "gateway", [route(to_service("web")), weighted]),
        object(Kind::GrpcRoute, "calls", [json!({"parentRefs": to_service("web"), "rules": [{}]})]),
        object(
            Kind::TcpRoute,
            "bytes",
            [
                json!({"parentRefs": to_service("api"), "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]}),
            ],
        ),
        object(Kind::Fault, "broken", [fault(10), fault(20)]),
    ]
}

fn policies() -> Vec<Object> {
    let server = |selector: Value, protocol: &str| json!({"podSelector": selector, "port": 8080, "proxyProtocol": protocol, "accessPolicy": "deny"});
    let authorize = |name: &str| {
        json!({"targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "web"},
            "requiredAuthenticationRefs": [{"group": "policy.linkerd.io", "kind": name, "name": "who"}]})
    };
    let limit = |rate: u32| json!({"targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "web"}, "total": {"requestsPerSecond": rate}});
    let egress = |policy: &str| json!({"trafficPolicy": policy, "networks": [{"cidr": "192.0.2.0/24"}]});
    vec![
        object(
            Kind::Server,
            "web",
            [server(json!({}), "opaque"), server(json!({"matchLabels": {"app": "web"}}), "HTTP/2")],
        ),
        object(
            Kind::Server,
            "also",
            [server(json!({}), "HTTP/1"), server(json!({"matchLabels": {"app": "none"}}), "TLS")],
        ),
        in_namespace(object(Kind::Server, "web", [server(json!({}), "opaque")]), "evil"),
        object(
            Kind::ServerAuthorization,
            "all",
            [
                json!({"server": {"name": "web"}, "client": {"unauthenticated": true}}),
                json!({"server": {"selector": {}}, "client": {"meshTLS": {"identities": ["*"]}}}),
            ],
        ),
        object(
            Kind::AuthorizationPolicy,
            "some",
            [authorize("MeshTLSAuthentication"), authorize("NetworkAuthentication")],
        ),
        object(
            Kind::MeshTlsAuthentication,
            "who",
            [json!({"identities": ["a.b"]}), json!({"identities": ["*"]})],
        ),
        object(Kind::NetworkAuthentication, "who", [json!({"networks": [{"cidr": "10.0.0.0/8"}]})]),
        object(Kind::RateLimit, "limit", [limit(10), limit(20)]),
        object(Kind::EgressNetwork, "out", [egress("Allow"), egress("Deny")]),
        in_namespace(object(Kind::EgressNetwork, "all", [egress("Deny")]), "linkerd-egress"),
    ]
}
