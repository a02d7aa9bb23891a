//! Clients have an answer for their node only where some endpoint is meant for it.

use serde_json::json;

use super::super::cell::Change;
use super::super::outbox::Outbox;
use super::super::*;
use crate::record::{Key, Kind};

fn know(index: &mut Index, kind: Kind, object: serde_json::Value) {
    index.apply(Event::Applied(kind.decode(object).record.unwrap()));
}

/// A hundred endpoints; the first of them are meant for these nodes.
fn slice(nodes: &[&str]) -> serde_json::Value {
    let endpoint = |at: usize| {
        let mut endpoint = json!({"addresses": [format!("10.1.0.{at}")]});
        if let Some(node) = nodes.get(at) {
            endpoint["hints"] = json!({"forNodes": [{"name": node}]});
        }
        endpoint
    };
    json!({"metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
        "endpoints": (0..100).map(endpoint).collect::<Vec<_>>()})
}

fn service() -> serde_json::Value {
    json!({"metadata": {"name": "web", "namespace": "shop"},
        "spec": {"clusterIP": "10.0.0.1", "ports": [{"name": "http", "port": 80}]}})
}

fn index(nodes: &[&str]) -> Index {
    let mut index = Index::new(Arc::new(Config::default()));
    know(&mut index, Kind::Service, service());
    know(&mut index, Kind::EndpointSlice, slice(nodes));
    index
}

fn from(node: usize) -> Request {
    let client = topic::Client { namespace: "client".into(), node: format!("node-{node}").into() };
    Request::Endpoints { service: Key::new("shop", "web"), port: 80, instance: None, client }
}

fn subscribed(index: &mut Index, now: Instant) -> Vec<Subscription> {
    (0..1000).map(|node| index.subscribe(&from(node), now).unwrap()).collect()
}

#[test]
fn a_thousand_nodes_share_one_answer_but_for_those_that_are_hinted_for() {
    // Flaw it answers: an answer of all endpoints for each node of the cluster.
    let now = Instant::now();
    for (nodes, topics) in [(&[][..], 1), (&["node-1", "node-2"], 3), (&["elsewhere"], 1)] {
        let mut index = index(nodes);
        let _subscribers = subscribed(&mut index, now);
        assert_eq!(index.figures().topics, topics, "{nodes:?}");
    }
    assert!(size_of::<crate::record::Endpoint>() <= 136, "{}", size_of::<crate::record::Endpoint>());
}

#[test]
fn clients_stay_while_their_service_is_away_and_find_their_places_when_it_returns() {
    // Flaw it answers: with the Service its hints were gone, so clients were moved to where nothing is, and refused.
    let now = Instant::now();
    for nodes in [&[][..], &["node-1", "node-2"]] {
        let mut index = index(nodes);
        let mut subscribers = subscribed(&mut index, now);
        let outbox = Arc::new(Outbox::default());
        let mut known = vec![None; subscribers.len()];
        let mut told = |subscribers: &mut [Subscription]| {
            let mut moved = 0;
            for (subscription, known) in subscribers.iter_mut().zip(&mut known) {
                match subscription.changed(*known, &outbox, 0).expect("each is told") {
                    Change::Newer(newest) => *known = Some(newest.number()),
                    Change::Moved => moved += 1,
                    Change::Ended(refusal) => panic!("{refusal:?}"),
                }
            }
            moved
        };
        assert_eq!(told(&mut subscribers), 0);
        index.apply(Event::Deleted { kind: Kind::Service, key: Key::new("shop", "web"), uid: None });
        know(
            &mut index,
            Kind::Node,
            json!({"metadata": {"name": "node-3",
            "labels": {"topology.kubernetes.io/zone": "west"}}}),
        );
        index.settle(32, now + LONGEST_REST);
        assert_eq!(told(&mut subscribers), 0, "it is told, and all stay");
        // Meanwhile zones changed, so each finds its place anew.
        know(&mut index, Kind::Service, service());
        index.settle(32, now + LONGEST_REST * 2);
        assert_eq!(told(&mut subscribers), 1000);
    }
}

#[test]
fn clients_that_are_moved_again_and_again_rest_between_two_times() {
    let start = Instant::now();
    let mut index = index(&["node-1"]);
    let subscribers = subscribed(&mut index, start);
    let mut moved = |nodes: &[&str], at: Instant| {
        let before = index.next_snapshot;
        know(&mut index, Kind::EndpointSlice, slice(nodes));
        let next = index.settle(32, at);
        let again = subscribed(&mut index, at);
        (next, index.next_snapshot - before, again)
    };
    let (next, made, _first) = moved(&["node-1", "node-2"], start);
    assert_eq!(
        (next, made),
        (None, 2),
        "a first change is told at once: to those of node-2, and to the others"
    );
    let (next, made, _second) = moved(&["node-1", "node-2", "node-3"], start + Duration::from_millis(1));
    assert!(next.is_some_and(|next| next <= start + LONGEST_REST), "it rests");
    assert_eq!(made, 1, "only those who ask from now on have one for node-3");
    let (next, made, _third) = moved(&["node-1", "node-3"], start + LONGEST_REST);
    assert_eq!((next, made), (None, 1), "all of them are one change");
    drop(subscribers);
}
