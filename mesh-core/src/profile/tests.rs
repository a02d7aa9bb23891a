//! Tests of reading, judging and writing ServiceProfiles.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn object(spec: Value) -> Value {
    json!({
        "apiVersion": API_VERSION, "kind": KIND,
        "metadata": {"name": "web.shop.svc.cluster.local", "namespace": "shop"}, "spec": spec,
    })
}

fn problems(spec: Value) -> Vec<String> {
    let invalid = ServiceProfile::from_value(&object(spec)).unwrap_err();
    assert_eq!(invalid.name.as_deref(), Some("web.shop.svc.cluster.local"));
    invalid.problems.iter().map(ToString::to_string).collect()
}

fn with_condition(condition: Value) -> Vec<String> {
    problems(json!({"routes": [{"name": "r", "condition": condition}]}))
}

#[test]
fn reads_every_field_and_writes_it_back() {
    let spec = json!({
        "dstOverrides": [{"authority": "web-v2.shop.svc.cluster.local.:80", "weight": "500m"}, {"authority": "a", "weight": "2"}],
        "opaquePorts": ["3306", "4000-4010"],
        "retryBudget": {"minRetriesPerSecond": 10, "retryRatio": 0.2, "ttl": "10s"},
        "routes": [{
            "condition": {
                "all": [{"any": [{"method": "GET"}, {"pathRegex": "/a/[^/]*"}]}],
                "not": {"method": "HEAD"},
            },
            "isRetryable": true,
            "name": "mixed",
            "responseClasses": [
                {"condition": {"status": {"max": 599, "min": 500}}, "isFailure": true},
                {"condition": {"not": {"any": [{"status": {"min": 400}}]}}},
            ],
            "timeout": "1m30s",
        }],
    });
    let profile = ServiceProfile::from_value(&object(spec.clone())).unwrap();
    assert_eq!(profile.spec.routes[0].timeout.as_ref().unwrap().length(), Duration::from_secs(90));
    assert_eq!(profile.spec.dst_overrides[0].weight_milli, 500);
    let written = profile.to_value();
    assert_eq!(written["spec"].to_string(), spec.to_string(), "same keys in the same order");
    assert_eq!(written["metadata"]["creationTimestamp"], Value::Null);
    assert_eq!(ServiceProfile::from_value(&written).unwrap(), profile);
}

#[test]
fn names_the_field_of_each_problem() {
    let spec = json!({"routes": [
        {"name": "ok", "condition": {"method": "GET"}},
        {"name": "", "condition": {}, "isRetriable": true},
        {"condition": {"all": [{"not": {}}, {"pathregex": "/"}]}, "timeout": "5 parsecs"},
        "text",
    ]});
    assert_eq!(
        problems(spec),
        [
            "spec.routes[1].isRetriable: unknown field (did you mean \"isRetryable\"?)",
            "spec.routes[1].name: required, but missing",
            "spec.routes[1].condition: a condition needs at least one of all, any, not, method and pathRegex",
            "spec.routes[2].name: required, but missing",
            "spec.routes[2].condition.all[0].not: a condition needs at least one of all, any, not, method and pathRegex",
            "spec.routes[2].condition.all[1].pathregex: unknown field (did you mean \"pathRegex\"?)",
            "spec.routes[2].condition.all[1]: a condition needs at least one of all, any, not, method and pathRegex",
            "spec.routes[2].timeout: unknown unit \" parsecs\" in duration \"5 parsecs\", it should look like 300ms, 10s or 1m30s",
            "spec.routes[3]: a text where a mapping is expected",
        ]
    );
    let invalid = ServiceProfile::from_value(&object(json!({"routes": []}))).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "ServiceProfile \"web.shop.svc.cluster.local\" spec.routes: a profile needs at least one route"
    );
    assert_eq!(invalid.problems[0].cause, Cause::NoRoutes);
}

#[test]
fn judges_conditions() {
    assert_eq!(
        with_condition(json!({"method": "GE T"})),
        ["spec.routes[0].condition.method: \"GE T\" is not an HTTP method"]
    );
    assert!(
        with_condition(json!({"pathRegex": "/a/(b"}))[0]
            .contains("is not a regular expression: unclosed group")
    );
    assert_eq!(with_condition(json!({"any": []})), ["spec.routes[0].condition.any: the list is empty"]);
    assert_eq!(with_condition(json!([])), ["spec.routes[0].condition: a list where a mapping is expected"]);
    assert_eq!(with_condition(Value::Null), ["spec.routes[0].condition: required, but missing"]);
    let mut deep = json!({"method": "GET"});
    for _ in 0..40 {
        deep = json!({"not": deep});
    }
    assert!(with_condition(deep)[0].ends_with("conditions are nested more than 32 deep"));
}

