//! A control plane that is late, wrong or gone.

use std::time::Duration;

use linkerd2_proxy_api::destination::tls_identity::{DnsLikeIdentity, Strategy};
use linkerd2_proxy_api::destination::{
    AddrSet, DestinationProfile, Route, TlsIdentity, Update, WeightedAddr, WeightedAddrSet, update,
};
use linkerd2_proxy_api::http_route::HttpRouteMatch;
use linkerd2_proxy_api::http_types::{HttpMethod, http_method};
use linkerd2_proxy_api::inbound::{Server, proxy_protocol as inbound_protocol};
use linkerd2_proxy_api::outbound::http_route::{Distribution, Filter, Rule, distribution};
use linkerd2_proxy_api::outbound::proxy_protocol::{Detect, Kind, Opaque};
use linkerd2_proxy_api::outbound::{Backend, OutboundPolicy, ProxyProtocol};
use mesh_tests::mesh::answers::{
    self, inbound,
    outbound::{self, matches},
};
use mesh_tests::mesh::{APP_PORT, Answer, Metrics, Pod, SERVICE_PORT, WEB, World, tcp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;

use crate::kit::{Calls, authority, eventually, meshed, meshed_with, script, state, web};

#[test]
fn questions_carry_the_workload_and_its_context() {
    let world = meshed();
    world.http1("/name");
    let calls = world.plane.calls();
    let find = |method: &str, key: &str| calls.iter().find(|call| call.method == method && call.key == key);
    let service = world.service().to_string();
    assert_eq!(find("OutboundPolicies/Watch", &service).unwrap().context, "client");
    for (method, key) in [("Destination/GetProfile", &service), ("Destination/Get", &authority())] {
        let call = find(method, key).unwrap_or_else(|| panic!("{method} of {key}: {calls:?}"));
        assert!(call.context.contains("\"pod\":\"client\""), "{call:?}");
    }
    let inbound = find("InboundServerPolicies/WatchPort", "server:8080");
    assert_eq!(inbound.unwrap().context, "server");
}

#[test]
fn one_question_serves_all_connections() {
    let world = meshed();
    for _ in 0..20 {
        world.http1("/name");
    }
    assert_eq!(world.plane.count("Destination/Get", &authority()), 1);
    assert_eq!(world.plane.count("OutboundPolicies/Watch", &world.service().to_string()), 1);
}

#[test]
fn what_is_known_serves_on_while_the_control_plane_is_gone() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    world.plane.vanish();
    for _ in 0..20 {
        assert_eq!(world.http1("/name").status, 200);
        std::thread::sleep(Duration::from_millis(50));
    }
    world.plane.return_again();
    world.plane.set_endpoints(&authority(), Vec::new());
    eventually("the news after the return", Duration::from_secs(20), || world.http1("/name").status != 200);
}

#[test]
fn streams_that_end_are_opened_again() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    let before = world.plane.count("Destination/Get", &authority());
    world.plane.disconnect();
    let limit = Duration::from_secs(10);
    world.plane.wait_for_calls("Destination/Get", &authority(), before + 1, limit).unwrap();
    assert_eq!(world.http1("/name").status, 200);
}

#[test]
fn silence_is_not_waited_for_without_end() {
    let world = meshed_with(|world| {
        world.client.config.set("OUTBOUND_HTTP_FAILFAST_TIMEOUT", "1s");
        world.plane.set_outbound(world.service(), Answer::Silence);
        world.plane.set_profile(world.service(), Answer::Silence);
    });
    let service = world.service();
    let answer = world.client.namespace.run(async move {
        let request = format!("GET /name HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", authority());
        let mut stream = tcp::connect(service).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut answer)).await;
        // A reset is an end as well.
        let _ = end.expect("it still waits");
        answer
    });
    // An answer that names the reason, or an end; anything but waiting.
    let text = String::from_utf8_lossy(&answer);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 50"), "{text:?}");
}

