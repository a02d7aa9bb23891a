//! What holds of the index whatever comes, and in whichever order.

mod cluster;
mod nodes;
mod rest;
mod subscriber;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::{AHashMap, AHashSet};
use proptest::prelude::*;

use super::{Index, Request};
use crate::config::Config;
use crate::record::{Key, Kind, Record, Uid};
use crate::source::Event;
use cluster::{Cluster, objects};
use subscriber::{Subscriber, answer, requests};

/// What the watches of a cluster do on their way to an index.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// An object becomes one of its variants, or goes away.
    Change { object: usize, variant: usize },
    /// The watch of a kind brings its next event.
    Deliver { kind: usize },
    /// A watch goes on from an older version: its last events come again, in order.
    Replay { kind: usize, events: usize },
    /// An event is lost; sooner or later its kind is listed again.
    Lose { kind: usize },
    /// A kind is listed.
    List { kind: usize },
    /// Topics are computed and subscribers read.
    Read,
    /// Only some of the topics are computed.
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = || 0..Kind::ALL.len();
    prop_oneof![
        8 => (0..objects().len(), 0..6_usize).prop_map(|(object, variant)| Step::Change { object, variant }),
        8 => kind().prop_map(|kind| Step::Deliver { kind }),
        2 => (kind(), 1..5_usize).prop_map(|(kind, events)| Step::Replay { kind, events }),
        1 => kind().prop_map(|kind| Step::Lose { kind }),
        1 => kind().prop_map(|kind| Step::List { kind }),
        3 => Just(Step::Read),
        1 => Just(Step::Settle),
    ]
}

/// A cluster, the watches that lead from it, and the index at their end.
struct World {
    cluster: Cluster,
    queues: AHashMap<Kind, VecDeque<Event>>,
    delivered: AHashMap<Kind, Vec<Event>>,
    lost: AHashSet<Kind>,
    index: Index,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            cluster: Cluster::default(),
            queues: AHashMap::new(),
            delivered: AHashMap::new(),
            lost: AHashSet::new(),
            index: Index::new(Arc::new(Config::default())),
            now,
        }
    }

    fn take(&mut self, step: Step, subscribers: &mut [Subscriber]) {
        match step {
            Step::Change { object, variant } => {
                for event in self.cluster.change(object, variant) {
                    self.queues.entry(kind_of(&event)).or_default().push_back(event);
                }
            }
            Step::Deliver { kind } => drop(self.deliver(Kind::ALL[kind])),
            Step::Replay { kind, events } => {
                let history = self.delivered.get(&Kind::ALL[kind]).cloned().unwrap_or_default();
                let from = history.len().saturating_sub(events);
                history[from..].iter().for_each(|event| self.index.apply(event.clone()));
            }
            Step::Lose { kind } => {
                if self.queues.get_mut(&Kind::ALL[kind]).and_then(VecDeque::pop_front).is_some() {
                    self.lost.insert(Kind::ALL[kind]);
                }
            }
            Step::List { kind } => self.list(Kind::ALL[kind]),
            Step::Read => self.read(subscribers),
            Step::Settle => drop(self.index.settle(1, self.now)),
        }
    }

    fn deliver(&mut self, kind: Kind) -> bool {
        // After a loss nothing is believed of the kind before it has been listed.
        if self.lost.contains(&kind) {
            return false;
        }
        let Some(event) = self.queues.get_mut(&kind).and_then(VecDeque::pop_front) else { return false };
        self.delivered.entry(kind).or_default().push(event.clone());
        self.index.apply(event);
        true
    }

    fn list(&mut self, kind: Kind) {
        self.queues.remove(&kind);
        self.delivered.remove(&kind);
        self.lost.remove(&kind);
        self.index.apply(self.cluster.list(kind));
    }

    fn read(&mut self, subscribers: &mut [Subscriber]) {
        while self.index.settle(4, self.now).is_some_and(|next| next <= self.now) {}
        self.now += Duration::from_millis(500);
        self.index.sweep(self.now);
        subscribers.iter_mut().for_each(|it| it.read(&mut self.index, self.now));
    }

    /// Everything that is under way arrives.
    fn finish(&mut self, subscribers: &mut [Subscriber]) {
        for kind in Kind::ALL {
            if self.lost.contains(kind) {
                self.list(*kind);
            }
            while self.deliver(*kind) {}
        }
        self.read(subscribers);
    }
}

fn kind_of(event: &Event) -> Kind {
    match event {
        Event::Applied(record) => record.kind(),
        Event::Deleted { kind, .. } | Event::Listed { kind, .. } => *kind,
    }
}

/// An index that was started now: the oracle.
fn fresh(cluster: &Cluster) -> Index {
    let mut index = Index::new(Arc::new(Config::default()));
    Kind::ALL.iter().for_each(|kind| index.apply(cluster.list(*kind)));
    index.settle(usize::MAX, Instant::now());
    index
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Flaws it answers: races between watches, lost and repeated events, moves between slices, pods made again under
    /// their names, marks that objects leave behind, clients whose class changes. Whatever happened on the way,
    /// every stream has told what an index that was started now would tell, and nothing stays of what is gone.
    #[test]
    fn any_order_of_events_ends_where_a_fresh_list_does(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        let mut subscribers: Vec<Subscriber> = requests().into_iter().map(Subscriber::new).collect();
        for step in steps {
            world.take(step, &mut subscribers);
        }
        world.finish(&mut subscribers);
        let mut oracle = fresh(&world.cluster);
        for subscriber in &mut subscribers {
            let expected = answer(&mut oracle, &subscriber.request);
            prop_assert_eq!(subscriber.told(&mut world.index, world.now), expected, "{:?}", subscriber.request);
        }
        // The end of everything.
        world.cluster = Cluster::default();
        Kind::ALL.iter().for_each(|kind| world.list(*kind));
        world.read(&mut subscribers);
        drop(subscribers);
        for _ in 0..4 {
            world.now += Duration::from_secs(30);
            world.index.sweep(world.now);
        }
        prop_assert_eq!(world.index.figures().topics, 0);
        prop_assert_eq!(world.index.readers.len(), 0);
        // Nodes that clients named and that are not there are remembered, up to a limit.
        let left = world.index.store().leftovers().into_iter().filter(|(name, _)| *name != "awaited_nodes");
        prop_assert_eq!(left.collect::<Vec<_>>(), Vec::new());
    }
}

