//! Which route matches best.

use linkerd2_proxy_api::{grpc_route as api_grpc, http_route as api};
use proptest::prelude::*;
use proxy_net::headers::HeaderList;

use super::*;

type Routes<M> = Vec<Route<M, &'static str>>;

fn head(authority: &str, path: &str, fields: &[(&str, &str)]) -> HeaderList {
    let mut head = HeaderList::new();
    head.push(b":method", b"GET");
    head.push(b":authority", authority.as_bytes());
    head.push(b":path", path.as_bytes());
    for (name, value) in fields {
        head.push(name.as_bytes(), value.as_bytes());
    }
    head
}

fn path(kind: api::path_match::Kind) -> api::HttpRouteMatch {
    api::HttpRouteMatch { path: Some(api::PathMatch { kind: Some(kind) }), ..Default::default() }
}

fn exact(text: &str) -> api::HttpRouteMatch {
    path(api::path_match::Kind::Exact(text.into()))
}

fn prefix(text: &str) -> api::HttpRouteMatch {
    path(api::path_match::Kind::Prefix(text.into()))
}

fn with_header(mut message: api::HttpRouteMatch, name: &str) -> api::HttpRouteMatch {
    let value = Some(api::header_match::Value::Exact("1".into()));
    message.headers.push(api::HeaderMatch { name: name.into(), value });
    message
}

fn host(text: &str) -> HostMatch {
    let r#match = match text.strip_prefix("*.") {
        Some(suffix) => api::host_match::Match::Suffix(api::host_match::Suffix {
            reverse_labels: suffix.rsplit('.').map(str::to_owned).collect(),
        }),
        None => api::host_match::Match::Exact(text.into()),
    };
    HostMatch::try_from(api::HostMatch { r#match: Some(r#match) }).unwrap()
}

fn route(
    hosts: &[&str],
    rules: Vec<(&'static str, Vec<api::HttpRouteMatch>)>,
) -> Route<HttpMatch, &'static str> {
    let rule = |(policy, matches): (_, Vec<_>)| Rule {
        matches: matches.into_iter().map(|it| HttpMatch::try_from(it).unwrap()).collect(),
        policy,
    };
    Route {
        meta: Meta::new_default("test"),
        hosts: hosts.iter().map(|text| host(text)).collect(),
        rules: rules.into_iter().map(rule).collect(),
    }
}

fn chosen<M: Match>(routes: &Routes<M>, head: &HeaderList) -> Option<&'static str> {
    find(routes, &Parts::of(head)).map(|found| routes[found.route].rules[found.rule].policy)
}

#[test]
fn the_host_decides_before_the_path() {
    let routes = vec![
        route(&["*.example.com"], vec![("suffix", vec![exact("/long/path")])]),
        route(&["www.example.com"], vec![("exact", vec![prefix("/")])]),
        route(&[], vec![("any", vec![exact("/long/path")])]),
    ];
    assert_eq!(chosen(&routes, &head("www.example.com:80", "/long/path", &[])), Some("exact"));
    assert_eq!(chosen(&routes, &head("a.example.com", "/long/path", &[])), Some("suffix"));
    assert_eq!(chosen(&routes, &head("other", "/long/path", &[])), Some("any"));
    assert_eq!(chosen(&routes, &head("other", "/x", &[])), None);
}

#[test]
fn the_path_decides_before_headers_query_and_method() {
    let mut by_method = prefix("/a");
    by_method.method = Some(linkerd2_proxy_api::http_types::HttpMethod {
        r#type: Some(linkerd2_proxy_api::http_types::http_method::Type::Registered(0)),
    });
    let mut by_query = prefix("/a");
    let value = Some(api::query_param_match::Value::Exact("1".into()));
    by_query.query_params.push(api::QueryParamMatch { name: "q".into(), value });
    let routes = vec![route(
        &[],
        vec![
            ("prefix", vec![prefix("/a")]),
            ("method", vec![by_method]),
            ("query", vec![by_query]),
            ("header", vec![with_header(prefix("/a"), "x")]),
            ("headers", vec![with_header(with_header(prefix("/a"), "x"), "y")]),
            ("longer", vec![prefix("/a/b")]),
        ],
    )];
    assert_eq!(chosen(&routes, &head("h", "/a", &[])), Some("method"));
    assert_eq!(chosen(&routes, &head("h", "/a?q=1", &[])), Some("query"));
    assert_eq!(chosen(&routes, &head("h", "/a?q=1", &[("x", "1")])), Some("header"));
    assert_eq!(chosen(&routes, &head("h", "/a", &[("x", "1"), ("y", "1")])), Some("headers"));
    assert_eq!(chosen(&routes, &head("h", "/a/b?q=1", &[("x", "1"), ("y", "1")])), Some("longer"));
    assert_eq!(chosen(&routes, &head("h", "/b", &[])), None);
}

