//! An API server as a source: one list and one watch for each kind, started together.
//!
//! Lists are read page by page, so that the peak of memory is a page and not the cluster. A watch goes on from where
//! it ended; a version that is too old (410) leads to a new list, which replaces what was known of the kind. While the
//! API server is away everything known stays in force. A kind that the API server does not serve counts as listed
//! and empty, and is asked for again: definitions may be installed later.

mod lines;
mod page;

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use http::Request;
use http::header::ACCEPT;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::{Event, Sink};
use crate::record::{Key, Kind, Page, PageHead, Record};
use crate::runtime::Registry;
use crate::runtime::metrics::{Counter, Family};
use lines::Lines;
use page::Decoding;

/// The API server ends a watch after so long; spread, so that not all watches are renewed at once.
const WATCH_SECONDS: u64 = 240;
/// Without a word for longer than that, a watch is begun again from where it is: bookmarks come every minute, and one
/// more request costs nothing beside a watch that has gone deaf.
const SILENCE: Duration = Duration::from_secs(90);
/// How long a page may take.
const PAGE_LIMIT: Duration = Duration::from_secs(30);
/// How often a kind that is not served is asked for.
const ABSENT: Duration = Duration::from_secs(10);
/// Between two tries: from this…
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// …doubling up to this. All kinds of a replica together make five requests a second then, and what changed while the
/// API server was away is known within seconds of its return.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What the API server may ask us to wait for.
const LONGEST_WISH: Duration = Duration::from_secs(30);

/// Counts what goes wrong between the API server and the index.
#[derive(Clone)]
pub struct Counters {
    lists: Family<Counter>,
    watches: Family<Counter>,
    failures: Family<Counter>,
    skipped: Family<Counter>,
}

/// A list and a watch of one kind.
struct Follower {
    client: kube::Client,
    kind: Kind,
    /// The version that is served, in the order of preference.
    version: &'static str,
    sink: Arc<dyn Sink>,
    counters: Counters,
    absent: Duration,
}

/// Why a list or a watch ended.
enum Ended {
    /// The API server ended it, as it does from time to time.
    Normally,
    /// The version to go on from is too old.
    TooOld,
    /// The kind is not served.
    Absent,
    /// This account may not read the kind.
    Forbidden(String),
    /// The API server has too much to do, and said when to come back.
    Busy(Duration),
    /// Something else.
    Failed(String),
}

/// Seconds of a watch that are random; the API server would otherwise get all of them at once.
fn spread() -> u64 {
    rand::random_range(0..60)
}

// === impl Counters ===

impl Counters {
    /// Counters in a registry.
    pub fn new(registry: &Registry) -> Self {
        let by_kind = |name, help| registry.counters(name, help, &["kind"]);
        Self {
            lists: by_kind("kube_lists_total", "Lists that were read whole."),
            watches: by_kind("kube_watches_total", "Watches that were begun."),
            failures: by_kind("kube_failures_total", "Lists and watches that failed."),
            skipped: by_kind("kube_skipped_objects_total", "Objects that could not be read."),
        }
    }
}

/// Feeds a sink from an API server until the task is dropped. `absent` is how often a kind that is not served is asked
/// for; none for the default.
pub async fn run(client: kube::Client, sink: Arc<dyn Sink>, counters: Counters, absent: Option<Duration>) {
    let mut followers = tokio::task::JoinSet::new();
    for kind in Kind::ALL.iter().filter(|kind| sink.wants(**kind)) {
        let follower = Follower {
            client: client.clone(),
            kind: *kind,
            version: kind.watched().version,
            sink: Arc::clone(&sink),
            counters: counters.clone(),
            absent: absent.unwrap_or(ABSENT),
        };
        followers.spawn(follower.run());
    }
    // None of them ends; if one panics, a kind would stand still while the process looks well.
    if let Some(ended) = followers.join_next().await {
        tracing::error!(?ended, "a watch ended for good; the process has to be started again");
    }
}

// === impl Follower ===

