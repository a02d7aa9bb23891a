//! Get: the addresses of a Service.

use linkerd2_proxy_api::destination::{protocol_hint, tls_identity, update::Update};
use serde_json::json;
use tonic::Code;

use crate::kit::{WEB, World, pod, service, slice, web};

#[tokio::test]
async fn a_service_is_told_with_everything_a_proxy_needs() {
    let world = World::with(&web(&[("web-0", "10.1.0.1")])).await;
    let mut stream = world.get(WEB).await;
    let Update::Add(set) = stream.next().await else { panic!("the first message adds") };
    assert_eq!(set.metric_labels["service"], "web");
    assert_eq!(set.metric_labels["namespace"], "shop");
    let address = stream.one("10.1.0.1:8080");
    assert_eq!(address.weight, 10_000);
    assert_eq!(address.metric_labels["pod"], "web-0");
    assert_eq!(address.metric_labels["serviceaccount"], "web");
    assert_eq!(address.metric_labels["control_plane_ns"], "linkerd");
    assert_eq!(address.metric_labels["pod_template_hash"], "abc");
    assert_eq!(address.metric_labels["zone_locality"], "unknown");
    let identity = address.tls_identity.as_ref().unwrap();
    let name = "web.shop.serviceaccount.identity.linkerd.cluster.local";
    assert_eq!(identity.server_name.as_ref().unwrap().name, name);
    assert!(
        matches!(&identity.strategy, Some(tls_identity::Strategy::DnsLikeIdentity(id)) if id.name == name)
    );
    let hint = address.protocol_hint.as_ref().unwrap();
    assert!(matches!(hint.protocol, Some(protocol_hint::Protocol::H2(_))));
    assert_eq!(hint.opaque_transport.unwrap().inbound_port, 4143);
    assert!(address.http2.as_ref().unwrap().keep_alive.is_some());
}

#[tokio::test]
async fn an_empty_service_is_told_at_once_and_again_when_it_empties() {
    // Flaw it answers: silence for zero endpoints made proxies retry for ever and keep stale addresses.
    let objects = [service("web", "10.0.0.1"), pod("web-0", "10.1.0.1"), slice("web-a", "web", &[])];
    let world = World::with(&objects).await;
    let mut stream = world.get(WEB).await;
    assert!(matches!(stream.next().await, Update::NoEndpoints(none) if none.exists));
    world.apply(&slice("web-a", "web", &[("web-0", "10.1.0.1")]));
    stream.become_(&["10.1.0.1:8080"]).await;
    world.apply(&slice("web-a", "web", &[]));
    assert!(matches!(stream.next().await, Update::NoEndpoints(none) if none.exists));
    world.delete(&service("web", "10.0.0.1"));
    assert!(matches!(stream.next().await, Update::NoEndpoints(none) if !none.exists));
    world.apply(&service("web", "10.0.0.1"));
    assert!(matches!(stream.next().await, Update::NoEndpoints(none) if none.exists));
}

#[tokio::test]
async fn only_what_differs_is_sent() {
    let pods = [("web-0", "10.1.0.1"), ("web-1", "10.1.0.2"), ("web-2", "10.1.0.3")];
    let mut objects: Vec<_> = pods.iter().map(|(name, ip)| pod(name, ip)).collect();
    objects.extend([service("web", "10.0.0.1"), slice("web-a", "web", &pods[..2])]);
    let world = World::with(&objects).await;
    let mut stream = world.get(WEB).await;
    stream.become_(&["10.1.0.1:8080", "10.1.0.2:8080"]).await;
    world.apply(&slice("web-a", "web", &pods[1..]));
    let Update::Add(added) = stream.next().await else { panic!("the new one comes first") };
    assert_eq!(added.addrs.len(), 1);
    assert!(matches!(stream.next().await, Update::Remove(gone) if gone.addrs.len() == 1));
    assert_eq!(stream.addresses(), ["10.1.0.2:8080", "10.1.0.3:8080"]);
    // Flaw it answers: every status write of a pod sent its address again.
    let mut told_again = pod("web-1", "10.1.0.2");
    told_again["metadata"]["resourceVersion"] = json!("12345");
    told_again["status"]["startTime"] = json!("2030-01-01T00:00:00Z");
    world.apply(&told_again);
    stream.silent().await;
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_with_the_code_that_ends_or_keeps_retries() {
    let mut external = service("elsewhere", "");
    external["spec"] = json!({"type": "ExternalName", "externalName": "example.com"});
    let world = World::with(&[external]).await;
    for (path, code) in [
        ("nobody.shop.svc.cluster.local:80", Code::NotFound),
        ("elsewhere.shop.svc.cluster.local:80", Code::InvalidArgument),
        ("10.0.0.1:80", Code::InvalidArgument),
        ("web:80", Code::InvalidArgument),
    ] {
        let status = match world.get_as(path, "").await {
            Err(status) => status,
            Ok(_) => panic!("{path} was answered"),
        };
        assert_eq!(status.code(), code, "{path}: {status:?}");
    }
    assert_eq!(world.index.lock().figures().topics, 0, "nothing is kept for names that are nobody's");
}
