//! From an object and what surrounds it to a patch. Pure.

use std::collections::BTreeMap;

use mesh_core::names::annotations as names;
use mesh_inject::{Admission, InjectValue, Mode, Op, Outcome, Skip, inject};
use serde_json::{Map, Value, json};

use super::config::Config;
use super::owners::Owner;

/// Longest value of a label.
const MAX_LABEL: usize = 63;

/// What is to be decided.
pub struct Question<'a> {
    /// The pod or Service as it is to be created.
    pub object: &'a Value,
    /// Where.
    pub namespace: &'a str,
    /// What its namespace says.
    pub annotations: &'a BTreeMap<String, String>,
    /// The workload behind a pod.
    pub owner: Option<&'a Owner>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// A JSON patch, if anything is to be changed.
    pub patch: Option<Value>,
    /// What is odd about the object.
    pub warnings: Vec<String>,
    /// A word for the metric: `injected`, or why not.
    pub outcome: &'static str,
    /// What is told in an event: that it was injected, or why not. `None` where nobody asked.
    pub told: Option<Result<String, String>>,
}

/// Decides.
///
/// # Errors
/// When the containers cannot be rendered, or the object is not what Kubernetes takes.
pub fn decide(config: &Config, question: &Question<'_>) -> Result<Decided, String> {
    let kind = question.object["kind"].as_str().unwrap_or_default();
    if kind == "Service" {
        let patch = opaque_ports(question);
        let outcome = if patch.is_some() { "annotated" } else { "not_annotated" };
        return Ok(Decided { patch, warnings: Vec::new(), outcome, told: None });
    }
    let own = question.object.pointer("/metadata/annotations").and_then(|it| it.get(names::INJECT));
    let above = question.annotations.get(names::INJECT).map(String::as_str);
    let value = match Admission::decide(above, own.and_then(Value::as_str)) {
        Admission::Inject => InjectValue::Enabled,
        Admission::Ingress => InjectValue::Ingress,
        Admission::Skip(skip) => return Ok(left_alone(question, skip, Vec::new())),
    };
    injected(config, question, value)
}

fn injected(config: &Config, question: &Question<'_>, value: InjectValue) -> Result<Decided, String> {
    let mut object = question.object.clone();
    // The object may leave out what the request says.
    object["metadata"]["namespace"] = question.namespace.into();
    let mut settings = config.settings.clone();
    settings.inject = value;
    let inherited = question.annotations.iter().filter(|(name, _)| names::is_config(name));
    settings.namespace_annotations = inherited.map(|(name, value)| (name.clone(), value.clone())).collect();
    let result = inject(&object, &settings, Mode::Manual { source: &config.source })
        .map_err(|error| error.to_string())?;
    let Some(fact) = result.facts.into_iter().next() else {
        return Ok(left_alone(question, Skip::UnsupportedResource, Vec::new()));
    };
    let mut warnings: Vec<String> = fact.warnings.iter().map(ToString::to_string).collect();
    if fact.udp {
        warnings.push("UDP ports bypass the proxy".to_owned());
    }
    if let Outcome::Skipped(skip) = fact.outcome {
        return Ok(left_alone(question, skip, warnings));
    }
    let mut patch: Vec<Value> = result.ops.into_iter().map(operation).collect();
    if let Some(owner) = question.owner
        && let Some(label) = owner.label()
    {
        match owner.name.len() <= MAX_LABEL {
            // Labels are there by now: that of the control plane was added just before.
            true => patch.push(add(&["metadata", "labels", label], owner.name.clone().into())),
            false => warnings.push(format!("label \"{label}\" is left out: the name is too long")),
        }
    }
    let note = "Linkerd sidecar proxy injected".to_owned();
    Ok(Decided { patch: Some(patch.into()), warnings, outcome: "injected", told: Some(Ok(note)) })
}

fn left_alone(question: &Question<'_>, skip: Skip, warnings: Vec<String>) -> Decided {
    let told = (skip != Skip::InjectAnnotationAbsent).then(|| Err(skip.describe().to_owned()));
    Decided { patch: opaque_ports(question), warnings, outcome: skip.code(), told }
}

/// The namespace's opaque ports, for an object that names none itself.
fn opaque_ports(question: &Question<'_>) -> Option<Value> {
    let ports = question.annotations.get(names::OPAQUE_PORTS)?;
    let annotations = question.object.pointer("/metadata/annotations").and_then(Value::as_object);
    let operation = match annotations {
        Some(own) if own.contains_key(names::OPAQUE_PORTS) => return None,
        Some(_) => add(&["metadata", "annotations", names::OPAQUE_PORTS], ports.clone().into()),
        None => {
            let mut map = Map::new();
            map.insert(names::OPAQUE_PORTS.to_owned(), ports.clone().into());
            add(&["metadata", "annotations"], map.into())
        }
    };
    Some(json!([operation]))
}

fn add(path: &[&str], value: Value) -> Value {
    let path = mesh_inject::Pointer::new(path.iter().copied());
    json!({"op": "add", "path": path.to_string(), "value": value})
}

/// A change as RFC 6902 writes it.
fn operation(op: Op) -> Value {
    match op {
        Op::Add { path, value } => json!({"op": "add", "path": path.to_string(), "value": value}),
        Op::Replace { path, value } => json!({"op": "replace", "path": path.to_string(), "value": value}),
        Op::Remove { path } => json!({"op": "remove", "path": path.to_string()}),
    }
}
