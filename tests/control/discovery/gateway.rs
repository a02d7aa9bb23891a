//! Routes of the Gateway API.

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
