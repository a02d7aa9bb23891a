//! The control thread's side: one stream per key, told to every worker that watches it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use mesh_core::port::PortRanges;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::client::{Client, ClientConfig};
use super::connect::{ClientAuth, InvalidServer};
use super::kept::Kept;
use super::stream::{Server, Watch};
use super::watched::{Counts, Entry, Kind, Known, News};
use super::{Answer, Command, Discovery, Inspector, Key, Update, WatchState};
use crate::config::{self, Config, Service, StreamLimits};
use crate::dns::Resolver;
use crate::identity::State;
use crate::metrics::{ControlCounts, ControlKind};
use crate::model::EndpointsUpdate;

/// Keys that are watched at a time. Clients choose what is looked up, so there has to be a bound.
const MAX_KEYS: usize = 20_000;
/// News that streams may have waiting for the hub; then they wait.
const MAX_NEWS: usize = 256;
/// Keys that make one destination: its profile, its policy and its endpoints.
const KEYS_PER_DESTINATION: usize = 3;
/// Inbound and outbound.
const SIDES: usize = 2;
/// Between attempts to tell a worker whose queue was full.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Hands an update to a worker: false when its queue is full, and the update is lost.
pub type Deliver = Box<dyn Fn(Update) -> bool + Send>;

/// The servers that are asked.
#[derive(Clone)]
pub struct Clients {
    /// Of destinations: profiles and endpoints.
    pub destination: Client,
    /// Of policies.
    pub policy: Client,
}

/// The control thread's side of discovery.
pub struct Hub {
    workers: Vec<Worker>,
    commands: mpsc::UnboundedReceiver<Command>,
    sender: mpsc::UnboundedSender<Command>,
    news: mpsc::Receiver<(Key, u64, News)>,
    news_sender: mpsc::Sender<(Key, u64, News)>,
    entries: HashMap<Key, Entry>,
    /// What nobody watches and could not be learned again now.
    kept: Kept,
    destination: Server,
    policy: Server,
    /// What is looked up with the destination server.
    lookups: config::Destination,
    /// Inbound ports that are never forgotten.
    pinned: PortRanges,
    counts: Counts,
    serial: u64,
}

struct Worker {
    deliver: Deliver,
    /// Keys of which the worker has missed something.
    behind: HashSet<Key>,
}

// === impl Hub ===

impl Hub {
    /// A hub for as many workers as there are ways to tell them.
    pub fn new(config: &Config, clients: Clients, workers: Vec<Deliver>) -> Self {
        let (sender, commands) = mpsc::unbounded_channel();
        let (news_sender, news) = mpsc::channel(MAX_NEWS);
        let server = |client: Client, service: &Service, token: &str| Server {
            client,
            limits: if service.address.is_loopback() {
                StreamLimits::default()
            } else {
                config.control.streams
            },
            backoff: config.control.backoff,
            token: token.into(),
        };
        Self {
            workers: workers.into_iter().map(|deliver| Worker { deliver, behind: HashSet::new() }).collect(),
            commands,
            sender,
            news,
            news_sender,
            entries: HashMap::new(),
            kept: Kept::new(config.outbound.capacity.saturating_mul(KEYS_PER_DESTINATION).min(MAX_KEYS)),
            destination: server(
                clients.destination,
                &config.destination.service,
                &config.destination.context,
            ),
            policy: server(clients.policy, &config.policy.service, &config.policy.workload),
            lookups: config.destination.clone(),
            pinned: config.inbound.ports.clone(),
            counts: Counts::default(),
            serial: 0,
        }
    }

    /// What worker number `worker` asks with.
    pub fn discovery(&self, worker: usize) -> Discovery {
        Discovery { worker, commands: self.sender.clone() }
    }

    /// What others ask with.
    pub fn inspector(&self) -> Inspector {
        Inspector { commands: self.sender.clone() }
    }

