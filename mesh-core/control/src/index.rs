//! The index: what is known of the cluster, and the answers that somebody waits for.
//!
//! ```text
//!  source ──events──> Store ──touched interests──> topics to compute ──compute──> Snapshot ──> Cell ──> streams
//!          (records)          (what answers read)   (pure functions)              (frames)     (conflated)
//! ```
//!
//! Applying an event changes records and marks the topics that read them; [`Index::settle`] computes those once,
//! however many events came, and publishes what differs. No message is sent from an event: a stream takes the newest
//! snapshot when it can write. Nothing here does IO, and nothing is kept for a topic that nobody listens to.

pub mod cell;
pub mod clusters;
pub mod outbox;
pub mod shared;
pub mod snapshot;
pub mod store;
#[cfg(test)]
mod tests;
pub mod topic;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::{AHashMap, AHashSet};
use slab::Slab;

use crate::config::Config;
use crate::record::Text;
use crate::source::Event;
use cell::{Cell, Subscription};
use snapshot::Snapshot;
pub use store::{Interest, Store};
pub use topic::{Outcome, Reads, Refusal, Request, Topic};

/// How long a topic without listeners is kept: proxies that reconnect find it again.
const KEEP_UNUSED: Duration = Duration::from_secs(10);
/// Topics without listeners that are kept at most: clients may ask for any address, and leave at once.
const MOST_UNUSED: usize = 10_000;

/// A topic rests after it was computed, for about as long as that and telling everybody takes: changes that come one
/// after the other, as in a rollout, are then told together, and a first change at once. For each subscriber…
const REST_A_LISTENER: Duration = Duration::from_micros(20);
/// …for each KiB of the answer…
const REST_A_KIB: Duration = Duration::from_micros(16);
/// …up to this…
const LONGEST_REST: Duration = Duration::from_millis(100);
/// …and less than this is none.
const SHORTEST_REST: Duration = Duration::from_millis(2);

/// Everything known and everything waited for. See the module's page.
pub struct Index {
    config: Arc<Config>,
    store: Store,
    topics: Slab<Entry>,
    by_topic: AHashMap<Arc<Topic>, usize>,
    /// Which topics read what.
    readers: AHashMap<Interest, AHashSet<usize>>,
    /// Topics to compute; a topic is in it at most once.
    dirty: AHashSet<usize>,
    /// Topics whose clients were moved, and until when they rest if they come again.
    moved: AHashMap<Arc<Topic>, Instant>,
    /// With so many topics, those that nobody listens to go at once.
    room: usize,
    next_snapshot: u64,
    closed: bool,
}

struct Entry {
    topic: Arc<Topic>,
    cell: Arc<Cell>,
    reads: Vec<Interest>,
    /// Which classes of subscribers there were when something decided between them; another one moves subscribers.
    basis: Option<u64>,
    unused_since: Option<Instant>,
    /// Events wait until then, when they come sooner.
    rests_until: Option<Instant>,
}

/// Figures for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Topics in memory.
    pub topics: usize,
    /// Streams that listen to them.
    pub subscribers: usize,
    /// Records by kind are asked for apart; this is their sum.
    pub records: usize,
}

