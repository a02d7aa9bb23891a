//! Failures, delays and resets on purpose.

use std::time::{Duration, Instant};

use ::http::Version;
use mesh_api::faults::Fault;
use mesh_api::faults::fault::{Action, Header, Reset, Route, Service, Target};
use mesh_tests::mesh::answers::outbound;
use mesh_tests::mesh::http::{self, Client};
use mesh_tests::mesh::{Metrics, World};

use crate::kit::{Calls, authority, eventually, gets, meshed, meshed_with, script, web, with_fields};

const ALL: u32 = 1_000_000;

/// A fault of the service, for ever.
fn fault(action: Action, per_million: u32) -> Fault {
    let service = Service { namespace: "test".to_owned(), name: "web".to_owned() };
    Fault {
        namespace: "test".to_owned(),
        name: "trial".to_owned(),
        target: Some(Target::Service(service)),
        headers: Vec::new(),
        per_million,
        action: Some(action),
        expires: i64::MAX,
    }
}

fn header(name: &str, value: &'static str) -> Header {
    Header { name: name.to_owned(), value: value.as_bytes().into() }
}

/// Puts faults in force, and waits until the client's proxy has heard of them.
fn script_faults(world: &World, faults: Vec<Fault>) {
    let proxy = world.client.proxy().unwrap();
    let heard = |metrics: &Metrics| metrics.sum("control_discovery_messages_total", &[("kind", "faults")]);
    let before = heard(&proxy.metrics().unwrap());
    world.plane.set_faults(faults);
    proxy.wait_for_metrics("faults", |metrics| heard(metrics) > before).unwrap();
}

/// A GET on a connection of its own: how long it took and what came, if anything.
fn timed(world: &World, version: Version, fields: &[(&str, &str)]) -> (Duration, Option<u16>) {
    let request = with_fields(http::get(version, &authority(), "/name").unwrap(), fields);
    let start = Instant::now();
    let reply = world.send(version, request);
    (start.elapsed(), reply.ok().map(|reply| reply.status.as_u16()))
}

#[test]
fn a_share_of_requests_fails() {
    let world = meshed_with(|world| {
        let mut rule = outbound::rule(vec![], outbound::first(&web()));
        rule.filters = vec![outbound::failing(503, "for a test", Some((3, 10)))];
        script(world, vec![rule]);
    });
    let mut failed = 0;
    for _ in 0..10 {
        for reply in world.at_once(gets(100, "/name")) {
            match (reply.status.as_u16(), reply.header("l5d-proxy-error")) {
                (503, Some("for a test")) => failed += 1,
                came => assert_eq!(came, (200, None), "{reply:?}"),
            }
        }
    }
    // 300 of 1000; the standard deviation is 14.5, and six of it come once in 500 million runs.
    assert!((213..=387).contains(&failed), "{failed} of 1000");
    assert_eq!(world.app.requests(), 1000 - failed);
}

#[test]
fn a_share_of_requests_is_delayed() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    script_faults(&world, vec![fault(Action::DelayMs(700), ALL / 4)]);
    let service = world.service();
    let delayed = world.client.namespace.run(async move {
        let Client::Http2(sender) = Client::http2(service).await.unwrap() else { unreachable!() };
        let calls: Vec<_> = gets(200, "/name")
            .into_iter()
            .map(|request| {
                let mut client = Client::Http2(sender.clone());
                tokio::spawn(async move {
                    let start = Instant::now();
                    assert_eq!(client.send(request).await.unwrap().status, 200);
                    start.elapsed()
                })
            })
            .collect();
        let mut delayed = 0;
        for call in calls {
            delayed += usize::from(call.await.unwrap() >= Duration::from_millis(690));
        }
        delayed
    });
    // 50 of 200; the standard deviation is 6.1. On a busy machine others may be as slow as those.
    let proxy = world.client.proxy().unwrap();
    let injected =
        |metrics: &Metrics| metrics.sum("outbound_http_errors_total", &[("error", "fault injected")]);
    let metrics = proxy.wait_for_metrics("faults", |metrics| injected(metrics) > 0.0).unwrap();
    let injected = injected(&metrics) as usize;
    assert!((14..=86).contains(&injected), "{injected} of 200 were delayed");
    assert!(delayed >= injected, "{injected} were delayed, and {delayed} took that long");
    assert_eq!(world.app.requests(), 201);
}

