//! The outbound API: where traffic goes.

use linkerd2_proxy_api::meta::metadata;
use linkerd2_proxy_api::outbound::proxy_protocol::Kind;
use linkerd2_proxy_api::outbound::{
    Backend, HttpRoute, OpaqueRoute, OutboundPolicy, backend, failure_accrual, http_route, opaque_route,
};
use serde_json::{Value, json};
use tonic::Code;

use crate::kit::{World, service};

const WEB: &str = "10.0.0.1:80";

fn route(name: &str, namespace: &str, parent: Value, rules: Value) -> Value {
    json!({"apiVersion": "policy.linkerd.io/v1beta3", "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace}, "spec": {"parentRefs": [parent], "rules": rules}})
}

fn to_web() -> Value {
    json!({"group": "core", "kind": "Service", "name": "web", "namespace": "shop", "port": 80})
}

fn egress(namespace: &str, name: &str, policy: &str, cidr: &str) -> Value {
    json!({"apiVersion": "policy.linkerd.io/v1alpha1", "kind": "EgressNetwork",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"trafficPolicy": policy, "networks": [{"cidr": cidr}]}})
}

pub(crate) fn detected(policy: &OutboundPolicy) -> (&[HttpRoute], &[OpaqueRoute]) {
    match policy.protocol.as_ref().unwrap().kind.as_ref().unwrap() {
        Kind::Detect(detect) => {
            assert_eq!(detect.http1.as_ref().unwrap().routes, detect.http2.as_ref().unwrap().routes);
            (&detect.http1.as_ref().unwrap().routes, &detect.opaque.as_ref().unwrap().routes)
        }
        other => panic!("not detected: {other:?}"),
    }
}

pub(crate) fn names(routes: &[HttpRoute]) -> Vec<String> {
    let of = |route: &HttpRoute| match route.metadata.as_ref().unwrap().kind.as_ref().unwrap() {
        metadata::Kind::Default(name) => name.clone(),
        metadata::Kind::Resource(resource) => resource.name.clone(),
    };
    routes.iter().map(of).collect()
}

fn parent(policy: &OutboundPolicy) -> String {
    match policy.metadata.as_ref().unwrap().kind.as_ref().unwrap() {
        metadata::Kind::Default(name) => name.clone(),
        metadata::Kind::Resource(it) => format!("{} {}/{}:{}", it.kind, it.namespace, it.name, it.port),
    }
}

fn path(backend: &Backend) -> Option<String> {
    match backend.kind.as_ref()? {
        backend::Kind::Balancer(balancer) => match balancer.discovery.as_ref()?.kind.as_ref()? {
            backend::endpoint_discovery::Kind::Dst(get) => Some(get.path.clone()),
        },
        backend::Kind::Forward(_) => None,
    }
}

#[tokio::test]
async fn a_service_is_balanced_over_by_address_and_by_name() {
    let world = World::with(&[service("web", "10.0.0.1")]).await;
    for target in [WEB, "web.shop.svc.cluster.local:80", "web.shop.svc"] {
        let policy = world.watch_target(target, "client").await.unwrap().next().await;
        assert_eq!(parent(&policy), "Service shop/web:80");
        let (http, opaque) = detected(&policy);
        assert_eq!(names(http), ["http"]);
        let Some(http_route::distribution::Kind::FirstAvailable(first)) =
            http[0].rules[0].backends.clone().unwrap().kind
        else {
            panic!("not the Service itself")
        };
        let backend = first.backends[0].backend.as_ref().unwrap();
        assert_eq!(path(backend).unwrap(), "web.shop.svc.cluster.local:80");
        assert_eq!(backend.queue.unwrap().capacity, 100);
        assert_eq!(opaque.len(), 1);
    }
    // Flaw it answers: names that nobody has made permanent entries.
    for (target, code) in [
        ("nobody.shop.svc:80", Code::NotFound),
        ("10.1.2.3:80", Code::NotFound),
        ("web", Code::InvalidArgument),
    ] {
        let Err(status) = world.watch_target(target, "client").await else { panic!("{target} was answered") };
        assert_eq!(status.code(), code, "{target}");
    }
}

#[tokio::test]
async fn an_undefined_port_is_forbidden() {
    // Flaw it answers: ports that a Service does not have led to whatever listened there.
    let world = World::with(&[service("web", "10.0.0.1")]).await;
    for target in ["10.0.0.1:81", "web.shop.svc:81"] {
        let policy = world.watch_target(target, "client").await.unwrap().next().await;
        let Some(Kind::Opaque(opaque)) = policy.protocol.unwrap().kind else { panic!("not opaque") };
        let filter = &opaque.routes[0].rules[0].filters[0];
        assert!(matches!(filter.kind, Some(opaque_route::filter::Kind::Forbidden(_))));
    }
}

#[tokio::test]
async fn routes_split_match_and_follow_their_backends() {
    let rules = json!([{"matches": [{"path": {"value": "/books"}, "headers": [{"name": "X-Canary", "value": "yes"}]}],
        "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["Server"]}}],
        "timeouts": {"request": "2s"},
        "backendRefs": [{"name": "web", "port": 80, "weight": 9}, {"name": "canary", "port": 80, "weight": 1}]}]);
    let mut annotated = route("split", "shop", to_web(), rules);
    annotated["metadata"]["annotations"] =
        json!({"retry.linkerd.io/http": "5xx", "retry.linkerd.io/limit": "2"});
    let world = World::with(&[service("web", "10.0.0.1"), annotated.clone()]).await;
    let mut stream = world.watch_target(WEB, "client").await.unwrap();
    let first = stream.next().await;
    let (http, _) = detected(&first);
    assert_eq!(names(http), ["split"], "the Service's default route is not there beside it");
    let rule = &http[0].rules[0];
    assert_eq!(rule.matches[0].headers[0].name, "x-canary");
    // Flaw it answers: modifiers of response headers came out as modifiers of request headers.
    assert!(matches!(rule.filters[0].kind, Some(http_route::filter::Kind::ResponseHeaderModifier(_))));
    assert_eq!(rule.timeouts.as_ref().unwrap().request.unwrap().seconds, 2);
    let retry = rule.retry.as_ref().unwrap();
    assert_eq!((retry.max_retries, retry.conditions.as_ref().unwrap().status_ranges[0].start), (2, 500));
    let backends = |policy: &OutboundPolicy| {
        let Some(http_route::distribution::Kind::RandomAvailable(random)) =
            detected(policy).0[0].rules[0].backends.clone().unwrap().kind
        else {
            panic!("no split")
        };
        random.backends
    };
    let unknown = &backends(&first)[1];
    assert_eq!((backends(&first)[0].weight, unknown.weight), (9, 1));
    let Some(http_route::filter::Kind::FailureInjector(failure)) =
        unknown.backend.as_ref().unwrap().filters[0].kind.clone()
    else {
        panic!("an unknown backend answers")
    };
    assert_eq!(failure.status, 500);
    world.apply(&service("canary", "10.0.0.2"));
    let known = backends(&stream.next().await)[1].backend.clone().unwrap();
    assert_eq!(path(known.backend.as_ref().unwrap()).unwrap(), "canary.shop.svc.cluster.local:80");
    world.delete(&annotated);
    assert_eq!(names(detected(&stream.next().await).0), ["http"]);
}

#[tokio::test]
async fn consumer_routes_are_for_their_namespace_alone() {
    let world = World::with(&[service("web", "10.0.0.1")]).await;
    let mut client = world.watch_target(WEB, "client").await.unwrap();
    let mut other = world.watch_target(WEB, "other").await.unwrap();
    let plain = client.next().await;
    assert_eq!(other.next().await, plain);
    world.apply(&route("mine", "client", to_web(), json!([{}])));
    assert_eq!(names(detected(&client.next().await).0), ["mine"]);
    // A change that makes no difference for a client is not sent to it.
    other.silent().await;
    world.apply(&route("producer", "shop", to_web(), json!([{}])));
    assert_eq!(names(detected(&other.next().await).0), ["producer"]);
    assert_eq!(detected(&client.next().await).0.len(), 2);
}

#[tokio::test]
async fn declared_protocols_and_annotations_of_services_count() {
    let mut web = service("web", "10.0.0.1");
    web["metadata"]["annotations"] = json!({
        "balancer.linkerd.io/failure-accrual": "consecutive",
        "balancer.linkerd.io/failure-accrual-consecutive-max-failures": "3",
        "timeout.linkerd.io/request": "10s"});
    let world = World::with(&[web.clone()]).await;
    let mut stream = world.watch_target(WEB, "client").await.unwrap();
    let policy = stream.next().await;
    let Some(Kind::Detect(detect)) = &policy.protocol.as_ref().unwrap().kind else { panic!("not detected") };
    let accrual = detect.http1.as_ref().unwrap().failure_accrual.as_ref().unwrap();
    let Some(failure_accrual::Kind::ConsecutiveFailures(failures)) = &accrual.kind else {
        panic!("not consecutive")
    };
    assert_eq!(failures.max_failures, 3);
    assert_eq!(detected(&policy).0[0].rules[0].timeouts.as_ref().unwrap().request.unwrap().seconds, 10);
    for (protocol, is) in [
        ("http", (|kind| matches!(kind, Kind::Http1(_))) as fn(&Kind) -> bool),
        ("kubernetes.io/h2c", |kind| matches!(kind, Kind::Http2(_))),
        ("example.com/own", |kind| matches!(kind, Kind::Opaque(_))),
        ("linkerd.io/opaque", |kind| matches!(kind, Kind::Opaque(_))),
    ] {
        web["spec"]["ports"][0]["appProtocol"] = json!(protocol);
        world.apply(&web);
        if protocol == "linkerd.io/opaque" {
            stream.silent().await;
        } else {
            assert!(is(stream.next().await.protocol.unwrap().kind.as_ref().unwrap()), "{protocol}");
        }
    }
}

#[tokio::test]
async fn egress_networks_cover_allow_and_deny() {
    let world = World::with(&[]).await;
    let mut stream = world.watch_target("203.0.113.7:443", "client").await.unwrap();
    assert_eq!(parent(&stream.next().await), "egress-fallback");
    // The global network counts for everybody; the namespace's own counts alone.
    world.apply(&egress("linkerd-egress", "all", "Deny", "203.0.0.0/16"));
    let denied = stream.next().await;
    assert_eq!(parent(&denied), "EgressNetwork linkerd-egress/all:443");
    let (http, opaque) = detected(&denied);
    assert_eq!(names(http), ["http-egress-deny"]);
    assert!(matches!(http[0].rules[0].filters[0].kind, Some(http_route::filter::Kind::FailureInjector(_))));
    assert!(matches!(opaque[0].rules[0].filters[0].kind, Some(opaque_route::filter::Kind::Forbidden(_))));
    world.apply(&egress("client", "mine", "Allow", "203.0.113.0/24"));
    let allowed = stream.next().await;
    assert_eq!(parent(&allowed), "EgressNetwork client/mine:443");
    let to_mine = json!({"group": "policy.linkerd.io", "kind": "EgressNetwork", "name": "mine", "port": 443});
    world.apply(&route("out", "client", to_mine, json!([{}])));
    assert_eq!(names(detected(&stream.next().await).0), ["out", "http-egress-allow"]);
    world.delete(&egress("client", "mine", "", ""));
    assert_eq!(parent(&stream.next().await), "EgressNetwork linkerd-egress/all:443");
    let other = world.watch_target("203.0.113.7:443", "other").await.unwrap().next().await;
    assert_eq!(parent(&other), "EgressNetwork linkerd-egress/all:443");
}
