//! Registering, counting, ageing.

use super::*;
use crate::metrics::labels::Direction;
use crate::metrics::{Aggregate, Format, Metrics, StackLabels, Stacks};

const RETAIN: Duration = Duration::from_secs(600);

fn labels(name: &'static str) -> StackLabels {
    StackLabels { direction: Direction::Outbound, protocol: "http", name }
}

#[test]
fn the_same_labels_are_the_same_series() {
    let mut table = Table::<Stacks>::default();
    let (first, second) = (table.register(&labels("a")), table.register(&labels("a")));
    assert_eq!(first, second);
    assert_ne!(first, table.register(&labels("b")));
    table[first].created += 1;
    table[second].created += 1;
    assert_eq!(table[first].created, 2);
}

#[test]
fn a_series_lives_until_it_has_been_idle_without_a_reference() {
    let mut table = Table::<Stacks>::default();
    let start = Instant::now();
    let id = table.register(&labels("a"));
    table.sweep(start + 10 * RETAIN, RETAIN);
    assert_eq!(table.len(), 1);

    table.release(id, start);
    table.sweep(start + RETAIN / 2, RETAIN);
    assert_eq!(table.len(), 1);
    table.sweep(start + RETAIN, RETAIN);
    assert_eq!(table.len(), 0);
}

#[test]
fn an_index_that_is_gone_counts_nowhere() {
    let mut table = Table::<Stacks>::default();
    let now = Instant::now();
    let old = table.register(&labels("a"));
    table.release(old, now);
    table.sweep(now, Duration::ZERO);
    let new = table.register(&labels("b"));
    table[old].created += 5;
    assert_eq!(table[new].created, 0);
    // Nor can it take a reference away from the series that has its place.
    table.release(old, now);
    table.sweep(now, Duration::ZERO);
    assert_eq!(table.len(), 1);
}

#[test]
fn label_sets_beyond_the_limit_share_a_series() {
    let mut table = Table::<crate::metrics::Requests>::default();
    let mut register = |port: u16| {
        table.register(&crate::metrics::RequestLabels::Control(crate::metrics::ControlClient {
            addr: &format!("name:{port}"),
            tls: crate::metrics::ClientTls::Disabled,
        }))
    };
    for port in 0..8192 {
        register(port);
    }
    let (first, second) = (register(9000), register(9001));
    assert_eq!(first, second);
    assert_eq!(table.len(), 8193);
    table[first].requests += 1;
    assert!(table.part().live.iter().any(|(key, values)| &*key.labels == OVERFLOW && values.requests == 1));
}

#[test]
fn a_sum_does_not_shrink_when_one_worker_drops_a_series() {
    let now = Instant::now();
    let (mut first, mut second) = (Metrics::default(), Metrics::default());
    let mut aggregate = Aggregate::default();
    first.stacks.once(&labels("a"), now).created += 2;
    let kept = second.stacks.register(&labels("a"));
    second.stacks[kept].created += 3;
    let mut text = |first: &mut Metrics, second: &mut Metrics, at| {
        aggregate.write(vec![first.snapshot(at, RETAIN), second.snapshot(at, RETAIN)], Format::Text)
    };
    let sample = "stack_create_total{direction=\"outbound\",protocol=\"http\",name=\"a\"} 5\n";
    assert!(text(&mut first, &mut second, now).contains(sample));
    assert!(text(&mut first, &mut second, now + RETAIN).contains(sample));
    assert!(first.stacks.is_empty());
    assert!(text(&mut first, &mut second, now + RETAIN).contains(sample));
    // With the last worker's it is gone.
    second.stacks.release(kept, now);
    assert_eq!(text(&mut first, &mut second, now + RETAIN), "");
}
