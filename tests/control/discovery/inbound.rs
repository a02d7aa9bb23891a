//! The inbound API: who may reach a port.

use linkerd2_proxy_api::inbound::{Authz, HttpRoute, Server, authn, proxy_protocol::Kind};
use linkerd2_proxy_api::meta::{Metadata, metadata};
use serde_json::{Value, json};
use tonic::Code;

use crate::kit::{World, pod};

const POLICY: &str = "policy.linkerd.io/v1alpha1";

fn server(name: &str, protocol: &str, access: &str) -> Value {
    json!({"apiVersion": "policy.linkerd.io/v1beta3", "kind": "Server", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "port": "http",
            "proxyProtocol": protocol, "accessPolicy": access}})
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": POLICY, "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec})
}

fn policy(name: &str, target: Value, required: Value) -> Value {
    object("AuthorizationPolicy", name, json!({"targetRef": target, "requiredAuthenticationRefs": required}))
}

fn route(name: &str, path: &str) -> Value {
    json!({"apiVersion": "policy.linkerd.io/v1beta3", "kind": "HTTPRoute", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"parentRefs": [{"group": "policy.linkerd.io", "kind": "Server", "name": "web"}],
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": path}, "method": "GET"}]}]}})
}

/// A pod whose port `http` is probed.
fn probed() -> Value {
    let mut pod = pod("web-0", "10.1.0.1");
    pod["spec"]["containers"][0]["readinessProbe"] =
        json!({"httpGet": {"path": "/ready?x=1", "port": "http"}});
    pod
}

fn name(metadata: &Option<Metadata>) -> String {
    match metadata.as_ref().and_then(|it| it.kind.as_ref()) {
        Some(metadata::Kind::Default(name)) => name.clone(),
        Some(metadata::Kind::Resource(resource)) => format!("{}/{}", resource.kind, resource.name),
        None => String::new(),
    }
}

fn names(authorizations: &[Authz]) -> Vec<String> {
    authorizations.iter().map(|it| name(&it.metadata)).collect()
}

fn routes(server: &Server) -> &[HttpRoute] {
    match server.protocol.as_ref().unwrap().kind.as_ref().unwrap() {
        Kind::Detect(detect) => &detect.http_routes,
        Kind::Http1(http) => &http.routes,
        Kind::Http2(http) => &http.routes,
        other => panic!("no HTTP: {other:?}"),
    }
}

fn route_names(server: &Server) -> Vec<String> {
    routes(server).iter().map(|it| name(&it.metadata)).collect()
}

#[tokio::test]
async fn without_a_server_the_default_policy_holds_and_probes_get_through() {
    let world = World::with(&[probed()]).await;
    let mut port = world.watch_port(r#"{"ns":"shop","pod":"web-0"}"#, 8080).await.unwrap();
    let open = port.next().await;
    assert_eq!(open.labels["name"], "all-unauthenticated");
    assert_eq!(names(&open.authorizations), ["all-unauthenticated"]);
    assert_eq!(route_names(&open), ["default", "probe"]);
    assert_eq!(routes(&open)[1].authorizations.len(), 1);

    // Flaws they answer: annotations and probes of a pod were read once, and changes of them ignored.
    let mut denied = probed();
    denied["metadata"]["annotations"] = json!({"config.linkerd.io/default-inbound-policy": "deny"});
    world.apply(&denied);
    let closed = port.next().await;
    assert!(closed.authorizations.is_empty() && closed.labels["name"] == "deny");
    assert_eq!(route_names(&closed), ["default", "probe"], "probes get through even then");

    denied["metadata"]["annotations"] =
        json!({"config.linkerd.io/proxy-require-identity-inbound-ports": "http"});
    world.apply(&denied);
    let identified = port.next().await;
    assert_eq!(names(&identified.authorizations), ["all-authenticated"]);

    denied["metadata"]["annotations"] = json!({"config.linkerd.io/opaque-ports": "8080"});
    world.apply(&denied);
    assert!(matches!(port.next().await.protocol.unwrap().kind, Some(Kind::Opaque(_))));
    world.delete(&denied);
    assert_eq!(port.ending().await, Code::NotFound);
}

#[tokio::test]
async fn the_old_token_works_and_unknown_workloads_are_not_found() {
    let world = World::with(&[pod("web-0", "10.1.0.1")]).await;
    world.watch_port("shop:web-0", 8080).await.unwrap().next().await;
    for (workload, port, code) in [
        ("shop:nobody", 8080, Code::NotFound),
        ("shop", 8080, Code::InvalidArgument),
        ("shop:web-0", 0, Code::InvalidArgument),
        ("shop:web-0", 65_536, Code::InvalidArgument),
    ] {
        let Err(status) = world.watch_port(workload, port).await else { panic!("{workload} was answered") };
        assert_eq!(status.code(), code, "{workload}");
    }
}

#[tokio::test]
async fn a_server_lets_in_whom_authorizations_name_and_nobody_else() {
    let world = World::with(&[pod("web-0", "10.1.0.1"), server("web", "HTTP/1", "deny")]).await;
    let mut port = world.watch_port("shop:web-0", 8080).await.unwrap();
    let none = port.next().await;
    assert!(none.authorizations.is_empty());
    assert_eq!((&*none.labels["kind"], &*none.labels["name"]), ("server", "web"));

    let to_server = json!({"group": "policy.linkerd.io", "kind": "Server", "name": "web"});
    let identities = json!([{"group": "policy.linkerd.io", "kind": "MeshTLSAuthentication", "name": "who"}]);
    world.apply(&policy("may", to_server, identities));
    // What is required does not exist: the policy lets nobody in.
    port.silent().await;
    world.apply(&object(
        "MeshTLSAuthentication",
        "who",
        json!({"identityRefs": [{"kind": "Namespace", "name": "client"}]}),
    ));
    let some = port.next().await;
    assert_eq!(names(&some.authorizations), ["authorizationpolicy/may"]);
    let Some(authn::Permit::MeshTls(tls)) = some.authorizations[0].authentication.clone().unwrap().permit
    else {
        panic!("not by identity");
    };
    let Some(authn::permit_mesh_tls::Clients::Identities(clients)) = tls.clients else { panic!("anybody") };
    assert_eq!(clients.suffixes[0].parts.join("."), "client.serviceaccount.identity.linkerd.cluster.local");

    world.apply(&json!({"apiVersion": "policy.linkerd.io/v1beta1", "kind": "ServerAuthorization",
        "metadata": {"name": "old", "namespace": "shop"},
        "spec": {"server": {"name": "web"}, "client": {"unauthenticated": true, "networks": [
            {"cidr": "10.0.0.0/8", "except": ["10.9.0.0/16"]}]}}}));
    let both = port.next().await;
    assert_eq!(names(&both.authorizations), ["serverauthorization/old", "authorizationpolicy/may"]);
    assert_eq!(both.authorizations[0].networks[0].except.len(), 1);

    world.apply(&policy("all", json!({"kind": "Namespace", "name": "shop"}), json!([])));
    let three = port.next().await;
    assert_eq!(three.authorizations.len(), 3);
    world.apply(&server("web", "HTTP/1", "audit"));
    let audited = port.next().await;
    assert_eq!(names(&audited.authorizations).last().unwrap(), "audit");
}

#[tokio::test]
async fn routes_count_at_once_and_their_policies_for_them_alone() {
    // Flaw it answers: a route was in force only after the leader had written so into its status.
    let world = World::with(&[probed(), server("web", "unknown", "all-authenticated")]).await;
    let mut port = world.watch_port("shop:web-0", 8080).await.unwrap();
    assert_eq!(route_names(&port.next().await), ["default", "probe"]);
    world.apply(&route("reads", "/books"));
    let routed = port.next().await;
    assert_eq!(route_names(&routed), ["HTTPRoute/reads"], "no default route and no probe beside it");
    assert!(routes(&routed)[0].authorizations.is_empty());
    let to_route = json!({"group": "policy.linkerd.io", "kind": "HTTPRoute", "name": "reads"});
    let account = json!([{"kind": "ServiceAccount", "name": "web", "namespace": "client"}]);
    world.apply(&policy("read", to_route, account));
    let allowed = port.next().await;
    assert_eq!(names(&routes(&allowed)[0].authorizations), ["authorizationpolicy/read"]);
    assert_eq!(names(&allowed.authorizations), ["all-authenticated"]);
    // Flaw it answers: a route that was given another parent stayed with the first.
    let mut moved = route("reads", "/books");
    moved["spec"]["parentRefs"][0]["name"] = json!("other");
    world.apply(&moved);
    assert_eq!(route_names(&port.next().await), ["default", "probe"]);
}

#[tokio::test]
async fn a_rate_limit_is_told_and_the_oldest_counts() {
    let limit = |name: &str, total: u32| {
        object(
            "HTTPLocalRateLimitPolicy",
            name,
            json!({
            "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "web"},
            "total": {"requestsPerSecond": total}, "identity": {"requestsPerSecond": 10},
            "overrides": [{"requestsPerSecond": 20, "clientRefs": [{"kind": "ServiceAccount", "name": "batch", "namespace": "client"}]}]}),
        )
    };
    let world =
        World::with(&[pod("web-0", "10.1.0.1"), server("web", "HTTP/2", "deny"), limit("a", 100)]).await;
    let mut port = world.watch_port("shop:web-0", 8080).await.unwrap();
    let server = port.next().await;
    let Some(Kind::Http2(http)) = server.protocol.unwrap().kind else { panic!("not HTTP/2") };
    let told = http.local_rate_limit.unwrap();
    assert_eq!(
        (told.total.unwrap().requests_per_second, told.identity.unwrap().requests_per_second),
        (100, 10)
    );
    let client = &told.overrides[0].clients.as_ref().unwrap().identities[0].name;
    assert_eq!(client, "batch.client.serviceaccount.identity.linkerd.cluster.local");
    world.apply(&limit("b", 50));
    port.silent().await;
    world.delete(&limit("a", 0));
    let Some(Kind::Http2(http)) = port.next().await.protocol.unwrap().kind else { panic!("not HTTP/2") };
    assert_eq!(http.local_rate_limit.unwrap().total.unwrap().requests_per_second, 50);
}