    /// Runs until its task is dropped; streams end with it.
    pub async fn run(mut self) {
        let ports: Vec<u16> =
            self.pinned.as_slice().iter().flat_map(|range| range.low()..=range.high()).collect();
        for port in ports.into_iter().filter(|port| *port != 0).take(MAX_KEYS / 2) {
            self.open(Key::Inbound(port));
        }
        let mut catch_up = interval(CATCH_UP);
        catch_up.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_behind = self.workers.iter().any(|worker| !worker.behind.is_empty());
            tokio::select! {
                Some(command) = self.commands.recv() => self.command(command),
                Some((key, serial, news)) = self.news.recv() => self.hear(&key, serial, news),
                _ = catch_up.tick(), if is_behind => self.catch_up(),
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Watch(worker, key) => self.watch(worker, key),
            Command::Forget(worker, key) => self.forget(worker, &key),
            Command::Inspect(answer) => {
                let now = Instant::now();
                let states: Vec<WatchState> =
                    self.entries.iter().map(|(key, entry)| entry.state(key, now)).collect();
                let _ = answer.send(states);
            }
            Command::Count(answer) => {
                let _ = answer.send(self.count());
            }
        }
    }

    fn watch(&mut self, worker: usize, key: Key) {
        if let Some(update) = self.shortcut(&key) {
            self.tell(worker, &key, update);
            return;
        }
        if !self.entries.contains_key(&key) && self.entries.len() >= MAX_KEYS {
            self.drop_kept();
        }
        let entry = self.open(key.clone());
        let kept = entry.kept.take();
        // Both sides of a worker may watch a profile, and each forgets it in its own time.
        if entry.watchers.iter().filter(|watcher| **watcher == worker).count() < SIDES {
            entry.watchers.push(worker);
        }
        let known = entry.known.whole(&key);
        if let Some(ticket) = kept {
            self.kept.take(ticket);
        }
        if let Some(update) = known {
            self.tell(worker, &key, update);
        }
    }

    /// The answer to what is not asked of anybody.
    fn shortcut(&self, key: &Key) -> Option<Update> {
        match key {
            Key::Profile(target) if !target.has_profile(&self.lookups) => {
                Some(Update::Profile(target.clone(), Answer::NotFound))
            }
            Key::Endpoints(name) if !self.lookups.gets(name.name.as_str()) => {
                Some(Update::Endpoints(name.clone(), EndpointsUpdate::DoesNotExist))
            }
            _ if self.entries.len() - self.kept.len() < MAX_KEYS || self.entries.contains_key(key) => None,
            Key::Profile(target) => Some(Update::Profile(target.clone(), Answer::NotFound)),
            Key::Outbound(target) => {
                Some(Update::Outbound(target.clone(), Answer::Rejected("too_many_destinations")))
            }
            Key::Faults => Some(Update::Faults(Answer::NotFound)),
            Key::Inbound(port) => Some(Update::Inbound(*port, Answer::Rejected("too_many_destinations"))),
            Key::Endpoints(name) => Some(Update::Endpoints(name.clone(), EndpointsUpdate::DoesNotExist)),
        }
    }

    /// The entry of a key, with a stream.
    fn open(&mut self, key: Key) -> &mut Entry {
        let server = match Kind::of(&key) {
            Kind::Profile | Kind::Endpoints => &self.destination,
            Kind::Outbound | Kind::Inbound | Kind::Faults => &self.policy,
        };
        self.entries.entry(key.clone()).or_insert_with(|| {
            self.serial += 1;
            let watch =
                Watch { key, serial: self.serial, server: server.clone(), news: self.news_sender.clone() };
            Entry {
                watchers: Vec::new(),
                known: Known::Nothing,
                serial: self.serial,
                task: tokio::spawn(watch.run()).abort_handle(),
                down_since: Some(Instant::now()),
                is_current: false,
                kept: None,
                answered: None,
                last_error: None,
            }
        })
    }

    fn forget(&mut self, worker: usize, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let Some(place) = entry.watchers.iter().position(|watcher| *watcher == worker) {
            entry.watchers.swap_remove(place);
        }
        if !entry.watchers.contains(&worker)
            && let Some(worker) = self.workers.get_mut(worker)
        {
            worker.behind.remove(key);
        }
        let is_pinned = matches!(key, Key::Inbound(port) if self.pinned.contains(*port));
        if !entry.watchers.is_empty() || is_pinned || entry.kept.is_some() {
            return;
        }
        if entry.is_current || entry.known.is_nothing() {
            self.entries.remove(key);
            return;
        }
        // Nobody says it again now, so whoever comes back for it would be left with nothing.
        let (ticket, over) = self.kept.keep(key.clone());
        entry.kept = Some(ticket);
        if let Some(oldest) = over {
            self.entries.remove(&oldest);
        }
    }

