//! Objects that could not be followed are refused before they are stored, kind by kind, with the reason.

use mesh_control::policy::admission::{Judgement, judge};
use serde_json::{Value, json};

const POLICY: &str = "policy.linkerd.io";
const GATEWAY: &str = "gateway.networking.k8s.io";

fn of(api_version: &str, kind: &str, spec: &Value) -> Judgement {
    let object = json!({"apiVersion": api_version, "kind": kind,
        "metadata": {"name": "it", "namespace": "shop"}, "spec": spec});
    judge(api_version, kind, &object)
}

/// What is good is taken, and what is bad refused, each with its reason.
#[track_caller]
fn expect(api_version: &str, kind: &str, good: &[Value], bad: &[(Value, &str)]) {
    for spec in good {
        let judgement = of(api_version, kind, spec);
        assert!(judgement.problems.is_empty(), "{kind} {spec}: {judgement:?}");
    }
    for (spec, reason) in bad {
        let judgement = of(api_version, kind, spec);
        assert!(judgement.problems.iter().any(|it| it.contains(reason)), "{kind} {spec}: {judgement:?}");
    }
}

#[test]
fn servers_and_authorizations_say_whom_they_mean() {
    let pods = json!({"podSelector": {}, "port": "http"});
    expect(
        &format!("{POLICY}/v1beta3"),
        "Server",
        &[pods],
        &[
            (json!({"port": 80}), "is required"),
            (json!({"podSelector": {}, "externalWorkloadSelector": {}, "port": 80}), "exclude each other"),
            (json!({"podSelector": {}}), "port"),
            (json!({"podSelector": {}, "port": 80, "proxyProtocol": "SMTP"}), "SMTP"),
        ],
    );
    let client = json!({"meshTLS": {"identities": ["*"]}});
    let anybody = json!({"server": {"name": "web"}, "client": {"unauthenticated": true}});
    expect(
        &format!("{POLICY}/v1beta1"),
        "ServerAuthorization",
        &[anybody],
        &[
            (json!({"client": client}), "server"),
            (json!({"server": {"name": "a", "selector": {}}, "client": client}), "spec.server"),
            (
                json!({"server": {"name": "a"}, "client": {"unauthenticated": true, "meshTLS": {"identities": ["*"]}}}),
                "unauthenticated excludes meshTLS",
            ),
            (json!({"server": {"name": "a"}, "client": {}}), "unauthenticated or meshTLS"),
            (
                json!({"server": {"name": "a"}, "client": {"meshTLS": {"identities": ["a.*.b"]}}}),
                "a star stands alone",
            ),
        ],
    );
    let target = json!({"group": POLICY, "kind": "Server", "name": "web"});
    let mtls = json!({"group": POLICY, "kind": "MeshTLSAuthentication", "name": "a"});
    let network = json!({"group": POLICY, "kind": "NetworkAuthentication", "name": "a"});
    let good = json!({"targetRef": target, "requiredAuthenticationRefs": [mtls, network]});
    let elsewhere = json!({"group": POLICY, "kind": "Server", "name": "web", "namespace": "other"});
    expect(
        &format!("{POLICY}/v1alpha1"),
        "AuthorizationPolicy",
        &[good],
        &[
            (
                json!({"targetRef": elsewhere, "requiredAuthenticationRefs": []}),
                "in the namespace of the policy",
            ),
            (
                json!({"targetRef": {"kind": "Namespace", "name": "other"}, "requiredAuthenticationRefs": []}),
                "that of the policy",
            ),
            (json!({"targetRef": target, "requiredAuthenticationRefs": [mtls, mtls]}), "at most one"),
            (json!({"targetRef": target, "requiredAuthenticationRefs": [network, network]}), "at most one"),
            (
                json!({"targetRef": {"group": "apps", "kind": "Deployment", "name": "a"}, "requiredAuthenticationRefs": []}),
                "Deployment",
            ),
        ],
    );
}

#[test]
fn authentications_and_limits_have_something_to_go_by() {
    let v1alpha1 = format!("{POLICY}/v1alpha1");
    let account = json!({"kind": "ServiceAccount", "name": "web"});
    let good = [
        json!({"identities": ["*.shop.serviceaccount.identity.linkerd.cluster.local"]}),
        json!({"identityRefs": [account]}),
    ];
    expect(
        &v1alpha1,
        "MeshTLSAuthentication",
        &good,
        &[
            (json!({}), "identities or identityRefs"),
            (json!({"identities": ["*"], "identityRefs": [account]}), "identities or identityRefs"),
            (json!({"identityRefs": [{"kind": "Pod", "name": "a"}]}), "Pod"),
        ],
    );
    let network = |cidr: &str, except: &[&str]| json!({"networks": [{"cidr": cidr, "except": except}]});
    expect(
        &v1alpha1,
        "NetworkAuthentication",
        &[network("10.0.0.0/8", &["10.1.0.0/16"])],
        &[
            (json!({"networks": []}), "at least one network"),
            (network("10.0.0.0/8", &["11.0.0.0/16"]), "is not within"),
            (network("10.0.0.0/8", &["10.0.0.0/8"]), "leaves nothing"),
            (network("ten", &[]), "neither a network"),
        ],
    );
    let limit = |more: Value| {
        let mut spec = json!({"targetRef": {"group": POLICY, "kind": "Server", "name": "web"}, "total": {"requestsPerSecond": 100}});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    };
    let rate = |rate: u32| json!({"requestsPerSecond": rate});
    let overrides = |kind: &str, rate: u32| json!({"overrides": [{"requestsPerSecond": rate, "clientRefs": [{"kind": kind, "name": "web"}]}]});
    expect(
        &v1alpha1,
        "HTTPLocalRateLimitPolicy",
        &[limit(overrides("ServiceAccount", 50))],
        &[
            (limit(json!({"total": rate(0)})), "above 0"),
            (limit(json!({"identity": rate(101)})), "above the total"),
            (limit(overrides("ServiceAccount", 101)), "above the total"),
            (limit(overrides("Pod", 1)), "Pod is no client"),
            (limit(json!({"targetRef": {"kind": "Service", "name": "web"}})), "cannot be limited"),
        ],
    );
    expect(
        &v1alpha1,
        "EgressNetwork",
        &[json!({"trafficPolicy": "Deny"})],
        &[
            (json!({"trafficPolicy": "Perhaps"}), "Perhaps"),
            (json!({"trafficPolicy": "Allow", "networks": [{"cidr": "nowhere"}]}), "neither a network"),
        ],
    );
}