#[test]
fn judges_responses() {
    let class = |condition: Value| {
        problems(json!({"routes": [{"name": "r", "condition": {"method": "GET"}, "responseClasses": [
            {"condition": condition}]}]}))
    };
    let at = "spec.routes[0].responseClasses[0].condition";
    assert_eq!(
        class(json!({"status": {"min": 500, "max": 499}})),
        [format!("{at}.status: the maximum 499 is smaller than the minimum 500")]
    );
    assert_eq!(
        class(json!({"status": {"min": 99}})),
        [format!("{at}.status.min: 99 is not a status from 100 to 599")]
    );
    assert_eq!(class(json!({"status": {"max": 600}})).len(), 1);
    assert_eq!(class(json!({"status": {"max": 500.5}})).len(), 1);
    assert_eq!(class(json!({"status": {}})), [format!("{at}.status: a status range needs min, max or both")]);
    assert_eq!(
        class(json!({})),
        [format!("{at}: a response condition needs at least one of all, any, not and status")]
    );
}

#[test]
fn judges_budget_overrides_and_ports() {
    let route = json!([{"name": "r", "condition": {"method": "GET"}}]);
    let found =
        problems(json!({"routes": route, "retryBudget": {"retryRatio": -0.1, "minRetriesPerSecond": 1.5}}));
    assert_eq!(
        found,
        [
            "spec.retryBudget.retryRatio: -0.1 is negative",
            "spec.retryBudget.minRetriesPerSecond: a number where a whole number from 0 to 4294967295 is expected",
            "spec.retryBudget.ttl: required, but missing",
        ]
    );
    let found = problems(json!({"routes": route, "dstOverrides": [{"authority": "a b", "weight": -1}],
        "opaquePorts": ["0", "9-3", 70000, 80]}));
    assert_eq!(
        found,
        [
            "spec.dstOverrides[0].authority: \"a b\" is not host or host:port",
            "spec.dstOverrides[0].weight: \"-1\" is not a quantity of 0 or more such as 1 or 500m",
            "spec.opaquePorts[0]: \"0\" is not a port or a range of ports",
            "spec.opaquePorts[1]: \"9-3\" is not a port or a range of ports",
            "spec.opaquePorts[2]: \"70000\" is not a port or a range of ports",
        ]
    );
}

#[test]
fn judges_the_object_around_the_spec() {
    let invalid = ServiceProfile::from_value(&json!({
        "apiVersion": "linkerd.io/v9", "kind": "ServiceProfiles", "metadata": {"name": "Web"}, "specs": {}}))
    .unwrap_err();
    let found: Vec<String> = invalid.problems.iter().map(|problem| problem.field.clone()).collect();
    assert_eq!(found, ["specs", "apiVersion", "kind", "metadata.name", "spec"]);
    assert_eq!(ServiceProfile::from_value(&json!([1])).unwrap_err().problems[0].field, "the document");
    assert!(Spec::from_value(&json!({"opaquePorts": ["80"]})).unwrap().routes.is_empty());
}

#[test]
fn keeps_the_list_of_problems_short() {
    let routes: Vec<Value> = (0..10_000).map(|_| json!({})).collect();
    assert_eq!(problems(json!({"routes": routes})).len(), Invalid::MOST);
}

#[test]
fn durations_are_those_of_go() {
    for (text, nanos) in [
        ("0", 0),
        ("-0", 0),
        ("+5s", 5_000_000_000),
        ("1.5h", 5_400_000_000_000),
        (".5ms", 500_000),
        ("1µs", 1_000),
        ("1μs", 1_000),
        ("1h1m1s1ms1us1ns", 3_661_001_001_001),
        ("1.s", 1_000_000_000),
    ] {
        let read: WrittenDuration = text.parse().unwrap();
        assert_eq!((read.as_str(), read.length()), (text, Duration::from_nanos(nanos)));
    }
    for bad in [
        "",
        "5",
        "s",
        ".s",
        "1d",
        "-1s",
        "1 s",
        "1e3s",
        "99999999999999999999h",
        "9223372036854775808ns",
        "ms",
    ] {
        assert!(bad.parse::<WrittenDuration>().is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn nothing_panics_on_odd_durations(text in "[0-9.a-zµ+-]{0,20}") {
        let _ = text.parse::<WrittenDuration>();
    }

    #[test]
    fn odd_objects_end_in_problems(text in "\\PC{0,8}", number in any::<f64>()) {
        let odd = [json!(text), json!(number), json!([text]), json!({text.clone(): number}), Value::Null];
        for value in &odd {
            let spec = json!({"routes": [{"name": value, "condition": value, "responseClasses": value, "timeout": value,
                "isRetryable": value}], "retryBudget": value, "dstOverrides": [{"authority": value, "weight": value}],
                "opaquePorts": [value]});
            prop_assert!(ServiceProfile::from_value(&object(spec)).is_err());
        }
    }
}
