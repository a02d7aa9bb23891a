//! Properties of what is generated: conditions match what they should, and objects keep to the API's limits.

use mesh_core::profile::ServiceProfile;
use mesh_profile::{PathPattern, Target, gateway, openapi, service_profile};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn target() -> Target {
    Target {
        service: "web".parse().unwrap(),
        namespace: "shop".parse().unwrap(),
        cluster_domain: "cluster.local".parse().unwrap(),
    }
}

fn whole(regex: &str) -> regex::Regex {
    regex::Regex::new(&format!("^(?:{regex})$")).unwrap()
}

fn document(paths: Value) -> Vec<u8> {
    json!({"openapi": "3.0.0", "paths": paths}).to_string().into_bytes()
}

proptest! {
    #[test]
    fn a_condition_matches_every_path_made_of_its_template(
        parts in prop::collection::vec(("[!-z|~/]{0,6}", "[a-z]{1,5}", "[!-.0-z|~]{0,6}"), 1..5)
    ) {
        let template: String = parts.iter().map(|(text, name, _)| format!("/{text}{{{name}}}")).collect();
        let path: String = parts.iter().map(|(text, _, value)| format!("/{text}{value}")).collect();
        let encode = |text: &str| text.replace('"', "%22").replace('<', "%3C").replace('>', "%3E");
        let regex = PathPattern::template(&template).regex();
        prop_assert!(whole(&regex).is_match(&encode(&path)), "{regex} {path}");
    }

    #[test]
    fn a_literal_matches_itself_alone(text in "/[!-z|~]{0,12}", other in "/[!-z|~]{0,12}") {
        let pattern = PathPattern::literal(&text);
        let regex = whole(&pattern.regex());
        let exact = pattern.exact().unwrap().to_owned();
        prop_assert!(regex.is_match(&exact));
        let other = PathPattern::literal(&other).exact().unwrap().to_owned();
        prop_assert_eq!(regex.is_match(&other), other == exact);
    }

    #[test]
    fn what_is_generated_validates(
        paths in prop::collection::btree_map("/[ -~é{}]{0,15}", (0usize..8, "[0-9xX]{3}|default", any::<bool>()), 1..20)
    ) {
        let methods = ["delete", "get", "head", "options", "patch", "post", "put", "trace"];
        let paths: Map<String, Value> = paths.into_iter().map(|(path, (method, code, retryable))| {
            (path, json!({methods[method]: {"responses": {code: {}}, "x-linkerd-retryable": retryable}}))
        }).collect();
        let count = paths.len();
        let read = openapi::read("api", &document(paths.into())).unwrap();
        prop_assert_eq!(read.operations.len(), count);
        let routes = gateway::http_routes(&target(), &read.operations).unwrap();
        prop_assert!(!routes.is_empty());
        let value = service_profile(&target(), read.operations).to_value();
        let profile = ServiceProfile::from_value(&value);
        prop_assert!(profile.is_ok(), "{:?}", profile);
        prop_assert_eq!(profile.unwrap().to_value(), value.clone());
        let text = mesh_yaml::to_string(&value).unwrap();
        prop_assert_eq!(mesh_yaml::from_str(&text).unwrap(), value);
    }
}

#[test]
fn objects_keep_to_the_limits_of_the_api() {
    let paths: Map<String, Value> = (0..100)
        .map(|at| {
            let methods = ["get", "put", "post", "patch", "delete", "head", "options", "trace"];
            let operations: Map<String, Value> = methods
                .iter()
                .map(|method| ((*method).to_owned(), json!({"x-linkerd-retryable": at % 2 == 0})))
                .collect();
            (format!("/things{at:03}/{{id}}"), operations.into())
        })
        .collect();
    let read = openapi::read("api", &document(paths.into())).unwrap();
    let routes = gateway::http_routes(&target(), &read.operations).unwrap();
    let mut names = std::collections::HashSet::new();
    let (mut matches, mut rest) = (0, 0);
    for route in &routes {
        let rules = route["spec"]["rules"].as_array().unwrap();
        let counts: Vec<usize> = rules.iter().map(|rule| rule["matches"].as_array().unwrap().len()).collect();
        assert!(rules.len() <= gateway::RULES && counts.iter().all(|count| *count <= gateway::MATCHES));
        assert!(counts.iter().sum::<usize>() <= gateway::ALL_MATCHES);
        assert!(names.insert(route["metadata"]["name"].as_str().unwrap()), "names differ");
        matches += counts.iter().sum::<usize>();
        rest += rules.iter().filter(|rule| rule["matches"][0]["path"]["type"] == "PathPrefix").count();
        let retryable = route["metadata"]["annotations"]["retry.linkerd.io/http"] == "5xx";
        assert_eq!(retryable, route["metadata"]["name"].as_str().unwrap().contains("-retryable"));
    }
    assert_eq!((matches, rest), (801, 1), "every operation, and one rule for everything else");
}