    /// Makes room by what has been kept unwatched the longest.
    fn drop_kept(&mut self) {
        if let Some(oldest) = self.kept.pop() {
            self.entries.remove(&oldest);
        }
    }

    /// What a stream says, unless it is of one that nobody watched any more before it was opened again.
    fn hear(&mut self, key: &Key, serial: u64, news: News) {
        let kind = Kind::of(key);
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.serial == serial) else { return };
        let update = match news {
            News::Opened => {
                self.counts.of(kind).streams += 1;
                entry.down_since = None;
                return;
            }
            News::Down(error) => {
                entry.down_since.get_or_insert_with(Instant::now);
                entry.is_current = false;
                entry.last_error = Some(error);
                match key {
                    // Nobody could end them any more.
                    Key::Faults => Update::Faults(Answer::NotFound),
                    _ => return,
                }
            }
            News::Update(update) => {
                self.counts.of(kind).messages += 1;
                entry.down_since = None;
                entry.is_current = true;
                entry.last_error = None;
                if let Some(ticket) = entry.kept {
                    // Discovery is back, and nobody has come for this meanwhile.
                    self.kept.take(ticket);
                    self.entries.remove(key);
                    return;
                }
                update
            }
            News::Invalid(reason, error) => {
                tracing::warn!(%key, reason, %error, "a message of the control plane cannot be used");
                self.counts.invalid(kind, reason);
                entry.last_error = Some(error);
                match rejected(key) {
                    Some(update) if entry.known.is_nothing() => update,
                    _ => return,
                }
            }
        };
        entry.answered = Some(Instant::now());
        if !entry.known.keep(&update) {
            return;
        }
        let mut watchers = entry.watchers.clone();
        watchers.sort_unstable();
        watchers.dedup();
        for worker in watchers {
            self.tell(worker, key, update.clone());
        }
    }

    fn tell(&mut self, worker: usize, key: &Key, update: Update) {
        let Some(worker) = self.workers.get_mut(worker) else { return };
        // One who has missed something is told everything once there is room; a part would make no sense.
        if worker.behind.contains(key) || !(worker.deliver)(update) {
            worker.behind.insert(key.clone());
        }
    }

    fn catch_up(&mut self) {
        for worker in 0..self.workers.len() {
            for key in std::mem::take(&mut self.workers[worker].behind) {
                let whole = match self.entries.get(&key) {
                    Some(entry) => entry.known.whole(&key),
                    None => self.shortcut(&key),
                };
                if let Some(update) = whole {
                    self.tell(worker, &key, update);
                }
            }
        }
    }

    fn count(&self) -> Counts {
        let mut counts = self.counts.clone();
        let now = Instant::now();
        for (key, entry) in &self.entries {
            let kind = counts.of(Kind::of(key));
            kind.watched += 1;
            if let Some(since) = entry.down_since {
                kind.stale += 1;
                kind.stale_for = kind.stale_for.max(now.duration_since(since));
            }
        }
        counts
    }
}

/// What is said where the first answer cannot be used: nothing that could serve anybody.
fn rejected(key: &Key) -> Option<Update> {
    const INVALID: &str = "invalid_message";
    match key {
        Key::Profile(target) => Some(Update::Profile(target.clone(), Answer::NotFound)),
        Key::Outbound(target) => Some(Update::Outbound(target.clone(), Answer::Rejected(INVALID))),
        Key::Faults => Some(Update::Faults(Answer::NotFound)),
        Key::Inbound(port) => Some(Update::Inbound(*port, Answer::Rejected(INVALID))),
        Key::Endpoints(_) => None,
    }
}

impl Clients {
    /// Clients of the servers that a configuration names, with their tasks; `resolver` gives each one of its own.
    ///
    /// # Errors
    /// When the name of a server cannot be asked for in TLS.
    pub fn spawn(
        config: &Config,
        mut resolver: impl FnMut(&'static str) -> Arc<Resolver>,
        identity: &watch::Receiver<State>,
        counts: &ControlCounts,
    ) -> Result<Self, InvalidServer> {
        let mut client = |name, kind, service: &Service| {
            let auth = ClientAuth::Required;
            let config = ClientConfig::new(service, &config.control, identity, auth, kind, counts)?;
            Ok(Client::spawn(config, resolver(name)))
        };
        Ok(Self {
            destination: client("destination", ControlKind::Destination, &config.destination.service)?,
            policy: client("policy", ControlKind::Policy, &config.policy.service)?,
        })
    }
}