impl Follower {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        let mut told_absent = false;
        loop {
            match self.list().await {
                Ok(from) => {
                    told_absent = false;
                    let begun = Instant::now();
                    self.watch(from).await;
                    // A version that is too old as soon as it was listed must not make a loop of lists.
                    if begun.elapsed() > LONGEST_PAUSE {
                        pause = FIRST_PAUSE;
                    }
                    self.pause(&mut pause).await;
                }
                // Installed rights may be older than the program: then the kind is as good as absent.
                Err(Ended::Forbidden(cause)) if self.kind.watched().optional => {
                    if !std::mem::replace(&mut told_absent, true) {
                        tracing::warn!(
                            kind = self.name(),
                            cause,
                            "this kind may not be read; it is passed over until it may"
                        );
                        self.sink.take(vec![self.nothing()]);
                    }
                    tokio::time::sleep(self.absent).await;
                }
                Err(Ended::Absent) if self.next_version() => continue,
                Err(Ended::Absent) => {
                    self.version = self.kind.watched().version;
                    if !std::mem::replace(&mut told_absent, true) {
                        tracing::info!(
                            kind = self.name(),
                            "the API server does not serve this kind; it is asked for again"
                        );
                        self.sink.take(vec![self.nothing()]);
                    }
                    tokio::time::sleep(self.absent).await;
                }
                Err(ended) => {
                    self.failed("list", &ended);
                    self.pause_after(&ended, &mut pause).await;
                }
            }
        }
    }

    /// All objects of the kind; the version to watch from. A page is read while the one before it is decoded.
    async fn list(&self) -> Result<String, Ended> {
        let (mut records, mut kept) = (Vec::new(), Vec::new());
        let mut next = String::new();
        let mut before: Option<Decoding> = None;
        let last = loop {
            let text = tokio::time::timeout(PAGE_LIMIT, self.page(&next)).await;
            let text =
                text.map_err(|_| Ended::Failed(format!("no page within {} s", PAGE_LIMIT.as_secs())))??;
            let head = PageHead::read(&text);
            let decoding = Decoding::start(self.kind, text);
            if let Some(before) = before.take() {
                self.keep(before.page().await?, &mut records, &mut kept);
            }
            match head {
                Some(head) if !head.next.is_empty() => (next, before) = (head.next, Some(decoding)),
                _ => break decoding.page().await?,
            }
        };
        let from = last.resource_version.clone();
        self.keep(last, &mut records, &mut kept);
        self.counters.lists.with(&[self.name()]).inc();
        self.sink.take(vec![Event::Listed { kind: self.kind, records, kept }]);
        Ok(from)
    }

    /// Keeps what a page has; an object that cannot be read costs itself alone.
    fn keep(&self, page: Page, records: &mut Vec<Record>, kept: &mut Vec<Key>) {
        for decoded in page.objects {
            match decoded.record {
                Ok(record) => records.push(record),
                Err(error) => {
                    self.skipped(&error);
                    kept.push(decoded.key);
                }
            }
        }
    }

    /// Follows changes until a new list is needed.
    async fn watch(&self, mut from: String) {
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            let ended = self.watch_once(&mut from).await;
            match &ended {
                Ended::Normally => {}
                Ended::TooOld => {
                    tracing::info!(kind = self.name(), "the version to go on from is too old; listing again");
                    return;
                }
                Ended::Absent => return,
                Ended::Failed(_) | Ended::Forbidden(_) | Ended::Busy(_) => self.failed("watch", &ended),
            }
            // A watch that ends at once, whatever the reason, must not be begun again at once.
            if begun.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            self.pause_after(&ended, &mut pause).await;
        }
    }

    async fn watch_once(&self, from: &mut String) -> Ended {
        let timeout = WATCH_SECONDS + spread();
        let query =
            format!("watch=1&allowWatchBookmarks=true&timeoutSeconds={timeout}&resourceVersion={from}");
        let request = match self.request(&query, "") {
            Ok(request) => request,
            Err(ended) => return ended,
        };
        let stream = match tokio::time::timeout(PAGE_LIMIT, self.send(request)).await {
            Ok(Ok(answer)) => {
                answer.into_body().into_data_stream().map_err(std::io::Error::other).into_async_read()
            }
            Ok(Err(ended)) => return ended,
            Err(_) => return Ended::Failed("the watch did not begin in time".to_owned()),
        };
        self.counters.watches.with(&[self.name()]).inc();
        let mut lines = Lines::new(stream);
        loop {
            let line = match tokio::time::timeout(SILENCE, lines.next()).await {
                Ok(Ok(Some(line))) => line,
                Ok(Ok(None)) => return Ended::Normally,
                Ok(Err(error)) => return Ended::Failed(error.to_string()),
                Err(_) => return Ended::Normally,
            };
            match self.event(line, from) {
                Ok(Some(event)) => self.sink.take(vec![event]),
                Ok(None) => {}
                Err(ended) => return ended,
            }
        }
    }

    /// One line of a watch.
    fn event(&self, line: &[u8], from: &mut String) -> Result<Option<Event>, Ended> {
        #[derive(Deserialize)]
        struct Line {
            #[serde(rename = "type")]
            kind: String,
            object: Value,
        }
        let line: Line = serde_json::from_slice(line)
            .map_err(|error| Ended::Failed(format!("a line of the watch is not an event: {error}")))?;
        if line.kind == "ERROR" {
            let code = line.object.get("code").and_then(Value::as_u64);
            let message = line.object.get("message").and_then(Value::as_str).unwrap_or("no message");
            return Err(match code {
                Some(410) => Ended::TooOld,
                _ => Ended::Failed(message.to_owned()),
            });
        }
        let decoded = self.kind.decode(line.object);
        if !decoded.resource_version.is_empty() {
            from.clone_from(&decoded.resource_version);
        }
        match (line.kind.as_str(), decoded.record) {
            ("ADDED" | "MODIFIED", Ok(record)) => Ok(Some(Event::Applied(record))),
            ("ADDED" | "MODIFIED", Err(error)) => {
                self.skipped(&error);
                Ok(None)
            }
            ("DELETED", _) => {
                Ok(Some(Event::Deleted { kind: self.kind, key: decoded.key, uid: decoded.uid }))
            }
            // Bookmarks carry a version and nothing else.
            _ => Ok(None),
        }
    }

    fn next_version(&mut self) -> bool {
        let watched = self.kind.watched();
        let versions: Vec<&'static str> =
            std::iter::once(watched.version).chain(watched.also.iter().copied()).collect();
        let at = versions.iter().position(|version| *version == self.version).unwrap_or(0);
        match versions.get(at + 1) {
            Some(next) => {
                self.version = next;
                true
            }
            None => false,
        }
    }

    fn request(&self, query: &str, list: &str) -> Result<Request<Vec<u8>>, Ended> {
        let watched = self.kind.watched();
        let path = if watched.group.is_empty() {
            format!("/api/{}/{}?{query}", self.version, watched.plural)
        } else {
            format!("/apis/{}/{}/{}?{query}", watched.group, self.version, watched.plural)
        };
        let accept = if watched.metadata_only {
            format!("application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1,application/json")
        } else {
            "application/json".to_owned()
        };
        Request::get(path)
            .header(ACCEPT, accept)
            .body(Vec::new())
            .map_err(|error| Ended::Failed(format!("the request cannot be made: {error}")))
    }

    fn nothing(&self) -> Event {
        Event::Listed { kind: self.kind, records: Vec::new(), kept: Vec::new() }
    }

    fn skipped(&self, error: &crate::record::DecodeError) {
        self.counters.skipped.with(&[self.name()]).inc();
        tracing::warn!("{error}");
    }

    fn failed(&self, what: &'static str, ended: &Ended) {
        self.counters.failures.with(&[self.name()]).inc();
        let cause = match ended {
            Ended::Failed(cause) | Ended::Forbidden(cause) => cause.as_str(),
            Ended::TooOld => "the version is too old",
            Ended::Busy(_) => "the API server has too much to do",
            Ended::Absent => "the kind is not served",
            Ended::Normally => "it ended",
        };
        tracing::warn!(kind = self.name(), cause, "cannot {what}; what is known stays in force");
    }

    /// Waits, the next time longer; between half and the whole, so that replicas do not come together.
    async fn pause(&self, pause: &mut Duration) {
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
        *pause = (*pause * 2).min(LONGEST_PAUSE);
    }

    async fn pause_after(&self, ended: &Ended, pause: &mut Duration) {
        match ended {
            Ended::Busy(wish) => tokio::time::sleep(wish.mul_f64(rand::random_range(1.0..1.5))).await,
            _ => self.pause(pause).await,
        }
    }

    fn name(&self) -> &'static str {
        self.kind.watched().plural
    }
}
