//! Routes that know services and methods of gRPC.

use std::time::Duration;

use ::http::Version;
use linkerd2_proxy_api::grpc_route::GrpcFailureInjector;
use linkerd2_proxy_api::outbound::grpc_route::{Filter, Retry, Rule, filter, retry};
use mesh_tests::mesh::answers::outbound::{self, grpc, matches};
use mesh_tests::mesh::http::Reply;
use mesh_tests::mesh::{Answer, SERVICE_PORT, WEB, World};

use crate::kit::{Calls, call, meshed_with, neighbour, web};

const OTHER: &str = "other.test.svc.cluster.local";

/// Gives the service a gRPC route with these rules and no other.
fn script(world: &World, rules: Vec<Rule>) {
    let kind = grpc::protocol(vec![grpc::route("calls", rules)]);
    let policy = outbound::with(WEB, SERVICE_PORT, kind);
    world.plane.set_outbound(world.service(), Answer::Value(policy));
}

fn status(reply: &Reply) -> Option<&str> {
    reply.trailer("grpc-status").or(reply.header("grpc-status"))
}

#[test]
fn calls_are_chosen_by_service_method_and_header() {
    let world = meshed_with(|world| {
        let (web, other) = (web(), outbound::balancer(OTHER, SERVICE_PORT));
        let mut canary = grpc::rpc("greet.Greeter", "");
        canary.headers = vec![matches::header("x-canary", "yes")];
        script(
            world,
            vec![
                grpc::rule(vec![grpc::rpc("greet.Greeter", "")], grpc::first(&web)),
                grpc::rule(vec![grpc::rpc("greet.Greeter", "Part")], grpc::first(&other)),
                grpc::rule(vec![grpc::rpc("", "Everywhere")], grpc::first(&other)),
                grpc::rule(vec![canary], grpc::first(&other)),
            ],
        );
    });
    let _other = neighbour(&world, "other", 8081);
    let canary: &[_] = &[("x-canary", "yes")];
    for (path, fields, server) in [
        ("/greet.Greeter/Meet", &[][..], Some("web")),
        ("/greet.Greeter/Part", &[], Some("other")),
        ("/greet.Greeter/Parting", &[], Some("web")),
        ("/greet.Greeter/Meet", canary, Some("other")),
        ("/mail.Post/Everywhere", &[], Some("other")),
        ("/mail.Post/Nowhere", &[], None),
        ("/greet.GreeterX/Meet", &[], None),
    ] {
        let reply = world.send(Version::HTTP_2, call(path, fields)).unwrap();
        match server {
            Some(server) => {
                assert_eq!((status(&reply), reply.header("x-server")), (Some("0"), Some(server)), "{path}");
            }
            None => {
                assert_eq!((reply.status.as_u16(), status(&reply)), (200, Some("5")), "{path}: {reply:?}");
                assert!(reply.header("l5d-proxy-error").is_some(), "{reply:?}");
            }
        }
    }
}

#[test]
fn weights_divide_calls() {
    let world = meshed_with(|world| {
        let (web, other) = (web(), outbound::balancer(OTHER, SERVICE_PORT));
        script(world, vec![grpc::rule(vec![], grpc::weighted(&[(&web, 3), (&other, 1)]))]);
    });
    let (other, _) = neighbour(&world, "other", 8081);
    for _ in 0..8 {
        let replies = world.at_once((0..50).map(|_| call("/a.B/C", &[])).collect());
        assert!(replies.iter().all(|reply| status(reply) == Some("0")), "{replies:?}");
    }
    // A quarter of 400, whose standard deviation is 9.
    assert!((55..150).contains(&other.requests()), "{} of 400 calls", other.requests());
    let proxy = world.client.proxy().unwrap();
    let labels = |name| [("route_name", "calls"), ("backend_name", name)];
    proxy
        .wait_for_metrics("all calls, by backend", |metrics| {
            let sent = |name| metrics.sum("outbound_grpc_route_backend_requests_total", &labels(name));
            sent("web") + sent("other") == 400.0 && sent("other") == other.requests() as f64
        })
        .unwrap();
}

#[test]
fn calls_that_failed_are_tried_again() {
    let world = meshed_with(|world| {
        let mut rule = grpc::rule(vec![], grpc::first(&web()));
        rule.retry = Some(Retry {
            max_retries: 2,
            max_request_bytes: 65_536,
            conditions: Some(retry::Conditions { unavailable: true, ..Default::default() }),
            timeout: None,
            backoff: Some(outbound::backoff(Duration::from_millis(5), Duration::from_millis(20))),
        });
        script(world, vec![rule]);
    });
    let before = world.app.requests();
    world.app.fail_next(2);
    let reply = world.send(Version::HTTP_2, call("/a.B/C", &[])).unwrap();
    assert_eq!((status(&reply), world.app.requests() - before), (Some("0"), 3), "{reply:?}");
    // Another status is none of those that are tried again.
    let before = world.app.requests();
    let reply = world.send(Version::HTTP_2, call("/grpc/5", &[])).unwrap();
    assert_eq!((status(&reply), world.app.requests() - before), (Some("5"), 1), "{reply:?}");
    // Not more often than the route says.
    world.app.fail_next(10);
    let before = world.app.requests();
    let reply = world.send(Version::HTTP_2, call("/a.B/C", &[])).unwrap();
    assert_eq!((status(&reply), world.app.requests() - before), (Some("14"), 3), "{reply:?}");
    world.app.fail_next(0);
    let proxy = world.client.proxy().unwrap();
    proxy
        .wait_for_metrics("retries", |metrics| {
            let of = |what: &str| metrics.sum(&format!("outbound_grpc_route_retry_{what}_total"), &[]);
            (of("requests"), of("successes"), of("limit_exceeded")) == (4.0, 1.0, 1.0)
                && metrics
                    .sum("outbound_grpc_route_request_statuses_total", &[("grpc_status", "UNAVAILABLE")])
                    == 1.0
        })
        .unwrap();
}

#[test]
fn calls_are_failed_on_purpose() {
    let world = meshed_with(|world| {
        let mut rule = grpc::rule(vec![grpc::rpc("a.B", "Broken")], grpc::first(&web()));
        let injector = GrpcFailureInjector { code: 9, message: "for a test".to_owned(), ratio: None };
        rule.filters = vec![Filter { kind: Some(filter::Kind::FailureInjector(injector)) }];
        script(world, vec![rule, grpc::rule(vec![], grpc::first(&web()))]);
    });
    let reply = world.send(Version::HTTP_2, call("/a.B/Broken", &[])).unwrap();
    assert_eq!((reply.status.as_u16(), status(&reply)), (200, Some("9")), "{reply:?}");
    assert_eq!(reply.header("grpc-message").or(reply.trailer("grpc-message")), Some("for a test"));
    assert_eq!(world.app.requests(), 0);
    assert_eq!(status(&world.send(Version::HTTP_2, call("/a.B/Whole", &[])).unwrap()), Some("0"));
}