/// In the original an exact path and a prefix of the same length are equal, and the first route wins.
#[test]
fn an_exact_path_wins_over_a_prefix_as_long() {
    let routes = vec![route(
        &[],
        vec![("prefix", vec![prefix("/a")]), ("exact", vec![exact("/a")]), ("later", vec![exact("/a")])],
    )];
    assert_eq!(chosen(&routes, &head("h", "/a", &[])), Some("exact"));
    assert_eq!(chosen(&routes, &head("h", "/a/b", &[])), Some("prefix"));
}

#[test]
fn a_rule_without_matches_takes_everything() {
    let routes = vec![route(&[], vec![("all", Vec::new()), ("slash", vec![prefix("/")])])];
    assert_eq!(chosen(&routes, &head("h", "*", &[])), Some("all"));
    assert_eq!(chosen(&routes, &head("h", "/a", &[])), Some("all"));
}

#[test]
fn a_prefix_tells_how_much_it_matched() {
    let routes = vec![route(&[], vec![("p", vec![prefix("/a/b/")]), ("e", vec![exact("/c")])])];
    let of = |path: &str| find(&routes, &Parts::of(&head("h", path, &[]))).and_then(|found| found.prefix);
    assert_eq!((of("/a/b/c"), of("/c")), (Some(4), None));
}

#[test]
fn calls_match_by_service_method_and_headers() {
    let rpc = |service: &str, method: &str, headers: Vec<api::HeaderMatch>| {
        let rpc = Some(api_grpc::GrpcRpcMatch { service: service.into(), method: method.into() });
        GrpcMatch::try_from(api_grpc::GrpcRouteMatch { rpc, headers }).unwrap()
    };
    let x = api::HeaderMatch { name: "x".into(), value: Some(api::header_match::Value::Exact("1".into())) };
    let rule = |policy, candidate| Rule { matches: vec![candidate], policy };
    let routes = vec![Route {
        meta: Meta::new_default("test"),
        hosts: Vec::new(),
        rules: vec![
            rule("any", rpc("", "", Vec::new())),
            rule("method", rpc("", "Get", Vec::new())),
            rule("service", rpc("a.B", "", Vec::new())),
            rule("both", rpc("a.B", "Get", Vec::new())),
            rule("header", rpc("a.B", "Get", vec![x])),
        ],
    }];
    assert_eq!(chosen(&routes, &head("h", "/a.B/Get", &[("x", "1")])), Some("header"));
    assert_eq!(chosen(&routes, &head("h", "/a.B/Get", &[])), Some("both"));
    assert_eq!(chosen(&routes, &head("h", "/a.B/Put", &[])), Some("service"));
    assert_eq!(chosen(&routes, &head("h", "/c.D/Get", &[])), Some("method"));
    for path in ["/c.D/Put", "/", "*", "/a.B/Get/x", "/a.B/"] {
        assert_eq!(chosen(&routes, &head("h", path, &[])), Some("any"), "{path}");
    }
    let wrong = Some(api_grpc::GrpcRpcMatch { service: "a/b".into(), method: String::new() });
    assert!(GrpcMatch::try_from(api_grpc::GrpcRouteMatch { rpc: wrong, headers: Vec::new() }).is_err());
}

#[test]
fn a_wrong_match_names_its_field() {
    let mut message = exact("/a");
    message.headers.push(api::HeaderMatch { name: "x".into(), value: None });
    let error = HttpMatch::try_from(message).unwrap_err();
    assert_eq!(error.to_string(), "headers[0].value: required, but not there");
}

proptest! {
    /// The choice does not depend on the order of rules, but for equal ones.
    #[test]
    fn the_closest_rule_wins_wherever_it_stands(
        paths in prop::collection::btree_set("/[ab]{0,2}(/[ab]){0,2}", 1..6),
        asked in "/[ab]{0,2}(/[ab]){0,3}",
    ) {
        let paths: Vec<String> = paths.into_iter().collect();
        let rule = |text: &String| Rule { matches: vec![HttpMatch::try_from(prefix(text)).unwrap()], policy: () };
        let routes = |order: Vec<&String>| vec![Route {
            meta: Meta::new_default("test"),
            hosts: Vec::new(),
            rules: order.into_iter().map(rule).collect(),
        }];
        let request = head("h", &asked, &[]);
        let forward = find(&routes(paths.iter().collect()), &Parts::of(&request)).map(|found| found.prefix);
        let backward = find(&routes(paths.iter().rev().collect()), &Parts::of(&request)).map(|found| found.prefix);
        prop_assert_eq!(forward, backward);
    }
}
