//! Service profiles: conditions, classes, routes.

use linkerd2_proxy_api::destination::{request_match, response_match};
use proxy_net::headers::HeaderList;

use super::*;

fn request(r#match: request_match::Match) -> api::RequestMatch {
    api::RequestMatch { r#match: Some(r#match) }
}

fn path(regex: &str) -> api::RequestMatch {
    request(request_match::Match::Path(api::PathMatch { regex: regex.into() }))
}

fn method(number: i32) -> api::RequestMatch {
    let r#type = Some(linkerd2_proxy_api::http_types::http_method::Type::Registered(number));
    request(request_match::Match::Method(linkerd2_proxy_api::http_types::HttpMethod { r#type }))
}

fn all(matches: Vec<api::RequestMatch>) -> api::RequestMatch {
    request(request_match::Match::All(request_match::Seq { matches }))
}

fn any(matches: Vec<api::RequestMatch>) -> api::RequestMatch {
    request(request_match::Match::Any(request_match::Seq { matches }))
}

fn not(inner: api::RequestMatch) -> api::RequestMatch {
    request(request_match::Match::Not(Box::new(inner)))
}

fn profile(conditions: Vec<api::RequestMatch>) -> Result<Profile, InvalidMessage> {
    let route = |condition| api::Route { condition: Some(condition), ..Default::default() };
    Profile::try_from(api::DestinationProfile {
        routes: conditions.into_iter().map(route).collect(),
        ..Default::default()
    })
}

fn find(profile: &Profile, method: &str, path: &str) -> Option<usize> {
    let head: HeaderList =
        [(&b":method"[..], method.as_bytes()), (b":path", path.as_bytes())].into_iter().collect();
    profile.find(&Parts::of(&head))
}

#[test]
fn the_first_route_whose_condition_holds_counts() {
    let profile = profile(vec![
        all(vec![method(0), path("/books/[^/]+")]),
        any(vec![path("/a"), path("/b")]),
        not(any(vec![method(0), method(1)])),
        all(Vec::new()),
    ])
    .unwrap();
    assert_eq!(find(&profile, "GET", "/books/1?full=1"), Some(0));
    assert_eq!(find(&profile, "POST", "/b"), Some(1));
    assert_eq!(find(&profile, "DELETE", "/books/1"), Some(2));
    assert_eq!(find(&profile, "POST", "/books/1"), Some(3));
    assert_eq!(find(&profile, "GET", "/books/1/2"), Some(3));
}

#[test]
fn no_condition_and_wrong_ones_are_errors() {
    let problem = |condition| profile(vec![condition]).unwrap_err().to_string();
    assert!(problem(api::RequestMatch { r#match: None }).starts_with("routes[0].condition.match: required"));
    let nested = problem(all(vec![path("/"), not(path("("))]));
    assert!(
        nested.starts_with("routes[0].condition.all.matches[1].not.path.regex: not a regular"),
        "{nested}"
    );
    assert!(problem(method(77)).contains("does not know"));
}

#[test]
fn classes_say_what_a_failure_is() {
    let status = |min, max| api::ResponseMatch {
        r#match: Some(response_match::Match::Status(api::HttpStatusRange { min, max })),
    };
    let class = |condition, is_failure| api::ResponseClass { condition: Some(condition), is_failure };
    let not = |inner| api::ResponseMatch { r#match: Some(response_match::Match::Not(Box::new(inner))) };
    let convert = |response_classes| {
        ProfileRoute::try_from(api::Route {
            condition: Some(path("/")),
            response_classes,
            ..Default::default()
        })
    };
    let route = convert(vec![
        class(status(503, 0), false),
        class(status(500, 599), true),
        class(not(status(0, 404)), false),
    ])
    .unwrap();
    assert_eq!(route.is_failure(503), Some(false));
    assert_eq!(route.is_failure(500), Some(true));
    assert_eq!(route.is_failure(200), Some(false));
    assert_eq!(route.is_failure(404), None);
    for (min, max) in [(0, 0), (600, 700), (300, 200), (99, 100), (65_736, 65_737)] {
        assert_eq!(convert(vec![class(status(min, max), true)]).unwrap_err().problem(), Problem::Range);
    }
    assert!(convert(vec![api::ResponseClass { condition: None, is_failure: true }]).is_err());
}

#[test]
fn a_budget_out_of_range_is_none() {
    let budget = |retry_ratio, seconds| {
        let ttl = Some(prost_types::Duration { seconds, nanos: 0 });
        RetryBudget::of(api::RetryBudget { retry_ratio, min_retries_per_second: 10, ttl })
    };
    assert!(budget(0.2, 10).is_some() && budget(0.0, 60).is_some());
    for (ratio, seconds) in
        [(-0.1, 10), (1000.5, 10), (f32::NAN, 10), (f32::INFINITY, 10), (0.2, 0), (0.2, 61)]
    {
        assert_eq!(budget(ratio, seconds), None);
    }
    assert_eq!(RetryBudget::of(api::RetryBudget { ttl: None, ..Default::default() }), None);
}

#[test]
fn targets_without_weight_are_left_out() {
    let target =
        |authority: &str, weight| api::WeightedDst { authority: authority.into(), weight, backend_ref: None };
    let convert = |dst_overrides| {
        Profile::try_from(api::DestinationProfile {
            fully_qualified_name: "web.ns.svc.cluster.local".into(),
            dst_overrides,
            ..Default::default()
        })
    };
    let profile = convert(vec![target("a.ns.svc.cluster.local.:80", 1), target("ignored", 0)]).unwrap();
    assert_eq!(
        profile.targets.iter().map(|it| it.addr.to_string()).collect::<Vec<_>>(),
        ["a.ns.svc.cluster.local:80"]
    );
    assert!(profile.has_routes() && !Profile::default().has_routes());
    for authority in ["", "a", "a:0", "1.2.3.4:80"] {
        assert_eq!(convert(vec![target(authority, 1)]).unwrap_err().problem(), Problem::Name, "{authority}");
    }
}

#[test]
fn a_huge_label_is_refused() {
    let metrics_labels = [("route".to_owned(), "x".repeat(1 << 20))].into();
    let route = api::Route { condition: Some(path("/")), metrics_labels, ..Default::default() };
    assert_eq!(ProfileRoute::try_from(route).unwrap_err().problem(), Problem::TooLarge);
}