#[test]
fn the_age_of_what_serves_is_shown_while_the_control_plane_is_gone() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    let proxy = world.client.proxy().unwrap();
    let age =
        |metrics: &Metrics, kind| metrics.sum("control_discovery_answer_age_seconds", &[("kind", kind)]);
    let kinds = ["endpoints", "outbound", "profile"];
    let metrics = proxy.metrics().unwrap();
    assert_eq!(kinds.map(|kind| age(&metrics, kind)), [0.0; 3], "{metrics}");
    world.plane.vanish();
    proxy.wait_for_metrics("ages", |metrics| kinds.iter().all(|kind| age(metrics, kind) > 1.0)).unwrap();
    let (state, key) = (state(&world.client), format!("endpoints of {}", authority()));
    let endpoints = state["discovery"].as_array().unwrap().iter().find(|watch| watch["key"] == key);
    let endpoints = endpoints.unwrap_or_else(|| panic!("{state}"));
    assert_eq!((&endpoints["connected"], &endpoints["known"]), (&false.into(), &"found".into()));
    assert!(endpoints["last_error"].is_string(), "{endpoints}");
    assert_eq!(world.http1("/name").status, 200);
    world.plane.return_again();
    eventually("answers that are new", Duration::from_secs(20), || {
        let metrics = proxy.metrics().unwrap();
        kinds.iter().all(|kind| age(&metrics, kind) == 0.0)
    });
}

/// How many messages of a kind were not taken for a reason.
fn invalid(metrics: &Metrics, kind: &str, reason: &str) -> f64 {
    metrics.sum("control_discovery_invalid_messages_total", &[("kind", kind), ("reason", reason)])
}

/// Says something that cannot be used, and looks at what became of it: it is counted by its reason once, the log names the field, and
/// everything goes on as before.
fn refuses(world: &World, pod: &Pod, kind: &str, reason: &str, field: &str, say: impl FnOnce()) {
    let proxy = pod.proxy().unwrap();
    let before = invalid(&proxy.metrics().unwrap(), kind, reason);
    say();
    let metrics = proxy
        .wait_for_metrics(&format!("{kind} that is refused for {field}"), |metrics| {
            invalid(metrics, kind, reason) > before
        })
        .unwrap();
    assert_eq!(invalid(&metrics, kind, reason), before + 1.0);
    // The log is written by a thread of its own.
    eventually(&format!("{field} in the log"), Duration::from_secs(5), || {
        let log = proxy.process.log();
        let line = log.lines().rev().find(|line| line.contains("cannot be used")).unwrap_or_default();
        assert!(line.len() < 4096, "{} octets in one line", line.len());
        line.contains(field)
    });
    assert_eq!(world.http1("/name").status, 200, "after {kind} with {field}");
    assert_eq!(world.http2("/name").status, 200, "after {kind} with {field}");
}

#[test]
fn policies_that_cannot_be_used_are_counted_and_leave_the_old_one() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    let backend = web();
    let detect = |rule: Rule| {
        outbound::routed(WEB, SERVICE_PORT, vec![outbound::route("wrong", vec![rule])], &backend)
    };
    let plain = || outbound::rule(vec![], outbound::first(&backend));
    let to = |backend: &Backend| detect(outbound::rule(vec![], outbound::first(backend)));
    let matching = |it| detect(outbound::rule(vec![it], outbound::first(&backend)));
    let forward = |endpoint| to(&outbound::forward(WEB, SERVICE_PORT, endpoint));
    let mut labelled = world.endpoint();
    labelled.metric_labels.insert("label".to_owned(), "x".repeat(1 << 20));
    let mut nameless = backend.clone();
    nameless.metadata = None;
    let unknown_method = HttpMethod { r#type: Some(http_method::Type::Registered(99)) };
    let lies = [
        ("missing", "protocol", OutboundPolicy { protocol: None, metadata: None }),
        ("missing", "metadata", OutboundPolicy { metadata: None, ..to(&backend) }),
        (
            "missing",
            "protocol",
            OutboundPolicy { protocol: Some(ProxyProtocol { kind: None }), ..to(&backend) },
        ),
        ("missing", "metadata", to(&nameless)),
        ("missing", "backends", detect(Rule { backends: Some(Distribution { kind: None }), ..plain() })),
        ("missing", "kind", detect(Rule { filters: vec![Filter { kind: None }], ..plain() })),
        ("missing", "timeout", outbound::with(WEB, SERVICE_PORT, Kind::Detect(Detect::default()))),
        ("count", "routes", outbound::with(WEB, SERVICE_PORT, Kind::Opaque(Opaque::default()))),
        (
            "unknown",
            "method",
            matching(HttpRouteMatch { method: Some(unknown_method), ..Default::default() }),
        ),
        ("regex", "path", matching(matches::regex("/(never closed"))),
        ("port", "addr", forward(answers::endpoint("10.7.1.3:0".parse().unwrap()))),
        ("too_large", "metric_labels", forward(labelled)),
    ];
    for (reason, field, lie) in lies {
        refuses(&world, &world.client, "outbound", reason, field, || {
            world.plane.set_outbound(world.service(), Answer::Value(lie));
        });
    }
    // The next that can be used is.
    script(
        &world,
        vec![outbound::rule(
            vec![],
            Distribution { kind: Some(distribution::Kind::Empty(distribution::Empty {})) },
        )],
    );
    eventually("the new policy", Duration::from_secs(5), || world.http1("/name").status != 200);
}

