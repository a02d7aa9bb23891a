//! The state of the outbound side for people, as JSON.

use serde_json::{Value, json};

use super::Outbound;
use super::backend::{Backend, Known};
use super::destination::State;
use super::plan::Kind;
use crate::discovery::Answer;
use crate::model::outbound::BackendKind;
use crate::worker::Cx;

impl Outbound {
    /// What is resolved, backend by backend and endpoint by endpoint.
    pub(crate) fn dump(&self, cx: &mut Cx<'_, '_>) -> Value {
        let now = cx.now();
        let destinations: Vec<Value> = self
            .destinations
            .iter()
            .map(|(_, destination)| {
                let age = destination.answered.map(|at| now.saturating_duration_since(at).as_secs_f64());
                let kind = destination.plan.as_ref().map(|plan| match &plan.kind {
                    Kind::Http(_) => "http".to_owned(),
                    Kind::Opaque(_) => "opaque".to_owned(),
                    Kind::Tls(_) => "tls".to_owned(),
                    Kind::Refuse(refusal) => format!("refused: {}", refusal.text()),
                });
                json!({
                    "target": destination.target.to_string(),
                    "parent": destination.plan.as_ref().map(|plan| plan.parent.to_string()),
                    "protocol": kind,
                    "backends": destination.plan.as_ref().map(|plan| plan.backends.len()),
                    "profile": state(&destination.profile),
                    "policy": state(&destination.policy),
                    "waiting": destination.waiting.len(),
                    "asked_seconds_ago": now.saturating_duration_since(destination.asked).as_secs_f64(),
                    "answered_seconds_ago": age,
                })
            })
            .collect();
        let backends: Vec<Value> =
            self.backends.iter().map(|(_, backend)| dump_backend(cx, backend)).collect();
        json!({ "destinations": destinations, "backends": backends, "in_flight": self.in_flight })
    }
}

fn dump_backend(cx: &Cx<'_, '_>, backend: &Backend) -> Value {
    let now = cx.ctl.now();
    let endpoints: Vec<Value> = backend
        .members
        .iter()
        .map(|(_, member)| {
            let load = member.id.map(|id| cx.ctl.load(id)).unwrap_or_default();
            let shut = member.breaker.as_ref().and_then(proxy_net::breaker::Breaker::shut_until);
            let error = member.last_error.map(|(at, error)| {
                json!({
                    "error": format!("{error:?}"),
                    "seconds_ago": now.saturating_duration_since(at).as_secs_f64(),
                })
            });
            json!({
                "address": member.endpoint.addr.to_string(),
                "identity": member.endpoint.tls.as_ref().map(|peer| peer.id.as_str()),
                "weight": member.endpoint.weight,
                "ready": load.ready,
                "unusable": member.id.err().map(|why| format!("{why:?}")),
                "requests": load.requests,
                "connections": load.connections,
                "latency_seconds": member.estimate.estimate(&backend.ewma, now),
                "breaker": member.breaker.as_ref().map(|breaker| if breaker.is_shut() { "shut" } else { "open" }),
                "shut_for_seconds": shut.map(|until| until.saturating_duration_since(now).as_secs_f64()),
                "last_error": error,
            })
        })
        .collect();
    let (name, kind) = match &backend.key.model.kind {
        BackendKind::Balance { addr, .. } => (Some(addr.to_string()), "balance"),
        BackendKind::Forward(_) => (None, "forward"),
        BackendKind::None => (None, "none"),
    };
    let known = match backend.known {
        Known::Nothing => "unknown",
        Known::Exists => "exists",
        Known::Missing => "missing",
    };
    json!({
        "backend": backend.key.model.meta.to_string(),
        "name": name,
        "kind": kind,
        "discovery": known,
        "answered_seconds_ago": backend.answered.map(|at| now.saturating_duration_since(at).as_secs_f64()),
        "waiting": backend.waiting.len(),
        "failing_fast": backend.shut_since.is_some(),
        "endpoints": endpoints,
    })
}

fn state<T>(state: &State<T>) -> Value {
    match state {
        State::Unasked => json!("not looked up"),
        State::Waiting => json!("waiting"),
        State::Known(Answer::Found(_)) => json!("found"),
        State::Known(Answer::NotFound) => json!("none"),
        State::Known(Answer::Rejected(why)) => json!(format!("rejected: {why}")),
    }
}