#[test]
fn paths_and_timeouts_that_a_route_cannot_hold() {
    let read = |path: &str, timeout: &str| {
        let paths = json!({path: {"get": {"x-linkerd-timeout": timeout}}});
        let read = openapi::read("api", &document(paths)).unwrap();
        gateway::http_routes(&target(), &read.operations).map(|routes| routes[0]["spec"]["rules"][0].clone())
    };
    assert!(read(&format!("/{}", "a".repeat(1024)), "1s").is_err());
    assert!(read("/a", "2000000h").is_err());
    assert_eq!(read("/a//b", "1s").unwrap()["matches"][0]["path"]["type"], "RegularExpression");
    // The API takes only the characters of a URI in an exact path.
    for odd in ["/a|b", "/a[1]", "/100%", "/a%2Fb", "/a/.."] {
        assert_eq!(read(odd, "1s").unwrap()["matches"][0]["path"]["type"], "RegularExpression", "{odd}");
    }
    assert_eq!(read("/a%20b!$&'()*+,;=:@", "1s").unwrap()["matches"][0]["path"]["type"], "Exact");
    assert_eq!(read("/a/b", "1500us").unwrap()["timeouts"]["request"], "2ms");
    let grpc = openapi::read("api", &document(json!({"/a": {"get": {}}}))).unwrap();
    let error = gateway::grpc_routes(&target(), &grpc.operations).unwrap_err();
    assert_eq!(error.to_string(), "a GRPCRoute needs gRPC methods, which only --proto has");
}

#[test]
fn odd_paths_and_servers() {
    let read = |document: Value| openapi::read("api", document.to_string().as_bytes()).unwrap();
    let regexes = |document: Value| -> Vec<(String, String)> {
        read(document).operations.into_iter().map(|one| (one.name.clone(), one.path.regex())).collect()
    };
    let under = |servers: Value| {
        let mut found =
            regexes(json!({"openapi": "3.0.0", "servers": servers, "paths": {"/a": {"get": {}}}}));
        found.remove(0)
    };
    let pair = |name: &str, regex: &str| (name.to_owned(), regex.to_owned());
    assert_eq!(under(json!([])), pair("GET /a", "/a"));
    assert_eq!(under(json!([{"url": "https://x.example"}])), pair("GET /a", "/a"));
    assert_eq!(under(json!([{"url": "//x.example/v1/"}])), pair("GET /v1/a", "/v1/a"));
    assert_eq!(under(json!([{"url": "v1.2"}])), pair("GET /v1.2/a", r"/v1\.2/a"));
    assert_eq!(under(json!([{"url": "/v1"}, {"url": "http://h/v1"}])), pair("GET /v1/a", "/v1/a"));
    assert_eq!(under(json!([{"url": "/v1"}, {"url": "/v2"}])), pair("GET /v1/a", "(?:/v1|/v2)/a"));
    assert_eq!(under(json!([{"url": "/v1"}, {"url": "/"}])), pair("GET /v1/a", "(?:/v1|)/a"));
    assert_eq!(under(json!([{"url": "/{t}/x"}])), pair("GET /{t}/x/a", "/[^/]*/x/a"));
    let host = json!([{"url": "{host}/x", "variables": {"host": {"default": "https://h.example/y"}}}]);
    assert_eq!(under(host), pair("GET /y/x/a", "/y/x/a"));
    let odd = regexes(json!({"openapi": "3.0.0", "paths": {
        "no-slash": {"get": {}}, "/a?x={y}": {"get": {}}, "/café au lait": {"get": {}}, "/open{": {"get": {}}}}));
    assert_eq!(
        odd,
        [
            pair("GET /a?x={y}", "/a"),
            pair("GET /café au lait", "/caf%C3%A9%20au%20lait"),
            pair("GET /open{", r"/open\{"),
            pair("GET /no-slash", "/no-slash"),
        ]
    );
}
