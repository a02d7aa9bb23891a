//! A control plane that is late, wrong or gone.

use std::time::{Duration, Instant};

use linkerd2_proxy_api::destination::{AddrSet, Update, WeightedAddr, WeightedAddrSet, update};
use linkerd2_proxy_api::outbound::OutboundPolicy;
use mesh_tests::mesh::{Answer, SERVICE_PORT, WEB};
use tonic::Code;

use crate::kit::{Calls, authority, eventually, meshed, meshed_with};

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
    let start = Instant::now();
    let service = world.service();
    let outcome = world.client.namespace.run(async move {
        let request = format!("GET /name HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", authority());
        mesh_tests::mesh::tcp::ask(service, request.into_bytes()).await
    });
    // An answer that names the reason, or an end; anything but waiting.
    if let Ok(answer) = outcome {
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 50"),
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[test]
fn a_policy_that_is_nonsense_leaves_the_old_one() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    let nonsense = OutboundPolicy { protocol: None, metadata: None };
    world.plane.set_outbound(world.service(), Answer::Value(nonsense));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(world.http1("/name").status, 200);
}

#[test]
fn endpoints_that_are_nonsense_leave_the_old_ones() {
    let world = meshed();
    assert_eq!(world.http1("/name").status, 200);
    let update = |update| Update { update: Some(update) };
    let long = "x".repeat(1 << 20);
    let mut labelled = WeightedAddr { weight: 1, ..WeightedAddr::default() };
    labelled.metric_labels.insert("label".to_owned(), long);
    for lie in [
        Update { update: None },
        update(update::Update::Add(WeightedAddrSet {
            addrs: vec![WeightedAddr::default()],
            ..WeightedAddrSet::default()
        })),
        update(update::Update::Add(WeightedAddrSet { addrs: vec![labelled], ..WeightedAddrSet::default() })),
        update(update::Update::Remove(AddrSet { addrs: vec![Default::default()] })),
    ] {
        world.plane.set_endpoints_raw(&authority(), Answer::Value(lie));
        std::thread::sleep(Duration::from_millis(150));
        assert_eq!(world.http1("/name").status, 200);
    }
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
        mesh_tests::mesh::tcp::ask(service, request.into_bytes()).await
    });
    world.plane.wait_for_calls("Destination/Get", &authority(), 2, Duration::from_secs(10)).unwrap();
    world.plane.set_endpoints(&authority(), vec![world.endpoint()]);
    eventually("an answer", Duration::from_secs(10), || world.http1("/name").status == 200);
    drop(first);
}