#[test]
fn routes_are_judged_for_what_the_mesh_would_do_with_them() {
    let server = json!([{"group": POLICY, "kind": "Server", "name": "web"}]);
    let service = json!([{"group": "core", "kind": "Service", "name": "web", "port": 80}]);
    let egress = |port: bool| {
        let mut parent = json!({"group": POLICY, "kind": "EgressNetwork", "name": "out"});
        if port {
            parent["port"] = json!(443);
        }
        json!([parent])
    };
    let path = |path: &str| json!([{"matches": [{"path": {"type": "PathPrefix", "value": path}}]}]);
    let to = |backend: Value| json!([{"backendRefs": [backend]}]);
    let redirect = json!([{"filters": [{"type": "RequestRedirect",
        "requestRedirect": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "elsewhere"}}}]}]);
    let bad = [
        (json!({"parentRefs": server, "rules": path("books")}), "does not begin with /"),
        (json!({"parentRefs": server, "rules": redirect}), "must begin with /"),
        (json!({"parentRefs": service, "rules": to(json!({"name": "web"}))}), "needs a port"),
        (json!({"parentRefs": egress(false), "rules": path("/")}), "needs a port"),
        (
            json!({"parentRefs": service, "rules": [{"timeouts": {"request": "1s", "backendRequest": "2s"}}]}),
            "longer than request",
        ),
        (
            json!({"parentRefs": service, "rules": [{"matches": [{"path": {"type": "RegularExpression", "value": "/("}}]}]}),
            "no regular expression",
        ),
    ];
    let good = [
        json!({"parentRefs": server, "rules": path("/books")}),
        json!({"parentRefs": egress(true), "rules": path("/")}),
    ];
    expect(&format!("{POLICY}/v1beta3"), "HTTPRoute", &good, &bad);
    let two = json!([{"backendRefs": [{"name": "web", "port": 80}]}, {"backendRefs": [{"name": "web", "port": 80}]}]);
    for kind in ["TLSRoute", "TCPRoute"] {
        expect(
            &format!("{GATEWAY}/v1alpha2"),
            kind,
            &[json!({"parentRefs": service, "rules": to(json!({"name": "web", "port": 80}))})],
            &[(json!({"parentRefs": service, "rules": two}), "exactly one rule")],
        );
    }
    // What belongs to others is let through: with a word where the mesh cannot read it, without one where it is not asked.
    let foreign = json!([{"group": GATEWAY, "kind": "Gateway", "name": "front"}]);
    let theirs = of(
        &format!("{GATEWAY}/v1"),
        "HTTPRoute",
        &json!({"parentRefs": foreign, "rules": to(json!({"name": "web"}))}),
    );
    assert_eq!((theirs.problems.len(), theirs.warnings.len()), (0, 0), "{theirs:?}");
    let unread = of(&format!("{GATEWAY}/v1"), "GRPCRoute", &json!({"parentRefs": service, "rules": "none"}));
    assert_eq!((unread.problems.len(), unread.warnings.len()), (0, 1), "{unread:?}");
    let mirror = json!([{"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "a", "port": 1}}}]}]);
    let passed_over =
        of(&format!("{GATEWAY}/v1"), "HTTPRoute", &json!({"parentRefs": service, "rules": mirror}));
    assert!(
        passed_over.problems.is_empty() && passed_over.warnings[0].contains("RequestMirror"),
        "{passed_over:?}"
    );
}

#[test]
fn annotations_of_routes_are_judged_and_strangers_refused() {
    let annotated = |name: &str, value: &str| {
        let object = json!({"metadata": {"name": "it", "namespace": "shop", "annotations": {name: value}},
            "spec": {"parentRefs": [{"group": "core", "kind": "Service", "name": "web", "port": 80}], "rules": []}});
        judge(&format!("{GATEWAY}/v1"), "GRPCRoute", &object).problems
    };
    for (name, value) in [
        ("retry.linkerd.io/grpc", "unavailable,internal"),
        ("retry.linkerd.io/limit", "3"),
        ("timeout.linkerd.io/response", "250ms"),
    ] {
        assert!(annotated(name, value).is_empty(), "{name}");
    }
    for (name, value) in [
        ("retry.linkerd.io/grpc", "teapot"),
        ("timeout.linkerd.io/idle", "1.5s"),
        ("timeout.linkerd.io/request", "soon"),
    ] {
        assert!(annotated(name, value)[0].contains(name), "{name}");
    }
    let stranger = of("v1", "Secret", &json!({}));
    assert!(stranger.problems[0].contains("not judged here"), "{stranger:?}");
}
