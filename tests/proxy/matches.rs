//! What routes choose requests by, and what their filters do to heads.

use std::time::Duration;

use ::http::Version;
use linkerd2_proxy_api::http_route::{
    HttpRouteMatch, PathModifier, RequestHeaderModifier, RequestRedirect, ResponseHeaderModifier,
    path_modifier,
};
use linkerd2_proxy_api::http_types::headers::Header;
use linkerd2_proxy_api::http_types::{Headers, Scheme, scheme};
use linkerd2_proxy_api::outbound::http_route::{Filter, Rule, distribution, filter};
use mesh_tests::mesh::answers::outbound::{self, matches};
use mesh_tests::mesh::{Answer, SERVICE_PORT, WEB, http};

use crate::kit::{Calls, Seen, authority, eventually, meshed_with, neighbour, script, web, with_fields};

fn fields(name: &str, value: &str) -> Option<Headers> {
    let header = Header { name: name.to_owned(), value: value.as_bytes().to_vec() };
    Some(Headers { headers: vec![header] })
}

fn set(name: &str, value: &str) -> Filter {
    outbound::filter(filter::Kind::RequestHeaderModifier(RequestHeaderModifier {
        set: fields(name, value),
        ..RequestHeaderModifier::default()
    }))
}

/// A rule that tells the application its name.
fn named(name: &str, matches: Vec<HttpRouteMatch>) -> Rule {
    let mut rule = outbound::rule(matches, outbound::first(&web()));
    rule.filters = vec![set("x-rule", name)];
    rule
}

#[test]
fn the_most_specific_match_decides() {
    let canary = || matches::header("x-canary", "yes");
    let world = meshed_with(|world| {
        let both = HttpRouteMatch { headers: vec![canary()], ..matches::query("version", "2") };
        let rules = vec![
            named("exact", vec![matches::exact("/inspect/exact")]),
            named("prefix", vec![matches::prefix("/inspect/under")]),
            named("regex", vec![matches::regex("/inspect/[0-9]+")]),
            named("query", vec![matches::query("version", "2")]),
            named("query-regex", vec![matches::query_regex("user", "a.*z")]),
            named("method", vec![matches::method("POST"), matches::method("PURGE")]),
            named("header", vec![HttpRouteMatch { headers: vec![canary()], ..HttpRouteMatch::default() }]),
            named("header-and-query", vec![both]),
        ];
        script(world, rules);
    });
    let canary: &[(&str, &str)] = &[("x-canary", "yes")];
    for (method, path, fields, rule) in [
        ("GET", "/inspect/exact", &[][..], "exact"),
        ("GET", "/inspect/exact?version=2", &[], "exact"),
        ("GET", "/inspect/exactly", &[], ""),
        ("GET", "/inspect/under", &[], "prefix"),
        ("GET", "/inspect/under/the/hood", &[], "prefix"),
        ("GET", "/inspect/underneath", &[], ""),
        ("GET", "/inspect/17", &[], "regex"),
        ("GET", "/inspect/17b", &[], ""),
        ("GET", "/inspect?version=2", &[], "query"),
        ("GET", "/inspect?a=b&version=2&c", &[], "query"),
        ("GET", "/inspect?version=22", &[], ""),
        ("GET", "/inspect?user=abcz", &[], "query-regex"),
        ("GET", "/inspect?user=xabcz", &[], ""),
        ("POST", "/inspect", &[], "method"),
        ("PURGE", "/inspect", &[], "method"),
        ("PUT", "/inspect", &[], ""),
        ("GET", "/inspect", canary, "header"),
        ("GET", "/inspect", &[("x-canary", "no")], ""),
        ("GET", "/inspect?version=2", canary, "header-and-query"),
        ("POST", "/inspect?version=2", &[], "query"),
    ] {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let request = http::request(version, method, &authority(), path, "").unwrap();
            let seen = Seen::new(world.send(version, with_fields(request, fields)).unwrap());
            let came = seen.fields("x-rule").first().copied().unwrap_or_default();
            assert_eq!(came, rule, "{version:?} {method} {path} {fields:?}");
        }
    }
}

