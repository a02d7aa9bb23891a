//! Kubernetes events: what an operator sees in `kubectl describe`.
//!
//! Events are told in the background from a bounded queue: they are a courtesy, and never hold up or stop the work.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use super::metrics::{Counter, Family};
use super::{CALL_LIMIT, Runtime};

/// Events that may wait; more are dropped and counted.
const QUEUE: usize = 256;
/// The longest text the API takes, in bytes.
const MAX_NOTE: usize = 1_024;

/// Tells events. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    queue: mpsc::Sender<(Event, ObjectReference)>,
    dropped: Family<Counter>,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// For the record.
    Normal,
    /// Somebody should look.
    Warning,
}

/// What happened, in the words of the API.
#[derive(Clone, Debug)]
pub struct Happening {
    /// How much it matters.
    pub severity: Severity,
    /// Why: a word in PascalCase that scripts look for.
    pub reason: &'static str,
    /// What was done, a word in PascalCase.
    pub action: &'static str,
    /// The whole story.
    pub note: String,
}

impl Events {
    /// Events of `runtime`'s component.
    pub fn new(runtime: &Runtime, client: kube::Client) -> Self {
        let (queue, mut waiting) = mpsc::channel::<(Event, ObjectReference)>(QUEUE);
        let counters =
            runtime.registry.counters("events_total", "Kubernetes events by outcome.", &["outcome"]);
        let (told, failed) = (counters.with(&["told"]), counters.with(&["failed"]));
        let reporter = Reporter {
            controller: format!("linkerd-{}", runtime.component),
            instance: Some(runtime.pod.clone()),
        };
        let recorder = Recorder::new(client, reporter);
        tokio::spawn(async move {
            while let Some((event, object)) = waiting.recv().await {
                let telling = recorder.publish(&event, &object);
                match tokio::time::timeout(CALL_LIMIT, telling).await {
                    Ok(Ok(())) => told.inc(),
                    Ok(Err(error)) => {
                        failed.inc();
                        tracing::debug!(reason = event.reason, %error, "an event could not be told");
                    }
                    Err(_) => failed.inc(),
                }
            }
        });
        Self { queue, dropped: counters }
    }

    /// Tells that something happened to `object`.
    pub fn tell(&self, object: ObjectReference, happening: Happening) {
        let mut note = happening.note;
        if note.len() > MAX_NOTE {
            let end = note.floor_char_boundary(MAX_NOTE - '…'.len_utf8());
            note.truncate(end);
            note.push('…');
        }
        let type_ = match happening.severity {
            Severity::Normal => EventType::Normal,
            Severity::Warning => EventType::Warning,
        };
        let event = Event {
            type_,
            reason: happening.reason.to_owned(),
            note: Some(note),
            action: happening.action.to_owned(),
            secondary: None,
        };
        if self.queue.try_send((event, object)).is_err() {
            self.dropped.with(&["dropped"]).inc();
        }
    }
}

/// The Deployment `name` of the control plane, as the object of an event.
pub fn deployment(namespace: &str, name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("apps/v1".to_owned()),
        kind: Some("Deployment".to_owned()),
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ObjectReference::default()
    }
}
