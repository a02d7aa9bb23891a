//! Topics with many subscribers rest between two changes.

use serde_json::json;

use super::super::*;
use crate::record::{Key, Kind};

fn know(index: &mut Index, kind: Kind, object: serde_json::Value) {
    index.apply(Event::Applied(kind.decode(object).record.unwrap()));
}

fn slice(ip: &str) -> serde_json::Value {
    json!({"metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}], "endpoints": [{"addresses": [ip]}]})
}

#[test]
fn many_subscribers_are_told_of_a_change_at_once_and_of_the_next_ones_together() {
    // Flaw it answers: a rollout was a message for each of its events and each of its thousands of subscribers.
    let start = Instant::now();
    let mut index = Index::new(Arc::new(Config::default()));
    know(
        &mut index,
        Kind::Service,
        json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"clusterIP": "10.0.0.1", "ports": [{"name": "http", "port": 80}]}}),
    );
    know(&mut index, Kind::EndpointSlice, slice("10.1.0.1"));
    let request = Request::Endpoints {
        service: Key::new("shop", "web"),
        port: 80,
        instance: None,
        client: topic::Client::default(),
    };
    let subscribers: Vec<Subscription> =
        (0..1000).map(|_| index.subscribe(&request, start).unwrap()).collect();
    let number = |index: &mut Index| index.subscribe(&request, start).unwrap().newest().number();
    let first = subscribers[0].newest().number();

    know(&mut index, Kind::EndpointSlice, slice("10.1.0.2"));
    assert_eq!(index.settle(32, start), None);
    let second = subscribers[0].newest().number();
    assert_ne!(second, first, "a first change is told at once");
    for last in 3..100 {
        know(&mut index, Kind::EndpointSlice, slice(&format!("10.1.0.{last}")));
        let next = index.settle(32, start + Duration::from_millis(1)).expect("it rests");
        assert!(next > start && next <= start + LONGEST_REST);
    }
    assert_eq!(number(&mut index), second, "nobody is told more often, newcomers included");
    assert_eq!(index.settle(32, start + LONGEST_REST), None);
    assert_eq!(subscribers[0].newest().number(), second + 1, "all of them are one change");
}

#[test]
fn few_subscribers_are_told_of_every_change_at_once() {
    assert_eq!(rest(50, 2_000), None);
    assert_eq!(rest(1_000_000, 2_000), Some(LONGEST_REST));
}
