//! What the admin server asks of this process.

mod requests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::StatusCode;
use http::request::Parts;
use proxy_net::headers::HeaderList;
use serde_json::json;
use tokio::sync::watch;

use self::requests::Counted;
use super::counts::Sources;
use super::shutdown::Trigger;
use super::workers::Workers;
use crate::admin::accept::{Client, Shown};
use crate::admin::{Process, Verdict};
use crate::discovery::{Answer, Deliver, Inspector, Update, WatchState};
use crate::identity::State;
use crate::inbound::judge::Matched;
use crate::metrics::{ControlMetrics, Snapshot};
use crate::model::InboundPolicy;
use crate::model::inbound::Peer;
use crate::worker::Message;

/// How long a worker may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process as the admin server sees it.
pub(super) struct Proxy {
    pub(super) identity: watch::Receiver<State>,
    pub(super) workers: Workers,
    pub(super) sources: Sources,
    pub(super) inspector: Inspector,
    pub(super) retain: Duration,
    pub(super) policy: Policy,
    /// Pulled by `POST /shutdown`; none where that is not allowed.
    pub(super) trigger: Option<Trigger>,
}

/// The policy of the admin port, as it changes, and where its decisions are counted. Cheap to clone.
#[derive(Clone)]
pub(super) struct Policy {
    in_force: Arc<ArcSwap<InboundPolicy>>,
    metrics: ControlMetrics,
}

// === impl Policy ===

impl Policy {
    /// The default, until something is known.
    pub(super) fn new(default: Arc<InboundPolicy>, metrics: ControlMetrics) -> Self {
        Self { in_force: Arc::new(ArcSwap::new(default)), metrics }
    }

    /// How discovery tells it. Where it says nothing of use, what was in force stays so.
    pub(super) fn deliver(&self) -> Deliver {
        let policy = self.in_force.clone();
        Box::new(move |update| {
            if let Update::Inbound(_, Answer::Found(found)) = update {
                policy.store(found);
            }
            true
        })
    }

    /// Whether a request is let in: by a route that it matches, or by the server.
    fn judge(&self, client: &Client, request: &Parts) -> Verdict {
        let peer = match &client.identity {
            Shown::Plaintext => Peer::Plain,
            Shown::Nothing => Peer::Meshed(None),
            Shown::Identity(id) => Peer::Meshed(Some(id.clone())),
        };
        let policy = self.in_force.load();
        let head = head_of(request);
        let Some(matched) = Matched::of(&policy, &head) else {
            requests::refused(&self.metrics, client, &policy, None);
            return Verdict::Deny(StatusCode::NOT_FOUND, "no route matches".to_owned());
        };
        match policy.authorize_route(matched.route, client.addr.ip(), &peer) {
            Some((_, authorization)) => {
                let counted = Counted::begin(&self.metrics, client, &policy, &matched, &authorization.meta);
                Verdict::Allow(Some(Box::new(move |status, took| counted.end(status, took))))
            }
            None => {
                requests::refused(&self.metrics, client, &policy, Some(&matched));
                let reason = format!("{} does not let {} in", policy.meta, client.addr.ip());
                Verdict::Deny(StatusCode::FORBIDDEN, reason)
            }
        }
    }
}

// === impl Proxy ===

impl Process for Proxy {
    fn ready(&self) -> bool {
        self.identity.borrow().credentials.is_some()
    }

    fn snapshots(&self) -> BoxFuture<'static, Vec<Snapshot>> {
        let (workers, sources, retain) = (self.workers.clone(), self.sources.clone(), self.retain);
        async move {
            sources.refresh().await;
            let mut snapshots = workers.ask(PATIENCE, Message::Collect).await;
            snapshots.push(sources.metrics.lock().snapshot(Instant::now(), retain));
            snapshots
        }
        .boxed()
    }

    fn state(&self) -> BoxFuture<'static, serde_json::Value> {
        let (workers, inspector, identity) =
            (self.workers.clone(), self.inspector.clone(), self.identity.clone());
        async move {
            let workers = workers.ask(PATIENCE, Message::Dump).await;
            let watched = inspector.watched().await;
            json!({
                "identity": describe(&identity.borrow()),
                "discovery": watched.iter().map(describe_watch).collect::<Vec<_>>(),
                "workers": workers,
            })
        }
        .boxed()
    }

    fn authorize(&self, client: &Client, request: &Parts) -> Verdict {
        self.policy.judge(client, request)
    }

    fn shutdown(&self) -> bool {
        match &self.trigger {
            Some(trigger) => {
                trigger.pull();
                true
            }
            None => false,
        }
    }
}

fn describe(state: &State) -> serde_json::Value {
    let time = |time| jiff::Timestamp::try_from(time).map(|time| time.to_string()).unwrap_or_default();
    json!({
        "anchors": state.trust.bundle().names(),
        "certificate": state.credentials.as_ref().map(|credentials| json!({
            "id": credentials.id().as_str(),
            "generation": credentials.generation(),
            "not_before": time(credentials.leaf().not_before()),
            "not_after": time(credentials.leaf().not_after()),
        })),
    })
}

fn describe_watch(watch: &WatchState) -> serde_json::Value {
    json!({
        "key": watch.key.to_string(),
        "known": watch.known,
        "age_seconds": watch.age.map(|age| age.as_secs_f64()),
        "connected": watch.connected,
        "watchers": watch.watchers,
        "last_error": watch.last_error,
    })
}

/// A request as routes look at it.
fn head_of(request: &Parts) -> HeaderList {
    let mut head = HeaderList::default();
    head.push(b":method", request.method.as_str().as_bytes());
    head.push(b":scheme", b"http");
    let authority = request.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = request.headers.get(http::header::HOST).map(|host| host.as_bytes());
    if let Some(authority) = authority.or(host) {
        head.push(b":authority", authority);
    }
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    head.push(b":path", path.as_bytes());
    for (name, value) in &request.headers {
        head.push(name.as_str().as_bytes(), value.as_bytes());
    }
    head
}
