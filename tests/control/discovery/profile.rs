//! GetProfile: what a proxy should know of a target.

use linkerd2_proxy_api::meta::metadata;
use serde_json::{Value, json};
use tonic::Code;

use crate::kit::{World, pod, service, slice};

fn service_profile(namespace: &str, route: &str) -> Value {
    json!({
        "apiVersion": "linkerd.io/v1alpha2", "kind": "ServiceProfile",
        "metadata": {"name": "web.shop.svc.cluster.local", "namespace": namespace},
        "spec": {"routes": [{"name": route, "isRetryable": true, "timeout": "250ms",
            "condition": {"method": "GET", "pathRegex": "/books/.*"},
            "responseClasses": [{"condition": {"status": {"min": 500, "max": 599}}, "isFailure": true}]}],
            "retryBudget": {"retryRatio": 0.5, "minRetriesPerSecond": 3, "ttl": "5s"}},
    })
}

#[tokio::test]
async fn a_cluster_address_has_the_profile_of_its_service() {
    let world = World::with(&[service("web", "10.0.0.1")]).await;
    for path in ["10.0.0.1:80", "web.shop.svc.cluster.local:80"] {
        let profile = world.profile(path).await.next().await;
        assert_eq!(profile.fully_qualified_name, "web.shop.svc.cluster.local");
        let budget = profile.retry_budget.unwrap();
        assert_eq!((budget.retry_ratio, budget.min_retries_per_second), (0.2, 10));
        let Some(metadata::Kind::Resource(parent)) = profile.parent_ref.unwrap().kind else {
            panic!("no parent")
        };
        assert_eq!(
            (&*parent.kind, &*parent.name, &*parent.namespace, parent.port),
            ("Service", "web", "shop", 80)
        );
        assert!(profile.profile_ref.is_none() && profile.endpoint.is_none() && !profile.opaque_protocol);
    }
}