#[test]
fn a_route_for_one_host_leaves_the_others_alone() {
    let world = meshed_with(|world| {
        let mut route = outbound::route("host", vec![named("host", vec![])]);
        route.hosts = vec![matches::host("shop.example.test")];
        let rest = outbound::route("rest", vec![named("rest", vec![])]);
        let policy = outbound::routed(WEB, SERVICE_PORT, vec![rest, route], &web());
        world.plane.set_outbound(world.service(), Answer::Value(policy));
    });
    for (host, rule) in [("shop.example.test", "host"), ("SHOP.example.test:80", "host"), (WEB, "rest")] {
        let request = http::get(Version::HTTP_11, host, "/inspect").unwrap();
        let seen = Seen::new(world.send(Version::HTTP_11, request).unwrap());
        assert_eq!(seen.fields("x-rule"), [rule], "{host}");
    }
}

#[test]
fn redirects_keep_what_they_do_not_replace() {
    let redirect = |path: &str, to: RequestRedirect| {
        let mut rule = outbound::rule(vec![outbound::prefix(path)], outbound::first(&web()));
        rule.filters = vec![outbound::filter(filter::Kind::Redirect(to))];
        rule
    };
    let replace = |replace| Some(PathModifier { replace: Some(replace) });
    let https = Scheme { r#type: Some(scheme::Type::Registered(scheme::Registered::Https.into())) };
    let world = meshed_with(|world| {
        script(
            world,
            vec![
                redirect(
                    "/secure",
                    RequestRedirect { scheme: Some(https), status: 301, ..Default::default() },
                ),
                redirect(
                    "/old",
                    RequestRedirect {
                        path: replace(path_modifier::Replace::Prefix("/new".to_owned())),
                        status: 302,
                        ..Default::default()
                    },
                ),
                redirect(
                    "/gone",
                    RequestRedirect {
                        host: "new.example.test".to_owned(),
                        path: replace(path_modifier::Replace::Full("/all".to_owned())),
                        status: 307,
                        ..Default::default()
                    },
                ),
            ],
        );
    });
    for (path, status, location) in [
        ("/secure/a?b=c", 301, format!("https://{WEB}/secure/a?b=c")),
        ("/old/a/b?c=d", 302, format!("http://{WEB}/new/a/b?c=d")),
        ("/gone/a", 307, "http://new.example.test/all".to_owned()),
    ] {
        for reply in [world.http1(path), world.http2(path)] {
            assert_eq!(reply.status, status, "{path}: {reply:?}");
            assert_eq!(reply.header("location"), Some(location.as_str()), "{path}");
        }
    }
    assert_eq!(world.app.requests(), 0);
}

#[test]
fn filters_of_responses_and_of_backends_apply() {
    let world = meshed_with(|world| {
        let other = outbound::balancer("other.test.svc.cluster.local", SERVICE_PORT);
        let mut distribution = outbound::weighted(&[(&web(), 1), (&other, 1)]);
        let Some(distribution::Kind::RandomAvailable(list)) = &mut distribution.kind else { unreachable!() };
        for (item, name) in list.backends.iter_mut().zip(["web", "other"]) {
            item.backend.as_mut().unwrap().filters = vec![set("x-backend", name)];
        }
        let mut rule = outbound::rule(vec![outbound::prefix("/inspect")], distribution);
        rule.filters = vec![outbound::filter(filter::Kind::ResponseHeaderModifier(ResponseHeaderModifier {
            add: fields("x-added", "by the route"),
            set: None,
            remove: vec!["date".to_owned()],
        }))];
        script(world, vec![rule]);
    });
    let (other, _) = neighbour(&world, "other", 8081);
    let mut met = [false; 2];
    eventually("both backends", Duration::from_secs(20), || {
        let seen = world.inspect(Version::HTTP_2, &[]);
        assert_eq!(seen.reply.header("x-added"), Some("by the route"));
        assert_eq!(seen.reply.header("date"), None);
        assert_eq!(seen.fields("x-backend"), [seen.reply.header("x-server").unwrap()]);
        met[usize::from(seen.reply.header("x-server") == Some("other"))] = true;
        met == [true; 2]
    });
    assert!(other.requests() > 0);
}