impl Index {
    /// An empty index.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            store: Store::default(),
            topics: Slab::new(),
            by_topic: AHashMap::new(),
            readers: AHashMap::new(),
            dirty: AHashSet::new(),
            moved: AHashMap::new(),
            room: MOST_UNUSED,
            next_snapshot: 1,
            closed: false,
        }
    }

    /// What is known.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The settings answers depend on.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Takes an event. Answers change only in [`Index::settle`].
    pub fn apply(&mut self, event: Event) {
        self.change(|store| store.apply(event));
    }

    /// Takes an event of another cluster.
    pub fn apply_remote(&mut self, cluster: &Text, event: Event) {
        self.change(|store| store.apply_remote(cluster, event));
    }

    /// Makes another cluster known, or gives it other settings. Its records come by [`Index::apply_remote`].
    pub fn link(&mut self, cluster: &Text, config: Arc<Config>) {
        self.change(|store| store.link(cluster, config));
    }

    /// Forgets another cluster.
    pub fn unlink(&mut self, cluster: &Text) {
        self.change(|store| store.unlink(cluster));
    }

    /// Changes what is known, and marks the topics that read what was touched.
    fn change(&mut self, change: impl FnOnce(&mut Store)) {
        self.store.note_touched(self.readers.is_empty());
        change(&mut self.store);
        for interest in self.store.take_touched() {
            if let Some(readers) = self.readers.get(&interest) {
                self.dirty.extend(readers);
            }
        }
    }

    /// Computes at most `most` of the topics that events touched. When there are more, says when to come again: at
    /// once, or when the first of them has rested.
    pub fn settle(&mut self, most: usize, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut batch = Vec::with_capacity(most.min(self.dirty.len()));
        for &id in &self.dirty {
            match self.rest_of(id, now) {
                Some(until) => next = Some(next.map_or(until, |next| next.min(until))),
                None if batch.len() < most => batch.push(id),
                None => {
                    next = Some(now);
                    break;
                }
            }
        }
        for id in batch {
            self.dirty.remove(&id);
            self.refresh(id, now);
        }
        next
    }

    /// Until when a topic rests, if it does.
    fn rest_of(&self, id: usize, now: Instant) -> Option<Instant> {
        self.topics.get(id)?.rests_until.filter(|until| *until > now)
    }

    /// Drops topics nobody has listened to for a while.
    pub fn sweep(&mut self, now: Instant) {
        self.moved.retain(|_, until| *until > now);
        let mut gone = Vec::new();
        for (id, entry) in &mut self.topics {
            if entry.cell.listeners() > 0 {
                entry.unused_since = None;
            } else if now.duration_since(*entry.unused_since.get_or_insert(now)) >= KEEP_UNUSED {
                gone.push(id);
            }
        }
        for id in gone {
            self.drop_topic(id);
        }
    }

    /// Finds the topic that answers a request, and computes it if nobody listens to it yet.
    ///
    /// # Errors
    /// When there is nothing to answer with; nothing is kept for such a request.
    pub fn subscribe(&mut self, request: &Request, now: Instant) -> Result<Subscription, Refusal> {
        if self.closed {
            return Err(Refusal::unavailable("this replica is shutting down: ask another"));
        }
        let topic = topic::resolve(request, &self.store, &self.config)?;
        if let Some(client) = request.client() {
            self.store.await_node(&client.node);
        }
        if let Some(&id) = self.by_topic.get(&topic) {
            // Events may be waiting to be settled; a newcomer must not start from what is known to be old, unless all
            // others are about to be told.
            if self.rest_of(id, now).is_none() && self.dirty.remove(&id) {
                self.refresh(id, now);
            }
            if let Some(entry) = self.topics.get_mut(id) {
                entry.unused_since = None;
                return Ok(Subscription::new(Arc::clone(&entry.cell)));
            }
            return self.subscribe_new(topic, now);
        }
        self.subscribe_new(topic, now)
    }

    /// Ends every stream; none begins after it.
    pub fn close(&mut self) {
        self.closed = true;
        for (_, entry) in &self.topics {
            entry.cell.end(Refusal::ok());
        }
    }

    /// Figures for metrics.
    pub fn figures(&self) -> Figures {
        Figures {
            topics: self.topics.len(),
            subscribers: self.topics.iter().map(|(_, entry)| entry.cell.listeners()).sum(),
            records: self.store.len(),
        }
    }

    /// Drops every topic nobody listens to. The next time is when as many new ones have come as are in use now, so
    /// that a subscription costs the same whatever clients do.
    fn make_room(&mut self) {
        let unused = self.topics.iter().filter(|(_, entry)| entry.cell.listeners() == 0);
        for id in unused.map(|(id, _)| id).collect::<Vec<_>>() {
            self.drop_topic(id);
        }
        self.room = self.topics.len() + self.topics.len().max(MOST_UNUSED);
    }

    fn subscribe_new(&mut self, topic: Topic, now: Instant) -> Result<Subscription, Refusal> {
        if self.topics.len() >= self.room {
            self.make_room();
        }
        let mut reads = Reads::default();
        let outcome = topic::compute(&topic, &self.store, &self.config, &mut reads);
        let content = match outcome {
            Outcome::Content(content) => content,
            Outcome::Ended(refusal) => return Err(refusal),
            Outcome::Moved => return Err(Refusal::unavailable("the target is changing: ask again")),
        };
        let (interests, basis) = reads.finish();
        let snapshot = Arc::new(Snapshot::first(self.next_snapshot, content));
        self.next_snapshot += 1;
        let cell = Arc::new(Cell::new(snapshot));
        let topic = Arc::new(topic);
        let rests_until = self.moved.remove(&topic).filter(|until| *until > now);
        let entry = Entry {
            topic: Arc::clone(&topic),
            cell: Arc::clone(&cell),
            reads: Vec::new(),
            basis,
            unused_since: None,
            rests_until,
        };
        let id = self.topics.insert(entry);
        self.by_topic.insert(topic, id);
        self.note_reads(id, interests);
        Ok(Subscription::new(cell))
    }

    /// Computes a topic again and publishes what differs.
    fn refresh(&mut self, id: usize, now: Instant) {
        let Some(entry) = self.topics.get(id) else { return };
        if entry.cell.listeners() == 0 && entry.unused_since.is_some_and(|since| now - since >= KEEP_UNUSED) {
            return self.drop_topic(id);
        }
        let mut reads = Reads::default();
        let outcome = topic::compute(&entry.topic, &self.store, &self.config, &mut reads);
        let (interests, basis) = reads.finish();
        let mut published = false;
        match outcome {
            Outcome::Content(_) if basis.is_some_and(|basis| entry.basis != Some(basis)) => {
                // Another class of subscribers came up: each finds its own again, and goes on from what it has. Most
                // come back to this one: what follows waits as it would after any other change.
                if let Some(rest) = rest(entry.cell.listeners(), entry.cell.newest().size()) {
                    self.moved.insert(Arc::clone(&entry.topic), now + rest);
                }
                entry.cell.move_on();
                return self.drop_topic(id);
            }
            Outcome::Moved => {
                entry.cell.move_on();
                return self.drop_topic(id);
            }
            Outcome::Ended(refusal) => {
                entry.cell.end(refusal);
                return self.drop_topic(id);
            }
            Outcome::Content(content) => {
                if let Some(next) = Snapshot::after(&entry.cell.newest(), self.next_snapshot, content) {
                    self.next_snapshot += 1;
                    entry.cell.publish(Arc::new(next));
                    published = true;
                }
            }
        }
        let rest = rest(if published { entry.cell.listeners() } else { 0 }, entry.cell.newest().size());
        if let Some(entry) = self.topics.get_mut(id) {
            entry.rests_until = rest.map(|rest| now + rest);
        }
        self.note_reads(id, interests);
    }

    fn note_reads(&mut self, id: usize, reads: Vec<Interest>) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        if entry.reads == reads {
            return;
        }
        let old = std::mem::replace(&mut entry.reads, reads);
        for interest in &entry.reads {
            if !old.contains(interest) {
                self.readers.entry(interest.clone()).or_default().insert(id);
            }
        }
        let current = &entry.reads;
        for interest in old.iter().filter(|interest| !current.contains(interest)) {
            forget(&mut self.readers, interest, id);
        }
    }

    fn drop_topic(&mut self, id: usize) {
        let Some(entry) = self.topics.try_remove(id) else { return };
        self.by_topic.remove(&entry.topic);
        self.dirty.remove(&id);
        for interest in &entry.reads {
            forget(&mut self.readers, interest, id);
        }
    }
}

/// How long a topic rests.
fn rest(listeners: usize, octets: usize) -> Option<Duration> {
    let times = |each: Duration, count: usize| each.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    let rest = times(REST_A_LISTENER, listeners).saturating_add(times(REST_A_KIB, octets / 1024));
    (rest >= SHORTEST_REST).then(|| rest.min(LONGEST_REST))
}

fn forget(readers: &mut AHashMap<Interest, AHashSet<usize>>, interest: &Interest, id: usize) {
    if let Some(ids) = readers.get_mut(interest) {
        ids.remove(&id);
        if ids.is_empty() {
            readers.remove(interest);
        }
    }
}