#[test]
fn requests_with_a_header_are_delayed_or_reset() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    script_faults(
        &world,
        vec![
            Fault {
                headers: vec![header("x-fault", "reset"), header("x-user", "me")],
                ..fault(Action::Reset(Reset {}), ALL)
            },
            Fault { headers: vec![header("x-fault", "delay")], ..fault(Action::DelayMs(1500), ALL) },
        ],
    );
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let before = world.app.requests();
        let (took, status) = timed(&world, version, &[("x-fault", "delay")]);
        assert!(
            status == Some(200) && took >= Duration::from_millis(1490),
            "{version:?}: {status:?} {took:?}"
        );
        let (_, status) = timed(&world, version, &[("x-fault", "reset"), ("x-user", "me")]);
        assert_eq!(status, None, "{version:?}");
        // One of two fields is not enough, and neither is another value.
        for fields in [&[("x-fault", "reset")][..], &[("x-fault", "delays")], &[]] {
            let (took, status) = timed(&world, version, fields);
            assert!(status == Some(200) && took < Duration::from_millis(1400), "{fields:?}: {took:?}");
        }
        assert_eq!(world.app.requests() - before, 4, "{version:?}: a request that was reset came through");
    }
}

#[test]
fn a_share_of_requests_is_reset() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    script_faults(&world, vec![fault(Action::Reset(Reset {}), ALL / 2)]);
    let service = world.service();
    let reset = world.client.namespace.run(async move {
        let mut client = Client::http2(service).await.unwrap();
        let mut reset = 0;
        for request in gets(200, "/name") {
            reset += usize::from(client.send(request).await.is_err());
        }
        reset
    });
    // 100 of 200; the standard deviation is 7.1.
    assert!((57..=143).contains(&reset), "{reset} of 200 were reset");
    assert_eq!(world.app.requests(), 1 + 200 - reset);
}

#[test]
fn a_reset_ends_its_stream_and_no_other() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    let marked = vec![header("x-fault", "reset")];
    script_faults(&world, vec![Fault { headers: marked, ..fault(Action::Reset(Reset {}), ALL) }]);
    let service = world.service();
    world.client.namespace.run(async move {
        let mut client = Client::http2(service).await.unwrap();
        for _ in 0..3 {
            let request = || http::get(Version::HTTP_2, &authority(), "/name").unwrap();
            assert!(client.send(with_fields(request(), &[("x-fault", "reset")])).await.is_err());
            assert_eq!(client.send(request()).await.unwrap().status, 200);
        }
    });
}

#[test]
fn faults_of_a_route_end_when_they_are_over_or_withdrawn() {
    let world = meshed_with(|world| {
        let rule = outbound::rule(vec![outbound::prefix("/name")], outbound::first(&web()));
        script(world, vec![rule]);
    });
    assert_eq!(world.http1("/name").status, 200);
    let route = Route {
        group: "gateway.networking.k8s.io".to_owned(),
        kind: "HTTPRoute".to_owned(),
        namespace: "test".to_owned(),
        name: "tested".to_owned(),
    };
    let reset =
        || Fault { target: Some(Target::Route(route.clone())), ..fault(Action::Reset(Reset {}), ALL) };
    let resets = || timed(&world, Version::HTTP_2, &[]).1.is_none();
    script_faults(&world, vec![Fault { expires: 1_700_000_000, ..reset() }]);
    assert!(!resets(), "a fault that is over is in force");
    script_faults(&world, vec![reset()]);
    assert!(resets());
    assert_eq!(world.http2("/slow/1").status, 200, "another route is met");
    script_faults(&world, Vec::new());
    assert!(!resets());
    // Nobody could withdraw them any more, so they end with the control plane.
    script_faults(&world, vec![reset()]);
    assert!(resets());
    world.plane.vanish();
    eventually("the end of the faults", Duration::from_secs(10), || !resets());
}