/// A cluster in which every object is there.
fn whole() -> Cluster {
    let mut cluster = Cluster::default();
    (0..objects().len()).for_each(|object| drop(cluster.change(object, 0)));
    cluster
}

#[test]
fn a_resync_computes_nothing_and_sends_nothing() {
    // Flaw it answers: every ten minutes all objects were told again, and each was worked on as if it were new.
    let cluster = whole();
    let mut index = fresh(&cluster);
    let now = Instant::now();
    let mut subscribers: Vec<Subscriber> = requests().into_iter().map(Subscriber::new).collect();
    subscribers.iter_mut().for_each(|it| it.read(&mut index, now));
    assert!(subscribers.iter().all(|it| it.messages == 1), "all are answered");
    let changes = index.store().changes();
    for kind in Kind::ALL {
        index.apply(cluster.list(*kind));
        let Event::Listed { records, .. } = cluster.list(*kind) else { unreachable!() };
        records.into_iter().for_each(|record| index.apply(Event::Applied(record)));
    }
    assert!(index.dirty.is_empty(), "no topic is computed");
    assert_eq!(index.store().changes(), changes);
    subscribers.iter_mut().for_each(|it| it.read(&mut index, now));
    assert!(subscribers.iter().all(|it| it.messages == 1), "no message is sent");
}

#[test]
fn subscribers_of_a_class_share_one_snapshot_and_coming_back_costs_no_computation() {
    // Flaws it answers: a copy of the endpoints for each subscriber; a subscription that is dear when all come at once.
    let mut index = fresh(&whole());
    let now = Instant::now();
    for request in requests() {
        let first = index.subscribe(&request, now).unwrap();
        let computed = index.next_snapshot;
        let others: Vec<_> = (0..100).map(|_| index.subscribe(&request, now).unwrap()).collect();
        assert!(others.iter().all(|it| Arc::ptr_eq(&it.newest(), &first.newest())));
        let frames = first.newest().full();
        assert!(others.iter().all(|it| it.newest().full().as_ptr() == frames.as_ptr()), "frames are shared");
        // All streams end and come back, as after a rollout of proxies.
        drop((first, others));
        let again = index.subscribe(&request, now + Duration::from_secs(1)).unwrap();
        assert_eq!(again.newest().full().as_ptr(), frames.as_ptr());
        assert_eq!(index.next_snapshot, computed, "nothing is computed again");
    }
}

#[test]
fn a_million_made_up_names_and_addresses_leave_nothing_behind() {
    // Flaw it answers: what clients made up became entries that nobody freed.
    let mut index = fresh(&whole());
    let now = Instant::now();
    let before = index.store().leftovers();
    let mut most = 0;
    for number in 0..1_000_000_u32 {
        let request = match number % 4 {
            0 => subscriber::endpoints(&format!("made-up-{number}"), "node-1"),
            1 => subscriber::profile_of((
                [10, 90, (number >> 8) as u8, number as u8],
                80 + (number >> 16) as u16,
            )),
            2 => subscriber::endpoints("web", &format!("made-up-{number}")),
            _ => Request::Outbound {
                target: super::topic::OutboundTarget::Service(
                    Key::new("shop", &format!("made-up-{number}")),
                    80,
                ),
                namespace: format!("made-up-{number}").as_str().into(),
            },
        };
        drop(index.subscribe(&request, now));
        most = most.max(index.topics.len());
    }
    assert!(most <= super::MOST_UNUSED + 100, "{most} topics at once");
    for seconds in [20, 40, 60] {
        index.sweep(now + Duration::from_secs(seconds));
    }
    assert_eq!((index.figures().topics, index.by_topic.len(), index.readers.len()), (0, 0, 0));
    let grown: Vec<_> = index.store().leftovers().into_iter().filter(|it| !before.contains(it)).collect();
    assert!(grown.iter().all(|(name, count)| *name == "awaited_nodes" && *count <= 10_000), "{grown:?}");
}

#[test]
fn a_late_delete_is_not_about_the_object_made_again() {
    let mut cluster = Cluster::default();
    let mut index = fresh(&cluster);
    let at = objects().iter().position(|object| object.kind == Kind::Pod).unwrap();
    let Some(Event::Applied(Record::Pod(first))) = cluster.change(at, 0).pop() else { panic!("no pod") };
    let Some(Event::Applied(Record::Pod(second))) = cluster.change(at, 1).pop() else { panic!("no pod") };
    assert_ne!(first.uid, second.uid);
    index.apply(Event::Applied(Record::Pod(Arc::clone(&second))));
    index.apply(Event::Deleted { kind: Kind::Pod, key: first.key.clone(), uid: first.uid });
    assert_eq!(index.store().pod(&second.key), Some(&second));
    let uid: Option<Uid> = second.uid;
    index.apply(Event::Deleted { kind: Kind::Pod, key: second.key.clone(), uid });
    assert!(index.store().pod(&second.key).is_none());
}
