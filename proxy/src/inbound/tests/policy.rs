//! Policies of the control plane's own form, in force on real connections.

use linkerd2_proxy_api::inbound::{self as api, proxy_protocol::Kind};
use linkerd2_proxy_api::{http_route, meta};

use super::kit::{Application, Proxy, run};
use crate::model::InboundPolicy;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn named(name: &str) -> Option<meta::Metadata> {
    Some(meta::Metadata { kind: Some(meta::metadata::Kind::Default(name.to_owned())) })
}

/// Lets everybody in.
fn everybody() -> api::Authz {
    let network =
        api::Network { net: Some("0.0.0.0/0".parse::<ipnet::IpNet>().unwrap().into()), except: vec![] };
    let permit = api::authn::Permit::Unauthenticated(api::authn::PermitUnauthenticated {});
    api::Authz {
        networks: vec![network],
        authentication: Some(api::Authn { permit: Some(permit) }),
        labels: Default::default(),
        metadata: named("everybody"),
    }
}

fn route(
    name: &str,
    path: &str,
    authorizations: Vec<api::Authz>,
    filters: Vec<api::http_route::filter::Kind>,
) -> api::HttpRoute {
    let path = http_route::PathMatch { kind: Some(http_route::path_match::Kind::Exact(path.to_owned())) };
    let matches = vec![http_route::HttpRouteMatch { path: Some(path), ..Default::default() }];
    let filters = filters.into_iter().map(|kind| api::http_route::Filter { kind: Some(kind) }).collect();
    let rules = vec![api::http_route::Rule { matches, filters }];
    api::HttpRoute { metadata: named(name), hosts: vec![], authorizations, rules }
}

/// A policy of these routes, without the rule for the pod itself: every client of a test is on this machine.
fn policy(kind: Kind, authorizations: Vec<api::Authz>) -> InboundPolicy {
    let labels = [("name".to_owned(), "server:web".to_owned())].into();
    let protocol = Some(api::ProxyProtocol { kind: Some(kind) });
    let server = api::Server { protocol, authorizations, labels, server_ips: vec![] };
    let mut policy = InboundPolicy::try_from(server).unwrap();
    let rules = policy.authorizations.iter().filter(|rule| rule.meta.name() != "localhost").cloned();
    policy.authorizations = rules.collect::<Vec<_>>().into();
    policy
}

fn http1(routes: Vec<api::HttpRoute>, local_rate_limit: Option<api::HttpLocalRateLimit>) -> Kind {
    Kind::Http1(api::proxy_protocol::Http1 { routes, local_rate_limit })
}

async fn status(proxy: &Proxy, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n");
    let answer = proxy.raw(request.as_bytes()).await;
    String::from_utf8_lossy(&answer[9..12.min(answer.len())]).into_owned()
}

#[test]
fn a_probe_route_lets_in_whom_the_server_refuses() {
    run(async {
        let application = Application::answering(OK).await;
        let proxy = Proxy::to(application.addr).await;
        let routes =
            vec![route("probe", "/live", vec![everybody()], vec![]), route("rest", "/data", vec![], vec![])];
        proxy.set_policy(policy(http1(routes, None), vec![])).await;
        assert_eq!(status(&proxy, "/live").await, "200");
        assert_eq!(status(&proxy, "/data").await, "403");
        assert_eq!(status(&proxy, "/none").await, "404");
        let metrics = proxy.metrics().await;
        for wanted in [
            "inbound_http_authz_allow_total{",
            "inbound_http_authz_deny_total{",
            "inbound_http_route_not_found_total{",
            "srv_name=\"web\"",
            "authz_name=\"everybody\"",
            "route_name=\"probe\"",
        ] {
            assert!(metrics.contains(wanted), "{wanted}: {metrics}");
        }
    });
}

#[test]
fn requests_above_the_rate_are_refused_and_told_when_to_come_back() {
    run(async {
        let application = Application::answering(OK).await;
        let proxy = Proxy::to(application.addr).await;
        let limit = |rate| Some(api::http_local_rate_limit::Limit { requests_per_second: rate });
        let limits = api::HttpLocalRateLimit {
            metadata: named("limit"),
            total: limit(2),
            identity: None,
            overrides: vec![],
        };
        proxy.set_policy(policy(http1(vec![], Some(limits)), vec![everybody()])).await;
        let three = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n".repeat(3);
        let answer = proxy.raw(&three).await;
        let text = String::from_utf8_lossy(&answer);
        assert_eq!((text.matches(" 200 ").count(), text.matches(" 429 ").count()), (2, 1), "{text}");
        assert!(text.contains("retry-after: 1\r\n"), "{text}");
        assert!(proxy.metrics().await.contains("inbound_http_local_ratelimit_total{"));
    });
}

#[test]
fn a_route_fails_on_purpose_with_the_status_it_names() {
    run(async {
        let application = Application::answering(OK).await;
        let proxy = Proxy::to(application.addr).await;
        let fail = http_route::HttpFailureInjector { status: 418, message: "tea".into(), ratio: None };
        let routes =
            vec![route("r", "/", vec![], vec![api::http_route::filter::Kind::FailureInjector(fail)])];
        proxy.set_policy(policy(http1(routes, None), vec![everybody()])).await;
        assert_eq!(status(&proxy, "/").await, "418", "the original answers 500");
        assert_eq!(application.connections(), 0);
    });
}

#[test]
fn a_message_that_says_the_same_keeps_connections_and_counts() {
    run(async {
        let application = Application::answering(OK).await;
        let proxy = Proxy::to(application.addr).await;
        for _ in 0..3 {
            proxy.set_policy(policy(http1(vec![], None), vec![everybody()])).await;
            assert_eq!(status(&proxy, "/").await, "200");
        }
        assert_eq!(application.connections(), 1);
        let metrics = proxy.metrics().await;
        let allowed: Vec<_> =
            metrics.lines().filter(|line| line.starts_with("inbound_http_authz_allow_total")).collect();
        assert!(allowed.len() == 1 && allowed[0].ends_with(" 3"), "{allowed:?}");
    });
}
