//! Services that stand for those of other clusters.

use linkerd2_proxy_api::destination::{tls_identity, update::Update};
use serde_json::{Value, json};
use tonic::Code;

use crate::kit::{Endpoints, World, service, slice, web};

const EAST: &str = "web-east.shop.svc.cluster.local:80";
const ALL: &str = "web-federated.shop.svc.cluster.local:80";

/// The copy here of Service `web` of a cluster.
fn copy(cluster: &str) -> Value {
    let mut copy = service(&format!("web-{cluster}"), "10.0.0.7");
    copy["metadata"]["labels"] = json!({
        "multicluster.linkerd.io/remote-discovery": cluster,
        "multicluster.linkerd.io/remote-service": "web",
    });
    copy["spec"].as_object_mut().unwrap().remove("selector");
    copy
}

/// A Service whose members are these.
fn federated(local: Option<&str>, remote: &str) -> Value {
    let mut service = service("web-federated", "10.0.0.8");
    service["metadata"]["annotations"] = json!({"multicluster.linkerd.io/remote-discovery": remote});
    if let Some(local) = local {
        service["metadata"]["annotations"]["multicluster.linkerd.io/local-discovery"] = json!(local);
    }
    service["spec"].as_object_mut().unwrap().remove("selector");
    service
}

fn identity(stream: &Endpoints, address: &str) -> String {
    let identity = stream.one(address).tls_identity.as_ref().unwrap();
    match &identity.strategy {
        Some(tls_identity::Strategy::DnsLikeIdentity(name)) => name.name.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_copy_of_a_service_has_the_endpoints_of_the_other_cluster() {
    let world = World::with(&[copy("east")]).await;
    let Err(status) = world.get_as(EAST, "").await else { panic!("answered for a cluster nobody linked") };
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
    let east =
        world.link("east", "east.example", &web(&[("web-0", "10.1.0.1"), ("web-1", "10.1.0.2")])).await;
    let mut stream = world.get_soon(EAST, "").await;
    let Update::Add(set) = stream.next().await else { panic!("the first message adds") };
    for (label, value) in [
        ("namespace", "shop"),
        ("service", "web-east"),
        ("target_cluster", "east"),
        ("target_service", "web"),
        ("target_service_namespace", "shop"),
    ] {
        assert_eq!(set.metric_labels[label], value);
    }
    stream.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    // Its mesh has a trust domain of its own.
    assert_eq!(identity(&stream, "10.1.0.1:8080"), "web.shop.serviceaccount.identity.linkerd.east.example");
    east.apply(&slice("web-a", "web", &[("web-1", "10.1.0.2")]));
    stream.become_(&["10.1.0.2:8080"]).await;
    // A Server there makes a port opaque, as it would for clients there.
    east.apply(&json!({"apiVersion": "policy.linkerd.io/v1beta3", "kind": "Server",
        "metadata": {"name": "s", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "port": "http", "proxyProtocol": "opaque"}}));
    assert!(matches!(stream.next().await, Update::Add(_)));
    east.apply(&slice("web-a", "web", &[]));
    assert!(matches!(stream.next().await, Update::NoEndpoints(none) if none.exists));
    // A link that is taken away ends what came of it.
    east.unlink(&world);
    assert_eq!(stream.ending().await, Code::NotFound);
}

#[tokio::test]
async fn a_copy_that_does_not_say_of_what_is_refused() {
    let mut nameless = copy("east");
    nameless["metadata"]["labels"].as_object_mut().unwrap().remove("multicluster.linkerd.io/remote-service");
    let world = World::with(&[nameless]).await;
    let Err(status) = world.get_as(EAST, "").await else { panic!("answered") };
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
}

#[tokio::test]
async fn a_federated_service_is_the_union_of_its_members() {
    let mut here = vec![federated(Some("web"), "web@east")];
    here.extend(web(&[("web-0", "10.1.0.1")]));
    let world = World::with(&here).await;
    // Flaw it answers: a cluster that could not be found at the start was never looked for again.
    let mut stream = world.get(ALL).await;
    stream.become_(&["10.1.0.1:8080"]).await;
    let east = world.link("east", "east.example", &web(&[("web-0", "10.2.0.1")])).await;
    stream.become_(&["10.1.0.1:8080", "10.2.0.1:8080"]).await;
    let remote = stream.one("10.2.0.1:8080");
    assert_eq!(remote.metric_labels["target_cluster"], "east");
    assert!(!stream.one("10.1.0.1:8080").metric_labels.contains_key("target_cluster"));
    assert!(identity(&stream, "10.2.0.1:8080").ends_with(".east.example"));
    assert!(identity(&stream, "10.1.0.1:8080").ends_with(".cluster.local"));
    // Flaw it answers: one member that empties emptied them all.
    east.apply(&slice("web-a", "web", &[]));
    assert!(matches!(stream.next().await, Update::Remove(gone) if gone.addrs.len() == 1));
    assert_eq!(stream.addresses(), ["10.1.0.1:8080"]);
    east.apply(&slice("web-a", "web", &[("web-0", "10.2.0.1")]));
    stream.become_(&["10.1.0.1:8080", "10.2.0.1:8080"]).await;
    // Members leave and come while it is watched.
    world.apply(&federated(None, "web@east,web@nowhere,nonsense"));
    stream.become_(&["10.2.0.1:8080"]).await;
    world.apply(&federated(Some("web"), ""));
    stream.become_(&["10.1.0.1:8080"]).await;
    world.apply(&slice("web-a", "web", &[]));
    assert!(matches!(stream.next().await, Update::NoEndpoints(none) if none.exists));
}

#[tokio::test]
async fn services_behind_a_gateway_have_its_address_identity_and_their_own_name() {
    let mut mirrored = service("web-west", "10.0.0.9");
    mirrored["spec"].as_object_mut().unwrap().remove("selector");
    let gateway = |ip: &str| {
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "web-west", "namespace": "shop",
                "labels": {"kubernetes.io/service-name": "web-west", "mirror.linkerd.io/cluster-name": "west"},
                "annotations": {
                    "mirror.linkerd.io/remote-gateway-identity": "gw.linkerd-multicluster.serviceaccount.identity.linkerd.west.example",
                    "mirror.linkerd.io/remote-svc-fq-name": "web.shop.svc.west.example"}},
            "ports": [{"name": "http", "port": 4143, "protocol": "TCP"}],
            "endpoints": [{"addresses": [ip]}]})
    };
    let world = World::with(&[mirrored, gateway("192.168.1.1")]).await;
    let mut stream = world.get("web-west.shop.svc.cluster.local:80").await;
    let Update::Add(set) = stream.next().await else { panic!("the first message adds") };
    assert_eq!(set.metric_labels["target_cluster"], "west");
    assert_eq!(set.metric_labels["target_service"], "web");
    assert_eq!(set.metric_labels["target_service_namespace"], "shop");
    let address = stream.one("192.168.1.1:4143").clone();
    assert_eq!(address.authority_override.unwrap().authority_override, "web.shop.svc.west.example:80");
    assert!(identity(&stream, "192.168.1.1:4143").starts_with("gw.linkerd-multicluster."));
    assert!(address.tls_identity.unwrap().server_name.is_none());
    assert!(address.protocol_hint.is_none());
    // The gateway moves.
    world.apply(&gateway("192.168.1.2"));
    stream.become_(&["192.168.1.2:4143"]).await;
}
