//! Routes of the Gateway API.

use linkerd2_proxy_api::outbound::grpc_route;
use linkerd2_proxy_api::outbound::proxy_protocol::Kind;
use serde_json::{Value, json};

use crate::kit::{World, service};
use crate::outbound::{detected, names};

const WEB: &str = "10.0.0.1:80";

#[tokio::test]
async fn routes_of_the_gateway_api_count_too_and_grpc_beats_http() {
    let gateway = |kind: &str, version: &str, rules: Value| {
        json!({"apiVersion": format!("gateway.networking.k8s.io/{version}"), "kind": kind,
            "metadata": {"name": kind.to_lowercase(), "namespace": "shop"},
            "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": "web", "port": 80}], "rules": rules}})
    };
    let tcp = gateway("TCPRoute", "v1alpha2", json!([{"backendRefs": [{"name": "web", "port": 80}]}]));
    let world = World::with(&[service("web", "10.0.0.1"), tcp]).await;
    let mut stream = world.watch_target(WEB, "client").await.unwrap();
    assert!(matches!(stream.next().await.protocol.unwrap().kind, Some(Kind::Opaque(_))));
    let mut tls = gateway("TLSRoute", "v1alpha2", json!([{"backendRefs": [{"name": "web", "port": 80}]}]));
    tls["spec"]["hostnames"] = json!(["*.example.org"]);
    world.apply(&tls);
    let Some(Kind::Tls(tls)) = stream.next().await.protocol.unwrap().kind else { panic!("not TLS") };
    assert_eq!(tls.routes[0].snis.len(), 1);
    world.apply(&gateway("HTTPRoute", "v1", json!([{"matches": [{"method": "GET"}]}])));
    assert_eq!(names(detected(&stream.next().await).0), ["httproute"]);
    world.apply(&gateway(
        "GRPCRoute",
        "v1",
        json!([{"matches": [{"method": {"service": "books.Books", "method": "List"}}]}]),
    ));
    let Some(Kind::Grpc(grpc)) = stream.next().await.protocol.unwrap().kind else { panic!("not gRPC") };
    let rpc = grpc.routes[0].rules[0].matches[0].rpc.as_ref().unwrap();
    assert_eq!((&*rpc.service, &*rpc.method), ("books.Books", "List"));
}

#[tokio::test]
async fn annotations_of_routes_and_parents_say_how_calls_are_retried_and_timed() {
    use linkerd2_proxy_api::outbound::failure_accrual::Kind as Accrual;
    let mut web = service("web", "10.0.0.1");
    web["metadata"]["annotations"] = json!({
        "retry.linkerd.io/grpc": "unavailable", "timeout.linkerd.io/response": "3s",
        "balancer.linkerd.io/failure-accrual": "consecutive"});
    let route = |annotations: Value| {
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GRPCRoute",
            "metadata": {"name": "list", "namespace": "shop", "annotations": annotations},
            "spec": {"parentRefs": [{"group": "core", "kind": "Service", "name": "web", "port": 80}],
                "rules": [{"backendRefs": [{"name": "web", "port": 80, "weight": 3}, {"name": "nobody", "port": 80}]}]}})
    };
    let world = World::with(&[web, route(json!({}))]).await;
    let mut stream = world.watch_target(WEB, "client").await.unwrap();
    let Some(Kind::Grpc(grpc)) = stream.next().await.protocol.unwrap().kind else { panic!("not gRPC") };
    assert!(
        matches!(grpc.failure_accrual.unwrap().kind, Some(Accrual::ConsecutiveFailures(it)) if it.max_failures == 7)
    );
    let rule = &grpc.routes[0].rules[0];
    // The parent's word counts where the route says nothing.
    assert_eq!(rule.timeouts.unwrap().response.unwrap().seconds, 3);
    let retry = rule.retry.as_ref().unwrap();
    assert!(retry.conditions.unwrap().unavailable && retry.max_retries == 1);
    let Some(grpc_route::distribution::Kind::RandomAvailable(random)) = &rule.backends.as_ref().unwrap().kind
    else {
        panic!("not weighted")
    };
    assert_eq!((random.backends[0].weight, random.backends[1].weight), (3, 1));
    assert!(random.backends[0].backend.as_ref().unwrap().filters.is_empty());
    assert_eq!(random.backends[1].backend.as_ref().unwrap().filters.len(), 1, "its share fails");
    world.apply(&route(json!({"retry.linkerd.io/grpc": "internal,cancelled", "retry.linkerd.io/limit": "4",
        "retry.linkerd.io/timeout": "400ms", "timeout.linkerd.io/request": "1s"})));
    let Some(Kind::Grpc(grpc)) = stream.next().await.protocol.unwrap().kind else { panic!("not gRPC") };
    let rule = &grpc.routes[0].rules[0];
    let retry = rule.retry.as_ref().unwrap();
    let conditions = retry.conditions.unwrap();
    assert!(conditions.internal && conditions.cancelled && !conditions.unavailable && retry.max_retries == 4);
    assert_eq!(retry.timeout.unwrap().nanos, 400_000_000);
    let timeouts = rule.timeouts.unwrap();
    assert_eq!((timeouts.request.unwrap().seconds, timeouts.response), (1, None), "the route's word alone");
}
