//! Requests against routes and their filters.

use linkerd2_proxy_api::{grpc_route, http_route, http_types, inbound as api, meta};

use super::*;

fn head(method: &str, authority: &str, path: &str, fields: &[(&str, &str)]) -> HeaderList {
    let pseudo = [(":method", method), (":authority", authority), (":path", path)];
    pseudo.iter().chain(fields).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

fn named(name: &str) -> Option<meta::Metadata> {
    Some(meta::Metadata { kind: Some(meta::metadata::Kind::Default(name.to_owned())) })
}

fn prefix(path: &str) -> http_route::HttpRouteMatch {
    let kind = Some(http_route::path_match::Kind::Prefix(path.to_owned()));
    http_route::HttpRouteMatch { path: Some(http_route::PathMatch { kind }), ..Default::default() }
}

fn route(name: &str, path: &str, filters: Vec<api::http_route::filter::Kind>) -> api::HttpRoute {
    let filters = filters.into_iter().map(|kind| api::http_route::Filter { kind: Some(kind) }).collect();
    let rule = api::http_route::Rule { matches: vec![prefix(path)], filters };
    api::HttpRoute { metadata: named(name), hosts: vec![], authorizations: vec![], rules: vec![rule] }
}

fn policy(kind: api::proxy_protocol::Kind) -> InboundPolicy {
    let labels = [("name".to_owned(), "default:x".to_owned())].into();
    let protocol = Some(api::ProxyProtocol { kind: Some(kind) });
    InboundPolicy::try_from(api::Server { protocol, labels, ..Default::default() }).unwrap()
}

fn http1(routes: Vec<api::HttpRoute>) -> InboundPolicy {
    policy(api::proxy_protocol::Kind::Http1(api::proxy_protocol::Http1 { routes, local_rate_limit: None }))
}

fn name_of(policy: &InboundPolicy, head: &HeaderList) -> Option<String> {
    Matched::of(policy, head).map(|matched| matched.meta.name().to_owned())
}

fn fail(status: u32, numerator: u32) -> api::http_route::filter::Kind {
    let ratio = Some(http_route::Ratio { numerator, denominator: 2 });
    let failure = http_route::HttpFailureInjector { status, message: "on purpose".into(), ratio };
    api::http_route::filter::Kind::FailureInjector(failure)
}

#[test]
fn the_closest_route_is_found_and_none_is_none() {
    let policy = http1(vec![route("all", "/api", vec![]), route("users", "/api/users", vec![])]);
    let find = |path| name_of(&policy, &head("GET", "web", path, &[]));
    assert_eq!(find("/api/users/1?x=y").as_deref(), Some("users"));
    assert_eq!(find("/api/usersx").as_deref(), Some("all"));
    assert_eq!(find("/apix"), None);
    assert_eq!(find("/"), None);
}

#[test]
fn a_port_that_is_called_opaque_has_a_route_for_http_all_the_same() {
    let policy = policy(api::proxy_protocol::Kind::Opaque(api::proxy_protocol::Opaque {}));
    assert_eq!(name_of(&policy, &head("GET", "web", "/", &[])).as_deref(), Some("default"));
}

#[test]
fn calls_of_grpc_are_matched_by_service_and_method() {
    let rpc = grpc_route::GrpcRpcMatch { service: "a.B".into(), method: "C".into() };
    let matches = vec![grpc_route::GrpcRouteMatch { rpc: Some(rpc), headers: vec![] }];
    let failure = grpc_route::GrpcFailureInjector { code: 14, message: String::new(), ratio: None };
    let filter =
        api::grpc_route::Filter { kind: Some(api::grpc_route::filter::Kind::FailureInjector(failure)) };
    let rule = api::grpc_route::Rule { matches, filters: vec![filter] };
    let route =
        api::GrpcRoute { metadata: named("rpc"), hosts: vec![], authorizations: vec![], rules: vec![rule] };
    let policy = policy(api::proxy_protocol::Kind::Grpc(api::proxy_protocol::Grpc { routes: vec![route] }));
    assert_eq!(name_of(&policy, &head("POST", "web", "/a.B/D", &[])), None);
    let mut call = head("POST", "web", "/a.B/C", &[]);
    let matched = Matched::of(&policy, &call).unwrap();
    assert_eq!((matched.kind, matched.meta.name()), (RouteKind::Grpc, "rpc"));
    assert_eq!(matched.apply(&mut call, || 0), Err(Refusal::InjectedGrpc(14, "".into())));
}

#[test]
fn filters_run_in_their_order() {
    let set = |value: &str| {
        let header = http_types::headers::Header { name: "x-env".into(), value: value.as_bytes().to_vec() };
        let set = Some(http_types::Headers { headers: vec![header] });
        let remove = vec!["x-internal".to_owned()];
        api::http_route::filter::Kind::RequestHeaderModifier(http_route::RequestHeaderModifier {
            add: None,
            set,
            remove,
        })
    };
    let policy = http1(vec![route("r", "/", vec![set("one"), set("two"), fail(503, 1)])]);
    let mut request = head("GET", "web", "/", &[("x-env", "client"), ("x-internal", "1")]);
    let matched = Matched::of(&policy, &request).unwrap();
    assert_eq!(matched.apply(&mut request, || u64::MAX), Ok(()));
    assert_eq!(request.values(b"x-env").collect::<Vec<_>>(), [b"two"]);
    assert_eq!(request.value(b"x-internal"), None);
    assert_eq!(matched.apply(&mut request, || 0), Err(Refusal::Injected(503, "on purpose".into())));
}

#[test]
fn a_redirect_names_the_new_place() {
    let redirect = http_route::RequestRedirect {
        scheme: None,
        host: "new.example".into(),
        path: Some(http_route::PathModifier {
            replace: Some(http_route::path_modifier::Replace::Prefix("/v2".into())),
        }),
        port: 0,
        status: 302,
    };
    let policy = http1(vec![route("r", "/v1", vec![api::http_route::filter::Kind::Redirect(redirect)])]);
    let mut request = head("GET", "old.example", "/v1/a?b=c", &[]);
    let matched = Matched::of(&policy, &request).unwrap();
    let location = b"http://new.example/v2/a?b=c".to_vec();
    assert_eq!(matched.apply(&mut request, || 0), Err(Refusal::Redirected(302, location)));
}

#[test]
fn a_filter_that_is_not_known_fails_the_request() {
    let mut unknown = route("r", "/", vec![]);
    unknown.rules[0].filters.push(api::http_route::Filter { kind: None });
    let policy = http1(vec![unknown]);
    let mut request = head("GET", "web", "/", &[]);
    assert_eq!(Matched::of(&policy, &request).unwrap().apply(&mut request, || 0), Err(Refusal::Filter));
}
