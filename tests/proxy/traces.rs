//! Traces: their contexts go from hop to hop, and spans of each hop to a collector.

use std::time::{Duration, Instant};

use ::http::Version;
use mesh_tests::mesh::answers::inbound::{self, Who};
use mesh_tests::mesh::{APP_PORT, Answer, CONTROL_NAME, ReceivedSpan, WEB, World, addresses, http};

use crate::kit::{Calls, Seen, authority, eventually, meshed, meshed_with, unix_now, with_fields};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// A world whose proxies send spans.
fn traced() -> World {
    traced_with(|_| {})
}

fn traced_with(change: impl FnOnce(&mut World)) -> World {
    meshed_with(|world| {
        for pod in [&mut world.client, &mut world.server] {
            pod.config.set("TRACE_COLLECTOR_SVC_ADDR", format!("{}:8086", addresses::CONTROL));
            pod.config.set("TRACE_COLLECTOR_SVC_NAME", CONTROL_NAME);
        }
        change(world);
    })
}

/// Waits for the spans of a trace: two of each proxy and request.
fn spans(world: &World, trace: &str, count: usize) -> Vec<ReceivedSpan> {
    let of_trace = || world.plane.spans().into_iter().filter(|span| span.trace == trace).collect::<Vec<_>>();
    eventually("the spans", Duration::from_secs(25), || of_trace().len() >= count);
    let mut spans = of_trace();
    assert_eq!(spans.len(), count, "{spans:#?}");
    spans.sort_by_key(|span| span.start);
    spans
}

/// The spans of one request, each the parent of the next, from `parent` on.
fn chain(spans: &[ReceivedSpan], parent: &str) -> Vec<ReceivedSpan> {
    let mut chain: Vec<ReceivedSpan> = Vec::new();
    while let Some(next) =
        spans.iter().find(|span| span.parent == chain.last().map_or(parent, |last| last.id.as_str()))
    {
        chain.push(next.clone());
    }
    chain
}

/// Asserts what all four spans of a request say, and that the application saw the last as its parent.
fn assert_request(world: &World, spans: &[ReceivedSpan], parent: &str, seen_parent: &str) {
    let chain = chain(spans, parent);
    let shape: Vec<_> = chain.iter().map(|span| (span.attributes["direction"].as_str(), span.kind)).collect();
    assert_eq!(
        shape,
        [("outbound", "SERVER"), ("outbound", "CLIENT"), ("inbound", "SERVER"), ("inbound", "CLIENT")],
        "{spans:#?}"
    );
    assert_eq!(chain[3].id, seen_parent, "the application's parent is the last span");
    let now = unix_now().as_nanos();
    for span in &chain {
        assert_eq!(span.name, "/inspect");
        let said = |name: &str| span.attributes.get(name).map(String::as_str);
        assert_eq!(said("http.request.method"), Some("GET"));
        assert_eq!(said("http.response.status_code"), Some("200"));
        assert_eq!(said("server.address"), Some(WEB));
        assert!(span.start <= span.end && u128::from(span.end) <= now, "{span:?}");
        assert!(now - u128::from(span.start) < 60_000_000_000, "{span:?}");
        assert!(!span.failed, "{span:?}");
        assert!(!span.resource["process.pid"].is_empty(), "{span:?}");
    }
    assert_eq!(chain[2].attributes["tls.client.subject"], world.client.identity);
    assert_eq!(chain[1].attributes["network.peer.address"], "10.7.1.3", "the endpoint, not the service");
}

#[test]
fn a_trace_in_the_form_of_w3c_has_spans_of_both_hops() {
    let world = traced();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let sent = format!("00-{TRACE}-{SPAN}-01");
        let seen = world.inspect(version, &[("traceparent", &sent), ("tracestate", "vendor=1")]);
        let parent = seen_w3c(&seen);
        assert_ne!(parent, SPAN);
        assert_eq!(seen.fields("tracestate"), ["vendor=1"], "others' state is not ours to change");
        let already = if version == Version::HTTP_11 { 0 } else { 4 };
        let all = spans(&world, TRACE, already + 4);
        let mine: Vec<_> = all.into_iter().skip(already).collect();
        assert_request(&world, &mine, SPAN, &parent);
    }
}

/// The parent that the application saw, which has to be in the same trace.
fn seen_w3c(seen: &Seen) -> String {
    let [value] = seen.fields("traceparent")[..] else { panic!("{seen:?}") };
    let parts: Vec<&str> = value.split('-').collect();
    let ["00", TRACE, parent, "01"] = parts[..] else { panic!("{value}") };
    parent.to_owned()
}