#[test]
fn endpoints_that_cannot_be_used_are_counted_and_leave_the_old_ones() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    let update = |update| Update { update: Some(update) };
    let add = |endpoint| {
        let set = WeightedAddrSet { addrs: vec![endpoint], ..WeightedAddrSet::default() };
        update(update::Update::Add(set))
    };
    let mut labelled = world.endpoint();
    labelled.metric_labels.insert("label".to_owned(), "x".repeat(1 << 20));
    let mut nobody = world.endpoint();
    nobody.tls_identity = Some(TlsIdentity {
        strategy: Some(Strategy::DnsLikeIdentity(DnsLikeIdentity { name: "not a name".to_owned() })),
        server_name: None,
    });
    for (reason, field, lie) in [
        ("missing", "update", Update { update: None }),
        ("missing", "addr", add(WeightedAddr::default())),
        ("port", "addr", add(answers::endpoint("10.7.1.3:0".parse().unwrap()))),
        ("too_large", "metric_labels", add(labelled)),
        ("name", "tls_identity", add(nobody)),
        ("missing", "addrs", update(update::Update::Remove(AddrSet { addrs: vec![Default::default()] }))),
    ] {
        refuses(&world, &world.client, "endpoints", reason, field, || {
            world.plane.set_endpoints_raw(&authority(), Answer::Value(lie));
        });
    }
}

#[test]
fn profiles_that_cannot_be_used_are_counted_and_leave_the_old_one() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    let with = |change: &dyn Fn(&mut DestinationProfile)| {
        let mut profile = answers::profile(WEB);
        change(&mut profile);
        Answer::Value(profile)
    };
    let labels: std::collections::HashMap<_, _> = [("label".to_owned(), "x".repeat(1 << 20))].into();
    for (reason, field, lie) in [
        ("name", "fully_qualified_name", with(&|it| it.fully_qualified_name = "not a name".to_owned())),
        ("missing", "condition", with(&|it| it.routes = vec![Route::default()])),
        (
            "too_large",
            "metric",
            with(&|it| {
                it.routes = vec![Route { metrics_labels: labels.clone(), ..answers::profile_route("long") }];
            }),
        ),
        (
            "port",
            "endpoint",
            with(&|it| it.endpoint = Some(answers::endpoint("10.7.1.3:0".parse().unwrap()))),
        ),
    ] {
        refuses(&world, &world.client, "profile", reason, field, || {
            world.plane.set_profile(world.service(), lie)
        });
    }
}

#[test]
fn policies_of_ports_that_cannot_be_used_are_counted_and_leave_the_old_one() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    let with = |change: &dyn Fn(&mut Server)| {
        let mut server = inbound::everybody();
        change(&mut server);
        Answer::Value(server)
    };
    for (reason, field, lie) in [
        ("missing", "protocol", with(&|it| it.protocol = None)),
        ("missing", "kind", with(&|it| it.protocol = Some(proxy_protocol(None)))),
        (
            "address",
            "net",
            with(&|it| it.authorizations[0].networks[0].net.as_mut().unwrap().prefix_len = 99),
        ),
        ("missing", "authentication", with(&|it| it.authorizations[0].authentication = None)),
    ] {
        refuses(&world, &world.server, "inbound", reason, field, || {
            world.plane.set_inbound("server", APP_PORT, lie);
        });
    }
}

fn proxy_protocol(kind: Option<inbound_protocol::Kind>) -> linkerd2_proxy_api::inbound::ProxyProtocol {
    linkerd2_proxy_api::inbound::ProxyProtocol { kind }
}

#[test]
fn an_error_of_the_control_plane_is_asked_again() {
    let world = meshed_with(|world| {
        world.plane.set_endpoints_raw(
            &format!("{WEB}:{SERVICE_PORT}"),
            Answer::Status(Code::Internal, "not now".to_owned()),
        );
    });
    let service = world.service();
    let first = world.client.namespace.spawn(async move {
        let request = format!("GET /name HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", authority());
        tcp::ask(service, request.into_bytes()).await
    });
    world.plane.wait_for_calls("Destination/Get", &authority(), 2, Duration::from_secs(10)).unwrap();
    world.plane.set_endpoints(&authority(), vec![world.endpoint()]);
    eventually("an answer", Duration::from_secs(10), || world.http1("/name").status == 200);
    drop(first);
}