#[tokio::test]
async fn the_clients_own_profile_counts_alone_and_comes_and_goes_live() {
    let world = World::with(&[service("web", "10.0.0.1"), service_profile("shop", "of the service")]).await;
    let mut stream = world.profile("10.0.0.1:80").await;
    let mut other = world.profile_as("10.0.0.1:80", r#"{"ns":"other"}"#).await.unwrap();
    let first = stream.next().await;
    assert_eq!(first.routes[0].metrics_labels["route"], "of the service");
    assert!(first.routes[0].is_retryable && first.routes[0].response_classes[0].is_failure);
    assert_eq!(first.retry_budget.unwrap().min_retries_per_second, 3);
    assert_eq!(other.next().await, first);

    world.apply(&service_profile("client", "of the client"));
    assert_eq!(stream.next().await.routes[0].metrics_labels["route"], "of the client");
    other.silent().await;
    world.delete(&service_profile("client", "of the client"));
    assert_eq!(stream.next().await, first);
    world.delete(&service_profile("shop", ""));
    assert!(stream.next().await.routes.is_empty() && other.next().await.routes.is_empty());
}

#[tokio::test]
async fn an_undefined_port_has_an_empty_profile() {
    let world = World::with(&[service("web", "10.0.0.1")]).await;
    assert_eq!(world.profile("10.0.0.1:81").await.next().await, Default::default());
}

#[tokio::test]
async fn an_address_is_a_pod_from_the_moment_one_has_it() {
    let world = World::with(&[]).await;
    let mut stream = world.profile("10.1.0.1:8080").await;
    let unknown = stream.next().await;
    assert!(unknown.endpoint.unwrap().tls_identity.is_none() && unknown.fully_qualified_name.is_empty());
    world.apply(&pod("web-0", "10.1.0.1"));
    let endpoint = stream.next().await.endpoint.unwrap();
    assert!(endpoint.tls_identity.is_some());
    assert_eq!(endpoint.metric_labels["namespace"], "shop");
    world.apply(&json!({
        "apiVersion": "policy.linkerd.io/v1beta3", "kind": "Server", "metadata": {"name": "s", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "port": "http", "proxyProtocol": "opaque"},
    }));
    assert!(stream.next().await.opaque_protocol);
    world.delete(&pod("web-0", ""));
    assert!(stream.next().await.endpoint.unwrap().tls_identity.is_none());
}

#[tokio::test]
async fn a_port_of_the_node_is_the_pods_with_the_nodes_address() {
    let mut on_host = pod("web-0", "10.1.0.1");
    on_host["spec"]["containers"][0]["ports"] = json!([{"containerPort": 5432, "hostPort": 15432}]);
    let world = World::with(&[on_host]).await;
    let profile = world.profile("172.20.0.1:15432").await.next().await;
    assert!(profile.opaque_protocol, "5432 is opaque by default, whatever the node's port is");
    let endpoint = profile.endpoint.unwrap();
    assert_eq!(
        std::net::SocketAddr::try_from(endpoint.addr.unwrap()).unwrap().to_string(),
        "172.20.0.1:15432"
    );
    assert_eq!(endpoint.metric_labels["pod"], "web-0");
}

#[tokio::test]
async fn an_instance_is_found_by_its_name() {
    let mut endpoints = slice("web-a", "web", &[("web-0", "10.1.0.1")]);
    endpoints["endpoints"][0]["hostname"] = json!("web-0");
    let mut headless = service("web", "None");
    headless["spec"]["clusterIP"] = json!("None");
    let world = World::with(&[headless, pod("web-0", "10.1.0.1"), endpoints]).await;
    let profile = world.profile("web-0.web.shop.svc.cluster.local:80").await.next().await;
    assert_eq!(profile.endpoint.unwrap().metric_labels["pod"], "web-0");
    let Err(status) = world.profile_as("web-9.web.shop.svc.cluster.local:80", "").await else {
        panic!("answered")
    };
    assert_eq!(status.code(), Code::NotFound);
    let mut stream = world.get("web-0.web.shop.svc.cluster.local:80").await;
    stream.become_(&["10.1.0.1:8080"]).await;
}

#[tokio::test]
async fn a_split_becomes_overrides_and_its_removal_ends_them() {
    let split = |service: &str| {
        json!({"apiVersion": "split.smi-spec.io/v1alpha1", "kind": "TrafficSplit",
            "metadata": {"name": "split", "namespace": "shop"},
            "spec": {"service": service, "backends": [
                {"service": "web-blue", "weight": "900m"}, {"service": "web-green", "weight": "100m"}]}})
    };
    let world = World::with(&[service("web", "10.0.0.1"), service("api", "10.0.0.2"), split("web")]).await;
    let mut web = world.profile("10.0.0.1:80").await;
    let mut api = world.profile("10.0.0.2:80").await;
    let overrides = web.next().await.dst_overrides;
    assert_eq!(overrides[0].authority, "web-blue.shop.svc.cluster.local:80");
    assert_eq!((overrides[0].weight, overrides[1].weight), (9000, 1000));
    assert!(api.next().await.dst_overrides.is_empty());
    // Flaw it answers: a split that was given another Service went on splitting the first.
    world.apply(&split("api"));
    assert!(web.next().await.dst_overrides.is_empty());
    assert_eq!(api.next().await.dst_overrides.len(), 2);
    world.delete(&split(""));
    assert!(api.next().await.dst_overrides.is_empty());
}

#[tokio::test]
async fn a_pod_that_is_not_ready_and_a_native_sidecar_are_known_with_their_identity() {
    // Flaw it answers: ports of init containers, and of pods that were not ready, were not watched, so that clients were
    // told of a plain address, kept their connections in the clear, and were refused.
    let mut web = pod("web-0", "10.1.0.1");
    let containers = web["spec"]["containers"].as_array_mut().unwrap();
    let mut proxy = containers.pop().unwrap();
    proxy["restartPolicy"] = json!("Always");
    let agent = json!({"name": "agent", "image": "agent", "restartPolicy": "Always",
        "ports": [{"name": "metrics", "containerPort": 9100}]});
    web["spec"]["initContainers"] = json!([proxy, agent]);
    web["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
    let world = World::with(&[web.clone()]).await;
    let mut app = world.profile("10.1.0.1:8080").await;
    let mut agent = world.profile("10.1.0.1:9100").await;
    for stream in [&mut app, &mut agent] {
        let endpoint = stream.next().await.endpoint.unwrap();
        assert!(endpoint.tls_identity.is_some(), "{endpoint:?}");
        assert!(endpoint.protocol_hint.is_some(), "{endpoint:?}");
    }
    let mut port = world.watch_port(r#"{"ns":"shop","pod":"web-0"}"#, 9100).await.unwrap();
    port.next().await;
    // Becoming ready makes no difference for whoever talks to it directly.
    web["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    world.apply(&web);
    app.silent().await;
    // A Server for the sidecar's port, by its name.
    world.apply(&json!({"apiVersion": "policy.linkerd.io/v1beta3", "kind": "Server",
        "metadata": {"name": "metrics", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "port": "metrics", "proxyProtocol": "HTTP/1"}}));
    assert_eq!(port.next().await.labels["name"], "metrics");
}

#[tokio::test]
async fn a_split_takes_the_place_of_the_profiles_overrides_and_nothing_else() {
    let split = |name: &str, created: &str, backends: serde_json::Value| {
        json!({"apiVersion": "split.smi-spec.io/v1alpha1", "kind": "TrafficSplit",
            "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created},
            "spec": {"service": "web", "backends": backends}})
    };
    let profile = json!({"apiVersion": "linkerd.io/v1alpha2", "kind": "ServiceProfile",
        "metadata": {"name": "web.shop.svc.cluster.local", "namespace": "shop"},
        "spec": {"routes": [{"name": "GET /", "condition": {"method": "GET", "pathRegex": "/"}}],
            "dstOverrides": [{"authority": "old.shop.svc.cluster.local", "weight": "1"},
                {"authority": "none.shop.svc.cluster.local:81", "weight": "0"}]}});
    let world = World::with(&[service("web", "10.0.0.1"), profile]).await;
    let mut stream = world.profile("10.0.0.1:80").await;
    let names = |profile: &linkerd2_proxy_api::destination::DestinationProfile| -> Vec<(String, u32)> {
        assert_eq!(profile.routes.len(), 1, "routes stay the profile's");
        profile
            .dst_overrides
            .iter()
            .map(|it| (it.authority.replace(".shop.svc.cluster.local", ""), it.weight))
            .collect()
    };
    assert_eq!(names(&stream.next().await), [("old:80".to_owned(), 10_000)], "a share of zero is none");
    // Backends that nobody knows are handed out: their share fails, which is what the user is to see.
    let first = split(
        "b-first",
        "2030-01-01T00:00:00Z",
        json!([
        {"service": "web-blue", "weight": "500m"}, {"service": "nobody", "weight": "1"}, {"service": "web", "weight": "0"}]),
    );
    world.apply(&first);
    let expected = [("web-blue:80".to_owned(), 5_000), ("nobody:80".to_owned(), 10_000)];
    assert_eq!(names(&stream.next().await), expected);
    // Of several, the oldest counts.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let second = split("a-second", "2030-01-01T00:00:01Z", json!([{"service": "web-green", "weight": "1"}]));
    world.apply(&second);
    stream.silent().await;
    world.delete(&first);
    assert_eq!(names(&stream.next().await), [("web-green:80".to_owned(), 10_000)]);
    // All shares at zero ask for nothing: the Service is served as if it had no split, and no overrides.
    world.apply(&split("a-second", "2030-01-01T00:00:01Z", json!([{"service": "web-green", "weight": "0"}])));
    assert!(names(&stream.next().await).is_empty());
    world.delete(&second);
    assert_eq!(names(&stream.next().await), [("old:80".to_owned(), 10_000)]);
}