#[test]
fn a_trace_in_the_form_of_b3_has_spans_of_both_hops() {
    let world = traced();
    let trace = "463ac35c9f6413ad48485a3953bb6124";
    let fields = [("x-b3-traceid", trace), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1"), ("x-b3-flags", "0")];
    let seen = world.inspect(Version::HTTP_11, &fields);
    for (name, value) in [fields[0], fields[2], fields[3]] {
        assert_eq!(seen.fields(name), [value]);
    }
    let parent = seen.fields("x-b3-spanid")[0].to_owned();
    assert_request(&world, &spans(&world, trace, 4), SPAN, &parent);

    let single = "80f198ee56343ba864fe8b2a57d3eff7";
    let seen = world.inspect(Version::HTTP_11, &[("b3", &format!("{single}-{SPAN}-1"))]);
    let [value] = seen.fields("b3")[..] else { panic!("{seen:?}") };
    let parts: Vec<&str> = value.split('-').collect();
    assert_eq!((parts[0], parts[2]), (single, "1"), "{value}");
    assert_request(&world, &spans(&world, single, 4), SPAN, parts[1]);
}

#[test]
fn a_short_trace_of_b3_is_filled_up_for_the_collector_alone() {
    let world = traced();
    let fields = [("x-b3-traceid", "463ac35c9f6413ad"), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")];
    let seen = world.inspect(Version::HTTP_2, &fields);
    assert_eq!(seen.fields("x-b3-traceid"), ["463ac35c9f6413ad"]);
    spans(&world, "0000000000000000463ac35c9f6413ad", 4);
}

#[test]
fn what_is_not_sampled_goes_on_and_is_not_sent() {
    let world = traced();
    let unsampled = "11111111111111111111111111111111";
    let seen = world.inspect(Version::HTTP_11, &[("traceparent", &format!("00-{unsampled}-{SPAN}-00"))]);
    let value = seen.fields("traceparent")[0].to_owned();
    assert!(value.starts_with(&format!("00-{unsampled}-")) && value.ends_with("-00"), "{value}");
    assert_eq!(world.inspect(Version::HTTP_11, &[]).fields("traceparent"), [""; 0], "no trace is begun here");
    for broken in ["nonsense", "00-0-0-01", "ff-11111111111111111111111111111111-00f067aa0ba902b7-01"] {
        let seen = world.inspect(Version::HTTP_11, &[("traceparent", broken)]);
        assert_eq!(seen.fields("traceparent"), [broken], "what cannot be read is passed on");
    }
    world.inspect(Version::HTTP_11, &[("traceparent", &format!("00-{TRACE}-{SPAN}-01"))]);
    spans(&world, TRACE, 4);
    assert_eq!(world.plane.spans().len(), 4, "{:#?}", world.plane.spans());
}

#[test]
fn refusals_have_spans_too() {
    let world = traced_with(|world| {
        let server = inbound::server(
            "web",
            inbound::detect(),
            vec![inbound::authorization("nobody", Who::Only(vec![]))],
        );
        world.plane.set_inbound("server", APP_PORT, Answer::Value(server));
        world.server.config.set("INBOUND_DEFAULT_POLICY", "deny");
    });
    let request = http::get(Version::HTTP_11, &authority(), "/secret").unwrap();
    let request = with_fields(request, &[("traceparent", &format!("00-{TRACE}-{SPAN}-01"))]);
    assert_eq!(world.send(Version::HTTP_11, request).unwrap().status, 403);
    let all = spans(&world, TRACE, 4);
    for span in &all {
        assert_eq!(span.attributes["http.response.status_code"], "403", "{span:?}");
        assert_eq!(span.failed, span.kind == "CLIENT", "a refusal is the client's error: {span:?}");
    }
}

#[test]
fn a_resource_says_what_it_was_told_in_every_form() {
    let world = traced_with(|world| {
        let labels = world.folder().join("labels");
        std::fs::write(&labels, "app=\"web\"\npod-template-hash=\"1\"\nk8s.pod.name=\"from-file\"\n")
            .unwrap();
        let config = &mut world.client.config;
        config.set("TRACE_SERVICE_NAME", "shop");
        // The name by which OpenCensus was configured.
        config.set("TRACE_ANNOTATIONS_PATH", labels.display());
        config.set("TRACE_PROTOCOL", "opencensus");
        config.set("TRACE_EXTRA_ATTRIBUTES", "k8s.pod.name=client-0\nk8s.pod.uid=4711");
    });
    let warned = world.client.proxy().unwrap().process.log();
    assert!(warned.contains("LINKERD2_PROXY_TRACE_PROTOCOL"), "{warned}");
    world.inspect(Version::HTTP_11, &[("traceparent", &format!("00-{TRACE}-{SPAN}-01"))]);
    let all = spans(&world, TRACE, 4);
    let resource = &all.iter().find(|span| span.attributes["direction"] == "outbound").unwrap().resource;
    for (name, value) in [
        ("service.name", "shop"),
        ("app", "web"),
        ("pod-template-hash", "1"),
        ("k8s.pod.name", "client-0"),
        ("k8s.pod.uid", "4711"),
    ] {
        assert_eq!(resource.get(name).map(String::as_str), Some(value), "{name} in {resource:?}");
    }
    let metrics = world.client.proxy().unwrap().metrics().unwrap();
    assert!(metrics.sum("opentelemetry_span_export_exports", &[]) >= 2.0, "{metrics}");
}

#[test]
fn without_a_collector_contexts_are_left_alone() {
    let world = meshed();
    let context = format!("00-{TRACE}-{SPAN}-01");
    let seen = world.inspect(Version::HTTP_11, &[("traceparent", &context)]);
    assert_eq!(seen.fields("traceparent"), [&context]);
}

#[test]
fn a_collector_that_is_away_costs_no_request() {
    let world = traced_with(|world| {
        world.client.config.set("TRACE_COLLECTOR_SVC_ADDR", "10.7.9.9:4317");
    });
    let context = format!("00-{TRACE}-{SPAN}-01");
    let start = Instant::now();
    for _ in 0..300 {
        let request = http::get(Version::HTTP_11, &authority(), "/name").unwrap();
        let request = with_fields(request, &[("traceparent", &context)]);
        assert_eq!(world.send(Version::HTTP_11, request).unwrap().status, 200);
    }
    // Were each to wait for a connection to the collector, it would take five minutes.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}
